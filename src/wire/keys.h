/* SPDX-License-Identifier: Apache-2.0
 *
 * keys.h - every key that means something in the top map, and how to find one.
 */
#ifndef WIRE_KEYS_H
#define WIRE_KEYS_H

#include <cht/wire.h>

/* Known keys. Those below KEY_FORGED are watched for duplicates: bit 1 << key. */
enum wire_key {
	KEY_CONTENT_VERSION,
	KEY_PROBE_SOURCE,
	KEY_GUEST_PID,
	KEY_GUEST_COMM,
	KEY_GUEST_MONOTONIC_NS,
	KEY_EXTENSION,                           /* and enum of CHT_EXT_* in bit order */
	KEY_DETAIL = KEY_EXTENSION + 3,          /* and enum cht_detail */
	KEY_FORGED = KEY_DETAIL + CHT_N_DETAILS, /* and enum cht_forged */
	KEY_UNKNOWN = KEY_FORGED + CHT_N_FORGED,
	N_KEYS = KEY_UNKNOWN
};

enum { KEYS_REQUIRED = (1 << KEY_EXTENSION) - 1 };

_Static_assert(KEY_FORGED <= 32, "watched keys are bits of 32");

enum { KEY_TEXT_MAX = 23 };

struct wire_key_text {
	char text[KEY_TEXT_MAX];
	uint8_t len;
};

extern const struct wire_key_text wire_keys[N_KEYS];

/* The key with this text, or KEY_UNKNOWN. */
enum wire_key wire_key_find(const uint8_t *text, size_t len);

/* Bounds of the texts in a coverage entry, in bytes. */
enum { COVERAGE_SOURCE_MAX = 64, COVERAGE_MECHANISM_MAX = 64, COVERAGE_REASON_MAX = 255 };

struct cbor;

/* Reads a coverage value: an array of at most CHT_COVERAGE_MAX entries. COVERAGE for their number,
 * their size or an unknown state; any other fault as for any item. */
void coverage_check(struct cbor *in);

#endif
