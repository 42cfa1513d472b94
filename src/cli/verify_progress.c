/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clk.h"
#include "base/limits.h"
#include "cli/cli.h"
#include "cli/verify_report.h"

enum { BAR = 24 };

static void put_bar(char out[BAR + 1], uint64_t part, uint64_t of)
{
	uint64_t filled = part >= of ? BAR : part / (of / BAR + 1);

	for (uint64_t i = 0; i < BAR; i++)
		out[i] = i < filled ? '#' : '.';
	out[BAR] = '\0';
}

void verify_on_progress(void *context, uint64_t entries, uint64_t of)
{
	struct verify_progress *p = context;
	uint64_t now_ns = clk_monotonic_ns(), rate, rest_s;
	char bar[BAR + 1];

	if (now_ns - p->begun_ns < NS_PER_S || now_ns - p->last_ns < NS_PER_S / 5)
		return;
	p->last_ns = now_ns;
	p->is_shown = true;
	rate = entries * 1000 / ((now_ns - p->begun_ns) / NS_PER_MS);
	if (of == 0 || rate == 0) {
		(void)dprintf(STDERR_FILENO,
			      "\r%" PRIu64 " entries verified, %" PRIu64 " a second ", entries,
			      rate);
		return;
	}
	put_bar(bar, entries, of);
	rest_s = entries < of ? (of - entries) / rate : 0;
	(void)dprintf(STDERR_FILENO,
		      "\r[%s] %3" PRIu64 " %% of %" PRIu64 " entries, %" PRIu64
		      " a second, %" PRIu64 ":%02" PRIu64 " left \033[K",
		      bar, (uint64_t)((double)entries / (double)of * 100), of, rate, rest_s / 60,
		      rest_s % 60);
}

void verify_progress_end(struct verify_progress *progress)
{
	if (progress->is_shown)
		(void)dprintf(STDERR_FILENO, "\r\033[K");
}
