/* SPDX-License-Identifier: Apache-2.0
 *
 * fc_line.h - a probe of Firecracker's metrics, and a FIFO or file in which the test writes them.
 */
#ifndef TESTS_UNIT_FC_LINE_H
#define TESTS_UNIT_FC_LINE_H

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

#include "base/bytes.h"

#include <cht/probe.h>

static char dir[] = "/tmp/cht-fc-XXXXXX", path[64];
static short events;

static int enter(void **state)
{
	(void)state;
	(void)snprintf(path, sizeof(path), "%s/m", dir);
	return 0;
}

static int leave(void **state)
{
	(void)state;
	return unlink(path);
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(dir);
}

static struct cht_probe *open_it(bool is_fifo)
{
	const struct cht_probe_options options = { .kind = CHT_PROBE_FC_METRICS,
						   .fifo = is_fifo ? path : NULL,
						   .file = is_fifo ? NULL : path };
	struct cht_probe *p = NULL;
	struct cht_err err = { 0 };

	assert_int_equal(cht_probe_open(&p, &options, &err), 0);
	return p;
}

/* As Firecracker does: both ends, without waiting. */
static int open_writer(void)
{
	int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_CREAT, 0600);

	assert_true(fd >= 0);
	return fd;
}

static void put(int fd, const char *text)
{
	assert_true(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

static struct cht_reading next(struct cht_probe *p)
{
	const struct cht_now now = { .realtime_ns = 1 };
	struct cht_reading r;

	CHECK_INT(cht_probe_read(p, &now, &r), 1);
	CHECK_INT(r.kind, CHT_PROBE_FC_METRICS);
	return r;
}

static void check_none(struct cht_probe *p)
{
	const struct cht_now now = { .realtime_ns = 1 };
	struct cht_reading r;

	if (cht_probe_read(p, &now, &r) == 1)
		CHECK_STR(r.output, "nothing");
}

static bool has(struct cht_str s, const char *text)
{
	return memmem(s.ptr, s.len, text, strlen(text)) != NULL;
}

#define CHECK_HAS(s, text)                                                                         \
	do {                                                                                       \
		if (!has((s), (text)))                                                             \
			CHECK_STR((s), (text));                                                    \
	} while (0)

#define LINE(ms, tx, exits)                                                                        \
	"{\"utc_timestamp_ms\":" ms ",\"vsock\":{\"tx_bytes_count\":" tx                           \
	"},\"vcpu\":{\"exit_io_in\":" exits "}}\n"

#endif
