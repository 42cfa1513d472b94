/* SPDX-License-Identifier: Apache-2.0
 *
 * send.h - connections of a synthetic guest: frames out as fast as they are taken, or at a
 * rate, and faults between them.
 */
#ifndef CLI_SEND_H
#define CLI_SEND_H

#include "cli/synth.h"
#include "cli/target.h"

enum send_fault {
	/* Instead of an ordinary frame. */
	FAULT_BAD_CBOR,
	FAULT_VERSION,
	FAULT_FORGED,
	FAULT_UNKNOWN_SOURCE,
	/* Before an ordinary frame: a sequence number that is never sent. */
	FAULT_GAP,
	/* At the end of a connection, one each. */
	FAULT_BAD_LENGTH,
	FAULT_ZERO_LENGTH,
	FAULT_TRUNCATE,
	FAULT_STALL,
	/* Before the first frame: a connection of its own, closed at once. */
	FAULT_FLOOD_CONNECT,
	SEND_N_FAULTS
};

/* "bad-cbor" and so on. */
extern const char *const send_fault_names[SEND_N_FAULTS];

enum { SEND_BATCH_MAX = 1024 };

struct send_options {
	struct synth_options synth;
	uint64_t frames;      /* in all, hellos apart */
	uint64_t connections; /* the frames are spread over them */
	uint64_t rate;        /* frames a second in all; 0: as fast as possible */
	uint64_t batch;       /* frames a write, at most SEND_BATCH_MAX */
	bool is_of_agent;     /* the source is agent.*: its frames have no number of their own */
	bool has_hello;       /* each connection begins with an agent.hello */
	bool holds;           /* stay connected until standard input ends or SIGTERM */
	uint64_t faults[SEND_N_FAULTS];
};

struct send_result {
	uint64_t frames, hellos, bytes, connections;
	uint64_t faults[SEND_N_FAULTS];
	uint64_t unsent;       /* frames that were asked for and that nobody took */
	uint64_t closed_early; /* connections that the receiver closed before their end */
	uint64_t elapsed_ns;   /* from the first write to the last */
};

struct sender;

/* Connects. Ready to send on 0; free with send_free. CHT_E_PEER, CHT_E_IO, CHT_E_NOMEM,
 * CHT_E_RANGE. Afterwards SIGTERM and SIGINT are blocked and end send_run and send_hold. */
int send_new(struct sender **out, const struct target *target, const struct send_options *options,
	     struct cht_err *err) CHT_CHECKED;
void send_free(struct sender *sender);

/* Sends everything that can be sent; *out is written also on failure. CHT_E_IO. */
int send_run(struct sender *sender, struct send_result *out, struct cht_err *err) CHT_CHECKED;

/* Keeps the connections that are still open until standard input ends, a signal comes, or the
 * receiver has closed them all. CHT_E_IO. */
int send_hold(struct sender *sender, struct cht_err *err) CHT_CHECKED;

#endif
