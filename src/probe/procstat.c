/* SPDX-License-Identifier: Apache-2.0 */
/* "4242 (fc_vcpu 0) S 1 …": a name is up to 63 bytes that its owner chose, so what follows it
 * begins behind the last bracket of the line. */
#include "probe/procstat.h"

#include "base/bytes.h"
#include "base/text.h"

/* Fields as proc(5) counts them. */
enum { STATE = 3, USER = 14, SYSTEM = 15, THREADS = 20, START = 22, PAGES = 24, GUEST = 43 };

static const uint8_t *find_last(struct cht_bytes text, uint8_t byte)
{
	for (size_t n = text.len; n > 0; n--)
		if (text.ptr[n - 1] == byte)
			return text.ptr + n - 1;
	return NULL;
}

/* The next word; they have one blank between them. False: there is none. */
static bool take_word(struct cht_str *rest, struct cht_str *word)
{
	size_t n = 0;

	while (n < rest->len && rest->ptr[n] > ' ' && rest->ptr[n] < 0x7f)
		n++;
	if (n == 0 || (n < rest->len && rest->ptr[n] != ' '))
		return false;
	*word = (struct cht_str){ rest->ptr, n };
	n += n < rest->len;
	rest->ptr += n;
	rest->len -= n;
	return true;
}

static uint64_t *number_of(struct proc_stat *s, unsigned field)
{
	switch (field) {
	case USER: return &s->user;
	case SYSTEM: return &s->system;
	case THREADS: return &s->threads;
	case START: return &s->start;
	case PAGES: return &s->pages;
	case GUEST: return &s->guest;
	default: return NULL;
	}
}

static bool read_fields(struct cht_str rest, struct proc_stat *s)
{
	struct cht_str word;

	for (unsigned field = STATE; field <= GUEST; field++) {
		uint64_t *number = number_of(s, field);

		if (!take_word(&rest, &word))
			return false;
		if (field == STATE &&
		    (word.len != 1 || (word.ptr[0] | 0x20) < 'a' || (word.ptr[0] | 0x20) > 'z'))
			return false;
		if (field == STATE)
			s->state = word.ptr[0];
		else if (number != NULL && !read_u64(word, UINT64_MAX, number))
			return false;
	}
	return true;
}

/* Without its end. False: it has none. */
static bool as_line(struct cht_bytes text, struct cht_str *line)
{
	*line = (struct cht_str){ (const char *)text.ptr, text.len > 0 ? text.len - 1 : 0 };
	return text.len > 0 && text.ptr[text.len - 1] == '\n';
}

bool proc_stat_read(struct cht_bytes text, struct proc_stat *out)
{
	const uint8_t *open = text.len > 0 ? memchr(text.ptr, '(', text.len) : NULL;
	const uint8_t *close = find_last(text, ')');
	struct proc_stat s = { .state = 0 };
	struct cht_str line, rest;

	if (!as_line(text, &line) || open == NULL || close == NULL || close < open)
		return false;
	rest.ptr = (const char *)close + 1;
	rest.len = (size_t)(line.ptr + line.len - rest.ptr);
	if (rest.len == 0 || rest.ptr[0] != ' ')
		return false;
	rest.ptr++;
	rest.len--;
	s.comm = (struct cht_str){ (const char *)open + 1, (size_t)(close - open - 1) };
	if (!read_fields(rest, &s))
		return false;
	*out = s;
	return true;
}

bool proc_sched_read(struct cht_bytes text, uint64_t *run_ns, uint64_t *wait_ns)
{
	struct cht_str rest, run, wait, slices;
	uint64_t run_n, wait_n, slices_n;

	if (!as_line(text, &rest) || !take_word(&rest, &run) || !take_word(&rest, &wait) ||
	    !take_word(&rest, &slices) || rest.len > 0 || !read_u64(run, UINT64_MAX, &run_n) ||
	    !read_u64(wait, UINT64_MAX, &wait_n) || !read_u64(slices, UINT64_MAX, &slices_n))
		return false;
	*run_ns = run_n;
	*wait_ns = wait_n;
	return true;
}

bool proc_is_vcpu(struct cht_str comm)
{
	/* Firecracker and libkrun; Cloud Hypervisor; QEMU ("CPU 0/KVM"); crosvm. */
	static const struct cht_str names[] = { STR_INIT("fc_vcpu"), STR_INIT("vcpu"),
						STR_INIT("CPU "), STR_INIT("crosvm_vcpu") };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_starts(comm, names[i]))
			return true;
	return false;
}

char proc_worst(char a, char b)
{
	static const char order[] = "XxZTtDIKPWSR";
	const char *at_a = strchr(order, a), *at_b = strchr(order, b);

	if (a == '\0')
		return b;
	/* One that we do not know says more than those that we do. */
	if (b == '\0' || at_a == NULL || (at_b != NULL && at_a <= at_b))
		return a;
	return b;
}

uint64_t proc_ms(uint64_t ticks, uint64_t hz)
{
	enum { MS_PER_S = 1000 };

	if (ticks / hz > UINT64_MAX / MS_PER_S - 1)
		return UINT64_MAX;
	return ticks / hz * MS_PER_S + ticks % hz * MS_PER_S / hz;
}
