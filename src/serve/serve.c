/* SPDX-License-Identifier: Apache-2.0
 *
 * One loop: libmicrohttpd is run once a turn and says what it waits for; that, the ledger's
 * checkpoint, signals, and those who rest are waited for with one poll. Its own epoll descriptor is
 * not used (ADR 0018).
 */
#include "serve/serve.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clk.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "http/http.h"
#include "serve/server.h"

enum { FDS_MAX = FD_SETSIZE + SERVE_CLIENTS_MAX + 2 };

static bool is_resting(const struct serve_client *c)
{
	return c->state == CLIENT_WAITING || c->state == CLIENT_TURN;
}

/* ---- libmicrohttpd's callbacks */

static void on_connection(void *closure, struct MHD_Connection *connection, void **socket_context,
			  enum MHD_ConnectionNotificationCode what)
{
	struct server *s = closure;
	struct serve_client *c = *socket_context;

	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (c != NULL) {
			c->state = CLIENT_FREE;
			s->n_clients--;
		}
		return;
	}
	for (unsigned i = 0; i < SERVE_CLIENTS_MAX; i++) {
		c = &s->clients[i];
		if (c->state != CLIENT_FREE)
			continue;
		*c = (struct serve_client){
			.state = CLIENT_ASKING,
			.since_ns = clk_monotonic_ns(),
			.fd = http_fd_of(connection),
			.connection = connection,
		};
		*socket_context = c;
		s->n_clients++;
		return;
	}
}

static void on_answered(void *closure, struct MHD_Connection *connection, void **request_closure,
			enum MHD_RequestTerminationCode how)
{
	struct serve_client *c = http_client_of(connection);

	(void)closure;
	(void)request_closure;
	(void)how;
	if (c == NULL)
		return;
	c->state = CLIENT_ASKING;
	c->since_ns = clk_monotonic_ns();
}

/* ---- the loop */

/* Lets those who rest go on: all, or those whose turn it is. */
static void resume(struct server *s, bool all)
{
	for (unsigned i = 0; i < SERVE_CLIENTS_MAX; i++) {
		struct serve_client *c = &s->clients[i];

		if (c->state == CLIENT_TURN || (all && c->state == CLIENT_WAITING)) {
			c->state = CLIENT_TAKING;
			MHD_resume_connection(c->connection);
		}
	}
}

/* He left, or has to: a connection that rests is not looked at by libmicrohttpd. */
static void drop(struct serve_client *c)
{
	if (is_resting(c)) {
		c->state = CLIENT_GONE;
		MHD_resume_connection(c->connection);
	} else {
		(void)shutdown(c->fd, SHUT_RDWR);
	}
}

/* Ends connections that had no whole request in time; returns milliseconds to the next such end. */
static int end_late(struct server *s)
{
	uint64_t now = clk_monotonic_ns(), next = UINT64_MAX, limit = SERVE_REQUEST_S * NS_PER_S;

	for (unsigned i = 0; i < SERVE_CLIENTS_MAX; i++) {
		struct serve_client *c = &s->clients[i];
		uint64_t left;

		if (c->state != CLIENT_ASKING)
			continue;
		left = now - c->since_ns < limit ? limit - (now - c->since_ns) : 0;
		if (left == 0 || s->is_stopping)
			drop(c);
		else if (left < next)
			next = left;
	}
	return next == UINT64_MAX ? -1 : (int)(next / NS_PER_MS) + 1;
}

static int shorter(int a, int b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

static bool has(const fd_set *set, int fd)
{
	return FD_ISSET(fd, set) != 0;
}

/* What libmicrohttpd waits for, as poll takes it. */
static int add_daemon(struct server *s, struct pollfd *fds, unsigned *n, struct cht_err *err)
{
	fd_set sets[3]; /* to read, to write, only to see it end */
	MHD_socket max = -1;

	memset(sets, 0, sizeof(sets));
	if (MHD_get_fdset2(s->daemon, &sets[0], &sets[1], &sets[2], &max, FD_SETSIZE) != MHD_YES)
		return cht_fail(err, CHT_E_IO, 0, "too many descriptors for select");
	for (int fd = 0; fd <= max && fd < FD_SETSIZE; fd++) {
		int events = (has(&sets[0], fd) ? POLLIN : 0) | (has(&sets[1], fd) ? POLLOUT : 0);

		if (events != 0 || has(&sets[2], fd))
			fds[(*n)++] = (struct pollfd){ .fd = fd, .events = (short)events };
	}
	return 0;
}

/* Those who rest: only that they leave is of interest. */
static unsigned add_resting(struct server *s, struct pollfd *fds, struct serve_client **whose)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SERVE_CLIENTS_MAX; i++)
		if (s->clients[i].state == CLIENT_WAITING) {
			whose[n] = &s->clients[i];
			fds[n] = (struct pollfd){ .fd = whose[n]->fd, .events = POLLRDHUP };
			n++;
		}
	return n;
}

static bool has_turns(const struct server *s)
{
	for (unsigned i = 0; i < SERVE_CLIENTS_MAX; i++)
		if (s->clients[i].state == CLIENT_TURN)
			return true;
	return false;
}

/* Waits until there is something to do, and does what is not libmicrohttpd's. */
static int wait_for_something(struct server *s, int timeout, struct cht_err *err)
{
	static struct pollfd fds[FDS_MAX];
	struct serve_client *whose[SERVE_CLIENTS_MAX];
	struct pollfd *resting = fds + 2;
	unsigned n_resting = add_resting(s, resting, whose), n = 2 + n_resting;
	MHD_UNSIGNED_LONG_LONG idle;
	int r = add_daemon(s, fds, &n, err);

	if (r < 0)
		return r;
	fds[0] = (struct pollfd){ .fd = s->signal_fd, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = s->log.view.watch_fd, .events = POLLIN };
	if (MHD_get_timeout(s->daemon, &idle) == MHD_YES)
		timeout = shorter(timeout, idle < INT32_MAX ? (int)idle : INT32_MAX);
	if (poll(fds, n, has_turns(s) ? 0 : timeout) < 0)
		return errno == EINTR ? 0 : cht_fail(err, CHT_E_IO, errno, "wait for requests");
	for (unsigned i = 0; i < n_resting; i++)
		if (resting[i].revents != 0)
			drop(whose[i]);
	if (fds[0].revents != 0)
		s->is_stopping = true;
	if (fds[1].revents != 0) {
		/* Here alone: a request that saw the new one first must not keep it from the
		 * others. */
		ledger_view_clear(&s->log.view);
		serve_log_refresh(&s->log);
		resume(s, true);
	}
	return 0;
}

/* A turn with what is to do now. */
static int turn(struct server *s, int timeout, struct cht_err *err)
{
	int late = end_late(s);

	resume(s, s->is_stopping);
	if (MHD_run(s->daemon) != MHD_YES)
		return cht_fail(err, CHT_E_IO, 0, "the HTTP library failed");
	return wait_for_something(s, shorter(timeout, late), err);
}

static int run(struct server *s, struct cht_err *err)
{
	int r = 0;

	while (r == 0 && !s->is_stopping) {
		r = turn(s, -1, err);
		if (r == 0 && s->log.is_replaced)
			r = cht_fail(err, CHT_E_STATE, 0,
				     "the ledger in %s is another one now, or gone: start again",
				     s->log.dir);
	}
	return r;
}

/* Answers under way have a moment to come to their end; those who rest are told theirs. */
static void stop(struct server *s)
{
	uint64_t end = clk_monotonic_ns() + SERVE_STOP_S * NS_PER_S, now;
	int r = 0;

	s->is_stopping = true;
	(void)MHD_quiesce_daemon(s->daemon);
	serve_unlisten(&s->listener);
	while (r == 0 && s->n_clients > 0 && (now = clk_monotonic_ns()) < end)
		r = turn(s, (int)((end - now) / NS_PER_MS) + 1, NULL);
	resume(s, true);
	(void)MHD_run(s->daemon);
	MHD_stop_daemon(s->daemon);
}

/* ---- beginning */

static int start_daemon(struct server *s, struct cht_err *err)
{
	unsigned flags = MHD_ALLOW_SUSPEND_RESUME | (s->listener.is_v6 ? MHD_USE_IPv6 : 0u);

	s->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, serve_on_request, s, MHD_OPTION_LISTEN_SOCKET, s->listener.fd,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)SERVE_CLIENTS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SERVE_IDLE_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)SERVE_CONNECTION_BYTES,
		MHD_OPTION_URI_LOG_CALLBACK, serve_on_target, s, MHD_OPTION_UNESCAPE_CALLBACK,
		http_leave_escaped, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_answered, s,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_STRICT_FOR_CLIENT, 1,
		MHD_OPTION_END);
	return s->daemon != NULL ? 0 : cht_fail(err, CHT_E_IO, 0, "the HTTP library did not start");
}

static int tell_ready(int fd, struct cht_err *err)
{
	int r = fd_write_all(fd, "\n", 1, err);

	fd_close(&fd);
	return r;
}

int serve_run(const struct serve_options *options, struct cht_err *err)
{
	static struct server s;
	int r;

	memset(&s, 0, sizeof(s));
	s.listener = (struct serve_listener)SERVE_LISTENER_NULL;
	s.signal_fd = -1;
	r = serve_log_open(&s.log, options->dir, err);
	if (r == 0) {
		s.signal_fd = fd_stop_signals(err);
		r = s.signal_fd < 0 ? s.signal_fd : 0;
	}
	if (r == 0)
		r = serve_listen(&s.listener, options, err);
	if (r == 0)
		r = start_daemon(&s, err);
	if (r == 0) {
		diag(DIAG_NOTICE, "%s is served at %s", options->dir, s.listener.name);
		if (options->ready_fd >= 0)
			r = tell_ready(options->ready_fd, err);
		if (r == 0)
			r = run(&s, err);
		stop(&s);
	}
	serve_unlisten(&s.listener);
	fd_close(&s.signal_fd);
	serve_log_close(&s.log);
	return r;
}
