/* SPDX-License-Identifier: Apache-2.0
 *
 * A reading of somebody else's probe becomes an event of the run, or none and no number.
 */
#include "check.h"

#include "base/bytes.h"
#include "event/event.h"

#include <cht/probe.h>

static uint8_t out[CHT_EVENT_MAX_BYTES];
static struct cht_cell *cell;
static const struct cht_now now = { INT64_C(1762348800123456789), 5, 7 };

static int setup(void **state)
{
	const struct cht_cell_options options = { .cell_id = STR("a"), .run_id = STR("r") };

	(void)state;
	return cht_cell_new(&cell, &options, &now, NULL);
}

static int teardown(void **state)
{
	(void)state;
	cht_cell_free(cell);
	return 0;
}

static int event_of(const char *probe, const char *value, const struct cht_event_options *options)
{
	const struct cht_host_probe_reading reading = { str_of(probe), str_of(value),
							INT64_C(1762348799000000000) };

	return cht_host_probe_event(cell, &reading, options, &now, out, sizeof(out));
}

static void test_it_is_an_event_of_the_run(void **state)
{
	const struct cht_event_options rust = { .shape = CHT_SHAPE_RUST, .id = STR("ev-1") };
	int n = event_of("cgroup", "{\"cpu_stat\":{\"usage_usec\":7}}", NULL);
	struct event_view v;
	struct cht_str value;
	size_t at;

	(void)state;
	CHECK(n > 0);
	CHECK_INT(event_scan((struct cht_bytes){ out, (size_t)n }, &v, &at), 0);
	CHECK_INT(v.known->kind, EV_PROBE_CGROUP);
	CHECK_INT(v.sequence, 1);
	CHECK(event_data_find(v.data, "output", &value));
	CHECK_STR(value, "{\"cpu_stat\":{\"usage_usec\":7}}");
	CHECK(event_data_find(v.data, "sampledAtUnixMs", &value));
	CHECK_STR(value, "1762348799000");
	n = event_of("host.tap_link", "{}", &rust);
	CHECK(n > 0);
	CHECK_STR(
		((struct cht_str){ (char *)out, (size_t)n }),
		"{\"specversion\":\"1.0\",\"id\":\"ev-1\",\"source\":\"cellos-host-telemetry/"
		"probes\","
		"\"type\":\"dev.cellos.events.cell.observability.host.v1.tap_link\","
		"\"datacontenttype\":\"application/"
		"json\",\"data\":{\"cellId\":\"a\",\"hostReceivedAt\":"
		"\"2025-11-05T13:20:00.123Z\",\"inputs\":{},\"output\":{},\"probeSource\":"
		"\"host.tap_link\",\"runId\":\"r\",\"specSignatureHash\":\"unspecified\"},\"time\":"
		"\"2025-11-05T13:20:00.123Z\",\"traceparent\":null}");
}

static void test_what_is_none_takes_no_number(void **state)
{
	static const struct {
		const char *probe, *value;
		int code;
	} rows[] = {
		{ "ebpf", "{}", CHT_E_RANGE },
		{ "host.", "{}", CHT_E_RANGE },
		{ "cgroup", "", CHT_E_PARSE },
		{ "cgroup", "7", CHT_E_PARSE },
		{ "cgroup", "[]", CHT_E_PARSE },
		{ "cgroup", "{", CHT_E_PARSE },
		{ "cgroup", "{\"a\": 1}", CHT_E_PARSE },
		{ "cgroup", "{\"b\":1,\"a\":1}", CHT_E_PARSE },
		{ "cgroup", "{\"a\":1.5}", CHT_E_PARSE },
		{ "cgroup", "{\"a\":null}", CHT_E_PARSE },
		{ "cgroup", "{},\"q\":{}", CHT_E_PARSE },
		{ "cgroup", "{}}", CHT_E_PARSE },
		{ "cgroup", "{\"a\":\"\xff\"}", CHT_E_PARSE },
	};
	int n;
	struct event_view v;
	size_t at;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row = rows[i].value;
		CHECK_INT(event_of(rows[i].probe, rows[i].value, NULL), rows[i].code);
	}
	n = event_of("cgroup", "{}", NULL);
	CHECK(n > 0);
	CHECK_INT(event_scan((struct cht_bytes){ out, (size_t)n }, &v, &at), 0);
	CHECK_INT(v.sequence, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_it_is_an_event_of_the_run, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_none_takes_no_number, setup, teardown),
	};

	return cmocka_run_group_tests_name("host_reading", tests, NULL, NULL);
}
