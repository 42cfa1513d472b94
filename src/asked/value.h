/* SPDX-License-Identifier: Apache-2.0
 *
 * value.h - what a JSON value of a registration is. Pure.
 */
#ifndef ASKED_VALUE_H
#define ASKED_VALUE_H

#include <cht/types.h>
#include <jansson.h>

/* Empty when it is no text. */
struct cht_str member_text(const json_t *value);
/* A text of 1 to so many bytes, without control characters: there is one way only to escape it. */
bool member_is_plain(struct cht_str s, size_t most);
bool member_is_integer(const json_t *value, json_int_t least, json_int_t most);

#endif
