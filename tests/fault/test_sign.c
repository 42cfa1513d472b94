/* SPDX-License-Identifier: Apache-2.0
 *
 * Each call that making a signer or a key file needs fails in turn: nothing is handed out then,
 * no half-written key stays behind, and no message has a byte of a key.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sign/sign.h"
#include "verify/verify.h"

#include "check.h"

/* Calls counted while armed; number `fail_at` fails. */
static struct {
	bool armed;
	unsigned n, fail_at;
} plan;

static bool hit(void)
{
	return plan.armed && ++plan.n == plan.fail_at;
}

/* Errors come with ENOMEM or EIO, as the real call would give. */
#define WRAP(type, name, params, args, failed, sys)                                                \
	type __real_##name params;                                                                 \
	type __wrap_##name params;                                                                 \
	type __wrap_##name params                                                                  \
	{                                                                                          \
		if (!hit())                                                                        \
			return __real_##name args;                                                 \
		errno = sys;                                                                       \
		return failed;                                                                     \
	}

WRAP(void *, malloc, (size_t n), (n), NULL, ENOMEM)
WRAP(void *, calloc, (size_t n, size_t size), (n, size), NULL, ENOMEM)
WRAP(void *, reallocarray, (void *p, size_t n, size_t size), (p, n, size), NULL, ENOMEM)
WRAP(void *, sodium_malloc, (size_t n), (n), NULL, ENOMEM)
WRAP(int, sodium_mprotect_readonly, (void *p), (p), -1, ENOMEM)
WRAP(int, sodium_init, (void), (), -1, EIO)
WRAP(int, fstat64, (int fd, struct stat *st), (fd, st), -1, EIO)
WRAP(ssize_t, read, (int fd, void *p, size_t n), (fd, p, n), -1, EIO)
WRAP(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n), -1, ENOSPC)
WRAP(int, fsync, (int fd), (fd), -1, EIO)
WRAP(ssize_t, getrandom, (void *p, size_t n, unsigned flags), (p, n, flags), -1, EIO)
WRAP(int, SHA256_Update, (void *c, const void *p, size_t n), (c, p, n), 0, 0)
WRAP(void *, EVP_MAC_fetch, (void *ctx, const char *name, const char *more), (ctx, name, more),
     NULL, 0)

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
	va_list args;
	unsigned mode;

	va_start(args, flags);
	mode = (flags & O_CREAT) != 0 ? va_arg(args, unsigned) : 0;
	va_end(args);
	if (!hit())
		return __real_open64(path, flags, mode);
	errno = EACCES;
	return -1;
}

static char dir[] = "/tmp/cht-sign-XXXXXX";

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static const char *test_env(void *context, const char *name)
{
	(void)context;
	return strstr(name, "_ALG") != NULL        ? "ed25519"
	       : strstr(name, "_KID") != NULL      ? "k"
	       : strstr(name, "_ED25519_") != NULL ? "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"
						   : NULL;
}

static int from_env(struct cht_err *err)
{
	struct cht_signer *signer = NULL;
	int r = signer_from_getenv(&signer, test_env, NULL, err);

	CHECK((signer != NULL) == (r == 0));
	cht_signer_free(signer);
	return r;
}

static int from_file(enum cht_algorithm algorithm, const char *name, struct cht_err *err)
{
	struct cht_signer *signer = NULL;
	int r = cht_signer_from_file(&signer, algorithm, "k", path_of(name), err);

	CHECK((signer != NULL) == (r == 0));
	cht_signer_free(signer);
	return r;
}

static int from_pem(struct cht_err *err)
{
	return from_file(CHT_ALGORITHM_ED25519, "ed", err);
}

static int from_text(struct cht_err *err)
{
	return from_file(CHT_ALGORITHM_HMAC_SHA256, "hmac", err);
}

static int log_key_from_text(struct cht_err *err)
{
	struct sign_log_key *key = NULL;
	int r = sign_log_key_from_text(&key, test_env(NULL, "_ED25519_"), "TEXT", err);

	CHECK((key != NULL) == (r == 0));
	sign_log_key_free(key);
	return r;
}

static int log_key_from_pem(struct cht_err *err)
{
	struct sign_log_key *key = NULL;
	int r = sign_log_key_from_file(&key, path_of("ed"), err);

	CHECK((key != NULL) == (r == 0));
	sign_log_key_free(key);
	return r;
}

static int generate_log_key(struct cht_err *err)
{
	struct sign_log_key *key = NULL;
	int r = sign_log_key_generate(&key, path_of("new"), err);

	CHECK((key != NULL) == (r == 0));
	CHECK((access(path_of("new"), F_OK) == 0) == (r == 0));
	sign_log_key_free(key);
	(void)unlink(path_of("new"));
	return r;
}

static int generate(enum cht_algorithm algorithm, struct cht_err *err)
{
	struct sign_key_info info = { 0 };
	int r = sign_key_generate(algorithm, path_of("new"), &info, err);

	CHECK((info.kid[0] != '\0') == (r == 0));
	CHECK((access(path_of("new"), F_OK) == 0) == (r == 0));
	(void)unlink(path_of("new"));
	return r;
}

static int generate_ed25519(struct cht_err *err)
{
	return generate(CHT_ALGORITHM_ED25519, err);
}

static int generate_hmac(struct cht_err *err)
{
	return generate(CHT_ALGORITHM_HMAC_SHA256, err);
}

static int inspect(struct cht_err *err)
{
	struct sign_key_info info = { 0 };
	int r = sign_key_inspect(path_of("hmac"), &info, err);

	CHECK((info.kid[0] != '\0') == (r == 0));
	return r;
}

static int load_trust(struct cht_err *err)
{
	struct verify_trust *trust = NULL;
	char keys[128];
	int r;

	snprintf(keys, sizeof(keys), "%s", path_of("keys.json"));
	r = verify_trust_load(&trust, NULL, keys, err);
	CHECK((trust != NULL) == (r == 0));
	verify_trust_free(trust);
	return r;
}

static void test_each_call_fails_in_turn(void **state)
{
	static const struct {
		const char *why;
		int (*act)(struct cht_err *err);
		unsigned least; /* calls that it makes */
	} rows[] = {
		{ "a signer from the environment", from_env, 5 },
		{ "a signer from PEM", from_pem, 8 },
		{ "a signer from text", from_text, 9 },
		{ "a new Ed25519 key", generate_ed25519, 10 },
		{ "a new HMAC key", generate_hmac, 10 },
		{ "a look at a key", inspect, 9 },
		{ "a log's key from text", log_key_from_text, 3 },
		{ "a log's key from PEM", log_key_from_pem, 6 },
		{ "a new log's key", generate_log_key, 8 },
		{ "keys to verify with", load_trust, 7 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned at = 1;

		for (;; at++) {
			struct cht_err err = { 0 };
			char row[96];
			int r;

			snprintf(row, sizeof(row), "%s, call %u fails", rows[i].why, at);
			check_row = row;
			plan.n = 0;
			plan.fail_at = at;
			plan.armed = true;
			r = rows[i].act(&err);
			plan.armed = false;
			if (plan.n < at) {
				CHECK_INT(r, 0);
				break;
			}
			CHECK(r < 0);
			CHECK_INT(err.code, r);
			CHECK(err.text[0] != '\0');
			CHECK(strstr(err.text, "BwcH") == NULL && strstr(err.text, "CwsL") == NULL);
		}
		CHECK(at > rows[i].least);
	}
}

static void test_a_failing_hash_gives_no_signature(void **state)
{
	static const char event[] = "{\"specversion\":\"1.0\",\"id\":\"i\"}";
	struct cht_signer *signer = NULL;
	uint8_t out[512];

	(void)state;
	CHECK_INT(cht_signer_from_file(&signer, CHT_ALGORITHM_HMAC_SHA256, "k", path_of("hmac"),
				       NULL),
		  0);
	for (unsigned at = 1; at <= 2; at++) {
		plan.n = 0;
		plan.fail_at = at;
		plan.armed = true;
		CHECK_INT(cht_sign_event(
				  signer,
				  (struct cht_bytes){ (const uint8_t *)event, sizeof(event) - 1 },
				  out, sizeof(out)),
			  CHT_E_SIGN);
		plan.armed = false;
		CHECK(memmem(out, sizeof(out), "signature", 9) == NULL);
	}
	cht_signer_free(signer);
}

static void put(const char *name, const char *text)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	CHECK_INT(write(fd, text, strlen(text)), strlen(text));
	CHECK_INT(close(fd), 0);
}

static int make_dir(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	put("ed", "-----BEGIN PRIVATE KEY-----\n"
		  "MC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\n"
		  "-----END PRIVATE KEY-----\n");
	put("hmac", "CwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCws\n");
	put("keys.json", "{\"k\":\"CwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCws\"}");
	return 0;
}

static int remove_dir(void **state)
{
	static const char *const names[] = { "ed", "hmac", "keys.json" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)unlink(path_of(names[i]));
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_call_fails_in_turn),
		cmocka_unit_test(test_a_failing_hash_gives_no_signature),
	};

	return cmocka_run_group_tests_name("sign", tests, make_dir, remove_dir);
}
