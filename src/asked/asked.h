/* SPDX-License-Identifier: Apache-2.0
 *
 * asked.h - the probes that somebody asks for of a cell, as a PUT has them in `probes`
 * (docs/PROTOCOL.control): JSON in, options out. Pure.
 */
#ifndef ASKED_ASKED_H
#define ASKED_ASKED_H

#include <cht/probe.h>
#include <jansson.h>

enum { PROBES_ASKED_TEXTS = 8192 }; /* no body of a PUT is longer */

struct probe_asked {
	struct cht_probe_options options; /* texts are in the list's .texts; pid is not set */
	uint32_t interval_ms;             /* 0: not given */
};
struct probes_asked {
	unsigned n;
	struct probe_asked list[CHT_N_PROBES];
	size_t used;
	char texts[PROBES_ASKED_TEXTS];
};

/* The value of `probes`. False: it is no such object. */
bool probes_asked_take(const json_t *object, struct probes_asked *out) CHT_CHECKED;
/* The same of a text of it alone: { "cgroup": {...} }. */
bool probes_asked_read_alone(struct cht_str text, struct probes_asked *out) CHT_CHECKED;
/* The same of what was stated of a cell, an object that has `probes`, or has not: false. */
bool probes_asked_read(struct cht_bytes stated, struct probes_asked *out) CHT_CHECKED;

#endif
