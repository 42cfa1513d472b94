/* SPDX-License-Identifier: Apache-2.0
 *
 * knock - what one hostile cell does, or what it does to another. garbage: frames that do not
 * decode, as fast as they are taken, on ever new connections. connects: connections without a
 * word, as fast as they are taken. probe: N times connects, writes BYTES and waits until they were
 * read: prints the microseconds from one to the other, sorted, a line each.
 *
 * usage: knock garbage|connects PATH | knock probe PATH N PAUSE_US
 */
#include <errno.h>
#include <linux/sockios.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/text.h"
#include "connect.h"

enum { SAMPLES_MAX = 100000 };

static int must_connect(const char *path)
{
	int fd = connect_to(path);

	if (fd < 0)
		exit(1);
	return fd;
}

static void flood(const char *path, bool has_garbage)
{
	static uint8_t bad[5 * 800];

	for (size_t i = 0; i < sizeof(bad); i += 5)
		memcpy(bad + i, "\1\0\0\0\x80", 5);
	for (;;) {
		int fd = must_connect(path);

		while (has_garbage && write(fd, bad, sizeof(bad)) > 0)
			continue;
		(void)close(fd);
	}
}

static int by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void probe(const char *path, uint64_t n, uint64_t pause_us)
{
	static double us[SAMPLES_MAX];
	const struct timespec pause = { .tv_nsec = (long)pause_us * 1000 };

	for (uint64_t i = 0; i < n; i++) {
		uint64_t start = clk_monotonic_ns();
		int fd = must_connect(path), left = 1;

		/* Two of the four bytes of a length: nothing is counted of them. */
		(void)!write(fd, "\x20", 2);
		while (left > 0 && ioctl(fd, SIOCOUTQ, &left) == 0 && left > 0)
			(void)sched_yield();
		us[i] = (double)(clk_monotonic_ns() - start) / 1e3;
		(void)close(fd);
		(void)nanosleep(&pause, NULL);
	}
	qsort(us, n, sizeof(us[0]), by_size);
	for (uint64_t i = 0; i < n; i++)
		printf("%.1f\n", us[i]);
}

int main(int argc, char **argv)
{
	uint64_t n = 0, pause_us = 0;

	(void)signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && strcmp(argv[1], "garbage") == 0)
		flood(argv[2], true);
	if (argc == 3 && strcmp(argv[1], "connects") == 0)
		flood(argv[2], false);
	if (argc != 5 || strcmp(argv[1], "probe") != 0 ||
	    !read_u64(str_of(argv[3]), SAMPLES_MAX, &n) ||
	    !read_u64(str_of(argv[4]), 999999, &pause_us)) {
		(void)fputs("usage: knock garbage|connects PATH | knock probe PATH N PAUSE_US\n",
			    stderr);
		return 2;
	}
	probe(argv[2], n, pause_us);
	return 0;
}
