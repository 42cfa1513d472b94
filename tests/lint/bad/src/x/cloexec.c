/* SPDX-License-Identifier: Apache-2.0 */
int opens(const char *path)
{
	int flags = O_RDONLY | O_CLOEXEC;

	if (open(path, O_RDONLY) < 0)
		return open(path,
			    O_RDONLY | O_CLOEXEC);
	return openat(AT_FDCWD, path, flags);
}

int flags_without(const char *path)
{
	int flags = O_RDONLY;

	return open(path, flags);
}

int others(int fd, int *two)
{
	int n = socket(AF_UNIX, SOCK_STREAM, 0);

	n += accept(fd, NULL, NULL);
	n += accept4(fd, NULL, NULL, SOCK_NONBLOCK);
	n += pipe2(two, O_NONBLOCK);
	n += eventfd(0, EFD_NONBLOCK);
	n += memfd_create("ring", 0);
	n += signalfd(-1, NULL, 0);
	n += timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	n += epoll_create1(0);
	return n + dup(fd);
}
