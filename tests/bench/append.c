/* SPDX-License-Identifier: Apache-2.0
 *
 * append - the limit of the whole path: accept on one Unix socket, read, append what was read to
 * a file in 64 KiB writes. No frames, no events, no sync, one process.
 *
 * usage: append SOCKET FILE
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { BUFFER_BYTES = 65536, READ_BYTES = 16384, EVENTS = 64 };

static uint8_t buffer[BUFFER_BYTES + READ_BYTES];
static size_t held;

static int flush_to(int file)
{
	size_t at = 0;

	while (at < held) {
		ssize_t w = write(file, buffer + at, held - at);

		if (w < 0)
			return -1;
		at += (size_t)w;
	}
	held = 0;
	return 0;
}

static int listen_on(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || strlen(path) >= sizeof(to.sun_path))
		return -1;
	memcpy(to.sun_path, path, strlen(path) + 1);
	return bind(fd, (struct sockaddr *)&to, sizeof(to)) == 0 && listen(fd, 1024) == 0 ? fd : -1;
}

static int add(int set, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
}

static int turn(int set, int listener, int file)
{
	struct epoll_event events[EVENTS];
	/* Idle for a millisecond: what is held goes out. */
	int n = epoll_wait(set, events, EVENTS, held > 0 ? 1 : -1);

	if (n == 0 && flush_to(file) < 0)
		return -1;
	for (int i = 0; i < n; i++) {
		ssize_t r;

		if (events[i].data.fd == listener) {
			int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

			if (fd >= 0 && add(set, fd) < 0)
				return -1;
			continue;
		}
		r = read(events[i].data.fd, buffer + held, READ_BYTES);
		if (r <= 0 && errno != EAGAIN)
			(void)close(events[i].data.fd);
		if (r > 0)
			held += (size_t)r;
		if (held >= BUFFER_BYTES && flush_to(file) < 0)
			return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int listener, file, set;

	if (argc != 3)
		return 2;
	listener = listen_on(argv[1]);
	file = open(argv[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	set = epoll_create1(EPOLL_CLOEXEC);
	if (listener < 0 || file < 0 || set < 0 || add(set, listener) < 0) {
		perror("append");
		return 1;
	}
	while (turn(set, listener, file) == 0)
		continue;
	return 1;
}
