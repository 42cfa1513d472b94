/* SPDX-License-Identifier: Apache-2.0
 *
 * source_connector.h - the kernel's process connector: forks, execs, exits, id changes and
 * renames as they happen, into lives.
 */
#ifndef AGENT_SOURCE_CONNECTOR_H
#define AGENT_SOURCE_CONNECTOR_H

#include <cht/err.h>

#include "agent/lives.h"
#include "agent/source_exec.h"

struct connector {
	int fd;
	uint32_t lost;     /* the kernel's count of what did not fit in our buffer, as last read */
	bool overrun;      /* it grew: to be counted when the buffer is empty */
	bool told_overrun; /* in the coverage, where it stays: what was lost stays lost */
	struct lives *lives;
	struct execs *execs;
};

/* Subscribes and waits for the kernel's word that it worked. CHT_E_UNSUPPORTED: it cannot be had
 * here, and err->text says why. token: any random number. */
int connector_open(struct connector *c, struct lives *lives, struct execs *execs, uint32_t token,
		   struct cht_err *err) CHT_CHECKED;

/* Takes what waits, at most a bounded number. Returns whether more may wait. */
bool connector_on_ready(struct connector *c, uint64_t now_ns);

/* Unsubscribes and closes; fine when not open. */
void connector_close(struct connector *c);

#endif
