/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <sys/stat.h>

#include "base/program.h"
#include "scribe/scribe.h"

/* SIGXFSZ and SIGPIPE would end the process where the call's error code says as much; SIGTTOU would
 * stop it for a diagnostic, because it is not in the terminal's foreground. */
static const int ignored[] = { SIGHUP, SIGINT, SIGTERM, SIGPIPE, SIGXFSZ, SIGTTOU };

int leave_signals(struct cht_err *err)
{
	int r = program_ignore_signals(ignored, sizeof(ignored) / sizeof(ignored[0]), err);

	(void)umask(027);
	return r;
}
