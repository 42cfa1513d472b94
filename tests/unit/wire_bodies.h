/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_bodies.h - bodies in hex, put together from named pairs. In "a5" FIVE the values stand at
 * 17 (version), 31 (source), 57 (pid), 69 (comm) and 90 (time); 91 bytes in all.
 */
#ifndef TESTS_UNIT_WIRE_BODIES_H
#define TESTS_UNIT_WIRE_BODIES_H

#include "check.h"

#include "base/text.h"

#define K_VERSION   "6f636f6e74656e745f76657273696f6e"
#define K_SOURCE    "6c70726f62655f736f75726365"
#define K_PID       "6967756573745f706964"
#define K_COMM      "6a67756573745f636f6d6d"
#define MONO_TEXT   "67756573745f6d6f6e6f746f6e69635f6e73"
#define K_AGENT_SEQ "696167656e745f736571"
#define K_EXIT_CODE "69657869745f636f6465"
#define K_EXE       "63657865"
#define K_COVERAGE  "68636f766572616765"

#define VERSION K_VERSION "01"
#define SOURCE  K_SOURCE "6f70726f636573732e737061776e6564"
#define PID     K_PID "01"
#define COMM    K_COMM "6161"
#define MONO    "72" MONO_TEXT "05"
#define FIVE    VERSION SOURCE PID COMM MONO

#define ARRAYS15 "818181818181818181818181818181"

/* In memory of exactly its size, so that a sanitizer sees a read past it; free it. */
static inline uint8_t *body_of(const char *hex, size_t *len)
{
	size_t n = strlen(hex) / 2;
	uint8_t *body = malloc(n + (n == 0));

	assert_non_null(body);
	if (!read_hex(str_of(hex), body, n, len))
		fail_msg("not hex: %s", hex);
	return body;
}

#endif
