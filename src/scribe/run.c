/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/limits.h"
#include "handoff/handoff.h"
#include "scribe/scribe.h"

enum {
	/* While a batch is open, so much in the ring is worth a wake-up before it is due: it
	 * keeps the line from running out of room, and big batches from overshooting. */
	WAKE_BYTES = 1 << 18,
	/* So much may be written while a commit is on its way: a disk that is slow then holds back
	 * the line, and not only the word to it. */
	AHEAD_BYTES = 4 << 20,
	/* Receipts asked for, a word of pruning, a word of the end. */
	HEARD_AT_ONCE = HANDOFF_RECEIPTS_MAX + 2,
};

#define PAUSE_RETRY_NS NS_PER_S
#define KEEP_NOTE_NS   (60 * NS_PER_S)
#define FOR_EVER       UINT64_MAX

/* One message of the line, or its end. *heard: it was one. */
static int hear_one(struct scribe *scribe, bool *heard, struct cht_err *err)
{
	struct handoff_msg msg;
	int r = handoff_recv(scribe->line_fd, &msg, NULL, 0, err);

	*heard = r == 1;
	if (r == CHT_E_FULL)
		return 0;
	if (r <= 0) {
		scribe->is_line_gone = r == 0;
		return r;
	}
	if (msg.kind == HANDOFF_PRUNED) {
		r = retain_on_answer(scribe, msg.prune.min_index, err);
		return r < 0 ? r : retain_apply(scribe, err);
	}
	if (msg.kind == HANDOFF_RECEIPT)
		return receipt_give(scribe, msg.receipt.index, err);
	if (msg.kind != HANDOFF_CLOSE)
		return cht_fail(err, CHT_E_PEER, 0, "the line spoke out of turn");
	scribe->closes_with = msg.close.entries;
	return 0;
}

/* All that it has said, unless it never ends. */
static int hear_line(struct scribe *scribe, struct cht_err *err)
{
	bool heard = true;
	int r = 0;

	for (int n = 0; n < HEARD_AT_ONCE && r == 0 && heard && !scribe->is_line_gone; n++)
		r = hear_one(scribe, &heard, err);
	return r;
}

/* The service manager's watchdog hears that we live. */
static void show_life(struct scribe *scribe)
{
	uint64_t at_ns = notify_deadline(&scribe->notify), now_ns;
	char text[64];

	if (at_ns == UINT64_MAX)
		return;
	now_ns = clk_monotonic_ns();
	if (now_ns < at_ns)
		return;
	(void)snprintf(text, sizeof(text), "STATUS=%" PRIu64 " entries",
		       scribe->ledger.state.tree.size);
	notify_alive(&scribe->notify, now_ns, text);
}

/* No longer than until then. */
static uint64_t until_sign_of_life(const struct scribe *scribe, uint64_t ns)
{
	uint64_t at_ns = notify_deadline(&scribe->notify), now_ns;

	if (at_ns == UINT64_MAX)
		return ns;
	now_ns = clk_monotonic_ns();
	at_ns = at_ns < now_ns ? 0 : at_ns - now_ns;
	return at_ns < ns ? at_ns : ns;
}

/* Sleeps until the ring has what was asked for, the line ended, a sync ended, or ns passed. */
static int nap(struct scribe *scribe, uint64_t ns, bool watch_ring, struct cht_err *err)
{
	const struct flush *flush = &scribe->ledger.flush;
	struct pollfd fds[3] = {
		{ .fd = scribe->is_line_gone ? -1 : scribe->line_fd, .events = POLLIN },
		{ .fd = watch_ring ? scribe->ring.ready_fd : -1, .events = POLLIN },
		/* It may be readable of syncs that were taken note of already. */
		{ .fd = flush->n_pending > 0 ? flush->done_fd : -1, .events = POLLIN }
	};
	struct timespec ts;
	int r;

	ns = until_sign_of_life(scribe, ns);
	ts = (struct timespec){ .tv_sec = (time_t)(ns / NS_PER_S),
				.tv_nsec = (long)(ns % NS_PER_S) };
	r = ppoll(fds, 3, ns == FOR_EVER ? NULL : &ts, NULL);
	show_life(scribe);
	if (r < 0 && errno != EINTR)
		return cht_fail(err, CHT_E_IO, errno, "wait for the line");
	return r <= 0 || fds[0].revents == 0 ? 0 : hear_line(scribe, err);
}

static int tell_paused(struct scribe *scribe, bool paused, int sys, struct cht_err *err)
{
	const struct handoff_msg msg = { .kind = HANDOFF_STATE,
					 .state = { .paused = paused, .sys = sys } };
	int r = handoff_send(scribe->line_fd, &msg, NULL, 0, err);

	/* That the line is gone is learned from its socket, like any other time. */
	return r == CHT_E_PEER ? 0 : r;
}

/* Now and then, a checkpoint is kept for those who compare. */
static void keep_note(struct scribe *scribe, bool is_due)
{
	uint64_t now_ns = clk_monotonic_ns();

	if (!is_due && scribe->note_kept_ns != 0 && now_ns - scribe->note_kept_ns < KEEP_NOTE_NS)
		return;
	ledger_keep_note(&scribe->ledger);
	scribe->note_kept_ns = now_ns;
}

/* What was under way is under a checkpoint that is there for all to see: the line is told. */
static int arrive(struct scribe *scribe, struct cht_err *err)
{
	int r = retain_apply(scribe, err);

	if (r < 0 || scribe->n_durable == scribe->n_under_way)
		return r;
	scribe->n_durable = scribe->n_under_way;
	ring_set_durable(&scribe->ring, scribe->n_durable);
	/* Under load nobody naps, where the line is heard else. */
	r = hear_line(scribe, err);
	return r < 0 || scribe->proposed != 0 ? r : retain_consider(scribe, err);
}

/* All that is written is on its way. */
static int begin_syncing(struct scribe *scribe, struct cht_err *err)
{
	scribe->n_under_way = scribe->n_written;
	scribe->ahead_bytes = 0;
	scribe->stage = STAGE_SYNCING;
	return ledger_sync_begin(&scribe->ledger, err);
}

static int begin_publishing(struct scribe *scribe, struct cht_err *err)
{
	char note[LEDGER_NOTE_MAX + 1];
	int r = ledger_sync_end(&scribe->ledger, err);

	if (r == 0)
		r = checkpoint_compose(scribe, note, err);
	scribe->ledger.is_closing =
		scribe->closes_with != 0 && scribe->n_under_way >= scribe->closes_with;
	if (r == 0)
		r = ledger_publish_begin(&scribe->ledger, str_of(note), err);
	if (r == 0)
		scribe->stage = STAGE_PUBLISHING;
	return r;
}

static int end_publishing(struct scribe *scribe, struct cht_err *err)
{
	uint64_t segment = scribe->ledger.state.tail_first;
	int r = ledger_publish_end(&scribe->ledger, err);

	/* Without space it is tried from the note on: what is durable stays so. */
	scribe->stage = r == 0 ? STAGE_SETTLED : STAGE_SYNCING;
	if (r < 0)
		return r;
	keep_note(scribe, segment != scribe->ledger.state.tail_first);
	return arrive(scribe, err);
}

/* The next step of what is under way; waits for its syncs if they have not ended. What was written
 * meanwhile goes next. */
static int advance(struct scribe *scribe, struct cht_err *err)
{
	switch (scribe->stage) {
	case STAGE_SYNCING: return begin_publishing(scribe, err);
	case STAGE_PUBLISHING: return end_publishing(scribe, err);
	case STAGE_SETTLED: break;
	}
	return scribe->n_written == scribe->n_durable ? 0 : begin_syncing(scribe, err);
}

static bool is_settled(const struct scribe *scribe)
{
	return scribe->stage == STAGE_SETTLED && scribe->n_written == scribe->n_durable;
}

/* Everything written is durable, and nothing under way. */
static int settle(struct scribe *scribe, struct cht_err *err)
{
	int r = 0;

	while (r == 0 && !is_settled(scribe))
		r = advance(scribe, err);
	return r;
}

/* Writes the batch; its sync begins with it, or when the one that is under way has arrived. */
static int try_write(struct scribe *scribe, struct cht_err *err)
{
	struct batch *b = &scribe->batch;
	int r = ledger_write(&scribe->ledger, (struct cht_bytes){ b->out, b->len }, b->leaves, b->n,
			     err);

	if (r < 0)
		return r;
	scribe->n_written += b->n;
	scribe->ahead_bytes += b->len;
	b->n = 0;
	b->len = 0;
	return scribe->stage == STAGE_SETTLED ? begin_syncing(scribe, err) : 0;
}

typedef int (*step_fn)(struct scribe *scribe, struct cht_err *err);

/* Out of space: tries every second, taking nothing more, so that the ring and then the guests'
 * sockets fill. When the line is gone, nobody waits for more space: that is a failure. */
static int outlast(struct scribe *scribe, step_fn step, struct cht_err *full)
{
	struct cht_err err = { 0 };
	int r;

	diag(DIAG_WARNING, "%s; paused, trying again every second", full->text);
	r = tell_paused(scribe, true, full->sys, &err);
	while (r == 0 && !scribe->is_line_gone) {
		r = nap(scribe, PAUSE_RETRY_NS, false, &err);
		if (r < 0)
			break;
		r = step(scribe, &err);
		if (r == CHT_E_FULL) {
			r = 0;
			continue;
		}
		if (r < 0)
			break;
		diag(DIAG_NOTICE, "there is space again; writing goes on");
		r = tell_paused(scribe, false, 0, &err);
		if (r == 0)
			return 0;
	}
	if (r < 0)
		*full = err;
	return r < 0 ? r : CHT_E_FULL;
}

/* A step that needs space, as often as it takes where the operator chose to wait. */
static int insist(struct scribe *scribe, step_fn step, struct cht_err *err)
{
	struct cht_err why = { 0 };
	int r = step(scribe, &why);

	if (r == CHT_E_FULL && scribe->pause_on_full)
		r = outlast(scribe, step, &why);
	if (r < 0 && err != NULL)
		*err = why;
	return r;
}

/* Where there is no space for the batch, what is written before it shall not wait for any. */
static int write_batch(struct scribe *scribe, struct cht_err *err)
{
	struct cht_err why = { 0 };
	int r;

	if (scribe->batch.n == 0)
		return 0;
	r = try_write(scribe, &why);
	if (r == CHT_E_FULL) {
		int settled = insist(scribe, settle, err);

		if (settled < 0)
			return settled;
		if (scribe->pause_on_full)
			r = outlast(scribe, try_write, &why);
	}
	if (r < 0 && err != NULL)
		*err = why;
	return r;
}

/* The batch is written and everything is durable. */
static int commit(struct scribe *scribe, struct cht_err *err)
{
	int r = write_batch(scribe, err);

	return r < 0 ? r : insist(scribe, settle, err);
}

static bool may_write(const struct scribe *scribe)
{
	return scribe->stage == STAGE_SETTLED || scribe->ahead_bytes < AHEAD_BYTES;
}

static bool is_due(const struct scribe *scribe)
{
	return batch_is_full(&scribe->batch) || clk_monotonic_ns() >= scribe->batch.due_ns;
}

/* Until the next commit is due, or a sync ended, or there is something to take and room for it. */
static int wait_for_more(struct scribe *scribe, struct cht_err *err)
{
	struct batch *b = &scribe->batch;
	bool is_full = batch_is_full(b);
	uint64_t now, ns = FOR_EVER;

	if (!is_full && !ring_await_entries(&scribe->ring, b->n == 0 ? 1 : WAKE_BYTES))
		return 0;
	if (b->n > 0 && may_write(scribe)) {
		now = clk_monotonic_ns();
		ns = now >= b->due_ns ? 0 : b->due_ns - now;
	}
	return ns == 0 ? 0 : nap(scribe, ns, !is_full, err);
}

/* The line broke its protocol: what it put before that is evidence all the same. */
static int salvage(struct scribe *scribe, struct cht_err *err)
{
	struct batch *b = &scribe->batch;
	int fault, r;
	bool more;

	scribe->is_line_gone = true; /* it is not heard any more */
	do {
		fault = batch_fill(b, &scribe->ring, scribe->signer, NULL);
		more = b->n > 0;
		r = commit(scribe, err);
	} while (r == 0 && fault == 0 && more);
	return r;
}

/* One batch, or a part of one. 1: the line is gone and everything it put is durable. */
static int turn(struct scribe *scribe, struct cht_err *err)
{
	struct batch *b = &scribe->batch;
	bool was_gone = scribe->is_line_gone, has_advanced;
	int r, fault = batch_fill(b, &scribe->ring, scribe->signer, err);

	/* A failure to write is the graver one. */
	if (fault < 0) {
		r = commit(scribe, err);
		return r < 0 ? r : fault;
	}
	if (b->n == 0 && was_gone) {
		r = commit(scribe, err);
		return r < 0 ? r : 1;
	}
	has_advanced = !is_settled(scribe) && flush_is_done(&scribe->ledger.flush);
	if (has_advanced) {
		r = insist(scribe, advance, err);
		if (r < 0)
			return r;
	}
	if (b->n > 0 && may_write(scribe) && (was_gone || is_due(scribe)))
		return write_batch(scribe, err);
	/* What was begun may have ended already. */
	return has_advanced ? 0 : wait_for_more(scribe, err);
}

int scribe_run(struct scribe *scribe, struct cht_err *err)
{
	int saved, r = retain_consider(scribe, err);

	while (r == 0) {
		r = turn(scribe, err);
		show_life(scribe);
	}
	if (r == CHT_E_PEER) {
		saved = salvage(scribe, err);
		return saved < 0 ? saved : r;
	}
	if (r < 0)
		return r;
	ledger_keep_note(&scribe->ledger);
	return ledger_mark_clean(&scribe->ledger, err);
}
