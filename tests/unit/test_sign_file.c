/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "sign/sign.h"

#include "check.h"

/* The key of RFC 8410, section 10.3. */
static const char rfc8410[] = "-----BEGIN PRIVATE KEY-----\n"
			      "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
			      "-----END PRIVATE KEY-----\n";
/* A P-256 key made for this test. */
static const char p256[] = "-----BEGIN PRIVATE KEY-----\n"
			   "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgAQEBAQEBAQEBAQEB\n"
			   "AQEBAQEBAQEBAQEBAQEBAQEBAQGhRANCAARv8DuUkkHOHa3UNRnmlg4KhbQaaaBc\n"
			   "MoEDqivOFZTKFjxPdTpVvwHcU/bAsMfu54tAxv99JaluIoK5ic73HBRK\n"
			   "-----END PRIVATE KEY-----\n";

/* Made with the passphrase x: nobody may be asked for it. */
static const char encrypted[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
				"MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjtk/RjAlk9wAICCAAw\n"
				"DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEB/nXkmkjQ5hFR8HnyxXj0sEQHL+\n"
				"uyP5F13deaTheWZ8V0z68Xoe0GxajGXlmBrjFoe2krp98Zk2evv+UTHOsM1NYB1D\n"
				"woOJ6ywqtcimEpvbSpQ=\n"
				"-----END ENCRYPTED PRIVATE KEY-----\n";

static char dir[] = "/tmp/cht-sign-XXXXXX";

static const char *path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static const char *put(const char *name, const char *text, mode_t mode)
{
	const char *path = path_of(name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	CHECK_INT(write(fd, text, strlen(text)), strlen(text));
	CHECK_INT(fchmod(fd, mode), 0);
	CHECK_INT(close(fd), 0);
	return path;
}

static int load(enum cht_algorithm algorithm, const char *path, struct cht_err *err)
{
	struct cht_signer *s = NULL;
	int r = cht_signer_from_file(&s, algorithm, "kid", path, err);

	CHECK((s != NULL) == (r == 0));
	cht_signer_free(s);
	return r;
}

static void test_key_files_and_their_refusals(void **state)
{
	static const struct {
		const char *why, *text;
		mode_t mode;
		enum cht_algorithm algorithm;
		int want;
		const char *says;
	} rows[] = {
		{ "RFC 8410", rfc8410, 0600, CHT_ALGORITHM_ED25519, 0, NULL },
		{ "read-only", rfc8410, 0400, CHT_ALGORITHM_ED25519, 0, NULL },
		{ "an HMAC key", "CwsLCws\n", 0600, CHT_ALGORITHM_HMAC_SHA256, 0, NULL },
		{ "padded, CRLF", "CwsLCws=\r\n", 0600, CHT_ALGORITHM_HMAC_SHA256, 0, NULL },
		{ "group may read", rfc8410, 0640, CHT_ALGORITHM_ED25519, CHT_E_KEY, "chmod 600" },
		{ "all may read", rfc8410, 0604, CHT_ALGORITHM_ED25519, CHT_E_KEY, "chmod 600" },
		{ "group may write", "Cw", 0620, CHT_ALGORITHM_HMAC_SHA256, CHT_E_KEY,
		  "chmod 600" },
		{ "another curve", p256, 0600, CHT_ALGORITHM_ED25519, CHT_E_KEY, "not an Ed25519" },
		{ "encrypted", encrypted, 0600, CHT_ALGORITHM_ED25519, CHT_E_KEY, "passphrase" },
		{ "not PEM", "CwsLCws\n", 0600, CHT_ALGORITHM_ED25519, CHT_E_KEY, "no PKCS#8" },
		{ "empty", "", 0600, CHT_ALGORITHM_ED25519, CHT_E_KEY, "no PKCS#8" },
		{ "empty HMAC", "\n", 0600, CHT_ALGORITHM_HMAC_SHA256, CHT_E_KEY, "to nothing" },
		{ "PEM as HMAC", rfc8410, 0600, CHT_ALGORITHM_HMAC_SHA256, CHT_E_KEY, "base64url" },
		{ "no algorithm", rfc8410, 0600, CHT_ALGORITHM_OFF, CHT_E_CONFIG, "algorithm" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cht_err err = { 0 };

		check_row = rows[i].why;
		CHECK_INT(load(rows[i].algorithm, put("key", rows[i].text, rows[i].mode), &err),
			  rows[i].want);
		if (rows[i].want == 0)
			continue;
		if (strstr(err.text, rows[i].says) == NULL)
			fail_msg("[%s] says: %s", rows[i].why, err.text);
		CHECK(strstr(err.text, "1Ducd") == NULL && strstr(err.text, "CwsL") == NULL);
	}
}

static void test_what_is_no_plain_file_is_refused(void **state)
{
	static char big[20000];
	struct cht_err err;
	char link[256];

	(void)state;
	snprintf(link, sizeof(link), "%s", path_of("link"));
	CHECK_INT(symlink(put("key", rfc8410, 0600), link), 0);
	CHECK_INT(load(CHT_ALGORITHM_ED25519, link, &err), CHT_E_KEY);
	CHECK(strstr(err.text, "symbolic link") != NULL);
	CHECK_INT(load(CHT_ALGORITHM_ED25519, dir, &err), CHT_E_KEY);
	CHECK_INT(mkfifo(path_of("fifo"), 0600), 0);
	CHECK_INT(load(CHT_ALGORITHM_ED25519, path_of("fifo"), &err), CHT_E_KEY);
	CHECK_INT(load(CHT_ALGORITHM_ED25519, path_of("absent"), &err), CHT_E_IO);
	memset(big, 'A', sizeof(big) - 1);
	CHECK_INT(load(CHT_ALGORITHM_HMAC_SHA256, put("big", big, 0600), &err), CHT_E_KEY);
}

static void test_a_credential_may_be_read_by_its_group(void **state)
{
	struct cht_err err;

	(void)state;
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	CHECK_INT(load(CHT_ALGORITHM_ED25519, put("key", rfc8410, 0440), &err), 0);
	CHECK_INT(load(CHT_ALGORITHM_ED25519, put("key", rfc8410, 0444), &err), CHT_E_KEY);
	setenv("CREDENTIALS_DIRECTORY", "/elsewhere", 1);
	CHECK_INT(load(CHT_ALGORITHM_ED25519, put("key", rfc8410, 0440), &err), CHT_E_KEY);
	unsetenv("CREDENTIALS_DIRECTORY");
}

static void test_the_public_key_of_rfc8410(void **state)
{
	static const char want[] =
		"\x19\xbf\x44\x09\x69\x84\xcd\xfe\x85\x41\xba\xc1\x67\xdc\x3b\x96"
		"\xc8\x50\x86\xaa\x30\xb6\xb6\xcb\x0c\x5c\x38\xad\x70\x31\x66\xe1";
	struct sign_key_info info = { 0 };

	(void)state;
	CHECK_INT(sign_key_inspect(put("key", rfc8410, 0600), &info, NULL), 0);
	CHECK_INT(info.algorithm, CHT_ALGORITHM_ED25519);
	CHECK(memcmp(info.public_key, want, 32) == 0);
	CHECK_INT(strlen(info.kid), 24);
	CHECK(str_starts(str_of(info.kid), STR("ed25519-")));
}

static void test_a_new_key_is_private_and_never_overwrites(void **state)
{
	const enum cht_algorithm algorithms[] = { CHT_ALGORITHM_ED25519,
						  CHT_ALGORITHM_HMAC_SHA256 };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct sign_key_info made = { 0 }, seen = { 0 };
		const char *path = path_of(i == 0 ? "new-ed" : "new-hmac");
		struct cht_err err;
		struct stat st;

		CHECK_INT(sign_key_generate(algorithms[i], path, &made, &err), 0);
		CHECK_INT(stat(path, &st), 0);
		CHECK_INT(st.st_mode & 07777, 0600);
		CHECK_INT(sign_key_inspect(path, &seen, &err), 0);
		CHECK_INT(seen.algorithm, algorithms[i]);
		CHECK(memcmp(&made, &seen, sizeof(made)) == 0);
		CHECK_INT(load(algorithms[i], path, &err), 0);
		CHECK_INT(sign_key_generate(algorithms[i], path, &made, &err), CHT_E_IO);
		CHECK(strstr(err.text, "never overwritten") != NULL);
		CHECK_INT(sign_key_inspect(path, &made, &err), 0);
		CHECK(memcmp(&made, &seen, sizeof(made)) == 0);
	}
}

static void test_openssl_reads_what_we_write(void **state)
{
	const char *path = path_of("new-for-openssl");
	struct sign_key_info info;
	uint8_t public_key[32];
	size_t len = sizeof(public_key);
	EVP_PKEY *key;
	FILE *f;

	(void)state;
	CHECK_INT(sign_key_generate(CHT_ALGORITHM_ED25519, path, &info, NULL), 0);
	f = fopen(path, "re");
	assert_non_null(f);
	key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	assert_non_null(key);
	CHECK_INT(EVP_PKEY_get_raw_public_key(key, public_key, &len), 1);
	CHECK(memcmp(public_key, info.public_key, 32) == 0);
	EVP_PKEY_free(key);
	fclose(f);
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) == NULL;
}

static int remove_dir(void **state)
{
	static const char *const names[] = { "key",    "link",     "fifo",           "big",
					     "new-ed", "new-hmac", "new-for-openssl" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)unlink(path_of(names[i]));
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_key_files_and_their_refusals),
		cmocka_unit_test(test_what_is_no_plain_file_is_refused),
		cmocka_unit_test(test_a_credential_may_be_read_by_its_group),
		cmocka_unit_test(test_the_public_key_of_rfc8410),
		cmocka_unit_test(test_a_new_key_is_private_and_never_overwrites),
		cmocka_unit_test(test_openssl_reads_what_we_write),
	};

	return cmocka_run_group_tests_name("sign_file", tests, make_dir, remove_dir);
}
