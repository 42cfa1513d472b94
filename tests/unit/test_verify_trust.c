/* SPDX-License-Identifier: Apache-2.0 */
#include "verify_util.h"

#include "verify/runs.h"

static int load(bool is_hmac, struct verify_trust **out, struct cht_err *err)
{
	*out = NULL;
	return verify_trust_load(out, is_hmac ? NULL : made_path("bad.json"),
				 is_hmac ? made_path("bad.json") : NULL, err);
}

/* Points of small order: their "signatures" hold for any text (RFC 8032 section 5.1.7, cofactor).
 */
#define ORDER_1 "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define ORDER_2 "7P_______________________________________38"
#define ORDER_4 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define ORDER_8 "JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU"
/* The field's prime and one: another way to write the point of order 1. */
#define NOT_CANONICAL "7v_______________________________________38"

static void test_key_files_and_their_refusals(void **state)
{
	static const struct {
		const char *why, *text;
		bool is_hmac;
		int want;
		const char *says;
	} rows[] = {
		{ "no keys", "{}", false, 0, NULL },
		{ "one", "{\"k\":\"" TEST_PUBLIC "\"}", false, 0, NULL },
		{ "padded", "{\"k\":\"" TEST_PUBLIC "=\"}", false, 0, NULL },
		{ "an HMAC key", "{\"k\":\"Cw\"}", true, 0, NULL },
		{ "a name twice", "{\"k\":\"" TEST_PUBLIC "\",\"k\":\"" TEST_PUBLIC "\"}", false,
		  CHT_E_PARSE, "twice" },
		{ "a list", "[]", false, CHT_E_PARSE, "not an object" },
		{ "nothing", "", false, CHT_E_PARSE, "not JSON" },
		{ "cut short", "{\"k\":\"" TEST_PUBLIC, false, CHT_E_PARSE, "line 1" },
		{ "something behind", "{} {}", false, CHT_E_PARSE, "not JSON" },
		{ "a number", "{\"k\":1}", false, CHT_E_PARSE, "key id" },
		{ "an empty id", "{\"\":\"" TEST_PUBLIC "\"}", false, CHT_E_PARSE, "key id" },
		{ "31 bytes", "{\"k\":\"6kpsY-KcUgq-9VB7Ey7F-ZVHdq6-vnuSQh7qaRRG0g\"}", false,
		  CHT_E_KEY, "31 bytes" },
		{ "33 bytes", "{\"k\":\"" TEST_PUBLIC "AA\"}", false, CHT_E_KEY, "base64url" },
		{ "not base64url", "{\"k\":\"+kpsY-KcUgq-9VB7Ey7F-ZVHdq6-vnuSQh7qaRRG0iw\"}", false,
		  CHT_E_KEY, "base64url" },
		{ "order 1", "{\"k\":\"" ORDER_1 "\"}", false, CHT_E_KEY, "small order" },
		{ "order 2", "{\"k\":\"" ORDER_2 "\"}", false, CHT_E_KEY, "small order" },
		{ "order 4", "{\"k\":\"" ORDER_4 "\"}", false, CHT_E_KEY, "small order" },
		{ "order 8", "{\"k\":\"" ORDER_8 "\"}", false, CHT_E_KEY, "small order" },
		{ "not canonical", "{\"k\":\"" NOT_CANONICAL "\"}", false, CHT_E_KEY, "canonical" },
		{ "an HMAC key of nothing", "{\"k\":\"\"}", true, CHT_E_KEY, "nothing" },
		{ "an HMAC key of padding", "{\"k\":\"=\"}", true, CHT_E_KEY, "base64url" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct verify_trust *trust;
		struct cht_err err = { 0 };

		check_row = rows[i].why;
		put_text("bad.json", rows[i].text);
		CHECK_INT(load(rows[i].is_hmac, &trust, &err), rows[i].want);
		CHECK((trust != NULL) == (rows[i].want == 0));
		verify_trust_free(trust);
		if (rows[i].want == 0)
			continue;
		if (strstr(err.text, rows[i].says) == NULL)
			fail_msg("[%s] says: %s", rows[i].why, err.text);
		CHECK(strstr(err.text, "kpsY") == NULL);
	}
}

static void test_hmac_keys_open_to_others_are_told(void **state)
{
	struct verify_trust *trust;

	(void)state;
	put_text("bad.json", "{\"k\":\"Cw\"}");
	CHECK_INT(load(true, &trust, NULL), 0);
	CHECK(!verify_trust_is_exposed(trust));
	CHECK_INT(verify_trust_count(trust), 1);
	verify_trust_free(trust);
	CHECK_INT(chmod(made_path("bad.json"), 0644), 0);
	CHECK_INT(load(true, &trust, NULL), 0);
	CHECK(verify_trust_is_exposed(trust));
	verify_trust_free(trust);
	put_text("bad.json", "{\"k\":\"" TEST_PUBLIC "\"}");
	CHECK_INT(load(false, &trust, NULL), 0);
	CHECK(!verify_trust_is_exposed(trust));
	verify_trust_free(trust);
	CHECK_INT(unlink(made_path("bad.json")), 0);
	CHECK_INT(load(false, &trust, NULL), CHT_E_IO);
	CHECK_INT(verify_trust_load(&trust, made_dir, NULL, NULL), CHT_E_IO);
}

static struct run_key key_of(unsigned i)
{
	struct run_key key = { .bits = { (uint16_t)(i & 0xfff), i }, .has_bits = true };

	snprintf(key.id, sizeof(key.id), "run-%u", i / 2); /* pairs differ by their bits alone */
	return key;
}

static void test_runs_come_and_go(void **state)
{
	enum { RUNS = 3000 };
	struct run_table table;

	(void)state;
	CHECK_INT(run_table_init(&table, NULL), 0);
	for (unsigned i = 0; i < RUNS; i++) {
		struct run_key key = key_of(i);
		struct run_state *run;

		CHECK(run_table_find(&table, &key) == NULL);
		run = run_table_add(&table, &key, NULL);
		assert_non_null(run);
		run->last = i;
		if (i % 3 == 2) { /* every third goes again, from among the older ones */
			key = key_of(i / 3);
			run_table_remove(&table, run_table_find(&table, &key));
			CHECK(run_table_find(&table, &key) == NULL);
		}
	}
	CHECK_INT(table.n, RUNS - RUNS / 3);
	for (unsigned i = 0; i < RUNS; i++) {
		struct run_key key = key_of(i);
		struct run_state *run = run_table_find(&table, &key);

		CHECK((run == NULL) == (i < RUNS / 3));
		CHECK(run == NULL || run->last == i);
	}
	check_row = "full";
	table.n = VERIFY_OPEN_RUNS_MAX; /* as if there were so many */
	{
		struct run_key key = key_of(RUNS);
		struct cht_err err = { 0 };

		CHECK(run_table_add(&table, &key, &err) == NULL);
		CHECK_INT(err.code, CHT_E_LIMIT);
	}
	run_table_fini(&table);
}

static void test_signers_are_listed_up_to_a_bound(void **state)
{
	struct made plain = usual(NULL), m = { 0 };
	struct verify_report report;

	(void)state;
	for (unsigned i = 0; i < VERIFY_LISTED_MAX + 4; i++) {
		char kid[16];
		uint8_t out[4096];
		struct cht_signer *signer;
		int n;

		snprintf(kid, sizeof(kid), "kid-%u", i);
		signer = test_signer(CHT_ALGORITHM_HMAC_SHA256, kid, NULL);
		n = cht_sign_event(signer, plain.entries[i % plain.n], out, sizeof(out));
		CHECK(n > 0);
		add_bytes(&m, out, (size_t)n);
		cht_signer_free(signer);
	}
	report = verify_made(&m, NULL);
	CHECK_INT(report.n_signers, VERIFY_LISTED_MAX + 1);
	CHECK_INT(report.unknown_key, VERIFY_LISTED_MAX + 4);
	for (unsigned i = 0; i < VERIFY_LISTED_MAX; i++)
		CHECK(report.signers[i].entries == 1 && !report.signers[i].is_known);
	made_free(&plain);
	made_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_key_files_and_their_refusals),
		cmocka_unit_test(test_hmac_keys_open_to_others_are_told),
		cmocka_unit_test(test_runs_come_and_go),
		cmocka_unit_test(test_signers_are_listed_up_to_a_bound),
	};

	return cmocka_run_group_tests_name("verify_trust", tests, setup_made, teardown_made);
}
