/* SPDX-License-Identifier: Apache-2.0 */
/* What agents' numbers say, in the run table: it holds exactly when the event it belongs to was
 * noted, whatever a kill left half done. */
#include "table_dir.h"

static struct boot made_boot(uint64_t id, uint64_t seq)
{
	return (struct boot){
		.boot = id, .seq = seq, .arrived = 1, .used_ns = seq, .in_use = true
	};
}

/* Opens the table again as after kill -9; the run's newest number of that agent, 0: not known. */
static uint64_t seq_after_kill(struct table *t, int slot, uint64_t id)
{
	struct boot found[TABLE_AGENTS];
	struct table_found how;
	uint64_t seq = 0;
	unsigned n;

	table_close(t, false);
	must_open(t, boot, &how);
	CHECK(!how.lost);
	n = table_agents(t, slot, found);
	for (unsigned i = 0; i < n; i++)
		if (found[i].boot == id)
			seq = found[i].seq;
	return seq;
}

static void test_a_number_counts_once_its_event_is_noted(void **state)
{
	struct run a = must_run("a");
	struct table t = TABLE_NULL;
	struct table_found found;
	struct boot b = made_boot(7, 1);
	uint64_t index = 0;
	int s;

	(void)state;
	must_open(&t, boot, &found);
	s = must_add(&t, &a);
	CHECK_INT(seq_after_kill(&t, s, 7), 0);
	table_note_agent(&t, s, &b, 1);
	CHECK_INT(seq_after_kill(&t, s, 7), 0); /* its event is not noted */
	table_note_agent(&t, s, &b, 1);         /* the frame comes again */
	note(&t, s, &a, 1, &index);
	CHECK_INT(seq_after_kill(&t, s, 7), 1);
	b.seq = 2;
	table_note_agent(&t, s, &b, 2);
	CHECK_INT(seq_after_kill(&t, s, 7), 1);
	table_note_agent(&t, s, &b, 2);
	note(&t, s, &a, 1, &index);
	CHECK_INT(seq_after_kill(&t, s, 7), 2);
	/* One that was not accepted is not by the next event either. */
	b.seq = 3;
	table_note_agent(&t, s, &b, 3);
	CHECK_INT(seq_after_kill(&t, s, 7), 2);
	note(&t, s, &a, 1, &index); /* a run.resumed, say */
	CHECK_INT(seq_after_kill(&t, s, 7), 2);
	/* A heartbeat has no event: it counts at once. */
	b.seq = 5;
	table_note_agent(&t, s, &b, 3);
	CHECK_INT(seq_after_kill(&t, s, 7), 5);
	table_close(&t, true);
}

static void test_the_agents_heard_last_are_kept(void **state)
{
	struct run a = must_run("a");
	struct boot back[TABLE_AGENTS];
	struct table t = TABLE_NULL;
	struct table_found found;
	uint64_t index = 0;
	int s;

	(void)state;
	must_open(&t, boot, &found);
	s = must_add(&t, &a);
	note(&t, s, &a, 1, &index);
	for (uint64_t id = 1; id <= TABLE_AGENTS + 2; id++) {
		struct boot b = made_boot(id, id * 10);

		table_note_agent(&t, s, &b, 1);
	}
	CHECK_INT(table_agents(&t, s, back), TABLE_AGENTS);
	CHECK_INT(seq_after_kill(&t, s, 1), 0);
	CHECK_INT(seq_after_kill(&t, s, 2), 0);
	for (uint64_t id = 3; id <= TABLE_AGENTS + 2; id++)
		CHECK_INT(seq_after_kill(&t, s, id), id * 10);
	table_close(&t, true);
}

static void test_the_next_tenant_of_a_slot_knows_no_agent(void **state)
{
	struct run a = must_run("a"), b = must_run("b");
	struct boot agent = made_boot(7, 3), back[TABLE_AGENTS];
	struct table t = TABLE_NULL;
	struct table_found found;
	uint64_t index = 0;
	int s;

	(void)state;
	must_open(&t, boot, &found);
	s = must_add(&t, &a);
	note(&t, s, &a, 1, &index);
	table_note_agent(&t, s, &agent, 1);
	CHECK_INT(table_agents(&t, s, back), 1);
	table_remove(&t, s);
	CHECK_INT(must_add(&t, &b), s);
	note(&t, s, &b, 1, &index);
	CHECK_INT(table_agents(&t, s, back), 0);
	table_close(&t, true);
}

/* Every single bit of the file's newest words: the older number or the newer one, nothing else. */
static void test_a_torn_number_gives_the_one_before(void **state)
{
	struct run a = must_run("a");
	struct table t = TABLE_NULL;
	struct table_found found;
	uint64_t index = 0;
	uint8_t *before, *after;
	size_t len, len2;
	int s;

	(void)state;
	must_open(&t, boot, &found);
	s = must_add(&t, &a);
	note(&t, s, &a, 1, &index);
	table_note_agent(&t, s, &(struct boot){ .boot = 7, .seq = 1, .used_ns = 1 }, 1);
	before = snapshot(&len);
	table_note_agent(&t, s, &(struct boot){ .boot = 7, .seq = 2, .used_ns = 2 }, 1);
	after = snapshot(&len2);
	CHECK_INT(len, len2);
	for (size_t at = 0; at < len; at++) {
		struct boot back[TABLE_AGENTS];
		uint8_t torn = before[at];
		int fd;

		if (before[at] == after[at])
			continue;
		fd = openat(dirfd_, "table", O_RDWR | O_CLOEXEC);
		CHECK(fd >= 0 && pwrite(fd, &torn, 1, (off_t)at) == 1);
		CHECK_INT(table_agents(&t, s, back), 1);
		CHECK_INT(back[0].seq, 1);
		CHECK(pwrite(fd, &after[at], 1, (off_t)at) == 1);
		fd_close(&fd);
		CHECK_INT(table_agents(&t, s, back), 1);
		CHECK_INT(back[0].seq, 2);
	}
	free(before);
	free(after);
	table_close(&t, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_number_counts_once_its_event_is_noted,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_agents_heard_last_are_kept, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_the_next_tenant_of_a_slot_knows_no_agent,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_torn_number_gives_the_one_before, set_up,
						tear_down),
	};

	return cmocka_run_group_tests_name("daemon_agents", tests, NULL, NULL);
}
