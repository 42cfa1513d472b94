/* SPDX-License-Identifier: Apache-2.0
 *
 * options.h - the command line and environment, read and checked whole before anything is done.
 */
#ifndef AGENT_OPTIONS_H
#define AGENT_OPTIONS_H

#include "agent/link.h"
#include "agent/source_inotify.h"

struct options {
	struct link_address address;
	const char *watch[WATCH_MAX]; /* borrowed from argv and the environment */
	unsigned n_watch;
	uint32_t heartbeat_ms; /* 0: none */
	int ready_fd;          /* -1: none */
	bool foreground, stats, version, help;
};

/* watch_path is the environment's one path, or null. CHT_E_CONFIG. */
int options_read(struct options *o, char *const *argv, const char *watch_path,
		 struct cht_err *err) CHT_CHECKED;

extern const char options_help[];

#endif
