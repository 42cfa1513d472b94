/* SPDX-License-Identifier: Apache-2.0
 *
 * loop.h - what the kernel wakes us for: typed, generation-checked references, never pointers.
 */
#ifndef DAEMON_LOOP_H
#define DAEMON_LOOP_H

#include <cht/err.h>
#include <sys/epoll.h>

enum fd_kind {
	FD_SIGNAL,      /* signalfd */
	FD_ASKED,       /* signalfd of what is no stop */
	FD_TIMER,       /* the one timerfd that we set */
	FD_CLOCK,       /* a timerfd that tells when the wall clock is set */
	FD_SCRIBE,      /* its socket */
	FD_SCRIBE_END,  /* its pidfd */
	FD_OPENER,      /* its socket */
	FD_DURABLE,     /* the ring's eventfd: durable or room moved */
	FD_CONNECTIONS, /* the second epoll set: all connections that we read */
	FD_CONTROL,     /* libmicrohttpd's epoll set */
	FD_LISTENER,    /* slot: a cell */
	FD_VSOCK,       /* the listener of all cells with a CID */
	FD_VMM,         /* slot: a cell; a pidfd of its VMM */
	FD_CONNECTION,  /* slot: a connection; only in the second set */
	FD_PROBE,       /* and as many more as there are kinds of probe. slot: a cell */
};

/* A stale event cannot reach a reused slot: gen tells it from its last tenant. */
union fd_ref {
	struct {
		uint32_t slot;
		uint32_t gen : 24, kind : 8;
	};
	uint64_t u64;
};
_Static_assert(sizeof(union fd_ref) == sizeof(uint64_t), "must fit epoll_data");

enum { LOOP_EVENTS = 64 };

/* Connections stand in a set of their own, which hangs in the first: to stop reading all of
 * them, when the ring is full, is one call, whatever their number. */
struct loop {
	int main_fd, conn_fd;
	int timer_fd, clock_fd, signal_fd, asked_fd;
	bool reading;      /* conn_fd hangs in main_fd */
	uint64_t timer_ns; /* what the timerfd is set to; UINT64_MAX: nothing */
};

#define LOOP_NULL                                                                                  \
	{                                                                                          \
		.main_fd = -1, .conn_fd = -1, .timer_fd = -1, .clock_fd = -1, .signal_fd = -1,     \
		.asked_fd = -1                                                                     \
	}

/* Makes both sets, the timers, and the signalfds for SIGTERM and SIGINT, and for SIGUSR2 and
 * SIGHUP, which are all blocked. */
int loop_open(struct loop *loop, struct cht_err *err) CHT_CHECKED;
void loop_close(struct loop *loop);

/* Adds fd for reading. Connections go to the second set, all else to the first. */
int loop_add(struct loop *loop, int fd, enum fd_kind kind, uint32_t slot, uint32_t gen,
	     struct cht_err *err) CHT_CHECKED;
/* The same in the first set, for what poll(2) calls events. */
int loop_add_for(struct loop *loop, int fd, enum fd_kind kind, uint32_t slot, uint32_t gen,
		 uint32_t events) CHT_CHECKED;
/* Removes it again; must come before the close. */
void loop_remove(struct loop *loop, int fd, enum fd_kind kind);
/* Reads no connection, or all again. */
void loop_set_reading(struct loop *loop, bool reading);
/* The timer fires at this CLOCK_MONOTONIC time; UINT64_MAX: never. */
void loop_set_timer(struct loop *loop, uint64_t at_ns);

/* The wall clock was set: hears of the next time too. */
void loop_clear_clock(struct loop *loop);

/* Waits for what is ready in the first set; connections by loop_connections afterwards, when
 * FD_CONNECTIONS is among it. timeout_ms as in epoll_wait. Returns how many; 0 after a signal. */
int loop_wait(struct loop *loop, struct epoll_event *events, int cap, int timeout_ms);
int loop_connections(struct loop *loop, struct epoll_event *events, int cap);

#endif
