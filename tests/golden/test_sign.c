/* SPDX-License-Identifier: Apache-2.0
 *
 * Signatures as the published crates make them (envelopes.jsonl), and with all members sorted as
 * Python makes them (sorted.tsv).
 */
#include "sign/sign.h"

#include "tsv.h"

static const char *env_alg;

/* The keys of keys.json. */
static const char *test_env(void *context, const char *name)
{
	bool is_hmac = strcmp(env_alg, "hmac-sha256") == 0;

	(void)context;
	if (strcmp(name, sign_env_names[0]) == 0)
		return env_alg;
	if (strcmp(name, sign_env_names[1]) == 0)
		return is_hmac ? "kid-hmac" : "kid-ed";
	if (strcmp(name, sign_env_names[2]) == 0)
		return is_hmac ? "CwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCws" : NULL;
	return is_hmac ? NULL : "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
}

/* The text value of a member that stands somewhere in one line of JSON. */
static struct cht_str member(const char *line, const char *name)
{
	char key[64];
	const char *at;

	snprintf(key, sizeof(key), "\"%s\":\"", name);
	at = strstr(line, key);
	assert_non_null(at);
	at += strlen(key);
	return (struct cht_str){ at, strcspn(at, "\"") };
}

static void check_envelope(struct cht_str algorithm, struct cht_str kid, struct cht_bytes event,
			   enum cht_signing_order order, struct cht_str signature)
{
	char want[4096], alg[32];
	struct cht_signer *signer = NULL;
	struct cht_err err;
	uint8_t out[4096];
	int n, len;

	snprintf(alg, sizeof(alg), "%.*s", (int)algorithm.len, algorithm.ptr);
	env_alg = alg;
	CHECK_INT(signer_from_getenv(&signer, test_env, NULL, &err), 0);
	cht_signer_set_order(signer, order);
	len = snprintf(want, sizeof(want),
		       "{\"event\":%.*s,\"signerKid\":\"%.*s\",\"algorithm\":\"%s\","
		       "\"signature\":\"%.*s\"}",
		       (int)event.len, (const char *)event.ptr, (int)kid.len, kid.ptr, alg,
		       (int)signature.len, signature.ptr);
	n = cht_sign_event(signer, event, out, sizeof(out));
	CHECK_INT(n, len);
	CHECK_STR(((struct cht_str){ (const char *)out, (size_t)n }), want);

	check_row = "exactly enough room, and one byte less";
	CHECK_INT(cht_sign_event(signer, event, out, (size_t)n), n);
	CHECK_INT(cht_sign_event(signer, event, out, (size_t)n - 1), CHT_E_FULL);
	cht_signer_free(signer);
}

static void test_the_crates_signatures_are_ours(void **state)
{
	struct tsv *t = tsv_open("tests/golden/envelopes.jsonl");
	unsigned n = 0;

	(void)state;
	for (; tsv_next(t); n++) {
		struct cht_str hex = member(t->text, "signingPayloadHex");
		size_t len;
		uint8_t *event = tsv_hex(hex, &len);

		check_row = member(t->text, "id").ptr;
		check_envelope(member(t->text, "algorithm"), member(t->text, "signerKid"),
			       (struct cht_bytes){ event, len }, CHT_ORDER_STRUCT,
			       member(t->text, "signature"));
		free(event);
	}
	CHECK_INT(n, 16);
	tsv_close(t);
}

static void test_sorted_signatures_are_pythons(void **state)
{
	struct tsv *t = tsv_open("tests/golden/sorted.tsv");
	unsigned n = 0;

	(void)state;
	for (; tsv_next(t); n++) {
		size_t len;
		uint8_t *event = tsv_hex(t->column[2], &len);

		check_row = t->column[0].ptr;
		check_envelope(t->column[0], t->column[1], (struct cht_bytes){ event, len },
			       CHT_ORDER_SORTED, t->column[3]);
		free(event);
	}
	CHECK_INT(n, 16);
	tsv_close(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_crates_signatures_are_ours),
		cmocka_unit_test(test_sorted_signatures_are_pythons),
	};

	return cmocka_run_group_tests_name("sign", tests, NULL, NULL);
}
