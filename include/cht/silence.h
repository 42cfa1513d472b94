/* SPDX-License-Identifier: Apache-2.0
 *
 * silence.h - when has an agent not been heard for too long? Pure functions of now: no timer,
 * no clock, no allocation. The caller polls, or sleeps until the deadline.
 */
#ifndef CHT_SILENCE_H
#define CHT_SILENCE_H

#include <cht/types.h>

CHT_BEGIN_DECLS

#define CHT_SILENCE_DEFAULT_WINDOW_NS UINT64_C(10000000000) /* 10 s */

/* Caller-owned; read it, change it only through the calls below. */
struct cht_silence {
	uint64_t window_ns;
	uint64_t heard_ns;  /* monotonic: last good frame, or registration */
	uint64_t paused_ns; /* monotonic: since when we do not read; 0 = we do */
	bool fired;
};

struct cht_silence_signal {
	uint64_t window_ns;
	uint64_t elapsed_ns; /* >= window_ns */
};

/* Starts the clock at now_ns (CLOCK_MONOTONIC): registration counts as being heard. */
CHT_API void cht_silence_init(struct cht_silence *silence, uint64_t window_ns, uint64_t now_ns);

/* A good frame was read. A refused one must not be told. Time never runs backwards: an earlier
 * now_ns is ignored. Does not re-arm a trigger that fired: make a new one with init. */
CHT_API void cht_silence_heard(struct cht_silence *silence, uint64_t now_ns);

/* We stopped, or resumed, reading this cell. Time in between is not the guest's silence. Both
 * are idempotent. */
CHT_API void cht_silence_pause(struct cht_silence *silence, uint64_t now_ns);
CHT_API void cht_silence_resume(struct cht_silence *silence, uint64_t now_ns);

/* True, once for ever, when elapsed >= window and not paused; fills *out. */
CHT_API bool cht_silence_trigger(struct cht_silence *silence, uint64_t now_ns,
				 struct cht_silence_signal *out);

/* The monotonic time at which the trigger can fire; UINT64_MAX when it fired or is paused. */
CHT_API uint64_t cht_silence_deadline(const struct cht_silence *silence);

CHT_END_DECLS

#endif
