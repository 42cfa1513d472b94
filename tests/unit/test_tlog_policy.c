/* SPDX-License-Identifier: Apache-2.0
 *
 * Policies: the example of C2SP tlog-policy (github:C2SP/C2SP, CC BY 4.0), whose keys are left out
 * there and made here.
 */
#include "check.h"

#include "base/text.h"
#include "tlog/tlog.h"

enum { KEYS = 80, TEXT_MAX = 1 << 17 };

/* key[0]: of logs, key[1]: of witnesses. */
static char key[2][KEYS][128];
static char mem[TEXT_MAX];
static struct tlog_policy policy;

static int set_up(void **state)
{
	(void)state;
	for (unsigned type = 0; type < 2; type++) {
		for (unsigned i = 0; i < KEYS; i++) {
			uint8_t public_key[32] = { (uint8_t)i, (uint8_t)type };
			struct tlog_vkey vkey;
			struct buf b = buf_init(key[type][i], sizeof(key[0][0]) - 1);

			assert_true(tlog_vkey_make(&vkey, STR("example.com/key"),
						   type == 0 ? TLOG_ED25519 : TLOG_ED25519_COSIGN,
						   public_key));
			tlog_vkey_put(&b, &vkey);
			assert_false(b.full);
		}
	}
	return 0;
}

/* In a policy below, $L0 to $L9 and $W0 to $W9 stand for keys. */
static struct cht_str expand(const char *text)
{
	struct buf b = buf_init(mem, sizeof(mem));

	for (; *text != '\0'; text++) {
		if (*text != '$') {
			buf_put_byte(&b, (uint8_t)*text);
			continue;
		}
		buf_put_str(&b, str_of(key[text[1] == 'W'][text[2] - '0']));
		text += 2;
	}
	assert_false(b.full);
	return (struct cht_str){ mem, buf_len(&b) };
}

static int read_text(const char *text, struct cht_err *err)
{
	return tlog_policy_read(expand(text), &policy, err);
}

static const char example[] = "log $L0\n"
			      "\n"
			      "witness X1 $W1\n"
			      "witness X2 $W2\n"
			      "witness X3 $W3\n"
			      "group X-witnesses 2 X1 X2 X3\n"
			      "\n"
			      "witness Y1 $W4\n"
			      "witness Y2 $W5\n"
			      "witness Y3 $W6\n"
			      "group Y-witnesses any Y1 Y2 Y3\n"
			      "\n"
			      "group X-and-Y all X-witnesses Y-witnesses\n"
			      "quorum X-and-Y\n";

static void test_the_example_of_the_specification(void **state)
{
	(void)state;
	CHECK_INT(read_text(example, NULL), 0);
	CHECK_INT(policy.n_logs, 1);
	CHECK_INT(policy.n_witnesses, 6);
	CHECK_INT(policy.n_groups, 3);
	CHECK_STR(str_of(policy.logs[0].name), "example.com/key");
	CHECK_STR(policy.witnesses[3].name, "Y1");
	CHECK_INT(policy.log_urls[0].len, 0);
	for (unsigned set = 0; set < 64; set++) {
		bool has[TLOG_POLICY_WITNESSES_MAX] = { 0 };
		unsigned x = (set & 1) + (set >> 1 & 1) + (set >> 2 & 1);

		for (unsigned i = 0; i < 6; i++)
			has[i] = (set >> i & 1) != 0;
		CHECK(tlog_policy_is_met(&policy, has) == (x >= 2 && set >> 3 != 0));
	}
}

static void test_quorums_of_every_kind(void **state)
{
	static const struct {
		const char *why, *text;
		const char *met; /* by witnesses' sets from 0 to 7: '+' or '-' */
	} rows[] = {
		{ "nobody asked", "quorum none\n", "++++++++" },
		{ "nobody of some", "witness a $W1\nquorum none\n", "++++++++" },
		{ "one", "witness a $W1\nwitness b $W2\nquorum b\n", "--++--++" },
		{ "any", "witness a $W1\nwitness b $W2\ngroup g any a b\nquorum g\n", "-+++-+++" },
		{ "all", "witness a $W1\nwitness b $W2\ngroup g all a b\nquorum g\n", "---+---+" },
		{ "two of three",
		  "witness a $W1\nwitness b $W2\nwitness c $W3\ngroup g 2 c a b\nquorum g\n",
		  "---+-+++" },
		{ "defined after the quorum",
		  "witness a $W1\ngroup g all a\nquorum g\nwitness b $W2\ngroup h any b\nlog $L0\n",
		  "-+-+-+-+" },
		{ "witness after group",
		  "witness a $W1\ngroup g all a\nwitness b $W2\ngroup h all g b\nquorum h\n",
		  "---+---+" },
		{ "a member as the quorum",
		  "witness a $W1\nwitness b $W2\ngroup g any a b\nquorum a\n", "-+-+-+-+" },
		{ "blanks and comments", " # log\n\t\n \twitness\t a  $W1  url\t\n#\n quorum a \n",
		  "-+-+-+-+" },
		{ "names of any bytes",
		  "witness \xff\xe2\x84\xaa=all $W1\nquorum \xff\xe2\x84\xaa=all\n", "-+-+-+-+" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cht_err err = { 0 };

		check_row = rows[i].why;
		if (read_text(rows[i].text, &err) < 0)
			fail_msg("%s: %s", rows[i].why, err.text);
		for (unsigned set = 0; set < 8; set++) {
			bool has[TLOG_POLICY_WITNESSES_MAX] = { 0 };

			for (unsigned w = 0; w < 3; w++)
				has[w] = (set >> w & 1) != 0;
			CHECK(tlog_policy_is_met(&policy, has) == (rows[i].met[set] == '+'));
		}
	}
	CHECK_INT(read_text("log $L0 https://log.example/\nlog $L1\nquorum none\n", NULL), 0);
	CHECK_STR(policy.log_urls[0], "https://log.example/");
	CHECK_INT(policy.log_urls[1].len, 0);
}

static const struct {
	const char *why, *text;
	unsigned line;
} bad[] = {
	{ "no quorum", "", 1 },
	{ "no quorum", "log $L0\n", 2 },
	{ "not log, witness", "logs $L0\n", 1 },
	{ "not log, witness", "Log $L0\n", 1 },
	{ "the key cannot", "log\n", 1 },
	{ "the key cannot", "log $L0x\n", 1 },
	{ "id is not",
	  "log example.com/foo+530d903b+"
	  "AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k\n",
	  1 },
	{ "type 01", "log $W0\n", 1 },
	{ "type 01", "witness a $L0\n", 1 },
	{ "one URL", "log $L0 url url\n", 1 },
	{ "one URL", "log $L0\nwitness a $W0 url # mine\n", 2 },
	{ "a log above", "log $L0\nlog $L1\nlog $L0\n", 3 },
	{ "a name is missing", "witness\n", 1 },
	{ "the key cannot", "witness $W0\n", 1 },
	{ "nobody and cannot", "witness none $W0\n", 1 },
	{ "nobody and cannot", "witness a $W0\ngroup none any a\n", 2 },
	{ "a is defined twice", "witness a $W0\nwitness a $W1\n", 2 },
	{ "a witness above", "witness a $W0\nwitness b $W0\n", 2 },
	{ "a is defined twice", "witness a $W0\ngroup a any a\n", 2 },
	{ "a name is missing", "group\n", 1 },
	{ "has no member", "group g\n", 1 },
	{ "has no member", "group g any\n", 1 },
	{ "b is not defined", "witness a $W0\ngroup g any a b\nwitness b $W1\n", 2 },
	{ "g is not defined", "witness a $W0\ngroup g any g\n", 2 },
	{ "none is not defined", "witness a $W0\ngroup g any none\n", 2 },
	{ "a is a member", "witness a $W0\ngroup g any a a\n", 2 },
	{ "a is a member", "witness a $W0\ngroup g any a\ngroup h any a\n", 3 },
	{ "from 1 to 1", "witness a $W0\ngroup g 0 a\n", 2 },
	{ "from 1 to 1", "witness a $W0\ngroup g 2 a\n", 2 },
	{ "from 1 to 1", "witness a $W0\ngroup g 01 a\n", 2 },
	{ "from 1 to 1", "witness a $W0\ngroup g -1 a\n", 2 },
	{ "from 1 to 1", "witness a $W0\ngroup g some a\n", 2 },
	{ "one name", "quorum\n", 1 },
	{ "one name", "witness a $W0\nquorum a b\n", 2 },
	{ "b is not defined", "witness a $W0\nquorum b\nwitness b $W1\n", 2 },
	{ "a second quorum", "quorum none\nquorum none\n", 2 },
	{ "cut", "quorum none", 1 },
	{ "cut", "quorum none\n# mine", 2 },
	{ "control", "quorum none\r\n", 1 },
	{ "control", "\n# \x7f\nquorum none\n", 2 },
	{ "cut", "\n\x01", 2 },
};

static void test_bad_policies_are_refused_at_their_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct cht_err err = { 0 };

		check_row = bad[i].text;
		policy.n_logs = 77;
		CHECK_INT(read_text(bad[i].text, &err), CHT_E_PARSE);
		if (strstr(err.text, bad[i].why) == NULL)
			fprintf(stderr, "not \"%s\": %s\n", bad[i].why, err.text);
		CHECK(strstr(err.text, bad[i].why) != NULL);
		CHECK_INT(err.value, bad[i].line);
		CHECK_INT(policy.n_logs, 77);
	}
}

/* The only prefix with a quorum is the whole. */
static void test_every_prefix_is_refused(void **state)
{
	struct cht_str text = expand(example);

	(void)state;
	for (size_t cut = 0; cut < text.len; cut++) {
		char *exact = malloc(cut + (cut == 0));

		assert_non_null(exact);
		memcpy(exact, text.ptr, cut);
		CHECK_INT(tlog_policy_read((struct cht_str){ exact, cut }, &policy, NULL),
			  CHT_E_PARSE);
		free(exact);
	}
}

/* n lines, each with its number in it (%u) and, where it says so, a key. */
static void put_lines(struct buf *b, unsigned n, const char *before, const char *between,
		      unsigned type)
{
	for (unsigned i = 0; i < n; i++) {
		buf_put_str(b, str_of(before));
		if (between[0] != '\0') {
			put_u64(b, i);
			buf_put_str(b, str_of(between));
		}
		if (type < 2)
			buf_put_str(b, str_of(key[type][i]));
		else
			put_u64(b, i);
		buf_put_lit(b, "\n");
	}
}

static int read_many(unsigned n_logs, unsigned n_witnesses, unsigned n_groups)
{
	struct buf b = buf_init(mem, sizeof(mem));

	put_lines(&b, n_logs, "log ", "", 0);
	put_lines(&b, n_witnesses, "witness w", " ", 1);
	put_lines(&b, n_groups, "group g", " any w", 2);
	buf_put_lit(&b, "quorum none\n");
	assert_false(b.full);
	return tlog_policy_read((struct cht_str){ mem, buf_len(&b) }, &policy, NULL);
}

static void test_limits(void **state)
{
	static const char last[] = "\nquorum none\n";
	size_t tail = strlen(last);

	(void)state;
	CHECK_INT(
		read_many(TLOG_POLICY_LOGS_MAX, TLOG_POLICY_WITNESSES_MAX, TLOG_POLICY_GROUPS_MAX),
		0);
	CHECK_INT(policy.n_groups, TLOG_POLICY_GROUPS_MAX);
	CHECK_INT(policy.members[TLOG_POLICY_GROUPS_MAX - 1], TLOG_POLICY_GROUPS_MAX - 1);
	CHECK_INT(read_many(TLOG_POLICY_LOGS_MAX + 1, 0, 0), CHT_E_PARSE);
	CHECK_INT(read_many(0, TLOG_POLICY_WITNESSES_MAX + 1, 0), CHT_E_PARSE);
	CHECK_INT(read_many(0, TLOG_POLICY_WITNESSES_MAX, TLOG_POLICY_GROUPS_MAX + 1), CHT_E_PARSE);
	for (size_t over = 0; over < 2; over++) {
		size_t n = TLOG_POLICY_MAX_BYTES + over;

		memset(mem, '#', n);
		memcpy(mem + n - tail, last, tail);
		CHECK_INT(tlog_policy_read((struct cht_str){ mem, n }, &policy, NULL),
			  over ? CHT_E_PARSE : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_example_of_the_specification),
		cmocka_unit_test(test_quorums_of_every_kind),
		cmocka_unit_test(test_bad_policies_are_refused_at_their_line),
		cmocka_unit_test(test_every_prefix_is_refused),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
