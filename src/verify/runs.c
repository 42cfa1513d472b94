/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/runs.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"

enum { FIRST_SLOTS = 64, BITS_BYTES = 10 };

static bool same(const struct run_key *a, const struct run_key *b)
{
	return a->bits.c == b->bits.c && a->bits.b == b->bits.b && a->has_bits == b->has_bits &&
	       strcmp(a->id, b->id) == 0;
}

/* Where a run belongs if nothing is in its way. */
static size_t home(const struct run_table *table, const struct run_key *key)
{
	uint8_t text[sizeof(key->id) + BITS_BYTES], hash[crypto_shorthash_BYTES];
	size_t len = strlen(key->id);
	uint64_t h;

	be16_store(text, key->bits.b);
	be64_store(text + 2, key->bits.c);
	memcpy(text + BITS_BYTES, key->id, len);
	(void)crypto_shorthash(hash, text, len + BITS_BYTES, table->seed);
	memcpy(&h, hash, sizeof(h));
	return (size_t)h & (table->n_slots - 1);
}

/* Its slot, or the free one where it would go. */
static size_t slot_of(const struct run_table *table, const struct run_key *key)
{
	size_t i = home(table, key);

	while (table->slots[i] != NULL && !same(&table->slots[i]->key, key))
		i = (i + 1) & (table->n_slots - 1);
	return i;
}

int run_table_init(struct run_table *table, struct cht_err *err)
{
	*table = (struct run_table){ .n_slots = FIRST_SLOTS };
	table->slots = calloc(FIRST_SLOTS, sizeof(struct run_state *));
	if (table->slots == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for runs");
	crypto_shorthash_keygen(table->seed);
	return 0;
}

void run_table_fini(struct run_table *table)
{
	for (size_t i = 0; i < table->n_slots; i++)
		free(table->slots[i]);
	free(table->slots);
	*table = (struct run_table){ 0 };
}

struct run_state *run_table_find(const struct run_table *table, const struct run_key *key)
{
	return table->slots[slot_of(table, key)];
}

static bool grow(struct run_table *table)
{
	struct run_table larger = { .n = table->n, .n_slots = table->n_slots * 2 };

	larger.slots = calloc(larger.n_slots, sizeof(struct run_state *));
	if (larger.slots == NULL)
		return false;
	memcpy(larger.seed, table->seed, sizeof(larger.seed));
	for (size_t i = 0; i < table->n_slots; i++)
		if (table->slots[i] != NULL)
			larger.slots[slot_of(&larger, &table->slots[i]->key)] = table->slots[i];
	free(table->slots);
	*table = larger;
	return true;
}

struct run_state *run_table_add(struct run_table *table, const struct run_key *key,
				struct cht_err *err)
{
	struct run_state *run;

	if (table->n == VERIFY_OPEN_RUNS_MAX) {
		(void)cht_fail(err, CHT_E_LIMIT, 0, "more than %d runs are open at once",
			       VERIFY_OPEN_RUNS_MAX);
		return NULL;
	}
	run = calloc(1, sizeof(*run));
	if (run == NULL || (table->n * 4 >= table->n_slots * 3 && !grow(table))) {
		free(run);
		(void)cht_fail(err, CHT_E_NOMEM, 0, "no memory for another run");
		return NULL;
	}
	run->key = *key;
	table->slots[slot_of(table, key)] = run;
	table->n++;
	return run;
}

void run_table_remove(struct run_table *table, struct run_state *run)
{
	size_t mask = table->n_slots - 1, gap = slot_of(table, &run->key);

	table->slots[gap] = NULL;
	table->n--;
	free(run);
	/* Whatever could not stand nearer to its home because of it moves up. */
	for (size_t i = (gap + 1) & mask; table->slots[i] != NULL; i = (i + 1) & mask) {
		size_t wish = home(table, &table->slots[i]->key);

		if (((i - wish) & mask) < ((i - gap) & mask))
			continue;
		table->slots[gap] = table->slots[i];
		table->slots[i] = NULL;
		gap = i;
	}
}
