/* SPDX-License-Identifier: Apache-2.0
 *
 * Netlink as a kernel sent it (recorded: tests/fuzz/corpus/link, rules) becomes links and rules,
 * and cut anywhere it becomes nothing that is not in it; what counters of rules say from reading to
 * reading.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "check.h"

#include "base/fd.h"
#include "probe/counted.h"
#include "probe/link.h"
#include "probe/rule.h"

#include <cht/probe.h>

static _Alignas(8) uint8_t mem[65536];

static struct cht_bytes recorded(const char *name)
{
	char path[512];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s", getenv("CHT_SOURCE_ROOT"),
		       name);
	n = fd_read_file(AT_FDCWD, path, mem, sizeof(mem), NULL);
	CHECK(n > 0);
	return (struct cht_bytes){ mem, (size_t)n };
}

static struct nl_message first_of(struct cht_bytes datagram)
{
	struct nl_message m = { .type = 0 };

	CHECK(nl_next(&datagram, &m));
	return m;
}

static void test_a_link_is_what_the_kernel_said(void **state)
{
	struct nl_message m = first_of(recorded("link/answer"));
	struct link link;

	(void)state;
	CHECK_INT(link_read(&m, "tap0", &link), LINK_IS);
	CHECK(!link.is_up && !link.carrier && strcmp(link.operstate, "down") == 0);
	CHECK_INT(link.ifindex, 2);
	CHECK(link.has_changes);
	for (unsigned i = 0; i < LINK_N_COUNTERS; i++)
		CHECK_INT(link.counters[i], 0);
	CHECK_INT(link_read(&m, "tap", &link), LINK_NOT);
	CHECK_INT(link_read(&m, "tap00", &link), LINK_NOT);
	m = first_of(recorded("link/nodev"));
	CHECK_INT(m.seq, 7);
	CHECK_INT(nl_errno_of(&m), ENODEV);
}

static void test_only_its_own_removal_removes_a_link(void **state)
{
	static const struct {
		const char *name;
		enum link_told told;
	} rows[] = {
		{ "link/event_16_0", LINK_IS },      /* RTM_NEWLINK */
		{ "link/event_16_7", LINK_NOT },     /* of a bridge's family: it is a port */
		{ "link/event_17_0", LINK_REMOVED }, /* RTM_DELLINK */
		{ "link/event_17_7", LINK_NOT },     /* it is a port no more */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nl_message m = first_of(recorded(rows[i].name));
		struct link link;

		check_row = rows[i].name;
		CHECK_INT(link_read(&m, "tap0", &link), rows[i].told);
	}
}

/* Attributes end where the message is cut: what stands behind is not read, what is missing is not
 * made up. */
static void test_every_prefix_of_a_link_is_less_of_it(void **state)
{
	struct nl_message whole = first_of(recorded("link/answer"));
	bool was_one = false;

	(void)state;
	for (size_t cut = 0; cut <= whole.body.len; cut += check_stride()) {
		uint8_t *exact = malloc(cut > 0 ? cut : 1);
		struct nl_message m = whole;
		struct link link;
		bool is;

		memcpy(exact, whole.body.ptr, cut);
		m.body = (struct cht_bytes){ exact, cut };
		is = link_read(&m, "tap0", &link) == LINK_IS;
		CHECK(!was_one || is);
		was_one = is;
		free(exact);
	}
}

static void test_a_message_that_is_longer_than_what_came_is_none(void **state)
{
	static const uint32_t lengths[] = { 0, 15, 65, 0x7fffffff, 0x80000000, 0xffffffff };
	struct nl_message m;

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct cht_bytes b = recorded("link/nodev");

		CHECK_INT(b.len, 64);
		memcpy(mem, &lengths[i], sizeof(lengths[i]));
		CHECK(!nl_next(&b, &m));
	}
}

static struct cht_str repr_of(const struct rule *rule)
{
	static uint8_t text[RULE_REPR_MAX];
	struct buf b = buf_init(text, sizeof(text));

	rule_put_repr(&b, rule);
	return (struct cht_str){ (char *)text, buf_len(&b) };
}

/* What is not a register's number is as it lies in memory: on a machine of the other order a mark
 * and a state look otherwise, as they are. */
#define L4(number) "meta(l4proto => reg 1) cmp(reg 1 == " number ") "
#define V4         "meta(nfproto => reg 1) cmp(reg 1 == 0x02) "

static void test_rules_that_count_are_rows_with_a_text(void **state)
{
	static const struct {
		const char *chain, *repr;
	} rows[] = {
		{ "c", "meta(iifname => reg 1) cmp(reg 1 == \"tap0\") " V4
		       "payload(network offset 16 len 1 => reg 1) cmp(reg 1 == 0x0a) " L4(
			       "0x06") "payload(transport offset 2 len 2 => reg 1) "
				       "cmp(reg 1 == 0x01bb) counter accept" },
		{ "c", "meta(oifname => reg 1) cmp(reg 1 == \"ta*\") ct(state => reg 1) "
		       "bitwise(reg 1 op 0 len 4 & 0x06000000 ^ 0x00000000 => reg 1) "
		       "cmp(reg 1 != 0x00000000) counter jump \"d\"" },
		{ "c", V4 "payload(network offset 12 len 4 => reg 1) "
			  "lookup(reg 1 set \"s\" flags 0) " L4(
				  "0x11") "payload(transport offset 2 len 2 => reg 1) "
					  "cmp(reg 1 >= 0x0400) cmp(reg 1 <= 0x0800) counter "
					  "drop" },
		{ "c", "immediate(0x07000000 => reg 1) meta(mark <= reg 1) "
		       "limit(rate 10 per 1 burst 5 type 0 flags 0) log(prefix \"x\" level 4) "
		       "counter" },
		{ "c", "quota(bytes 10485760 flags 1) counter reject(type 2 code 1)" },
		{ "d", "counter return" },
		{ "n", "counter masq" },
	};
	struct cht_bytes rest = recorded("rules/dump");
	struct nl_message m;
	size_t n = 0, n_all = 0;

	(void)state;
	for (; nl_next(&rest, &m); n_all++) {
		struct rule rule;

		CHECK_INT(rule_read(&m, STR("tt"), &rule), RULE_NOT);
		if (rule_read(&m, STR("t"), &rule) != RULE_COUNTS)
			continue;
		CHECK(n < sizeof(rows) / sizeof(rows[0]));
		CHECK_STR(rule.chain, rows[n].chain);
		CHECK_STR(repr_of(&rule), rows[n].repr);
		CHECK(rule.packets == 0 && rule.bytes == 0 && rule.handle > 0);
		n++;
	}
	CHECK_INT(n, sizeof(rows) / sizeof(rows[0]));
	CHECK_INT(n_all, n + 2); /* a counter with a name, and none */
}

static void test_a_long_rule_ends_where_an_expression_does(void **state)
{
	enum { ONE = 24, N = 300 };
	/* NFTA_LIST_ELEM { NFTA_EXPR_NAME "masq" }, again and again. */
	static const uint8_t one[ONE] = { 24, 0, 1, 0, 9, 0, 1, 0, 'm', 'a', 's', 'q' };
	static _Alignas(8) uint8_t many[N * ONE];
	struct rule rule = { .expressions = { many, sizeof(many) } };
	struct cht_str repr;

	(void)state;
	for (size_t i = 0; i < N; i++)
		memcpy(many + i * ONE, one, ONE);
	repr = repr_of(&rule);
	CHECK_INT(repr.len, 1023); /* 204 of them, of five bytes, but for the first, and " ..." */
	CHECK_STR(((struct cht_str){ repr.ptr + repr.len - 9, 9 }), " masq ...");
}

/* ---- from reading to reading */

static struct counted counted;

static struct counts take(const struct counted_row *rows, size_t n, uint64_t table)
{
	struct counts counts = { .replaced = 99 };
	struct counting c;

	counting_begin(&c, &counted);
	for (size_t i = 0; i < n; i++)
		counting_add(&c, &rows[i]);
	CHECK_INT(counted_take(&counted, &c, table, &counts), n <= COUNTED_MAX);
	return counts;
}

static void test_what_began_anew_is_told_from_what_was_replaced(void **state)
{
	static const struct {
		const char *why;
		struct counted_row rows[3];
		size_t n;
		uint64_t table, replaced, reset, packets, bytes;
	} steps[] = {
		{ "the first", { { 1, 5, 50, 7 }, { 2, 1, 10, 8 } }, 2, 1, 0, 0, 6, 60 },
		{ "all went on", { { 1, 6, 60, 7 }, { 2, 1, 10, 8 } }, 2, 1, 0, 0, 7, 70 },
		{ "one was reset", { { 1, 2, 20, 7 }, { 2, 1, 10, 8 } }, 2, 1, 0, 1, 9, 90 },
		{ "by its bytes alone", { { 1, 2, 5, 7 }, { 2, 1, 10, 8 } }, 2, 1, 0, 1, 11, 95 },
		{ "a rule came before it",
		  { { 3, 1, 1, 9 }, { 1, 2, 5, 7 }, { 2, 1, 10, 8 } },
		  3,
		  1,
		  0,
		  0,
		  12,
		  96 },
		{ "one went", { { 3, 1, 1, 9 }, { 2, 1, 10, 8 } }, 2, 1, 1, 0, 12, 96 },
		{ "another has its handle",
		  { { 3, 0, 0, 4 }, { 2, 1, 10, 8 } },
		  2,
		  1,
		  1,
		  0,
		  12,
		  96 },
		{ "which counts more", { { 3, 9, 9, 5 }, { 2, 1, 10, 8 } }, 2, 1, 1, 0, 21, 105 },
		{ "another table", { { 3, 9, 9, 5 }, { 2, 1, 10, 8 } }, 2, 2, 2, 0, 31, 124 },
		{ "none is left", { { 0, 0, 0, 0 } }, 0, 2, 2, 0, 31, 124 },
	};

	(void)state;
	memset(&counted, 0, sizeof(counted));
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct counts c = take(steps[i].rows, steps[i].n, steps[i].table);

		check_row = steps[i].why;
		CHECK_INT(c.replaced, steps[i].replaced);
		CHECK_INT(c.reset, steps[i].reset);
		CHECK_INT(c.packets, steps[i].packets);
		CHECK_INT(c.bytes, steps[i].bytes);
	}
}

static void test_too_many_are_not_compared_and_a_dump_thrown_away_counts_nothing(void **state)
{
	static struct counted_row rows[COUNTED_MAX + 2];
	struct counting c;

	(void)state;
	memset(&counted, 0, sizeof(counted));
	for (size_t i = 0; i < COUNTED_MAX + 2; i++)
		rows[i] = (struct counted_row){ i + 1, 1, 1, 1 };
	CHECK_INT(take(rows, COUNTED_MAX, 1).packets, COUNTED_MAX);
	counting_begin(&c, &counted);
	counting_add(&c, &(struct counted_row){ 1, 0, 0, 1 });
	CHECK_INT(take(rows, COUNTED_MAX, 1).reset, 0);
	CHECK_INT(take(rows, COUNTED_MAX + 2, 1).replaced, 99);
	CHECK_INT(take(rows, 3, 1).packets, 3);
}

/* ---- options */

static void test_options_that_cannot_be_are_refused(void **state)
{
	static const struct {
		const char *why;
		struct cht_probe_options options;
	} rows[] = {
		{ "no link", { .kind = CHT_PROBE_TAP_LINK } },
		{ "a long one", { .kind = CHT_PROBE_TAP_LINK, .iface = "a234567890123456" } },
		{ "a path", { .kind = CHT_PROBE_TAP_LINK, .iface = "../x" } },
		{ "dots", { .kind = CHT_PROBE_TAP_LINK, .iface = ".." } },
		{ "a blank", { .kind = CHT_PROBE_TAP_LINK, .iface = "a b" } },
		{ "a colon", { .kind = CHT_PROBE_TAP_LINK, .iface = "a:1" } },
		{ "a path of a namespace",
		  { .kind = CHT_PROBE_TAP_LINK, .iface = "a", .netns = "x/y" } },
		{ "two namespaces",
		  { .kind = CHT_PROBE_TAP_LINK, .iface = "a", .netns = "x", .netns_pid = 1 } },
		{ "no process",
		  { .kind = CHT_PROBE_TAP_LINK, .iface = "a", .netns_pid = 0x80000000 } },
		{ "no family", { .kind = CHT_PROBE_NFTABLES, .table = "t" } },
		{ "no such family", { .kind = CHT_PROBE_NFTABLES, .family = "ip4", .table = "t" } },
		{ "no table", { .kind = CHT_PROBE_NFTABLES, .family = "ip" } },
		{ "a table in quotes",
		  { .kind = CHT_PROBE_NFTABLES, .family = "ip", .table = "a b" } },
		{ "a command", { .kind = CHT_PROBE_NFTABLES, .family = "ip", .table = "t;id" } },
		{ "a digit", { .kind = CHT_PROBE_NFTABLES, .family = "ip", .table = "1t" } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cht_probe *p = NULL;
		struct cht_err err = { 0 };

		check_row = rows[i].why;
		CHECK_INT(cht_probe_open(&p, &rows[i].options, &err), CHT_E_RANGE);
		CHECK(p == NULL && err.text[0] != '\0');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_link_is_what_the_kernel_said),
		cmocka_unit_test(test_only_its_own_removal_removes_a_link),
		cmocka_unit_test(test_every_prefix_of_a_link_is_less_of_it),
		cmocka_unit_test(test_a_message_that_is_longer_than_what_came_is_none),
		cmocka_unit_test(test_rules_that_count_are_rows_with_a_text),
		cmocka_unit_test(test_a_long_rule_ends_where_an_expression_does),
		cmocka_unit_test(test_what_began_anew_is_told_from_what_was_replaced),
		cmocka_unit_test(
			test_too_many_are_not_compared_and_a_dump_thrown_away_counts_nothing),
		cmocka_unit_test(test_options_that_cannot_be_are_refused),
	};

	return cmocka_run_group_tests_name("probe_netlink", tests, NULL, NULL);
}
