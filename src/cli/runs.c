/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/runs.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/digest.h"
#include "base/err.h"

/* The file, all numbers big-endian: mark, version, 0, n, root of the tree of n, SHA-256 of the
 * origin, records, SHA-256 of all before. */
enum {
	MARK_BYTES = 8,
	VERSION = 1,
	HEAD_BYTES = MARK_BYTES + 4 + 4 + 8 + 32 + 32,
	DIGEST_BYTES = 32,
	SLOTS_MIN = 64
};
static const char mark[MARK_BYTES + 1] = "cht-runs";

static bool is_free(const struct run_span *slot)
{
	return slot->first > slot->last;
}

void runs_free(struct runs *runs)
{
	free(runs->slots);
	*runs = (struct runs){ 0 };
}

static bool is_same(const struct run_span *a, const struct run_span *b)
{
	return memcmp(a->key, b->key, RUN_KEY_BYTES) == 0 && a->bits.b == b->bits.b &&
	       a->bits.c == b->bits.c;
}

/* The slot of this run, or the free one where it belongs. */
static struct run_span *find_slot(const struct runs *runs, const struct run_span *span)
{
	uint8_t text[RUN_KEY_BYTES + 16], hash[crypto_shorthash_BYTES];
	size_t i;

	memcpy(text, span->key, RUN_KEY_BYTES);
	be64_store(text + RUN_KEY_BYTES, span->bits.b);
	be64_store(text + RUN_KEY_BYTES + 8, span->bits.c);
	(void)crypto_shorthash(hash, text, sizeof(text), runs->seed);
	for (i = (size_t)be64_load(hash);; i++) {
		struct run_span *slot = &runs->slots[i & (runs->n_slots - 1)];

		if (is_free(slot) || is_same(slot, span))
			return slot;
	}
}

/* False: there is no memory. */
static bool make_room(struct runs *runs)
{
	struct runs more = *runs;

	if (runs->slots != NULL && runs->count < runs->n_slots / 2)
		return true;
	if (runs->slots == NULL)
		crypto_shorthash_keygen(more.seed);
	more.n_slots = runs->n_slots == 0 ? SLOTS_MIN : 2 * runs->n_slots;
	more.slots = calloc(more.n_slots, sizeof(more.slots[0]));
	if (more.slots == NULL)
		return false;
	for (size_t i = 0; i < more.n_slots; i++)
		more.slots[i].first = 1;
	for (size_t i = 0; i < runs->n_slots; i++)
		if (!is_free(&runs->slots[i]))
			*find_slot(&more, &runs->slots[i]) = runs->slots[i];
	free(runs->slots);
	*runs = more;
	return true;
}

static int add_span(struct runs *runs, const struct run_span *span, struct cht_err *err)
{
	struct run_span *slot;

	if (!make_room(runs))
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for a table of runs");
	slot = find_slot(runs, span);
	if (is_free(slot)) {
		*slot = *span;
		runs->count++;
	} else if (span->last > slot->last) {
		slot->last = span->last;
	}
	return 0;
}

static int make_key(struct cht_str run, uint8_t key[RUN_KEY_BYTES], struct cht_err *err)
{
	uint8_t digest[DIGEST_BYTES];
	int r = digest_sha256((struct cht_bytes){ (const uint8_t *)run.ptr, run.len }, digest, err);

	if (r == 0)
		memcpy(key, digest, RUN_KEY_BYTES);
	return r;
}

int runs_add(struct runs *runs, const struct event_view *event, uint64_t index, struct cht_err *err)
{
	struct run_span span = { .first = index, .last = index };
	uint64_t sequence;
	int r;

	if (event->run_id.len == 0)
		return 0;
	r = make_key(event->run_id, span.key, err);
	if (r < 0)
		return r;
	if (!event_id_read(event->id, &span.bits, &sequence))
		span.bits = (struct run_bits){ 0 };
	return add_span(runs, &span, err);
}

static void join(struct run_span *all, const struct run_span *one)
{
	if (is_free(all))
		*all = *one;
	if (one->first < all->first)
		all->first = one->first;
	if (one->last > all->last)
		all->last = one->last;
}

bool runs_find_bits(const struct runs *runs, const struct run_bits *bits, struct run_span *out)
{
	struct run_span all = { .first = 1 };

	for (size_t i = 0; i < runs->n_slots; i++)
		if (!is_free(&runs->slots[i]) && runs->slots[i].bits.b == bits->b &&
		    runs->slots[i].bits.c == bits->c)
			join(&all, &runs->slots[i]);
	*out = all;
	return !is_free(&all);
}

static void store_span(uint8_t *p, const struct run_span *span)
{
	memcpy(p, span->key, RUN_KEY_BYTES);
	be64_store(p + RUN_KEY_BYTES, span->bits.b);
	be64_store(p + RUN_KEY_BYTES + 8, span->bits.c);
	be64_store(p + RUN_KEY_BYTES + 16, span->first);
	be64_store(p + RUN_KEY_BYTES + 24, span->last);
}

static void load_span(const uint8_t *p, struct run_span *span)
{
	memcpy(span->key, p, RUN_KEY_BYTES);
	span->bits.b = (uint16_t)be64_load(p + RUN_KEY_BYTES);
	span->bits.c = be64_load(p + RUN_KEY_BYTES + 8);
	span->first = be64_load(p + RUN_KEY_BYTES + 16);
	span->last = be64_load(p + RUN_KEY_BYTES + 24);
}

/* The head of a file, up to the records. */
static int put_head(uint8_t head[HEAD_BYTES], uint64_t n, struct cht_str origin,
		    const struct tlog_hash *root, struct cht_err *err)
{
	memcpy(head, mark, MARK_BYTES);
	be32_store(head + 8, VERSION);
	be32_store(head + 12, 0);
	be64_store(head + 16, n);
	memcpy(head + 24, root->b, sizeof(root->b));
	return digest_sha256((struct cht_bytes){ (const uint8_t *)origin.ptr, origin.len },
			     head + 56, err);
}

int runs_write(const struct runs *runs, struct cht_str origin, const struct tlog_hash *root,
	       struct cht_bytes *out, struct cht_err *err)
{
	size_t len = HEAD_BYTES + runs->count * RUN_RECORD_BYTES, at = HEAD_BYTES;
	uint8_t *bytes = malloc(len + DIGEST_BYTES);
	int r;

	if (bytes == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for a table of runs");
	r = put_head(bytes, runs->n, origin, root, err);
	for (size_t i = 0; i < runs->n_slots; i++) {
		if (is_free(&runs->slots[i]))
			continue;
		store_span(bytes + at, &runs->slots[i]);
		at += RUN_RECORD_BYTES;
	}
	if (r == 0)
		r = digest_sha256((struct cht_bytes){ bytes, len }, bytes + len, err);
	if (r < 0) {
		free(bytes);
		return r;
	}
	*out = (struct cht_bytes){ bytes, len + DIGEST_BYTES };
	return 0;
}

static int check_whole(struct cht_bytes bytes, struct cht_str origin, struct cht_err *err)
{
	uint8_t digest[DIGEST_BYTES], head[HEAD_BYTES];
	struct tlog_hash root;
	size_t len = bytes.len - DIGEST_BYTES;
	int r;

	if (bytes.len < HEAD_BYTES + DIGEST_BYTES || (len - HEAD_BYTES) % RUN_RECORD_BYTES != 0)
		return cht_fail(err, CHT_E_PARSE, 0, "no table of runs: its length");
	r = digest_sha256((struct cht_bytes){ bytes.ptr, len }, digest, err);
	if (r == 0 && memcmp(digest, bytes.ptr + len, sizeof(digest)) != 0)
		r = cht_fail(err, CHT_E_PARSE, 0, "no table of runs: its digest");
	if (r < 0)
		return r;
	memcpy(root.b, bytes.ptr + 24, sizeof(root.b));
	r = put_head(head, be64_load(bytes.ptr + 16), origin, &root, err);
	if (r == 0 && memcmp(head, bytes.ptr, sizeof(head)) != 0)
		r = cht_fail(err, CHT_E_PARSE, 0, "no table of this log's runs");
	return r;
}

int runs_read(struct cht_bytes bytes, struct cht_str origin, struct runs *out,
	      struct tlog_hash *root, struct cht_err *err)
{
	struct runs runs = { 0 };
	struct run_span span;
	int r = check_whole(bytes, origin, err);

	if (r < 0)
		return r;
	runs.n = be64_load(bytes.ptr + 16);
	for (size_t at = HEAD_BYTES; r == 0 && at < bytes.len - DIGEST_BYTES;
	     at += RUN_RECORD_BYTES) {
		load_span(bytes.ptr + at, &span);
		if (is_free(&span) || span.last >= runs.n ||
		    be64_load(bytes.ptr + at + RUN_KEY_BYTES) > UINT16_MAX)
			r = cht_fail(err, CHT_E_PARSE, 0, "no table of runs: a span");
		else
			r = add_span(&runs, &span, err);
	}
	if (r < 0) {
		runs_free(&runs);
		return r;
	}
	memcpy(root->b, bytes.ptr + 24, sizeof(root->b));
	*out = runs;
	return 0;
}
