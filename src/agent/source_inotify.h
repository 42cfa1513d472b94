/* SPDX-License-Identifier: Apache-2.0
 *
 * source_inotify.h - changes to a short list of declared paths, into fs.inotify_fired. A path
 * that is not there, or goes away, is looked for again each second.
 */
#ifndef AGENT_SOURCE_INOTIFY_H
#define AGENT_SOURCE_INOTIFY_H

#include "agent/report.h"

enum { WATCH_MAX = 32 };

struct files {
	int fd;
	unsigned n, n_missing;
	bool overflowed;
	const char *path[WATCH_MAX]; /* borrowed */
	int watch[WATCH_MAX];        /* -1: not watched now */
	uint64_t retry_at_ns;        /* UINT64_MAX: all are watched */
	struct report *report;
};

/* Watches what can be watched now, and says in the report what cannot. */
void files_open(struct files *f, const char *const *paths, unsigned n, struct report *report);

void files_on_ready(struct files *f, uint64_t now_ns);

/* Looks again for what is missing, when that is due. */
void files_turn(struct files *f, uint64_t now_ns);

void files_close(struct files *f);

#endif
