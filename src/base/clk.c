/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clk.h"

#include <time.h>

#include "base/limits.h"

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

void clk_read_apart(int64_t *realtime_ns, uint64_t *boot_before_ns, uint64_t *boot_after_ns)
{
	enum { TRIES = 5, CLOSE_NS = 1000000 };

	for (int i = 0; i < TRIES; i++) {
		int64_t before = read_ns(CLOCK_BOOTTIME), at = read_ns(CLOCK_REALTIME);
		int64_t after = read_ns(CLOCK_BOOTTIME);

		if (i > 0 && (uint64_t)(after - before) >= *boot_after_ns - *boot_before_ns)
			continue;
		*realtime_ns = at;
		*boot_before_ns = (uint64_t)before;
		*boot_after_ns = (uint64_t)after;
		if (after - before < CLOSE_NS)
			break;
	}
}

uint64_t clk_monotonic_ns(void)
{
	return (uint64_t)read_ns(CLOCK_MONOTONIC);
}

int clk_ms_until(uint64_t at_ns, uint64_t now_ns)
{
	uint64_t ms = at_ns <= now_ns ? 0 : (at_ns - now_ns) / NS_PER_MS + 1;

	return ms < INT32_MAX ? (int)ms : INT32_MAX;
}

uint64_t clk_process_ns(void)
{
	return (uint64_t)read_ns(CLOCK_PROCESS_CPUTIME_ID);
}
