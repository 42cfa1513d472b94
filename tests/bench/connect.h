/* SPDX-License-Identifier: Apache-2.0
 *
 * connect.h - a stream to a socket by its path; -1 when there is none, which was said.
 */
#ifndef BENCH_CONNECT_H
#define BENCH_CONNECT_H

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static inline int connect_to(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(to.sun_path)) {
		(void)fprintf(stderr, "%s: the path is too long\n", path);
		return -1;
	}
	memcpy(to.sun_path, path, strlen(path) + 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		perror(path);
		return -1;
	}
	return fd;
}

#endif
