/* SPDX-License-Identifier: Apache-2.0
 *
 * deadlines.h - which cell is due first: a binary heap over cell numbers that knows where each
 * stands, so that a deadline can be moved. Fixed memory.
 */
#ifndef DAEMON_DEADLINES_H
#define DAEMON_DEADLINES_H

#include <cht/err.h>

struct deadlines {
	uint64_t *at_ns; /* by cell */
	uint32_t *heap;  /* cells, the earliest first */
	uint32_t *place; /* by cell: its place in the heap */
	uint32_t n;
};

/* n cells, all due at UINT64_MAX. CHT_E_NOMEM. */
int deadlines_open(struct deadlines *d, uint32_t n, struct cht_err *err) CHT_CHECKED;
void deadlines_close(struct deadlines *d);
void deadlines_set(struct deadlines *d, uint32_t cell, uint64_t at_ns);
/* The cell that is due first; d->at_ns[it] says when. Only with n > 0. */
uint32_t deadlines_first(const struct deadlines *d);

#endif
