/* SPDX-License-Identifier: Apache-2.0 */
#include "scribe_util.h"

#define START(line, err_fd, ...)                                                                   \
	do {                                                                                       \
		const char *const args_[] = { __VA_ARGS__ };                                       \
		start_scribe((line), (err_fd), args_, sizeof(args_) / sizeof(args_[0]));           \
	} while (0)

static const char secret[] = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I";

static void test_what_the_line_puts_is_stored_and_acknowledged(void **state)
{
	struct line line;
	struct handoff_msg ready;

	(void)state;
	start_scribe(&line, -1, NULL, 0);
	send_ring(&line);
	ready = hear(&line, HANDOFF_READY);
	CHECK(ready.ready.next_index == 0 && ready.ready.was_clean == 1 && ready.ready.is_new == 1);
	CHECK(strncmp(ready.ready.origin, "test/", 5) == 0);
	put_all(&line, 1);
	CHECK_INT(count_ledger(), 1);
	put_all(&line, 30000);
	CHECK_INT(count_ledger(), 30001);
	CHECK_INT(end_line(&line), 0);
	start_scribe(&line, -1, NULL, 0);
	send_ring(&line);
	ready = hear(&line, HANDOFF_READY);
	CHECK(ready.ready.next_index == 30001 && ready.ready.recovered_from == 30001);
	CHECK(ready.ready.was_clean == 1 && ready.ready.is_new == 0 && ready.ready.cut_bytes == 0);
	CHECK_INT(end_line(&line), 0);
}

static void test_what_recovery_kept_is_shown_before_anybody_hears_of_it(void **state)
{
	struct ledger ledger = LEDGER_NULL;
	struct ledger_recovery found;
	struct handoff_msg ready;
	struct line line;

	(void)state;
	make_ledger(100, false);
	open_ledger(&ledger, &found);
	CHECK_INT(write_entries(&ledger, batch(100, 7), 7, NULL), 0);
	ledger_close(&ledger);
	start_scribe(&line, -1, NULL, 0);
	send_ring(&line);
	ready = hear(&line, HANDOFF_READY);
	CHECK(ready.ready.next_index == 107 && ready.ready.recovered_from == 100);
	CHECK_INT(checkpoint_size(), 107);
	/* A line that has nothing to say: the end is as clean as any. */
	CHECK_INT(end_line(&line), 0);
	CHECK_INT(unlink(path_of("ledger/checkpoint")), 0);
	start_line(&line);
	CHECK_INT(line.base, 107);
	CHECK_INT(checkpoint_size(), 107);
	CHECK_INT(end_line(&line), 0);
}

static void test_an_entry_put_before_ready_is_stored(void **state)
{
	struct line line;

	(void)state;
	start_scribe(&line, -1, NULL, 0);
	send_ring(&line);
	CHECK(put_next(&line));
	await_ready(&line);
	put_all(&line, 1);
	CHECK_INT(end_line(&line), 0);
	CHECK_INT(count_ledger(), 2);
}

static void test_the_ring_of_a_line_that_ended_is_committed(void **state)
{
	struct line line;

	(void)state;
	start_line(&line);
	for (int i = 0; i < 40000; i++)
		CHECK(put_next(&line));
	CHECK_INT(end_line(&line), 0);
	CHECK_INT(count_ledger(), 40000);
	CHECK(is_marked_clean());
	CHECK_INT(checkpoint_size(), 40000);
}

static void test_the_ring_of_a_killed_line_is_committed(void **state)
{
	struct line line;
	int status;
	pid_t pid;

	(void)state;
	start_line(&line);
	/* The line proper is a process of its own; this one keeps neither end nor ring. */
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		for (int i = 0; i < 5000; i++)
			if (!put_next(&line))
				_exit(1);
		(void)kill(getpid(), SIGKILL);
	}
	fd_close(&line.sock);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status));
	CHECK_INT(await_exit(&line), 0);
	CHECK_INT(count_ledger(), 5000);
}

static void test_a_line_that_never_spoke_costs_nothing(void **state)
{
	struct line line;

	(void)state;
	START(&line, -1, "--init");
	CHECK_INT(end_line(&line), 0);
}

static void test_init_makes_the_ledger_once(void **state)
{
	struct line line;
	char origin[HANDOFF_ORIGIN_MAX + 1];

	remove_scratch();
	snprintf(scratch, sizeof(scratch), "/tmp/cht_scribe_new_%d", getpid());
	START(&line, -1, "--init", "--name", "box.example");
	send_ring(&line);
	snprintf(origin, sizeof(origin), "%s", hear(&line, HANDOFF_READY).ready.origin);
	CHECK(strncmp(origin, "box.example/", 12) == 0);
	CHECK_INT(end_line(&line), 0);
	START(&line, -1, "--init", "--name", "other");
	send_ring(&line);
	CHECK_STR(str_of(hear(&line, HANDOFF_READY).ready.origin), origin);
	CHECK_INT(end_line(&line), 0);
	(void)state;
}

static void damage(void)
{
	make_ledger(100, true);
	write_at(segment_path(0), -1, "x", 1);
}

static void lose_origin(void)
{
	CHECK_INT(unlink(path_of("ledger/origin")), 0);
}

static void nothing(void)
{
}

/* Starts that must fail: the line hears why and is the one to print it; the status says the kind.
 */
static void test_a_start_that_fails_says_why(void **state)
{
	static const struct {
		const char *why;
		void (*prepare)(void);
		const char *args[6];
		const char *env;
		int status;
		const char *text;
	} rows[] = {
		{ "no ledger", lose_origin, { NULL }, NULL, 78, "--init" },
		{ "damage", damage, { NULL }, NULL, 11, "ledger damaged" },
		{ "bad name", lose_origin, { "--init", "--name", "A B" }, NULL, 78, "a-z" },
		{ "unknown algorithm", nothing, { NULL }, "md5", 78, "SIGN_ALG" },
		{ "no key", nothing, { NULL }, "hmac", 78, "SIGN_" },
		{ "key file absent",
		  nothing,
		  { "--sign-alg", "ed25519", "--sign-kid", "k", "--sign-key-file", "/nowhere" },
		  NULL,
		  78,
		  "/nowhere" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct handoff_msg msg;
		struct line line;
		char text[1024] = { 0 };
		unsigned n = 0;
		int err[2];

		check_row = rows[i].why;
		rows[i].prepare();
		CHECK_INT(pipe2(err, O_CLOEXEC), 0);
		if (rows[i].env != NULL)
			CHECK_INT(setenv("CELLOS_HOST_TELEMETRY_SIGN_ALG", rows[i].env, 1), 0);
		while (n < 6 && rows[i].args[n] != NULL)
			n++;
		start_scribe(&line, err[1], rows[i].args, n);
		(void)unsetenv("CELLOS_HOST_TELEMETRY_SIGN_ALG");
		fd_close(&err[1]);
		send_ring(&line);
		msg = hear(&line, HANDOFF_FAILED);
		CHECK_INT(msg.failed.exit_status, rows[i].status);
		CHECK(strstr(msg.failed.text, rows[i].text) != NULL);
		CHECK_INT(await_exit(&line), rows[i].status);
		CHECK_INT(fd_read_all(err[0], text, sizeof(text) - 1, NULL), 0);
		fd_close(&err[0]);
		(void)teardown_ledger(state);
		CHECK_INT(setup_scribe(state), 0);
	}
}

static void test_a_line_that_breaks_the_protocol_ends_the_scribe(void **state)
{
	const struct handoff_msg odd = { .kind = HANDOFF_STATE };
	struct handoff_msg msg;
	struct line line;
	uint64_t far = UINT64_MAX / 2;

	(void)state;
	start_line(&line);
	put_all(&line, 7);
	for (int i = 0; i < 5000; i++)
		CHECK(put_next(&line));
	CHECK_INT(handoff_send(line.sock, &odd, NULL, 0, NULL), 0);
	msg = hear(&line, HANDOFF_FAILED);
	CHECK_INT(msg.failed.exit_status, 1);
	CHECK_INT(await_exit(&line), 1);
	/* A counter that cannot be, with entries before it that can. */
	start_line(&line);
	put_all(&line, 7);
	CHECK_INT(pwrite(line.ring.mem_fd, &far, sizeof(far), 0), sizeof(far));
	far = 1;
	CHECK_INT(write(line.ring.ready_fd, &far, sizeof(far)), sizeof(far));
	msg = hear(&line, HANDOFF_FAILED);
	CHECK(strstr(msg.failed.text, "ring") != NULL);
	CHECK_INT(await_exit(&line), 1);
	CHECK_INT(count_ledger(), 5014);
}

static void test_signals_of_a_terminal_are_the_lines_affair(void **state)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	struct line line;

	(void)state;
	start_line(&line);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		CHECK_INT(kill(line.pid, signals[i]), 0);
		put_all(&line, 10);
	}
	CHECK_INT(end_line(&line), 0);
	CHECK_INT(count_ledger(), 30);
}

/* Whether a file of /proc/PID holds these bytes; -1 when it cannot be read. */
static int proc_has(pid_t pid, const char *file, const char *bytes)
{
	static char mem[1 << 17];
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : fd_read_all(fd, mem, sizeof(mem), NULL);
	fd_close(&fd);
	return n < 0 ? -1 : memmem(mem, (size_t)n, bytes, strlen(bytes)) != NULL;
}

static const char event[] = "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"t\","
			    "\"datacontenttype\":\"application/json\",\"data\":{},\"time\":null,"
			    "\"traceparent\":null}";

/* One event through a scribe that signs; the entry must be its envelope. */
static void check_signed_by(struct line *line, const char *algorithm, size_t signature_len)
{
	char tail[128];
	size_t tail_len = (size_t)snprintf(
		tail, sizeof(tail), ",\"signerKid\":\"k1\",\"algorithm\":\"%s\",\"signature\":\"",
		algorithm);
	struct ledger_reader reader = LEDGER_READER_NULL;
	struct cht_bytes entry;

	send_ring(line);
	await_ready(line);
	CHECK(put_entry(line, (const uint8_t *)event, sizeof(event) - 1));
	CHECK(is_readable(line->ring.durable_fd, WAIT_MS));
	CHECK(proc_has(line->pid, "environ", secret) <= 0);
	CHECK(proc_has(line->pid, "cmdline", secret) <= 0);
	CHECK(proc_has(line->pid, "limits", "Max core file size        0                    0 ") ==
	      1);
	CHECK_INT(end_line(line), 0);
	CHECK_INT(ledger_reader_open(&reader, scratch, NULL), 0);
	CHECK_INT(ledger_next(&reader, &entry, NULL), 1);
	CHECK_INT(entry.len, 9 + sizeof(event) - 1 + tail_len + signature_len + 2);
	CHECK(memcmp(entry.ptr, "{\"event\":", 9) == 0);
	CHECK(memcmp(entry.ptr + 9, event, sizeof(event) - 1) == 0);
	CHECK(memcmp(entry.ptr + 9 + sizeof(event) - 1, tail, tail_len) == 0);
	CHECK_INT(ledger_next(&reader, &entry, NULL), 0);
	ledger_reader_close(&reader);
	CHECK_INT(checkpoint_size(), 1);
}

static void check_signed(struct line *line)
{
	check_signed_by(line, "hmac-sha256", 43);
}

static void test_a_key_from_the_environment_signs_and_disappears(void **state)
{
	struct line line;

	(void)state;
	CHECK_INT(setenv("CELLOS_HOST_TELEMETRY_SIGN_ALG", "hmac-sha256", 1), 0);
	CHECK_INT(setenv("CELLOS_HOST_TELEMETRY_SIGN_KID", "k1", 1), 0);
	CHECK_INT(setenv("CELLOS_HOST_TELEMETRY_SIGN_HMAC_KEY", secret, 1), 0);
	start_scribe(&line, -1, NULL, 0);
	(void)unsetenv("CELLOS_HOST_TELEMETRY_SIGN_ALG");
	(void)unsetenv("CELLOS_HOST_TELEMETRY_SIGN_KID");
	(void)unsetenv("CELLOS_HOST_TELEMETRY_SIGN_HMAC_KEY");
	check_signed(&line);
}

static void set_ed25519(const char *seed)
{
	CHECK_INT(setenv("CELLOS_HOST_TELEMETRY_SIGN_ALG", "ed25519", 1), 0);
	CHECK_INT(setenv("CELLOS_HOST_TELEMETRY_SIGN_KID", "k1", 1), 0);
	CHECK_INT(setenv("CELLOS_HOST_TELEMETRY_SIGN_ED25519_SK", seed, 1), 0);
}

static void unset_ed25519(void)
{
	(void)unsetenv("CELLOS_HOST_TELEMETRY_SIGN_ALG");
	(void)unsetenv("CELLOS_HOST_TELEMETRY_SIGN_KID");
	(void)unsetenv("CELLOS_HOST_TELEMETRY_SIGN_ED25519_SK");
}

static void test_envelopes_by_ed25519_have_a_key_of_their_own(void **state)
{
	struct line line;

	(void)state;
	set_ed25519(test_key_seed); /* the log's */
	start_scribe(&line, -1, NULL, 0);
	unset_ed25519();
	send_ring(&line);
	CHECK_INT(hear(&line, HANDOFF_FAILED).failed.exit_status, 78);
	CHECK_INT(await_exit(&line), 78);
	set_ed25519("CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg");
	start_scribe(&line, -1, NULL, 0);
	unset_ed25519();
	check_signed_by(&line, "ed25519", 86);
}

/* Starts a scribe that reads these bytes from its --env-fd. */
static void start_piped(struct line *line, const char *bytes, size_t len, const char *more)
{
	const char *args[] = { "--env-fd",   NULL, "--sign-alg",      "ed25519",
			       "--sign-kid", "k1", "--sign-key-file", more };
	char text[16];
	int ends[2];

	CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
	CHECK_INT(write(ends[1], bytes, len), (long long)len);
	fd_close(&ends[1]);
	CHECK_INT(fcntl(ends[0], F_SETFD, 0), 0);
	snprintf(text, sizeof(text), "%d", ends[0]);
	args[1] = text;
	start_scribe(line, -1, args, more != NULL ? 8 : 2);
	fd_close(&ends[0]);
}

static size_t piped_key(char *out, size_t cap)
{
	return (size_t)snprintf(out, cap,
				"CELLOS_HOST_TELEMETRY_SIGN_ALG=HMAC%c"
				"CELLOS_HOST_TELEMETRY_SIGN_KID=k1%c"
				"CELLOS_HOST_TELEMETRY_SIGN_HMAC_KEY=%s%c",
				0, 0, secret, 0);
}

static void test_a_key_from_the_parents_pipe_signs(void **state)
{
	char bytes[256];
	struct line line;

	(void)state;
	start_piped(&line, bytes, piped_key(bytes, sizeof(bytes)), NULL);
	check_signed(&line);
}

static void test_what_the_pipe_may_not_hold_is_refused(void **state)
{
	char bytes[256];
	size_t n = piped_key(bytes, sizeof(bytes));
	struct line line;

	(void)state;
	check_row = "cut in a record";
	start_piped(&line, bytes, n - 1, NULL);
	send_ring(&line);
	CHECK_INT(hear(&line, HANDOFF_FAILED).failed.exit_status, 78);
	CHECK_INT(await_exit(&line), 78);
	check_row = "another variable";
	start_piped(&line, "PATH=/bin", 10, NULL);
	send_ring(&line);
	CHECK_INT(hear(&line, HANDOFF_FAILED).failed.exit_status, 78);
	CHECK_INT(await_exit(&line), 78);
	check_row = "a key file as well";
	start_piped(&line, bytes, n, "/dev/null");
	send_ring(&line);
	CHECK(strstr(hear(&line, HANDOFF_FAILED).failed.text, "both") != NULL);
	CHECK_INT(await_exit(&line), 78);
}

static void test_what_is_no_event_is_never_signed(void **state)
{
	char bytes[256];
	struct line line;

	(void)state;
	start_piped(&line, bytes, piped_key(bytes, sizeof(bytes)), NULL);
	send_ring(&line);
	await_ready(&line);
	CHECK(put_entry(&line, (const uint8_t *)event, sizeof(event) - 1));
	CHECK(put_entry(&line, (const uint8_t *)"{\"key\":1}", 9));
	CHECK_INT(hear(&line, HANDOFF_FAILED).failed.exit_status, 1);
	CHECK_INT(ring_durable_count(&line.ring), 1);
	CHECK_INT(await_exit(&line), 1);
}

static void test_a_second_scribe_waits_for_the_first(void **state)
{
	struct line first, second;

	(void)state;
	start_line(&first);
	put_all(&first, 5);
	start_scribe(&second, -1, NULL, 0);
	send_ring(&second);
	CHECK(!is_readable(second.sock, 300));
	put_all(&first, 5);
	CHECK_INT(end_line(&first), 0);
	await_ready(&second);
	CHECK_INT(second.base, 10);
	CHECK_INT(end_line(&second), 0);
}

static void test_a_lock_that_stays_held_is_told_after_ten_seconds(void **state)
{
	struct handoff_msg msg;
	struct line first, second;

	(void)state;
	start_line(&first);
	start_scribe(&second, -1, NULL, 0);
	send_ring(&second);
	msg = hear(&second, HANDOFF_FAILED);
	CHECK_INT(msg.failed.exit_status, 1);
	CHECK(strstr(msg.failed.text, "lock") != NULL);
	CHECK_INT(await_exit(&second), 1);
	CHECK_INT(end_line(&first), 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup_scribe, teardown_ledger)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_what_the_line_puts_is_stored_and_acknowledged),
		CASE(test_what_recovery_kept_is_shown_before_anybody_hears_of_it),
		CASE(test_an_entry_put_before_ready_is_stored),
		CASE(test_the_ring_of_a_line_that_ended_is_committed),
		CASE(test_the_ring_of_a_killed_line_is_committed),
		CASE(test_a_line_that_never_spoke_costs_nothing),
		CASE(test_init_makes_the_ledger_once),
		CASE(test_a_start_that_fails_says_why),
		CASE(test_a_line_that_breaks_the_protocol_ends_the_scribe),
		CASE(test_signals_of_a_terminal_are_the_lines_affair),
		CASE(test_a_key_from_the_environment_signs_and_disappears),
		CASE(test_envelopes_by_ed25519_have_a_key_of_their_own),
		CASE(test_a_key_from_the_parents_pipe_signs),
		CASE(test_what_the_pipe_may_not_hold_is_refused),
		CASE(test_what_is_no_event_is_never_signed),
		CASE(test_a_second_scribe_waits_for_the_first),
		CASE(test_a_lock_that_stays_held_is_told_after_ten_seconds),
	};

	on_disk = true;
	return cmocka_run_group_tests_name("scribe", tests, NULL, NULL);
}
