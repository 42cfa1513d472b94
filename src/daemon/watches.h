/* SPDX-License-Identifier: Apache-2.0
 *
 * watches.h - the probes of a cell as they stand, for the two files that make and turn them.
 */
#ifndef DAEMON_WATCHES_H
#define DAEMON_WATCHES_H

#include "cell/claims.h"
#include "daemon/line.h"
#include "probe/probe.h"

struct watch {
	struct probe *probe; /* null: there is none; or of a VMM that is not known yet */
	uint64_t interval_ns, due_ns, last_ns;
	int fd;            /* in the loop; -1 */
	uint64_t made;     /* the opener's number of a FIFO; 0 */
	uint32_t pid;      /* of a VMM that nobody named: who connected; 0 */
	unsigned serial;   /* how many went before it */
	unsigned fds;      /* so many descriptors it may hold: counted when they come */
	bool is_wanted;    /* also when probe is null */
	bool is_under_way; /* begun, and not read */
	bool is_asked;     /* the opener has not answered */
	bool is_waiting;   /* more is asked already than may be */
	bool is_last;      /* the cell goes, and this one has not been read since */
};

struct watches {
	struct watch list[CHT_N_PROBES];
	struct claims claims;
};

/* Descriptors that one of a kind may hold at most. */
extern const uint8_t watch_fds_most[CHT_N_PROBES];

/* Its descriptor is heard no more. */
void watch_disarm(struct line *line, struct watch *w, unsigned kind);
/* The cell is due then, if it is not sooner. */
void watch_hurry(struct line *line, uint32_t i, uint64_t at_ns);

#endif
