/* SPDX-License-Identifier: Apache-2.0
 *
 * Key material passes through one locked buffer and is overwritten wherever it stood.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "scribe/scribe.h"
#include "sign/sign.h"

enum { ENV_BYTES_MAX = 16384 };

/* NAME=VALUE records, each with its NUL, as they came through the pipe. */
static struct {
	char bytes[ENV_BYTES_MAX];
	size_t len;
} piped;

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
	return false;
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

static int from_pipe(struct cht_signer **out, int fd, struct cht_err *err)
{
	int r;

	/* Best effort: the limit may be 0, and then the page may be swapped out. */
	(void)mlock(&piped, sizeof(piped));
	r = read_pipe(fd, err);
	if (r == 0)
		r = signer_from_getenv(out, get_piped, NULL, err);
	explicit_bzero(&piped, sizeof(piped));
	(void)munlock(&piped, sizeof(piped));
	fd_close(&fd);
	return r;
}

/* /proc/PID/environ shows this memory for as long as the process lives. */
static void wipe_environment(void)
{
	for (const char *const *name = sign_env_names; *name != NULL; name++) {
		char *value = getenv(*name);

		if (value != NULL)
			explicit_bzero(value, strlen(value));
		(void)unsetenv(*name);
	}
}

int keys_load(struct cht_signer **out, const struct scribe_options *options, struct cht_err *err)
{
	struct cht_signer *signer = NULL;
	int r = options->env_fd >= 0 ? from_pipe(&signer, options->env_fd, err)
				     : cht_signer_from_env(&signer, err);

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
