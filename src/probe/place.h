/* SPDX-License-Identifier: Apache-2.0
 *
 * place.h - in whose network namespace a probe looks. Of this module alone.
 */
#ifndef PROBE_PLACE_H
#define PROBE_PLACE_H

#include "probe/probe.h"

struct probe_place {
	char name[256]; /* in /run/netns; "": none */
	uint32_t pid;   /* 0: none */
	bool was_had;   /* a socket there was given */
};

/* Copies it from the options. CHT_E_RANGE: it cannot be. */
int place_take(struct probe_place *place, const struct cht_probe_options *options,
	       struct cht_err *err) CHT_CHECKED;
/* Its name may be another namespace's by now: one that had it is not there any more. */
bool place_may_be_another(const struct probe_place *place);
/* A socket there may be wanted. Once one was had by a process's number it may not be: the number
 * may be another process's by now. */
bool place_may_ask(const struct probe_place *place);
/* Into what is wanted there. */
void place_want(const struct probe_place *place, struct probe_want *want);
/* Its members, as they stand in a reading's inputs, behind others; nothing when it is ours. */
void place_put(struct buf *b, const struct probe_place *place);
/* A socket there could not be had: what was looked at, and what is missing. */
void place_fail(const struct probe_place *place, int code, int sys, const char *what,
		struct probe_room *room, struct cht_reading *out);

#endif
