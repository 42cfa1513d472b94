/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <unistd.h>

#include "base/err.h"
#include "cell/cell.h"
#include "lib/connection.h"

/* How a receive ended, beside what it returns: why a connection is over. */
struct ending {
	enum close_reason reason; /* CLOSE_N_REASONS: it is not */
};

static int lost(struct ending *end, enum close_reason reason, struct cht_err *err, const char *why)
{
	end->reason = reason;
	return cht_fail(err, CHT_E_WIRE, 0, "%s", why);
}

static int at_end(const struct framer *f, struct ending *end, struct cht_err *err)
{
	switch (framer_at_eof(f)) {
	case FRAMER_EOF_CLEAN: end->reason = CLOSE_CLEAN; return CHT_RECEIVED_EOF;
	case FRAMER_EOF_IN_LENGTH:
		return lost(end, CLOSE_IN_LENGTH, err, "the connection ended inside a length");
	case FRAMER_EOF_IN_BODY: break;
	}
	return lost(end, CLOSE_IN_BODY, err, "the connection ended inside a frame");
}

/* One read(2). 1: there are bytes. Else what the caller returns. */
static int fill(struct cht_connection *c, uint64_t now_ns, struct ending *end, struct cht_err *err)
{
	size_t room = framer_room(&c->framer, &c->pool, &c->quota);
	ssize_t n;

	if (room > sizeof(c->read))
		room = sizeof(c->read);
	do
		n = read(c->fd, c->read, room);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		c->in = (struct cht_bytes){ c->read, (size_t)n };
		c->bytes += (uint64_t)n;
		return 1;
	}
	if (n == 0)
		return at_end(&c->framer, end, err);
	if (errno != EAGAIN && errno != EWOULDBLOCK) {
		end->reason = CLOSE_READ_ERROR;
		return cht_fail(err, CHT_E_IO, errno, "read from a connection");
	}
	if (framer_is_stalled(&c->framer, now_ns, LIMIT_STALL_NS))
		return lost(end, CLOSE_STALLED, err, "30 s in the middle of a frame");
	return CHT_RECEIVED_NOTHING;
}

static int receive(struct cht_connection *c, uint64_t now_ns, struct cht_declaration *out,
		   struct cht_wire_fault *why, struct ending *end, struct cht_err *err)
{
	struct cht_bytes body;

	end->reason = CLOSE_N_REASONS;
	for (;;) {
		int r = framer_next(&c->framer, &c->pool, &c->quota, &c->in, now_ns, &body);

		if (r < 0)
			return lost(end, CLOSE_BAD_LENGTH, err,
				    "a frame's length is 0 or above 65,536");
		if (r == 1)
			break;
		r = fill(c, now_ns, end, err);
		if (r != 1)
			return r;
	}
	c->frames++;
	c->facts.frame_bytes = (uint32_t)body.len;
	if (cht_decode(body.ptr, body.len, out, why) < 0)
		return CHT_RECEIVED_REFUSED;
	return CHT_RECEIVED_FRAME;
}

int cht_recv_declaration(struct cht_connection *connection, uint64_t now_ns,
			 struct cht_declaration *out, struct cht_wire_fault *why,
			 struct cht_err *err)
{
	struct cht_wire_fault fault = { .fault = CHT_FAULT_NONE };
	struct ending end;
	int r = receive(connection, now_ns, out, &fault, &end, err);

	if (r == CHT_RECEIVED_REFUSED && why != NULL)
		*why = fault;
	return r;
}

static void say_refused(struct cht_err *err, const struct cht_wire_fault *why)
{
	(void)cht_fail_value(err, why->fault == CHT_FAULT_VERSION ? CHT_E_VERSION : CHT_E_WIRE,
			     why->value, "a frame was refused: %s at byte %u",
			     cht_fault_name(why->fault), why->at);
}

int cht_recv_stamped(struct cht_connection *connection, struct cht_cell *cell,
		     const struct cht_now *now, const struct cht_stamped **out, struct cht_err *err)
{
	struct cht_connection *c = connection;
	struct cht_wire_fault why = { .fault = CHT_FAULT_NONE };
	struct ending end;
	int r;

	if (!c->is_told) {
		c->facts.connection = cell_note_opened(cell, c->peer.pid, c->peer.uid, c->peer.gid);
		c->is_told = true;
	}
	r = receive(c, now->monotonic_ns, &c->declared, &why, &end, err);
	if (r == CHT_RECEIVED_FRAME)
		*out = cht_stamp(cell, &c->declared, &c->facts, now);
	if (r == CHT_RECEIVED_REFUSED) {
		cell_note_refused(cell, &c->facts, &why);
		say_refused(err, &why);
	}
	if (end.reason != CLOSE_N_REASONS)
		cell_note_closed(cell, c->facts.connection, end.reason, true, c->frames, c->bytes);
	return r;
}
