/* SPDX-License-Identifier: Apache-2.0
 *
 * outbox.h - what the report holds, out over the link: a hello first on every connection, then
 * events in order, with heartbeats between them, and at the end a bye.
 */
#ifndef AGENT_OUTBOX_H
#define AGENT_OUTBOX_H

#include "agent/link.h"
#include "agent/report.h"

struct outbox {
	struct link link;
	uint32_t connection; /* number of the link's connection that the rest is about */
	bool wants_hello, wants_heartbeat;
	const char *bye; /* reason; null while we stay */
	bool bye_made;   /* the control frame is the bye */
	size_t control_len, control_at;
	uint8_t control[REPORT_CONTROL_MAX];
};

/* Connects when due and sends as much as the peer takes. */
void outbox_turn(struct outbox *o, struct report *r, uint64_t now_ns);

/* After .bye was set: everything, the bye included, is with the kernel. */
bool outbox_is_done(const struct outbox *o);

#endif
