/* SPDX-License-Identifier: Apache-2.0
 *
 * The guest crate's strict decoder, told apart from the receiver's because its faults, their order
 * and what it lets pass (bytes after the map, for one) are its own; tests/golden/guest_verdicts.tsv
 * is what the crate itself said. Where the crate panics (a length of 2^64-1) this says
 * UnexpectedEof. The crate names UnsupportedMajor and never gives it.
 */
#include "base/bytes.h"
#include "base/text.h"
#include "wire/cbor.h"
#include "wire/keys.h"

enum { AI_FIRST_LONG = 24, AI_LAST_LONG = 27, CONTENT_VERSION = 1, PAIRS = 5 };

struct guest {
	const uint8_t *at, *end;
	enum cht_guest_fault fault; /* once set, every read gives nothing */
};

static void fail(struct guest *g, enum cht_guest_fault fault)
{
	if (g->fault == CHT_GUEST_OK)
		g->fault = fault;
	g->at = g->end;
}

static size_t left(const struct guest *g)
{
	return (size_t)(g->end - g->at);
}

static struct cbor_head read_head(struct guest *g)
{
	struct cbor_head head = { 0, CBOR_UINT };
	unsigned ai;
	size_t n;

	if (left(g) == 0) {
		fail(g, CHT_GUEST_UNEXPECTED_EOF);
		return head;
	}
	head.major = (enum cbor_major)(*g->at >> 5);
	ai = *g->at++ & 31;
	n = ai < AI_FIRST_LONG ? 0 : (size_t)1 << (ai - AI_FIRST_LONG);
	if (ai > AI_LAST_LONG)
		fail(g, CHT_GUEST_UNSUPPORTED_ADDITIONAL);
	else if (left(g) < n)
		fail(g, CHT_GUEST_UNEXPECTED_EOF);
	if (g->fault != CHT_GUEST_OK)
		return head;
	head.arg = n == 0 ? ai : 0;
	for (; n > 0; n--)
		head.arg = head.arg << 8 | *g->at++;
	return head;
}

static uint64_t read_uint(struct guest *g, uint64_t max)
{
	struct cbor_head head = read_head(g);

	if (head.major != CBOR_UINT)
		fail(g, CHT_GUEST_FIELD_TYPE);
	else if (head.arg > max)
		fail(g, CHT_GUEST_INTEGER_OVERFLOW);
	return head.arg;
}

static struct cht_str read_text(struct guest *g)
{
	struct cbor_head head = read_head(g);
	struct cht_str s = { (const char *)g->at, 0 };

	if (head.major != CBOR_TEXT)
		fail(g, CHT_GUEST_FIELD_TYPE);
	else if (head.arg > left(g))
		fail(g, CHT_GUEST_UNEXPECTED_EOF);
	else if (!utf8_is_valid(g->at, (size_t)head.arg))
		fail(g, CHT_GUEST_INVALID_UTF8);
	if (g->fault != CHT_GUEST_OK)
		return s;
	s.len = (size_t)head.arg;
	g->at += s.len;
	return s;
}

static enum wire_key read_key(struct guest *g)
{
	struct cht_str text = read_text(g);

	return wire_key_find((const uint8_t *)text.ptr, text.len);
}

static void read_version(struct guest *g, struct cht_declaration *out)
{
	if (read_key(g) != KEY_CONTENT_VERSION)
		fail(g, CHT_GUEST_CONTENT_VERSION_MUST_BE_FIRST);
	out->content_version = (uint16_t)read_uint(g, UINT16_MAX);
	if (out->content_version != CONTENT_VERSION)
		fail(g, CHT_GUEST_UNSUPPORTED_CONTENT_VERSION);
}

/* An unknown key and one that was there already are both "missing field" to the crate. */
static void read_pair(struct guest *g, struct cht_declaration *out, uint32_t *seen)
{
	enum wire_key key = read_key(g);

	if (key >= KEY_EXTENSION || (*seen & 1u << key)) {
		fail(g, CHT_GUEST_MISSING_FIELD);
		return;
	}
	*seen |= 1u << key;
	if (key == KEY_PROBE_SOURCE)
		out->source_text = read_text(g);
	else if (key == KEY_GUEST_PID)
		out->pid = (uint32_t)read_uint(g, UINT32_MAX);
	else if (key == KEY_GUEST_COMM)
		out->comm = read_text(g);
	else
		out->monotonic_ns = read_uint(g, UINT64_MAX);
}

enum cht_guest_fault cht_guest_decode_body(const uint8_t *body, size_t len,
					   struct cht_declaration *out)
{
	struct guest g = { body, len != 0 ? body + len : body, CHT_GUEST_OK };
	uint32_t seen = 1u << KEY_CONTENT_VERSION;
	struct cbor_head head = read_head(&g);

	if (head.major != CBOR_MAP || head.arg != PAIRS)
		fail(&g, CHT_GUEST_NOT_MAP5);
	read_version(&g, out);
	for (unsigned n = 1; n < PAIRS && g.fault == CHT_GUEST_OK; n++)
		read_pair(&g, out, &seen);
	if (g.fault != CHT_GUEST_OK)
		return g.fault;
	out->source = cht_source_find(out->source_text);
	if (!cht_source_is_known(out->source_text))
		return CHT_GUEST_UNKNOWN_PROBE_SOURCE;
	out->forged = 0;
	out->extensions = out->details = 0;
	return CHT_GUEST_OK;
}

enum cht_guest_fault cht_guest_decode(const uint8_t *frame, size_t len, struct cht_declaration *out)
{
	uint32_t body_len;

	if (len < CHT_FRAME_HEAD_BYTES)
		return CHT_GUEST_SHORT_HEADER;
	body_len = le32_load(frame);
	if (body_len > CHT_GUEST_FRAME_MAX_BYTES)
		return CHT_GUEST_FRAME_TOO_LARGE;
	if (body_len > len - CHT_FRAME_HEAD_BYTES)
		return CHT_GUEST_FRAME_TRUNCATED;
	return cht_guest_decode_body(frame + CHT_FRAME_HEAD_BYTES, body_len, out);
}
