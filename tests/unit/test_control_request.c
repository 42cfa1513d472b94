/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "control/reply.h"

static void test_methods_and_targets(void **state)
{
	static const struct {
		const char *method, *target;
		enum control_what what;
		unsigned status; /* 0: good */
	} rows[] = {
		{ "GET", "/version", CONTROL_VERSION, 0 },
		{ "HEAD", "/healthz", CONTROL_HEALTH, 0 },
		{ "GET", "/readyz", CONTROL_READY, 0 },
		{ "GET", "/metrics", CONTROL_METRICS, 0 },
		{ "GET", "/cells", CONTROL_CELLS, 0 },
		{ "GET", "/cells/web-1", CONTROL_CELL, 0 },
		{ "PUT", "/cells/web-1", CONTROL_CELL, 0 },
		{ "DELETE", "/cells/web-1", CONTROL_CELL, 0 },
		{ "PUT", "/cells", CONTROL_CELLS, 405 },
		{ "DELETE", "/metrics", CONTROL_METRICS, 405 },
		{ "PATCH", "/cells/a", CONTROL_CELL, 405 },
		{ "get", "/cells/a", CONTROL_CELL, 405 },
		{ "GET", "/", CONTROL_VERSION, 404 },
		{ "GET", "", CONTROL_VERSION, 404 },
		{ "GET", "/cells?", CONTROL_VERSION, 404 },
		{ "GET", "/Cells", CONTROL_VERSION, 404 },
		{ "GET", "http://h/cells", CONTROL_VERSION, 404 },
		{ "GET", "/cells/", CONTROL_VERSION, 400 },
		{ "GET", "/cells/a/b", CONTROL_VERSION, 400 },
		{ "GET", "/cells/a%62", CONTROL_VERSION, 400 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct control_error error = { 0 };
		struct control_request q;

		check_row = rows[i].target;
		CHECK(control_read_target(rows[i].method, rows[i].target, &q, &error) ==
		      (rows[i].status == 0));
		CHECK_INT(error.status, rows[i].status);
		if (rows[i].status == 0)
			CHECK_INT(q.what, rows[i].what);
	}
}

static bool read_body(const char *text, size_t len, struct control_cell *out,
		      struct control_error *error)
{
	/* Of its own, so that an over-read shows. */
	uint8_t *exact = malloc(len > 0 ? len : 1);
	bool is_good;

	memcpy(exact, text, len);
	is_good = control_read_body((struct cht_bytes){ exact, len }, out, error);
	free(exact);
	return is_good;
}

static void test_a_body_is_taken_apart(void **state)
{
	static const char body[] = "{\"base\":\"/run/v\",\"run\":\"r:1\",\"spec\":\"sha256:00\","
				   "\"uid\":0,\"owner\":4294967294,\"group\":7,\"mode\":\"0660\"}";
	struct control_error error = { 0 };
	struct control_cell cell;

	(void)state;
	CHECK(read_body(body, strlen(body), &cell, &error));
	CHECK_STR(str_of(cell.base), "/run/v");
	CHECK_STR(str_of(cell.path), "");
	CHECK_STR(str_of(cell.run), "r:1");
	CHECK_STR(str_of(cell.spec), "sha256:00");
	CHECK_INT(cell.uid, 0);
	CHECK_INT(cell.owner, 4294967294);
	CHECK_INT(cell.group, 7);
	CHECK_INT(cell.mode, 0660);
	CHECK_INT(cell.cid, 0);
	CHECK(read_body("{\"cid\":3}", 9, &cell, &error));
	CHECK_INT(cell.cid, 3);
	CHECK(read_body("{\"cid\":4294967294}", 18, &cell, &error));
	CHECK_INT(cell.cid, UINT32_MAX - 1);
	CHECK(read_body("{\"path\":\"/p\"}", 13, &cell, &error));
	CHECK_INT(cell.uid, -1);
	CHECK_INT(cell.owner, -1);
	CHECK_INT(cell.group, -1);
	CHECK_INT(cell.mode, 0);
	for (size_t len = 0; len < strlen(body); len++)
		CHECK(!read_body(body, len, &cell, &error));
}

static void test_what_a_member_does_not_take_is_named(void **state)
{
	static const struct {
		const char *body, *names;
	} rows[] = {
		{ "{\"base\":7}", "base:" },
		{ "{\"base\":\"\"}", "base:" },
		{ "{\"base\":\"/\"}", "base:" },
		{ "{\"base\":\"v\"}", "base:" },
		{ "{\"path\":\"/a\\u0000\"}", "\\u0000" },
		{ "{\"path\":\"/a\",\"uid\":\"1\"}", "uid:" },
		{ "{\"cid\":0}", "cid:" },
		{ "{\"cid\":2}", "cid:" },
		{ "{\"cid\":-3}", "cid:" },
		{ "{\"cid\":4294967295}", "cid:" },
		{ "{\"cid\":4294967299}", "cid:" },
		{ "{\"cid\":\"3\"}", "cid:" },
		{ "{\"cid\":3.0}", "cid:" },
		{ "{\"cid\":3,\"path\":\"/a\"}", "one of" },
		{ "{\"cid\":3,\"base\":\"/a\"}", "one of" },
		{ "{\"cid\":3,\"uid\":0}", "has none" },
		{ "{\"cid\":3,\"owner\":0}", "has none" },
		{ "{\"cid\":3,\"group\":0}", "has none" },
		{ "{\"cid\":3,\"mode\":\"0600\"}", "has none" },
		{ "{\"path\":\"/a\",\"uid\":4294967295}", "uid:" },
		{ "{\"path\":\"/a\",\"uid\":9223372036854775808}", "too big integer" },
		{ "{\"path\":\"/a\",\"owner\":-1}", "owner:" },
		{ "{\"path\":\"/a\",\"group\":true}", "group:" },
		{ "{\"path\":\"/a\",\"mode\":384}", "mode:" },
		{ "{\"path\":\"/a\",\"mode\":\"0o600\"}", "mode:" },
		{ "{\"path\":\"/a\",\"mode\":\"07777\"}", "mode:" },
		{ "{\"path\":\"/a\",\"run\":\"\"}", "run:" },
		{ "{\"path\":\"/a\",\"spec\":null}", "spec:" },
		{ "{\"path\":\"/a\",\"tenant\":\"x\"}", "\"tenant\"" },
		{ "{\"path\":\"/a\",\"path\":\"/a\"}", "duplicate" },
		{ "{}", "give one of" },
		{ "\"a\"", "no JSON" },
		{ "[]", "expected a JSON object" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct control_error error = { 0 };
		struct control_cell cell;

		check_row = rows[i].body;
		CHECK(!read_body(rows[i].body, strlen(rows[i].body), &cell, &error));
		CHECK_INT(error.status, 400);
		CHECK_STR(str_of(error.code), "bad_request");
		if (strstr(error.message, rows[i].names) == NULL)
			CHECK_STR(str_of(error.message), rows[i].names);
	}
}

static void test_the_longest_view_fits(void **state)
{
	static char path[CONTROL_PATH_MAX + 1], name[CHT_ATTRIBUTION_MAX + 1];
	static char text[CONTROL_VIEW_MAX], receipt[CONTROL_RECEIPT_MAX + 1];
	struct control_view view = { .index = UINT64_MAX,
				     .sequence = UINT64_MAX,
				     .connections = UINT64_MAX,
				     .received = UINT64_MAX,
				     .stored = UINT64_MAX,
				     .heartbeats = UINT64_MAX,
				     .refused = UINT64_MAX,
				     .dropped = UINT64_MAX,
				     .is_sealed = true,
				     .sealed_index = UINT64_MAX };
	struct buf b = buf_init(text, sizeof(text));

	(void)state;
	memset(path, '\1', sizeof(path) - 1);
	memset(name, 'n', sizeof(name) - 1);
	view.socket = str_of(path);
	view.id = view.run = view.spec = str_of(name);
	view.state = STR("draining");
	memset(receipt, '\n', sizeof(receipt) - 1);
	view.receipt = str_of(receipt);
	reply_put_view(&b, &view);
	CHECK(!b.full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_methods_and_targets),
		cmocka_unit_test(test_a_body_is_taken_apart),
		cmocka_unit_test(test_what_a_member_does_not_take_is_named),
		cmocka_unit_test(test_the_longest_view_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
