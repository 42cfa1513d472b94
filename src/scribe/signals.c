/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/err.h"
#include "scribe/scribe.h"

/* SIGXFSZ and SIGPIPE would end the process where the call's error code says as much; SIGTTOU would
 * stop it for a diagnostic, because it is not in the terminal's foreground. */
static const int ignored[] = { SIGHUP, SIGINT, SIGTERM, SIGPIPE, SIGXFSZ, SIGTTOU };

int leave_signals(struct cht_err *err)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		if (sigaction(ignored[i], &ignore, NULL) < 0)
			return cht_fail(err, CHT_E_IO, errno, "ignore a signal");
	(void)umask(027);
	return 0;
}
