/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cht/event.h>

#include "base/fd.h"
#include "base/limits.h"
#include "handoff/ring.h"

/* docs/PROTOCOL.ledger, "The ring": where the shared counters stand. */
enum { AT_PUT = 0, AT_TAKEN = 128, AT_DURABLE = 136, HEAD = 65536, WAIT_MS = 20000 };

struct pair {
	struct ring line, scribe;
	uint8_t *head;        /* a third mapping, for a hostile hand */
	uint8_t out[1 << 17]; /* where the consumer copies to */
};

static struct pair pair;

static void open_pair(void)
{
	struct ring *l = &pair.line;

	pair.line = pair.scribe = (struct ring)RING_NULL;
	CHECK_INT(ring_create(l, NULL), 0);
	CHECK_INT(ring_attach(&pair.scribe, fcntl(l->mem_fd, F_DUPFD_CLOEXEC, 0),
			      fcntl(l->ready_fd, F_DUPFD_CLOEXEC, 0),
			      fcntl(l->durable_fd, F_DUPFD_CLOEXEC, 0), NULL),
		  0);
	pair.head = mmap(NULL, HEAD + RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, l->mem_fd, 0);
	CHECK(pair.head != MAP_FAILED);
}

static void close_pair(void)
{
	CHECK_INT(munmap(pair.head, HEAD + RING_BYTES), 0);
	ring_close(&pair.line);
	ring_close(&pair.scribe);
}

static void poke(size_t at, uint64_t v)
{
	memcpy(pair.head + at, &v, sizeof(v));
}

static void fill_entry(uint8_t *p, size_t len, uint64_t seed)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(seed * 31 + i * 7 + 1);
}

static bool is_entry(const uint8_t *p, size_t len, uint64_t seed)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != (uint8_t)(seed * 31 + i * 7 + 1))
			return false;
	return true;
}

static bool put(struct ring *ring, size_t len, uint64_t seed)
{
	uint8_t *p = ring_reserve(ring, len);

	if (p == NULL)
		return false;
	fill_entry(p, len, seed);
	ring_publish(ring, len);
	return true;
}

static ptrdiff_t take(unsigned *n)
{
	return ring_take(&pair.scribe, pair.out, sizeof(pair.out), UINT32_MAX, n);
}

static bool is_readable(int fd, int wait_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, wait_ms) == 1;
}

static void test_entries_come_out_as_they_went_in(void **state)
{
	unsigned n;

	(void)state;
	open_pair();
	CHECK_INT(take(&n), 0);
	CHECK(put(&pair.line, 1, 5));
	CHECK(put(&pair.line, CHT_ENTRY_MAX_BYTES, 6));
	CHECK_INT(take(&n), 2 + 1 + 2 + CHT_ENTRY_MAX_BYTES);
	CHECK_INT(n, 2);
	CHECK_INT(be16_load(pair.out), 1);
	CHECK(is_entry(pair.out + 2, 1, 5));
	CHECK_INT(be16_load(pair.out + 3), CHT_ENTRY_MAX_BYTES);
	CHECK(is_entry(pair.out + 5, CHT_ENTRY_MAX_BYTES, 6));
	CHECK_INT(take(&n), 0);
	CHECK_INT(ring_put_count(&pair.line), 2);
	close_pair();
}

static void test_an_entry_wraps_at_every_offset(void **state)
{
	enum { LEN = 200 };
	unsigned n;

	(void)state;
	open_pair();
	for (uint64_t cut = 0; cut <= LEN + 2; cut++) {
		uint64_t stop = RING_BYTES - cut;

		/* Fillers up to the place where the entry's byte `cut` is the ring's first. */
		while ((pair.line.own & (RING_BYTES - 1)) != (stop & (RING_BYTES - 1))) {
			uint64_t left = (stop - pair.line.own) & (RING_BYTES - 1);
			size_t len = left < 40000 ? (size_t)left - 2 : 20000;

			CHECK(put(&pair.line, len, 1));
			CHECK_INT(take(&n), len + 2);
		}
		CHECK(put(&pair.line, LEN, cut));
		CHECK_INT(take(&n), LEN + 2);
		CHECK(is_entry(pair.out + 2, LEN, cut));
		CHECK(put(&pair.line, 100, 1));
		CHECK_INT(take(&n), 102);
	}
	close_pair();
}

static void test_a_full_ring_refuses_and_loses_nothing(void **state)
{
	uint64_t n_put = 0, n_taken = 0;
	unsigned n;

	(void)state;
	open_pair();
	CHECK(ring_reserve(&pair.line, CHT_ENTRY_MAX_BYTES + 1) == NULL);
	while (put(&pair.line, 5000, n_put))
		n_put++;
	CHECK_INT(n_put, RING_BYTES / 5002);
	CHECK(ring_await_room(&pair.line, 5000));
	CHECK(!is_readable(pair.line.durable_fd, 0));
	for (;;) {
		ptrdiff_t got = take(&n);

		CHECK(got >= 0);
		if (got == 0)
			break;
		for (unsigned i = 0; i < n; i++)
			CHECK(is_entry(pair.out + 2 + i * 5002, 5000, n_taken + i));
		n_taken += n;
		/* Woken for a good part of the ring, not for each entry. */
		CHECK(is_readable(pair.line.durable_fd, 0) ==
		      ((n_taken * 5002) >= RING_BYTES / 4 - (RING_BYTES - n_put * 5002)));
	}
	CHECK_INT(n_taken, n_put);
	CHECK(!ring_await_room(&pair.line, 5000));
	close_pair();
}

static void test_a_take_stops_at_its_limits(void **state)
{
	unsigned n;

	(void)state;
	open_pair();
	for (unsigned i = 0; i < 10; i++)
		CHECK(put(&pair.line, 20000, i));
	CHECK_INT(ring_take(&pair.scribe, pair.out, sizeof(pair.out), 3, &n), 3 * 20002);
	CHECK_INT(n, 3);
	CHECK_INT(ring_take(&pair.scribe, pair.out, 65000, 100, &n), 3 * 20002);
	CHECK_INT(n, 3);
	CHECK_INT(ring_take(&pair.scribe, pair.out, sizeof(pair.out), 0, &n), 0);
	CHECK(is_readable(pair.line.ready_fd, 0) == false);
	CHECK_INT(take(&n), 4 * 20002);
	CHECK(is_entry(pair.out + 2, 20000, 6));
	close_pair();
}

static void test_impossible_counters_are_the_peers_fault(void **state)
{
	static const struct {
		const char *why;
		uint64_t put;
	} rows[] = {
		{ "one more than the ring", RING_BYTES + 1 },
		{ "behind what was taken", UINT64_MAX },
		{ "the far half", UINT64_C(1) << 63 },
		{ "half a length", 1 },
		{ "a length alone", 2 },
		{ "all but one byte", 101 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned n = 9;

		check_row = rows[i].why;
		open_pair();
		CHECK(put(&pair.line, 100, 1));
		poke(AT_PUT, rows[i].put);
		CHECK_INT(take(&n), CHT_E_PEER);
		CHECK_INT(n, 0);
		close_pair();
	}
}

static void test_impossible_lengths_are_the_peers_fault(void **state)
{
	static const uint16_t lengths[] = { 0, CHT_ENTRY_MAX_BYTES + 1, UINT16_MAX, 101, 60000 };
	unsigned n;

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		open_pair();
		CHECK(put(&pair.line, 50, 1));
		CHECK(put(&pair.line, 100, 2));
		be16_store(pair.head + HEAD + 52, lengths[i]);
		/* What stood before the broken entry is evidence and still comes out. */
		CHECK_INT(take(&n), 52);
		CHECK_INT(n, 1);
		CHECK_INT(take(&n), CHT_E_PEER);
		CHECK_INT(take(&n), CHT_E_PEER);
		close_pair();
	}
}

static void test_a_broken_consumer_cannot_make_room_or_durability(void **state)
{
	(void)state;
	open_pair();
	while (put(&pair.line, 60000, 1))
		continue;
	poke(AT_TAKEN, pair.line.own + 1);
	CHECK(ring_reserve(&pair.line, 60000) == NULL);
	poke(AT_TAKEN, UINT64_MAX);
	CHECK(ring_reserve(&pair.line, 60000) == NULL);
	poke(AT_DURABLE, UINT64_MAX);
	CHECK_INT(ring_durable_count(&pair.line), ring_put_count(&pair.line));
	close_pair();
}

static int sealed(size_t size, unsigned flags, int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0 || fcntl(fd, F_ADD_SEALS, seals) < 0)
		fd_close(&fd);
	return fd;
}

static int plain_file(void)
{
	char path[] = "/tmp/test_ring_XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	CHECK(fd >= 0 && ftruncate(fd, HEAD + RING_BYTES) == 0 && unlink(path) == 0);
	return fd;
}

static void refuse(const char *why, int mem, int ready, int durable)
{
	struct ring ring = RING_NULL;
	struct cht_err err = { 0 };

	check_row = why;
	CHECK_INT(ring_attach(&ring, mem, ready, durable, &err), CHT_E_PEER);
	CHECK(err.text[0] != '\0');
	/* Owned whatever the result: closed. */
	CHECK(fcntl(mem, F_GETFD) < 0 && fcntl(ready, F_GETFD) < 0 && fcntl(durable, F_GETFD) < 0);
	CHECK(ring.shared == NULL);
}

static int event(int flags)
{
	return eventfd(0, EFD_CLOEXEC | flags);
}

static void test_descriptors_that_could_hurt_are_refused(void **state)
{
	const int both = F_SEAL_SHRINK | F_SEAL_GROW, all = both | F_SEAL_SEAL;
	const size_t right = HEAD + RING_BYTES;
	int pipe_fds[2], huge;

	(void)state;
	refuse("no seals", sealed(right, 0, 0), event(EFD_NONBLOCK), event(EFD_NONBLOCK));
	refuse("may shrink", sealed(right, 0, F_SEAL_GROW | F_SEAL_SEAL), event(EFD_NONBLOCK),
	       event(EFD_NONBLOCK));
	refuse("seals may be added", sealed(right, 0, both), event(EFD_NONBLOCK),
	       event(EFD_NONBLOCK));
	refuse("short", sealed(right - 1, 0, all), event(EFD_NONBLOCK), event(EFD_NONBLOCK));
	refuse("long", sealed(right + 1, 0, all), event(EFD_NONBLOCK), event(EFD_NONBLOCK));
	refuse("a file", plain_file(), event(EFD_NONBLOCK), event(EFD_NONBLOCK));
	refuse("ready would block", sealed(right, 0, all), event(0), event(EFD_NONBLOCK));
	CHECK_INT(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), 0);
	refuse("pipes for eventfds", sealed(right, 0, all), pipe_fds[0], pipe_fds[1]);
	/* Of the right size these exist where huge pages have 64 KiB. */
	huge = sealed(4 << 20, MFD_HUGETLB, all);
	if (huge >= 0)
		refuse("huge pages", huge, event(EFD_NONBLOCK), event(EFD_NONBLOCK));
}

static void test_a_wake_up_comes_when_asked_for_and_only_then(void **state)
{
	unsigned n;

	(void)state;
	open_pair();
	CHECK(put(&pair.line, 10, 1));
	CHECK(!is_readable(pair.scribe.ready_fd, 0));
	CHECK(!ring_await_entries(&pair.scribe, 1));
	CHECK_INT(take(&n), 12);
	CHECK(ring_await_entries(&pair.scribe, 100));
	for (unsigned i = 0; i < 9; i++) {
		CHECK(put(&pair.line, 8, 1));
		CHECK(!is_readable(pair.scribe.ready_fd, 0));
	}
	CHECK(put(&pair.line, 8, 1));
	CHECK(is_readable(pair.scribe.ready_fd, 0));
	CHECK(!ring_await_entries(&pair.scribe, 100));
	CHECK(!is_readable(pair.scribe.ready_fd, 0));
	CHECK(put(&pair.line, 10, 1));
	CHECK(!is_readable(pair.scribe.ready_fd, 0));
	ring_set_durable(&pair.scribe, 3);
	CHECK(is_readable(pair.line.durable_fd, 0));
	CHECK_INT(ring_durable_count(&pair.line), 3);
	ring_clear(pair.line.durable_fd);
	CHECK(!is_readable(pair.line.durable_fd, 0));
	close_pair();
}

static size_t nth_len(uint64_t i)
{
	uint64_t x = i * UINT64_C(0x9e3779b97f4a7c15);

	return 1 + (size_t)(x >> 33) % (i % 64 == 0 ? CHT_ENTRY_MAX_BYTES : 1500);
}

/* Exit status of a child: 0, or which wait was never answered. */
static int produce(struct ring *ring, uint64_t count, bool one_by_one)
{
	for (uint64_t i = 0; i < count; i++) {
		while (!put(ring, nth_len(i), i)) {
			ring_clear(ring->durable_fd);
			if (ring_await_room(ring, nth_len(i)) &&
			    !is_readable(ring->durable_fd, WAIT_MS))
				return 2;
		}
		while (one_by_one && ring_durable_count(ring) <= i) {
			if (!is_readable(ring->durable_fd, WAIT_MS))
				return 3;
			ring_clear(ring->durable_fd);
		}
	}
	return 0;
}

static void consume(uint64_t count)
{
	uint64_t i = 0;
	unsigned n;

	while (i < count) {
		ptrdiff_t got = take(&n);

		CHECK(got >= 0);
		if (got == 0) {
			if (ring_await_entries(&pair.scribe, 1))
				CHECK(is_readable(pair.scribe.ready_fd, WAIT_MS));
			continue;
		}
		for (const uint8_t *p = pair.out; p < pair.out + got; i++) {
			size_t len = be16_load(p);

			CHECK_INT(len, nth_len(i));
			CHECK(is_entry(p + 2, len, i));
			p += 2 + len;
		}
		ring_set_durable(&pair.scribe, i);
	}
}

static void run_two(uint64_t count, bool one_by_one)
{
	int status;
	pid_t pid;

	open_pair();
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		_exit(produce(&pair.line, count, one_by_one));
	consume(count);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
	close_pair();
}

static void test_two_processes_lose_nothing_at_speed(void **state)
{
	(void)state;
	run_two(60000, false);
}

static void test_two_processes_that_sleep_at_each_entry_always_wake(void **state)
{
	(void)state;
	run_two(20000, true);
}

static void test_what_a_killed_producer_put_is_still_there(void **state)
{
	unsigned n, total = 0;
	int status;
	pid_t pid;

	(void)state;
	open_pair();
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		for (uint64_t i = 0; i < 100; i++)
			(void)put(&pair.line, 1000, i);
		/* One reserved and written, never published. */
		fill_entry(ring_reserve(&pair.line, 1000), 1000, 100);
		(void)kill(getpid(), SIGKILL);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	while (take(&n) > 0)
		total += n;
	CHECK_INT(total, 100);
	close_pair();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries_come_out_as_they_went_in),
		cmocka_unit_test(test_an_entry_wraps_at_every_offset),
		cmocka_unit_test(test_a_full_ring_refuses_and_loses_nothing),
		cmocka_unit_test(test_a_take_stops_at_its_limits),
		cmocka_unit_test(test_impossible_counters_are_the_peers_fault),
		cmocka_unit_test(test_impossible_lengths_are_the_peers_fault),
		cmocka_unit_test(test_a_broken_consumer_cannot_make_room_or_durability),
		cmocka_unit_test(test_descriptors_that_could_hurt_are_refused),
		cmocka_unit_test(test_a_wake_up_comes_when_asked_for_and_only_then),
		cmocka_unit_test(test_two_processes_lose_nothing_at_speed),
		cmocka_unit_test(test_two_processes_that_sleep_at_each_entry_always_wake),
		cmocka_unit_test(test_what_a_killed_producer_put_is_still_there),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
