/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/loop.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"

/* A time that never comes: what makes it readable is that the clock was set. */
static int watch_clock(struct loop *loop, struct cht_err *err)
{
	const struct itimerspec never = { .it_value = { .tv_sec = INT32_MAX * (time_t)4 } };

	loop->clock_fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (loop->clock_fd < 0 ||
	    timerfd_settime(loop->clock_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never,
			    NULL) < 0)
		return cht_fail(err, CHT_E_IO, errno, "watch the wall clock");
	return loop_add(loop, loop->clock_fd, FD_CLOCK, 0, 0, err);
}

void loop_clear_clock(struct loop *loop)
{
	uint64_t count;

	(void)!read(loop->clock_fd, &count, sizeof(count));
}

/* Not among the signals that end a wait: who is busy starting or stopping does it first. */
static int hear_asked(struct loop *loop, struct cht_err *err)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR2);
	(void)sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return cht_fail(err, CHT_E_IO, errno, "block signals");
	loop->asked_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (loop->asked_fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "wait for signals");
	return loop_add(loop, loop->asked_fd, FD_ASKED, 0, 0, err);
}

int loop_open(struct loop *loop, struct cht_err *err)
{
	int r;

	*loop = (struct loop)LOOP_NULL;
	loop->timer_ns = UINT64_MAX;
	loop->signal_fd = fd_stop_signals(err);
	if (loop->signal_fd < 0)
		return loop->signal_fd;
	loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	loop->main_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->conn_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->timer_fd < 0 || loop->main_fd < 0 || loop->conn_fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "make the event loop");
	r = loop_add(loop, loop->signal_fd, FD_SIGNAL, 0, 0, err);
	if (r == 0)
		r = loop_add(loop, loop->timer_fd, FD_TIMER, 0, 0, err);
	if (r == 0)
		r = hear_asked(loop, err);
	if (r == 0)
		r = watch_clock(loop, err);
	if (r == 0)
		loop_set_reading(loop, true);
	return r;
}

void loop_close(struct loop *loop)
{
	fd_close(&loop->conn_fd);
	fd_close(&loop->main_fd);
	fd_close(&loop->clock_fd);
	fd_close(&loop->timer_fd);
	fd_close(&loop->signal_fd);
	fd_close(&loop->asked_fd);
}

static int set_of(const struct loop *loop, enum fd_kind kind)
{
	return kind == FD_CONNECTION ? loop->conn_fd : loop->main_fd;
}

int loop_add_for(struct loop *loop, int fd, enum fd_kind kind, uint32_t slot, uint32_t gen,
		 uint32_t events)
{
	union fd_ref ref = { .slot = slot };
	struct epoll_event event = { .events = events };

	ref.gen = gen & 0xffffff;
	ref.kind = (uint32_t)kind & 0xff;
	event.data.u64 = ref.u64;
	return epoll_ctl(set_of(loop, kind), EPOLL_CTL_ADD, fd, &event) < 0 ? CHT_E_IO : 0;
}

int loop_add(struct loop *loop, int fd, enum fd_kind kind, uint32_t slot, uint32_t gen,
	     struct cht_err *err)
{
	int r = loop_add_for(loop, fd, kind, slot, gen, EPOLLIN);

	return r < 0 ? cht_fail(err, r, errno, "epoll_ctl") : 0;
}

void loop_remove(struct loop *loop, int fd, enum fd_kind kind)
{
	/* Fails only for what is not in the set. */
	(void)epoll_ctl(set_of(loop, kind), EPOLL_CTL_DEL, fd, NULL);
}

void loop_set_reading(struct loop *loop, bool reading)
{
	if (reading == loop->reading)
		return;
	loop->reading = reading;
	if (!reading)
		loop_remove(loop, loop->conn_fd, FD_CONNECTIONS);
	else if (loop_add(loop, loop->conn_fd, FD_CONNECTIONS, 0, 0, NULL) < 0)
		loop->reading = false;
}

void loop_set_timer(struct loop *loop, uint64_t at_ns)
{
	struct itimerspec when = { 0 };

	if (at_ns == loop->timer_ns)
		return;
	loop->timer_ns = at_ns;
	if (at_ns != UINT64_MAX) {
		/* An all-zero time would disarm it. */
		uint64_t ns = at_ns == 0 ? 1 : at_ns;

		when.it_value.tv_sec = (time_t)(ns / NS_PER_S);
		when.it_value.tv_nsec = (long)(ns % NS_PER_S);
	}
	(void)timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

int loop_wait(struct loop *loop, struct epoll_event *events, int cap, int timeout_ms)
{
	int n = epoll_wait(loop->main_fd, events, cap, timeout_ms);

	return n < 0 ? 0 : n;
}

int loop_connections(struct loop *loop, struct epoll_event *events, int cap)
{
	int n = epoll_wait(loop->conn_fd, events, cap, 0);

	return n < 0 ? 0 : n;
}
