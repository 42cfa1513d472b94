/* SPDX-License-Identifier: Apache-2.0
 *
 * hear - the bare loop that the hub is held against: listens on each given path, accepts at once,
 * reads what comes and forgets it, by one epoll set. Ends when it has read so many bytes, or by a
 * signal. Prints a line when it listens, and at the end the processor seconds.
 *
 * usage: hear BYTES PATH...
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/text.h"

enum { READY = 64, LISTENER = 1 };

static int listen_on(int set, const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct epoll_event event = { .events = EPOLLIN };

	if (strlen(path) >= sizeof(at.sun_path))
		return -1;
	memcpy(at.sun_path, path, strlen(path) + 1);
	event.data.u64 = (uint64_t)(unsigned)fd << 1 | LISTENER;
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 1024) < 0 ||
	    epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) < 0) {
		perror(path);
		return -1;
	}
	return 0;
}

static void take_all(int set, int listener)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct epoll_event event = { .events = EPOLLIN };

		event.data.u64 = (uint64_t)(unsigned)fd << 1;
		(void)epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
	}
}

/* What one look at the set gives; how many bytes. */
static uint64_t turn(int set)
{
	static char buffer[16384];
	struct epoll_event ready[READY];
	int n = epoll_wait(set, ready, READY, -1);
	uint64_t had = 0;

	for (int i = 0; i < n; i++) {
		int fd = (int)(ready[i].data.u64 >> 1);
		ssize_t got;

		if ((ready[i].data.u64 & LISTENER) != 0) {
			take_all(set, fd);
			continue;
		}
		got = read(fd, buffer, sizeof(buffer));
		if (got > 0)
			had += (uint64_t)got;
		else
			(void)close(fd);
	}
	return had;
}

int main(int argc, char **argv)
{
	int set = epoll_create1(EPOLL_CLOEXEC);
	uint64_t want, had = 0;

	if (argc < 3 || !read_u64(str_of(argv[1]), UINT64_MAX, &want)) {
		(void)fputs("usage: hear BYTES PATH...\n", stderr);
		return 2;
	}
	for (int i = 2; i < argc; i++)
		if (listen_on(set, argv[i]) < 0)
			return 1;
	(void)puts("ready");
	(void)fflush(stdout);
	while (had < want)
		had += turn(set);
	printf("%.6f\n", (double)clk_process_ns() / 1e9);
	return 0;
}
