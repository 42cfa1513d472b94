/* SPDX-License-Identifier: Apache-2.0
 *
 * json.h - JSON out: strings escaped as serde_json and RFC 8785 both do it.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"

/* A string with its quotes: '"' and '\' escaped, \b \f \n \r \t short, other controls below
 * U+0020 as \u00xx lower case; '/', U+007F and everything above stay as they are. s must be
 * valid UTF-8. At most 6 * len + 2 bytes. */
void json_put_str(struct buf *b, struct cht_str s);
/* name as it stands, which is a key and its colon and what comes before them; then the string. */
void json_put_member(struct buf *b, const char *name, struct cht_str value);

#endif
