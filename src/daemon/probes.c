/* SPDX-License-Identifier: Apache-2.0 */
/* A reading goes in three steps, so that nobody waits for it: what it needs is asked of the opener;
 * the answers come in their time; then it is read and emitted where deadlines are judged. */
#include "daemon/probes.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "asked/asked.h"
#include "base/bytes.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/fd.h"
#include "cell/claims.h"
#include "daemon/cells.h"
#include "daemon/emit.h"
#include "daemon/opener.h"
#include "daemon/slots.h"
#include "probe/probe.h"

enum {
	/* Of one source in a turn: a FIFO may hold many lines. */
	READINGS_PER_TURN = 4,
	/* The rest are for cells that come and go. */
	PROBES_ASKED_MAX = OPENING_ASKED_MAX / 2,
};

struct watch {
	struct probe *probe; /* null: there is none; or of a VMM that is not known yet */
	uint64_t interval_ns, due_ns, last_ns;
	int fd;            /* in the loop; -1 */
	bool is_wanted;    /* also when probe is null */
	bool is_under_way; /* begun, and not read */
	bool is_asked;     /* the opener has not answered */
	bool is_waiting;   /* more is asked already than may be */
	bool is_last;      /* the cell goes, and this one has not been read since */
};

struct watches {
	struct watch list[CHT_N_PROBES];
	struct claims claims;
};

/* One at a time is read. */
static struct probe_room room;

/* ---- the loop */

static void disarm(struct line *line, struct watch *w, unsigned kind)
{
	if (w->fd >= 0)
		loop_remove(&line->loop, w->fd, (enum fd_kind)(FD_PROBE + kind));
	w->fd = -1;
}

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

static void hurry(struct line *line, uint32_t i, uint64_t at_ns)
{
	if (at_ns < line->deadlines.at_ns[i])
		deadlines_set(&line->deadlines, i, at_ns);
}

void probes_on_ready(struct line *line, uint32_t i, uint32_t gen, unsigned kind)
{
	struct slot *slot = &line->slots[i];
	uint64_t now = line->now.monotonic_ns;
	struct watch *w;

	if ((slot->gen & 0xffffff) != gen || slot->watches == NULL)
		return;
	w = &slot->watches->list[kind];
	disarm(line, w, kind);
	/* Whatever calls, calls at most so often. */
	w->due_ns = w->last_ns + LIMIT_PROBE_GAP_NS > now ? w->last_ns + LIMIT_PROBE_GAP_NS : now;
	hurry(line, i, w->due_ns);
}

/* ---- asking */

/* The line's own, below those of cells: a kind, a place and its tenant. */
static uint64_t ticket_of(const struct line *line, uint32_t i, unsigned kind)
{
	return (uint64_t)kind << 56 | (uint64_t)(line->slots[i].gen & 0xffffff) << 32 | i;
}

static void give(struct watch *w, int fd, int code, int sys)
{
	const struct probe_given given = { .fd = fd, .code = code, .sys = sys };

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
static bool request_of(const struct probe_want *want, struct opening_request *out)
{
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
	case PROBE_WANT_API:
	default: return false;
	}
	memcpy(out->path, want->path, sizeof(out->path));
	return true;
}

/* Asks for what the probe wants, until an answer is to come, or it can be read. */
static int go_on(struct line *line, uint32_t i, unsigned kind, struct cht_err *err)
{
	struct watch *w = &line->slots[i].watches->list[kind];
	struct opening_request request;
	struct probe_want want;
	int r;

	if (w->is_waiting)
		line->probes_waiting--;
	w->is_waiting = false;
	while (probe_next_want(w->probe, &want)) {
		if (!request_of(&want, &request) || line->opener_is_gone) {
			give(w, -1, CHT_E_UNSUPPORTED, 0);
			continue;
		}
		if (line->probes_asked == PROBES_ASKED_MAX || line->n_asked == OPENING_ASKED_MAX) {
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
		return 0;
	}
	hurry(line, i, line->now.monotonic_ns);
	return 0;
}

int probes_ask_again(struct line *line, struct cht_err *err)
{
	int r = 0;

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
	unsigned kind = (unsigned)(answer->ticket >> 56);
	struct slot *slot = i < line->slots_used ? &line->slots[i] : NULL;
	struct watch *w = NULL;
	int r;

	if (line->probes_asked == 0 || slot == NULL || kind >= CHT_N_PROBES) {
		fd_close(&fd);
		return cht_fail(err, CHT_E_PEER, 0, "cht-opener answers what was not asked");
	}
	line->probes_asked--;
	line->n_asked--;
	if (slot->watches != NULL && (slot->gen & 0xffffff) == gen)
		w = &slot->watches->list[kind];
	if (w == NULL || w->probe == NULL || !w->is_asked) {
		fd_close(&fd); /* the cell has gone meanwhile */
	} else {
		w->is_asked = false;
		give(w, fd, answer->code, answer->sys);
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

	disarm(line, w, kind);
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
		has_more = reading.has_more;
	}
	return r;
}

static int read_one(struct line *line, uint32_t i, unsigned kind, struct cht_err *err)
{
	struct watch *w = &line->slots[i].watches->list[kind];
	uint64_t now = line->now.monotonic_ns;
	unsigned n;
	int r = take(line, i, kind, &n, err);

	w->is_under_way = false;
	w->is_last = w->is_last && n == READINGS_PER_TURN;
	w->last_ns = now;
	w->due_ns = n == READINGS_PER_TURN ? now + 1 : now + w->interval_ns;
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

/* ---- a cell's */

static void make(struct watch *w, const struct cht_probe_options *options, const char *id)
{
	struct cht_err why;

	if (probe_new(&w->probe, options, &why) == 0)
		return;
	w->is_wanted = false;
	diag(DIAG_WARNING, "cell %s: no probe %s: %s", id, cht_probe_name(options->kind), why.text);
}

static int add(struct line *line, uint32_t i, const struct probe_asked *asked, struct cht_err *err)
{
	struct slot *slot = &line->slots[i];
	struct cht_probe_options options = asked->options;
	struct watch *w;

	if (slot->watches == NULL) {
		slot->watches = calloc(1, sizeof(*slot->watches));
		if (slot->watches == NULL)
			return cht_fail(err, CHT_E_NOMEM, 0, "no memory for probes");
		for (unsigned kind = 0; kind < CHT_N_PROBES; kind++)
			slot->watches->list[kind].fd = -1;
		slot->cell.claims = &slot->watches->claims;
	}
	claims_expect(&slot->watches->claims, options.kind);
	w = &slot->watches->list[options.kind];
	w->interval_ns = asked->interval_ms != 0 ? asked->interval_ms * NS_PER_MS : LIMIT_PROBE_NS;
	w->due_ns = line->now.monotonic_ns;
	w->is_wanted = true;
	if (options.kind == CHT_PROBE_VMM_PROC)
		options.pid = slot->registration.vmm_pid;
	if (options.kind != CHT_PROBE_VMM_PROC || options.pid != 0)
		make(w, &options, slot->reg.id);
	return 0;
}

int probes_open(struct line *line, uint32_t i, struct cht_err *err)
{
	const struct registration *asked = &line->slots[i].registration;
	const struct cht_bytes stated = { (const uint8_t *)asked->stated, asked->stated_len };
	struct probes_asked probes;
	int r = 0;

	if (stated.len == 0 || !probes_asked_read(stated, &probes))
		return 0;
	for (unsigned n = 0; n < probes.n && r == 0; n++)
		r = add(line, i, &probes.list[n], err);
	hurry(line, i, probes_deadline(&line->slots[i]));
	return r;
}

static void drop(struct line *line, struct watch *w, unsigned kind)
{
	disarm(line, w, kind);
	line->probes_waiting -= w->is_waiting;
	probe_free(w->probe);
	w->probe = NULL;
	w->is_waiting = w->is_asked = w->is_under_way = w->is_last = false;
}

void probes_close(struct line *line, struct slot *slot)
{
	for (unsigned kind = 0; slot->watches != NULL && kind < CHT_N_PROBES; kind++)
		drop(line, &slot->watches->list[kind], kind);
	free(slot->watches);
	slot->watches = NULL;
	slot->cell.claims = NULL;
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
	hurry(line, i, probes_deadline(&line->slots[i]));
}

void probes_meet(struct line *line, uint32_t i, uint32_t pid)
{
	struct slot *slot = &line->slots[i];
	const struct cht_probe_options options = { .kind = CHT_PROBE_VMM_PROC, .pid = pid };
	struct watch *w = slot->watches != NULL ? &slot->watches->list[options.kind] : NULL;

	if (w == NULL || !w->is_wanted || w->probe != NULL || pid == 0)
		return;
	make(w, &options, slot->reg.id);
	w->due_ns = line->now.monotonic_ns;
	hurry(line, i, probes_deadline(slot));
}

void probes_restored(struct line *line, uint32_t i)
{
	if (line->slots[i].watches != NULL)
		drop(line, &line->slots[i].watches->list[CHT_PROBE_VMM_PROC], CHT_PROBE_VMM_PROC);
	probes_hurry(line, i);
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
