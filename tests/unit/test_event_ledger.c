/* SPDX-License-Identifier: Apache-2.0 */
#include "event_text.h"

static void test_a_log_says_where_it_comes_from_and_where_it_goes(void **state)
{
	(void)state;
	check_event(EV_LOG_OPENED, SAMPLE_USUAL,
		    USUAL
		    "cellos-host-telemetry/host" TYPE "log.opened" DATA
		    "{\"cellId\":\"cell-abc\",\"formatVersion\":1,\"host\":{\"hostBootNs\":"
		    "\"86400000000001\"},\"inputs\":{\"from\":[\"ledger\"]},\"origin\":"
		    "\"cht.example/0123456789abcdef\",\"output\":{\"stampedBy\":\"host\"},"
		    "\"predecessor\":{\"note\":\"cht.example/00000000000000ff\\n42\\n"
		    "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\\n\\n\xe2\x80\x94 "
		    "cht.example/00000000000000ff ChscPQEB\\n\",\"origin\":"
		    "\"cht.example/00000000000000ff\",\"size\":42},\"probeSource\":"
		    "\"host.ledger\",\"provenance\":\"observed\",\"reason\":\"lost-state\","
		    "\"retention\":{\"maxAgeSeconds\":72340172838076673,\"maxBytes\":"
		    "72340172838076673},\"runId\":\"run-6ba7b810-9dad-11d1-80b4-00c04fd430c8\","
		    "\"sequence\":7,\"specSignatureHash\":\"sha256:deadbeef\",\"vkey\":"
		    "\"" SAMPLE_VKEY "\"}" END("2025-11-05T13:20:00.123456789Z"));
	check_event(EV_LOG_CLOSED, SAMPLE_LEAST,
		    LEAST
		    "cellos-host-telemetry/host" TYPE "log.closed" DATA
		    "{\"cellId\":\"c\",\"host\":{\"hostBootNs\":\"0\"},\"inputs\":{\"from\":"
		    "[\"request\"]},\"output\":{\"stampedBy\":\"host\"},\"probeSource\":"
		    "\"host.ledger\",\"provenance\":\"observed\",\"reason\":\"rotation\","
		    "\"runId\":\"r\",\"sequence\":1,\"specSignatureHash\":\"s\",\"successor\":"
		    "{\"origin\":\"cht.example/fedcba9876543210\",\"vkey\":\"" SAMPLE_VKEY
		    "\"}}" END("1970-01-01T00:00:00.000000000Z"));
	check_event(EV_RUN_CONTINUED, SAMPLE_USUAL,
		    USUAL "cellos-host-telemetry/host" TYPE "run.continued" DATA
			  "{\"cellId\":\"cell-abc\",\"from\":{\"lastSequence\":72340172838076673,"
			  "\"origin\":\"cht.example/0123456789abcdef\"},\"host\":{\"hostBootNs\":"
			  "\"86400000000001\"},\"inputs\":{\"from\":[\"run_table\",\"predecessor\","
			  "\"registration\"]},"
			  "\"lostFrom\":72340172838076673,\"lostTo\":72340172838076673,\"output\":"
			  "{\"stampedBy\":\"host\"},\"probeSource\":\"host.run\",\"provenance\":"
			  "\"derived\",\"runId\":\"run-6ba7b810-9dad-11d1-80b4-00c04fd430c8\","
			  "\"sequence\":7,\"socket\":\"vsock:3\",\"specSignatureHash\":\"sha256:"
			  "deadbeef\"}" END("2025-11-05T13:20:00.123456789Z"));
}

static void test_a_step_of_the_clock_has_both_sides(void **state)
{
	(void)state;
	check_event(EV_CLOCK_STEPPED, SAMPLE_LEAST,
		    LEAST
		    "cellos-host-telemetry/host" TYPE "clock.stepped" DATA
		    "{\"afterNs\":\"0\",\"beforeNs\":\"0\",\"cellId\":\"c\",\"host\":"
		    "{\"hostBootNs\":\"0\"},\"inputs\":{\"from\":[\"clock_realtime\","
		    "\"clock_boottime\"]},\"output\":{\"stampedBy\":\"host\"},\"probeSource\":"
		    "\"host.clock\",\"provenance\":\"derived\",\"runId\":\"r\",\"sequence\":1,"
		    "\"specSignatureHash\":\"s\",\"steadyBootNs\":\"0\",\"stepNs\":"
		    "-9223372036854775808}" END("1970-01-01T00:00:00.000000000Z"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_log_says_where_it_comes_from_and_where_it_goes),
		cmocka_unit_test(test_a_step_of_the_clock_has_both_sides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
