/* SPDX-License-Identifier: Apache-2.0
 *
 * notify.h - telling whoever started us: the sd_notify(3) datagram, and a newline to a
 * descriptor. Without NOTIFY_SOCKET the first does nothing.
 */
#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

/* state: newline-separated assignments, "READY=1\nSTATUS=...". Failure is not an error: the
 * service manager may be gone. */
void notify_manager(const char *state);
/* Writes a newline to *fd and closes it; does nothing at -1. */
void notify_ready_fd(int *fd);

#endif
