/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include "base/err.h"
#include "lockdown/parts.h"

static const char *const modes[] = { "kill", "log", "off" };

/* A sanitizer's runtime reads /proc, forks and traces; coverage counters are written at the end.
 * The build says so (meson.build): nothing at run time may. */
enum lockdown_mode lockdown_default_mode(void)
{
#ifdef LOCKDOWN_INSTRUMENTED
	return LOCKDOWN_LOG;
#else
	return LOCKDOWN_KILL;
#endif
}

bool lockdown_read_mode(const char *text, enum lockdown_mode *out)
{
	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(text, modes[i]) == 0) {
			*out = (enum lockdown_mode)i;
			return true;
		}
	return false;
}

const char *lockdown_mode_name(enum lockdown_mode mode)
{
	return modes[mode];
}

int lockdown_begin(struct cht_err *err)
{
	const struct rlimit none = { 0, 0 };

	if (prctl(PR_SET_DUMPABLE, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
		return cht_fail(err, CHT_E_IO, errno, "forbid core dumps");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return cht_fail(err, CHT_E_IO, errno, "give up new privileges");
	return 0;
}

/* What is open is all: no process, and no descriptor above the limit that counts now. */
static int set_limits(struct cht_err *err)
{
	const struct rlimit none = { 0, 0 };
	struct rlimit files;

	if (setrlimit(RLIMIT_NPROC, &none) < 0 || getrlimit(RLIMIT_NOFILE, &files) < 0)
		return cht_fail(err, CHT_E_IO, errno, "limit processes");
	files.rlim_max = files.rlim_cur;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return cht_fail(err, CHT_E_IO, errno, "limit descriptors");
	return 0;
}

int lockdown_enter(const struct lockdown *asked, struct lockdown_state *state, struct cht_err *err)
{
	struct lockdown_state got = { .mode = asked->mode };
	int r = 0;

	/* Libraries that print a date would read it at the first one. */
	tzset();
	if (asked->mode == LOCKDOWN_KILL) {
		r = got.landlock = landlock_enter(asked->paths, asked->n_paths, err);
		if (r >= 0)
			r = set_limits(err);
		if (r == 0)
			r = privileges_drop(asked->keep, err);
	}
	/* Last: the calls of the others are on no list. */
	if (r == 0 && asked->mode != LOCKDOWN_OFF)
		r = calls_enter(asked->program, asked->mode, err);
	if (r == 0)
		*state = got;
	return r;
}
