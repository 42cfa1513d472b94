/* SPDX-License-Identifier: Apache-2.0
 *
 * The order of checks decides which fault a bad item gives (docs/PROTOCOL.wire, Faults): what its
 * first byte says, then whether its head is whole, then type, then bound, then whether its content
 * is there, then the content. So the first bad byte, read left to right, is the one told.
 */
#include "wire/cbor.h"

#include "base/bytes.h"
#include "base/text.h"

enum { AI_ONE_BYTE = 24, AI_EIGHT_BYTES = 27, AI_INDEFINITE = 31, SIMPLE_FIRST_LONG = 32 };

__attribute__((cold)) void cbor_fail(struct cbor *in, enum cht_fault fault, uint32_t at)
{
	if (in->fault == CHT_FAULT_NONE) {
		in->fault = fault;
		in->fault_at = at;
	}
	in->at = in->end;
}

__attribute__((cold)) void cbor_fail_short(struct cbor *in)
{
	cbor_fail(in, CHT_FAULT_TRUNCATED, (uint32_t)(in->end - in->start));
}

static uint64_t load_be(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

/* Why no item may begin with this byte. */
static enum cht_fault first_byte_fault(enum cbor_major major, unsigned ai)
{
	bool has_length = (major >= CBOR_BYTES && major <= CBOR_MAP) || major == CBOR_SIMPLE;

	if (ai > AI_EIGHT_BYTES && (ai != AI_INDEFINITE || !has_length))
		return CHT_FAULT_RESERVED;
	if (ai == AI_INDEFINITE)
		return CHT_FAULT_INDEFINITE;
	return major == CBOR_TAG ? CHT_FAULT_TAG : CHT_FAULT_NONE;
}

struct cbor_head cbor_head_long(struct cbor *in)
{
	const struct cbor_head none = { 0, CBOR_UINT };
	uint32_t at = cbor_at(in);
	struct cbor_head head;
	enum cht_fault fault;
	unsigned ai;
	size_t n;

	if (in->at == in->end) {
		cbor_fail_short(in);
		return none;
	}
	head.major = (enum cbor_major)(*in->at >> 5);
	ai = *in->at & 31;
	fault = first_byte_fault(head.major, ai);
	if (fault != CHT_FAULT_NONE) {
		cbor_fail(in, fault, at);
		return none;
	}
	n = ai < AI_ONE_BYTE ? 0 : (size_t)1 << (ai - AI_ONE_BYTE);
	if (cbor_left(in) - 1 < n) {
		cbor_fail_short(in);
		return none;
	}
	head.arg = n == 0 ? ai : load_be(in->at + 1, n);
	in->at += 1 + n;
	if (head.major == CBOR_SIMPLE && ai == AI_ONE_BYTE && head.arg < SIMPLE_FIRST_LONG) {
		cbor_fail(in, CHT_FAULT_RESERVED, at);
		return none;
	}
	return head;
}

/* A head of this major type; 0 after a fault. */
static uint64_t typed_head(struct cbor *in, enum cbor_major major)
{
	uint32_t at = cbor_at(in);
	struct cbor_head head = cbor_head(in);

	if (head.major == major)
		return head.arg;
	cbor_fail(in, CHT_FAULT_TYPE, at);
	return 0;
}

uint64_t cbor_uint(struct cbor *in, uint64_t max)
{
	uint32_t at = cbor_at(in);
	uint64_t v = typed_head(in, CBOR_UINT);

	if (v <= max)
		return v;
	cbor_fail(in, CHT_FAULT_RANGE, at);
	return 0;
}

/* Moves over n bytes of content; null after a fault. */
static const uint8_t *content(struct cbor *in, uint64_t n)
{
	const uint8_t *p = in->at;

	if (n > cbor_left(in)) {
		cbor_fail_short(in);
		return NULL;
	}
	in->at += n;
	return p;
}

static struct cht_bytes string(struct cbor *in, enum cbor_major major, size_t max)
{
	uint32_t at = cbor_at(in);
	uint64_t n = typed_head(in, major);
	const uint8_t *p;

	if (n > max) {
		cbor_fail(in, CHT_FAULT_TEXT_TOO_LONG, at);
		return (struct cht_bytes){ in->at, 0 };
	}
	p = content(in, n);
	if (p == NULL)
		return (struct cht_bytes){ in->at, 0 };
	return (struct cht_bytes){ p, (size_t)n };
}

static uint64_t load8(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Most text is ASCII; the last eight bytes are looked at twice rather than one by one. */
static bool is_ascii(const uint8_t *p, size_t n)
{
	uint64_t bits = 0;
	size_t i = 0;

	if (n < sizeof(bits)) {
		for (; i < n; i++)
			bits |= p[i];
		return (bits & 0x80) == 0;
	}
	for (; n - i > sizeof(bits); i += sizeof(bits))
		bits |= load8(p + i);
	bits |= load8(p + n - sizeof(bits));
	return (bits & UINT64_C(0x8080808080808080)) == 0;
}

static bool is_text(const uint8_t *p, size_t n)
{
	return is_ascii(p, n) || utf8_is_valid(p, n);
}

struct cht_str cbor_text(struct cbor *in, size_t max)
{
	uint32_t at = cbor_at(in);
	struct cht_bytes s = string(in, CBOR_TEXT, max);

	if (!is_text(s.ptr, s.len)) {
		cbor_fail(in, CHT_FAULT_UTF8, at);
		s.len = 0;
	}
	return (struct cht_str){ (const char *)s.ptr, s.len };
}

struct cht_bytes cbor_bytes(struct cbor *in, size_t max)
{
	return string(in, CBOR_BYTES, max);
}

uint64_t cbor_array(struct cbor *in)
{
	return typed_head(in, CBOR_ARRAY);
}

uint64_t cbor_map(struct cbor *in)
{
	return typed_head(in, CBOR_MAP);
}

/* Items inside a container that was just opened. Each takes a byte at least, so a count above
 * what is left cannot be true, and twice a map's count does not overflow. */
static uint64_t items_in(struct cbor *in, struct cbor_head head)
{
	uint64_t most = cbor_left(in);

	if (head.major == CBOR_MAP)
		most /= 2;
	if (head.arg > most) {
		cbor_fail_short(in);
		return 0;
	}
	return head.major == CBOR_MAP ? head.arg * 2 : head.arg;
}

static void skip_string(struct cbor *in, struct cbor_head head, uint32_t at)
{
	const uint8_t *p = content(in, head.arg);

	if (p != NULL && head.major == CBOR_TEXT && !is_text(p, (size_t)head.arg))
		cbor_fail(in, CHT_FAULT_UTF8, at);
}

static bool is_container(struct cbor_head head)
{
	return head.major == CBOR_ARRAY || head.major == CBOR_MAP;
}

void cbor_skip(struct cbor *in, unsigned depth)
{
	uint64_t left[CHT_DEPTH_MAX + 1]; /* items still to come, of each open container */
	unsigned open = depth;

	left[open] = 1;
	while (in->fault == CHT_FAULT_NONE) {
		uint32_t at = cbor_at(in);
		struct cbor_head head = cbor_head(in);

		left[open]--;
		if (head.major == CBOR_BYTES || head.major == CBOR_TEXT) {
			skip_string(in, head, at);
		} else if (is_container(head) && open == CHT_DEPTH_MAX) {
			cbor_fail(in, CHT_FAULT_DEPTH, at);
			return;
		} else if (is_container(head)) {
			left[++open] = items_in(in, head);
		}
		while (left[open] == 0) {
			if (open == depth)
				return;
			open--;
		}
	}
}

void cbor_end(struct cbor *in)
{
	if (in->at != in->end)
		cbor_fail(in, CHT_FAULT_TRAILING, cbor_at(in));
}

size_t cbor_head_len(uint64_t arg)
{
	return arg < AI_ONE_BYTE   ? 1
	       : arg <= UINT8_MAX  ? 2
	       : arg <= UINT16_MAX ? 3
	       : arg <= UINT32_MAX ? 5
				   : 9;
}

void cbor_put_head(struct buf *b, enum cbor_major major, uint64_t arg)
{
	static const uint8_t additional[] = { [2] = 24, [3] = 25, [5] = 26, [9] = 27 };
	size_t n = cbor_head_len(arg);
	uint8_t *p = buf_room(b, n);

	if (p == NULL)
		return;
	p[0] = (uint8_t)(major << 5 | (n == 1 ? arg : additional[n]));
	for (size_t i = n - 1; i > 0; i--, arg >>= 8)
		p[i] = (uint8_t)arg;
	b->at += n;
}

void cbor_put_text(struct buf *b, struct cht_str s)
{
	cbor_put_head(b, CBOR_TEXT, s.len);
	buf_put_str(b, s);
}
