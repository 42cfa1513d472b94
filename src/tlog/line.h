/* SPDX-License-Identifier: Apache-2.0
 *
 * line.h - what all texts here have in common; private to src/tlog.
 */
#ifndef TLOG_LINE_H
#define TLOG_LINE_H

#include <string.h>

#include "tlog/tlog.h"

/* The line that begins at *at, without its newline; *at moves behind that. False: no newline
 * follows, and *at stays. */
static inline bool line_next(struct cht_str text, size_t *at, struct cht_str *line)
{
	const char *p = text.ptr + *at;
	const char *end = *at < text.len ? memchr(p, '\n', text.len - *at) : NULL;

	if (end == NULL)
		return false;
	*line = (struct cht_str){ p, (size_t)(end - p) };
	*at += line->len + 1;
	return true;
}

/* The length of the longest beginning that is UTF-8 without control characters but newline (DEL
 * and above are none, to signed-note). */
size_t line_clean_prefix(struct cht_str text);

/* Whether s can be a key name to signed-note: not empty, UTF-8, no Unicode white space, no '+'.
 * False: *at is the first offending byte. */
bool line_is_key_name(struct cht_str s, size_t *at);

/* One hash in base64. False: *at is the first offending byte in line. */
bool line_read_hash(struct cht_str line, struct tlog_hash *out, size_t *at);

#endif
