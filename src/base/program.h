/* SPDX-License-Identifier: Apache-2.0
 *
 * program.h - where the programs that belong to this one are.
 */
#ifndef BASE_PROGRAM_H
#define BASE_PROGRAM_H

#include <cht/err.h>
#include <stddef.h>

/* The path of the program of this name: beside the running one, which is so in a build directory,
 * or where it is installed: in the directory for programs that others start, or the one for all.
 * CHT_E_CONFIG. */
int program_find(char *out, size_t cap, const char *name, struct cht_err *err) CHT_CHECKED;

#endif
