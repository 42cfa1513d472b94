/* SPDX-License-Identifier: Apache-2.0
 *
 * The scribe's loop in this process, so that its system calls and its allocator can be watched;
 * the line, where it must live, is a child.
 */
#include "commit_util.h"

#include "base/clk.h"
#include "handoff/handoff.h"
#include "scribe/scribe.h"
#include "sign/sign.h"
#include <poll.h>
#include <sys/socket.h>

/* Every allocation of this process, those of libraries too. */
static unsigned long n_allocations;

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *mem, size_t n);

#if defined(__has_feature) /* clang's way to say what gcc defines */
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__
#endif
#endif

#if !defined(__SANITIZE_ADDRESS__)
void *malloc(size_t n)
{
	n_allocations++;
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	n_allocations++;
	return __libc_calloc(n, size);
}

void *realloc(void *mem, size_t n)
{
	n_allocations++;
	return __libc_realloc(mem, n);
}
#endif

static struct scribe scribe;
static struct ring line_ring;
static int line_sock;

/* Signatures, and those given while a sync was under way or when one had failed. */
static unsigned n_signed, n_too_soon;

int __real_sign_log_key_sign(const struct sign_log_key *key, struct cht_bytes bytes,
			     uint8_t out[SIGN_LOG_SIGNATURE_BYTES]);
int __wrap_sign_log_key_sign(const struct sign_log_key *key, struct cht_bytes bytes,
			     uint8_t out[SIGN_LOG_SIGNATURE_BYTES]);
int __wrap_sign_log_key_sign(const struct sign_log_key *key, struct cht_bytes bytes,
			     uint8_t out[SIGN_LOG_SIGNATURE_BYTES])
{
	const struct flush *flush = &scribe.ledger.flush;

	n_signed++;
	n_too_soon += flush->n_pending > 0 || flush->sys != 0;
	return __real_sign_log_key_sign(key, bytes, out);
}

static int setup_scribe(void **state)
{
	struct ledger_recovery found;
	int pair[2];

	plan.armed = false;
	if (setup_ledger(state) != 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -1;
	scribe = (struct scribe)SCRIBE_NULL;
	line_sock = pair[0];
	scribe.line_fd = pair[1];
	if (ring_create(&line_ring, NULL) != 0 ||
	    ring_attach(&scribe.ring, fcntl(line_ring.mem_fd, F_DUPFD_CLOEXEC, 3),
			fcntl(line_ring.ready_fd, F_DUPFD_CLOEXEC, 3),
			fcntl(line_ring.durable_fd, F_DUPFD_CLOEXEC, 3), NULL) != 0)
		return -1;
	if (try_open(&scribe.ledger, scratch, &found, NULL) != 0)
		return -1;
	if (sign_log_key_from_text(&scribe.log_key, test_key_seed, "test", NULL) != 0)
		return -1;
	return batch_init(&scribe.batch, true, NULL);
}

static int teardown_scribe(void **state)
{
	plan.armed = false;
	fd_close(&scribe.line_fd);
	scribe_close(&scribe);
	ring_close(&line_ring);
	fd_close(&line_sock);
	return teardown_ledger(state);
}

static bool put(uint64_t i)
{
	uint8_t *place = ring_reserve(&line_ring, 42);
	uint8_t bytes[42];

	if (place == NULL)
		return false;
	entry_fill(bytes, i);
	memcpy(place, bytes + 2, entry_len(i));
	ring_publish(&line_ring, entry_len(i));
	return true;
}

/* A line that put n entries and ended. */
static void put_and_end(uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		CHECK(put(i));
	fd_close(&line_sock);
}

/* The number of the call by which the line is told of the first commit. */
static unsigned find_telling(void)
{
	for (unsigned i = 1; i <= plan.n; i++)
		if (plan.made[i - 1] == WRITE && strstr(plan.what[i - 1], "eventfd") != NULL)
			return i;
	return 0;
}

/* An .idx and `checkpoints` are for convenience: nothing waits for them. */
static bool is_needed(unsigned i)
{
	return !is_idx(i) && strcmp(plan.what[i - 1], "checkpoints") != 0;
}

static void test_nothing_is_acknowledged_that_was_not_written(void **state)
{
	static const int errors[] = { EIO, ENOSPC };
	unsigned n;

	put_and_end(300);
	arm(0, FAIL, 0);
	CHECK_INT(scribe_run(&scribe, NULL), 0);
	plan.armed = false;
	CHECK_INT(ring_durable_count(&line_ring), 300);
	CHECK_INT(checkpoint_size(), 300);
	CHECK(is_marked_clean());
	n = find_telling();
	CHECK(n > 12);
	n_too_soon = 0;
	for (unsigned i = 1; i < n; i++) {
		for (size_t e = 0; e < 2; e++) {
			int r;

			(void)teardown_scribe(state);
			CHECK_INT(setup_scribe(state), 0);
			/* Nobody is there to wait for more space: pause is stop. */
			scribe.pause_on_full = true;
			put_and_end(300);
			arm(i, FAIL, errors[e]);
			r = scribe_run(&scribe, NULL);
			plan.armed = false;
			say("run", i, "fails");
			if (!is_needed(i)) {
				CHECK_INT(r, 0);
				CHECK_INT(ring_durable_count(&line_ring), 300);
				continue;
			}
			CHECK(r == CHT_E_IO || (r == CHT_E_FULL && errors[e] == ENOSPC));
			CHECK(scribe.ledger.is_broken == (r == CHT_E_IO));
			CHECK_INT(ring_durable_count(&line_ring), 0);
			CHECK_INT(checkpoint_size(), 0);
			CHECK(!is_marked_clean());
			CHECK_INT(n_too_soon, 0);
		}
	}
}

static void test_nothing_is_signed_before_its_sync_has_ended(void **state)
{
	(void)state;
	flush_open(&scribe.ledger.flush);
	put_and_end(300);
	n_signed = n_too_soon = 0;
	CHECK_INT(scribe_run(&scribe, NULL), 0);
	CHECK_INT(checkpoint_size(), 300);
	CHECK(n_signed > 0);
	CHECK_INT(n_too_soon, 0);
}

static void wait_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (poll(&p, 1, 30000) != 1)
		_exit(10);
}

/* The line's part: entries, a pause, entries that wait meanwhile, the end of the pause. */
static int live_through_a_pause(void)
{
	struct handoff_msg msg;
	uint64_t taken, later;

	for (uint64_t i = 0; i < 300; i++)
		(void)put(i);
	wait_readable(line_sock);
	if (handoff_recv(line_sock, &msg, NULL, 0, NULL) != 1 || msg.kind != HANDOFF_STATE ||
	    msg.state.paused != 1 || msg.state.sys != ENOSPC)
		return 1;
	if (pread(line_ring.mem_fd, &taken, sizeof(taken), 128) != sizeof(taken))
		return 2;
	for (uint64_t i = 300; i < 600; i++)
		(void)put(i);
	wait_readable(line_sock);
	if (pread(line_ring.mem_fd, &later, sizeof(later), 128) != sizeof(later))
		return 3;
	if (handoff_recv(line_sock, &msg, NULL, 0, NULL) != 1 || msg.kind != HANDOFF_STATE ||
	    msg.state.paused != 0)
		return 4;
	while (ring_durable_count(&line_ring) < 600) {
		wait_readable(line_ring.durable_fd);
		ring_clear(line_ring.durable_fd);
	}
	return later >= taken ? 0 : 5;
}

static void pause_at(unsigned i)
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		fd_close(&scribe.line_fd);
		_exit(live_through_a_pause());
	}
	fd_close(&line_sock);
	scribe.pause_on_full = true;
	arm(i, FAIL, ENOSPC);
	CHECK_INT(scribe_run(&scribe, NULL), 0);
	plan.armed = false;
	say("pause", i, "finds no space");
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
	CHECK_INT(count_ledger(), 600);
	CHECK_INT(checkpoint_size(), 600);
	ledger_close(&scribe.ledger);
	check_reopens(0, 600, 600);
}

static void test_a_pause_loses_nothing_and_is_told(void **state)
{
	enum call made_[CALLS_MAX];
	bool needed[CALLS_MAX];
	unsigned n;

	put_and_end(300);
	arm(0, FAIL, 0);
	CHECK_INT(scribe_run(&scribe, NULL), 0);
	plan.armed = false;
	n = find_telling();
	memcpy(made_, plan.made, sizeof(made_));
	for (unsigned i = 1; i < n; i++)
		needed[i] = is_needed(i);
	for (unsigned i = 1; i < n; i++) {
		if (is_sync(made_[i - 1]) || !needed[i])
			continue;
		(void)teardown_scribe(state);
		CHECK_INT(setup_scribe(state), 0);
		pause_at(i);
	}
}

/* The line agrees while a commit is on its way to the same slot of the state. */
static void test_a_pruning_waits_for_the_commit_under_way(void **state)
{
	char note[LEDGER_NOTE_MAX + 1];
	struct ledger ledger = LEDGER_NULL;
	struct ledger_recovery found;

	(void)state;
	ledger_close(&scribe.ledger);
	make_ledger(SEGMENT_ENTRIES + 5, false);
	CHECK_INT(try_open(&scribe.ledger, scratch, &found, NULL), 0);
	scribe.proposed = SEGMENT_ENTRIES;
	CHECK_INT(write_entries(&scribe.ledger, batch(SEGMENT_ENTRIES + 5, 10), 10, NULL), 0);
	CHECK_INT(ledger_sync(&scribe.ledger, NULL), 0);
	CHECK_INT(checkpoint_compose(&scribe, note, NULL), 0);
	CHECK_INT(ledger_publish_begin(&scribe.ledger, str_of(note), NULL), 0);
	scribe.stage = STAGE_PUBLISHING;
	scribe.n_written = scribe.n_under_way = 10;
	CHECK_INT(retain_on_answer(&scribe, SEGMENT_ENTRIES, NULL), 0);
	CHECK_INT(retain_apply(&scribe, NULL), 0);
	CHECK(size_of(segment_path(0)) > 0);
	fd_close(&line_sock);
	CHECK_INT(scribe_run(&scribe, NULL), 0);
	CHECK_INT(size_of(segment_path(0)), -1);
	ledger_close(&scribe.ledger);
	open_ledger(&ledger, &found);
	CHECK(found.was_clean);
	CHECK_INT(found.kept, SEGMENT_ENTRIES + 15);
	CHECK_INT(ledger.state.min_index, SEGMENT_ENTRIES);
	ledger_close(&ledger);
}

/* It is heard as the first commit arrives, when the next batch is already taken. */
static void test_what_was_put_before_a_foul_word_is_stored(void **state)
{
	const struct handoff_msg odd = { .kind = HANDOFF_PRUNED, .prune = { 2 * SEGMENT_ENTRIES } };
	enum { N = 2 * COMMIT_ENTRIES + 100 };

	(void)state;
	for (uint64_t i = 0; i < N; i++)
		CHECK(put(i));
	scribe.proposed = SEGMENT_ENTRIES;
	CHECK_INT(handoff_send(line_sock, &odd, NULL, 0, NULL), 0);
	CHECK_INT(scribe_run(&scribe, NULL), CHT_E_PEER);
	CHECK_INT(ring_durable_count(&line_ring), N);
	CHECK_INT(checkpoint_size(), N);
	CHECK_INT(count_ledger(), N);
	CHECK(!is_marked_clean());
}

static const char *key_of(void *context, const char *name)
{
	(void)context;
	return strstr(name, "_ALG") != NULL        ? "hmac-sha256"
	       : strstr(name, "_KID") != NULL      ? "k"
	       : strstr(name, "_HMAC_KEY") != NULL ? "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I"
						   : NULL;
}

/* The line's part: n events, as fast as there is room. */
static int put_events(unsigned n)
{
	static const char head[] = "{\"specversion\":\"1.0\",\"id\":\"";

	for (unsigned i = 0; i < n;) {
		uint8_t *place = ring_reserve(&line_ring, 700);

		if (place != NULL) {
			memset(place, 'x', 700);
			memcpy(place, head, sizeof(head) - 1);
			place[699] = '}';
			ring_publish(&line_ring, 700);
			i++;
			continue;
		}
		ring_clear(line_ring.durable_fd);
		if (ring_await_room(&line_ring, 700))
			wait_readable(line_ring.durable_fd);
	}
	return 0;
}

static void run_without_allocator(void)
{
	enum { N = 100000 };
	unsigned long before = n_allocations;
	uint64_t began;
	int status;
	pid_t pid;

	free(malloc(1));
	if (n_allocations == before)
		skip(); /* another allocator watches: a sanitizer or valgrind */
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		fd_close(&scribe.line_fd);
		_exit(put_events(N));
	}
	fd_close(&line_sock);
	before = n_allocations;
	began = clk_process_ns();
	CHECK_INT(scribe_run(&scribe, NULL), 0);
	CHECK_INT(n_allocations - before, 0);
	fprintf(stderr, "%llu ns of processor an event\n",
		(unsigned long long)(clk_process_ns() - began) / N);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
	CHECK_INT(scribe.ledger.tree.size, N);
	CHECK_INT(checkpoint_size(), N);
}

static void test_a_hundred_thousand_events_call_no_allocator(void **state)
{
	(void)state;
	run_without_allocator();
}

/* Of syncs that were taken note of already, the eventfd may be readable still. */
static void test_what_is_left_of_a_sync_wakes_nobody(void **state)
{
	enum { IDLE_MS = 300 };
	uint64_t begin = clk_process_ns();
	int status;
	pid_t pid;

	(void)state;
	flush_open(&scribe.ledger.flush);
	if (scribe.ledger.flush.context == 0)
		skip(); /* no syncs beside us here, and no eventfd */
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		const uint64_t one = 1;

		fd_close(&scribe.line_fd);
		(void)put(0);
		while (ring_durable_count(&line_ring) < 1) {
			wait_readable(line_ring.durable_fd);
			ring_clear(line_ring.durable_fd);
		}
		if (write(scribe.ledger.flush.done_fd, &one, sizeof(one)) != sizeof(one))
			_exit(1);
		(void)poll(NULL, 0, IDLE_MS);
		_exit(0);
	}
	fd_close(&line_sock);
	CHECK_INT(scribe_run(&scribe, NULL), 0);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
	CHECK(clk_process_ns() - begin < (uint64_t)IDLE_MS * 1000000 / 3);
}

static void test_a_hundred_thousand_signed_events_call_no_allocator(void **state)
{
	(void)state;
	CHECK_INT(signer_from_getenv(&scribe.signer, key_of, NULL, NULL), 0);
	CHECK(scribe.signer != NULL);
	run_without_allocator();
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup_scribe, teardown_scribe)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_nothing_is_acknowledged_that_was_not_written),
		CASE(test_nothing_is_signed_before_its_sync_has_ended),
		CASE(test_a_pause_loses_nothing_and_is_told),
		CASE(test_a_pruning_waits_for_the_commit_under_way),
		CASE(test_what_was_put_before_a_foul_word_is_stored),
		CASE(test_what_is_left_of_a_sync_wakes_nobody),
		CASE(test_a_hundred_thousand_events_call_no_allocator),
		CASE(test_a_hundred_thousand_signed_events_call_no_allocator),
	};

	return cmocka_run_group_tests_name("scribe_run", tests, NULL, NULL);
}
