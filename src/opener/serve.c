/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/clk.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/user.h"
#include "opener/opener.h"

/* A line that does not read its answers for so long is no line. */
enum { ANSWER_S = 5 };

static void show_life(struct opener *opener)
{
	if (notify_deadline(&opener->notify) != UINT64_MAX)
		notify_alive(&opener->notify, clk_monotonic_ns(), "");
}

/* Until something is there, the service manager's watchdog is to hear of us, or a VMM has had its
 * time. */
static int sleep_on(const struct opener *opener, struct pollfd *fds)
{
	uint64_t until_ns = notify_deadline(&opener->notify);
	unsigned n = 2 + api_watch(opener, fds + 2, &until_ns);

	return poll(fds, n,
		    until_ns == UINT64_MAX ? -1 : clk_ms_until(until_ns, clk_monotonic_ns()));
}

/* 1: fd has something, or its end. 0: a signal says to stop. VMMs that were asked go on meanwhile;
 * their answers go to fd too. */
static int await(struct opener *opener, int fd, struct cht_err *err)
{
	struct pollfd fds[2 + OPENER_API_MAX] = { { .fd = fd, .events = POLLIN },
						  { .fd = opener->signal_fd, .events = POLLIN } };
	int n, r;

	for (;;) {
		n = sleep_on(opener, fds);
		if (n < 0 && errno != EINTR)
			return cht_fail(err, CHT_E_IO, errno, "poll");
		show_life(opener);
		r = api_turn(opener, fd, err);
		if (r < 0)
			return r;
		if (n > 0 && (fds[0].revents != 0 || fds[1].revents != 0))
			return fds[1].revents == 0;
	}
}

static int answer_one(struct opener *opener, int sock, struct cht_err *err)
{
	struct opening_request request;
	struct opening_answer answer;
	int fd = -1, r = opening_take_request(sock, &request, &fd, err);

	if (r <= 0)
		return r;
	if (!requests_do(opener, &request, &answer, &fd))
		return 1;
	r = opening_reply(sock, &answer, fd, err);
	fd_close(&fd);
	if (opener->is_lost)
		return cht_fail(err, CHT_E_STATE, 0,
				"cannot come back to its network namespace: it ends");
	return r < 0 ? r : 1;
}

/* Until the line is gone (0), or stop: *stopped. What it had made is unlinked, unless it said that
 * another takes it over. */
static int converse(struct opener *opener, int sock, bool *stopped, struct cht_err *err)
{
	const struct timeval patience = { .tv_sec = ANSWER_S };
	const struct opening_answer ready = { .kind = OPENING_READY };
	int r = 0;

	*stopped = false;
	opener->is_settled = opener->keeps = false;
	if (setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
		r = cht_fail(err, CHT_E_IO, errno, "the line's socket");
	if (r == 0)
		r = opening_reply(sock, &ready, -1, err);
	while (r >= 0) {
		r = await(opener, sock, err);
		*stopped = r == 0;
		if (r > 0)
			r = answer_one(opener, sock, err);
		if (r == 0)
			break;
	}
	api_close(opener);
	if (opener->keeps)
		made_leave_all(opener->made);
	else
		made_unlink_all(opener->made);
	return r;
}

static bool is_the_line(int sock, int64_t uid)
{
	int64_t peer = UINT32_MAX;

	if (user_of_peer(sock, &peer, NULL) == 0 && peer == uid)
		return true;
	diag(DIAG_WARNING, "refused: user %lld is not the line's, %lld", (long long)peer,
	     (long long)uid);
	return false;
}

/* Whatever one of them does, the next one is served. */
static int serve_each(struct opener *opener, struct cht_err *err)
{
	bool stopped = false;
	int r = 0;

	while (!stopped && !opener->is_lost &&
	       (r = await(opener, opener->options->listen_fd, err)) > 0) {
		struct cht_err why = { 0 };
		int sock = accept4(opener->options->listen_fd, NULL, NULL, SOCK_CLOEXEC);

		if (sock < 0)
			continue;
		if (is_the_line(sock, opener->options->line_uid) &&
		    converse(opener, sock, &stopped, &why) < 0)
			diag_err(&why);
		fd_close(&sock);
	}
	return opener->is_lost ? CHT_E_STATE : r < 0 ? r : 0;
}

int serve(struct opener *opener, struct cht_err *err)
{
	bool stopped;

	if (opener->options->line_fd >= 0)
		return converse(opener, opener->options->line_fd, &stopped, err);
	return serve_each(opener, err);
}
