/* SPDX-License-Identifier: Apache-2.0
 *
 * report.h - what a source saw in, an encoded and numbered frame out: into the queue, or counted
 * as dropped. Also hello, heartbeat and bye, which stand at the place in the stream where they
 * are made.
 *
 * Numbers (docs/PROTOCOL.wire): each event that a source saw takes the next agent_seq, sent or
 * not; agent_dropped counts those that were not. hello, heartbeat and bye take no number: they
 * carry what holds where they stand.
 */
#ifndef AGENT_REPORT_H
#define AGENT_REPORT_H

#include <cht/wire.h>

#include "agent/queue.h"
#include "agent/table.h"

enum {
	REPORT_CONTROL_MAX = 4096, /* hello with its coverage is the largest */
	COVERAGE_TEXT_MAX = 160
};

enum coverage_state { COVERAGE_ABSENT, COVERAGE_DEGRADED, COVERAGE_ACTIVE };

/* What the agent can see of one kind of event. The texts are static or outlive the report. */
struct coverage {
	enum coverage_state state;
	const char *mechanism;          /* "" none */
	char reason[COVERAGE_TEXT_MAX]; /* "" when active */
};

/* The kinds, in the order of a hello. */
enum coverage_kind {
	SEES_SPAWNED,
	SEES_EXITED,
	SEES_FILES,
	SEES_CAPABILITIES,
	SEES_CONNECTS,
	N_SEES
};

struct report {
	struct queue queue;
	struct queue_mark now; /* events seen and events dropped, in all */
	uint64_t boot, sent;
	struct coverage sees[N_SEES];
	bool coverage_changed; /* since the last hello */
	uint32_t pid;          /* the agent's own */
	uint32_t heartbeat_ms;
	char comm[COMM_MAX + 1]; /* the agent's own */
	/* Room for one frame while it is made, and for texts that are not UTF-8. */
	uint8_t frame[CHT_DETAIL_MAX_BYTES + 1024];
	uint8_t comm_text[3 * (COMM_MAX + 1)], path_text[PATH_TEXT_MAX];
};

/* How a process ended, as far as it is known. */
struct ending {
	bool is_known;
	uint32_t wait_code; /* as wait(2) gives it */
};

/* A program began to run in p: an exec, or a fork that goes on without one. exe may be empty. */
void report_spawned(struct report *r, const struct proc *p, struct cht_bytes exe, uint64_t at_ns);
void report_exited(struct report *r, const struct proc *p, struct cht_bytes exe,
		   struct ending ending, uint64_t at_ns);
/* inotify(7) told of path. */
void report_file(struct report *r, struct cht_bytes path, uint32_t mask, uint64_t at_ns);
/* n events were lost before we could read them: seen, and dropped. */
void report_lost(struct report *r, uint64_t n);

/* States what is seen of one kind. reason may be null. Marks the coverage as changed. */
void report_coverage(struct report *r, enum coverage_kind kind, enum coverage_state state,
		     const char *mechanism, const char *reason);

/* One frame that is not an event, for this place in the stream, into out. reason is for bye.
 * Returns its length, which is never 0. */
enum report_control { REPORT_HELLO, REPORT_HEARTBEAT, REPORT_BYE };
size_t report_control(struct report *r, enum report_control kind, const char *reason,
		      uint64_t now_ns, uint8_t out[REPORT_CONTROL_MAX]);

/* Events queued that will not be sent any more are dropped events. */
void report_give_up(struct report *r);

#endif
