/* SPDX-License-Identifier: Apache-2.0 */
/* Accepting never stops, because a listener that does not accept can freeze a VM. Reading stops
 * for all connections at once when the ring has no room for what one turn can bring: then the
 * kernel's buffers push back into the guests and nothing is lost. */
#include "daemon/line.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/diag.h"
#include "base/err.h"

enum {
	/* What one turn can give rise to: RECEIVE_BYTES hold at most 207 frames that decode (79
	 * bytes is the shortest), each an event of at most 1,500 bytes and six for each byte that
	 * must be escaped; a frame that this read completes is at most one event of the largest
	 * size; and the events that were pending. */
	TURN_BYTES = 208 * 1500 + 6 * RECEIVE_BYTES + CHT_EVENT_MAX_BYTES + 16 * 2048,
};
_Static_assert(TURN_BYTES < RING_BYTES / 4, "a ring that wakes us for room has room for a turn");

uint64_t line_next_index(const struct line *line)
{
	return line->base_index + ring_put_count(&line->ring);
}

bool line_has_room(struct line *line)
{
	return ring_has_room(&line->ring, TURN_BYTES);
}

bool line_may_drop(const struct line *line)
{
	return line->disk_full && line->conf->on_full != NULL &&
	       strcmp(line->conf->on_full, "drop") == 0;
}

static void on_state(struct line *line, const struct handoff_msg *msg)
{
	line->disk_full = msg->state.paused != 0;
	if (!line->disk_full)
		diag(DIAG_NOTICE, "the ledger is written again");
	else
		diag(DIAG_WARNING, "the ledger cannot be written (%s): %s until it can",
		     diag_errno(msg->state.sys),
		     line_may_drop(line) ? "what guests send is dropped and counted"
					 : "guests are held back");
}

/* One that we started stops by itself; one of its own may have been told otherwise. */
static bool stops_when_full(const struct line *line)
{
	const char *on_full = line->conf->on_full;

	return line->scribe.is_joined && (on_full == NULL || strcmp(on_full, "stop") == 0);
}

int line_hear_scribe(struct line *line, struct cht_err *err)
{
	struct handoff_msg msg;
	int r;

	while ((r = handoff_recv(line->scribe.sock, &msg, NULL, 0, err)) == 1) {
		if (msg.kind == HANDOFF_FAILED) {
			line->scribe_status = msg.failed.exit_status;
			return cht_fail(err, CHT_E_PEER, 0, "%s", msg.failed.text);
		}
		if (msg.kind == HANDOFF_PRUNE) {
			line->pruning.is_asked = true;
			line->pruning.asked = msg.prune.min_index;
			continue;
		}
		if (msg.kind == HANDOFF_RECEIPT) {
			moves_on_receipt(line, msg.receipt.index, str_of(msg.receipt.text));
			continue;
		}
		if (msg.kind != HANDOFF_STATE)
			return cht_fail(err, CHT_E_PEER, 0,
					"cht-scribe sent an unexpected message");
		on_state(line, &msg);
		if (line->disk_full && stops_when_full(line))
			return cht_fail(err, CHT_E_FULL, msg.state.sys, "write the ledger");
	}
	if (r == CHT_E_FULL)
		return 0;
	if (r == 0)
		return cht_fail(err, CHT_E_PEER, 0, "cht-scribe ended without a word");
	return r;
}

/* A signal while we wait for the scribe. One that ends the waiting is left where it is: line_close
 * shall not wait either. */
static int on_signal_waiting(struct line *line, struct cht_err *err)
{
	if (line->stop_signal != 0)
		return cht_fail(err, CHT_E_STATE, 0,
				"told twice to stop: cht-scribe is left to store the rest alone");
	if (line->is_ready)
		return asked_stop(line) ? 0 : cht_fail(err, CHT_E_IO, errno, "read a signal");
	line->stop_signal = SIGTERM;
	return cht_fail(err, CHT_E_STATE, 0, "told to stop before everything was ready");
}

/* The first comes with the word that we are ready. */
static uint64_t life_deadline(const struct line *line)
{
	return line->is_ready ? notify_deadline(&line->notify) : UINT64_MAX;
}

/* The service manager's watchdog hears that we live, and what there is to know at a glance. */
static void show_life(struct line *line, uint64_t now_ns)
{
	uint64_t put = ring_put_count(&line->ring), ns = now_ns - line->told_ns;
	char text[160];

	if (now_ns < life_deadline(line))
		return;
	(void)snprintf(text, sizeof(text),
		       "STATUS=%u cells, %llu events/s, ledger has %llu entries%s", line->n_cells,
		       (unsigned long long)((double)(put - line->told_put) * NS_PER_S / (double)ns),
		       (unsigned long long)(line->base_index + ring_durable_count(&line->ring)),
		       line->disk_full ? ", and cannot be written: its disk is full" : "");
	line->told_put = put;
	line->told_ns = now_ns;
	notify_alive(&line->notify, now_ns, text);
}

static int ms_until(uint64_t at_ns, uint64_t now_ns)
{
	uint64_t ms = at_ns <= now_ns ? 0 : (at_ns - now_ns) / NS_PER_MS + 1;

	return ms < INT32_MAX ? (int)ms : INT32_MAX;
}

/* For space we wait only until its time is over; for all else for ever. */
static bool is_over(const struct line *line, uint64_t now_ns)
{
	return line->disk_full && line->space_until_ns != 0 && line->space_until_ns <= now_ns;
}

/* For poll. */
static int patience_ms(const struct line *line, uint64_t now_ns)
{
	uint64_t at_ns = life_deadline(line);

	if (line->disk_full && line->space_until_ns != 0 && line->space_until_ns < at_ns)
		at_ns = line->space_until_ns;
	return at_ns == UINT64_MAX ? -1 : ms_until(at_ns, now_ns);
}

int line_sleep(struct line *line, struct cht_err *err)
{
	struct pollfd fds[] = { { .fd = line->ring.durable_fd, .events = POLLIN },
				{ .fd = line->scribe.sock, .events = POLLIN },
				{ .fd = line->loop.signal_fd, .events = POLLIN },
				{ .fd = line->opener.sock, .events = POLLIN } };
	uint64_t now_ns = clk_monotonic_ns();
	int r, n = poll(fds, 4, patience_ms(line, now_ns));

	if (n < 0 && errno != EINTR)
		return cht_fail(err, CHT_E_IO, errno, "poll");
	now_ns = clk_monotonic_ns();
	show_life(line, now_ns);
	if (n == 0 && is_over(line, now_ns))
		return cht_fail(err, CHT_E_FULL, 0,
				"no space for what was accepted last: the next start declares it");
	r = n > 0 && fds[3].revents != 0 ? opener_hear(line, err) : 0;
	return r == 0 && n > 0 && fds[2].revents != 0 ? on_signal_waiting(line, err) : r;
}

static int await_scribe(struct line *line, struct cht_err *err)
{
	int r = line_sleep(line, err);

	return r < 0 ? r : line_hear_scribe(line, err);
}

int line_await_durable(struct line *line, struct cht_err *err)
{
	int r = 0;

	while (r == 0) {
		ring_clear(line->ring.durable_fd);
		if (ring_durable_count(&line->ring) == ring_put_count(&line->ring))
			break;
		r = await_scribe(line, err);
	}
	return r;
}

static int await_room(struct line *line, struct cht_err *err)
{
	int r = 0;

	while (r == 0) {
		ring_clear(line->ring.durable_fd);
		if (!ring_await_room(&line->ring, CHT_EVENT_MAX_BYTES))
			break;
		r = await_scribe(line, err);
	}
	return r;
}

int line_emit(struct line *line, struct slot *slot, const struct cht_stamped *stamped,
	      struct cht_err *err)
{
	uint8_t *at = ring_reserve(&line->ring, CHT_EVENT_MAX_BYTES);
	uint64_t index = line_next_index(line);
	struct buf b;

	if (at == NULL) {
		int r = await_room(line, err);

		if (r < 0)
			return r;
		at = ring_reserve(&line->ring, CHT_EVENT_MAX_BYTES);
		if (at == NULL)
			return cht_fail(err, CHT_E_PEER, 0,
					"cht-scribe gave no room that it promised");
	}
	b = buf_init(at, CHT_EVENT_MAX_BYTES);
	event_render(&line->renderer, stamped, line->conf->shape, &b);
	if (b.full)
		return cht_fail(err, CHT_E_RANGE, 0, "an event is longer than any event can be");
	if (slot == NULL) {
		table_note_host(&line->table, index);
	} else {
		table_note(&line->table, slot->table_slot, stamped->run, stamped->kind, index);
		cell_note_stored(&slot->cell, buf_len(&b));
	}
	ring_publish(&line->ring, buf_len(&b));
	return 0;
}

uint64_t line_reading_ns(const struct line *line)
{
	uint64_t at = line->is_full ? line->full_since_ns : line->now.monotonic_ns;

	return at - line->unread_ns;
}

static void stop_reading(struct line *line)
{
	if (line->is_full || !ring_await_room(&line->ring, TURN_BYTES))
		return;
	line->is_full = true;
	line->full_since_ns = line->now.monotonic_ns;
	loop_set_reading(&line->loop, false);
}

/* True when the ring had been full and has room again, or room is not asked for any more. */
static bool go_on_reading(struct line *line)
{
	if (!line->is_full)
		return false;
	if (!line_may_drop(line) && ring_await_room(&line->ring, TURN_BYTES))
		return false;
	line->is_full = false;
	line->unread_ns += line->now.monotonic_ns - line->full_since_ns;
	loop_set_reading(&line->loop, true);
	if (line->is_paused)
		cells_note_paused(line, false, line->now.monotonic_ns);
	line->is_paused = false;
	return true;
}

static void on_timer(struct line *line)
{
	uint64_t expirations;

	/* Only says that time passed; what is due is looked up. */
	if (read(line->loop.timer_fd, &expirations, sizeof(expirations)) > 0)
		line->loop.timer_ns = UINT64_MAX;
}

/* Connections found ready whose turn did not come yet, for no want of room. */
static bool has_unserved(const struct line *line)
{
	return !line->is_full && line->ready_at < line->n_ready;
}

/* One read of each connection that was found ready, until the ring is full or the turn has had its
 * frames: who connects or asks meanwhile waits no longer than they take. */
static int serve_ready(struct line *line, uint64_t *frames, struct cht_err *err)
{
	int r = 0;

	for (; line->ready_at < line->n_ready && r == 0; line->ready_at++) {
		union fd_ref ref = { .u64 = line->ready[line->ready_at].data.u64 };
		const struct conn *c = &line->conns[ref.slot];
		uint64_t before = c->frames;
		bool had_bytes;

		if (*frames >= TURN_FRAMES)
			break;
		line->reads_unjudged++;
		/* Closed, or its cell went over its budget, since the kernel was asked. */
		if (c->fd < 0 || (c->gen & 0xffffff) != ref.gen || !c->is_read)
			continue;
		if (!line_has_room(line) && !line_may_drop(line)) {
			stop_reading(line);
			if (line->is_full)
				break;
		}
		r = conns_on_readable(line, ref.slot, &had_bytes, err);
		*frames += c->frames - before + 1;
	}
	return r;
}

/* Every readable connection has its read. Those for which the turn before had no room come first:
 * the kernel names them in the same order each time, and whoever stands behind a flood would
 * otherwise never be read. *n: how many were ready. */
static int turn_connections(struct line *line, int *n, struct cht_err *err)
{
	uint64_t frames = 0;
	int r = serve_ready(line, &frames, err);

	if (r < 0 || line->is_full || has_unserved(line))
		return r;
	*n = line->n_ready = loop_connections(&line->loop, line->ready, LOOP_EVENTS);
	line->ready_at = 0;
	return serve_ready(line, &frames, err);
}

/* *connections: some may be readable. *is_asked: there may be requests. */
static int turn_events(struct line *line, const struct epoll_event *events, int n,
		       bool *connections, bool *is_asked, struct cht_err *err)
{
	int r = 0;

	*is_asked = false;
	*connections = n == LOOP_EVENTS;
	for (int i = 0; i < n && r == 0; i++) {
		union fd_ref ref = { .u64 = events[i].data.u64 };

		switch ((enum fd_kind)ref.kind) {
		case FD_SIGNAL: (void)asked_stop(line); break;
		case FD_ASKED: asked_turn(line); break;
		case FD_TIMER: on_timer(line); break;
		case FD_CLOCK: loop_clear_clock(&line->loop); break;
		case FD_SCRIBE:
		case FD_SCRIBE_END:
			r = line_hear_scribe(line, err);
			*connections = go_on_reading(line) || *connections;
			break;
		case FD_OPENER: r = opener_hear(line, err); break;
		case FD_DURABLE:
			ring_clear(line->ring.durable_fd);
			*connections = go_on_reading(line) || *connections;
			break;
		case FD_CONTROL: *is_asked = true; break;
		case FD_LISTENER:
			if ((line->slots[ref.slot].gen & 0xffffff) == ref.gen)
				(void)cells_on_accept(line, ref.slot);
			break;
		case FD_VSOCK: (void)vsock_on_accept(line, VSOCK_ACCEPTS_PER_TURN); break;
		case FD_VMM: witness_on_end(line, ref.slot, ref.gen); break;
		case FD_CONNECTIONS: *connections = true; break;
		case FD_CONNECTION: break; /* only in the second set */
		}
	}
	return r;
}

/* While guests are read without room: what there is to say is said when there is some. */
static bool is_short_of_room(struct line *line)
{
	bool was_short = line->is_short;

	line->is_short = !line_has_room(line) && ring_await_room(&line->ring, TURN_BYTES);
	if (was_short && !line->is_short)
		cells_note_room(line);
	return line->is_short;
}

/* Deadlines are judged after what waits was read, so that no cell is called silent whose frame
 * lay in the kernel: when a turn left nothing ready, or every connection has had its turn. */
static bool has_read_all(const struct line *line)
{
	return line->reads_unjudged >= line->conns_used;
}

static int judge_due(struct line *line, struct cht_err *err)
{
	int r;

	line->reads_unjudged = 0;
	r = host_on_time(line, err);
	return r < 0 ? r : cells_on_time(line, err);
}

/* A flood leaves no room at the end of any turn: what is due is said before one. */
static int judge_before(struct line *line, struct cht_err *err)
{
	if (line->is_full || line->is_short || !has_read_all(line) || !line_has_room(line))
		return 0;
	return judge_due(line, err);
}

static int judge(struct line *line, int n_ready, struct cht_err *err)
{
	uint64_t now = line->now.monotonic_ns;

	if (line->is_full) {
		if (!line->is_paused && now - line->full_since_ns >= PAUSE_AFTER_NS) {
			line->is_paused = true;
			cells_note_paused(line, true, line->full_since_ns);
		}
		return 0;
	}
	if (!line_has_room(line) && !line_may_drop(line)) {
		stop_reading(line);
		return 0;
	}
	if (is_short_of_room(line))
		return cells_on_time(line, err);
	if ((n_ready == LOOP_EVENTS || has_unserved(line)) && !has_read_all(line))
		return 0;
	return judge_due(line, err);
}

static uint64_t next_timer(const struct line *line)
{
	uint64_t at = UINT64_MAX, hub = hub_deadline(line);

	if (!line->is_full) {
		uint64_t host = line->is_short ? UINT64_MAX : host_deadline(line);

		at = cells_deadline(line);
		at = host < at ? host : at;
	} else if (!line->is_paused) {
		at = line->full_since_ns + PAUSE_AFTER_NS;
	}
	at = hub < at ? hub : at;
	at = life_deadline(line) < at ? life_deadline(line) : at;
	return line->n_deaf > 0 && line->listen_again_ns < at ? line->listen_again_ns : at;
}

/* Until something is ready, or due. */
static int sleep_until_ready(struct line *line, struct epoll_event events[LOOP_EVENTS])
{
	uint64_t due = next_timer(line), before = line->now.monotonic_ns;
	int n, ms = moves_have_work(line) || has_unserved(line) ? 0 : -1;

	loop_set_timer(&line->loop, due);
	n = loop_wait(&line->loop, events, LOOP_EVENTS, ms);
	clk_read(&line->now);
	line->unclocked = 0;
	witness_late(line, due, before);
	return n;
}

int line_run(struct line *line, struct cht_err *err)
{
	int r = 0;

	while (r == 0 && line->stop_signal == 0) {
		struct epoll_event events[LOOP_EVENTS];
		int n, n_ready = 0;
		bool connections = false, is_asked = false;

		n = sleep_until_ready(line, events);
		r = host_watch_clock(line, err);
		if (r == 0)
			r = turn_events(line, events, n, &connections, &is_asked, err);
		cells_listen_again(line);
		/* Before guests take the room: who comes and goes does not wait behind a flood. */
		if (r == 0)
			r = moves_go_on(line, err);
		/* After it: a cell that was told to be gone is gone for who asks now. */
		if (r == 0)
			r = hub_turn(line, is_asked, err);
		connections = connections || has_unserved(line);
		if (r == 0 && connections)
			r = judge_before(line, err);
		if (r == 0 && connections && !line->is_full)
			r = turn_connections(line, &n_ready, err);
		if (r == 0)
			r = judge(line, n_ready, err);
		show_life(line, line->now.monotonic_ns);
	}
	return r;
}
