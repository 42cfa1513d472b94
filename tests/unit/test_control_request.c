/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "asked/asked.h"
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
		{ "PATCH", "/cells/a", CONTROL_CELL, 0 },
		{ "POST", "/cells/a", CONTROL_CELL, 405 },
		{ "PATCH", "/cells", CONTROL_CELLS, 405 },
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

static bool read_body(const char *text, size_t len, struct control_request *out,
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
	static struct control_request q = { .method = CONTROL_PUT };
	struct control_error error = { 0 };
	const struct control_cell *cell = &q.cell;

	(void)state;
	CHECK(read_body(body, strlen(body), &q, &error));
	CHECK_INT(q.stated_len, 0);
	CHECK_STR(str_of(cell->base), "/run/v");
	CHECK_STR(str_of(cell->path), "");
	CHECK_STR(str_of(cell->run), "r:1");
	CHECK_STR(str_of(cell->spec), "sha256:00");
	CHECK_INT(cell->uid, 0);
	CHECK_INT(cell->owner, 4294967294);
	CHECK_INT(cell->group, 7);
	CHECK_INT(cell->mode, 0660);
	CHECK_INT(cell->cid, 0);
	CHECK(read_body("{\"cid\":3}", 9, &q, &error));
	CHECK_INT(cell->cid, 3);
	CHECK(read_body("{\"cid\":4294967294}", 18, &q, &error));
	CHECK_INT(cell->cid, UINT32_MAX - 1);
	CHECK(read_body("{\"path\":\"/p\"}", 13, &q, &error));
	CHECK_INT(cell->uid, -1);
	CHECK_INT(cell->owner, -1);
	CHECK_INT(cell->group, -1);
	CHECK_INT(cell->mode, 0);
	for (size_t len = 0; len < strlen(body); len++)
		CHECK(!read_body(body, len, &q, &error));
}

static const struct {
	const char *body, *names;
	enum control_method method;
} bad_bodies[] = {
	{ "{\"base\":7}", "base:", CONTROL_PUT },
	{ "{\"base\":\"\"}", "base:", CONTROL_PUT },
	{ "{\"base\":\"/\"}", "base:", CONTROL_PUT },
	{ "{\"base\":\"v\"}", "base:", CONTROL_PUT },
	{ "{\"path\":\"/a\\u0000\"}", "\\u0000", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"uid\":\"1\"}", "uid:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"uid\":4294967295}", "uid:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"uid\":9223372036854775808}", "too big integer", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"owner\":-1}", "owner:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"group\":true}", "group:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"mode\":384}", "mode:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"mode\":\"0o600\"}", "mode:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"mode\":\"07777\"}", "mode:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"run\":\"\"}", "run:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"spec\":null}", "spec:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"tenant\":\"x\"}", "\"tenant\"", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"path\":\"/a\"}", "duplicate", CONTROL_PUT },
	{ "{}", "give one of", CONTROL_PUT },
	{ "\"a\"", "no JSON", CONTROL_PUT },
	{ "[]", "expected a JSON object", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"keepaliveWindowMs\":0}", "keepaliveWindowMs:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"keepaliveWindowMs\":86400001}", "keepaliveWindowMs:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"keepaliveWindowMs\":\"1s\"}", "keepaliveWindowMs:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"vmmPid\":0}", "vmmPid:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"vmmPid\":4194305}", "vmmPid:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"vmmPid\":-1}", "vmmPid:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"probes\":{}}", "probes:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"probes\":[]}", "probes:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"probes\":{\"ebpf\":{}}}", "probes:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"probes\":{\"cgroup\":{}}}", "probes:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"probes\":{\"cgroup\":{\"cgroupLeaf\":\"\"}}}",
	  "probes:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"probes\":{\"cgroup\":{\"cgroupLeaf\":\"/a\",\"x\":\"b\"}}}",
	  "probes:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"probes\":{\"vmm_proc\":{\"pid\":\"1\"}}}", "probes:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"probes\":{\"vmm_proc\":[]}}", "probes:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"probes\":{\"host.vmm_proc\":{},\"vmm_proc\":{}}}",
	  "probes:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"probes\":{\"guest.vmm_proc\":{}}}", "probes:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"probes\":{\"vmm_proc\":{\"intervalMs\":99}}}",
	  "probes:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"probes\":{\"fc_metrics\":{\"endpoint\":\"/m\"}}}",
	  "probes:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"probes\":{\"fc_metrics\":{\"fifo\":\"/m\",\"file\":\"/n\"}}}",
	  "probes:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"probes\":{\"fc_metrics\":{\"fifo\":\"m\"}}}",
	  "probes:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"probes\":{\"fc_metrics\":{\"fifo\":\"/m\",\"flush\":true}}}",
	  "probes:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"probes\":{\"nftables\":{\"family\":\"ipx\",\"table\":\"t\"}}}",
	  "probes:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"probes\":{\"tap_link\":{\"iface\":\"a/b\"}}}",
	  "probes:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"probes\":{\"tap_link\":{\"iface\":\"t\",\"netns\":\"..\"}}}",
	  "probes:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"probes\":{\"tap_link\":{\"iface\":\"t\",\"netns\":0}}}",
	  "probes:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"probes\":{\"nftables\":{\"family\":\"inet\"}}}",
	  "probes:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"probes\":{\"tap_link\":{\"iface\":\"a\\n\"}}}",
	  "probes:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"authorised\":[]}", "authorised:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"authorised\":{}}", "authorised:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"authorised\":[\"cgroup\"]}", "authorised:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"authorised\":[\"host.ebpf\"]}", "authorised:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"authorised\":[\"guest.agent.hello\"]}", "authorised:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"authorised\":[1]}", "authorised:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"correlation\":{}}", "correlation:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"correlation\":{\"tenant\":\"a\"}}", "correlation:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"correlation\":{\"tenantId\":\"\"}}", "correlation:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"correlation\":{\"tenantId\":\"\\u001f\"}}",
	  "correlation:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"correlation\":{\"labels\":{}}}", "correlation:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"correlation\":{\"labels\":{\"a b\":\"1\"}}}",
	  "correlation:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"correlation\":{\"labels\":{\"a\":1}}}", "correlation:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"correlation\":{\"labels\":{\"\":\"1\"}}}",
	  "correlation:", CONTROL_PUT },
	{ "{\"path\":\"/"
	  "a\",\"traceparent\":\"01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"}",
	  "traceparent:", CONTROL_PUT },
	{ "{\"path\":\"/"
	  "a\",\"traceparent\":\"00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"}",
	  "traceparent:", CONTROL_PUT },
	{ "{\"path\":\"/"
	  "a\",\"traceparent\":\"00-00000000000000000000000000000000-b7ad6b7169203331-01\"}",
	  "traceparent:", CONTROL_PUT },
	{ "{\"path\":\"/"
	  "a\",\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01\"}",
	  "traceparent:", CONTROL_PUT },
	{ "{\"path\":\"/"
	  "a\",\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0\"}",
	  "traceparent:", CONTROL_PUT },
	{ "{\"path\":\"/"
	  "a\",\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-011\"}",
	  "traceparent:", CONTROL_PUT },
	{ "{\"path\":\"/"
	  "a\",\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319cxb7ad6b7169203331-01\"}",
	  "traceparent:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"traceparent\":\"\"}", "traceparent:", CONTROL_PUT },
	{ "{\"path\":\"/a\",\"state\":\"paused\"}", "unknown member \"state\": there are base,",
	  CONTROL_PUT },
	{ "{}", "nothing is stated", CONTROL_PATCH },
	{ "", "no JSON", CONTROL_PATCH },
	{ "{\"base\":\"/a\"}", "unknown member \"base\": there are state,", CONTROL_PATCH },
	{ "{\"state\":\"stopped\"}", "state:", CONTROL_PATCH },
	{ "{\"state\":1}", "state:", CONTROL_PATCH },
	{ "{\"exitCode\":2147483648}", "exitCode:", CONTROL_PATCH },
	{ "{\"exitCode\":1.0}", "exitCode:", CONTROL_PATCH },
	{ "{\"exitCode\":\"0\"}", "exitCode:", CONTROL_PATCH },
	{ "{\"limits\":{}}", "limits:", CONTROL_PATCH },
	{ "{\"limits\":[]}", "limits:", CONTROL_PATCH },
	{ "{\"limits\":{\"connections\":0}}", "limits:", CONTROL_PATCH },
	{ "{\"limits\":{\"connections\":1024}}", "limits:", CONTROL_PATCH },
	{ "{\"limits\":{\"partialBlocks\":15}}", "limits:", CONTROL_PATCH },
	{ "{\"limits\":{\"ledgerBytes\":65535}}", "limits:", CONTROL_PATCH },
	{ "{\"limits\":{\"framesPerSecond\":1000000001}}", "limits:", CONTROL_PATCH },
	{ "{\"limits\":{\"connections\":1,\"x\":1}}", "limits:", CONTROL_PATCH },
	{ "{\"lifecycle\":[]}", "lifecycle:", CONTROL_PATCH },
	{ "{\"lifecycle\":{}}", "lifecycle:", CONTROL_PATCH },
	{ "{\"lifecycle\":[{\"type\":\"a\"}]}", "lifecycle:", CONTROL_PATCH },
	{ "{\"lifecycle\":[{\"id\":\"a\"}]}", "lifecycle:", CONTROL_PATCH },
	{ "{\"lifecycle\":[{\"id\":\"\",\"type\":\"a\"}]}", "lifecycle:", CONTROL_PATCH },
	{ "{\"lifecycle\":[{\"id\":\"\\n\",\"type\":\"a\"}]}", "lifecycle:", CONTROL_PATCH },
	{ "{\"lifecycle\":[{\"id\":\"a\",\"type\":\"a=b\"}]}", "lifecycle:", CONTROL_PATCH },
	{ "{\"lifecycle\":[{\"id\":\"a\",\"type\":\"a\",\"x\":1}]}", "lifecycle:", CONTROL_PATCH },
	{ "{\"lifecycle\":[{\"id\":\"a\",\"type\":\"a\",\"time\":\"2025-11-05\"}]}",
	  "lifecycle:", CONTROL_PATCH },
	{ "{\"lifecycle\":[{\"id\":\"a\",\"type\":\"a\",\"time\":"
	  "\"2025-11-05T13:20:00.Z\"}]}",
	  "lifecycle:", CONTROL_PATCH },
	{ "{\"lifecycle\":[{\"id\":\"a\",\"type\":\"a\",\"time\":"
	  "\"2025-11-05T13:20:00+00\"}]}",
	  "lifecycle:", CONTROL_PATCH },
	{ "{\"residueClass\":\"some\"}", "residueClass:", CONTROL_DELETE },
	{ "{\"residueClass\":\"none\",\"residueException\":\"x\"}", "only with", CONTROL_DELETE },
	{ "{\"residueException\":\"x\"}", "only with", CONTROL_DELETE },
	{ "{\"residueClass\":\"documented_exception\",\"residueException\":\"\\t\"}",
	  "residueException:", CONTROL_DELETE },
	{ "{\"state\":\"paused\"}", "unknown member \"state\": there are residueClass,",
	  CONTROL_DELETE },
};

static void test_what_a_member_does_not_take_is_named(void **state)
{
	static struct control_request q;

	(void)state;
	for (size_t i = 0; i < sizeof(bad_bodies) / sizeof(bad_bodies[0]); i++) {
		struct control_error error = { 0 };

		check_row = bad_bodies[i].body;
		q.method = bad_bodies[i].method;
		CHECK(!read_body(bad_bodies[i].body, strlen(bad_bodies[i].body), &q, &error));
		CHECK_INT(error.status, 400);
		CHECK_STR(str_of(error.code), "bad_request");
		if (strstr(error.message, bad_bodies[i].names) == NULL)
			CHECK_STR(str_of(error.message), bad_bodies[i].names);
	}
}

/* As it stands in an event: sorted, without spaces, one way of escaping. */
static void test_what_is_stated_is_kept_in_one_form(void **state)
{
	static struct control_request q;
	static const struct {
		const char *body, *stated;
		enum control_method method;
	} rows[] = {
		{ " { \"state\" : \"pau\\u0073ed\" } ", "{\"state\":\"paused\"}", CONTROL_PATCH },
		{ "{\"exitCode\":-0}", "{\"exitCode\":0}", CONTROL_PATCH },
		{ "{\"exitCode\":-2147483648}", "{\"exitCode\":-2147483648}", CONTROL_PATCH },
		{ "{\"state\":\"resumed\",\"exitCode\":3,\"limits\":{\"framesBurst\":9,"
		  "\"connections\":1}}",
		  "{\"exitCode\":3,\"limits\":{\"connections\":1,\"framesBurst\":9},"
		  "\"state\":\"resumed\"}",
		  CONTROL_PATCH },
		{ "{\"lifecycle\":[{\"type\":\"a.destroyed\",\"id\":\"\\/\\u00fc\\\"\\u007f\","
		  "\"time\":\"2025-11-05T13:20:00.123456789Z\"},{\"id\":\"2\",\"type\":\"b\"}]}",
		  "{\"lifecycle\":[{\"id\":\"/\xc3\xbc\\\"\x7f\","
		  "\"time\":\"2025-11-05T13:20:00.123456789Z\",\"type\":\"a.destroyed\"},"
		  "{\"id\":\"2\",\"type\":\"b\"}]}",
		  CONTROL_PATCH },
		{ "{\"residueException\":\"x\",\"residueClass\":\"documented_exception\"}",
		  "{\"residueClass\":\"documented_exception\",\"residueException\":\"x\"}",
		  CONTROL_DELETE },
		{ "{\"vmmPid\":9,\"path\":\"/"
		  "a\",\"correlation\":{\"tenantId\":\"t\",\"labels\":{\"b\":"
		  "\"2\",\"a/"
		  "1\":\"x\"}},\"probes\":{\"vmm_proc\":{},\"fc_metrics\":{\"fifo\":\"/m\"}},"
		  "\"authorised\":[\"host.tap_link\",\"guest.fs.inotify_fired\"],"
		  "\"keepaliveWindowMs\":86400000,\"run\":\"r\"}",
		  "{\"authorised\":[\"host.tap_link\",\"guest.fs.inotify_fired\"],\"correlation\":"
		  "{\"labels\":{\"a/"
		  "1\":\"x\",\"b\":\"2\"},\"tenantId\":\"t\"},\"keepaliveWindowMs\":86400000,"
		  "\"probes\":{\"fc_metrics\":{\"fifo\":\"/m\"},\"vmm_proc\":{}},\"vmmPid\":9}",
		  CONTROL_PUT },
		{ "{}", "", CONTROL_DELETE },
		{ "", "", CONTROL_DELETE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct control_error error = { 0 };

		check_row = rows[i].body;
		q.method = rows[i].method;
		CHECK(read_body(rows[i].body, strlen(rows[i].body), &q, &error));
		CHECK_STR(((struct cht_str){ q.stated, q.stated_len }), rows[i].stated);
	}
	CHECK(q.told == TOLD_NOTHING && q.limits.connections == 0);
}

static void test_the_longest_view_fits(void **state)
{
	static char path[CONTROL_PATH_MAX + 1], name[CHT_ATTRIBUTION_MAX + 1];
	static char text[CONTROL_VIEW_MAX], stated[CONTROL_BODY_MAX + 1],
		receipt[CONTROL_RECEIPT_MAX + 1];
	struct control_view view = { .index = UINT64_MAX,
				     .sequence = UINT64_MAX,
				     .connections = UINT64_MAX,
				     .received = UINT64_MAX,
				     .stored = UINT64_MAX,
				     .heartbeats = UINT64_MAX,
				     .refused = UINT64_MAX,
				     .dropped = UINT64_MAX,
				     .is_stated = true,
				     .stated_index = UINT64_MAX,
				     .is_sealed = true,
				     .sealed_index = UINT64_MAX };
	struct buf b = buf_init(text, sizeof(text));

	(void)state;
	memset(path, '\1', sizeof(path) - 1);
	memset(name, 'n', sizeof(name) - 1);
	view.socket = str_of(path);
	view.id = view.run = view.spec = str_of(name);
	view.state = STR("draining");
	view.condition = STR("restored");
	memset(receipt, '\n', sizeof(receipt) - 1);
	view.receipt = str_of(receipt);
	memset(stated, '1', sizeof(stated) - 1);
	view.registered = str_of(stated);
	reply_put_view(&b, &view);
	CHECK(!b.full);
}

/* The same when it is read as when it is read again, by the next process. */
static void test_probes_are_read_from_what_was_stated(void **state)
{
	static const char stated[] = "{\"correlation\":{\"platform\":\"x\"},\"probes\":{\"fc_"
				     "metrics\":{\"apiSocket\":\"/api\","
				     "\"endpoint\":\"e\",\"fifo\":\"/"
				     "f\",\"flush\":true,\"intervalMs\":100},\"nftables\":"
				     "{\"family\":\"inet\",\"netns\":7,\"table\":\"t\"},\"tap_"
				     "link\":{\"iface\":\"tap0\","
				     "\"netns\":\"ns\"}}}";
	const struct cht_bytes bytes = { (const uint8_t *)stated, sizeof(stated) - 1 };
	struct probes_asked probes;

	(void)state;
	CHECK(probes_asked_read(bytes, &probes));
	CHECK_INT(probes.n, 3);
	CHECK_INT(probes.list[0].options.kind, CHT_PROBE_FC_METRICS);
	CHECK(strcmp(probes.list[0].options.fifo, "/f") == 0);
	CHECK(probes.list[0].options.file == NULL);
	CHECK(strcmp(probes.list[0].options.endpoint, "e") == 0);
	CHECK(strcmp(probes.list[0].options.api, "/api") == 0);
	CHECK(probes.list[0].options.flush);
	CHECK_INT(probes.list[0].interval_ms, 100);
	CHECK(strcmp(probes.list[1].options.family, "inet") == 0);
	CHECK(strcmp(probes.list[1].options.table, "t") == 0);
	CHECK_INT(probes.list[1].options.netns_pid, 7);
	CHECK_INT(probes.list[1].interval_ms, 0);
	CHECK(strcmp(probes.list[2].options.iface, "tap0") == 0);
	CHECK(strcmp(probes.list[2].options.netns, "ns") == 0);
	CHECK(!probes_asked_read((struct cht_bytes){ (const uint8_t *)"{}", 2 }, &probes));
	CHECK(!probes_asked_read((struct cht_bytes){ (const uint8_t *)"{", 1 }, &probes));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probes_are_read_from_what_was_stated),
		cmocka_unit_test(test_methods_and_targets),
		cmocka_unit_test(test_a_body_is_taken_apart),
		cmocka_unit_test(test_what_a_member_does_not_take_is_named),
		cmocka_unit_test(test_what_is_stated_is_kept_in_one_form),
		cmocka_unit_test(test_the_longest_view_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
