/* SPDX-License-Identifier: Apache-2.0
 *
 * decode.h - what cht decode says of one frame, for people and as JSON: one line each.
 */
#ifndef CLI_DECODE_H
#define CLI_DECODE_H

#include <cht/wire.h>

enum { DECODE_SHOWN_BYTES = 64 }; /* of a body that is too long to be one */

/* A frame of the input. */
struct decoded {
	uint64_t number;       /* from 1 */
	uint64_t offset;       /* of its first byte, length included, in the input */
	unsigned head_bytes;   /* 4, or 0 when it has no length */
	struct cht_bytes body; /* what there is of it */
	uint32_t claimed;      /* body bytes that the length claims; = body.len without one */
	const char *fault;     /* stable name; null for a sound frame */
	uint32_t at;           /* of the fault, in the body */
	uint32_t version;      /* for the fault "version" */
	struct cht_declaration declaration; /* of a sound frame */
};

/* Faults of the stream, beside those of cht_fault_name. */
#define FAULT_BAD_LENGTH "bad_length"
#define FAULT_IN_LENGTH  "eof_in_length"
#define FAULT_IN_BODY    "eof_in_body"

/* What the fault means, in words. Static storage. */
const char *decode_fault_words(const char *fault);

/* Both write to standard output. */
void decode_print_text(const struct decoded *d);
void decode_print_json(const struct decoded *d);

#endif
