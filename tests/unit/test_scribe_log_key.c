/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "scribe/scribe.h"

#define VARIABLE "CELLOS_HOST_TELEMETRY_LOG_ED25519_SK"

enum source { FROM_FILE, FROM_CREDENTIAL, FROM_VARIABLE, FROM_STATE, N_SOURCES };

static char top[] = "/tmp/cht-scribe-key-XXXXXX";
static uint8_t public_keys[N_SOURCES][32];

static const char *at(const char *name)
{
	static char paths[4][256];
	static unsigned n;
	char *path = paths[n++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", top, name);
	return path;
}

static struct scribe_options options(void)
{
	static char state[256];

	snprintf(state, sizeof(state), "%s", at("state"));
	return (struct scribe_options){ .state = state, .line_fd = -1, .env_fd = -1 };
}

/* Key i, as its file and as its seed in base64url. */
static const char *text_of(enum source i)
{
	static char text[64];
	uint8_t seed[32];
	struct buf b = buf_init(text, sizeof(text) - 1);

	memset(seed, (int)i + 1, sizeof(seed));
	put_base64url(&b, seed, sizeof(seed));
	return text;
}

static void put(const char *name, const char *text, mode_t mode)
{
	int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	CHECK_INT(write(fd, text, strlen(text)), strlen(text));
	CHECK_INT(fchmod(fd, mode), 0);
	CHECK_INT(close(fd), 0);
}

static void put_key(const char *name, enum source i)
{
	uint8_t der[48] = { 0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
			    0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20 };
	char pem[160] = "-----BEGIN PRIVATE KEY-----\n";
	struct buf b = buf_init(pem + strlen(pem), 128);

	memset(der + 16, (int)i + 1, 32);
	put_base64(&b, der, sizeof(der));
	buf_put_lit(&b, "\n-----END PRIVATE KEY-----\n");
	put(name, pem, 0600);
}

/* Every source has a key of its own. */
static int fill(void **state)
{
	(void)state;
	CHECK_INT(mkdir(at("credentials"), 0700), 0);
	CHECK_INT(mkdir(at("state"), 0750), 0);
	CHECK_INT(mkdir(at("state/scribe"), 0700), 0);
	put_key("file", FROM_FILE);
	put_key("credentials/cht.log-key", FROM_CREDENTIAL);
	put_key("state/scribe/key.pem", FROM_STATE);
	CHECK_INT(setenv("CREDENTIALS_DIRECTORY", at("credentials"), 1), 0);
	CHECK_INT(setenv(VARIABLE, text_of(FROM_VARIABLE), 1), 0);
	return 0;
}

static int empty(void **state)
{
	static const char *const files[] = { "file", "credentials/cht.log-key",
					     "state/scribe/key.pem", "state/scribe/key.new",
					     "state/ledger/origin" };
	static const char *const dirs[] = { "credentials", "state/ledger", "state/scribe",
					    "state" };

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		(void)unlink(at(files[i]));
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		(void)rmdir(at(dirs[i]));
	(void)unsetenv("CREDENTIALS_DIRECTORY");
	(void)unsetenv(VARIABLE);
	return 0;
}

/* As the scribe does it. */
static int load(const struct scribe_options *o, struct sign_log_key **key, struct cht_err *err)
{
	struct cht_signer *signer = NULL;
	int r = keys_load(&signer, o, err);

	if (r == 0)
		r = o->init ? log_key_make(key, o, signer, err) : log_key_load(key, o, signer, err);
	cht_signer_free(signer);
	CHECK((*key != NULL) == (r == 0));
	return r;
}

static void check_source(const struct scribe_options *o, enum source want)
{
	struct sign_log_key *key = NULL;
	struct cht_err err = { 0 };
	uint8_t got[32];

	if (load(o, &key, &err) < 0)
		fail_msg("[%s] says: %s", check_row, err.text);
	sign_log_key_public(key, got);
	CHECK(memcmp(got, public_keys[want], sizeof(got)) == 0);
	sign_log_key_free(key);
}

static void check_refusal(const struct scribe_options *o, int want, const char *says)
{
	struct sign_log_key *key = NULL;
	struct cht_err err = { 0 };

	CHECK_INT(load(o, &key, &err), want);
	CHECK_INT(err.code, want);
	if (strstr(err.text, says) == NULL)
		fail_msg("[%s] says: %s", check_row, err.text);
	CHECK(strstr(err.text, "AQEB") == NULL && strstr(err.text, "AwMD") == NULL);
}

static void test_the_first_source_that_is_there_counts(void **state)
{
	struct scribe_options o = options();
	char file[256];

	(void)state;
	snprintf(file, sizeof(file), "%s", at("file"));
	o.log_key_file = file;
	check_row = "all";
	check_source(&o, FROM_FILE);
	o.log_key_file = NULL;
	check_row = "no file";
	CHECK_INT(setenv(VARIABLE, text_of(FROM_VARIABLE), 1), 0);
	check_source(&o, FROM_CREDENTIAL);
	CHECK_INT(unlink(at("credentials/cht.log-key")), 0);
	check_row = "no credential";
	CHECK_INT(setenv(VARIABLE, text_of(FROM_VARIABLE), 1), 0);
	check_source(&o, FROM_VARIABLE);
	check_row = "the variable was taken";
	CHECK(getenv(VARIABLE) == NULL);
	check_source(&o, FROM_STATE);
	CHECK_INT(unsetenv("CREDENTIALS_DIRECTORY"), 0);
	check_row = "only the state";
	check_source(&o, FROM_STATE);
	CHECK_INT(unlink(at("state/scribe/key.pem")), 0);
	check_row = "nothing";
	check_refusal(&o, CHT_E_CONFIG, "no ledger in");
	CHECK_INT(mkdir(at("state/ledger"), 0700), 0);
	put("state/ledger/origin", "a/0011223344556677\n", 0640);
	check_refusal(&o, CHT_E_CONFIG, "no checkpoint key");
}

static int pipe_of(const char *bytes, size_t n)
{
	int ends[2];

	CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
	CHECK_INT(write(ends[1], bytes, n), n);
	CHECK_INT(close(ends[1]), 0);
	return ends[0];
}

static void test_a_pipe_stands_for_the_environment(void **state)
{
	struct scribe_options o = options();
	char record[128];
	int n;

	(void)state;
	CHECK_INT(unlink(at("credentials/cht.log-key")), 0);
	/* Another one in the environment: it must not be looked at, and be wiped. */
	CHECK_INT(setenv(VARIABLE, text_of(FROM_FILE), 1), 0);
	n = snprintf(record, sizeof(record), VARIABLE "=%s", text_of(FROM_VARIABLE));
	o.env_fd = pipe_of(record, (size_t)n + 1);
	check_row = "pipe";
	check_source(&o, FROM_VARIABLE);
	CHECK(getenv(VARIABLE) == NULL);
	CHECK_INT(setenv(VARIABLE, text_of(FROM_FILE), 1), 0);
	o.env_fd = pipe_of("", 0);
	check_row = "an empty pipe";
	check_source(&o, FROM_STATE);
	n = snprintf(record, sizeof(record), VARIABLE "X=%s", text_of(FROM_VARIABLE));
	o.env_fd = pipe_of(record, (size_t)n + 1);
	check_row = "another name";
	check_refusal(&o, CHT_E_CONFIG, "no signing variable");
}

static void test_the_environment_is_overwritten_where_it_stood(void **state)
{
	static char record[128], zero[64];
	static const char *const texts[] = { "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM",
					     "AwMD not a key" };
	const size_t name = sizeof(VARIABLE);

	(void)state;
	CHECK_INT(unlink(at("credentials/cht.log-key")), 0);
	for (size_t i = 0; i < 2; i++) {
		struct scribe_options o = options();
		struct sign_log_key *key = NULL;
		size_t n = strlen(texts[i]);

		check_row = texts[i];
		snprintf(record, sizeof(record), VARIABLE "=%s", texts[i]);
		CHECK_INT(putenv(record), 0);
		CHECK_INT(load(&o, &key, NULL), i == 0 ? 0 : CHT_E_KEY);
		CHECK(memcmp(record + name, zero, n) == 0);
		sign_log_key_free(key);
	}
}

static void test_what_cannot_be_used_is_refused_by_name(void **state)
{
	struct scribe_options o = options();
	char file[256];

	(void)state;
	snprintf(file, sizeof(file), "%s", at("file"));
	o.log_key_file = file;
	CHECK_INT(unlink(file), 0);
	check_row = "no such file";
	check_refusal(&o, CHT_E_KEY, "--log-key-file");
	put("file", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\n", 0600);
	check_row = "a seed as text";
	check_refusal(&o, CHT_E_KEY, "/file holds no PKCS#8");
	o.log_key_file = NULL;
	put("credentials/cht.log-key", "", 0444);
	check_row = "an open credential";
	check_refusal(&o, CHT_E_KEY, "/credentials/cht.log-key: chmod 600");
	put("credentials/cht.log-key", "", 0600);
	check_row = "an empty credential";
	check_refusal(&o, CHT_E_KEY, "/credentials/cht.log-key holds no");
	CHECK_INT(unlink(at("credentials/cht.log-key")), 0);
	CHECK_INT(setenv(VARIABLE, "", 1), 0);
	check_row = "an empty variable";
	check_refusal(&o, CHT_E_KEY, VARIABLE);
	CHECK_INT(setenv(VARIABLE, "AwMDAwM", 1), 0);
	check_row = "a short variable";
	check_refusal(&o, CHT_E_KEY, VARIABLE " decodes to 5 bytes");
	put("state/scribe/key.pem", "-----BEGIN PRIVATE KEY-----\n", 0600);
	check_row = "half a key";
	check_refusal(&o, CHT_E_KEY, "/state/scribe/key.pem holds no");
	CHECK_INT(unlink(at("state/scribe/key.pem")), 0);
	CHECK_INT(symlink("../../file", at("state/scribe/key.pem")), 0);
	check_row = "a symbolic link";
	check_refusal(&o, CHT_E_KEY, "symbolic link");
	o.init = true;
	check_row = "one that is there is not replaced";
	check_refusal(&o, CHT_E_KEY, "symbolic link");
}

static void test_the_envelopes_key_is_refused(void **state)
{
	struct scribe_options o = options();
	char file[256], same[256];

	(void)state;
	snprintf(file, sizeof(file), "%s", at("file"));
	snprintf(same, sizeof(same), "%s", at("state/scribe/key.pem"));
	o.algorithm = CHT_ALGORITHM_ED25519;
	o.kid = "k";
	o.key_file = same;
	check_row = "another";
	check_source(&o, FROM_CREDENTIAL);
	CHECK_INT(unsetenv("CREDENTIALS_DIRECTORY"), 0);
	check_row = "the same";
	check_refusal(&o, CHT_E_KEY, "one key is given for envelopes and for checkpoints");
	o.init = true;
	check_row = "the same at a beginning";
	check_refusal(&o, CHT_E_KEY, "each needs its own");
	o.log_key_file = file;
	check_row = "again another";
	check_source(&o, FROM_FILE);
}

static void test_a_beginning_makes_a_key_and_keeps_it(void **state)
{
	struct scribe_options o = options();
	struct sign_log_key *key = NULL;
	uint8_t first[32], second[32];
	struct stat st;

	(void)state;
	empty(NULL);
	o.init = true;
	check_row = "made";
	CHECK_INT(load(&o, &key, NULL), 0);
	sign_log_key_public(key, first);
	sign_log_key_free(key);
	CHECK_INT(stat(at("state"), &st), 0);
	CHECK_INT(st.st_mode & 07777, 0750);
	CHECK_INT(stat(at("state/scribe"), &st), 0);
	CHECK_INT(st.st_mode & 07777, 0700);
	CHECK_INT(stat(at("state/scribe/key.pem"), &st), 0);
	CHECK_INT(st.st_mode & 07777, 0600);
	CHECK_INT(access(at("state/scribe/key.new"), F_OK), -1);
	key = NULL;
	check_row = "kept";
	CHECK_INT(load(&o, &key, NULL), 0);
	sign_log_key_public(key, second);
	sign_log_key_free(key);
	CHECK(memcmp(first, second, sizeof(first)) == 0);
	/* One that was interrupted before its key was whole. */
	CHECK_INT(unlink(at("state/scribe/key.pem")), 0);
	put("state/scribe/key.new", "-----BEGIN", 0600);
	key = NULL;
	check_row = "after an interrupted one";
	CHECK_INT(load(&o, &key, NULL), 0);
	sign_log_key_public(key, second);
	sign_log_key_free(key);
	CHECK(memcmp(first, second, sizeof(first)) != 0);
	o.init = false;
	key = NULL;
	check_row = "found";
	CHECK_INT(load(&o, &key, NULL), 0);
	sign_log_key_free(key);
}

static void test_a_beginning_with_a_key_makes_none(void **state)
{
	struct scribe_options o = options();

	(void)state;
	CHECK_INT(unlink(at("state/scribe/key.pem")), 0);
	o.init = true;
	check_row = "a credential";
	check_source(&o, FROM_CREDENTIAL);
	CHECK_INT(access(at("state/scribe/key.pem"), F_OK), -1);
}

static int begin(void **state)
{
	(void)state;
	if (mkdtemp(top) == NULL)
		return -1;
	for (unsigned i = 0; i < N_SOURCES; i++) {
		struct sign_log_key *key = NULL;

		if (sign_log_key_from_text(&key, text_of((enum source)i), "TEXT", NULL) < 0)
			return -1;
		sign_log_key_public(key, public_keys[i]);
		sign_log_key_free(key);
	}
	return 0;
}

static int end(void **state)
{
	(void)state;
	return rmdir(top);
}

#define WITH_KEYS(test) cmocka_unit_test_setup_teardown(test, fill, empty)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_KEYS(test_the_first_source_that_is_there_counts),
		WITH_KEYS(test_a_pipe_stands_for_the_environment),
		WITH_KEYS(test_the_environment_is_overwritten_where_it_stood),
		WITH_KEYS(test_what_cannot_be_used_is_refused_by_name),
		WITH_KEYS(test_the_envelopes_key_is_refused),
		WITH_KEYS(test_a_beginning_makes_a_key_and_keeps_it),
		WITH_KEYS(test_a_beginning_with_a_key_makes_none),
	};

	(void)umask(027);
	return cmocka_run_group_tests_name("scribe_log_key", tests, begin, end);
}
