/* SPDX-License-Identifier: Apache-2.0
 *
 * Entries are taken, wrapped and hashed as they come and not when the commit is due: the time until
 * then is idle, and the line gets its room back sooner. Takes are small, so that what is signed
 * is still in the cache it was copied to.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/err.h"
#include "base/limits.h"
#include "scribe/scribe.h"

enum {
	TAKE_BYTES = 1 << 16,
	TAKE_ENTRIES = 128,
	LENGTH_BYTES = 2,
	HASH_ENTRIES = 64,
	/* A batch is full at COMMIT_BYTES; the last take may pass that. */
	OUT_BYTES = COMMIT_BYTES + TAKE_BYTES + TAKE_ENTRIES * CHT_ENVELOPE_OVERHEAD_MAX,
};

_Static_assert(TAKE_BYTES >= CHT_ENTRY_MAX_BYTES + LENGTH_BYTES, "a take holds any entry");
_Static_assert((size_t)OUT_BYTES <= LEDGER_COMMIT_MAX_BYTES, "the ledger takes any batch");
_Static_assert(CHT_EVENT_MAX_BYTES + CHT_ENVELOPE_OVERHEAD_MAX <= CHT_ENTRY_MAX_BYTES,
	       "any event's envelope is an entry");

int batch_init(struct batch *batch, bool is_signed, struct cht_err *err)
{
	struct batch made = { .out = malloc(OUT_BYTES),
			      .leaves = malloc(COMMIT_ENTRIES * sizeof(struct tlog_hash)) };

	if (is_signed)
		made.raw = malloc(TAKE_BYTES);
	if (made.out == NULL || made.leaves == NULL || (is_signed && made.raw == NULL)) {
		batch_fini(&made);
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for a batch");
	}
	*batch = made;
	return 0;
}

void batch_fini(struct batch *batch)
{
	free(batch->out);
	free(batch->raw);
	free(batch->leaves);
	*batch = (struct batch){ 0 };
}

bool batch_is_full(const struct batch *batch)
{
	return batch->n >= COMMIT_ENTRIES || batch->len >= COMMIT_BYTES;
}

/* The n entries from batch->leaves[batch->n - n] on stand at from: hashed while they are in the
 * cache. */
static void hash_newest(struct batch *batch, const uint8_t *from, unsigned n)
{
	struct cht_bytes some[HASH_ENTRIES];
	struct tlog_hash *out = batch->leaves + batch->n - n;

	while (n > 0) {
		unsigned k = 0;

		for (; k < n && k < HASH_ENTRIES; k++) {
			some[k] = (struct cht_bytes){ from + LENGTH_BYTES, be16_load(from) };
			from += LENGTH_BYTES + some[k].len;
		}
		tlog_leaves(some, k, out);
		out += k;
		n -= k;
	}
}

static int take_plain(struct batch *batch, struct ring *ring, unsigned *n, struct cht_err *err)
{
	size_t end = batch->len;
	ptrdiff_t got =
		ring_take(ring, batch->out + batch->len, TAKE_BYTES, COMMIT_ENTRIES - batch->n, n);

	if (got < 0)
		return cht_fail(err, (int)got, 0, "the line broke the ring");
	batch->len += (size_t)got;
	batch->n += *n;
	hash_newest(batch, batch->out + end, *n);
	return 0;
}

static int wrap(struct batch *batch, struct cht_signer *signer, struct cht_bytes event,
		struct cht_err *err)
{
	uint8_t *at = batch->out + batch->len;
	int len;

	if (event.len > CHT_EVENT_MAX_BYTES)
		return cht_fail(err, CHT_E_PEER, 0,
				"the line sent %zu bytes, more than an event has", event.len);
	len = cht_sign_event(signer, event, at + LENGTH_BYTES,
			     OUT_BYTES - batch->len - LENGTH_BYTES);
	if (len == CHT_E_PARSE)
		return cht_fail(err, CHT_E_PEER, 0, "the line sent what is no event; not signed");
	if (len < 0)
		return cht_fail(err, len, 0, "sign an event");
	be16_store(at, (uint16_t)len);
	batch->len += LENGTH_BYTES + (size_t)len;
	batch->n++;
	return 0;
}

static int take_signed(struct batch *batch, struct ring *ring, struct cht_signer *signer,
		       unsigned *n, struct cht_err *err)
{
	unsigned most = COMMIT_ENTRIES - batch->n;
	const uint8_t *at = batch->raw;
	ptrdiff_t got = ring_take(ring, batch->raw, TAKE_BYTES,
				  most < TAKE_ENTRIES ? most : TAKE_ENTRIES, n);
	size_t end = batch->len;
	unsigned before = batch->n;
	int r = 0;

	if (got < 0)
		return cht_fail(err, (int)got, 0, "the line broke the ring");
	for (unsigned i = 0; i < *n && r == 0; i++) {
		struct cht_bytes event = { at + LENGTH_BYTES, be16_load(at) };

		r = wrap(batch, signer, event, err);
		at += LENGTH_BYTES + event.len;
	}
	hash_newest(batch, batch->out + end, batch->n - before);
	return r;
}

int batch_fill(struct batch *batch, struct ring *ring, struct cht_signer *signer,
	       struct cht_err *err)
{
	bool was_empty = batch->n == 0;
	unsigned n = 1;
	int r = 0;

	while (r == 0 && n > 0 && !batch_is_full(batch))
		r = signer == NULL ? take_plain(batch, ring, &n, err)
				   : take_signed(batch, ring, signer, &n, err);
	if (was_empty && batch->n > 0)
		batch->due_ns = clk_monotonic_ns() + COMMIT_INTERVAL_NS;
	return r;
}
