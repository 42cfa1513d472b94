/* SPDX-License-Identifier: Apache-2.0 */
#include "base/program.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/err.h"

/* The directory of the running program into out; false when there is none. */
static bool own_dir(char *out, size_t cap)
{
	ssize_t n = readlink("/proc/self/exe", out, cap - 1);
	char *slash;

	if (n <= 0)
		return false;
	out[n] = '\0';
	slash = strrchr(out, '/');
	if (slash == NULL)
		return false;
	*slash = '\0';
	return true;
}

int program_find(char *out, size_t cap, const char *name, struct cht_err *err)
{
	char own[4096];
	const char *const dirs[] = { own_dir(own, sizeof(own)) ? own : CHT_LIBEXECDIR,
				     CHT_LIBEXECDIR, CHT_BINDIR };

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		int n = snprintf(out, cap, "%s/%s", dirs[i], name);

		if (n > 0 && (size_t)n < cap && access(out, X_OK) == 0)
			return 0;
	}
	return cht_fail(err, CHT_E_CONFIG, errno, "%s is neither beside this program nor in %s",
			name, CHT_LIBEXECDIR);
}

int program_raise_files(uint64_t *n, struct cht_err *err)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return cht_fail(err, CHT_E_IO, errno, "getrlimit");
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return cht_fail(err, CHT_E_IO, errno, "raise the limit of open files");
	*n = files.rlim_cur;
	return 0;
}

int program_ignore_signals(const int *signals, size_t n, struct cht_err *err)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	for (size_t i = 0; i < n; i++)
		if (sigaction(signals[i], &ignore, NULL) < 0)
			return cht_fail(err, CHT_E_IO, errno, "ignore a signal");
	return 0;
}
