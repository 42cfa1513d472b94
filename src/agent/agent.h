/* SPDX-License-Identifier: Apache-2.0
 *
 * agent.h - the guest agent: sources in, one numbered stream of declarations to the host out.
 *
 * It never blocks what it watches, takes no memory after start, holds no key and listens to
 * nobody. What it cannot see it says in its hello.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include "agent/lives.h"
#include "agent/options.h"
#include "agent/outbox.h"
#include "agent/source_connector.h"

/* opening: nothing runs. running: sources are read. leaving: they are not any more; the queue
 * and a bye go out, until leave_by_ns. */
struct agent {
	struct report report;
	struct lives lives;
	struct outbox outbox;
	struct connector connector; /* .fd -1: /proc is polled instead */
	struct execs execs;         /* .fd -1: /proc alone has the paths */
	struct files files;
	int signals;
	bool polls; /* /proc was read in place of the connector */
	struct cht_err why_polled;
	bool busy; /* a source has more than it may bring in one turn */
	uint64_t scan_at_ns, heartbeat_at_ns, leave_by_ns;
};

/* Opens every source and prepares the link. CHT_E_UNSUPPORTED: this kernel has no such channel;
 * CHT_E_IO. A source that cannot be had is no failure: coverage tells it. */
int agent_open(struct agent *a, const struct options *options, struct cht_err *err) CHT_CHECKED;

/* Runs until SIGTERM or SIGINT, then sends what is queued and a bye within a bounded time. What
 * could not be sent is counted as dropped. CHT_E_IO if the kernel's poll fails. */
int agent_run(struct agent *a, struct cht_err *err) CHT_CHECKED;

/* Fine at any time after agent_open was called. */
void agent_close(struct agent *a);

#endif
