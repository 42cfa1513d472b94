/* SPDX-License-Identifier: Apache-2.0
 *
 * program.h - where the programs that belong to this one are, and what a program asks of the kernel
 * for itself when it starts.
 */
#ifndef BASE_PROGRAM_H
#define BASE_PROGRAM_H

#include <cht/err.h>
#include <stddef.h>
#include <stdint.h>

/* The path of the program of this name: beside the running one, which is so in a build directory,
 * or where it is installed: in the directory for programs that others start, or the one for all.
 * CHT_E_CONFIG. */
int program_find(char *out, size_t cap, const char *name, struct cht_err *err) CHT_CHECKED;

/* As many open files as we may have; *n: how many. CHT_E_IO. */
int program_raise_files(uint64_t *n, struct cht_err *err) CHT_CHECKED;
/* None of these n signals does anything to us from now on. CHT_E_IO. */
int program_ignore_signals(const int *signals, size_t n, struct cht_err *err) CHT_CHECKED;

#endif
