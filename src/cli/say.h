/* SPDX-License-Identifier: Apache-2.0
 *
 * say.h - numbers and names in sentences for people.
 */
#ifndef CLI_SAY_H
#define CLI_SAY_H

#include <cht/types.h>

/* 1,234,567: from a small ring, good for a few calls. */
const char *say_number(uint64_t v);
const char *say_plural(uint64_t n, const char *one, const char *many);
/* With what a terminal would obey made visible; good for two calls. */
const char *say_shown(const char *text);

#endif
