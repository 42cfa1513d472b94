/* SPDX-License-Identifier: Apache-2.0
 *
 * claims.h - what a guest declares, held against what the host's own sources counted. Pure.
 *
 * A round ends when each source of traffic that the cell has was read again. Connects that were
 * declared in one round are judged at the end of the next, by what was counted in both: a packet
 * may come a little before its declaration, or after it. What none of it can prove stands in
 * docs/EVENTS.md, Witnesses.
 */
#ifndef CELL_CLAIMS_H
#define CELL_CLAIMS_H

#include "cell/cell.h"

/* One source of traffic. */
struct claim_source {
	bool is_there;    /* the cell has it */
	bool is_read;     /* in this round */
	bool has_before;  /* it was read before: .out, .in are of then */
	uint64_t out, in; /* packets; out: from the guest */
};

struct claim_round {
	uint64_t declared, first,
		last;      /* connects, and the numbers of the first and last of them */
	uint64_t out, in;  /* packets counted */
	uint64_t from, to; /* numbers of the readings that it rests on */
	bool is_seen;      /* something was counted from the one reading to the next */
	bool was_up;       /* and could have passed */
};

enum { CLAIMS_TOLD = 2 * N_CLAIMS };

struct claims {
	struct claim_source sources[CHT_N_PROBES];
	struct claim_round before, now;
	uint64_t connects; /* declared in this epoch */
	struct claim_counts counts;
	/* The VMM's own count of bytes over vsock, and ours, when they were compared first; and
	 * ours when they were compared last: what it counts later, it must have sent. */
	bool has_vsock;
	uint64_t vsock_first, received_first, received_before;
	/* To be told: of each claim what is unwitnessed, and what is contradicted. */
	struct pending unwitnessed_p[CLAIMS_TOLD], undeclared_p;
	struct facts_unwitnessed unwitnessed[CLAIMS_TOLD];
	struct facts_undeclared undeclared;
};

/* The cell is to have this source from now on. Others than those of traffic do nothing. */
void claims_expect(struct claims *claims, enum cht_probe_kind kind);
/* A stamped declaration of the cell. */
void claims_note_declared(struct claims *claims, const struct cht_declaration *declaration,
			  uint64_t sequence);
/* A stamped reading; received: bytes of frames so far. */
void claims_note_reading(struct claims *claims, const struct cht_reading *reading,
			 uint64_t sequence, uint64_t received);
/* The VM was restored: what was counted before is of another one. */
void claims_restart(struct claims *claims);
/* What is left to be judged is, by what there is. */
void claims_finish(struct claims *claims);

#endif
