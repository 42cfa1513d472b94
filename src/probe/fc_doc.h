/* SPDX-License-Identifier: Apache-2.0
 *
 * fc_doc.h - one JSON document of a VMM (RFC 8259, strictly): bytes in, a tree of values out, and
 * the same document in canonical form. The bytes are a stranger's: depth, values and members are
 * bounded, a member twice or text that is no UTF-8 is refused, nothing is allocated. Of this module
 * alone.
 */
#ifndef PROBE_FC_DOC_H
#define PROBE_FC_DOC_H

#include "base/buf.h"

enum {
	FC_DOC_DEPTH_MAX = 8,     /* Firecracker's have 3; an event has room for 13 */
	FC_DOC_VALUES_MAX = 4096, /* five drives and five interfaces make 600 */
	FC_DOC_TOP = 0            /* the whole document's place among the values */
};

enum fc_doc_kind { FC_OBJECT, FC_ARRAY, FC_STRING, FC_NUMBER, FC_LITERAL };

struct fc_value {
	uint32_t key_at, key_len; /* a member's name, without escapes */
	uint32_t at, len;         /* its text; a string's without quotes and escapes */
	uint16_t first, next;     /* child and sibling, sorted by name in an object; 0: none */
	uint16_t kind;
};

struct fc_doc {
	const uint8_t *text;
	struct fc_value *values; /* the caller's */
	unsigned cap, n;
};

/* Reads one object that is the whole of text, into doc->values[0..doc->cap). Escapes are resolved
 * in text itself, which lives as long as *doc does. CHT_E_PARSE: it is no such document; *at, if
 * not null, is about where. CHT_E_LIMIT: it has more values than there is room for. */
int fc_doc_parse(struct fc_doc *doc, uint8_t *text, size_t len, size_t *at) CHT_CHECKED;
/* Writes value v without white space: members sorted by their bytes, each number as it was
 * written, each string with the least escapes. */
void fc_doc_put(struct buf *b, const struct fc_doc *doc, unsigned v);
/* The member of that name of value v; 0: there is none, or v is no object. */
unsigned fc_doc_find(const struct fc_doc *doc, unsigned v, struct cht_str name);
/* False: v is something else than a whole number from 0 to 2^64-1. */
bool fc_doc_u64(const struct fc_doc *doc, unsigned v, uint64_t *out) CHT_CHECKED;
/* The text of a string; empty: it is none, or it is an empty one. */
struct cht_str fc_doc_str(const struct fc_doc *doc, unsigned v);

#endif
