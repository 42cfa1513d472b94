/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "opening/opening.h"

static int with; /* what came with a request */
static int line, opener;

static int open_pair(void **state)
{
	int fds[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		return -1;
	line = fds[0];
	opener = fds[1];
	return 0;
}

static int close_pair(void **state)
{
	(void)state;
	fd_close(&line);
	fd_close(&opener);
	return 0;
}

static int n_open(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_requests_and_answers_arrive_as_they_were_sent(void **state)
{
	const struct opening_request bind = { .kind = OPENING_BIND,
					      .ticket = UINT64_MAX,
					      .make = { .uid = 7, .gid = -1, .mode = 0660 },
					      .path = "/run/v_9001" };
	const struct opening_answer bound = { .kind = OPENING_BIND, .ticket = 5, .made = 9 };
	const struct opening_answer failed = {
		.kind = OPENING_BIND, .ticket = 6, .code = CHT_E_BIND, .sys = 13, .text = "no"
	};
	struct opening_request request;
	struct opening_answer answer;
	int fd = 77;

	(void)state;
	CHECK_INT(opening_take_answer(line, &answer, &fd, NULL), CHT_E_FULL);
	CHECK_INT(opening_ask(line, &bind, -1, NULL), 0);
	CHECK_INT(opening_take_request(opener, &request, &with, NULL), 1);
	CHECK(request.ticket == UINT64_MAX && request.make.uid == 7 && request.make.gid == -1);
	CHECK_INT(request.make.mode, 0660);
	CHECK_STR(str_of(request.path), "/run/v_9001");
	CHECK_INT(opening_reply(opener, &bound, STDERR_FILENO, NULL), 0);
	CHECK_INT(opening_reply(opener, &failed, -1, NULL), 0);
	CHECK_INT(opening_take_answer(line, &answer, &fd, NULL), 1);
	CHECK(fd > STDERR_FILENO && answer.ticket == 5 && answer.made == 9 && answer.code == 0);
	CHECK_INT(fcntl(fd, F_GETFD), FD_CLOEXEC);
	fd_close(&fd);
	CHECK_INT(opening_take_answer(line, &answer, &fd, NULL), 1);
	CHECK(fd == -1 && answer.code == CHT_E_BIND && answer.sys == 13);
	CHECK_STR(str_of(answer.text), "no");
	fd_close(&opener);
	CHECK_INT(opening_take_answer(line, &answer, &fd, NULL), 0);
	CHECK_INT(opening_ask(line, &bind, -1, NULL), CHT_E_PEER);
}

static void test_a_message_of_another_shape_is_refused(void **state)
{
	static const struct {
		const char *why;
		uint32_t kind, version;
		ptrdiff_t more;
	} rows[] = {
		{ "one byte short", OPENING_UNLINK, OPENING_VERSION, -1 },
		{ "one byte long", OPENING_UNLINK, OPENING_VERSION, 1 },
		{ "no kind", 0, OPENING_VERSION, 0 },
		{ "unknown kind", OPENING_N_KINDS, OPENING_VERSION, 0 },
		{ "next version", OPENING_UNLINK, OPENING_VERSION + 1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t raw[sizeof(struct opening_request) + 1] = { 0 };
		struct opening_request request = { .kind = 77 };
		struct opening_answer answer = { .kind = 77 };
		size_t asked = (size_t)((ptrdiff_t)sizeof(request) + rows[i].more);
		size_t answered = (size_t)((ptrdiff_t)sizeof(answer) + rows[i].more);
		int fd = 77;

		check_row = rows[i].why;
		memcpy(raw, &rows[i].kind, 4);
		memcpy(raw + 4, &rows[i].version, 4);
		CHECK_INT(send(line, raw, asked, 0), asked);
		CHECK_INT(opening_take_request(opener, &request, &with, NULL), CHT_E_PEER);
		CHECK_INT(send(opener, raw, answered, 0), answered);
		CHECK_INT(opening_take_answer(line, &answer, &fd, NULL), CHT_E_PEER);
		CHECK(request.kind == 77 && answer.kind == 77 && fd == 77);
	}
	check_row = "READY is no request";
	CHECK_INT(opening_ask(line, &(struct opening_request){ .kind = OPENING_READY }, -1, NULL),
		  0);
	CHECK_INT(opening_take_request(opener, &(struct opening_request){ 0 }, &with, NULL),
		  CHT_E_PEER);
}

static void test_a_descriptor_comes_where_one_belongs_and_nowhere_else(void **state)
{
	static const struct {
		const char *why;
		struct opening_answer answer;
		int fd;
	} rows[] = {
		{ "bound without one", { .kind = OPENING_BIND, .made = 1 }, -1 },
		{ "bound without a number", { .kind = OPENING_BIND }, 2 },
		{ "failed with one", { .kind = OPENING_BIND, .code = CHT_E_BIND }, 2 },
		{ "failed with a number", { .kind = OPENING_BIND, .code = -3, .made = 1 }, -1 },
		{ "unlinked with one", { .kind = OPENING_UNLINK }, 2 },
		{ "ready with one", { .kind = OPENING_READY }, 2 },
		{ "a code above 0", { .kind = OPENING_UNLINK, .code = 1 }, -1 },
	};
	struct opening_request unlink = { .kind = OPENING_UNLINK, .version = OPENING_VERSION };
	const int two[] = { 1, 2 };
	int before = n_open(), fd;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct opening_answer answer;

		check_row = rows[i].why;
		CHECK_INT(opening_reply(opener, &rows[i].answer, rows[i].fd, NULL), 0);
		CHECK_INT(opening_take_answer(line, &answer, &fd, NULL), CHT_E_PEER);
	}
	check_row = "two at once; one with a request";
	CHECK_INT(fd_send_msg(opener,
			      (struct cht_bytes){ (const uint8_t *)&rows[0].answer,
						  sizeof(rows[0].answer) },
			      two, 2, NULL),
		  0);
	CHECK_INT(opening_take_answer(line, &(struct opening_answer){ 0 }, &fd, NULL), CHT_E_PEER);
	CHECK_INT(fd_send_msg(line, (struct cht_bytes){ (const uint8_t *)&unlink, sizeof(unlink) },
			      two, 1, NULL),
		  0);
	CHECK_INT(opening_take_request(opener, &unlink, &with, NULL), CHT_E_PEER);
	CHECK_INT(n_open(), before);
}

static void test_texts_end_whatever_the_peer_sent(void **state)
{
	struct opening_request request = { .kind = OPENING_BIND };
	struct opening_answer answer = { .kind = OPENING_BIND, .code = CHT_E_BIND };
	int fd;

	(void)state;
	memset(request.path, 'x', sizeof(request.path));
	memset(answer.text, 'x', sizeof(answer.text));
	CHECK_INT(opening_ask(line, &request, -1, NULL), 0);
	CHECK_INT(opening_take_request(opener, &request, &with, NULL), 1);
	CHECK_INT(strlen(request.path), OPENING_PATH_MAX);
	CHECK_INT(opening_reply(opener, &answer, -1, NULL), 0);
	CHECK_INT(opening_take_answer(line, &answer, &fd, NULL), 1);
	CHECK_INT(strlen(answer.text), sizeof(answer.text) - 1);
}

static void test_as_many_as_may_be_asked_fit_the_socket(void **state)
{
	const struct opening_request unlink = { .kind = OPENING_UNLINK };
	const struct opening_answer bound = { .kind = OPENING_BIND, .made = 1 };

	(void)state;
	for (int i = 0; i < OPENING_ASKED_MAX; i++) {
		CHECK_INT(opening_ask(line, &unlink, -1, NULL), 0);
		CHECK_INT(opening_reply(opener, &bound, STDERR_FILENO, NULL), 0);
	}
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, open_pair, close_pair)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_requests_and_answers_arrive_as_they_were_sent),
		CASE(test_a_message_of_another_shape_is_refused),
		CASE(test_a_descriptor_comes_where_one_belongs_and_nowhere_else),
		CASE(test_texts_end_whatever_the_peer_sent),
		CASE(test_as_many_as_may_be_asked_fit_the_socket),
	};

	return cmocka_run_group_tests_name("opening", tests, NULL, NULL);
}
