/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/look.h"

#include "base/bytes.h"

enum { TOGETHER = 16 }; /* entries: with 1 KB each they stay in the first-level cache */

static bool is_envelope(struct cht_bytes entry)
{
	return str_starts((struct cht_str){ (const char *)entry.ptr, entry.len },
			  STR("{\"event\":"));
}

static void look_at(struct cht_bytes entry, const struct verify_trust *trust,
		    const struct trust_desk *desk, struct seen *seen)
{
	struct cht_bytes event = entry;
	size_t at = 0;

	seen->is_envelope = is_envelope(entry);
	seen->is_event = false;
	seen->is_extended = false;
	seen->envelope = (struct envelope_view){ 0 };
	if (seen->is_envelope) {
		const char *end;

		if (envelope_scan(entry, &seen->envelope, &at) < 0) {
			seen->bad_at = (uint32_t)at;
			return;
		}
		/* The scribe never writes notBefore or notAfter, and no signature would cover
		 * them. */
		end = seen->envelope.signature.ptr + seen->envelope.signature.len + 2;
		seen->is_extended = end != (const char *)entry.ptr + entry.len;
		seen->answer = (uint8_t)trust_check(trust, desk, &seen->envelope);
		event = seen->envelope.event;
	}
	seen->is_event = event_scan(event, &seen->event, &at) == 0;
	if (!seen->is_event)
		seen->bad_at = (uint32_t)((size_t)(event.ptr - entry.ptr) + at);
}

/* Some entries from the first on, hashed together and then read while they are in the cache. */
static void look_at_some(struct block *block, unsigned first, unsigned n,
			 const struct verify_trust *trust, const struct trust_desk *desk,
			 bool by_hash_alone)
{
	struct cht_bytes entry[TOGETHER];

	for (unsigned i = 0; i < n; i++) {
		const struct block_item *item = &block->item[first + i];

		entry[i] = (struct cht_bytes){ block->bytes + item->at, item->len };
	}
	tlog_leaves(entry, n, &block->leaf[first]);
	for (unsigned i = 0; i < n && !by_hash_alone; i++)
		look_at(entry[i], trust, desk, &block->seen[first + i]);
}

void look_block(struct block *block, const struct verify_trust *trust,
		const struct trust_desk *desk, bool by_hash_alone)
{
	if (block->kind == BLOCK_SUBTREE)
		return;
	for (unsigned i = 0; block->kind == BLOCK_ENTRIES && i < block->n; i += TOGETHER) {
		unsigned left = block->n - i;

		look_at_some(block, i, left < TOGETHER ? left : TOGETHER, trust, desk,
			     by_hash_alone);
	}
	if (block->n == BLOCK_ENTRIES_MAX)
		tlog_tile_root(block->leaf, &block->root);
}
