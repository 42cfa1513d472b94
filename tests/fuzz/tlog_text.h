/* SPDX-License-Identifier: Apache-2.0
 *
 * tlog_text.h - what the fuzz targets of tlog's texts share.
 */
#ifndef TESTS_FUZZ_TLOG_TEXT_H
#define TESTS_FUZZ_TLOG_TEXT_H

#include "fuzz.h"

#include "base/bytes.h"
#include "tlog/tlog.h"

/* A view that was taken from text lies in it. */
static void __attribute__((unused)) within(struct cht_str text, struct cht_str view)
{
	HOLDS(view.len == 0 || (view.ptr >= text.ptr && view.ptr <= text.ptr + text.len &&
				view.len <= (size_t)(text.ptr + text.len - view.ptr)));
}

/* What was put is this text. */
static void __attribute__((unused)) same_text(const struct buf *b, struct cht_str text)
{
	HOLDS(!b->full);
	HOLDS(str_eq((struct cht_str){ (const char *)b->start, buf_len(b) }, text));
}

#endif
