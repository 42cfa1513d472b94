/* SPDX-License-Identifier: Apache-2.0
 *
 * parts.h - the three parts of a lock-down, each by itself.
 */
#ifndef LOCKDOWN_PARTS_H
#define LOCKDOWN_PARTS_H

#include "lockdown/lockdown.h"

/* Files only below the paths, no TCP, no abstract socket and no signal beyond this program. Returns
 * the kernel's version of Landlock, 0 if it has none; CHT_E_IO. */
int landlock_enter(const struct lockdown_path *paths, unsigned n, struct cht_err *err) CHT_CHECKED;

/* No capability but these, now and by any execve; as root only what is given up can be: what
 * another user never had stays in its bounding set, of no use. CHT_E_IO. */
int privileges_drop(uint64_t keep, struct cht_err *err) CHT_CHECKED;

/* The list of the program. CHT_E_UNSUPPORTED, CHT_E_IO. */
int calls_enter(enum lockdown_program program, enum lockdown_mode mode,
		struct cht_err *err) CHT_CHECKED;

#endif
