/* SPDX-License-Identifier: Apache-2.0
 *
 * A disk that is really full: a small tmpfs in a mount namespace of this process alone.
 */
#include "scribe_util.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>

static bool has_disk;
static char disk[] = "/tmp/cht_full_XXXXXX";

static int make_disk(void **state)
{
	(void)state;
	if (mkdtemp(disk) == NULL)
		return -1;
	has_disk = unshare(CLONE_NEWNS) == 0 &&
		   mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
		   mount("none", disk, "tmpfs", MS_NODEV | MS_NOSUID, "size=2m") == 0;
	if (!has_disk)
		fprintf(stderr, "skipped: no mount namespace (%s); run as root\n", strerror(errno));
	return 0;
}

static int drop_disk(void **state)
{
	(void)state;
	if (has_disk)
		(void)umount(disk);
	return rmdir(disk);
}

static void set_size(const char *size)
{
	CHECK_INT(mount("none", disk, "tmpfs", MS_REMOUNT | MS_NODEV | MS_NOSUID, size), 0);
}

static int setup_on_disk(void **state)
{
	(void)state;
	if (!has_disk)
		return 0;
	set_size("size=2m");
	snprintf(scratch, sizeof(scratch), "%s/state", disk);
	if (init_ledger(scratch, "test") != 0)
		return -1;
	put_key();
	return 0;
}

/* Puts entries until the scribe has something to say. */
static void fill_disk(struct line *line)
{
	while (!is_readable(line->sock, 0)) {
		if (put_next(line))
			continue;
		ring_clear(line->ring.durable_fd);
		if (ring_await_room(&line->ring, 42)) {
			struct pollfd fds[] = { { .fd = line->sock, .events = POLLIN },
						{ .fd = line->ring.durable_fd, .events = POLLIN } };

			CHECK(poll(fds, 2, WAIT_MS) > 0);
		}
	}
}

static void test_stop_ends_with_74_and_whole_entries(void **state)
{
	struct handoff_msg msg;
	struct line line;
	uint64_t durable;

	(void)state;
	if (!has_disk)
		skip();
	start_line(&line);
	fill_disk(&line);
	msg = hear(&line, HANDOFF_FAILED);
	CHECK_INT(msg.failed.exit_status, 74);
	CHECK(strstr(msg.failed.text, "No space left") != NULL);
	durable = ring_durable_count(&line.ring);
	CHECK_INT(await_exit(&line), 74);
	CHECK(durable > 1000);
	CHECK_INT(count_ledger(), durable);
	set_size("size=16m");
	start_line(&line);
	CHECK_INT(line.base, durable);
	put_all(&line, 1000);
	CHECK_INT(end_line(&line), 0);
}

static void test_pause_goes_on_when_there_is_space(void **state)
{
	const char *const pause[] = { "--on-full", "pause" };
	struct handoff_msg msg;
	struct line line;
	uint64_t total;

	(void)state;
	if (!has_disk)
		skip();
	start_scribe(&line, -1, pause, 2);
	send_ring(&line);
	await_ready(&line);
	fill_disk(&line);
	msg = hear(&line, HANDOFF_STATE);
	CHECK(msg.state.paused == 1 && msg.state.sys == ENOSPC);
	/* What is on the disk meanwhile is whole and acknowledged, nothing else. */
	CHECK_INT(count_ledger(), ring_durable_count(&line.ring));
	set_size("size=32m");
	msg = hear(&line, HANDOFF_STATE);
	CHECK_INT(msg.state.paused, 0);
	put_all(&line, 1000);
	total = ring_put_count(&line.ring);
	CHECK_INT(end_line(&line), 0);
	CHECK_INT(count_ledger(), total);
}

static void test_a_pause_that_nobody_waits_for_ends_with_74(void **state)
{
	const char *const pause[] = { "--on-full=pause" };
	struct line line;
	uint64_t durable;

	(void)state;
	if (!has_disk)
		skip();
	start_scribe(&line, -1, pause, 1);
	send_ring(&line);
	await_ready(&line);
	fill_disk(&line);
	(void)hear(&line, HANDOFF_STATE);
	durable = ring_durable_count(&line.ring);
	CHECK_INT(end_line(&line), 74);
	CHECK_INT(count_ledger(), durable);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup_on_disk, teardown_ledger)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_stop_ends_with_74_and_whole_entries),
		CASE(test_pause_goes_on_when_there_is_space),
		CASE(test_a_pause_that_nobody_waits_for_ends_with_74),
	};

	return cmocka_run_group_tests_name("scribe_full", tests, make_disk, drop_disk);
}
