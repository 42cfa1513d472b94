/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/text.h"
#include "sign/sign.h"

#include "check.h"

/* The key of RFC 8410, section 10.3, as PEM and as its seed. */
static const char rfc8410[] = "-----BEGIN PRIVATE KEY-----\n"
			      "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
			      "-----END PRIVATE KEY-----\n";
static const char rfc8410_text[] = "1O5y2_kTWErVttjx92n4rTr-fCjL8dT74Jeoj0R1WEI";

/* A P-256 key made for this test, and one with the passphrase x. */
static const char p256[] = "-----BEGIN PRIVATE KEY-----\n"
			   "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgAQEBAQEBAQEBAQEB\n"
			   "AQEBAQEBAQEBAQEBAQEBAQEBAQGhRANCAARv8DuUkkHOHa3UNRnmlg4KhbQaaaBc\n"
			   "MoEDqivOFZTKFjxPdTpVvwHcU/bAsMfu54tAxv99JaluIoK5ic73HBRK\n"
			   "-----END PRIVATE KEY-----\n";
static const char encrypted[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
				"MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjtk/RjAlk9wAICCAAw\n"
				"DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEB/nXkmkjQ5hFR8HnyxXj0sEQHL+\n"
				"uyP5F13deaTheWZ8V0z68Xoe0GxajGXlmBrjFoe2krp98Zk2evv+UTHOsM1NYB1D\n"
				"woOJ6ywqtcimEpvbSpQ=\n"
				"-----END ENCRYPTED PRIVATE KEY-----\n";

static char dir[] = "/tmp/cht-log-key-XXXXXX";

static const char *path_of(const char *name)
{
	static char path[128];

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

static size_t unhex(const char *hex, uint8_t *out, size_t cap)
{
	size_t n = 0;

	CHECK(read_hex(str_of(hex), out, cap, &n));
	return n;
}

/* RFC 8032, section 7.1, tests 1 to 3. */
static void test_signatures_are_those_of_rfc8032(void **state)
{
	static const struct {
		const char *why, *seed, *public_key, *message, *signature;
	} rows[] = {
		{ "test 1", "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
		  "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
		  "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bac"
		  "c61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b" },
		{ "test 2", "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
		  "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
		  "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e"
		  "458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00" },
		{ "test 3", "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
		  "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
		  "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290"
		  "ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t seed[32], want[64], message[4], public_key[32], signature[64];
		char text[64] = { 0 };
		struct buf b = buf_init(text, sizeof(text));
		struct sign_log_key *key = NULL;
		size_t n;

		check_row = rows[i].why;
		CHECK_INT(unhex(rows[i].seed, seed, sizeof(seed)), 32);
		put_base64url(&b, seed, sizeof(seed));
		CHECK_INT(sign_log_key_from_text(&key, text, "TEXT", NULL), 0);
		sign_log_key_public(key, public_key);
		CHECK_INT(unhex(rows[i].public_key, want, sizeof(want)), 32);
		CHECK(memcmp(public_key, want, 32) == 0);
		n = unhex(rows[i].message, message, sizeof(message));
		CHECK_INT(sign_log_key_sign(key, (struct cht_bytes){ message, n }, signature), 0);
		CHECK_INT(unhex(rows[i].signature, want, sizeof(want)), 64);
		CHECK(memcmp(signature, want, 64) == 0);
		sign_log_key_free(key);
	}
	sign_log_key_free(NULL);
}

static void check_refusal(int r, int want, const struct cht_err *err, const char *says)
{
	CHECK_INT(r, want);
	if (want == 0)
		return;
	CHECK_INT(err->code, want);
	if (strstr(err->text, says) == NULL)
		fail_msg("[%s] says: %s", check_row, err->text);
	CHECK(strstr(err->text, "1Ducd") == NULL && strstr(err->text, "1O5y") == NULL);
}

static void test_key_files_and_their_refusals(void **state)
{
	static const struct {
		const char *why, *text;
		mode_t mode;
		int want;
		const char *says;
	} rows[] = {
		{ "RFC 8410", rfc8410, 0600, 0, NULL },
		{ "read-only", rfc8410, 0400, 0, NULL },
		{ "group may read", rfc8410, 0640, CHT_E_KEY, "chmod 600" },
		{ "group may write", rfc8410, 0620, CHT_E_KEY, "chmod 600" },
		{ "others may read", rfc8410, 0604, CHT_E_KEY, "chmod 600" },
		{ "another curve", p256, 0600, CHT_E_KEY, "not an Ed25519" },
		{ "encrypted", encrypted, 0600, CHT_E_KEY, "passphrase" },
		{ "the seed as text", rfc8410_text, 0600, CHT_E_KEY, "no PKCS#8" },
		{ "empty", "", 0600, CHT_E_KEY, "no PKCS#8" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sign_log_key *key = NULL;
		struct cht_err err = { 0 };
		int r;

		check_row = rows[i].why;
		r = sign_log_key_from_file(&key, put("key", rows[i].text, rows[i].mode), &err);
		check_refusal(r, rows[i].want, &err, rows[i].says);
		CHECK((key != NULL) == (r == 0));
		sign_log_key_free(key);
	}
}

static void test_what_is_no_plain_file_is_refused(void **state)
{
	static char big[20000];
	struct sign_log_key *key = NULL;
	struct cht_err err = { 0 };
	char link[128];

	(void)state;
	check_row = "";
	snprintf(link, sizeof(link), "%s", path_of("link"));
	CHECK_INT(symlink(put("key", rfc8410, 0600), link), 0);
	check_refusal(sign_log_key_from_file(&key, link, &err), CHT_E_KEY, &err, "symbolic link");
	CHECK_INT(sign_log_key_from_file(&key, dir, &err), CHT_E_KEY);
	CHECK_INT(mkfifo(path_of("fifo"), 0600), 0);
	CHECK_INT(sign_log_key_from_file(&key, path_of("fifo"), &err), CHT_E_KEY);
	CHECK_INT(sign_log_key_from_file(&key, path_of("absent"), &err), CHT_E_IO);
	memset(big, 'A', sizeof(big) - 1);
	CHECK_INT(sign_log_key_from_file(&key, put("big", big, 0600), &err), CHT_E_KEY);
	CHECK(key == NULL);
}

static void test_a_credential_may_be_read_by_its_group(void **state)
{
	struct sign_log_key *key = NULL;

	(void)state;
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	CHECK_INT(sign_log_key_from_file(&key, put("key", rfc8410, 0440), NULL), 0);
	sign_log_key_free(key);
	CHECK_INT(sign_log_key_from_file(&key, put("key", rfc8410, 0444), NULL), CHT_E_KEY);
	unsetenv("CREDENTIALS_DIRECTORY");
	CHECK_INT(sign_log_key_from_file(&key, put("key", rfc8410, 0440), NULL), CHT_E_KEY);
}

static void test_seeds_as_text_and_their_refusals(void **state)
{
	static const struct {
		const char *why, *text;
		int want;
		const char *says;
	} rows[] = {
		{ "plain", rfc8410_text, 0, NULL },
		{ "padded", "1O5y2_kTWErVttjx92n4rTr-fCjL8dT74Jeoj0R1WEI=", 0, NULL },
		{ "blanks around", " \t1O5y2_kTWErVttjx92n4rTr-fCjL8dT74Jeoj0R1WEI\r\n", 0, NULL },
		{ "nothing", "", CHT_E_KEY, "TEXT decodes to 0 bytes" },
		{ "blanks", "  ", CHT_E_KEY, "TEXT decodes to 0 bytes" },
		{ "a byte short", "1O5y2_kTWErVttjx92n4rTr-fCjL8dT74Jeoj0R1WA", CHT_E_KEY, "31" },
		{ "seed and public key",
		  "1O5y2_kTWErVttjx92n4rTr-fCjL8dT74Jeoj0R1WEIZv0QJaYTN_"
		  "oVBusFn3DuWyFCGqjC2tssMXDitc"
		  "DFm4Q",
		  CHT_E_KEY, "64" },
		{ "stray bits", "1O5y2_kTWErVttjx92n4rTr-fCjL8dT74Jeoj0R1WEJ", CHT_E_KEY,
		  "TEXT is not base64url" },
		{ "plain base64", "1O5y2/kTWErVttjx92n4rTr+fCjL8dT74Jeoj0R1WEI=", CHT_E_KEY,
		  "TEXT is not base64url" },
		{ "blank inside", "1O5y2_kTWErVttjx92n4 rTr-fCjL8dT74Jeoj0R1WEI", CHT_E_KEY,
		  "TEXT is not base64url" },
		{ "PEM", rfc8410, CHT_E_KEY, "TEXT is not base64url" },
	};
	struct sign_log_key *file = NULL;
	uint8_t want[32], got[32];

	(void)state;
	CHECK_INT(sign_log_key_from_file(&file, put("key", rfc8410, 0600), NULL), 0);
	sign_log_key_public(file, want);
	sign_log_key_free(file);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sign_log_key *key = NULL;
		struct cht_err err = { 0 };
		int r;

		check_row = rows[i].why;
		r = sign_log_key_from_text(&key, rows[i].text, "TEXT", &err);
		check_refusal(r, rows[i].want, &err, rows[i].says);
		CHECK((key != NULL) == (r == 0));
		if (r < 0)
			continue;
		sign_log_key_public(key, got);
		CHECK(memcmp(got, want, sizeof(want)) == 0);
		sign_log_key_free(key);
	}
}

static void test_a_new_key_is_private_and_never_overwrites(void **state)
{
	struct sign_log_key *made = NULL, *seen = NULL, *other = NULL;
	char path[128];
	uint8_t a[32], b[32];
	struct cht_err err;
	struct stat st;

	(void)state;
	check_row = "";
	snprintf(path, sizeof(path), "%s", path_of("new"));
	CHECK_INT(sign_log_key_generate(&made, path, &err), 0);
	CHECK_INT(stat(path, &st), 0);
	CHECK_INT(st.st_mode & 07777, 0600);
	CHECK_INT(sign_log_key_from_file(&seen, path, &err), 0);
	sign_log_key_public(made, a);
	sign_log_key_public(seen, b);
	CHECK(memcmp(a, b, sizeof(a)) == 0);
	CHECK_INT(sign_log_key_generate(&other, path, &err), CHT_E_IO);
	CHECK_INT(err.sys, EEXIST);
	CHECK(other == NULL && strstr(err.text, "never overwritten") != NULL);
	CHECK_INT(sign_log_key_generate(&other, path_of("new2"), &err), 0);
	sign_log_key_public(other, b);
	CHECK(memcmp(a, b, sizeof(a)) != 0);
	sign_log_key_free(made);
	sign_log_key_free(seen);
	sign_log_key_free(other);
}

static struct cht_signer *signer_of(enum cht_algorithm algorithm, const char *path)
{
	struct cht_signer *signer = NULL;

	CHECK_INT(cht_signer_from_file(&signer, algorithm, "k", path, NULL), 0);
	return signer;
}

static void test_the_key_of_an_envelope_signer_is_known(void **state)
{
	struct sign_log_key *key = NULL;
	struct cht_signer *same, *hmac, *other;

	(void)state;
	CHECK_INT(sign_log_key_from_text(&key, rfc8410_text, "TEXT", NULL), 0);
	same = signer_of(CHT_ALGORITHM_ED25519, put("key", rfc8410, 0600));
	other = signer_of(CHT_ALGORITHM_ED25519, path_of("new"));
	/* The very same secret, but no public key is shared. */
	hmac = signer_of(CHT_ALGORITHM_HMAC_SHA256, put("key", rfc8410_text, 0600));
	CHECK(sign_log_key_is_of(key, same));
	CHECK(!sign_log_key_is_of(key, other));
	CHECK(!sign_log_key_is_of(key, hmac));
	CHECK(!sign_log_key_is_of(key, NULL));
	cht_signer_free(same);
	cht_signer_free(other);
	cht_signer_free(hmac);
	sign_log_key_free(key);
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) == NULL;
}

static int remove_dir(void **state)
{
	static const char *const names[] = { "key", "link", "fifo", "big", "new", "new2" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)unlink(path_of(names[i]));
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signatures_are_those_of_rfc8032),
		cmocka_unit_test(test_key_files_and_their_refusals),
		cmocka_unit_test(test_what_is_no_plain_file_is_refused),
		cmocka_unit_test(test_a_credential_may_be_read_by_its_group),
		cmocka_unit_test(test_seeds_as_text_and_their_refusals),
		cmocka_unit_test(test_a_new_key_is_private_and_never_overwrites),
		cmocka_unit_test(test_the_key_of_an_envelope_signer_is_known),
	};

	return cmocka_run_group_tests_name("sign_log_key", tests, make_dir, remove_dir);
}
