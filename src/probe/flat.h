/* SPDX-License-Identifier: Apache-2.0
 *
 * flat.h - files of lines "name value", as cgroups have them. Of this module alone.
 */
#ifndef PROBE_FLAT_H
#define PROBE_FLAT_H

#include "base/buf.h"

/* Writes them as one object, sorted by name. False: a line is something else, a value is no number,
 * a name stands twice, or there are too many: then an empty object was written. */
bool flat_put(struct buf *b, struct cht_bytes text) CHT_CHECKED;
/* One value. False: it is not there, or no number. */
bool flat_find(struct cht_bytes text, struct cht_str name, uint64_t *value);

#endif
