/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to the API sockets of VMs. A VMM that stalls answers late or never, so each exchange
 * goes on beside what else is asked, and is answered when it ends. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clk.h"
#include "base/err.h"
#include "base/fd.h"
#include "opener/opener.h"

static const enum exchange_what whats[OPENING_N_APIS] = {
	[OPENING_API_STATE] = EXCHANGE_STATE,
	[OPENING_API_CONFIG] = EXCHANGE_CONFIG,
	[OPENING_API_FLUSH] = EXCHANGE_FLUSH,
};

/* The socket itself, as a place: no link is followed to it. */
static int find_socket(const struct opener *opener, const char *path, struct stat *st,
		       struct cht_err *err)
{
	const char *name;
	int dir_fd = roots_find(&opener->apis, path, &name, err), place, r = 0;

	if (dir_fd < 0)
		return dir_fd;
	place = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (place < 0 || fstat(place, st) < 0)
		r = cht_fail(err, CHT_E_IO, errno, "%s", name);
	else if (!S_ISSOCK(st->st_mode))
		r = cht_fail(err, CHT_E_IO, ENOTSOCK, "%s", name);
	fd_close(&dir_fd);
	if (r < 0)
		fd_close(&place);
	return r < 0 ? r : place;
}

/* As we are; where that is not allowed, as the socket's owner, which a VMM's user is. */
static int begin(struct exchange *x, int place, const struct stat *st, enum exchange_what what,
		 struct cht_err *err)
{
	uint64_t now = clk_monotonic_ns();
	struct owner we;
	int r = exchange_begin(x, place, what, now, err);

	if (r == 0 || err->sys != EACCES || st->st_uid == (uid_t)setfsuid((uid_t)-1))
		return r;
	if (owner_enter(&we, st->st_uid, st->st_gid, NULL) < 0)
		return r;
	r = exchange_begin(x, place, what, now, err);
	owner_leave(&we);
	return r;
}

int do_api(struct opener *opener, const struct opening_request *request,
	   struct opening_answer *answer, int *fd, struct cht_err *err)
{
	struct asked_api *one = opener->asked;
	struct stat st;
	int place, r;

	(void)answer;
	(void)fd;
	if (request->what >= OPENING_N_APIS)
		return cht_fail(err, CHT_E_RANGE, 0, "no such question to an API socket");
	if (request->what == OPENING_API_FLUSH && !opener->options->flush)
		return cht_fail(err, CHT_E_CONFIG, EPERM,
				"FlushMetrics is for cht-opener with --flush, see [opener] flush");
	while (one < opener->asked + OPENER_API_MAX && one->is_used)
		one++;
	if (one == opener->asked + OPENER_API_MAX)
		return cht_fail(err, CHT_E_LIMIT, EAGAIN, "%d VMMs are asked already",
				OPENER_API_MAX);
	place = find_socket(opener, request->path, &st, err);
	if (place < 0)
		return place;
	r = begin(&one->x, place, &st, whats[request->what], err);
	fd_close(&place);
	if (r < 0)
		return r;
	one->is_used = true;
	one->ticket = request->ticket;
	return OPENER_LATER;
}

unsigned api_watch(const struct opener *opener, struct pollfd fds[OPENER_API_MAX],
		   uint64_t *until_ns)
{
	unsigned n = 0;

	for (unsigned i = 0; i < OPENER_API_MAX; i++) {
		const struct exchange *x = &opener->asked[i].x;

		if (!opener->asked[i].is_used)
			continue;
		fds[n++] = (struct pollfd){ .fd = x->sock, .events = POLLIN };
		if (x->until_ns < *until_ns)
			*until_ns = x->until_ns;
	}
	return n;
}

/* One that has ended, r being what exchange_step said. */
static int answer(struct asked_api *one, int line_sock, int r, const struct cht_err *why,
		  struct cht_err *err)
{
	struct opening_answer a = { .kind = OPENING_API,
				    .ticket = one->ticket,
				    .code = r < 0 ? r : 0,
				    .sys = r < 0 ? why->sys : 0 };
	int fd = -1;

	memcpy(a.text, why->text, sizeof(a.text));
	if (r > 0)
		fd = exchange_take(&one->x);
	exchange_close(&one->x);
	one->is_used = false;
	r = opening_reply(line_sock, &a, fd, err);
	fd_close(&fd);
	return r;
}

int api_turn(struct opener *opener, int line_sock, struct cht_err *err)
{
	uint64_t now = clk_monotonic_ns();
	int r = 0;

	for (unsigned i = 0; i < OPENER_API_MAX && r == 0; i++) {
		struct asked_api *one = &opener->asked[i];
		struct cht_err why = { 0 };
		int step = one->is_used ? exchange_step(&one->x, now, &why) : 0;

		if (step != 0)
			r = answer(one, line_sock, step, &why, err);
	}
	return r;
}

void api_close(struct opener *opener)
{
	for (unsigned i = 0; i < OPENER_API_MAX; i++) {
		struct asked_api *one = &opener->asked[i];

		if (one->is_used)
			exchange_close(&one->x);
		one->is_used = false;
	}
}
