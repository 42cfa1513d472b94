/* SPDX-License-Identifier: Apache-2.0
 *
 * value.h - the words of a registration, in a file or a request: modes and names. Pure.
 */
#ifndef CELL_VALUE_H
#define CELL_VALUE_H

#include <cht/types.h>

/* "0600": octal permission bits with a leading zero. */
bool value_mode(struct cht_str s, uint64_t *mode);
/* [A-Za-z0-9._-]{1,64} */
bool value_is_cell_id(struct cht_str s);
/* [A-Za-z0-9._:+/=-]{1,128} */
bool value_is_attribution(struct cht_str s);

#endif
