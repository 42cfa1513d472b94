/* SPDX-License-Identifier: Apache-2.0
 *
 * locate.h - the one entry that an operand names.
 */
#ifndef CLI_LOCATE_H
#define CLI_LOCATE_H

#include "cli/follow.h"

/* what: an index, or the id of an event, with or without "urn:cellos:event:". Reads that entry
 * with follow_get: 1, *entry has it, its index is f->reader.next - 1. CHT_E_CONFIG: there is none,
 * or what is neither; the text says so. Where an id is not found, all is read, and what is damaged
 * is said: the id may be in it. CHT_E_STATE, CHT_E_IO. */
int locate(struct follow *f, const char *what, struct cht_bytes *entry,
	   struct cht_err *err) CHT_CHECKED;

#endif
