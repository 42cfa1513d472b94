/* SPDX-License-Identifier: Apache-2.0
 *
 * notify.h - telling whoever started us: datagrams of sd_notify(3), signs of life for a watchdog
 * that it set, and a newline to a descriptor. Without NOTIFY_SOCKET only the last is done.
 */
#ifndef BASE_NOTIFY_H
#define BASE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct notify {
	int fd;            /* connected to the service manager; -1: there is none */
	uint64_t every_ns; /* between signs of life; 0: nobody waits for them */
	uint64_t next_ns;  /* CLOCK_MONOTONIC */
};

#define NOTIFY_NULL                                                                                \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/* Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment and connects, because
 * later no socket is made any more. A manager that cannot be reached is told once, and no error. */
void notify_open(struct notify *n);
void notify_close(struct notify *n);

/* state: newline-separated assignments, "READY=1\nSTATUS=...". Failure is not an error: the
 * service manager may be gone. */
void notify_manager(const struct notify *n, const char *state);
/* When the next sign of life is due: half of what the watchdog allows; UINT64_MAX: never. */
uint64_t notify_deadline(const struct notify *n);
/* A sign of life, if one is due: state is what goes with it, or "". */
void notify_alive(struct notify *n, uint64_t now_ns, const char *state);

/* Whether LISTEN_PID or WATCHDOG_PID names this very process: what comes with it may have been
 * meant for one that started us. */
bool notify_is_for_us(const char *pid);
/* The one SOCK_SEQPACKET socket that it passed to this very process (sd_listen_fds(3)), made
 * close-on-exec; -1: there is none, or more than that. */
int notify_passed_socket(void);

/* Writes a newline to *fd and closes it; does nothing at -1. */
void notify_ready_fd(int *fd);

#endif
