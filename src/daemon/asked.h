/* SPDX-License-Identifier: Apache-2.0
 *
 * asked.h - signals, and what they ask for.
 */
#ifndef DAEMON_ASKED_H
#define DAEMON_ASKED_H

#include "daemon/line.h"

/* Takes a signal to stop: line->stop_signal. */
bool asked_stop(struct line *line);
/* SIGUSR2: to end so that the next process goes on where we stand. SIGHUP: to read the
 * configuration again. */
void asked_turn(struct line *line);

#endif
