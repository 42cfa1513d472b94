/* SPDX-License-Identifier: Apache-2.0
 *
 * latency - from a frame's write(2) to the checkpoint that covers it, at a steady rate. Frames go
 * out in small bursts over C connections; the checkpoint is watched by inotify. The Nth frame
 * counts as covered when a checkpoint's size is N above the one at the beginning. Prints
 * milliseconds.
 *
 * usage: latency LEDGER_DIR RATE SECONDS C PATH...
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/limits.h"
#include "cht/wire.h"

enum { FRAME_MAX = 256, BURST_MAX = 4096, STEP_US = 500, CONNECTIONS_MAX = 1024 };

struct burst {
	uint64_t at_ns, upto; /* sent when, and so many frames in all then */
};

static struct burst *bursts;
static size_t n_bursts, n_covered;
static double *lags_ms;

/* The size in the newest checkpoint: its second line. */
static uint64_t covered(const char *dir)
{
	char path[512], text[1024], *line;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/checkpoint", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	line = strchr(text, '\n');
	return line != NULL ? strtoull(line + 1, NULL, 10) : 0;
}

static int connect_to(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(to.sun_path))
		return -1;
	memcpy(to.sun_path, path, strlen(path) + 1);
	return connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 ? fd : -1;
}

static void note_covered(const char *dir, uint64_t base)
{
	uint64_t size = covered(dir), now = clk_monotonic_ns();

	for (; n_covered < n_bursts && bursts[n_covered].upto + base <= size; n_covered++)
		lags_ms[n_covered] = (double)(now - bursts[n_covered].at_ns) / 1e6;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Until ns: whatever checkpoints come are taken into account. */
static void watch_until(const char *dir, int inotify_fd, uint64_t until_ns, uint64_t base)
{
	_Alignas(struct inotify_event) char events[4096];

	for (;;) {
		uint64_t now = clk_monotonic_ns();
		struct pollfd p = { .fd = inotify_fd, .events = POLLIN };
		struct timespec left = { 0 };

		if (now < until_ns)
			left.tv_nsec = (long)(until_ns - now);
		if (ppoll(&p, 1, &left, NULL) <= 0)
			return;
		if (read(inotify_fd, events, sizeof(events)) > 0)
			note_covered(dir, base);
	}
}

static int send_burst(int *fds, unsigned c, unsigned *turn, const uint8_t *frame, size_t len,
		      uint64_t n)
{
	for (; n > 0; n--) {
		if (write(fds[*turn], frame, len) != (ssize_t)len)
			return -1;
		*turn = (*turn + 1) % c;
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct cht_declaration d = { .content_version = 1,
					   .source_text = STR("process.spawned"),
					   .pid = 7,
					   .comm = STR("workload"),
					   .monotonic_ns = UINT64_C(123456789000000) };
	static int fds[CONNECTIONS_MAX];
	uint8_t frame[FRAME_MAX];
	int len = cht_encode(&d, frame, sizeof(frame)), inotify_fd;
	uint64_t rate, seconds, base = 0, begin, sent = 0;
	unsigned c, turn = 0;
	size_t most;

	if (argc < 6 || len < 0)
		return 2;
	rate = strtoull(argv[2], NULL, 10);
	seconds = strtoull(argv[3], NULL, 10);
	c = (unsigned)strtoul(argv[4], NULL, 10);
	most = seconds * 1000000 / STEP_US + 16;
	bursts = calloc(most, sizeof(*bursts));
	lags_ms = calloc(most, sizeof(*lags_ms));
	inotify_fd = inotify_init1(IN_CLOEXEC);
	if (bursts == NULL || lags_ms == NULL || c > CONNECTIONS_MAX ||
	    inotify_add_watch(inotify_fd, argv[1], IN_MOVED_TO) < 0)
		return 1;
	for (unsigned i = 0; i < c; i++) {
		fds[i] = connect_to(argv[5 + i % (unsigned)(argc - 5)]);
		if (fds[i] < 0)
			return 1;
	}
	/* What the connects gave rise to is told within a second. */
	watch_until(argv[1], inotify_fd, clk_monotonic_ns() + 999 * NS_PER_MS, UINT64_MAX / 2);
	watch_until(argv[1], inotify_fd, clk_monotonic_ns() + 999 * NS_PER_MS, UINT64_MAX / 2);
	base = covered(argv[1]);
	begin = clk_monotonic_ns();
	for (size_t step = 1; step < most - 8; step++) {
		uint64_t due = rate * step * STEP_US / 1000000;

		if (send_burst(fds, c, &turn, frame, (size_t)len, due - sent) < 0)
			return 1;
		sent = due;
		bursts[n_bursts++] = (struct burst){ clk_monotonic_ns(), sent };
		watch_until(argv[1], inotify_fd, begin + step * STEP_US * 1000, base);
	}
	for (int i = 0; i < 100 && n_covered < n_bursts; i++)
		watch_until(argv[1], inotify_fd, clk_monotonic_ns() + 50 * NS_PER_MS, base);
	qsort(lags_ms, n_covered, sizeof(*lags_ms), by_value);
	(void)printf("{\"frames\": %llu, \"bursts\": %zu, \"covered\": %zu, \"p50Ms\": %.2f, "
		     "\"p99Ms\": %.2f, \"maxMs\": %.2f}\n",
		     (unsigned long long)sent, n_bursts, n_covered, lags_ms[n_covered / 2],
		     lags_ms[n_covered * 99 / 100], lags_ms[n_covered - 1]);
	return n_covered == n_bursts ? 0 : 1;
}
