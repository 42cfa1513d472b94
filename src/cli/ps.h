/* SPDX-License-Identifier: Apache-2.0
 *
 * ps.h - a run's events in, what its guest says is running out, and why that may not be all.
 */
#ifndef CLI_PS_H
#define CLI_PS_H

#include "cli/follow.h"
#include "cli/procs.h"
#include "event/event.h"

/* What is known of what is missing. */
struct ps_losses {
	uint64_t events;  /* of the guest, said to be lost or dropped; one that came late is not */
	uint64_t refused; /* frames that did not decode */
	uint64_t numbers; /* of the run, that no entry has */
	uint64_t agents;  /* that began in this run, by their boot */
	uint64_t hellos;  /* one a connection, or more */
	uint64_t declarations; /* of processes */
	uint64_t unnumbered;   /* of those, without a number of the agent's */
	uint64_t epoch;        /* restores from a snapshot */
	bool is_blind;         /* the agent said that it does not see all processes */
	bool is_continued;     /* the run began in an earlier log */
	bool is_cut;           /* more processes than are kept */
};

struct ps {
	struct procs procs;
	struct ps_losses losses;
	uint64_t sequence;    /* of the newest event of the run */
	uint64_t first, last; /* entries */
	char cell[CHT_CELL_ID_MAX + 1], run[CHT_ATTRIBUTION_MAX + 1];
	char time[RFC3339_NS_LEN + 1]; /* of the newest event */
	char boot[17];                 /* of the agent heard last */
	char silent_since[RFC3339_NS_LEN + 1];
	bool is_silent, is_sealed;
};

/* Finds the newest run of the cell (run null: whichever it is) and reads it to the end of what the
 * checkpoint covers. CHT_E_CONFIG: there is none; the text says so. CHT_E_NOMEM, CHT_E_IO. */
int ps_read(struct ps *ps, struct follow *f, const char *cell, const char *run,
	    struct cht_err *err) CHT_CHECKED;
void ps_free(struct ps *ps);

/* One event of the run; for the tests too. CHT_E_NOMEM. */
int ps_take(struct ps *ps, const struct event_view *event, uint64_t index,
	    struct cht_err *err) CHT_CHECKED;

/* Whether all is there that began since the agent did: "yes", "no", "unknown". is_faulty: the
 * ledger is damaged. */
const char *ps_complete(const struct ps *ps, bool is_faulty);
/* The reasons one after the other, a sentence each: *at is 0 at first. False: that was all. */
bool ps_next_reason(const struct ps *ps, bool is_faulty, unsigned *at, struct buf *out);

#endif
