/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/outbox.h"

/* A control frame of a connection that died was about that connection: it is not kept. */
static void begin_connection(struct outbox *o, struct report *r)
{
	o->connection = o->link.connections;
	o->control_len = o->control_at = 0;
	o->bye_made = false;
	o->wants_heartbeat = false;
	o->wants_hello = true;
	queue_rewind(&r->queue);
}

/* Makes the control frame that is due here, if one is. */
static bool make_control(struct outbox *o, struct report *r, uint64_t now_ns)
{
	enum report_control kind;

	if (o->wants_hello || r->coverage_changed)
		kind = REPORT_HELLO;
	else if (o->wants_heartbeat)
		kind = REPORT_HEARTBEAT;
	else if (o->bye != NULL && r->queue.n == 0 && !o->bye_made)
		kind = REPORT_BYE;
	else
		return false;
	if (kind == REPORT_HELLO)
		o->wants_hello = false;
	o->wants_heartbeat = false; /* a hello is a sign of life too */
	o->bye_made = kind == REPORT_BYE;
	o->control_at = 0;
	o->control_len = report_control(r, kind, o->bye, now_ns, o->control);
	return true;
}

/* Sends one batch. False when there is nothing to send. */
static bool send_some(struct outbox *o, struct report *r, uint64_t now_ns)
{
	struct iovec spans[2];
	int n;

	if (queue_is_between(&r->queue) && o->control_at == o->control_len)
		(void)make_control(o, r, now_ns);
	if (o->control_at < o->control_len) {
		spans[0] = (struct iovec){ .iov_base = o->control + o->control_at,
					   .iov_len = o->control_len - o->control_at };
		o->control_at += link_send(&o->link, spans, 1, now_ns);
		return true;
	}
	n = queue_spans(&r->queue, o->wants_hello || o->wants_heartbeat || r->coverage_changed,
			spans);
	if (n == 0)
		return false;
	r->sent += queue_advance(&r->queue, link_send(&o->link, spans, n, now_ns));
	return true;
}

void outbox_turn(struct outbox *o, struct report *r, uint64_t now_ns)
{
	link_turn(&o->link, now_ns);
	while (o->link.state == LINK_UP) {
		if (o->connection != o->link.connections)
			begin_connection(o, r);
		if (!send_some(o, r, now_ns))
			return;
	}
}

bool outbox_is_done(const struct outbox *o)
{
	return o->bye_made && o->control_at == o->control_len && link_is_up(&o->link);
}
