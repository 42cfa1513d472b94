/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a cell is, by what it sent, what was stated of it and what the host saw: stories of steps
 * with invented times. Each step says which state follows; a silence that no step expects fails.
 */
#include "cell_life.h"

enum { HEARTBEAT_S = 3, STEPS = 14 };

/* What happens at a time. */
enum act {
	END,
	OPENED,
	CLOSED,
	HELLO,
	BEAT,    /* a heartbeat */
	FRAME,   /* any other good frame */
	GARBAGE, /* a body that does not decode */
	OLD,     /* a good frame of the first connection, opened in epoch 0 */
	TELL,    /* .arg: enum cell_told */
	SAYS,    /* .arg: witness * N_SAID + what it said */
	UNREAD,  /* we stop reading */
	READ,    /* and go on */
	LATE,    /* we were kept from the processor for .arg seconds, until now */
	BEATS,   /* heartbeats from then on until .arg */
	WAIT,
	ONCE,    /* it is to fire once for ever */
	SILENCE, /* agent_silenced comes exactly now, not a nanosecond before */
};

struct step {
	uint64_t s; /* after START */
	enum act act;
	uint64_t arg;
	enum cell_state then;
};

#define SAY(witness, said) SAYS, (WITNESS_##witness * N_SAID + SAID_##said)

static uint64_t n_connections;

static void send(enum cht_source source, uint64_t ns, uint64_t connection, uint32_t epoch)
{
	struct cht_frame_facts facts = { .connection = connection, .epoch = epoch };
	struct cht_declaration d = declaration(source);
	struct cht_now now = at(ns);

	if (source == CHT_SOURCE_AGENT_HELLO) {
		d.details = 1u << CHT_DETAIL_HEARTBEAT_INTERVAL_MS;
		d.detail[CHT_DETAIL_HEARTBEAT_INTERVAL_MS].num = HEARTBEAT_S * 1000;
	}
	cell_note_frame(&cell, &d, &facts, &now);
	while (cell_next(&cell, &now, &out))
		CHECK(out.kind != EV_GUEST_AGENT_SILENCED);
	(void)cell_stamp(&cell, &d, &facts, &now, &out);
	CHECK_INT(out.stale, epoch < cell.epoch);
}

static void send_new(enum cht_source source, uint64_t ns)
{
	send(source, ns, n_connections, cell.epoch);
}

/* As the line does it: deadlines are looked at when they come, and what is due is told. */
static void pass_until(uint64_t ns)
{
	for (uint64_t due; (due = cell_deadline(&cell)) <= ns;) {
		struct cht_now now = at(due > START ? due : ns);
		bool any = false;

		while (cell_next(&cell, &now, &out)) {
			CHECK(out.kind != EV_GUEST_AGENT_SILENCED);
			any = true;
		}
		if (!any && cell_deadline(&cell) <= due)
			break;
	}
}

static void expect_silence(uint64_t ns)
{
	struct cht_now now = at(ns);
	bool is_told = false;

	pass_until(ns - 1);
	while (cell_next(&cell, &now, &out))
		if (out.kind == EV_GUEST_AGENT_SILENCED) {
			CHECK(!is_told);
			is_told = true;
			CHECK(out.facts.silenced.elapsed_ns >= out.facts.silenced.window_ns);
		}
	CHECK(is_told);
}

static void act(const struct step *step)
{
	uint64_t ns = START + step->s * S;
	struct cht_now now = at(ns);
	struct cht_wire_fault why = { .fault = CHT_FAULT_UTF8 };

	if (step->act == SILENCE) {
		expect_silence(ns);
		return;
	}
	if (step->act != LATE)
		pass_until(ns);
	switch (step->act) {
	case OPENED: n_connections = cell_note_opened(&cell, 7, 0, 0); break;
	case CLOSED: cell_note_closed(&cell, n_connections, CLOSE_CLEAN, true, 1, 80); break;
	case HELLO: send_new(CHT_SOURCE_AGENT_HELLO, ns); break;
	case BEAT: send_new(CHT_SOURCE_AGENT_HEARTBEAT, ns); break;
	case FRAME: send_new(CHT_SOURCE_PROCESS_SPAWNED, ns); break;
	case OLD: send(CHT_SOURCE_PROCESS_SPAWNED, ns, 1, 0); break;
	case GARBAGE: cell_note_refused(&cell, &on_first, &why); break;
	case TELL: cell_note_told(&cell, (enum cell_told)step->arg, &now); break;
	case SAYS:
		cell_note_witness(&cell, (enum witness)(step->arg / N_SAID),
				  (enum witness_said)(step->arg % N_SAID), &now);
		break;
	case UNREAD: cell_note_paused(&cell, true, &now); break;
	case READ: cell_note_paused(&cell, false, &now); break;
	case LATE: cell_note_late(&cell, ns - step->arg * S, &now); break;
	case BEATS:
		for (; ns <= START + step->arg * S; ns += HEARTBEAT_S * S) {
			pass_until(ns);
			send_new(CHT_SOURCE_AGENT_HEARTBEAT, ns);
		}
		break;
	case ONCE: begin((struct cell_options){ .silence_once = true }); break;
	case WAIT:
	case SILENCE:
	case END: break;
	}
	pass_until(ns);
}

static const struct story {
	const char *why;
	struct step steps[STEPS];
} stories[] = {
	/* No silence while the agent lives. */
	{ "idle with a heartbeat",
	  { { 1, OPENED, 0, CELL_EXPECTED },
	    { 1, HELLO, 0, CELL_LIVE },
	    { 4, BEATS, 7200, CELL_LIVE },
	    { 7205, WAIT, 0, CELL_LIVE } } },
	{ "idle without one: as Rust has it, and the state says that it may well live",
	  { { 1, OPENED, 0, CELL_EXPECTED },
	    { 1, FRAME, 0, CELL_LIVE },
	    { 11, SILENCE, 0, CELL_IDLE },
	    { 400, FRAME, 0, CELL_LIVE },
	    { 410, SILENCE, 0, CELL_IDLE } } },
	{ "without one, and its connection gone",
	  { { 1, OPENED, 0, CELL_EXPECTED },
	    { 1, FRAME, 0, CELL_LIVE },
	    { 5, CLOSED, 0, CELL_LIVE },
	    { 11, SILENCE, 0, CELL_SILENT } } },
	{ "paused for a day",
	  { { 1, OPENED, 0, CELL_EXPECTED },
	    { 1, HELLO, 0, CELL_LIVE },
	    { 9, TELL, TOLD_PAUSED, CELL_PAUSED },
	    { 10, TELL, TOLD_PAUSED, CELL_PAUSED },
	    { 86400, TELL, TOLD_RESUMED, CELL_LIVE },
	    { 86409, BEATS, 86420, CELL_LIVE } } },
	{ "resumed, and it does not come back: a whole window later",
	  { { 1, HELLO, 0, CELL_LIVE },
	    { 9, TELL, TOLD_PAUSED, CELL_PAUSED },
	    { 100, TELL, TOLD_RESUMED, CELL_LIVE },
	    { 110, SILENCE, 0, CELL_SILENT } } },
	{ "what lay in the kernel is read during a pause",
	  { { 1, HELLO, 0, CELL_LIVE },
	    { 2, TELL, TOLD_PAUSED, CELL_PAUSED },
	    { 3, FRAME, 0, CELL_PAUSED },
	    { 900, TELL, TOLD_RESUMED, CELL_LIVE },
	    { 910, SILENCE, 0, CELL_SILENT } } },
	{ "paused before it was heard: its boot begins anew",
	  { { 50, TELL, TOLD_PAUSED, CELL_PAUSED },
	    { 500, TELL, TOLD_RESUMED, CELL_EXPECTED },
	    { 560, SILENCE, 0, CELL_SILENT } } },
	{ "paused while silent: resumed it still is, and is not told twice",
	  { { 1, HELLO, 0, CELL_LIVE },
	    { 11, SILENCE, 0, CELL_SILENT },
	    { 20, TELL, TOLD_PAUSED, CELL_PAUSED },
	    { 30, TELL, TOLD_RESUMED, CELL_SILENT },
	    { 900, WAIT, 0, CELL_SILENT },
	    { 901, BEAT, 0, CELL_LIVE } } },
	{ "resumed without a pause: nobody gains time by saying so",
	  { { 1, HELLO, 0, CELL_LIVE },
	    { 9, TELL, TOLD_RESUMED, CELL_LIVE },
	    { 11, SILENCE, 0, CELL_SILENT } } },
	{ "snapshotted, which loses the guest's connections, and resumed",
	  { { 1, OPENED, 0, CELL_EXPECTED },
	    { 1, HELLO, 0, CELL_LIVE },
	    { 8, TELL, TOLD_PAUSED, CELL_PAUSED },
	    { 8, TELL, TOLD_SNAPSHOTTING, CELL_PAUSED },
	    { 300, TELL, TOLD_RESUMED, CELL_LIVE },
	    { 308, OPENED, 0, CELL_LIVE },
	    { 309, BEATS, 330, CELL_LIVE } } },
	{ "restored: it has the boot window to connect again",
	  { { 1, OPENED, 0, CELL_EXPECTED },
	    { 1, HELLO, 0, CELL_LIVE },
	    { 2, TELL, TOLD_SNAPSHOTTING, CELL_PAUSED },
	    { 900, TELL, TOLD_RESTORED, CELL_RESTORED },
	    { 959, OPENED, 0, CELL_RESTORED },
	    { 959, BEATS, 980, CELL_LIVE } } },
	{ "restored, and what the VM before had sent is read: no life",
	  { { 1, OPENED, 0, CELL_EXPECTED },
	    { 1, HELLO, 0, CELL_LIVE },
	    { 5, TELL, TOLD_RESTORED, CELL_RESTORED },
	    { 6, OLD, 0, CELL_RESTORED },
	    { 7, OPENED, 0, CELL_RESTORED },
	    { 64, OLD, 0, CELL_RESTORED },
	    { 65, SILENCE, 0, CELL_SILENT },
	    { 66, OLD, 0, CELL_SILENT },
	    { 67, FRAME, 0, CELL_LIVE },
	    { 68, OLD, 0, CELL_LIVE },
	    { 77, SILENCE, 0, CELL_SILENT } } },
	{ "restored, and connected as the VM before was: that is no sign of the new one",
	  { { 1, OPENED, 0, CELL_EXPECTED },
	    { 1, FRAME, 0, CELL_LIVE },
	    { 5, TELL, TOLD_RESTORED, CELL_RESTORED },
	    { 65, SILENCE, 0, CELL_SILENT } } },
	{ "restored after a silence: a new VM, a new trigger",
	  { { 1, HELLO, 0, CELL_LIVE },
	    { 11, SILENCE, 0, CELL_SILENT },
	    { 20, TELL, TOLD_RESTORED, CELL_RESTORED },
	    { 80, SILENCE, 0, CELL_SILENT } } },
	{ "the VM wants to run and the host does not let it",
	  { { 1, HELLO, 0, CELL_LIVE },
	    { 6, SAY(CGROUP_CPU, STARVED), CELL_STARVED },
	    { 12, SAY(CGROUP_CPU, STARVED), CELL_STARVED },
	    { 18, SAY(CGROUP_CPU, STARVED), CELL_STARVED },
	    { 24, SAY(CGROUP_CPU, RUNS), CELL_LIVE },
	    { 28, BEATS, 40, CELL_LIVE } } },
	{ "and when it does again, what is left of the window",
	  { { 1, HELLO, 0, CELL_LIVE },
	    { 6, SAY(VMM_TASKS, STARVED), CELL_STARVED },
	    { 10, SAY(VMM_TASKS, RUNS), CELL_LIVE },
	    { 15, SILENCE, 0, CELL_SILENT } } },
	{ "a witness that falls silent itself keeps nobody's clock",
	  { { 1, HELLO, 0, CELL_LIVE },
	    { 6, SAY(CGROUP_CPU, STARVED), CELL_STARVED },
	    { 15, WAIT, 0, CELL_STARVED },
	    { 16, WAIT, 0, CELL_LIVE },
	    { 21, SILENCE, 0, CELL_SILENT } } },
	{ "two starve it: both must let go",
	  { { 1, HELLO, 0, CELL_LIVE },
	    { 6, SAY(CGROUP_CPU, STARVED), CELL_STARVED },
	    { 7, SAY(VMM_TASKS, STARVED), CELL_STARVED },
	    { 8, SAY(CGROUP_CPU, RUNS), CELL_STARVED },
	    { 9, SAY(VMM_TASKS, NOTHING), CELL_LIVE },
	    { 14, SILENCE, 0, CELL_SILENT } } },
	{ "a frame while it is starved",
	  { { 1, HELLO, 0, CELL_LIVE },
	    { 6, SAY(CGROUP_CPU, STARVED), CELL_STARVED },
	    { 8, BEAT, 0, CELL_STARVED },
	    { 12, SAY(CGROUP_CPU, RUNS), CELL_LIVE },
	    { 22, SILENCE, 0, CELL_SILENT } } },
	{ "the whole host starved, us as well: as long again to come back",
	  { { 1, HELLO, 0, CELL_LIVE },
	    { 31, LATE, 20, CELL_LIVE },
	    { 50, BEATS, 60, CELL_LIVE } } },
	{ "and not longer",
	  { { 1, HELLO, 0, CELL_LIVE },
	    { 31, LATE, 20, CELL_LIVE },
	    { 51, SILENCE, 0, CELL_SILENT } } },
	{ "a cell that we do not read",
	  { { 1, HELLO, 0, CELL_LIVE },
	    { 5, UNREAD, 0, CELL_LIVE },
	    { 500, READ, 0, CELL_LIVE },
	    { 505, BEAT, 0, CELL_LIVE } } },
	{ "unread and paused: the clock stands still until both are over",
	  { { 1, HELLO, 0, CELL_LIVE },
	    { 5, UNREAD, 0, CELL_LIVE },
	    { 6, TELL, TOLD_PAUSED, CELL_PAUSED },
	    { 100, READ, 0, CELL_PAUSED },
	    { 200, UNREAD, 0, CELL_PAUSED },
	    { 300, TELL, TOLD_RESUMED, CELL_LIVE },
	    { 400, READ, 0, CELL_LIVE },
	    { 410, SILENCE, 0, CELL_SILENT } } },
	{ "restored while it is not read",
	  { { 1, HELLO, 0, CELL_LIVE },
	    { 5, UNREAD, 0, CELL_LIVE },
	    { 6, TELL, TOLD_RESTORED, CELL_RESTORED },
	    { 100, READ, 0, CELL_RESTORED },
	    { 160, SILENCE, 0, CELL_SILENT } } },
	/* The right alarm. */
	{ "the agent is killed, or stopped by a signal: connected or not",
	  { { 1, OPENED, 0, CELL_EXPECTED },
	    { 1, HELLO, 0, CELL_LIVE },
	    { 4, BEATS, 10, CELL_LIVE },
	    { 20, SILENCE, 0, CELL_SILENT },
	    { 9000, WAIT, 0, CELL_SILENT } } },
	{ "it floods garbage instead",
	  { { 1, OPENED, 0, CELL_EXPECTED },
	    { 1, HELLO, 0, CELL_LIVE },
	    { 5, GARBAGE, 0, CELL_LIVE },
	    { 10, GARBAGE, 0, CELL_LIVE },
	    { 11, SILENCE, 0, CELL_SILENT },
	    { 12, GARBAGE, 0, CELL_SILENT } } },
	{ "the VM works and its agent does not speak",
	  { { 1, HELLO, 0, CELL_LIVE },
	    { 8, SAY(VCPU_EXITS, RUNS), CELL_LIVE },
	    { 11, SILENCE, 0, CELL_SILENT } } },
	{ "the VM does nothing at all",
	  { { 1, HELLO, 0, CELL_LIVE },
	    { 8, SAY(VCPU_EXITS, STILL), CELL_LIVE },
	    { 9, SAY(CGROUP_CPU, STILL), CELL_LIVE },
	    { 11, SILENCE, 0, CELL_HUNG },
	    { 20, SAY(CGROUP_CPU, RUNS), CELL_SILENT },
	    { 30, SAY(CGROUP_CPU, STILL), CELL_HUNG },
	    { 40, BEAT, 0, CELL_LIVE } } },
	{ "one says that it runs",
	  { { 1, HELLO, 0, CELL_LIVE },
	    { 8, SAY(VCPU_EXITS, STILL), CELL_LIVE },
	    { 9, SAY(VMM_TASKS, RUNS), CELL_LIVE },
	    { 11, SILENCE, 0, CELL_SILENT } } },
	{ "what was seen before the last frame says nothing of the time since",
	  { { 1, HELLO, 0, CELL_LIVE },
	    { 2, SAY(VCPU_EXITS, STILL), CELL_LIVE },
	    { 3, BEAT, 0, CELL_LIVE },
	    { 13, SILENCE, 0, CELL_SILENT } } },
	{ "the VMM ends, and its agent is silent later",
	  { { 1, OPENED, 0, CELL_EXPECTED },
	    { 1, SAY(VMM_PROCESS, RUNS), CELL_EXPECTED },
	    { 1, HELLO, 0, CELL_LIVE },
	    { 5, SAY(VMM_PROCESS, GONE), CELL_GONE },
	    { 6, OLD, 0, CELL_GONE },
	    { 16, SILENCE, 0, CELL_GONE },
	    { 900, WAIT, 0, CELL_GONE } } },
	{ "another VMM in its place: its connection alone is no life",
	  { { 1, OPENED, 0, CELL_EXPECTED },
	    { 1, HELLO, 0, CELL_LIVE },
	    { 5, SAY(VMM_PROCESS, GONE), CELL_GONE },
	    { 6, OPENED, 0, CELL_GONE },
	    { 6, SAY(VMM_PROCESS, RUNS), CELL_GONE },
	    { 7, OLD, 0, CELL_GONE },
	    { 8, FRAME, 0, CELL_LIVE },
	    { 18, SILENCE, 0, CELL_SILENT } } },
	{ "another VMM, which ends before its agent was heard: what it sent is no life either",
	  { { 1, OPENED, 0, CELL_EXPECTED },
	    { 1, SAY(VMM_PROCESS, RUNS), CELL_EXPECTED },
	    { 1, HELLO, 0, CELL_LIVE },
	    { 5, SAY(VMM_PROCESS, GONE), CELL_GONE },
	    { 6, OPENED, 0, CELL_GONE },
	    { 6, SAY(VMM_PROCESS, RUNS), CELL_GONE },
	    { 7, SAY(VMM_PROCESS, GONE), CELL_GONE },
	    { 8, FRAME, 0, CELL_GONE },
	    { 18, SILENCE, 0, CELL_GONE },
	    { 20, OPENED, 0, CELL_GONE },
	    { 21, FRAME, 0, CELL_LIVE } } },
	{ "it ends while it is paused, and is restored",
	  { { 1, HELLO, 0, CELL_LIVE },
	    { 5, TELL, TOLD_SNAPSHOTTING, CELL_PAUSED },
	    { 6, SAY(VMM_PROCESS, GONE), CELL_GONE },
	    { 500, TELL, TOLD_RESTORED, CELL_RESTORED },
	    { 560, SILENCE, 0, CELL_SILENT } } },
	{ "once for ever",
	  { { 0, ONCE, 0, CELL_EXPECTED },
	    { 1, HELLO, 0, CELL_LIVE },
	    { 11, SILENCE, 0, CELL_SILENT },
	    { 12, FRAME, 0, CELL_LIVE },
	    { 900, TELL, TOLD_RESTORED, CELL_RESTORED },
	    { 9000, WAIT, 0, CELL_RESTORED },
	    { 9001, FRAME, 0, CELL_LIVE },
	    { 90000, WAIT, 0, CELL_LIVE } } },
};

static void test_every_story_ends_as_it_must(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
		check_row = stories[i].why;
		CHECK_INT(begin_plain(state), 0);
		n_connections = 1;
		for (const struct step *step = stories[i].steps; step->act != END; step++) {
			act(step);
			if (cell.state != step->then)
				print_error("%s, after %llu s\n", check_row,
					    (unsigned long long)step->s);
			CHECK_INT(cell.state, step->then);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_story_ends_as_it_must),
	};

	return cmocka_run_group_tests_name("cell_stories", tests, NULL, NULL);
}
