/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clk.h"

#include <time.h>

static int64_t read_ns(clockid_t id)
{
	struct timespec ts = { 0, 0 };

	/* Cannot fail for these ids on any kernel we run on. */
	(void)clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void clk_read(struct cht_now *out)
{
	out->realtime_ns = read_ns(CLOCK_REALTIME);
	out->monotonic_ns = (uint64_t)read_ns(CLOCK_MONOTONIC);
	out->boottime_ns = (uint64_t)read_ns(CLOCK_BOOTTIME);
}

uint64_t clk_monotonic_ns(void)
{
	return (uint64_t)read_ns(CLOCK_MONOTONIC);
}

uint64_t clk_process_ns(void)
{
	return (uint64_t)read_ns(CLOCK_PROCESS_CPUTIME_ID);
}
