/* SPDX-License-Identifier: Apache-2.0
 *
 * kill -9 of the real cht-scribe while this process puts entries as fast as it can.
 */
#include "scribe_util.h"

#include "base/clk.h"

enum { ROUNDS = 60 };

/* Fixed, so that a failure can be had again; the kernel's scheduling is not. */
static uint32_t seed = 20221122;

static uint32_t draw(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

/* Puts entries until the time has come. */
static void put_until(struct line *line, uint64_t until_ns)
{
	uint64_t now;

	while ((now = clk_monotonic_ns()) < until_ns) {
		if (put_next(line))
			continue;
		ring_clear(line->ring.durable_fd);
		if (ring_await_room(&line->ring, 42))
			(void)is_readable(line->ring.durable_fd,
					  1 + (int)((until_ns - now) / NS_PER_MS));
	}
}

static void test_nothing_acknowledged_is_lost_to_kill_9(void **state)
{
	uint64_t acknowledged = 0, n_cut = 0;
	struct line line;

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct handoff_msg ready;

		start_scribe(&line, -1, NULL, 0);
		send_ring(&line);
		ready = hear(&line, HANDOFF_READY);
		line.base = ready.ready.next_index;
		CHECK(line.base >= acknowledged);
		/* The mark is cleared by the first commit, which may not have been reached. */
		CHECK(ready.ready.was_clean ? line.base == 0 : round > 0);
		n_cut += ready.ready.cut_bytes > 0;
		CHECK_INT(count_ledger(), line.base);
		put_until(&line, clk_monotonic_ns() + (1 + draw(40)) * NS_PER_MS);
		CHECK_INT(kill(line.pid, SIGKILL), 0);
		CHECK_INT(waitpid(line.pid, &(int){ 0 }, 0), line.pid);
		acknowledged = line.base + ring_durable_count(&line.ring);
		ring_close(&line.ring);
		fd_close(&line.sock);
		/* Every entry that is whole is the one of its index, and was shown before it was
		 * told. */
		CHECK(count_ledger() >= acknowledged);
		CHECK(checkpoint_size() >= acknowledged);
	}
	CHECK(acknowledged > ROUNDS);
	start_line(&line);
	put_all(&line, 100);
	CHECK_INT(end_line(&line), 0);
	CHECK_INT(count_ledger(), line.base + 100);
	fprintf(stderr, "%llu entries over %d kills, %llu torn tails\n",
		(unsigned long long)line.base, ROUNDS, (unsigned long long)n_cut);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_acknowledged_is_lost_to_kill_9,
						setup_scribe, teardown_ledger),
	};

	on_disk = true;
	return cmocka_run_group_tests_name("scribe_kill", tests, NULL, NULL);
}
