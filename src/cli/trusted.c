/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/trusted.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/fd.h"

enum { TRUST_FILE_MAX = 65536 };

const char *trusted_from_env(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0' ? value : NULL;
}

/* A file of the caller, who may name it by a link or give a pipe. Its length, or a code. */
static ssize_t read_caller_file(const char *path, char *out, struct cht_err *err)
{
	int fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n;

	if (fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "open %s", path);
	n = fd_read_all(fd, out, TRUST_FILE_MAX, err);
	fd_close(&fd);
	return n;
}

/* A verifier key as such has '+' in it; anything else is a file that holds one. */
static int read_vkey(struct verify_trust *trust, const char *text, struct cht_err *err)
{
	char mem[TRUST_FILE_MAX];
	ssize_t n;

	if (strchr(text, '+') != NULL && access(text, F_OK) != 0)
		return verify_trust_add_vkey(trust, str_of(text), err);
	n = read_caller_file(text, mem, err);
	return n < 0 ? (int)n
		     : verify_trust_add_vkey(trust, (struct cht_str){ mem, (size_t)n }, err);
}

static int add_policy(struct verify_trust *trust, const char *path, struct cht_err *err)
{
	char mem[TRUST_FILE_MAX];
	ssize_t n = read_caller_file(path, mem, err);

	return n < 0 ? (int)n
		     : verify_trust_add_policy(trust, (struct cht_str){ mem, (size_t)n }, err);
}

int trusted_load(struct verify_trust **trust, const struct trusted *q, struct cht_err *err)
{
	const char *keys = q->keys, *hmac_keys = q->hmac_keys;
	int r;

	if (keys == NULL)
		keys = trusted_from_env("CELLOS_EVENT_VERIFY_KEYS_PATH");
	if (hmac_keys == NULL)
		hmac_keys = trusted_from_env("CELLOS_EVENT_VERIFY_HMAC_KEYS_PATH");
	r = verify_trust_load(trust, keys, hmac_keys, err);
	for (size_t i = 0; r == 0 && i < q->n_vkeys; i++)
		r = read_vkey(*trust, q->vkeys[i], err);
	if (r == 0 && q->policy != NULL)
		r = add_policy(*trust, q->policy, err);
	if (r < 0) {
		verify_trust_free(*trust);
		*trust = NULL;
		return r;
	}
	if (verify_trust_is_exposed(*trust))
		diag(DIAG_WARNING,
		     "others can read %s, and whoever reads an HMAC key can sign with it; "
		     "chmod 600 it",
		     hmac_keys);
	return r;
}

void trusted_add_vkey(struct trusted *trusted, struct cli_args *args)
{
	if (trusted->n_vkeys == VERIFY_VKEYS_MAX)
		(void)cli_usage_error(args, "at most %d times --vkey", VERIFY_VKEYS_MAX);
	else
		trusted->vkeys[trusted->n_vkeys++] = args->value;
}

int trusted_vkey_text(const struct trusted *trusted, char *out, size_t cap, struct cht_err *err)
{
	char mem[TRUST_FILE_MAX];
	const char *text = trusted->n_vkeys > 0 ? trusted->vkeys[0] : "";
	ssize_t n = (ssize_t)strlen(text);

	out[0] = '\0';
	if (n == 0)
		return 0;
	if (strchr(text, '+') == NULL || access(text, F_OK) == 0) {
		n = read_caller_file(text, mem, err);
		if (n < 0)
			return (int)n;
		text = mem;
	}
	while (n > 0 && text[n - 1] == '\n')
		n--;
	if ((size_t)n >= cap)
		return cht_fail(err, CHT_E_PARSE, 0, "no verifier key: it is too long");
	memcpy(out, text, (size_t)n);
	out[n] = '\0';
	return 0;
}
