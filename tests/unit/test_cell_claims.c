/* SPDX-License-Identifier: Apache-2.0
 *
 * What guests declare against what the host counted: a story is a line of steps, each a reading or
 * a connect, and what is told, and counted, at its end.
 */
#include "check.h"

#include "base/bytes.h"
#include "cell/claims.h"

enum { S = 1000000000 };

static struct cht_cell cell;
static struct run_names names;
static struct cell_met met;
static struct claims claims;
static struct cht_stamped out;
static uint64_t now_s;

static struct cht_now now(void)
{
	return (struct cht_now){ .realtime_ns = (int64_t)now_s * S, .monotonic_ns = now_s * S };
}

static int begin(void **state)
{
	const struct cell_options options = { .cell_id = STR("a"),
					      .names = &names,
					      .met = &met,
					      .expected_uid = -1,
					      .keepalive_window_ns = UINT64_C(1000000) * S };
	struct cht_err err;
	struct cht_now at;

	(void)state;
	now_s = 1;
	at = now();
	met = (struct cell_met){ .opened_p = { .due = false } };
	claims = (struct claims){ .connects = 0 };
	cell.claims = NULL;
	if (cell_init(&cell, &options, &at, &err) < 0)
		return -1;
	cell.claims = &claims;
	return 0;
}

/* A packet count; "down" is a link that can carry nothing. */
static void read_link(enum cht_probe_kind kind, uint64_t packets_out, bool is_down)
{
	const struct cht_reading reading = {
		.kind = kind,
		.traffic = { .has_packets = true, .is_down = is_down, .packets_out = packets_out }
	};
	struct cht_now at = now();

	cell_stamp_reading(&cell, &reading, &at, &out);
}

static void fail_to_read(enum cht_probe_kind kind, bool is_gone)
{
	const struct cht_reading reading = { .kind = kind,
					     .error = STR("not_found"),
					     .traffic = { .is_down = is_gone } };
	struct cht_now at = now();

	cell_stamp_reading(&cell, &reading, &at, &out);
}

static void declare(const char *to)
{
	struct cht_declaration d = { .source = CHT_SOURCE_NET_CONNECT_ATTEMPTED };
	const struct cht_frame_facts facts = { .connection = 1, .frame_bytes = 96 };
	struct cht_now at = now();

	if (to != NULL) {
		d.details = 1u << CHT_DETAIL_DEST_ADDR;
		d.detail[CHT_DETAIL_DEST_ADDR].text = str_of(to);
	}
	cell_note_frame(&cell, &d, &facts, &at);
	CHECK(cell_stamp(&cell, &d, &facts, &at, &out));
}

/* What there is to tell in the next second; false: nothing of claims. */
static bool told(void)
{
	struct cht_now at;

	now_s++;
	at = now();
	while (cell_next(&cell, &at, &out))
		if (out.kind == EV_GUEST_DECLARATION_UNWITNESSED ||
		    out.kind == EV_GUEST_TRAFFIC_UNDECLARED)
			return true;
	return false;
}

static void check_counts(uint64_t witnessed, uint64_t unwitnessed, uint64_t contradicted,
			 uint64_t none)
{
	const uint64_t *n = claims.counts.n[CLAIM_CONNECT];

	CHECK_INT(n[VERDICT_WITNESSED], witnessed);
	CHECK_INT(n[VERDICT_UNWITNESSED], unwitnessed);
	CHECK_INT(n[VERDICT_CONTRADICTED], contradicted);
	CHECK_INT(n[VERDICT_NO_WITNESS], none);
}

/* Steps: c a connect, l one to a loopback address; a reading of the link: . nothing more, + a
 * packet more, d and it is down, x it failed, g it is gone, 0 its counter was set back; f the run
 * ends. Verdicts in the order of enum verdict. */
static void test_connects_against_packets(void **state)
{
	static const struct {
		const char *why, *steps;
		uint64_t counts[N_VERDICTS];
	} rows[] = {
		{ "packets in its round", ".c+.", { 1, 0, 0, 0 } },
		{ "packets in the round after", ".c.+", { 1, 0, 0, 0 } },
		{ "packets a little before, in its round", ".c+.", { 1, 0, 0, 0 } },
		{ "packets two rounds later", ".c..+", { 0, 1, 0, 0 } },
		{ "two of them, none left", ".cc..", { 0, 2, 0, 0 } },
		{ "not judged before the second round", ".c.", { 0, 0, 0, 0 } },
		{ "judged at the end by what there is", ".c.f", { 0, 1, 0, 0 } },
		{ "declared after the last reading", "..cf", { 0, 0, 0, 1 } },
		{ "a link that is down", "dcdd", { 0, 0, 1, 0 } },
		{ "down, and up again", "dcd.", { 0, 1, 0, 0 } },
		{ "a link that is gone", ".cgg", { 0, 0, 1, 0 } },
		{ "nothing was ever read", "xcxx", { 0, 0, 0, 1 } },
		{ "one reading only", "c.f", { 0, 0, 0, 1 } },
		{ "one failed in between", ".cx.", { 0, 0, 0, 1 } },
		{ "inside the guest", ".ll..", { 0, 0, 0, 0 } },
		{ "a counter that was set back and counts", "+++c00", { 1, 0, 0, 0 } },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t packets = 0;

		check_row = rows[i].why;
		CHECK_INT(begin(state), 0);
		claims_expect(&claims, CHT_PROBE_TAP_LINK);
		for (const char *step = rows[i].steps; *step != '\0'; step++) {
			packets += *step == '+';
			packets = *step == '0' ? 1 : packets;
			switch (*step) {
			case 'c': declare("192.0.2.1"); break;
			case 'l': declare(step[1] == 'l' ? "127.0.0.53" : "::1"); break;
			case 'x':
			case 'g': fail_to_read(CHT_PROBE_TAP_LINK, *step == 'g'); break;
			case 'f': claims_finish(&claims); break;
			default: read_link(CHT_PROBE_TAP_LINK, packets, *step == 'd'); break;
			}
		}
		check_counts(rows[i].counts[VERDICT_WITNESSED], rows[i].counts[VERDICT_UNWITNESSED],
			     rows[i].counts[VERDICT_CONTRADICTED],
			     rows[i].counts[VERDICT_NO_WITNESS]);
	}
}

static void test_what_is_unwitnessed_is_told_with_what_it_rests_on(void **state)
{
	uint64_t first, last, reading;

	CHECK_INT(begin(state), 0);
	claims_expect(&claims, CHT_PROBE_TAP_LINK);
	read_link(CHT_PROBE_TAP_LINK, 5, false);
	reading = out.sequence;
	CHECK(!told());
	declare("192.0.2.1");
	first = out.sequence;
	declare(NULL);
	last = out.sequence;
	read_link(CHT_PROBE_TAP_LINK, 5, false);
	CHECK(!told());
	read_link(CHT_PROBE_TAP_LINK, 5, false);
	CHECK(told());
	CHECK_INT(out.kind, EV_GUEST_DECLARATION_UNWITNESSED);
	CHECK_INT(out.facts.unwitnessed.claim, CLAIM_CONNECT);
	CHECK_INT(out.facts.unwitnessed.verdict, VERDICT_UNWITNESSED);
	CHECK_INT(out.facts.unwitnessed.count, 2);
	CHECK_INT(out.facts.unwitnessed.first, first);
	CHECK_INT(out.facts.unwitnessed.last, last);
	CHECK_INT(out.facts.unwitnessed.reading_from, reading);
	CHECK(out.facts.unwitnessed.reading_to > last);
	CHECK(!told());
}

/* A round is over when each of the sources was read, and any that counted is enough. */
static void test_every_source_has_its_say(void **state)
{
	CHECK_INT(begin(state), 0);
	claims_expect(&claims, CHT_PROBE_TAP_LINK);
	claims_expect(&claims, CHT_PROBE_NFTABLES);
	claims_expect(&claims, CHT_PROBE_CGROUP);
	read_link(CHT_PROBE_TAP_LINK, 0, false);
	read_link(CHT_PROBE_NFTABLES, 0, false);
	declare("192.0.2.1");
	read_link(CHT_PROBE_TAP_LINK, 0, false);
	read_link(CHT_PROBE_TAP_LINK, 0, false);
	read_link(CHT_PROBE_TAP_LINK, 0, false);
	check_counts(0, 0, 0, 0);
	read_link(CHT_PROBE_NFTABLES, 1, false);
	read_link(CHT_PROBE_NFTABLES, 1, false);
	read_link(CHT_PROBE_TAP_LINK, 0, false);
	check_counts(1, 0, 0, 0);
}

static void test_traffic_that_nobody_declared_is_told_once_a_minute(void **state)
{
	uint64_t packets = 0;
	unsigned n = 0;

	CHECK_INT(begin(state), 0);
	claims_expect(&claims, CHT_PROBE_TAP_LINK);
	read_link(CHT_PROBE_TAP_LINK, packets, false);
	for (int i = 0; i < 100; i++) {
		read_link(CHT_PROBE_TAP_LINK, ++packets, false);
		if (!told())
			continue;
		CHECK_INT(out.kind, EV_GUEST_TRAFFIC_UNDECLARED);
		CHECK_INT(out.facts.undeclared.packets_out, n == 0 ? 1 : 60);
		n++;
	}
	CHECK_INT(n, 2);
	declare("192.0.2.1");
	read_link(CHT_PROBE_TAP_LINK, ++packets, false);
	CHECK_INT(claims.counts.undeclared_out, 100);
	claims_restart(&claims);
	read_link(CHT_PROBE_TAP_LINK, 7, false);
	read_link(CHT_PROBE_TAP_LINK, 8, false);
	CHECK_INT(claims.counts.undeclared_out, 101);
}

static void read_vsock(uint64_t sent)
{
	const struct cht_reading reading = { .kind = CHT_PROBE_FC_METRICS,
					     .traffic = { .has_vsock = true,
							  .vsock_bytes_out = sent } };
	struct cht_now at = now();

	cell_stamp_reading(&cell, &reading, &at, &out);
}

/* declare() receives 100 bytes. */
static void test_bytes_that_the_vmm_did_not_send_are_told(void **state)
{
	const uint64_t *n = claims.counts.n[CLAIM_BYTES];

	CHECK_INT(begin(state), 0);
	read_vsock(0);
	declare("192.0.2.1");
	read_vsock(0); /* its line may be of before */
	CHECK_INT(n[VERDICT_WITNESSED] + n[VERDICT_CONTRADICTED], 0);
	read_vsock(100);
	CHECK_INT(n[VERDICT_WITNESSED], 1);
	declare("192.0.2.1");
	read_vsock(200);
	read_vsock(199);
	CHECK_INT(n[VERDICT_WITNESSED], 2);
	CHECK_INT(n[VERDICT_CONTRADICTED], 1);
	CHECK(told());
	CHECK_INT(out.facts.unwitnessed.claim, CLAIM_BYTES);
	CHECK_INT(out.facts.unwitnessed.verdict, VERDICT_CONTRADICTED);
	CHECK_INT(out.facts.unwitnessed.received, 200);
	CHECK_INT(out.facts.unwitnessed.sent, 199);
	/* Compared first in the middle: what lay in buffers then is not missing. */
	CHECK_INT(begin(state), 0);
	declare("192.0.2.1");
	read_vsock(262144);
	for (int i = 0; i < 2621; i++)
		declare("192.0.2.1");
	read_vsock(262144);
	read_vsock(262144);
	CHECK_INT(n[VERDICT_CONTRADICTED], 0);
	declare("192.0.2.1");
	read_vsock(262144);
	read_vsock(262144);
	CHECK_INT(n[VERDICT_CONTRADICTED], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connects_against_packets),
		cmocka_unit_test(test_what_is_unwitnessed_is_told_with_what_it_rests_on),
		cmocka_unit_test(test_every_source_has_its_say),
		cmocka_unit_test(test_traffic_that_nobody_declared_is_told_once_a_minute),
		cmocka_unit_test(test_bytes_that_the_vmm_did_not_send_are_told),
	};

	return cmocka_run_group_tests_name("cell_claims", tests, NULL, NULL);
}
