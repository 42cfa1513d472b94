/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "cli/ps.h"

#define PREFIX "dev.cellos.events.cell.observability.v1."

struct told {
	const char *type, *data;
	uint64_t sequence; /* 0: the next */
	bool is_numbered;
};

#define HELLO(spawned, exited)                                                                     \
	{                                                                                          \
		"guest.agent_hello",                                                               \
			"{\"channel\":{\"agentBoot\":\"00000000000000aa\"},\"guest\":{"            \
			"\"coverage\":[{"                                                          \
			"\"source\":\"process.spawned\",\"state\":\"" spawned                      \
			"\"},{\"reason\":\"}\","                                                   \
			"\"source\":\"process.exited\",\"state\":\"" exited "\"}]}}",              \
			0, true                                                                    \
	}
#define BEGAN                                                                                      \
	{                                                                                          \
		"guest.process_spawned",                                                           \
			"{\"channel\":{\"agentBoot\":\"00000000000000aa\"},\"guest\":{"            \
			"\"guestComm\":\"a\","                                                     \
			"\"guestPid\":7,\"ppid\":1}}",                                             \
			0, true                                                                    \
	}

static const struct {
	const char *why;
	struct told events[5];
	const char *complete, *reasons;
} rows[] = {
	{ "all is well", { HELLO("active", "active"), BEGAN }, "yes", "" },
	{ "nothing at all", { { .type = NULL } }, "unknown", "no agent said hello" },
	{ "no hello", { BEGAN }, "unknown", "no agent said hello" },
	{ "no numbers",
	  { HELLO("active", "active"),
	    { "guest.process_spawned", "{\"guest\":{\"guestComm\":\"a\",\"guestPid\":7}}", 0,
	      false } },
	  "unknown",
	  "does not number" },
	{ "half blind", { HELLO("degraded", "active"), BEGAN }, "no", "does not see every" },
	{ "half blind to ends", { HELLO("active", "absent"), BEGAN }, "no", "does not see every" },
	{ "blind",
	  { { "guest.agent_hello",
	      "{\"guest\":{\"coverage\":[{\"source\":\"x\",\"state\":\"active\"}]}}", 0, true } },
	  "no",
	  "does not see every" },
	{ "blind for a while",
	  { HELLO("degraded", "active"), HELLO("active", "active"), BEGAN },
	  "no",
	  "does not see every" },
	{ "lost",
	  { HELLO("active", "active"),
	    { "guest.telemetry.dropped",
	      "{\"inGuest\":1,\"onTheWay\":2,\"overQuota\":3,\"noSpace\":4}", 0, true } },
	  "no",
	  "10 events of the guest are lost" },
	{ "lost, and came after all",
	  { HELLO("active", "active"),
	    { "guest.telemetry.dropped", "{\"onTheWay\":2}", 0, true },
	    { "guest.telemetry.dropped", "{\"late\":2}", 0, true },
	    BEGAN },
	  "yes",
	  "" },
	{ "refused",
	  { HELLO("active", "active"), { "frames.refused", "{\"count\":1}", 0, true } },
	  "no",
	  "1 frame could not be read" },
	{ "a hole",
	  { HELLO("active", "active"), { "run.resumed", "{\"from\":2,\"to\":4}", 5, true } },
	  "no",
	  "3 events of the run are not stored" },
	{ "another agent",
	  { HELLO("active", "active"),
	    { "guest.agent_bye", "{\"channel\":{\"agentBoot\":\"00000000000000ab\"}}", 0, true } },
	  "no",
	  "the agent began 2 times" },
	{ "restored",
	  { HELLO("active", "active"),
	    { "guest.agent_bye", "{\"channel\":{\"epoch\":1}}", 0, true } },
	  "no",
	  "restored from a snapshot" },
	{ "from another log",
	  { { "run.continued", "{}", 0, true }, HELLO("active", "active") },
	  "no",
	  "an earlier log" },
};

static void take(struct ps *ps, const struct told *told)
{
	char type[128];
	struct event_view event = { .data = str_of(told->data),
				    .time = STR("2026-11-25T03:00:00Z"),
				    .is_numbered = told->is_numbered };

	snprintf(type, sizeof(type), PREFIX "%s", told->type);
	event.type = str_of(type);
	event.known = event_type_find(event.type);
	event.sequence = told->sequence != 0 ? told->sequence : ps->sequence + 1;
	CHECK(event.known != NULL);
	CHECK_INT(ps_take(ps, &event, event.sequence, NULL), 0);
}

static void test_what_makes_a_list_incomplete_is_said(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char mem[1024];
		struct buf b = buf_init(mem, sizeof(mem) - 1);
		struct ps ps = { 0 };
		unsigned at = 0;

		check_row = rows[i].why;
		for (size_t k = 0; k < 5 && rows[i].events[k].type != NULL; k++)
			take(&ps, &rows[i].events[k]);
		CHECK_STR(str_of(ps_complete(&ps, false)), rows[i].complete);
		CHECK_STR(str_of(ps_complete(&ps, true)), "no");
		CHECK_INT(ps_next_reason(&ps, false, &at, &b), *rows[i].reasons != '\0');
		*b.at = '\0';
		CHECK(strstr(mem, rows[i].reasons) != NULL);
		ps_free(&ps);
	}
}

static void test_silence_ends_with_a_frame_and_the_run_with_its_seal(void **state)
{
	struct told silenced = { "guest.agent_silenced", "{}", 0, true };
	struct told resumed = { "guest.agent_resumed", "{}", 0, true };
	struct told sealed = { "run.sealed", "{}", 0, true };
	struct ps ps = { 0 };

	(void)state;
	take(&ps, &silenced);
	CHECK(ps.is_silent && !ps.is_sealed);
	CHECK_STR(str_of(ps.silent_since), "2026-11-25T03:00:00Z");
	take(&ps, &resumed);
	CHECK(!ps.is_silent);
	take(&ps, &sealed);
	CHECK(ps.is_sealed);
	ps_free(&ps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_makes_a_list_incomplete_is_said),
		cmocka_unit_test(test_silence_ends_with_a_frame_and_the_run_with_its_seal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
