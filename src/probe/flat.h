/* SPDX-License-Identifier: Apache-2.0
 *
 * flat.h - the small files of cgroups: lines "name value", a number alone, and pressure. Of this
 * module alone.
 */
#ifndef PROBE_FLAT_H
#define PROBE_FLAT_H

#include "base/buf.h"

enum { FLAT_NAME_MAX = 64, FLAT_LINES_MAX = 64 };

/* Writes them as one object, sorted by name. False: a line is something else, a value is no number,
 * a name stands twice, or there are too many: then an empty object was written. */
bool flat_put(struct buf *b, struct cht_bytes text) CHT_CHECKED;
/* One value. False: it is not there, or no number. */
bool flat_find(struct cht_bytes text, struct cht_str name, uint64_t *value);
/* A line that is a number and nothing else. */
bool flat_number(struct cht_bytes text, uint64_t *value) CHT_CHECKED;

/* How long, in microseconds, some of its tasks, and all of them, waited for something. */
struct pressure {
	bool has_full; /* of the processor old kernels do not say it */
	uint64_t some, full;
};

/* pressure.c: cpu.pressure or memory.pressure, exactly as the kernel writes them. */
bool pressure_read(struct cht_bytes text, struct pressure *out) CHT_CHECKED;

/* The next line, without its end; *text moves behind it. False: there is none. */
bool take_line(struct cht_bytes *text, struct cht_str *line);

#endif
