/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a process's stat or schedstat: of what is taken the name is between brackets of the
 * text, and the same line is taken with any other name.
 */
#include "fuzz.h"

#include <string.h>

#include "base/bytes.h"
#include "probe/procstat.h"

static bool is_same(const struct proc_stat *a, const struct proc_stat *b)
{
	return a->state == b->state && a->user == b->user && a->system == b->system &&
	       a->guest == b->guest && a->threads == b->threads && a->start == b->start &&
	       a->pages == b->pages;
}

static void check_renamed(struct cht_bytes text, const struct proc_stat *s)
{
	static const char name[] = "1 (a) R ((\n) b)";
	static uint8_t mem[8192];
	const uint8_t *tail = (const uint8_t *)s->comm.ptr + s->comm.len + 1;
	size_t n = (size_t)(text.ptr + text.len - tail);
	struct proc_stat again;

	if (n > sizeof(mem) - sizeof(name))
		return;
	memcpy(mem, name, sizeof(name) - 1);
	memcpy(mem + sizeof(name) - 1, tail, n);
	HOLDS(proc_stat_read((struct cht_bytes){ mem, n + sizeof(name) - 1 }, &again));
	HOLDS(is_same(s, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const struct cht_bytes text = { bytes, len };
	struct proc_stat s;
	uint64_t run, wait;

	if (proc_stat_read(text, &s)) {
		const uint8_t *name = (const uint8_t *)s.comm.ptr;

		HOLDS(name > bytes && name + s.comm.len < bytes + len && name[-1] == '(' &&
		      name[s.comm.len] == ')');
		check_renamed(text, &s);
		(void)proc_is_vcpu(s.comm);
		HOLDS(proc_ms(s.user, 100) >= s.user / 100);
	}
	if (proc_sched_read(text, &run, &wait))
		HOLDS(len >= 6 && bytes[len - 1] == '\n');
	return 0;
}
