/* SPDX-License-Identifier: Apache-2.0
 *
 * Strings are looked through eight bytes at a time for what needs a look: quote, backslash,
 * controls, and bytes beyond ASCII.
 */
#include "event/in.h"

#include "base/text.h"
#include "event/out.h"

void in_fail(struct in *in, const uint8_t *p)
{
	if (in->bad)
		return;
	in->bad = true;
	in->at = p;
}

void in_text(struct in *in, const char *text, size_t len)
{
	size_t same = 0, left = (size_t)(in->end - in->at);

	if (in->bad)
		return;
	if (left >= len && memcmp(in->at, text, len) == 0) {
		in->at += len;
		return;
	}
	while (same < left && in->at[same] == (uint8_t)text[same])
		same++;
	in_fail(in, in->at + same);
}

/* The high bit of each byte that is a quote, a backslash, a control or beyond ASCII. A borrow
 * can mark a byte above a marked one: only the lowest mark counts. */
static inline uint64_t marks_of(uint64_t w)
{
	uint64_t quote = w ^ OUT_BYTES('"'), slash = w ^ OUT_BYTES('\\');

	return ((w - OUT_BYTES(0x20)) | (quote - OUT_BYTES(1)) | (slash - OUT_BYTES(1)) | w) &
	       OUT_BYTES(0x80);
}

static inline bool is_marked(uint8_t c)
{
	return c < 0x20 || c == '"' || c == '\\' || c >= 0x80;
}

/* The next byte that needs a look, or the end. */
static inline const uint8_t *skip_plain(const uint8_t *p, const uint8_t *end)
{
	while (end - p >= 8) {
		uint64_t marks = marks_of(le64_load(p));

		if (marks != 0)
			return p + __builtin_ctzll(marks) / 8;
		p += 8;
	}
	while (p < end && !is_marked(*p))
		p++;
	return p;
}

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* An escape in its one spelling, p at its backslash: where it ends, or the offending byte with
 * in->bad set. */
static const uint8_t *skip_escape(struct in *in, const uint8_t *p)
{
	int value;

	for (unsigned i = 1; i < 6; i++) {
		static const char head[] = "\\u00";

		if (p + i == in->end) {
			in_fail(in, p + i);
			return p;
		}
		if (i == 1 && p[1] != '\0' && strchr("\"\\bfnrt", p[1]) != NULL)
			return p + 2;
		if (i < 4 ? p[i] != (uint8_t)head[i] : hex_value(p[i]) < 0) {
			in_fail(in, p + i);
			return p;
		}
	}
	value = hex_value(p[4]) << 4 | hex_value(p[5]);
	/* Above the controls nothing is escaped so; the short ones have a spelling of their own. */
	if (value >= 0x20)
		in_fail(in, p + 4);
	else if (value != 0 && strchr("\b\f\n\r\t", value) != NULL)
		in_fail(in, p + 5);
	return p + 6;
}

static struct cht_str read_string(struct in *in, bool escapes)
{
	const uint8_t *p = in->at + 1, *start = p;
	size_t n;

	if (in->bad || in->at == in->end || *in->at != '"') {
		in_fail(in, in->at);
		return (struct cht_str){ NULL, 0 };
	}
	while (!in->bad) {
		uint8_t c;

		p = skip_plain(p, in->end);
		c = p < in->end ? *p : 0;
		if (c == '"') {
			in->at = p + 1;
			return (struct cht_str){ (const char *)start, (size_t)(p - start) };
		}
		if (c == '\\' && escapes)
			p = skip_escape(in, p);
		else if (c >= 0x80 && (n = utf8_sequence(p, (size_t)(in->end - p))) > 0)
			p += n;
		else
			in_fail(in, p);
	}
	return (struct cht_str){ NULL, 0 };
}

struct cht_str in_string(struct in *in)
{
	return read_string(in, true);
}

struct cht_str in_key(struct in *in)
{
	return read_string(in, false);
}

struct cht_str in_number(struct in *in)
{
	const uint8_t *p = in->at, *first;
	struct cht_str number = { (const char *)p, 0 }, digits;
	bool is_negative = p < in->end && *p == '-';
	uint64_t v;

	if (in->bad)
		return number;
	first = is_negative ? p + 1 : p;
	for (p = first; p < in->end && (uint8_t)(*p - '0') < 10; p++)
		;
	digits = (struct cht_str){ (const char *)first, (size_t)(p - first) };
	number.len = (size_t)((const char *)p - number.ptr);
	if (digits.len == 0)
		in_fail(in, p);
	else if (*first == '0' && number.len > 1) /* -0 too */
		in_fail(in, is_negative ? first : first + 1);
	else if (number.len > 19 &&
		 !read_u64(digits, is_negative ? (uint64_t)INT64_MAX + 1 : UINT64_MAX, &v))
		in_fail(in, in->at);
	else
		in->at = p;
	return number;
}

static bool take_digits(struct in *in)
{
	const uint8_t *start = in->at;

	while (in->at < in->end && *in->at >= '0' && *in->at <= '9')
		in->at++;
	return in->at > start;
}

static bool take_one_of(struct in *in, char a, char b)
{
	if (in->at == in->end || (*in->at != (uint8_t)a && *in->at != (uint8_t)b))
		return false;
	in->at++;
	return true;
}

struct cht_str in_any_number(struct in *in)
{
	const uint8_t *start = in->at;
	bool ok;

	if (in->bad)
		return (struct cht_str){ NULL, 0 };
	(void)take_one_of(in, '-', '-');
	ok = take_one_of(in, '0', '0') || take_digits(in);
	if (ok && take_one_of(in, '.', '.'))
		ok = take_digits(in);
	if (ok && take_one_of(in, 'e', 'E')) {
		(void)take_one_of(in, '+', '-');
		ok = take_digits(in);
	}
	if (!ok)
		in_fail(in, in->at);
	return (struct cht_str){ (const char *)start, (size_t)(in->at - start) };
}
