/* SPDX-License-Identifier: Apache-2.0 */
/* "some avg10=0.12 avg60=0.00 avg300=0.00 total=123", and the same of "full". Only the totals are
 * kept: they are exact, and an average is what somebody makes of two of them. */
#include "base/bytes.h"
#include "base/text.h"
#include "probe/flat.h"

static bool take(struct cht_str *s, struct cht_str word)
{
	if (!str_starts(*s, word))
		return false;
	s->ptr += word.len;
	s->len -= word.len;
	return true;
}

static size_t digits_of(struct cht_str s)
{
	size_t n = 0;

	while (n < s.len && s.ptr[n] >= '0' && s.ptr[n] <= '9')
		n++;
	return n;
}

/* "12.34" */
static bool take_average(struct cht_str *s)
{
	enum { DECIMALS = 2 };
	size_t n = digits_of(*s);

	if (n == 0)
		return false;
	s->ptr += n;
	s->len -= n;
	if (!take(s, STR(".")) || digits_of(*s) != DECIMALS)
		return false;
	s->ptr += DECIMALS;
	s->len -= DECIMALS;
	return true;
}

static bool read_line(struct cht_str line, struct cht_str name, uint64_t *total)
{
	return take(&line, name) && take(&line, STR(" avg10=")) && take_average(&line) &&
	       take(&line, STR(" avg60=")) && take_average(&line) && take(&line, STR(" avg300=")) &&
	       take_average(&line) && take(&line, STR(" total=")) &&
	       read_u64(line, UINT64_MAX, total);
}

bool pressure_read(struct cht_bytes text, struct pressure *out)
{
	struct pressure p = { .has_full = false };
	struct cht_str line;

	if (!take_line(&text, &line) || !read_line(line, STR("some"), &p.some))
		return false;
	p.has_full = take_line(&text, &line);
	if (p.has_full && (!read_line(line, STR("full"), &p.full) || text.len > 0))
		return false;
	*out = p;
	return true;
}
