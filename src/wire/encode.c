/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything is held against its bound before the first byte is written, so that the result does
 * not depend on how much room there is, and so that the receiver takes whatever comes out.
 */
#include "base/bytes.h"
#include "base/text.h"
#include "wire/cbor.h"
#include "wire/keys.h"

enum {
	EXTENSIONS_ALL = CHT_EXT_AGENT_BOOT | CHT_EXT_AGENT_SEQ | CHT_EXT_AGENT_DROPPED,
	BYTE_BITS = 8
};

_Static_assert(CHT_N_DETAILS < 32, "details are bits of 32");
_Static_assert(KEY_EXTENSION + 3 + CHT_N_DETAILS <= CHT_MAP_MAX_PAIRS, "all keys fit a map");

/* Five keys, three extensions and their heads take at most this. */
enum { FIXED_MAX = 1024 };
_Static_assert(FIXED_MAX + 2 * CHT_TEXT_MAX_BYTES + CHT_DETAIL_MAX_BYTES <= CHT_FRAME_MAX_BYTES,
	       "a body within its bounds is within the frame's");

static bool text_fits(struct cht_str s, uint64_t max)
{
	return s.len <= max && utf8_is_valid((const uint8_t *)s.ptr, s.len);
}

static bool coverage_fits(struct cht_bytes raw)
{
	struct cbor in = cbor_init(raw.ptr, raw.len);

	coverage_check(&in);
	cbor_end(&in);
	return in.fault == CHT_FAULT_NONE;
}

/* Bytes of an encoded detail pair; 0 when the value is not within its bound. */
static uint64_t detail_size(enum cht_detail detail, const union cht_detail_value *value)
{
	const struct cht_detail_info *info = cht_detail_info(detail);
	size_t key_len = wire_keys[KEY_DETAIL + detail].len;
	uint64_t size = cbor_head_len(key_len) + key_len;
	bool fits = false;

	switch (info->kind) {
	case CHT_KIND_UINT:
		fits = value->num <= info->max;
		size += cbor_head_len(value->num);
		break;
	case CHT_KIND_TEXT:
		fits = text_fits(value->text, info->max);
		size += cbor_head_len(value->text.len) + value->text.len;
		break;
	case CHT_KIND_BYTES:
		fits = value->raw.len <= info->max;
		size += cbor_head_len(value->raw.len) + value->raw.len;
		break;
	case CHT_KIND_COVERAGE:
		fits = value->raw.len <= info->max && coverage_fits(value->raw);
		size += value->raw.len;
		break;
	}
	return fits ? size : 0;
}

static bool has_detail(const struct cht_declaration *d, unsigned i)
{
	return (d->details & 1u << i) != 0;
}

static bool details_fit(const struct cht_declaration *d)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < CHT_N_DETAILS; i++) {
		uint64_t size;

		if (!has_detail(d, i))
			continue;
		size = detail_size((enum cht_detail)i, &d->detail[i]);
		if (size == 0)
			return false;
		total += size;
	}
	return total <= CHT_DETAIL_MAX_BYTES && d->details >> CHT_N_DETAILS == 0;
}

static bool declaration_fits(const struct cht_declaration *d)
{
	return d->content_version >> BYTE_BITS == CHT_WIRE_VERSION_MAJOR &&
	       text_fits(d->source_text, CHT_TEXT_MAX_BYTES) &&
	       text_fits(d->comm, CHT_TEXT_MAX_BYTES) &&
	       (d->extensions & ~(uint32_t)EXTENSIONS_ALL) == 0 && details_fit(d);
}

static void put_key(struct buf *b, enum wire_key key)
{
	cbor_put_text(b, (struct cht_str){ wire_keys[key].text, wire_keys[key].len });
}

static void put_uint(struct buf *b, enum wire_key key, uint64_t v)
{
	put_key(b, key);
	cbor_put_head(b, CBOR_UINT, v);
}

static void put_detail(struct buf *b, enum cht_detail detail, const union cht_detail_value *value)
{
	put_key(b, (enum wire_key)(KEY_DETAIL + detail));
	switch (cht_detail_info(detail)->kind) {
	case CHT_KIND_UINT: cbor_put_head(b, CBOR_UINT, value->num); break;
	case CHT_KIND_TEXT: cbor_put_text(b, value->text); break;
	case CHT_KIND_BYTES:
		cbor_put_head(b, CBOR_BYTES, value->raw.len);
		buf_put(b, value->raw.ptr, value->raw.len);
		break;
	case CHT_KIND_COVERAGE: buf_put(b, value->raw.ptr, value->raw.len); break;
	}
}

static void put_body(struct buf *b, const struct cht_declaration *d)
{
	unsigned pairs = (unsigned)__builtin_popcount(d->extensions) +
			 (unsigned)__builtin_popcount(d->details) + KEY_EXTENSION;

	cbor_put_head(b, CBOR_MAP, pairs);
	put_uint(b, KEY_CONTENT_VERSION, d->content_version);
	put_key(b, KEY_PROBE_SOURCE);
	cbor_put_text(b, d->source_text);
	put_uint(b, KEY_GUEST_PID, d->pid);
	put_key(b, KEY_GUEST_COMM);
	cbor_put_text(b, d->comm);
	put_uint(b, KEY_GUEST_MONOTONIC_NS, d->monotonic_ns);
	if (d->extensions & CHT_EXT_AGENT_BOOT)
		put_uint(b, KEY_EXTENSION, d->agent_boot);
	if (d->extensions & CHT_EXT_AGENT_SEQ)
		put_uint(b, (enum wire_key)(KEY_EXTENSION + 1), d->agent_seq);
	if (d->extensions & CHT_EXT_AGENT_DROPPED)
		put_uint(b, (enum wire_key)(KEY_EXTENSION + 2), d->agent_dropped);
	for (unsigned i = 0; i < CHT_N_DETAILS; i++)
		if (has_detail(d, i))
			put_detail(b, (enum cht_detail)i, &d->detail[i]);
}

int cht_encode(const struct cht_declaration *declaration, uint8_t *out, size_t cap)
{
	struct buf b = buf_init(out, cap);
	uint8_t *head = buf_room(&b, CHT_FRAME_HEAD_BYTES);

	if (!declaration_fits(declaration))
		return CHT_E_RANGE;
	if (head == NULL)
		return CHT_E_FULL;
	b.at += CHT_FRAME_HEAD_BYTES;
	put_body(&b, declaration);
	if (b.full)
		return CHT_E_FULL;
	le32_store(head, (uint32_t)(buf_len(&b) - CHT_FRAME_HEAD_BYTES));
	return (int)buf_len(&b);
}
