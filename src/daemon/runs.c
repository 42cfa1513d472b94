/* SPDX-License-Identifier: Apache-2.0 */
/* Runs at a start: those that an earlier process left open go on in their cell or are sealed, and
 * every cell that has none then begins one. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "base/err.h"
#include "daemon/agents.h"
#include "daemon/cells.h"
#include "daemon/emit.h"
#include "daemon/runs.h"
#include "daemon/slots.h"
#include "daemon/witness.h"

static const struct placed *find_cell(const struct line *line, const struct run *run, uint32_t *i)
{
	*i = ids_find(&line->ids, run->cell_id);
	return *i != IDS_NONE ? &line->slots[*i].reg : NULL;
}

/* A run of an earlier process: does it go on in this one? Null when it does. */
static const char *why_seal(const struct placed *c, const struct run *run,
			    const struct table_found *found)
{
	if (found->other_boot)
		return "host restarted";
	if (c == NULL)
		return "unregistered";
	if (c->run[0] != '\0' && strcmp(c->run, run->run_id) != 0)
		return "superseded";
	if (c->spec[0] != '\0' && strcmp(c->spec, run->spec) != 0)
		return "superseded";
	return NULL;
}

struct earlier {
	struct run run;
	struct run_names names;
	struct frames_left left;
	bool is_carried;             /* nothing of it is in this log */
	uint64_t stored;             /* then: its last number in the log before */
	uint64_t lost_from, lost_to; /* 0, 0: nothing */
	int table_slot;
};

static void stamp_resumed(struct line *line, struct slot *slot, const struct earlier *was,
			  const struct table_found *found, struct cht_stamped *out)
{
	struct facts_run_resumed facts = { .cause = found->was_stopped ? STR("clean restart")
								       : STR("unclean restart") };

	facts.lost_from = was->lost_from;
	facts.lost_to = was->lost_to;
	cell_stamp_resumed(&slot->cell, &facts, &line->now, out);
}

/* For readers of this log the run begins here. */
static void stamp_continued(struct line *line, struct slot *slot, const struct earlier *was,
			    struct cht_stamped *out)
{
	struct facts_run_continued facts = { .origin = line->predecessor.origin,
					     .last_sequence = was->stored,
					     .lost_from = was->lost_from,
					     .lost_to = was->lost_to };

	slot->cell.run.first_index = line_next_index(line);
	cell_stamp_continued(&slot->cell, &facts, &line->now, out);
}

static int tell_again(struct line *line, struct slot *slot, const struct earlier *was,
		      const struct table_found *found, struct cht_err *err)
{
	struct cht_stamped stamped;

	if (was->is_carried)
		stamp_continued(line, slot, was, &stamped);
	else
		stamp_resumed(line, slot, was, found, &stamped);
	return line_emit(line, slot, &stamped, err);
}

static int init_cell(struct line *line, uint32_t i, struct cht_str run_id, struct cht_str spec,
		     struct cht_err *err)
{
	const struct placed *c = &line->slots[i].reg;
	const struct registration *asked = &line->slots[i].registration;
	struct cell_options options = { .cell_id = str_of(c->id), .run_id = run_id, .spec = spec };
	struct run_names names;
	char channel[CONF_TEXT_MAX + 8];
	int r;

	if (cells_channel(c, channel, sizeof(channel)) < 0)
		return cht_fail(err, CHT_E_CONFIG, 0, "cell %s: base or path is too long", c->id);
	options.channel = str_of(channel);
	options.names = &names;
	options.met = &slot_met(line, i)->cell;
	options.expected_uid = c->uid;
	options.keepalive_window_ns = asked->keepalive_window_ns != 0
					      ? asked->keepalive_window_ns
					      : line->conf->keepalive_window_ns;
	options.boot_window_ns = line->conf->boot_window_ns;
	options.ledger_quota =
		asked->ledger_bytes != 0 ? asked->ledger_bytes : line->conf->ledger_bytes_per_run;
	options.silence_once =
		line->conf->silence != NULL && strcmp(line->conf->silence, "once") == 0;
	r = cell_init(&line->slots[i].cell, &options, &line->now, err);
	if (r == 0)
		r = slot_settle_texts(&line->slots[i], err);
	if (r == 0)
		ids_add(&line->sockets, i);
	return r;
}

/* What was told in an event that is not stored was not told. */
static void take_untold(struct cht_cell *cell, const struct earlier *was)
{
	uint64_t stored = was->lost_to > 0 ? was->lost_from - 1 : was->run.sequence;
	struct losses untold = was->left.untold;

	if (was->left.told_sequence > stored)
		losses_add(&untold, was->left.told);
	cell_note_untold(cell, untold.quota, untold.space);
	cell_note_gaps(cell, untold.in_guest, untold.on_the_way, untold.late);
}

static void take_over(struct line *line, struct slot *slot, const struct earlier *was)
{
	struct cht_cell *cell = &slot->cell;

	run_continue(&cell->run, was->run.bits, was->run.sequence, was->run.first_index);
	cell->frames = was->left.frames;
	cell->connections = was->left.connections;
	cell->ledger_bytes = was->left.ledger_bytes;
	agents_take_over(line, slot);
	witness_take_over(line, slot, &was->left);
	take_untold(cell, was);
	cells_note_left(line, slot); /* before a number that stands for what is stored is given */
}

int runs_seal(struct line *line, struct slot *slot, struct cht_str reason, struct cht_err *err)
{
	uint64_t counts[EV_N_KINDS];
	struct cht_stamped stamped;
	int r;

	table_counts(&line->table, slot->table_slot, counts);
	slot->cell.run.counts = counts;
	cell_stamp_sealed(&slot->cell, reason, &line->now, &stamped);
	r = line_emit(line, slot, &stamped, err);
	slot->cell.run.counts = NULL;
	return r;
}

/* A run that ends here: it is told what was lost of it, then sealed, in a cell made for that. */
static int seal_earlier(struct line *line, const struct earlier *was, const char *reason,
			const struct table_found *found, struct cht_err *err)
{
	static struct slot_met met;
	struct slot *temporary = calloc(1, sizeof(*temporary));
	struct run_names names;
	struct cell_options options = { .cell_id = str_of(was->run.cell_id),
					.run_id = str_of(was->run.run_id),
					.spec = str_of(was->run.spec),
					.names = &names,
					.met = &met.cell };
	struct earlier ends = *was;
	int r;

	ends.left.stated = TOLD_NOTHING; /* where its VM is, it says no more */
	if (temporary == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory to seal a run");
	memset(&met, 0, sizeof(met));
	temporary->table_slot = was->table_slot;
	r = cell_init(&temporary->cell, &options, &line->now, err);
	if (r == 0) {
		take_over(line, temporary, &ends);
		if (was->lost_to > 0 || was->is_carried)
			r = tell_again(line, temporary, was, found, err);
	}
	if (r == 0)
		r = cells_flush_one(line, temporary, err);
	if (r == 0)
		r = line_await_durable(line, err);
	if (r == 0)
		r = runs_seal(line, temporary, str_of(reason), err);
	if (r == 0)
		r = line_await_durable(line, err);
	if (r == 0)
		table_remove(&line->table, was->table_slot);
	free(temporary);
	return r;
}

static int go_on_earlier(struct line *line, uint32_t i, const struct earlier *was,
			 const struct table_found *found, struct cht_err *err)
{
	struct slot *slot = &line->slots[i];
	int r = init_cell(line, i, str_of(was->run.run_id), str_of(was->run.spec), err);

	if (r < 0)
		return r;
	slot->table_slot = was->table_slot;
	take_over(line, slot, was);
	return tell_again(line, slot, was, found, err);
}

/* What the ledger has nothing of, and what it has the end of, needs no word. */
static bool is_over(const struct line *line, const struct earlier *was)
{
	return was->run.sequence == 0 || was->lost_from == 1 ||
	       table_is_sealed(&line->table, was->table_slot);
}

int runs_settle(struct line *line, const struct table_found *found, struct cht_err *err)
{
	int at = -1, r = 0;

	while (r == 0 && table_next(&line->table, &at)) {
		struct earlier was = { .table_slot = at };
		const struct placed *c;
		const char *reason;
		uint32_t i;

		if (!table_load(&line->table, at, &was.run, &was.names, &was.left)) {
			diag(DIAG_WARNING,
			     "a run in the run table cannot be read: it stays unsealed");
			continue;
		}
		(void)table_hole(&line->table, at, &was.lost_from, &was.lost_to);
		was.is_carried = table_is_carried(&line->table, at, &was.stored);
		c = find_cell(line, &was.run, &i);
		reason = why_seal(c, &was.run, found);
		if (is_over(line, &was)) {
			table_remove(&line->table, at);
			continue;
		}
		if (reason != NULL)
			r = seal_earlier(line, &was, reason, found, err);
		else if (line->slots[i].table_slot >= 0)
			r = seal_earlier(line, &was, "superseded", found, err);
		else
			r = go_on_earlier(line, i, &was, found, err);
	}
	return r;
}

int runs_init_one(struct line *line, uint32_t i, struct cht_err *err)
{
	const struct placed *c = &line->slots[i].reg;

	return init_cell(line, i, str_of(c->run), str_of(c->spec), err);
}

int runs_open_one(struct line *line, uint32_t i, struct cht_err *err)
{
	struct slot *slot = &line->slots[i];
	struct facts_stated stated;
	struct cht_stamped stamped;
	int r;

	slot->cell.run.first_index = line_next_index(line);
	r = table_add(&line->table, &slot->cell.run, err);
	if (r < 0)
		return r;
	slot->table_slot = r;
	cell_stamp_opened(&slot->cell,
			  registration_facts(&slot->registration, &stated) ? &stated : NULL,
			  &line->now, &stamped);
	return line_emit(line, slot, &stamped, err);
}

int runs_open(struct line *line, struct cht_err *err)
{
	int r = 0;

	for (uint32_t i = 0; i < line->slots_used && r == 0; i++) {
		if (line->slots[i].state == SLOT_FREE)
			continue;
		if (line->slots[i].table_slot < 0) {
			r = runs_init_one(line, i, err);
			if (r == 0)
				r = runs_open_one(line, i, err);
		}
		deadlines_set(&line->deadlines, i, cell_deadline(&line->slots[i].cell));
	}
	return r;
}
