/* SPDX-License-Identifier: Apache-2.0
 *
 * Key material passes through one locked buffer and is overwritten wherever it stood. Pipe and
 * environment are read once, for both keys: what was in them for the log waits in `given`.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "scribe/scribe.h"
#include "sign/sign.h"

enum { ENV_BYTES_MAX = 16384 };

#define LOG_KEY_VARIABLE   "CELLOS_HOST_TELEMETRY_LOG_ED25519_SK"
#define LOG_KEY_CREDENTIAL "cht.log-key"

/* NAME=VALUE records, each with its NUL, as they came through the pipe. */
static struct {
	char bytes[ENV_BYTES_MAX];
	size_t len;
} piped;

/* The log's key that pipe or environment held, until log_key_load takes it. */
static struct sign_log_key *given;

/* The value of name if the record is its, else null. */
static const char *value_in(const char *record, const char *name)
{
	size_t n = strlen(name);

	return strncmp(record, name, n) == 0 && record[n] == '=' ? record + n + 1 : NULL;
}

static const char *get_piped(void *context, const char *name)
{
	(void)context;
	for (const char *p = piped.bytes; p < piped.bytes + piped.len; p += strlen(p) + 1) {
		const char *value = value_in(p, name);

		if (value != NULL)
			return value;
	}
	return NULL;
}

static bool is_known(const char *record)
{
	for (const char *const *name = sign_env_names; *name != NULL; name++)
		if (value_in(record, *name) != NULL)
			return true;
	return value_in(record, LOG_KEY_VARIABLE) != NULL;
}

static int read_pipe(int fd, struct cht_err *err)
{
	ssize_t n = fd_read_all(fd, piped.bytes, sizeof(piped.bytes), err);

	if (n < 0)
		return (int)n;
	if (n > 0 && piped.bytes[n - 1] != '\0')
		return cht_fail(err, CHT_E_CONFIG, 0, "--env-fd ended inside a record");
	piped.len = (size_t)n;
	for (const char *p = piped.bytes; p < piped.bytes + n; p += strlen(p) + 1)
		if (!is_known(p))
			return cht_fail(err, CHT_E_CONFIG, 0,
					"--env-fd holds something that is no signing variable");
	return 0;
}

/* One that is set but empty counts as set. */
static int take_log_key(const char *text, struct cht_err *err)
{
	sign_log_key_free(given);
	given = NULL;
	return text == NULL ? 0 : sign_log_key_from_text(&given, text, LOG_KEY_VARIABLE, err);
}

static int from_pipe(struct cht_signer **out, int fd, struct cht_err *err)
{
	int r;

	/* Best effort: the limit may be 0, and then the page may be swapped out. */
	(void)mlock(&piped, sizeof(piped));
	r = read_pipe(fd, err);
	if (r == 0)
		r = take_log_key(get_piped(NULL, LOG_KEY_VARIABLE), err);
	if (r == 0)
		r = signer_from_getenv(out, get_piped, NULL, err);
	explicit_bzero(&piped, sizeof(piped));
	(void)munlock(&piped, sizeof(piped));
	fd_close(&fd);
	return r;
}

static int from_environment(struct cht_signer **out, struct cht_err *err)
{
	int r = take_log_key(getenv(LOG_KEY_VARIABLE), err);

	return r == 0 ? cht_signer_from_env(out, err) : r;
}

static void wipe_variable(const char *name)
{
	char *value = getenv(name);

	if (value != NULL)
		explicit_bzero(value, strlen(value));
	(void)unsetenv(name);
}

/* /proc/PID/environ shows this memory for as long as the process lives. */
static void wipe_environment(void)
{
	for (const char *const *name = sign_env_names; *name != NULL; name++)
		wipe_variable(*name);
	wipe_variable(LOG_KEY_VARIABLE);
}

int keys_load(struct cht_signer **out, const struct scribe_options *options, struct cht_err *err)
{
	struct cht_signer *signer = NULL;
	int r = options->env_fd >= 0 ? from_pipe(&signer, options->env_fd, err)
				     : from_environment(&signer, err);

	wipe_environment();
	if (r < 0)
		return r;
	if (options->algorithm != CHT_ALGORITHM_OFF && signer != NULL) {
		cht_signer_free(signer);
		return cht_fail(err, CHT_E_CONFIG, 0,
				"both --sign-key-file and %s ask for signing: use one",
				sign_env_names[0]);
	}
	if (options->algorithm != CHT_ALGORITHM_OFF)
		r = cht_signer_from_file(&signer, options->algorithm, options->kid,
					 options->key_file, err);
	if (r < 0)
		return r == CHT_E_IO ? CHT_E_KEY : r;
	if (signer != NULL)
		cht_signer_set_order(signer, options->order);
	*out = signer;
	return 0;
}

/* 1: loaded. 0: there is no such file. CHT_E_KEY. */
static int log_key_from(struct sign_log_key **out, const char *path, struct cht_err *err)
{
	struct cht_err why = { 0 };
	int r = sign_log_key_from_file(out, path, &why);

	if (r == 0)
		return 1;
	if (r == CHT_E_IO && why.sys == ENOENT)
		return 0;
	if (err != NULL)
		*err = why;
	return r == CHT_E_IO ? CHT_E_KEY : r;
}

/* STATE/scribe/name, or $CREDENTIALS_DIRECTORY/name. */
static int join(char out[PATH_MAX], const char *dir, const char *name, struct cht_err *err)
{
	int n = snprintf(out, PATH_MAX, "%s/%s", dir, name);

	if (n < 0 || n >= PATH_MAX)
		return cht_fail(err, CHT_E_CONFIG, ENAMETOOLONG, "the path of %s", name);
	return 0;
}

static int from_credential(struct sign_log_key **out, struct cht_err *err)
{
	const char *dir = secure_getenv("CREDENTIALS_DIRECTORY");
	char path[PATH_MAX];
	int r;

	if (dir == NULL || *dir == '\0')
		return 0;
	r = join(path, dir, LOG_KEY_CREDENTIAL, err);
	return r < 0 ? r : log_key_from(out, path, err);
}

static int from_state(struct sign_log_key **out, const char *state, struct cht_err *err)
{
	char path[PATH_MAX];
	int r = join(path, state, "scribe/key.pem", err);

	return r < 0 ? r : log_key_from(out, path, err);
}

/* The first of the sources that has one: 1, or 0. */
static int find(struct sign_log_key **out, const struct scribe_options *options,
		struct cht_err *err)
{
	struct sign_log_key *from_env = given;
	int r;

	given = NULL;
	if (options->log_key_file != NULL) {
		r = log_key_from(out, options->log_key_file, err);
		if (r == 0)
			r = cht_fail(err, CHT_E_KEY, 0, "--log-key-file %s is not there",
				     options->log_key_file);
	} else {
		r = from_credential(out, err);
	}
	if (r == 0 && from_env != NULL) {
		*out = from_env;
		return 1;
	}
	sign_log_key_free(from_env);
	return r == 0 ? from_state(out, options->state, err) : r;
}

/* Equal keys would let whoever can have an event signed choose bytes that a log's key signs. */
static int check_other(struct sign_log_key **key, const struct cht_signer *signer,
		       struct cht_err *err)
{
	if (!sign_log_key_is_of(*key, signer))
		return 0;
	sign_log_key_free(*key);
	*key = NULL;
	return cht_fail(err, CHT_E_KEY, 0,
			"one key is given for envelopes and for checkpoints: each needs its own; "
			"cht key gen makes one");
}

/* Where there is no log either, a key is not what is missing. */
static int no_key(const char *state, struct cht_err *err)
{
	char origin[PATH_MAX];
	int r = join(origin, state, "ledger/origin", err);

	if (r < 0)
		return r;
	if (faccessat(AT_FDCWD, origin, F_OK, 0) < 0 && errno == ENOENT)
		return cht_fail(err, CHT_E_CONFIG, 0,
				"there is no ledger in %s: --init or cht ledger init makes one",
				state);
	return cht_fail(err, CHT_E_CONFIG, 0,
			"there is no checkpoint key: put it to %s/scribe/key.pem, or give it by "
			"log_key_file or --log-key-file; if it is lost, see cht ledger succeed",
			state);
}

int log_key_load(struct sign_log_key **out, const struct scribe_options *options,
		 const struct cht_signer *signer, struct cht_err *err)
{
	struct sign_log_key *key = NULL;
	int r = find(&key, options, err);

	if (r == 0)
		r = no_key(options->state, err);
	else if (r > 0)
		r = check_other(&key, signer, err);
	if (r == 0)
		*out = key;
	return r;
}

/* By rename, so that there is a whole key or none; one that is there is never replaced. */
static int draw(const char *state, int dir_fd, struct cht_err *err)
{
	struct sign_log_key *key = NULL;
	char fresh[PATH_MAX];
	int r = join(fresh, state, "scribe/key.new", err);

	if (r < 0 || faccessat(dir_fd, "key.pem", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return r;
	(void)unlinkat(dir_fd, "key.new", 0); /* left by one that was interrupted */
	r = sign_log_key_generate(&key, fresh, err);
	sign_log_key_free(key);
	if (r == 0 && (renameat2(dir_fd, "key.new", dir_fd, "key.pem", RENAME_NOREPLACE) < 0 ||
		       fsync(dir_fd) < 0))
		r = cht_fail(err, CHT_E_IO, errno, "make %s/scribe/key.pem", state);
	return r;
}

/* Of two that begin at once the lock lets one draw, and both load what is there then: the key that
 * a log is begun with is the one in the file. */
static int generate(struct sign_log_key **out, const char *state, struct cht_err *err)
{
	int dir_fd, state_fd = fd_make_dir(AT_FDCWD, state, 0750, err), r;

	if (state_fd < 0)
		return state_fd;
	dir_fd = fd_make_dir(state_fd, "scribe", S_IRWXU, err);
	fd_close(&state_fd);
	if (dir_fd < 0)
		return dir_fd;
	r = flock(dir_fd, LOCK_EX) < 0 ? cht_fail(err, CHT_E_IO, errno, "lock %s/scribe", state)
				       : 0;
	if (r == 0)
		r = draw(state, dir_fd, err);
	if (r == 0)
		r = from_state(out, state, err);
	fd_close(&dir_fd);
	if (r == 0)
		r = cht_fail(err, CHT_E_KEY, 0, "%s/scribe/key.pem went as it was made", state);
	return r < 0 ? r : 0;
}

/* Between two steps of a succession STATE has no log: the one to come is in STATE/next. */
static int check_no_successor(const char *state, struct cht_err *err)
{
	char next[PATH_MAX];
	int r = join(next, state, "next", err);

	if (r == 0 && access(next, F_OK) == 0)
		r = cht_fail(err, CHT_E_STATE, 0,
			     "%s is there: finish with cht ledger succeed what it began", next);
	return r;
}

int log_key_make(struct sign_log_key **out, const struct scribe_options *options,
		 const struct cht_signer *signer, struct cht_err *err)
{
	struct sign_log_key *key = NULL;
	int r = ledger_exists(options->state, err);

	if (r > 0)
		return log_key_load(out, options, signer, err);
	if (r == 0)
		r = check_no_successor(options->state, err);
	if (r == 0)
		r = find(&key, options, err);
	if (r > 0)
		r = check_other(&key, signer, err);
	else if (r == 0)
		r = generate(&key, options->state, err);
	if (r == 0)
		*out = key;
	return r;
}
