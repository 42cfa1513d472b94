/* SPDX-License-Identifier: Apache-2.0
 *
 * cbor.h - untrusted CBOR (RFC 8949) in, values out, one item after the other.
 *
 * The subset of docs/PROTOCOL.wire: definite lengths, no tags, all text valid UTF-8, heads of any
 * width. At the first fault the reader goes inert: it keeps that fault and its offset, every
 * later read gives zero or nothing, and the caller asks once, at the end. No call allocates,
 * recurses or reads past the end. Views borrow from the input.
 */
#ifndef WIRE_CBOR_H
#define WIRE_CBOR_H

#include <cht/wire.h>

#include "base/buf.h"

enum cbor_major {
	CBOR_UINT,
	CBOR_NEGATIVE,
	CBOR_BYTES,
	CBOR_TEXT,
	CBOR_ARRAY,
	CBOR_MAP,
	CBOR_TAG,
	CBOR_SIMPLE /* and floats */
};

struct cbor {
	const uint8_t *at; /* next item; end after a fault */
	const uint8_t *end;
	const uint8_t *start;
	enum cht_fault fault;
	uint32_t fault_at;
};

struct cbor_head {
	uint64_t arg; /* value, length or count */
	enum cbor_major major;
};

static inline struct cbor cbor_init(const uint8_t *bytes, size_t len)
{
	/* null is fine for nothing, but not to add to */
	return (struct cbor){ .at = bytes, .end = len != 0 ? bytes + len : bytes, .start = bytes };
}

/* Offset of the next item: of its head, before it is read. */
static inline uint32_t cbor_at(const struct cbor *in)
{
	return (uint32_t)(in->at - in->start);
}

static inline size_t cbor_left(const struct cbor *in)
{
	return (size_t)(in->end - in->at);
}

/* Keeps the fault, unless there is one, and makes the reader inert. */
void cbor_fail(struct cbor *in, enum cht_fault fault, uint32_t at);
/* The input ends inside an item: the offset is its length. */
void cbor_fail_short(struct cbor *in);

/* cbor_head's way for arguments outside the first byte, and for everything refused. */
struct cbor_head cbor_head_long(struct cbor *in);

/* Reads one head: TRUNCATED, RESERVED, TAG and INDEFINITE are told here. */
static inline struct cbor_head cbor_head(struct cbor *in)
{
	if (in->at != in->end && (*in->at & 31) < 24 && *in->at >> 5 != CBOR_TAG) {
		uint8_t first = *in->at++;

		return (struct cbor_head){ first & 31, (enum cbor_major)(first >> 5) };
	}
	return cbor_head_long(in);
}

/* An unsigned integer of at most max: TYPE, RANGE. */
uint64_t cbor_uint(struct cbor *in, uint64_t max);
/* A text string of at most max bytes: TYPE, TEXT_TOO_LONG, TRUNCATED, UTF8. */
struct cht_str cbor_text(struct cbor *in, size_t max);
/* A byte string of at most max bytes: TYPE, TEXT_TOO_LONG, TRUNCATED. */
struct cht_bytes cbor_bytes(struct cbor *in, size_t max);
/* The head of an array or of a map: elements or pairs that follow. TYPE. */
uint64_t cbor_array(struct cbor *in);
uint64_t cbor_map(struct cbor *in);
/* One whole item of any type, which stands inside `depth` containers: DEPTH when a container in
 * it would be number CHT_DEPTH_MAX + 1. */
void cbor_skip(struct cbor *in, unsigned depth);
/* Nothing follows: TRAILING. */
void cbor_end(struct cbor *in);

/* The shortest head. */
void cbor_put_head(struct buf *b, enum cbor_major major, uint64_t arg);
void cbor_put_text(struct buf *b, struct cht_str s);
/* How many bytes cbor_put_head writes. */
size_t cbor_head_len(uint64_t arg);

#endif
