/* SPDX-License-Identifier: Apache-2.0 */
/* A reading goes in three steps, so that nobody waits for it: what it needs is asked of the opener;
 * the answers come in their time; then it is read and emitted where deadlines are judged. */
#include "daemon/probes.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "daemon/cells.h"
#include "daemon/emit.h"
#include "daemon/opener.h"
#include "daemon/slots.h"
#include "daemon/watches.h"

enum {
	/* Of one source in a turn: a FIFO may hold many lines. */
	READINGS_PER_TURN = 4,
	/* The rest are for cells that come and go. */
	PROBES_ASKED_MAX = OPENING_ASKED_MAX / 2,
	/* A VMM that stalls is asked for a second: files do not wait for it. */
	APIS_ASKED_MAX = PROBES_ASKED_MAX / 2,
};

/* One at a time is read. */
static struct probe_room room;
/* As probes_asked: questions to VMMs among them. */
static unsigned apis_asked;

/* ---- the loop */

static void arm(struct line *line, uint32_t i, unsigned kind)
{
	struct slot *slot = &line->slots[i];
	struct watch *w = &slot->watches->list[kind];
	short events;
	int fd = probe_fd(w->probe, &events);

	if (fd >= 0 && loop_add_for(&line->loop, fd, (enum fd_kind)(FD_PROBE + kind), i, slot->gen,
				    (uint32_t)events) == 0)
		w->fd = fd;
}

void probes_on_ready(struct line *line, uint32_t i, uint32_t gen, unsigned kind)
{
	struct slot *slot = &line->slots[i];
	uint64_t now = line->now.monotonic_ns;
	struct watch *w;

	if ((slot->gen & 0xffffff) != gen || slot->watches == NULL)
		return;
	w = &slot->watches->list[kind];
	watch_disarm(line, w, kind);
	/* Whatever calls, calls at most so often. */
	w->due_ns = w->last_ns + LIMIT_PROBE_GAP_NS > now ? w->last_ns + LIMIT_PROBE_GAP_NS : now;
	watch_hurry(line, i, w->due_ns);
}

/* ---- asking */

/* A kind, a place and its tenant; and which of the probes that it had one after the other: what
 * one asked for is not the next one's. */
enum { TICKET_KIND_BITS = 3, TICKET_SERIALS = 32 };
_Static_assert(CHT_N_PROBES < 1 << TICKET_KIND_BITS, "a kind must fit, and one that is none");

static uint64_t ticket_of(const struct line *line, uint32_t i, unsigned kind)
{
	uint64_t serial = line->slots[i].watches->list[kind].serial % TICKET_SERIALS;

	return serial << (56 + TICKET_KIND_BITS) | (uint64_t)kind << 56 |
	       (uint64_t)(line->slots[i].gen & 0xffffff) << 32 | i;
}

static void give(struct watch *w, const struct opening_answer *answer, int fd)
{
	const struct probe_given given = {
		.fd = fd, .code = answer->code, .sys = answer->sys, .bytes = (uint32_t)answer->bytes
	};

	if (answer->kind == OPENING_FIFO && answer->made != 0)
		w->made = answer->made;
	probe_give(w->probe, &given);
}

static void request_of_net(const struct probe_want *want, struct opening_request *out)
{
	if (want->kind == PROBE_WANT_NFT_DUMP) {
		out->kind = OPENING_NFT_DUMP;
		memcpy(out->family, want->family, sizeof(out->family));
		memcpy(out->path, want->table, sizeof(want->table));
		return;
	}
	out->kind = want->kind == PROBE_WANT_NFT ? OPENING_NFT : OPENING_ROUTE;
	out->pid = want->pid;
	memcpy(out->path, want->netns, sizeof(want->netns));
}

/* False: the opener does not do such a thing. */
static bool request_of(const struct slot *slot, const struct probe_want *want,
		       struct opening_request *out)
{
	static const uint8_t whats[] = { [PROBE_API_STATE] = OPENING_API_STATE,
					 [PROBE_API_CONFIG] = OPENING_API_CONFIG,
					 [PROBE_API_FLUSH] = OPENING_API_FLUSH };

	*out = (struct opening_request){ .kind = OPENING_READ };
	switch (want->kind) {
	case PROBE_WANT_FILE:
	case PROBE_WANT_LIST: break;
	case PROBE_WANT_EVENTFD: out->kind = OPENING_OOM; break;
	case PROBE_WANT_PIDFD:
		out->kind = OPENING_PIDFD;
		out->pid = want->pid;
		return true;
	case PROBE_WANT_ROUTE:
	case PROBE_WANT_NFT:
	case PROBE_WANT_NFT_DUMP: request_of_net(want, out); return true;
	case PROBE_WANT_FIFO:
		out->kind = OPENING_FIFO;
		out->fifo.uid = slot->reg.owner;
		out->fifo.gid = slot->reg.group;
		out->fifo.pipe_bytes = PROBE_FIFO_BYTES;
		break;
	case PROBE_WANT_API:
		out->kind = OPENING_API;
		out->what = whats[want->request];
		break;
	default: return false;
	}
	memcpy(out->path, want->path, sizeof(out->path));
	return true;
}

/* Each cell, and who connects to it, comes first. */
static bool has_descriptor(const struct line *line)
{
	return (uint64_t)line->probe_fds + line->vmms_watched + line->conns_open + line->n_cells <
	       line->n_spare;
}

static void count_descriptor(struct line *line, struct watch *w, unsigned kind)
{
	if (w->fds == watch_fds_most[kind])
		return; /* it took the place of another */
	w->fds++;
	line->probe_fds++;
}

/* Asks for what the probe wants, until an answer is to come, or it can be read. */
static int go_on(struct line *line, uint32_t i, unsigned kind, struct cht_err *err)
{
	struct watch *w = &line->slots[i].watches->list[kind];
	const struct opening_answer cannot = { .code = CHT_E_UNSUPPORTED };
	const struct opening_answer no_more = { .code = CHT_E_LIMIT, .sys = EMFILE };
	struct opening_request request;
	struct probe_want want;
	int r;

	if (w->is_waiting)
		line->probes_waiting--;
	w->is_waiting = false;
	while (probe_next_want(w->probe, &want)) {
		if (!request_of(&line->slots[i], &want, &request) || line->opener_is_gone) {
			give(w, &cannot, -1);
			continue;
		}
		if (w->fds < watch_fds_most[kind] && !has_descriptor(line)) {
			give(w, &no_more, -1);
			continue;
		}
		if (line->probes_asked == PROBES_ASKED_MAX || line->n_asked == OPENING_ASKED_MAX ||
		    (request.kind == OPENING_API && apis_asked == APIS_ASKED_MAX)) {
			w->is_waiting = true;
			line->probes_waiting++;
			return 0;
		}
		request.ticket = ticket_of(line, i, kind);
		r = opener_ask_for_probe(line, &request, want.fd, err);
		if (r < 0 || line->opener_is_gone)
			return r;
		w->is_asked = true;
		line->probes_asked++;
		apis_asked += request.kind == OPENING_API;
		return 0;
	}
	watch_hurry(line, i, line->now.monotonic_ns);
	return 0;
}

/* FIFOs that nobody reads any more, by the opener's numbers: they are unlinked when it can be
 * asked. What is too much goes when the line does. */
static struct {
	uint64_t made[CELLS_MAX];
	unsigned n;
} left;

void probes_leave_fifo(uint64_t made)
{
	if (made != 0 && left.n < CELLS_MAX)
		left.made[left.n++] = made;
}

int probes_unlink_left(struct line *line, struct cht_err *err)
{
	struct opening_request request = { .kind = OPENING_UNLINK, .ticket = PROBES_UNLINK_TICKET };
	int r = 0;

	while (r == 0 && left.n > 0 && line->probes_asked < PROBES_ASKED_MAX &&
	       line->n_asked < OPENING_ASKED_MAX && !line->opener_is_gone) {
		request.made = left.made[--left.n];
		r = opener_ask_for_probe(line, &request, -1, err);
		line->probes_asked += r == 0 && !line->opener_is_gone;
	}
	return r;
}

int probes_ask_again(struct line *line, struct cht_err *err)
{
	int r = probes_unlink_left(line, err);

	for (uint32_t n = 0; n < line->slots_used && line->probes_waiting > 0 && r == 0; n++) {
		uint32_t i = line->probes_at++ % line->slots_used;
		struct watches *all = line->slots[i].watches;

		for (unsigned kind = 0; all != NULL && kind < CHT_N_PROBES && r == 0; kind++)
			if (all->list[kind].is_waiting && line->probes_asked < PROBES_ASKED_MAX)
				r = go_on(line, i, kind, err);
		if (line->probes_asked == PROBES_ASKED_MAX)
			break;
	}
	return r;
}

int probes_on_answer(struct line *line, const struct opening_answer *answer, int fd,
		     struct cht_err *err)
{
	uint32_t i = (uint32_t)answer->ticket, gen = (uint32_t)(answer->ticket >> 32) & 0xffffff;
	unsigned kind = (unsigned)(answer->ticket >> 56) & ((1 << TICKET_KIND_BITS) - 1);
	struct slot *slot = i < line->slots_used ? &line->slots[i] : NULL;
	struct watch *w = NULL;
	int r;

	if (line->probes_asked > 0 && answer->ticket == PROBES_UNLINK_TICKET) {
		line->probes_asked--;
		line->n_asked--;
		return probes_ask_again(line, err);
	}
	if (line->probes_asked == 0 || slot == NULL || kind >= CHT_N_PROBES) {
		fd_close(&fd);
		return cht_fail(err, CHT_E_PEER, 0, "cht-opener answers what was not asked");
	}
	line->probes_asked--;
	line->n_asked--;
	apis_asked -= answer->kind == OPENING_API;
	if (slot->watches != NULL && (slot->gen & 0xffffff) == gen)
		w = &slot->watches->list[kind];
	if (w == NULL || w->probe == NULL || !w->is_asked ||
	    ticket_of(line, i, kind) != answer->ticket) {
		fd_close(&fd); /* who asked has gone meanwhile */
		if (answer->kind == OPENING_FIFO)
			probes_leave_fifo(answer->made);
	} else {
		w->is_asked = false;
		if (fd >= 0)
			count_descriptor(line, w, kind);
		give(w, answer, fd);
		r = go_on(line, i, kind, err);
		if (r < 0)
			return r;
	}
	return probes_ask_again(line, err);
}

/* ---- one reading */

static int begin(struct line *line, uint32_t i, unsigned kind, struct cht_err *err)
{
	struct watch *w = &line->slots[i].watches->list[kind];

	watch_disarm(line, w, kind);
	w->is_under_way = true;
	probe_begin(w->probe);
	return go_on(line, i, kind, err);
}

/* *n: how many were emitted. */
static int take(struct line *line, uint32_t i, unsigned kind, unsigned *n, struct cht_err *err)
{
	struct slot *slot = &line->slots[i];
	struct watch *w = &slot->watches->list[kind];
	struct cht_reading reading;
	struct cht_stamped stamped;
	bool has_more = true;
	int r = 0;

	for (*n = 0; *n < READINGS_PER_TURN && r == 0 && has_more; ++*n) {
		if (!line_has_room_for_one(line) ||
		    probe_read(w->probe, &line->now, &room, &reading) == 0)
			break;
		cell_note_reading(&slot->cell, &reading, &line->now);
		cell_stamp_reading(&slot->cell, &reading, &line->now, &stamped);
		r = line_emit(line, slot, &stamped, err);
		line->readings += r == 0;
		line->failed_readings += r == 0 && reading.error.len > 0;
		has_more = reading.has_more;
	}
	return r;
}

/* The second reading comes sooner, each cell's and probe's at a time of its own: cells that were
 * registered together are not read together for ever. */
static uint64_t next_ns(const struct line *line, uint32_t i, unsigned kind, uint64_t interval_ns)
{
	enum { SPREAD = 1024 };
	const struct slot *slot = &line->slots[i];
	uint32_t mixed = (i * CHT_N_PROBES + kind + slot->gen) * 2654435761u >> 22;

	if (slot->watches->list[kind].last_ns != 0)
		return interval_ns;
	return interval_ns / SPREAD * (mixed + 1);
}

static int read_one(struct line *line, uint32_t i, unsigned kind, struct cht_err *err)
{
	struct watch *w = &line->slots[i].watches->list[kind];
	uint64_t now = line->now.monotonic_ns;
	unsigned n;
	int r = take(line, i, kind, &n, err);

	w->is_under_way = false;
	w->is_last = w->is_last && n == READINGS_PER_TURN;
	w->due_ns = n == READINGS_PER_TURN ? now + 1 : now + next_ns(line, i, kind, w->interval_ns);
	w->last_ns = now;
	arm(line, i, kind);
	return r;
}

int probes_turn(struct line *line, uint32_t i, struct cht_err *err)
{
	struct watches *all = line->slots[i].watches;
	int r = 0;

	for (unsigned kind = 0; all != NULL && kind < CHT_N_PROBES && r == 0; kind++) {
		struct watch *w = &all->list[kind];

		if (w->probe == NULL)
			continue;
		if (!w->is_under_way && w->due_ns <= line->now.monotonic_ns)
			r = begin(line, i, kind, err);
		if (r == 0 && w->is_under_way && !w->is_asked && !w->is_waiting &&
		    line_has_room_for_one(line))
			r = read_one(line, i, kind, err);
	}
	return r;
}

uint64_t probes_deadline(const struct slot *slot)
{
	uint64_t at = UINT64_MAX;

	for (unsigned kind = 0; slot->watches != NULL && kind < CHT_N_PROBES; kind++) {
		const struct watch *w = &slot->watches->list[kind];

		if (w->probe != NULL && !w->is_under_way && w->due_ns < at)
			at = w->due_ns;
	}
	return at;
}

int probes_tell(struct line *line, struct slot *slot, struct cht_err *err)
{
	struct cht_stamped stamped;

	if (slot->cell.claims == NULL)
		return 0;
	cell_stamp_witnessed(&slot->cell, &line->now, &stamped);
	return line_emit(line, slot, &stamped, err);
}

void probes_hurry(struct line *line, uint32_t i)
{
	struct watches *all = line->slots[i].watches;

	for (unsigned kind = 0; all != NULL && kind < CHT_N_PROBES; kind++)
		all->list[kind].due_ns = line->now.monotonic_ns;
	watch_hurry(line, i, probes_deadline(&line->slots[i]));
}

void probes_begin_last(struct line *line, uint32_t i)
{
	struct watches *all = line->slots[i].watches;

	for (unsigned kind = 0; all != NULL && kind < CHT_N_PROBES; kind++)
		all->list[kind].is_last = true;
	probes_hurry(line, i);
}

void probes_end(struct slot *slot)
{
	if (slot->cell.claims != NULL)
		claims_finish(slot->cell.claims);
}

bool probes_have_ended(const struct slot *slot)
{
	for (unsigned kind = 0; slot->watches != NULL && kind < CHT_N_PROBES; kind++) {
		const struct watch *w = &slot->watches->list[kind];

		if (w->probe != NULL && w->is_last)
			return false;
	}
	return true;
}
