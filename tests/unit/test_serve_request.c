/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "serve/listen.h"
#include "serve/request.h"

static int read_target(const char *target, struct serve_request *q, struct cht_err *err)
{
	/* Of its own, so that an over-read shows. */
	size_t len = strlen(target);
	char *exact = malloc(len > 0 ? len : 1);
	int r;

	memcpy(exact, target, len);
	r = serve_request_read((struct cht_str){ exact, len }, q, err);
	free(exact);
	return r;
}

static void test_each_path_is_what_it_says(void **state)
{
	static const struct {
		const char *target;
		enum serve_what what;
	} rows[] = {
		{ "/", SERVE_INDEX },
		{ "/healthz", SERVE_HEALTH },
		{ "/checkpoint", SERVE_CHECKPOINT },
		{ "/events", SERVE_EVENTS },
		{ "/events?", SERVE_EVENTS },
		{ "/tile/0/000", SERVE_TILE },
		{ "/tile/entries/x001/234.p/255", SERVE_TILE },
	};
	struct serve_request q;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row = rows[i].target;
		CHECK_INT(read_target(rows[i].target, &q, NULL), 0);
		CHECK_INT(q.what, rows[i].what);
	}
	CHECK_INT(q.tile.n, 1234);
	CHECK_INT(q.tile.width, 255);
	CHECK(q.tile.is_entries);
}

static void test_a_query_is_taken_apart(void **state)
{
	struct serve_request q;

	(void)state;
	CHECK_INT(read_target("/events?from=9223372036854775807&follow=1&cell=web-1&run=r%2f1&"
			      "type=guest",
			      &q, NULL),
		  0);
	CHECK(q.has_from && q.from == INT64_MAX && q.is_following);
	CHECK_STRS(((struct cht_str){ q.cell.text, q.cell.len }), STR("web-1"));
	CHECK_STRS(((struct cht_str){ q.run.text, q.run.len }), STR("r/1"));
	CHECK_STRS(((struct cht_str){ q.type.text, q.type.len }), STR("guest"));
	CHECK_INT(read_target("/events?follow=0&from=0", &q, NULL), 0);
	CHECK(q.has_from && q.from == 0 && !q.is_following && q.cell.len == 0);
	CHECK_INT(read_target("/events?", &q, NULL), 0);
	CHECK(!q.has_from);
	/* As the value stands in an event. */
	CHECK_INT(read_target("/events?cell=a+b%22%0a%c3%BC%2B", &q, NULL), 0);
	CHECK_STRS(((struct cht_str){ q.cell.text, q.cell.len }), STR("a b\\\"\\n\xc3\xbc+"));
}

static const struct {
	const char *target;
	int want;
} refused[] = {
	{ "", CHT_E_CONFIG },
	{ "*", CHT_E_CONFIG },
	{ "//", CHT_E_CONFIG },
	{ "/checkpoint/", CHT_E_CONFIG },
	{ "/Checkpoint", CHT_E_CONFIG },
	{ "checkpoint", CHT_E_CONFIG },
	{ "/check%70oint", CHT_E_CONFIG },
	{ "/checkpoint#a", CHT_E_CONFIG },
	{ "/../checkpoint", CHT_E_CONFIG },
	{ "/tile/", CHT_E_CONFIG },
	{ "/tile/0/0", CHT_E_CONFIG },
	{ "/tile/0/0000", CHT_E_CONFIG },
	{ "/tile/00/000", CHT_E_CONFIG },
	{ "/tile/8/000", CHT_E_CONFIG },
	{ "/tile/0/000.p/0", CHT_E_CONFIG },
	{ "/tile/0/000.p/256", CHT_E_CONFIG },
	{ "/tile/0/000.p/01", CHT_E_CONFIG },
	{ "/tile/0/x000/000", CHT_E_CONFIG },
	{ "/tile/0/000/../001", CHT_E_CONFIG },
	{ "/tile/entries/../../../origin", CHT_E_CONFIG },
	{ "/tile/0/000?a=1", CHT_E_PARSE },
	{ "/healthz?a", CHT_E_PARSE },
	{ "/?", CHT_E_PARSE },
	{ "/checkpoint?", CHT_E_PARSE },
	{ "/events?&", CHT_E_PARSE },
	{ "/events?from", CHT_E_PARSE },
	{ "/events?from=", CHT_E_PARSE },
	{ "/events?from=-1", CHT_E_PARSE },
	{ "/events?from=01", CHT_E_PARSE },
	{ "/events?from=1&from=1", CHT_E_PARSE },
	{ "/events?from=9223372036854775808", CHT_E_PARSE },
	{ "/events?from=99999999999999999999999", CHT_E_PARSE },
	{ "/events?from=%31", CHT_E_PARSE },
	{ "/events?from=1&", 0 },
	{ "/events?from=1&&follow=1", CHT_E_PARSE },
	{ "/events?follow=2", CHT_E_PARSE },
	{ "/events?follow=1&follow=1", CHT_E_PARSE },
	{ "/events?follow=0&follow=1", CHT_E_PARSE },
	{ "/events?follow", CHT_E_PARSE },
	{ "/events?cell=", CHT_E_PARSE },
	{ "/events?cell=a&cell=b", CHT_E_PARSE },
	{ "/events?cell=%", CHT_E_PARSE },
	{ "/events?cell=%4", CHT_E_PARSE },
	{ "/events?cell=%4g", CHT_E_PARSE },
	{ "/events?cell=%ff", CHT_E_PARSE },
	{ "/events?cell=\xff", CHT_E_PARSE },
	{ "/events?Cell=a", CHT_E_PARSE },
	{ "/events?index=1", CHT_E_PARSE },
	{ "/events?from=1?follow=1", CHT_E_PARSE },
};

static void test_what_is_not_understood_is_refused(void **state)
{
	struct serve_request q;

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct cht_err err = { 0 };

		check_row = refused[i].target;
		CHECK_INT(read_target(refused[i].target, &q, &err), refused[i].want);
		CHECK(refused[i].want == 0 ||
		      (err.code == refused[i].want && strlen(err.text) > 10));
	}
}

static void test_lengths_have_bounds(void **state)
{
	char target[SERVE_TARGET_MAX + 2];
	struct serve_request q;

	(void)state;
	memset(target, 'a', sizeof(target));
	target[0] = '/';
	target[SERVE_TARGET_MAX + 1] = '\0';
	CHECK_INT(read_target(target, &q, NULL), CHT_E_RANGE);
	target[SERVE_TARGET_MAX] = '\0';
	CHECK_INT(read_target(target, &q, NULL), CHT_E_CONFIG);
	memcpy(target, "/events?cell=", 13);
	target[13 + SERVE_VALUE_MAX] = '\0';
	CHECK_INT(read_target(target, &q, NULL), 0);
	CHECK_INT(q.cell.len, SERVE_VALUE_MAX);
	target[13 + SERVE_VALUE_MAX] = 'a';
	target[14 + SERVE_VALUE_MAX] = '\0';
	CHECK_INT(read_target(target, &q, NULL), CHT_E_PARSE);
	/* Spelled longer than it was given. */
	memset(target + 13, '"', SERVE_VALUE_MAX / 2 + 1);
	target[13 + SERVE_VALUE_MAX / 2 + 1] = '\0';
	CHECK_INT(read_target(target, &q, NULL), CHT_E_PARSE);
}

static void test_only_this_machine_is_listened_to(void **state)
{
	static const char *const good[] = { "127.0.0.1:80", "127.0.0.1:0", "127.9.8.7:65535",
					    "[::1]:443" };
	static const char *const bad[] = {
		"",
		"80",
		":80",
		"127.0.0.1",
		"127.0.0.1:",
		"0.0.0.0:80",
		"[::]:80",
		"10.0.0.1:80",
		"localhost:80",
		"::1:80",
		"[::1]",
		"127.0.0.1:65536",
		"127.0.0.1:-1",
		"127.0.0.1:080",
		"127.1:80",
		"[::ffff:127.0.0.1]:80",
		"*:80",
		"128.0.0.1:80",
		"126.255.255.255:80",
		"127.0.0.1 :80",
		"127.0.0.1:80 ",
		"[::1%lo]:80",
		"127.0.0.1:80:80",
	};
	struct sockaddr_storage address;
	struct cht_err err = { 0 };
	socklen_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		check_row = good[i];
		CHECK_INT(serve_address_read(good[i], &address, &len, NULL), 0);
		CHECK_INT(address.ss_family, good[i][0] == '[' ? AF_INET6 : AF_INET);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		check_row = bad[i];
		CHECK_INT(serve_address_read(bad[i], &address, &len, &err), CHT_E_CONFIG);
		CHECK(strstr(err.text, "--listen takes 127.0.0.1:PORT") != NULL);
	}
}

static void test_a_host_is_of_this_machine_or_not(void **state)
{
	static const char *const good[] = { "localhost",       "LocalHost:8420", "127.0.0.1",
					    "127.0.0.1:65535", "127.1.2.3:0",    "[::1]",
					    "[::1]:443" };
	static const char *const bad[] = { "",
					   "a",
					   "localhost.example.org",
					   "localhost:",
					   "localhost:x",
					   "localhost:65536",
					   "127.0.0.1.a",
					   "128.0.0.1",
					   "127.0.0.1:80:80",
					   "[::1",
					   "::1",
					   "[::1]x",
					   "[::2]:80",
					   "[localhost]",
					   "0.0.0.0",
					   "example.org",
					   "127.0.0.1@a",
					   "a:127.0.0.1" };
	char longest[300];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		check_row = good[i];
		CHECK(serve_host_is_local(good[i]));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		check_row = bad[i];
		CHECK(!serve_host_is_local(bad[i]));
	}
	memset(longest, '1', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	CHECK(!serve_host_is_local(longest));
	longest[0] = '[';
	CHECK(!serve_host_is_local(longest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_path_is_what_it_says),
		cmocka_unit_test(test_a_query_is_taken_apart),
		cmocka_unit_test(test_what_is_not_understood_is_refused),
		cmocka_unit_test(test_lengths_have_bounds),
		cmocka_unit_test(test_only_this_machine_is_listened_to),
		cmocka_unit_test(test_a_host_is_of_this_machine_or_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
