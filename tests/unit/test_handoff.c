/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "handoff/handoff.h"

static int line, scribe;

static int open_pair(void **state)
{
	int fds[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		return -1;
	line = fds[0];
	scribe = fds[1];
	return 0;
}

static int close_pair(void **state)
{
	(void)state;
	fd_close(&line);
	fd_close(&scribe);
	return 0;
}

static void test_the_ring_arrives_with_its_descriptors(void **state)
{
	const struct handoff_msg ring = { .kind = HANDOFF_RING };
	int fds[3] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO }, got[3] = { -1, -1, -1 };
	struct handoff_msg msg;

	(void)state;
	CHECK_INT(handoff_send(line, &ring, fds, 3, NULL), 0);
	CHECK_INT(handoff_recv(scribe, &msg, got, 3, NULL), 1);
	CHECK_INT(msg.kind, HANDOFF_RING);
	CHECK_INT(msg.version, HANDOFF_VERSION);
	for (int i = 0; i < 3; i++) {
		CHECK(got[i] > STDERR_FILENO);
		CHECK_INT(fcntl(got[i], F_GETFD), FD_CLOEXEC);
		fd_close(&got[i]);
	}
}

static void test_each_answer_arrives_as_it_was_said(void **state)
{
	const struct handoff_msg ready = { .kind = HANDOFF_READY,
					   .ready = { .next_index = UINT64_MAX,
						      .recovered_from = 7,
						      .cut_bytes = 8,
						      .was_clean = 1,
						      .is_new = 1,
						      .origin = "host/0123456789abcdef" } };
	const struct handoff_msg paused = { .kind = HANDOFF_STATE,
					    .state = { .paused = 1, .sys = 28 } };
	const struct handoff_msg failed = { .kind = HANDOFF_FAILED,
					    .failed = { .exit_status = 74, .text = "disk" } };
	struct handoff_msg msg;

	(void)state;
	CHECK_INT(handoff_recv(line, &msg, NULL, 0, NULL), CHT_E_FULL);
	CHECK_INT(handoff_send(scribe, &ready, NULL, 0, NULL), 0);
	CHECK_INT(handoff_send(scribe, &paused, NULL, 0, NULL), 0);
	CHECK_INT(handoff_send(scribe, &failed, NULL, 0, NULL), 0);
	CHECK_INT(handoff_recv(line, &msg, NULL, 0, NULL), 1);
	CHECK(msg.ready.next_index == UINT64_MAX && msg.ready.recovered_from == 7);
	CHECK(msg.ready.cut_bytes == 8 && msg.ready.was_clean == 1 && msg.ready.is_new == 1);
	CHECK_STR(str_of(msg.ready.origin), "host/0123456789abcdef");
	CHECK_INT(handoff_recv(line, &msg, NULL, 0, NULL), 1);
	CHECK(msg.kind == HANDOFF_STATE && msg.state.paused == 1 && msg.state.sys == 28);
	CHECK_INT(handoff_recv(line, &msg, NULL, 0, NULL), 1);
	CHECK_INT(msg.failed.exit_status, 74);
	CHECK_STR(str_of(msg.failed.text), "disk");
}

static void test_texts_end_whatever_the_peer_sent(void **state)
{
	struct handoff_msg msg = { .kind = HANDOFF_FAILED };

	(void)state;
	memset(msg.failed.text, 'x', sizeof(msg.failed.text));
	CHECK_INT(handoff_send(scribe, &msg, NULL, 0, NULL), 0);
	CHECK_INT(handoff_recv(line, &msg, NULL, 0, NULL), 1);
	CHECK_INT(strlen(msg.failed.text), sizeof(msg.failed.text) - 1);
	msg = (struct handoff_msg){ .kind = HANDOFF_READY };
	memset(&msg.ready, 'x', sizeof(msg.ready));
	CHECK_INT(handoff_send(scribe, &msg, NULL, 0, NULL), 0);
	CHECK_INT(handoff_recv(line, &msg, NULL, 0, NULL), 1);
	CHECK_INT(strlen(msg.ready.origin), HANDOFF_ORIGIN_MAX);
	CHECK_INT(strlen(msg.ready.vkey), HANDOFF_VKEY_MAX);
	CHECK_INT(strlen(msg.ready.reason), HANDOFF_REASON_MAX);
	CHECK_INT(strlen(msg.ready.predecessor), HANDOFF_NOTE_MAX);
}

static void test_a_message_of_another_shape_is_refused(void **state)
{
	static const struct {
		const char *why;
		uint32_t kind, version;
		size_t len;
	} rows[] = {
		{ "one byte short", HANDOFF_READY, HANDOFF_VERSION,
		  sizeof(struct handoff_msg) - 1 },
		{ "one byte long", HANDOFF_READY, HANDOFF_VERSION, sizeof(struct handoff_msg) + 1 },
		{ "kind alone", HANDOFF_READY, HANDOFF_VERSION, 4 },
		{ "no kind", 0, HANDOFF_VERSION, sizeof(struct handoff_msg) },
		{ "unknown kind", HANDOFF_RECEIPT + 1, HANDOFF_VERSION,
		  sizeof(struct handoff_msg) },
		{ "next version", HANDOFF_READY, HANDOFF_VERSION + 1, sizeof(struct handoff_msg) },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t raw[sizeof(struct handoff_msg) + 1] = { 0 };
		struct handoff_msg msg = { .kind = 77 };

		check_row = rows[i].why;
		memcpy(raw, &rows[i].kind, 4);
		memcpy(raw + 4, &rows[i].version, 4);
		CHECK_INT(send(scribe, raw, rows[i].len, 0), rows[i].len);
		CHECK_INT(handoff_recv(line, &msg, NULL, 0, NULL), CHT_E_PEER);
		CHECK_INT(msg.kind, 77);
	}
}

static int n_open(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_descriptors_nobody_expects_are_closed(void **state)
{
	struct handoff_msg msg = { .kind = HANDOFF_RING };
	int fds[4] = { 0, 1, 2, 0 }, got[3], before = n_open();

	(void)state;
	CHECK_INT(handoff_send(line, &msg, fds, 2, NULL), 0);
	CHECK_INT(handoff_recv(scribe, &msg, got, 3, NULL), CHT_E_PEER);
	CHECK_INT(handoff_send(line, &msg, fds, 4, NULL), 0);
	CHECK_INT(handoff_recv(scribe, &msg, got, 3, NULL), CHT_E_PEER);
	CHECK_INT(handoff_send(line, &msg, fds, 1, NULL), 0);
	CHECK_INT(handoff_recv(scribe, &msg, NULL, 0, NULL), CHT_E_PEER);
	msg.kind = 9;
	CHECK_INT(handoff_send(line, &msg, fds, 3, NULL), 0);
	CHECK_INT(handoff_recv(scribe, &msg, got, 3, NULL), CHT_E_PEER);
	CHECK_INT(n_open(), before);
}

static void test_the_end_of_the_line_is_told_apart_from_silence(void **state)
{
	struct handoff_msg msg;

	(void)state;
	CHECK_INT(handoff_recv(scribe, &msg, NULL, 0, NULL), CHT_E_FULL);
	fd_close(&line);
	CHECK_INT(handoff_recv(scribe, &msg, NULL, 0, NULL), 0);
	msg = (struct handoff_msg){ .kind = HANDOFF_STATE };
	CHECK_INT(handoff_send(scribe, &msg, NULL, 0, NULL), CHT_E_PEER);
}

static void test_a_last_word_survives_a_reset(void **state)
{
	const struct handoff_msg failed = { .kind = HANDOFF_FAILED,
					    .failed = { .exit_status = 78 } };
	const struct handoff_msg ring = { .kind = HANDOFF_RING };
	struct handoff_msg msg;

	(void)state;
	CHECK_INT(handoff_send(line, &ring, NULL, 0, NULL), 0);
	CHECK_INT(handoff_send(scribe, &failed, NULL, 0, NULL), 0);
	fd_close(&scribe); /* with the ring unread */
	CHECK_INT(handoff_recv(line, &msg, NULL, 0, NULL), 1);
	CHECK_INT(msg.failed.exit_status, 78);
	CHECK_INT(handoff_recv(line, &msg, NULL, 0, NULL), 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, open_pair, close_pair)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_the_ring_arrives_with_its_descriptors),
		CASE(test_each_answer_arrives_as_it_was_said),
		CASE(test_texts_end_whatever_the_peer_sent),
		CASE(test_a_message_of_another_shape_is_refused),
		CASE(test_descriptors_nobody_expects_are_closed),
		CASE(test_the_end_of_the_line_is_told_apart_from_silence),
		CASE(test_a_last_word_survives_a_reset),
	};

	return cmocka_run_group_tests_name("handoff", tests, NULL, NULL);
}
