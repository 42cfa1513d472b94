/* SPDX-License-Identifier: Apache-2.0
 *
 * in.h - canonical JSON, read a token at a time. After the first fault a reader is inert: `bad`
 * is set, `at` stays at the offending byte, and every call returns at once. Not for other
 * modules.
 */
#ifndef EVENT_IN_H
#define EVENT_IN_H

#include <cht/types.h>

struct in {
	const uint8_t *at, *end;
	bool bad;
};

/* Marks the byte at p as the offending one. */
void in_fail(struct in *in, const uint8_t *p);

/* Exactly these bytes. */
void in_text(struct in *in, const char *text, size_t len);
#define in_lit(in, lit) in_text((in), "" lit, sizeof(lit) - 1)

/* A string from its opening quote to its closing one: what stands between. Escapes must be the
 * canonical ones, the rest valid UTF-8. */
struct cht_str in_string(struct in *in);
/* The same without escapes. */
struct cht_str in_key(struct in *in);
/* An integer from -2^63 to 2^64-1 in its one spelling: as it is written. */
struct cht_str in_number(struct in *in);
/* Any number of RFC 8259, section 6: as it is written. */
struct cht_str in_any_number(struct in *in);

#endif
