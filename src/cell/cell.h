/* SPDX-License-Identifier: Apache-2.0
 *
 * cell.h - one registered cell: a declaration and the cell whose socket it came from go in;
 * stamped values, gaps and silence verdicts come out.
 *
 * Everything here is a pure function of its arguments and of `now`: no clock, no sleep, no
 * I/O, no allocation after cell_init. Attribution is never read from a declaration.
 *
 * How a frame goes through, as the pipeline does it:
 *	cell_note_frame(cell, decl, facts, now)		accounting first: gaps, silence, forgery
 *	while (cell_next(cell, now, &s)) emit(&s)	what that gave rise to
 *	if (cell_stamp(cell, decl, facts, now, &s)) emit(&s)	the frame itself, last
 * An event must be emitted once it is stamped: its number is taken. Silence is judged in
 * cell_next alone: a loop that reads what waits before it judges deadlines never calls a cell
 * silent whose frame was already in the kernel.
 *
 * What is not in frames comes by cell_note_told (what an orchestrator states of the VM) and
 * cell_note_witness (what the host sees of it); state.c has what follows from both.
 */
#ifndef CELL_CELL_H
#define CELL_CELL_H

#include <cht/err.h>
#include <cht/silence.h>

#include "cell/stamped.h"

enum {
	CELL_BOOTS = 64,         /* agents of one run that are told apart: as many as connections */
	CELL_CHANNEL_MAX = 1023, /* bytes of what the attribution rests on: a socket's path */
};

/* What one agent boot has told of itself. */
struct boot {
	uint64_t boot, seq, dropped; /* highest number and counter seen */
	uint64_t arrived;            /* bit i: number seq - i has arrived */
	uint64_t missing;            /* numbers said to be lost on the way and not come late */
	uint64_t ahead;              /* drops told whose numbers have not been passed yet */
	uint64_t used_ns;            /* monotonic, for eviction */
	bool in_use;
};

/* A kind of event that a guest can provoke: at most one a second, with counts. */
struct pending {
	uint64_t last_ns; /* when one was last emitted, if told */
	bool told, due;   /* one was emitted before; something was counted since */
};

/* What only a cell has that was connected to: most of its memory. Zeroed by the caller; untouched
 * as long as nobody connects. */
struct cell_met {
	struct pending opened_p, closed_p, refused_p, forged_p, dropped_p, resumed_p;
	struct facts_channel_opened opened;
	struct facts_channel_closed closed;
	struct facts_refused refused;
	struct facts_forged forged;
	struct facts_dropped dropped;
	struct facts_agent_resumed resumed;
	struct boot boots[CELL_BOOTS];
};

struct cht_cell {
	struct run run;
	struct cht_str channel; /* what attribution rests on, for run.opened; the caller's */
	int64_t expected_uid;
	uint64_t keepalive_window_ns, boot_window_ns;
	uint64_t ledger_quota, ledger_bytes; /* of this run; quota 0 = none */

	uint64_t next_ns; /* never later than cell_deadline(): before it cell_next is one compare */
	struct cht_silence silence;
	bool silence_once, quota_told;
	bool heard, has_heartbeat; /* a good frame; a hello that promised a heartbeat in time */
	bool is_silent;            /* the window ran out, and no good frame since */
	bool is_met;               /* there may be something in it */
	bool knows_agents; /* with run.is_continued: boots have what they told an earlier process */

	/* state.c */
	uint8_t state;             /* enum cell_state: what follows from the rest */
	uint8_t verdict;           /* the one that is_silent gave rise to */
	uint8_t told;              /* enum cell_told: the newest */
	uint8_t held;              /* why the silence clock stands still, if it does */
	bool is_restored, is_gone; /* and no good frame of the new VM yet */
	uint8_t said[N_WITNESSES]; /* enum witness_said */
	uint8_t told_state;        /* as the newest event of it has it */
	uint8_t changed_by;        /* enum state_basis: the newest change */
	uint32_t changes;          /* since that event */
	uint64_t said_ns[N_WITNESSES];
	uint64_t gone_connections; /* opened before it was last gone */
	uint64_t unread_ns;        /* since when we do not read it; 0: we do */
	struct pending state_p;

	struct frame_counts frames;
	uint64_t episode;     /* silences so far */
	struct pauses pauses; /* those that are over */
	uint64_t connections; /* opened in this run: the newest one's number */
	unsigned open;
	uint32_t epoch;

	uint64_t received_bytes; /* of whole frames, good or refused, their lengths with them */
	struct claims *claims;   /* null: the cell has no probes */
	struct cell_met *met;
	struct cht_stamped *last; /* what cht_stamp hands out, or null: then it is not called */
};

struct cell_options {
	struct cht_str cell_id, run_id, spec, channel; /* as in cht_cell_options */
	/* Memory of the cell, as long as it is there. names: until cell_move_texts. */
	struct run_names *names;
	struct cell_met *met;                         /* zeroed */
	int64_t expected_uid;                         /* -1: any */
	uint64_t keepalive_window_ns, boot_window_ns; /* 0: the defaults */
	uint64_t ledger_quota;                        /* 0: no bound */
	bool silence_once; /* one silence a run, no end of it: as the Rust side does */
};

/* run.c */

/* Fills a run's identity, whose texts stand in *names. Checks characters and lengths (CHT_E_RANGE
 * names the field). An empty run_id becomes "run-" and a UUID, an empty spec "unspecified". Draws
 * the 74 bits. */
int run_init(struct run *run, struct run_names *names, struct cht_str cell_id,
	     struct cht_str run_id, struct cht_str spec, struct cht_err *err) CHT_CHECKED
	__attribute__((nonnull(2)));
/* As run_init, for the host's own run: any cell id text, "host-" and a UUID. */
int run_init_host(struct run *run, struct run_names *names, struct cht_str origin,
		  struct cht_str spec, struct cht_err *err) CHT_CHECKED __attribute__((nonnull(2)));
/* Goes on with bits and last sequence of an earlier process. What agents told that process is not
 * known: the numbers of the first frame of each boot are taken as they are and give no gap. */
void run_continue(struct run *run, struct run_bits bits, uint64_t sequence, uint64_t first_index);
/* The next sequence number, time and kind; facts are the caller's to fill. */
void run_stamp(struct run *run, enum event_kind kind, const struct cht_now *now,
	       struct cht_stamped *out);

/* gap.c */

/* What one frame's agent_seq and agent_dropped say of frames that are not there. */
struct gap {
	uint64_t in_guest, on_the_way, late; /* as in struct facts_dropped */
	uint64_t from_seq, to_seq;
};
/* Accounts the numbers of one frame to its boot (what the agent says of itself carries the
 * current number and has none of its own); true when *out has a count above 0. A frame
 * without agent_boot says nothing. is_continued: as run_continue says. */
bool gap_account(struct boot boots[CELL_BOOTS], const struct cht_declaration *declaration,
		 bool is_continued, uint64_t now_ns, struct gap *out);

/* cell.c */

/* Registration: identity, the silence clock at now. *cell is caller-owned and address-stable
 * (stamped values point into it); so is what options->channel has. */
int cell_init(struct cht_cell *cell, const struct cell_options *options, const struct cht_now *now,
	      struct cht_err *err) CHT_CHECKED;
/* Its texts into memory of that size: from then on they are there, each with a NUL. */
size_t cell_texts_bytes(const struct cht_cell *cell);
void cell_move_texts(struct cht_cell *cell, char *to);

/* A connection was accepted; returns its number. */
uint64_t cell_note_opened(struct cht_cell *cell, uint32_t pid, uint32_t uid, uint32_t gid);
/* One ended, or was refused at the door (then it was never opened: frames and bytes are 0 and
 * opened is false). */
void cell_note_closed(struct cht_cell *cell, uint64_t connection, enum close_reason reason,
		      bool opened, uint64_t frames, uint64_t bytes);
/* A body did not decode: counted, no life. */
void cell_note_refused(struct cht_cell *cell, const struct cht_frame_facts *facts,
		       const struct cht_wire_fault *why);
/* A good frame: life, gap accounting, forgery. The frame itself is counted by cell_stamp. */
void cell_note_frame(struct cht_cell *cell, const struct cht_declaration *declaration,
		     const struct cht_frame_facts *facts, const struct cht_now *now);
/* We stopped or resumed reading this cell: its silence clock stands still meanwhile, and it is
 * counted as our doing. Being told what is so already does nothing. */
void cell_note_paused(struct cht_cell *cell, bool paused, const struct cht_now *now);
/* We were kept from the processor from since_ns to now, and read nobody: counted as our doing. Who
 * kept us may have kept the VM as well: it gets as long again. */
void cell_note_late(struct cht_cell *cell, uint64_t since_ns, const struct cht_now *now);
/* n bytes of this run went to the ledger. */
void cell_note_stored(struct cht_cell *cell, size_t n);

/* The frame itself. False for a heartbeat (counted) and over the ledger quota (counted as
 * dropped): then nothing is stamped. Call after cell_note_frame and cell_next. */
bool cell_stamp(struct cht_cell *cell, const struct cht_declaration *declaration,
		const struct cht_frame_facts *facts, const struct cht_now *now,
		struct cht_stamped *out);

/* The frame itself when the ledger has no space and the operator chose to go on: counted, as a
 * heartbeat or as dropped, and nothing is stamped. That it was dropped is what cell_next tells
 * first, whatever the window: it is the disk that provokes it. Call after cell_note_frame. */
void cell_drop(struct cht_cell *cell, const struct cht_declaration *declaration);
/* An earlier process of this run dropped so many and did not tell. */
void cell_note_untold(struct cht_cell *cell, uint64_t over_quota, uint64_t no_space);
/* The same for what agents' numbers showed it. */
void cell_note_gaps(struct cht_cell *cell, uint64_t in_guest, uint64_t on_the_way, uint64_t late);

/* reading.c */

/* What a probe's reading says of the VM's getting on: cell_note_witness. */
void cell_note_reading(struct cht_cell *cell, const struct cht_reading *reading,
		       const struct cht_now *now);
/* The reading itself; *out borrows from it. */
void cell_stamp_reading(struct cht_cell *cell, const struct cht_reading *reading,
			const struct cht_now *now, struct cht_stamped *out);

/* claims.c */

/* The next event that comes of held claims; when that is; and the run's sums, before its end. */
bool cell_take_claim(struct cht_cell *cell, bool is_flush, const struct cht_now *now,
		     struct cht_stamped *out);
uint64_t cell_claim_deadline(const struct cht_cell *cell);
void cell_stamp_witnessed(struct cht_cell *cell, const struct cht_now *now,
			  struct cht_stamped *out);

/* state.c */

/* An orchestrator states what it does to the VM. From TOLD_PAUSED or TOLD_SNAPSHOTTING on the
 * silence clock stands still; TOLD_RESUMED gives the agent a whole window to come back.
 * TOLD_RESTORED begins the next epoch: frames of connections opened before are stale and no life,
 * a silence or an end of the VM is over, and the agent has the boot window to connect again. The
 * witnesses of the VM that was are forgotten. */
void cell_note_told(struct cht_cell *cell, enum cell_told what, const struct cht_now *now);
/* What the host sees of the VM. SAID_STARVED stops the silence clock until the same witness says
 * otherwise, or nothing for a keep-alive window. SAID_GONE holds until a good frame of a connection
 * opened afterwards, or TOLD_RESTORED. The rest is weighed when a window runs out. */
void cell_note_witness(struct cht_cell *cell, enum witness witness, enum witness_said said,
		       const struct cht_now *now);
/* What it said, if that is of the time after the last good frame and not older than a keep-alive
 * window; SAID_NOTHING otherwise. */
enum witness_said cell_witness(const struct cht_cell *cell, enum witness witness,
			       const struct cht_now *now);

/* What cell.c and next.c leave to state.c: a good frame where more than the clock moves; reasons
 * why the silence clock stands still, which are over when none is left; a window that ran out;
 * what is due at now; and when that is. */
enum { HELD_UNREAD = 1, HELD_TOLD = 2, HELD_STARVED = 4 };
void cell_come_to_life(struct cht_cell *cell, const struct cht_frame_facts *facts, uint64_t now_ns);
void cell_hold(struct cht_cell *cell, unsigned why, uint64_t since_ns);
void cell_release(struct cht_cell *cell, unsigned why, uint64_t now_ns);
void cell_fall_silent(struct cht_cell *cell, const struct cht_now *now);
void cell_state_on_time(struct cht_cell *cell, const struct cht_now *now);
uint64_t cell_state_deadline(const struct cht_cell *cell);
/* All witnesses, as they stand in an event; and what cell.state_changed says, which is then told.
 */
struct witnesses cell_witnesses(const struct cht_cell *cell, const struct cht_now *now);
struct facts_state_changed cell_take_change(struct cht_cell *cell, const struct cht_now *now);

/* next.c */

/* When a pending kind may be told; UINT64_MAX when there is nothing to tell. */
uint64_t pending_due_ns(const struct pending *p, uint64_t window_ns);
/* Takes a kind's turn, at its window or, when flushing, before. */
bool pending_take(struct pending *p, uint64_t window_ns, bool is_flush, uint64_t now_ns);

/* The next host-side event that is due at now, stamped; false when there is none. Windows and
 * silence are judged here. *out borrows from the cell until the next call on it. */
bool cell_next(struct cht_cell *cell, const struct cht_now *now, struct cht_stamped *out);
/* All that is counted but not yet due, window or not: before a seal or a stop. */
bool cell_flush(struct cht_cell *cell, const struct cht_now *now, struct cht_stamped *out);
/* Monotonic time at which cell_next can next have something; UINT64_MAX for never. */
uint64_t cell_deadline(const struct cht_cell *cell);
/* How often, and for how long, it was not read; the pause that lasts at now included. */
struct pauses cell_pauses(const struct cht_cell *cell, const struct cht_now *now);
/* Whether cell_flush would give something. */
bool cell_has_pending(const struct cht_cell *cell);

/* cell.c: run.opened, run.resumed, run.continued, run.stated, run.sealed. */
/* stated: who registered it over the control socket, and with what words; null: nobody did. */
void cell_stamp_opened(struct cht_cell *cell, const struct facts_stated *stated,
		       const struct cht_now *now, struct cht_stamped *out);
void cell_stamp_resumed(struct cht_cell *cell, const struct facts_run_resumed *facts,
			const struct cht_now *now, struct cht_stamped *out);
void cell_stamp_continued(struct cht_cell *cell, const struct facts_run_continued *facts,
			  const struct cht_now *now, struct cht_stamped *out);
void cell_stamp_stated(struct cht_cell *cell, const struct facts_stated *facts,
		       const struct cht_now *now, struct cht_stamped *out);
void cell_stamp_sealed(struct cht_cell *cell, struct cht_str reason, const struct cht_now *now,
		       struct cht_stamped *out);

#endif
