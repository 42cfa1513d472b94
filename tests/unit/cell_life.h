/* SPDX-License-Identifier: Apache-2.0
 *
 * cell_life.h - one cell with an invented clock, for the tests of what it says.
 */
#ifndef TESTS_UNIT_CELL_LIFE_H
#define TESTS_UNIT_CELL_LIFE_H

#include "check.h"

#include "base/limits.h"
#include "cell/cell.h"

#define S         NS_PER_S
#define START     (1000 * S)
#define KEEPALIVE (10 * S)

static struct cht_cell cell;
static struct run_names names;
static struct cell_met met;
static uint64_t counts[EV_N_KINDS];
static struct cht_stamped out;
static struct cht_frame_facts on_first = { .connection = 1, .frame_bytes = 80 };

static struct cht_now at(uint64_t ns)
{
	return (struct cht_now){ (int64_t)ns + 5, ns, ns + 9 };
}

static void begin(struct cell_options options)
{
	struct cht_now now = at(START);

	options.cell_id = STR("cell-1");
	options.run_id = STR("run-1");
	options.channel = STR("/run/v.sock_9001");
	if (options.expected_uid == 0)
		options.expected_uid = -1;
	options.names = &names;
	options.met = &met;
	memset(&met, 0, sizeof(met));
	memset(counts, 0, sizeof(counts));
	CHECK_INT(cell_init(&cell, &options, &now, NULL), 0);
	cell.run.counts = counts;
}

static int begin_plain(void **state)
{
	(void)state;
	begin((struct cell_options){ .ledger_quota = 0 });
	return 0;
}

static struct cht_declaration declaration(enum cht_source source)
{
	return (struct cht_declaration){ .source = source, .content_version = 1, .pid = 7 };
}

/* The change of state that a frame may have given rise to, if nothing is to be told before it. */
__attribute__((unused)) static void tell_state(const struct cht_now *now)
{
	if (!cell.state_p.due || cell.met->resumed_p.due || cell.met->opened_p.due ||
	    cell.met->closed_p.due || !cell_next(&cell, now, &out))
		return;
	CHECK_INT(out.kind, EV_CELL_STATE_CHANGED);
}

/* A frame as the pipeline takes it, where nothing else is due. */
__attribute__((unused)) static void frame(enum cht_source source, uint64_t ns)
{
	struct cht_declaration d = declaration(source);
	struct cht_now now = at(ns);

	cell_note_frame(&cell, &d, &on_first, &now);
	tell_state(&now);
	(void)cell_stamp(&cell, &d, &on_first, &now, &out);
}

/* Changes of state are for test_cell_state. */
__attribute__((unused)) static bool next(uint64_t ns)
{
	struct cht_now now = at(ns);
	bool got;

	do
		got = cell_next(&cell, &now, &out);
	while (got && out.kind == EV_CELL_STATE_CHANGED);
	return got;
}

__attribute__((unused)) static void check_next(uint64_t ns, enum event_kind kind)
{
	CHECK(next(ns));
	CHECK_INT(out.kind, kind);
	CHECK_INT(out.sequence, cell.run.sequence);
	CHECK(out.run == &cell.run && out.guest == NULL);
	CHECK_INT(out.at.monotonic_ns, ns);
	CHECK_INT(out.at.realtime_ns, ns + 5);
}

#endif
