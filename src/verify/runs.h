/* SPDX-License-Identifier: Apache-2.0
 *
 * runs.h - the runs that are open at this point of the ledger; private to src/verify.
 */
#ifndef VERIFY_RUNS_H
#define VERIFY_RUNS_H

#include <sodium.h>

#include "verify/verify.h"

/* Which run: its id and the 74 random bits that its events carry in their ids. */
struct run_key {
	char id[CHT_ATTRIBUTION_MAX + 1];
	struct run_bits bits;
	bool has_bits;
};

struct run_state {
	struct run_key key;
	char cell_id[VERIFY_CELL_MAX + 1];
	uint64_t first_index, last;          /* last sequence seen */
	uint64_t hole_from, hole_to;         /* the newest undeclared hole */
	bool is_host, is_faulty;             /* faulty: what it counts cannot be held against it */
	bool is_continued;                   /* some of it is not here: its counts are of more */
	uint64_t counts[EV_N_KINDS];         /* by kind, as stored */
	uint64_t declared, refused, dropped; /* guest events; counts told by gap events */
	uint64_t on_the_way;                 /* told lost on the way, and not come late so far */
	uint64_t declared_lost, n_resumed;   /* numbers; restarts of the receiver */
};

struct run_table {
	struct run_state **slots; /* open addressing; a power of two of them */
	size_t n, n_slots;
	uint8_t seed[crypto_shorthash_KEYBYTES]; /* names come from the ledger: no chosen collisions
						  */
};

/* Room for a few runs. CHT_E_NOMEM. */
int run_table_init(struct run_table *table, struct cht_err *err) CHT_CHECKED;
void run_table_fini(struct run_table *table);

struct run_state *run_table_find(const struct run_table *table, const struct run_key *key);
/* A new run, zeroed, that must not be there yet. Valid until it is removed. Null with err:
 * CHT_E_NOMEM, CHT_E_LIMIT. */
struct run_state *run_table_add(struct run_table *table, const struct run_key *key,
				struct cht_err *err) CHT_CHECKED;
/* Removes and frees it. */
void run_table_remove(struct run_table *table, struct run_state *run);

#endif
