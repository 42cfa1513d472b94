/* SPDX-License-Identifier: Apache-2.0 */
/* Signals. Those that ask for something while we run wait until a start is over, and are nothing to
 * a stop. */
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/diag.h"
#include "daemon/asked.h"
#include "daemon/reload.h"

bool asked_stop(struct line *line)
{
	struct signalfd_siginfo info;

	if (read(line->loop.signal_fd, &info, sizeof(info)) != sizeof(info))
		return false;
	line->stop_signal = (int)info.ssi_signo;
	return true;
}

void asked_turn(struct line *line)
{
	struct signalfd_siginfo info;

	if (read(line->loop.asked_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP)
		reload_begin(line);
	else if (line->kept.is_told && line->stop_signal == 0)
		line->stop_signal = SIGUSR2;
	else
		diag(DIAG_WARNING, "SIGUSR2 is for an upgrade, and nothing is kept for the next "
				   "process: see --fd-store");
}
