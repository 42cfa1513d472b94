/* SPDX-License-Identifier: Apache-2.0
 *
 * load - the same load for every receiver: N messages over C connections spread over the given
 * Unix sockets, W messages a write(2). As frames, or as RFC 5424 lines that carry the same five
 * values, named or at fixed places. At most RATE messages a second in all, 0: as fast as they are
 * taken. Prints seconds of sending and processor seconds.
 *
 * usage: load frame|syslog|fields N C W[:RATE] PATH...
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/limits.h"
#include "base/text.h"
#include "cht/wire.h"
#include "connect.h"

enum { MESSAGE_MAX = 256, CONNECTIONS_MAX = 16384, BATCH_MAX = 64 };

struct message {
	size_t len;
	uint8_t bytes[MESSAGE_MAX];
};

/* Named values as RFC 5424 carries them; or the same values at fixed places of the text. */
#define SYSLOG_HEAD "<134>1 2026-11-22T16:44:45.123456Z host agent - - "
static const char as_structured_data[] =
	SYSLOG_HEAD "[cht@32473 content_version=\"1\" probe_source=\"process.spawned\" "
		    "guest_pid=\"%u\" guest_comm=\"workload\" guest_monotonic_ns=\"%llu\"] -\n";
static const char as_fields[] = SYSLOG_HEAD "- 1 process.spawned %u workload %llu\n";

static int make(const char *kind, uint32_t pid, struct message *out)
{
	const struct cht_declaration d = { .content_version = 1,
					   .source_text = STR("process.spawned"),
					   .pid = pid,
					   .comm = STR("workload"),
					   .monotonic_ns = UINT64_C(123456789000000) + pid };
	unsigned long long mono = d.monotonic_ns;
	char *text = (char *)out->bytes;
	int n = -1;

	if (strcmp(kind, "frame") == 0)
		n = cht_encode(&d, out->bytes, sizeof(out->bytes));
	else if (strcmp(kind, "syslog") == 0)
		n = snprintf(text, sizeof(out->bytes), as_structured_data, pid, mono);
	else if (strcmp(kind, "fields") == 0)
		n = snprintf(text, sizeof(out->bytes), as_fields, pid, mono);
	out->len = n > 0 ? (size_t)n : 0;
	return n > 0 ? 0 : -1;
}

static int write_all(int fd, const uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -1;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

/* Round robin: one write to each connection in turn. */
struct pace {
	uint64_t batch, rate;
};

/* Waits until so many may have been sent. */
static void keep_pace(uint64_t start_ns, uint64_t sent, uint64_t rate)
{
	uint64_t due = start_ns + sent * NS_PER_S / (rate > 0 ? rate : 1);
	struct timespec ts = { .tv_sec = (time_t)(due / NS_PER_S),
			       .tv_nsec = (long)(due % NS_PER_S) };

	if (rate > 0 && due > clk_monotonic_ns())
		(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

static int send_all(const int *fds, unsigned c, uint64_t n, struct pace pace,
		    const struct message *m)
{
	uint64_t batch = pace.batch, start_ns = clk_monotonic_ns();
	uint8_t out[BATCH_MAX * MESSAGE_MAX];
	size_t len = 0;

	for (uint64_t i = 0; i < batch; i++) {
		memcpy(out + len, m->bytes, m->len);
		len += m->len;
	}
	for (uint64_t sent = 0, turn = 0; sent < n; turn++) {
		uint64_t now = n - sent < batch ? n - sent : batch;

		if (write_all(fds[turn % c], out, m->len * now) < 0) {
			perror("write");
			return -1;
		}
		sent += now;
		keep_pace(start_ns, sent, pace.rate);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static int fds[CONNECTIONS_MAX];
	uint64_t n, c, start;
	struct pace pace = { .rate = 0 };
	char *colon = argc > 4 ? strchr(argv[4], ':') : NULL;
	struct message m;

	if (colon != NULL) {
		*colon = '\0';
		if (!read_u64(str_of(colon + 1), UINT32_MAX, &pace.rate))
			return 2;
	}
	if (argc < 6 || !read_u64(str_of(argv[2]), UINT64_MAX, &n) ||
	    !read_u64(str_of(argv[3]), CONNECTIONS_MAX, &c) || c == 0 ||
	    !read_u64(str_of(argv[4]), BATCH_MAX, &pace.batch) || pace.batch == 0) {
		(void)fputs("usage: load frame|syslog|fields N CONNECTIONS MESSAGES_A_WRITE[:RATE] "
			    "PATH...\n",
			    stderr);
		return 2;
	}
	if (make(argv[1], 4242, &m) < 0)
		return 1;
	for (unsigned i = 0; i < c; i++) {
		fds[i] = connect_to(argv[5 + i % (unsigned)(argc - 5)]);
		if (fds[i] < 0)
			return 1;
	}
	start = clk_monotonic_ns();
	if (send_all(fds, (unsigned)c, n, pace, &m) < 0)
		return 1;
	printf("%.6f %.6f\n", (double)(clk_monotonic_ns() - start) / 1e9,
	       (double)clk_process_ns() / 1e9);
	/* Held open: what a receiver does at the end of a connection is not measured. */
	(void)fflush(stdout);
	(void)poll(NULL, 0, -1);
	return 0;
}
