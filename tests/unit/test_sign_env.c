/* SPDX-License-Identifier: Apache-2.0 */
#include "sign/sign.h"

#include "check.h"

#define SEED "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"
#define MAC  "CwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCws"

enum { ALG, KID, HMAC, ED };

struct row {
	const char *why;
	const char *env[4];
	int want;         /* result */
	int algorithm;    /* when 0 */
	const char *says; /* part of the text when refused */
};

static const struct row rows[] = {
	{ "nothing set", { NULL }, 0, CHT_ALGORITHM_OFF, NULL },
	{ "off", { "off" }, 0, CHT_ALGORITHM_OFF, NULL },
	{ "empty is off", { "" }, 0, CHT_ALGORITHM_OFF, NULL },
	{ "blank is off", { " \t" }, 0, CHT_ALGORITHM_OFF, NULL },
	{ "off in any case", { " OFF\n" }, 0, CHT_ALGORITHM_OFF, NULL },
	{ "off needs no kid but may have one", { "off", "k" }, 0, CHT_ALGORITHM_OFF, NULL },
	{ "hmac-sha256", { "hmac-sha256", "k", MAC }, 0, CHT_ALGORITHM_HMAC_SHA256, NULL },
	{ "hmac is hmac-sha256", { "hmac", "k", MAC }, 0, CHT_ALGORITHM_HMAC_SHA256, NULL },
	{ "any case, trimmed", { " HMAC-Sha256 ", "k", MAC }, 0, CHT_ALGORITHM_HMAC_SHA256, NULL },
	{ "a key of one byte", { "hmac", "k", "Cw" }, 0, CHT_ALGORITHM_HMAC_SHA256, NULL },
	{ "padding", { "hmac", "k", "Cw==" }, 0, CHT_ALGORITHM_HMAC_SHA256, NULL },
	{ "ed25519", { "ed25519", "k", NULL, SEED }, 0, CHT_ALGORITHM_ED25519, NULL },
	{ "Ed25519", { "Ed25519", "k", NULL, SEED }, 0, CHT_ALGORITHM_ED25519, NULL },
	{ "padded seed", { "ed25519", "k", NULL, SEED "=" }, 0, CHT_ALGORITHM_ED25519, NULL },
	{ "trimmed seed", { "ed25519", "k", NULL, " " SEED "\n" }, 0, CHT_ALGORITHM_ED25519, NULL },

	{ "both keys", { "hmac", "k", MAC, SEED }, CHT_E_CONFIG, 0, "both set" },
	{ "both keys, one empty", { "hmac", "k", MAC, "" }, CHT_E_CONFIG, 0, "both set" },
	{ "off with an HMAC key", { "off", NULL, MAC }, CHT_E_CONFIG, 0, "_SIGN_HMAC_KEY is set" },
	{ "off with a seed", { "off", NULL, NULL, SEED }, CHT_E_CONFIG, 0, "_ED25519_SK is set" },
	{ "unset with a seed", { NULL, NULL, NULL, SEED }, CHT_E_CONFIG, 0, "_ED25519_SK is set" },
	{ "off with an empty key", { "off", NULL, "" }, CHT_E_CONFIG, 0, "_SIGN_HMAC_KEY is set" },
	{ "no kid", { "hmac", NULL, MAC }, CHT_E_CONFIG, 0, "_SIGN_KID" },
	{ "empty kid", { "hmac", "", MAC }, CHT_E_CONFIG, 0, "_SIGN_KID" },
	{ "blank kid", { "hmac", " \t ", MAC }, CHT_E_CONFIG, 0, "_SIGN_KID" },
	{ "kid with a quote", { "hmac", "a\"b", MAC }, CHT_E_CONFIG, 0, "byte 2 of the key id" },
	{ "kid with a backslash", { "hmac", "ab\\", MAC }, CHT_E_CONFIG, 0, "byte 3" },
	{ "kid with a blank at its end", { "hmac", "ab ", MAC }, CHT_E_CONFIG, 0, "byte 3" },
	{ "kid beyond ASCII", { "hmac", "\xc3\xa9", MAC }, CHT_E_CONFIG, 0, "byte 1" },
	{ "no HMAC key",
	  { "hmac", "k" },
	  CHT_E_CONFIG,
	  0,
	  "needs CELLOS_HOST_TELEMETRY_SIGN_HMAC" },
	{ "no seed", { "ed25519", "k" }, CHT_E_CONFIG, 0, "_SIGN_ED25519_SK" },
	{ "hmac with a seed", { "hmac", "k", NULL, SEED }, CHT_E_CONFIG, 0, "_SIGN_HMAC_KEY" },
	{ "ed25519 with an HMAC key", { "ed25519", "k", MAC }, CHT_E_CONFIG, 0, "_ED25519_SK" },
	{ "HMAC key of nothing", { "hmac", "k", "" }, CHT_E_KEY, 0, "to nothing" },
	{ "HMAC key of blanks", { "hmac", "k", "  " }, CHT_E_KEY, 0, "to nothing" },
	{ "HMAC key of padding", { "hmac", "k", "==" }, CHT_E_KEY, 0, "to nothing" },
	{ "seed of nothing", { "ed25519", "k", NULL, "" }, CHT_E_KEY, 0, "0 bytes" },
	{ "seed of 31 bytes",
	  { "ed25519", "k", NULL, "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBw" },
	  CHT_E_KEY,
	  0,
	  "31 bytes" },
	{ "seed of 33 bytes", { "ed25519", "k", NULL, SEED "H" }, CHT_E_KEY, 0, "33 bytes" },
	{ "seed with the public key behind it",
	  { "ed25519", "k", NULL, "BwcHB" SEED SEED "" },
	  CHT_E_KEY,
	  0,
	  "_ED25519_SK" },
	{ "not base64url", { "hmac", "k", "Cw+/" }, CHT_E_KEY, 0, "not base64url" },
	{ "stray bits",
	  { "hmac", "k",
	    "CwsL"
	    "Cx" },
	  CHT_E_KEY,
	  0,
	  "not base64url" },
	{ "blank inside", { "hmac", "k", "CwsL CwsL" }, CHT_E_KEY, 0, "not base64url" },
	{ "an unknown name", { "rsa", "k", MAC }, CHT_E_CONFIG, 0, "none of off" },
	{ "a key where the name goes", { SEED, "k", MAC }, CHT_E_CONFIG, 0, "none of off" },
	{ "a name cut short", { "ed2551", "k", NULL, SEED }, CHT_E_CONFIG, 0, "none of off" },
};

static const char *row_env(void *context, const char *name)
{
	const struct row *row = context;

	for (unsigned i = 0; i < 4; i++)
		if (strcmp(sign_env_names[i], name) == 0)
			return row->env[i];
	fail_msg("asked for %s", name);
	return NULL;
}

/* No run of four characters of a secret may stand in a message. */
static void check_tells_no_key(const char *text, const char *secret)
{
	for (size_t i = 0; secret != NULL && i + 4 <= strlen(secret); i++) {
		char part[5];

		memcpy(part, secret + i, 4);
		part[4] = '\0';
		CHECK(strspn(part, " =") == 4 || strstr(text, part) == NULL);
	}
}

static void check_one(const struct row *row, int got, struct cht_signer *signer,
		      const struct cht_err *err)
{
	CHECK_INT(got, row->want);
	if (got == 0) {
		CHECK_INT(cht_signer_algorithm(signer), row->algorithm);
		CHECK((signer == NULL) == (row->algorithm == CHT_ALGORITHM_OFF));
		cht_signer_free(signer);
		return;
	}
	CHECK_INT(err->code, got);
	if (strstr(err->text, row->says) == NULL)
		fail_msg("[%s] says: %s", row->why, err->text);
	check_tells_no_key(err->text, row->env[HMAC]);
	check_tells_no_key(err->text, row->env[ED]);
	check_tells_no_key(err->text, SEED);
	CHECK(signer == (void *)(uintptr_t)&rows);
}

static void test_every_row_by_getenv(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cht_signer *signer = (void *)(uintptr_t)&rows; /* untouched on failure */
		struct row row = rows[i];
		struct cht_err err = { 0 };
		int r;

		check_row = row.why;
		r = signer_from_getenv(&signer, row_env, &row, &err);
		check_one(&row, r, signer, &err);
	}
}

static void test_every_row_from_the_environment(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cht_signer *signer = (void *)(uintptr_t)&rows;
		struct cht_err err = { 0 };
		int r;

		check_row = rows[i].why;
		for (unsigned v = 0; v < 4; v++)
			if (rows[i].env[v] != NULL)
				setenv(sign_env_names[v], rows[i].env[v], 1);
			else
				unsetenv(sign_env_names[v]);
		r = cht_signer_from_env(&signer, &err);
		check_one(&rows[i], r, signer, &err);
	}
}

static void test_a_long_key_id_or_key_is_refused(void **state)
{
	char kid[CHT_KID_MAX + 2], key[8192];
	struct row row = { .env = { "hmac", kid, key } };
	struct cht_signer *signer = NULL;
	struct cht_err err;

	(void)state;
	memset(kid, 'k', sizeof(kid));
	kid[CHT_KID_MAX] = '\0';
	memset(key, 'A', sizeof(key));
	key[5460] = '\0'; /* 4,095 bytes */
	CHECK_INT(signer_from_getenv(&signer, row_env, &row, &err), 0);
	cht_signer_free(signer);
	key[5460] = 'A';
	key[5464] = '\0'; /* 4,098 bytes */
	CHECK_INT(signer_from_getenv(&signer, row_env, &row, &err), CHT_E_KEY);
	key[4] = '\0';
	kid[CHT_KID_MAX] = 'k';
	kid[CHT_KID_MAX + 1] = '\0';
	CHECK_INT(signer_from_getenv(&signer, row_env, &row, &err), CHT_E_CONFIG);
	CHECK_INT(signer_from_getenv(&signer, row_env, &row, NULL), CHT_E_CONFIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_row_by_getenv),
		cmocka_unit_test(test_every_row_from_the_environment),
		cmocka_unit_test(test_a_long_key_id_or_key_is_refused),
	};

	return cmocka_run_group_tests_name("sign_env", tests, NULL, NULL);
}
