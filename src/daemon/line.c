/* SPDX-License-Identifier: Apache-2.0 */
/* Accepting never stops, because a listener that does not accept can freeze a VM. Reading stops
 * for all connections at once when the ring has no room for what one turn can bring: then the
 * kernel's buffers push back into the guests and nothing is lost. */
#include "daemon/line.h"

#include <unistd.h>

#include "base/clk.h"
#include "daemon/asked.h"
#include "daemon/cells.h"
#include "daemon/emit.h"
#include "daemon/host.h"
#include "daemon/hub.h"
#include "daemon/moves.h"
#include "daemon/opener.h"
#include "daemon/probes.h"
#include "daemon/reload.h"
#include "daemon/witness.h"

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
		case FD_PROBE:
		default: probes_on_ready(line, ref.slot, ref.gen, ref.kind - FD_PROBE); break;
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
	at = line_life_deadline(line) < at ? line_life_deadline(line) : at;
	return line->n_deaf > 0 && line->listen_again_ns < at ? line->listen_again_ns : at;
}

/* Until something is ready, or due. */
static int sleep_until_ready(struct line *line, struct epoll_event events[LOOP_EVENTS])
{
	uint64_t due = next_timer(line), before = line->now.monotonic_ns;
	bool has_more = moves_have_work(line) || has_unserved(line) || reload_has_work(line);
	int n, ms = has_more ? 0 : -1;

	loop_set_timer(&line->loop, due);
	n = loop_wait(&line->loop, events, LOOP_EVENTS, ms);
	clk_read(&line->now);
	line->unclocked = 0;
	witness_late(line, due, before);
	return n;
}

/* Cells that come and go, and who asks for it: after it, because a cell that was told to be gone is
 * gone for who asks now. */
static int turn_moves(struct line *line, bool is_asked, struct cht_err *err)
{
	int r = reload_go_on(line, err);

	if (r == 0)
		r = moves_go_on(line, err);
	if (r == 0)
		r = probes_unlink_left(line, err);
	return r == 0 ? hub_turn(line, is_asked, err) : r;
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
			r = turn_moves(line, is_asked, err);
		connections = connections || has_unserved(line);
		if (r == 0 && connections)
			r = judge_before(line, err);
		if (r == 0 && connections && !line->is_full)
			r = turn_connections(line, &n_ready, err);
		if (r == 0)
			r = judge(line, n_ready, err);
		line_show_life(line, line->now.monotonic_ns);
	}
	return r;
}
