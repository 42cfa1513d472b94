/* SPDX-License-Identifier: Apache-2.0
 *
 * libcht-verify as a careless caller has it: nothing given, structs of another size, things in the
 * wrong order.
 */
#include "note_util.h"

#include <cht/verify.h>

static struct cht_trust *new_trust(bool of_log)
{
	struct cht_trust *trust = NULL;

	CHECK_INT(cht_trust_new(&trust, NULL, NULL, NULL), 0);
	if (of_log)
		CHECK_INT(cht_trust_add_vkey(trust, str_of(made_vkey()), NULL), 0);
	return trust;
}

static void write_usual(void)
{
	struct made m = usual(NULL);

	write_made(&m);
	made_free(&m);
}

static void test_what_is_not_given_is_said(void **state)
{
	const struct cht_str nothing = { NULL, 0 };
	const struct cht_bytes no_bytes = { NULL, 0 };
	struct cht_verify_report report = { .struct_size = sizeof(report) };
	struct cht_verify_options options = { 0 };
	struct cht_trust *trust = new_trust(true), *untouched = trust;
	struct cht_checkpoint checkpoint;

	(void)state;
	write_usual();
	cht_trust_free(NULL);
	CHECK_INT(cht_verify(NULL, trust, NULL, &report, NULL), CHT_E_RANGE);
	CHECK_INT(cht_verify(made_dir, NULL, NULL, &report, NULL), CHT_E_RANGE);
	CHECK_INT(cht_verify(made_dir, trust, NULL, NULL, NULL), CHT_E_RANGE);
	CHECK_INT(cht_verify(made_dir, trust, &options, &report, NULL), CHT_E_RANGE);
	CHECK_INT(cht_verify("", trust, NULL, &report, NULL), CHT_E_CONFIG);
	CHECK_INT(cht_trust_add_vkey(NULL, str_of(made_vkey()), NULL), CHT_E_RANGE);
	CHECK_INT(cht_trust_add_policy(NULL, STR("quorum none\n"), NULL), CHT_E_RANGE);
	CHECK_INT(cht_trust_add_vkey(trust, nothing, NULL), CHT_E_PARSE);
	CHECK_INT(cht_trust_add_policy(trust, nothing, NULL), CHT_E_PARSE);
	CHECK_INT(cht_checkpoint_verify(nothing, trust, &checkpoint, NULL), CHT_E_PARSE);
	CHECK_INT(cht_checkpoint_verify(nothing, NULL, &checkpoint, NULL), CHT_E_RANGE);
	CHECK_INT(cht_proof_verify(nothing, no_bytes, trust, NULL, NULL, NULL), CHT_E_PARSE);
	CHECK_INT(cht_proof_verify(nothing, no_bytes, NULL, NULL, NULL, NULL), CHT_E_RANGE);
	CHECK_INT(cht_trust_new(&untouched, "/nowhere", NULL, NULL), CHT_E_IO);
	CHECK(untouched == trust);
	CHECK_INT(cht_verify(made_dir, trust, NULL, &report, NULL), 0);
	CHECK_INT(report.verdict, 0);
	cht_trust_free(trust);
}

/* Callers of another version: not a byte beyond their struct is written or read. */
static void test_structs_of_any_size_are_kept_to(void **state)
{
	enum { MORE = 64 };
	struct cht_trust *trust = new_trust(true);
	size_t all = sizeof(struct cht_verify_report);
	struct cht_verify_report whole = { .struct_size = all };

	(void)state;
	write_usual();
	CHECK_INT(cht_verify(made_dir, trust, NULL, &whole, NULL), 0);
	for (size_t n = 0; n <= all + MORE; n += n < 32 ? 1 : 8) {
		uint8_t *exact = malloc(n > sizeof(n) ? n : sizeof(n)), *report = exact;

		assert_non_null(exact);
		memset(exact, 0xa5, n > sizeof(n) ? n : sizeof(n));
		memcpy(exact, &n, sizeof(n));
		CHECK_INT(cht_verify(made_dir, trust, NULL, (void *)report, NULL),
			  n < sizeof(n) ? CHT_E_RANGE : 0);
		for (size_t i = sizeof(n); i < n; i++)
			CHECK_INT(exact[i], i < all ? ((const uint8_t *)&whole)[i] : 0xa5);
		free(exact);
	}
	for (size_t n = sizeof(n); n <= sizeof(struct cht_verify_options) + MORE; n += 8) {
		struct cht_verify_report report = { .struct_size = all };
		uint8_t *options = calloc(1, n);

		assert_non_null(options);
		memcpy(options, &n, sizeof(n));
		CHECK_INT(cht_verify(made_dir, trust, (void *)options, &report, NULL), 0);
		CHECK_INT(report.verdict, 0);
		free(options);
	}
	cht_trust_free(trust);
}

/* What was refused leaves no trace, and the order does not count. */
static void test_a_trust_is_built_in_any_order(void **state)
{
	struct cht_verify_report report = { .struct_size = sizeof(report) };
	struct cht_trust *trust = new_trust(false);

	(void)state;
	write_usual();
	CHECK_INT(cht_verify(made_dir, trust, NULL, &report, NULL), 0);
	CHECK_INT(report.verdict, CHT_VERDICT_CANNOT_TELL);
	CHECK_INT(cht_trust_add_policy(trust, STR("quorum who\n"), NULL), CHT_E_PARSE);
	CHECK_INT(cht_trust_add_vkey(trust, STR("a+b+c"), NULL), CHT_E_PARSE);
	CHECK_INT(cht_trust_add_policy(trust, STR("quorum none\n"), NULL), 0);
	CHECK_INT(cht_trust_add_policy(trust, STR("quorum none\n"), NULL), CHT_E_CONFIG);
	CHECK_INT(cht_verify(made_dir, trust, NULL, &report, NULL), 0);
	CHECK_INT(report.verdict, CHT_VERDICT_CANNOT_TELL);
	for (int i = 0; i < 2; i++) /* twice is once */
		CHECK_INT(cht_trust_add_vkey(trust, str_of(made_vkey()), NULL), 0);
	CHECK_INT(cht_verify(made_dir, trust, NULL, &report, NULL), 0);
	CHECK_INT(report.verdict, CHT_VERDICT_CLEAN);
	cht_trust_free(trust);
}

static void test_out_parameters_are_written_on_success_alone(void **state)
{
	struct cht_trust *trust = new_trust(true), *nobody = new_trust(false);
	struct made m = usual(NULL);
	struct cht_checkpoint got, before;
	uint64_t index = 77;
	char mem[2048];
	struct buf b = buf_init(mem, sizeof(mem));
	struct cht_str proof;

	(void)state;
	memset(&got, 0xa5, sizeof(got));
	before = got;
	/* Of a log of one entry, so that there is nothing to prove. */
	buf_put_lit(&b, "c2sp.org/tlog-proof@v1\nindex 0\n\n");
	put_note_by(&b, &m, 1, 7);
	proof = (struct cht_str){ mem, buf_len(&b) };
	CHECK_INT(cht_proof_verify(proof, m.entries[1], trust, &index, &got, NULL), CHT_E_VERIFY);
	CHECK_INT(cht_proof_verify(proof, m.entries[0], nobody, &index, &got, NULL), CHT_E_VERIFY);
	CHECK_INT(index, 77);
	CHECK_INT(memcmp(&got, &before, sizeof(got)), 0);
	CHECK_INT(cht_proof_verify(proof, m.entries[0], trust, &index, &got, NULL), 0);
	CHECK_INT(index, 0);
	CHECK_INT(got.size, 1);
	CHECK_INT(cht_proof_verify(proof, m.entries[0], trust, NULL, NULL, NULL), 0);
	cht_trust_free(trust);
	cht_trust_free(nobody);
	made_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_not_given_is_said),
		cmocka_unit_test(test_structs_of_any_size_are_kept_to),
		cmocka_unit_test(test_a_trust_is_built_in_any_order),
		cmocka_unit_test(test_out_parameters_are_written_on_success_alone),
	};

	return cmocka_run_group_tests_name("verify_public", tests, setup_made, teardown_made);
}
