/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "event/out.h"
#include "event_text.h"

static void test_a_declaration_says_all_that_the_host_knows(void **state)
{
	(void)state;
	check_event(
		EV_GUEST_PROCESS_SPAWNED, SAMPLE_USUAL,
		USUAL
		"cellos-host-telemetry/guest" TYPE "guest.process_spawned" DATA
		"{\"cellId\":\"cell-abc\",\"channel\":{\"agentBoot\":\"00ab00000000cdef\","
		"\"agentDropped\":\"0\",\"agentSeq\":\"12345\",\"connection\":3,\"epoch\":0,"
		"\"stale\":false},\"guest\":{\"agentVersion\":\"0.1.0\",\"capability\":"
		"\"CAP_NET_RAW\",\"commRaw\":\"626164ff\",\"coverage\":[{\"mechanism\":"
		"\"proc-connector\",\"source\":\"process.spawned\",\"state\":\"active\"},"
		"{\"reason\":\"no audit\",\"source\":\"capability.denied\",\"state\":\"absent\"}],"
		"\"destAddr\":\"2001:db8::1\",\"destPort\":0,\"exe\":"
		"\"/usr/bin/quo\\\"te\\\\ \xe6\x97\xa5\\t\",\"exeRaw\":\"2f62696e2fc328\","
		"\"exitCode\":0,\"exitSignal\":0,\"gid\":0,\"guestComm\":\"workload\","
		"\"guestMonotonicNs\":9007199254740993,\"guestPid\":4242,"
		"\"heartbeatIntervalMs\":0,\"mask\":0,\"path\":\"/etc/passwd\",\"pathRaw\":"
		"\"2f746d702ffe\",\"ppid\":0,\"probeSource\":\"process.spawned\",\"protocol\":"
		"\"tcp\",\"reason\":\"told to stop\",\"syscall\":0,\"uid\":0},\"host\":{"
		"\"cellId\":\"cell-abc\",\"hostBootNs\":\"86400000000001\",\"hostReceivedAt\":"
		"\"2025-11-05T13:20:00.123456789Z\",\"runId\":"
		"\"run-6ba7b810-9dad-11d1-80b4-00c04fd430c8\",\"specSignatureHash\":"
		"\"sha256:deadbeef\"},\"inputs\":{\"connection\":3,\"frameBytes\":118,"
		"\"peerUid\":1000},\"output\":{\"declaredBy\":\"guest\",\"stampedBy\":\"host\"},"
		"\"probeSource\":\"guest.process.spawned\",\"provenance\":\"declared\","
		"\"runId\":\"run-6ba7b810-9dad-11d1-80b4-00c04fd430c8\",\"sequence\":7,"
		"\"specSignatureHash\":\"sha256:deadbeef\"}" END("2025-11-05T13:20:00.123456789Z"));
}

static void test_what_was_not_sent_is_left_out(void **state)
{
	(void)state;
	check_event(
		EV_GUEST_AGENT_BYE, SAMPLE_LEAST,
		LEAST
		"cellos-host-telemetry/guest" TYPE "guest.agent_bye" DATA
		"{\"cellId\":\"c\",\"channel\":{\"connection\":1,\"epoch\":0,\"stale\":false},"
		"\"guest\":{\"guestComm\":\"\",\"guestMonotonicNs\":0,\"guestPid\":0,"
		"\"probeSource\":\"agent.bye\"},\"host\":{\"cellId\":\"c\",\"hostBootNs\":\"0\","
		"\"hostReceivedAt\":\"1970-01-01T00:00:00.000000000Z\",\"runId\":\"r\","
		"\"specSignatureHash\":\"s\"},\"inputs\":{\"connection\":1,\"frameBytes\":1},"
		"\"output\":{\"declaredBy\":\"guest\",\"stampedBy\":\"host\"},\"probeSource\":"
		"\"guest.agent.bye\",\"provenance\":\"declared\",\"runId\":\"r\",\"sequence\":1,"
		"\"specSignatureHash\":\"s\"}" END("1970-01-01T00:00:00.000000000Z"));
}

static void test_a_fact_that_does_not_apply_is_left_out(void **state)
{
	static const struct {
		enum event_kind kind;
		const char *key;
	} rows[] = {
		{ EV_RUN_OPENED, "\"expectedUid\":" },
		{ EV_RUN_OPENED, "\"by\":" },
		{ EV_RUN_OPENED, "\"stated\":" },
		{ EV_RUN_RESUMED, "\"to\":" },
		{ EV_RUN_SEALED, "\"continued\":" },
		{ EV_RUN_SEALED, "\"pauses\":" },
		{ EV_GUEST_AGENT_SILENCED, "\"pausedMs\":" },
		{ EV_CHANNEL_OPENED, "\"peer\":" },
		{ EV_GUEST_TELEMETRY_DROPPED, "\"newestGap\":" },
		{ EV_LEDGER_RECOVERED, "\"unprotected\":" },
		{ EV_RUN_CONTINUED, "\"lostTo\":" },
		{ EV_LOG_OPENED, "\"predecessor\":" },
		{ EV_LOG_OPENED, "\"maxAgeSeconds\":" },
		{ EV_LOG_OPENED, "\"maxBytes\":" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (unsigned size = 0; size < SAMPLE_SIZES; size++) {
			struct sample *x = sample_make(rows[i].kind, size);
			struct cht_str e = rendered(&x->s, CHT_SHAPE_FULL);
			bool has = memmem(e.ptr, e.len, rows[i].key, strlen(rows[i].key)) != NULL;

			check_row = rows[i].key;
			if (size != SAMPLE_USUAL)
				CHECK(has == (size == SAMPLE_MOST));
			free(x);
		}
}

static void test_the_host_states_a_fact_with_its_source_and_inputs(void **state)
{
	(void)state;
	check_event(EV_GUEST_AGENT_SILENCED, SAMPLE_LEAST,
		    LEAST
		    "cellos-host-telemetry/host" TYPE "guest.agent_silenced" DATA
		    "{\"basis\":\"never-heard\",\"cellId\":\"c\",\"elapsedMs\":0,\"episode\":0,"
		    "\"epistemicStatus\":\"DECLARED\",\"host\":{\"hostBootNs\":\"0\"},"
		    "\"inputs\":{\"from\":[\"frames\",\"connections\",\"statements\",\"witnesses\","
		    "\"clock_monotonic\"]},"
		    "\"keepaliveWindowMs\":0,\"output\":{\"stampedBy\":\"host\"},"
		    "\"probeSource\":\"host.silence\",\"provenance\":\"derived\",\"ruleClass\":"
		    "\"GUEST_AGENT_DECLARATION\",\"runId\":\"r\",\"sequence\":1,"
		    "\"specSignatureHash\":\"s\",\"witnesses\":{\"connectionsOpen\":0,"
		    "\"frames\":\"none\"}}" END("1970-01-01T00:00:00.000000000Z"));
	check_event(
		EV_RUN_SEALED, SAMPLE_USUAL,
		USUAL
		"cellos-host-telemetry/host" TYPE "run.sealed" DATA
		"{\"cellId\":\"cell-abc\",\"counts\":{\"guest.process_spawned\":5,"
		"\"run.opened\":1,\"run.sealed\":1},\"firstIndex\":42,\"frames\":{"
		"\"dropped\":72340172838076673,\"heartbeats\":72340172838076673,"
		"\"received\":72340172838076673,\"refused\":72340172838076673,"
		"\"stored\":72340172838076673},\"host\":{\"hostBootNs\":"
		"\"86400000000001\"},\"inputs\":{\"from\":[\"events\",\"frames\"]},"
		"\"lastSequence\":7,\"output\":{\"stampedBy\":\"host\"},\"pausedMs\":72340172838,"
		"\"pauses\":72340172838076673,\"probeSource\":\"host.run\",\"provenance\":"
		"\"derived\",\"reason\":\"requested\",\"runId\":"
		"\"run-6ba7b810-9dad-11d1-80b4-00c04fd430c8\",\"sequence\":7,"
		"\"specSignatureHash\":\"sha256:deadbeef\"}" END("2025-11-05T13:20:00.123456789Z"));
}

static void test_run_bits_are_those_of_the_id(void **state)
{
	static const struct {
		enum sample_size size;
		const char *id, *bits;
	} rows[] = {
		{ SAMPLE_USUAL, "00000000-0007-8234-9234-56789abcdef0", "08d123456789abcdef0" },
		{ SAMPLE_LEAST, "00000000-0001-8000-8000-000000000000", "0000000000000000000" },
		{ SAMPLE_MOST, "ffffffff-ffff-8fff-bfff-ffffffffffff", "3ffffffffffffffffff" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sample *x = sample_make(EV_RUN_OPENED, rows[i].size);
		struct cht_str e = rendered(&x->s, CHT_SHAPE_FULL);
		char want[64];

		check_row = rows[i].id;
		CHECK(memmem(e.ptr, e.len, rows[i].id, UUID_LEN) != NULL);
		snprintf(want, sizeof(want), "\"runBits\":\"%s\"", rows[i].bits);
		CHECK(memmem(e.ptr, e.len, want, strlen(want)) != NULL);
		free(x);
	}
}

static void test_each_kind_fits_exactly_and_no_less(void **state)
{
	(void)state;
	for (unsigned k = 0; k < EV_N_KINDS * SAMPLE_SIZES; k++) {
		struct sample *x = sample_make(k / SAMPLE_SIZES, k % SAMPLE_SIZES);
		size_t len = rendered(&x->s, CHT_SHAPE_FULL).len;
		uint8_t *exact = malloc(len);

		check_row = event_types[x->s.kind].name;
		assert_non_null(exact);
		CHECK_INT(cht_event_render(&x->s, NULL, exact, len), len);
		CHECK(memcmp(exact, mem, len) == 0);
		CHECK_INT(cht_event_render(&x->s, NULL, exact, len - 1), CHT_E_FULL);
		CHECK_INT(cht_event_render(&x->s, NULL, exact, 0), CHT_E_FULL);
		free(exact);
		free(x);
	}
}

/* 8,192 bytes of details are their keys and heads too: all that remains is control characters. */
static void test_the_worst_event_that_a_guest_can_send_fits(void **state)
{
	struct sample *x = sample_make(EV_GUEST_DECLARATION, SAMPLE_MOST);
	struct cht_declaration *d = &x->guest;
	uint8_t frame[CHT_FRAME_HEAD_BYTES + CHT_FRAME_MAX_BYTES];
	struct cht_declaration back;
	int n, longest = 0;

	(void)state;
	d->details &=
		~(1u << CHT_DETAIL_COVERAGE | 1u << CHT_DETAIL_EXE_RAW | 1u << CHT_DETAIL_PATH_RAW);
	d->detail[CHT_DETAIL_EXE].text.len = 4096;
	for (size_t path = 0; path <= 4096; path++) {
		d->detail[CHT_DETAIL_PATH].text = (struct cht_str){ x->control, path };
		n = cht_encode(d, frame, sizeof(frame));
		if (n < 0 || cht_decode(frame + CHT_FRAME_HEAD_BYTES,
					(size_t)n - CHT_FRAME_HEAD_BYTES, &back, NULL) < 0)
			break;
		longest = (int)path;
	}
	CHECK(longest > 2048);
	d->detail[CHT_DETAIL_PATH].text.len = (size_t)longest;
	CHECK(rendered(&x->s, CHT_SHAPE_FULL).len > 48000);
	CHECK(rendered(&x->s, CHT_SHAPE_FULL).len <= CHT_EVENT_MAX_BYTES);
	free(x);
}

static void test_a_hand_made_declaration_beyond_a_frame_is_refused(void **state)
{
	struct sample *x = sample_make(EV_GUEST_PROCESS_SPAWNED, SAMPLE_USUAL);
	struct cht_event_options rust = { .shape = CHT_SHAPE_RUST };

	(void)state;
	x->guest.comm = (struct cht_str){ x->control, CHT_TEXT_MAX_BYTES + 1 };
	CHECK_INT(cht_event_render(&x->s, NULL, (uint8_t *)mem, sizeof(mem)), CHT_E_RANGE);
	CHECK_INT(cht_event_render(&x->s, &rust, (uint8_t *)mem, sizeof(mem)), CHT_E_RANGE);
	x->guest.comm.len = 4;
	x->guest.detail[CHT_DETAIL_EXE].text.len = SIZE_MAX / 6 + 2; /* times 6: 8 */
	CHECK_INT(cht_event_render(&x->s, NULL, (uint8_t *)mem, sizeof(mem)), CHT_E_RANGE);
	x->guest.detail[CHT_DETAIL_EXE].text = (struct cht_str){ x->control, 8192 };
	x->guest.detail[CHT_DETAIL_PATH].text = (struct cht_str){ x->control, 8192 };
	CHECK_INT(cht_event_render(&x->s, NULL, (uint8_t *)mem, sizeof(mem)), CHT_E_RANGE);
	free(x);
}

static void test_what_cannot_fit_leaves_the_writer_full(void **state)
{
	struct sample *host = sample_make(EV_HOST_STOPPED, SAMPLE_USUAL);
	struct sample *guest = sample_make(EV_GUEST_AGENT_BYE, SAMPLE_USUAL);
	struct event_renderer r = { .clock = { .valid = false } };
	struct buf b = buf_init(mem, sizeof(mem));

	(void)state;
	host->s.facts.host_stopped.reason = (struct cht_str){ mem, sizeof(mem) };
	CHECK_INT(cht_event_render(&host->s, NULL, (uint8_t *)mem, sizeof(mem)), CHT_E_FULL);
	CHECK_INT(cht_event_render(&host->s, NULL, (uint8_t *)mem, 64), CHT_E_FULL);
	CHECK_INT(cht_event_render(&host->s, NULL, (uint8_t *)mem, sizeof(mem) - 1), CHT_E_FULL);
	host->s.facts.host_stopped.reason.len = SIZE_MAX / 2;
	CHECK_INT(cht_event_render(&host->s, NULL, (uint8_t *)mem, sizeof(mem)), CHT_E_FULL);
	guest->guest.comm.len = CHT_TEXT_MAX_BYTES + 1;
	event_render(&r, &guest->s, CHT_SHAPE_FULL, &b);
	CHECK(b.full && buf_len(&b) == 0);
	guest->guest.comm.len = 1; /* full for ever */
	event_render(&r, &guest->s, CHT_SHAPE_FULL, &b);
	CHECK(b.full && buf_len(&b) == 0);
	guest->guest.detail[CHT_DETAIL_EXE].text = (struct cht_str){ guest->control, 8192 };
	guest->guest.detail[CHT_DETAIL_PATH].text = (struct cht_str){ guest->control, 8192 };
	b = buf_init(mem, sizeof(mem));
	event_render(&r, &guest->s, CHT_SHAPE_FULL, &b);
	CHECK(b.full && buf_len(&b) == 0);
	free(host);
	free(guest);
}

static void test_a_clock_before_1970_reads_as_1970(void **state)
{
	struct sample *x = sample_make(EV_RUN_OPENED, SAMPLE_USUAL);
	struct cht_str e;

	(void)state;
	x->s.at.realtime_ns = -1;
	e = rendered(&x->s, CHT_SHAPE_FULL);
	CHECK(memmem(e.ptr, e.len, "\"1970-01-01T00:00:00.000000000Z\"", 32) != NULL);
	free(x);
}

static void test_the_second_kept_is_that_of_each_event(void **state)
{
	struct sample *x = sample_make(EV_GUEST_AGENT_BYE, SAMPLE_USUAL);
	struct event_renderer r = { .clock = { .valid = false } };
	static const int64_t seconds[] = { 0, 0, 1762348800, 1, 1762348800, 1762348801 };

	(void)state;
	for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
		struct buf b = buf_init(mem, sizeof(mem));
		const char *at;
		int64_t got = -1;

		x->s.at.realtime_ns = seconds[i] * 1000000000 + (int64_t)i;
		event_render(&r, &x->s, CHT_SHAPE_FULL, &b);
		at = memmem(mem, buf_len(&b), "\"time\":\"", 8);
		CHECK(read_rfc3339((struct cht_str){ at + 8, RFC3339_NS_LEN }, &got));
		CHECK(got == x->s.at.realtime_ns);
	}
	free(x);
}

static void test_options_that_do_not_fit_the_shape_are_refused(void **state)
{
	struct sample *host = sample_make(EV_RUN_OPENED, SAMPLE_USUAL);
	struct sample *guest = sample_make(EV_GUEST_AGENT_BYE, SAMPLE_USUAL);
	static const char long_name[CHT_EVENT_NAME_MAX + 2];
	struct cht_str too_long = { long_name, CHT_EVENT_NAME_MAX + 1 };
	const struct {
		const char *why;
		const struct cht_stamped *s;
		struct cht_event_options options;
		bool ok;
	} rows[] = {
		{ "full", &host->s, { .shape = CHT_SHAPE_FULL }, true },
		{ "full with id", &host->s, { .id = STR("x") }, false },
		{ "full with source", &host->s, { .source = STR("x") }, false },
		{ "full with type", &guest->s, { .type = STR("x") }, false },
		{ "a fact of the host", &host->s, { .shape = CHT_SHAPE_RUST }, false },
		{ "rust", &guest->s, { .shape = CHT_SHAPE_RUST }, true },
		{ "rust, all", &guest->s, { CHT_SHAPE_RUST, STR("i"), STR("s"), STR("t") }, true },
		{ "id not UTF-8",
		  &guest->s,
		  { .shape = CHT_SHAPE_RUST, .id = STR("\xff") },
		  false },
		{ "id too long", &guest->s, { .shape = CHT_SHAPE_RUST, .id = too_long }, false },
		{ "source too long",
		  &guest->s,
		  { CHT_SHAPE_RUST, STR(""), too_long, STR("") },
		  false },
		{ "type too long",
		  &guest->s,
		  { .shape = CHT_SHAPE_RUST, .type = too_long },
		  false },
		{ "another shape", &guest->s, { .shape = (enum cht_shape)2 }, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int n = cht_event_render(rows[i].s, &rows[i].options, (uint8_t *)mem, sizeof(mem));

		check_row = rows[i].why;
		CHECK(rows[i].ok ? n > 0 : n == CHT_E_RANGE);
	}
	free(host);
	free(guest);
}

static void test_the_rust_shape_has_three_members_and_whole_seconds(void **state)
{
	struct sample *x = sample_make(EV_GUEST_PROCESS_EXITED, SAMPLE_USUAL);

	(void)state;
	CHECK_STR(rendered(&x->s, CHT_SHAPE_RUST), USUAL
		  "cellos-host-telemetry/guest" TYPE "guest.process_exited" DATA
		  "{\"guest\":{\"guestComm\":\"workload\",\"guestMonotonicNs\":"
		  "9007199254740993,\"guestPid\":4242,\"probeSource\":\"process.exited\"},"
		  "\"host\":{\"cellId\":\"cell-abc\",\"hostReceivedAt\":"
		  "\"2025-11-05T13:20:00Z\",\"runId\":"
		  "\"run-6ba7b810-9dad-11d1-80b4-00c04fd430c8\",\"specSignatureHash\":"
		  "\"sha256:deadbeef\"},\"provenance\":\"declared\"}" END("2025-11-05T13:20:00Z"));
	x->s.kind = EV_RUN_OPENED; /* all others are full in every shape */
	x->s.facts.opened.socket = STR("s");
	CHECK(memmem(mem, rendered(&x->s, CHT_SHAPE_RUST).len, "\"sequence\":7", 12) != NULL);
	free(x);
}

static void test_text_that_is_not_utf8_becomes_a_replacement(void **state)
{
	static const struct {
		struct cht_str in;
		const char *want;
	} rows[] = {
		{ STR_INIT(""), "" },
		{ STR_INIT("plain12"), "plain12" },
		{ STR_INIT("plain123"), "plain123" },
		{ STR_INIT("plain1234\x7f/"), "plain1234\x7f/" },
		{ STR_INIT("\""), "\\\"" },
		{ STR_INIT("1234567\\"), "1234567\\\\" },
		{ STR_INIT("1234567\x1f"), "1234567\\u001f" },
		{ STR_INIT("\b\f\n\r\t"), "\\b\\f\\n\\r\\t" },
		{ STR_INIT("\x00\x01\x0b\x1f "), "\\u0000\\u0001\\u000b\\u001f " },
		{ STR_INIT("na\xc3\xafve \xf0\x9f\x98\x80 \xed\x9f\xbf"),
		  "na\xc3\xafve \xf0\x9f\x98\x80 \xed\x9f\xbf" },
		{ STR_INIT("\xff"
			   "a"),
		  "\xef\xbf\xbd"
		  "a" },
		{ STR_INIT("\xc3"), "\xef\xbf\xbd" },
		{ STR_INIT("\xc0\x80"), "\xef\xbf\xbd\xef\xbf\xbd" },
		{ STR_INIT("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ STR_INIT("\xe2\x82"), "\xef\xbf\xbd\xef\xbf\xbd" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t out[64 + OUT_SLACK];
		uint8_t *end = out_text(out, rows[i].in);

		check_row = rows[i].want;
		CHECK_STR(((struct cht_str){ (char *)out, (size_t)(end - out) }), rows[i].want);
	}
}

static void test_numbers_are_written_as_printf_writes_them(void **state)
{
	uint8_t out[DECIMAL_MAX + OUT_SLACK];
	char want[32];

	(void)state;
	for (uint64_t v = 0; v < 20000; v++) {
		snprintf(want, sizeof(want), "%08llu", (unsigned long long)(v * 5000 + 4999));
		(void)out_u64_8(out, v * 5000 + 4999);
		CHECK(memcmp(out, want, 8) == 0);
	}
	for (uint64_t power = 1; power <= UINT64_MAX / 10; power *= 10)
		for (uint64_t d = 0; d < 3; d++) {
			uint64_t v = power * 10 - 1 + d;

			snprintf(want, sizeof(want), "%llu", (unsigned long long)v);
			CHECK_STR(
				((struct cht_str){ (char *)out, (size_t)(out_u64(out, v) - out) }),
				want);
		}
	CHECK_STR(((struct cht_str){ (char *)out, (size_t)(out_u64(out, UINT64_MAX) - out) }),
		  "18446744073709551615");
	CHECK_STR(((struct cht_str){ (char *)out, (size_t)(out_u64(out, 0) - out) }), "0");
	CHECK_STR(((struct cht_str){ (char *)out,
				     (size_t)(out_hex64(out, 0x0123456789abcdef) - out) }),
		  "0123456789abcdef");
}

static void test_detail_keys_are_those_of_the_wire_in_order(void **state)
{
	struct sample *x = sample_make(EV_GUEST_PROCESS_SPAWNED, SAMPLE_USUAL);
	struct cht_str e = rendered(&x->s, CHT_SHAPE_FULL);
	const char *at = memmem(e.ptr, e.len, "\"guest\":{", 9), *last = "";

	(void)state;
	for (unsigned i = 0; i < CHT_N_DETAILS; i++) {
		const char *json = cht_detail_info((enum cht_detail)i)->json;
		char key[64];

		check_row = json;
		snprintf(key, sizeof(key), "%s%s\":", i == 0 ? "{\"" : ",\"", json);
		at = memmem(at, (size_t)(e.ptr + e.len - at), key, strlen(key));
		CHECK(at != NULL);
		CHECK(strcmp(last, json) < 0);
		last = json;
	}
	free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_declaration_says_all_that_the_host_knows),
		cmocka_unit_test(test_what_was_not_sent_is_left_out),
		cmocka_unit_test(test_a_fact_that_does_not_apply_is_left_out),
		cmocka_unit_test(test_the_host_states_a_fact_with_its_source_and_inputs),
		cmocka_unit_test(test_run_bits_are_those_of_the_id),
		cmocka_unit_test(test_each_kind_fits_exactly_and_no_less),
		cmocka_unit_test(test_the_worst_event_that_a_guest_can_send_fits),
		cmocka_unit_test(test_a_hand_made_declaration_beyond_a_frame_is_refused),
		cmocka_unit_test(test_what_cannot_fit_leaves_the_writer_full),
		cmocka_unit_test(test_a_clock_before_1970_reads_as_1970),
		cmocka_unit_test(test_the_second_kept_is_that_of_each_event),
		cmocka_unit_test(test_options_that_do_not_fit_the_shape_are_refused),
		cmocka_unit_test(test_the_rust_shape_has_three_members_and_whole_seconds),
		cmocka_unit_test(test_text_that_is_not_utf8_becomes_a_replacement),
		cmocka_unit_test(test_numbers_are_written_as_printf_writes_them),
		cmocka_unit_test(test_detail_keys_are_those_of_the_wire_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
