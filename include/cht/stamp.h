/* SPDX-License-Identifier: Apache-2.0
 *
 * stamp.h - a declaration and the cell whose socket it came from go in; a stamped value,
 * which only this module can make, comes out.
 *
 * Attribution is taken from the cell alone, never from the declaration. `struct cht_stamped`
 * is incomplete on purpose: outside libcht it can be held and read, not built.
 */
#ifndef CHT_STAMP_H
#define CHT_STAMP_H

#include <cht/err.h>
#include <cht/wire.h>

CHT_BEGIN_DECLS

enum {
	CHT_CELL_ID_MAX = 64,     /* [A-Za-z0-9._-]+ */
	CHT_ATTRIBUTION_MAX = 128 /* run and spec: [A-Za-z0-9._:+/=-]+ */
};

struct cht_cell;    /* one registered cell and its run; opaque */
struct cht_stamped; /* opaque, see above */

struct cht_cell_options {
	struct cht_str cell_id;
	struct cht_str run_id;              /* empty: "run-" and a random UUID */
	struct cht_str spec_signature_hash; /* empty: "unspecified" */
	struct cht_str channel;             /* what the attribution rests on: the socket's path */
	uint64_t boot_window_ns;            /* silence: until the first frame; 0 = 60 s */
	uint64_t keepalive_window_ns;       /* and after it; 0 = CHT_SILENCE_DEFAULT_WINDOW_NS */
};

/* Where on the channel a frame was read. */
struct cht_frame_facts {
	uint64_t connection;  /* number of the connection in its run, from 1 */
	uint32_t epoch;       /* restores told when the connection was opened, from 0 */
	uint32_t frame_bytes; /* body length */
	uint32_t peer_uid;    /* SO_PEERCRED; UINT32_MAX when unknown */
};

/* Makes a cell and starts its run: 74 random bits, sequence 0, silence clock at now. Copies
 * what it keeps. The caller frees with cht_cell_free. CHT_E_RANGE names the bad field;
 * CHT_E_NOMEM; CHT_E_IO if the kernel gives no random bytes. */
CHT_API int cht_cell_new(struct cht_cell **out, const struct cht_cell_options *options,
			 const struct cht_now *now, struct cht_err *err) CHT_CHECKED;

/* Frees a cell and everything stamped by it; null is fine. */
CHT_API void cht_cell_free(struct cht_cell *cell);

/* Stamps one declaration: gives it the next sequence number of the run and the time of receipt.
 * The result borrows from cell, declaration and their buffers and is valid until the next call
 * on this cell. Accounts what the agent says of its own numbers, and the silence clock, first:
 * see cht_cell_next. Never fails. Not thread-safe per cell. */
CHT_API const struct cht_stamped *cht_stamp(struct cht_cell *cell,
					    const struct cht_declaration *declaration,
					    const struct cht_frame_facts *facts,
					    const struct cht_now *now);

/* The same, with the host's clocks read now. */
CHT_API const struct cht_stamped *cht_stamp_now(struct cht_cell *cell,
						const struct cht_declaration *declaration,
						const struct cht_frame_facts *facts);

/* What the host itself has to say of the cell at now, one value a call, until null: frames that are
 * missing (by agent_seq and agent_dropped) or were refused, keys of attribution that were dropped,
 * connections, silence of the agent and its end, and where the cell is then. The first of a kind is
 * due at once, then at most one a second with the counts since; silence is judged as cht/silence.h
 * has it. Valid until the next call on this cell. */
CHT_API const struct cht_stamped *cht_cell_next(struct cht_cell *cell, const struct cht_now *now);

/* CLOCK_MONOTONIC at which cht_cell_next can next have something; UINT64_MAX for never. Poll until
 * then; read what waits before asking, so that a frame that is there is not called silence. */
CHT_API uint64_t cht_cell_deadline(const struct cht_cell *cell);

/* Reads the three clocks. The only place in libcht that does. */
CHT_API void cht_now(struct cht_now *out);

/* What a stamped value holds; views live as long as it does. The declaration is null for a
 * value that the host itself observed or derived. */
CHT_API struct cht_str cht_stamped_cell_id(const struct cht_stamped *stamped);
CHT_API struct cht_str cht_stamped_run_id(const struct cht_stamped *stamped);
CHT_API struct cht_str cht_stamped_spec_signature_hash(const struct cht_stamped *stamped);
CHT_API uint64_t cht_stamped_sequence(const struct cht_stamped *stamped);
CHT_API int64_t cht_stamped_received_realtime_ns(const struct cht_stamped *stamped);
CHT_API const struct cht_declaration *cht_stamped_declaration(const struct cht_stamped *stamped);

CHT_END_DECLS

#endif
