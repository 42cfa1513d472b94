/* SPDX-License-Identifier: Apache-2.0 */
/* Who waits for the ring hears the scribe and the opener meanwhile: nothing else would. */
#include "daemon/emit.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/diag.h"
#include "base/err.h"
#include "daemon/asked.h"
#include "daemon/evidence.h"
#include "daemon/moves.h"
#include "daemon/opener.h"

uint64_t line_next_index(const struct line *line)
{
	return line->base_index + ring_put_count(&line->ring);
}

bool line_has_room(struct line *line)
{
	return ring_has_room(&line->ring, TURN_BYTES);
}

bool line_has_room_for_one(struct line *line)
{
	return ring_has_room(&line->ring, CHT_EVENT_MAX_BYTES);
}

int line_may_emit(struct line *line, struct cht_err *err)
{
	if (line->disk_full)
		return cht_fail(err, CHT_E_FULL, 0,
				"the ledger cannot be written: make room on its disk");
	if (!line_has_room_for_one(line))
		return cht_fail(err, CHT_E_FULL, 0, "the ledger is behind: ask again in a moment");
	return 0;
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
uint64_t line_life_deadline(const struct line *line)
{
	return line->is_ready ? notify_deadline(&line->notify) : UINT64_MAX;
}

void line_show_life(struct line *line, uint64_t now_ns)
{
	uint64_t put = ring_put_count(&line->ring), ns = now_ns - line->told_ns;
	char text[160];

	if (now_ns < line_life_deadline(line))
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

/* For space we wait only until its time is over; for all else for ever. */
static bool is_over(const struct line *line, uint64_t now_ns)
{
	return line->disk_full && line->space_until_ns != 0 && line->space_until_ns <= now_ns;
}

/* For poll. */
static int patience_ms(const struct line *line, uint64_t now_ns)
{
	uint64_t at_ns = line_life_deadline(line);

	if (line->disk_full && line->space_until_ns != 0 && line->space_until_ns < at_ns)
		at_ns = line->space_until_ns;
	return at_ns == UINT64_MAX ? -1 : clk_ms_until(at_ns, now_ns);
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
	line_show_life(line, now_ns);
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
		evidence_note(line, slot, stamped);
	}
	ring_publish(&line->ring, buf_len(&b));
	return 0;
}

uint64_t line_reading_ns(const struct line *line)
{
	uint64_t at = line->is_full ? line->full_since_ns : line->now.monotonic_ns;

	return at - line->unread_ns;
}
