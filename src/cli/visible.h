/* SPDX-License-Identifier: Apache-2.0
 *
 * visible.h - text of a guest on its way to a terminal: nothing in it moves a cursor, changes
 * a colour, hides or turns around what stands beside it.
 */
#ifndef CLI_VISIBLE_H
#define CLI_VISIBLE_H

#include "base/buf.h"

/* As it stands where it is harmless. Controls (C0, DEL, C1) and bytes that are not UTF-8
 * become \xNN or \u00NN; what is invisible or turns the direction of writing becomes \uNNNN; a
 * backslash is doubled. At most 4 bytes for each byte of s. */
void put_visible(struct buf *b, struct cht_str s);

/* The same for the raw JSON of a value: a string's quotes are dropped and its escapes undone
 * first, anything else is put as it is. json is valid JSON. At most 2 bytes for each byte. */
void put_visible_json(struct buf *b, struct cht_str json);

/* Valid JSON as it stands, but for characters that deceive: these become \\uNNNN, so that it is
 * the same JSON still. At most 6 bytes for each byte. */
void put_plain_json(struct buf *b, struct cht_str json);

#endif
