/* SPDX-License-Identifier: Apache-2.0
 *
 * pretty.h - compact JSON as people read it.
 */
#ifndef CLI_PRETTY_H
#define CLI_PRETTY_H

#include <cht/types.h>

/* Prints valid compact JSON with a member a line, two columns deeper for each level. What is not
 * visible, or turns the direction of writing, is escaped: it is the same JSON. */
void pretty_print(struct cht_str json);

#endif
