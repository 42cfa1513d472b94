/* SPDX-License-Identifier: Apache-2.0
 *
 * request.h - what a request asks for, from its target alone. Pure.
 */
#ifndef SERVE_REQUEST_H
#define SERVE_REQUEST_H

#include <cht/err.h>

#include "tlog/tlog.h"

enum serve_what { SERVE_INDEX, SERVE_HEALTH, SERVE_CHECKPOINT, SERVE_TILE, SERVE_EVENTS };

enum {
	SERVE_TARGET_MAX = 2048, /* bytes of a target; the longest of ours is shorter by far */
	SERVE_VALUE_MAX = 255,   /* bytes of a cell, run or type as JSON spells it */
};

/* A value as it stands in an event, between its quotes; len 0: not asked for. */
struct serve_value {
	size_t len;
	char text[SERVE_VALUE_MAX];
};

struct serve_request {
	enum serve_what what;
	struct tlog_tile tile; /* SERVE_TILE */
	/* SERVE_EVENTS */
	bool has_from, is_following;
	uint64_t from;
	struct serve_value cell, run, type;
};

/* Takes the target of a request line apart, "/events?from=7", strictly: one spelling of each path,
 * known keys once each. CHT_E_PARSE: it cannot be understood (400). CHT_E_CONFIG: there is no such
 * path (404). CHT_E_RANGE: longer than SERVE_TARGET_MAX (414). err has a sentence for the client,
 * with nothing in it that came from him. *out is then undefined. */
int serve_request_read(struct cht_str target, struct serve_request *out,
		       struct cht_err *err) CHT_CHECKED;

#endif
