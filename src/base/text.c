/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

static const char hex_digits[] = "0123456789abcdef";
static const char two_digits[] =
	"00010203040506070809101112131415161718192021222324252627282930313233343536"
	"37383940414243444546474849505152535455565758596061626364656667686970717273"
	"7475767778798081828384858687888990919293949596979899";

void put_u64(struct buf *b, uint64_t v)
{
	uint8_t text[DECIMAL_MAX];
	size_t at = sizeof(text);

	while (v >= 100) {
		at -= 2;
		memcpy(text + at, two_digits + 2 * (v % 100), 2);
		v /= 100;
	}
	if (v >= 10) {
		at -= 2;
		memcpy(text + at, two_digits + 2 * v, 2);
	} else {
		text[--at] = (uint8_t)('0' + v);
	}
	buf_put(b, text + at, sizeof(text) - at);
}

void put_i64(struct buf *b, int64_t v)
{
	if (v < 0) {
		buf_put_byte(b, '-');
		put_u64(b, (uint64_t)0 - (uint64_t)v);
		return;
	}
	put_u64(b, (uint64_t)v);
}

void put_hex(struct buf *b, const uint8_t *bytes, size_t n)
{
	uint8_t *p;

	if (n > SIZE_MAX / 2) {
		b->full = true;
		return;
	}
	p = buf_room(b, 2 * n);
	if (p == NULL)
		return;
	for (size_t i = 0; i < n; i++) {
		*p++ = (uint8_t)hex_digits[bytes[i] >> 4];
		*p++ = (uint8_t)hex_digits[bytes[i] & 15];
	}
	b->at = p;
}

void put_hex_u64(struct buf *b, uint64_t v, unsigned digits)
{
	uint8_t *p = buf_room(b, digits);

	if (p == NULL)
		return;
	for (unsigned i = digits; i-- > 0; v >>= 4)
		p[i] = (uint8_t)hex_digits[v & 15];
	b->at += digits;
}

bool read_u64(struct cht_str s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (s.len == 0 || s.len > DECIMAL_MAX || (s.ptr[0] == '0' && s.len > 1))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned d = (unsigned)((unsigned char)s.ptr[i] - '0');

		if (d > 9 || v > (UINT64_MAX - d) / 10)
			return false;
		v = v * 10 + d;
	}
	if (v > max)
		return false;
	*out = v;
	return true;
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool read_hex(struct cht_str s, uint8_t *out, size_t cap, size_t *len)
{
	if (s.len % 2 != 0 || s.len / 2 > cap)
		return false;
	for (size_t i = 0; i < s.len; i += 2) {
		int high = nibble(s.ptr[i]), low = nibble(s.ptr[i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i / 2] = (uint8_t)(high << 4 | low);
	}
	*len = s.len / 2;
	return true;
}

/* RFC 3629 section 4. */
size_t utf8_sequence(const uint8_t *p, size_t left)
{
	uint8_t low = 0x80, high = 0xbf;
	size_t n;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (left < n)
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0; /* overlong below */
	else if (p[0] == 0xed)
		high = 0x9f; /* surrogates above */
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f; /* U+10FFFF */
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

static bool starts_with_8_ascii(const uint8_t *bytes, size_t n)
{
	uint64_t eight;

	if (n < sizeof(eight))
		return false;
	memcpy(&eight, bytes, sizeof(eight));
	return (eight & UINT64_C(0x8080808080808080)) == 0;
}

size_t utf8_valid_prefix(const uint8_t *bytes, size_t n)
{
	size_t at = 0;

	while (at < n) {
		bool ascii = starts_with_8_ascii(bytes + at, n - at);
		size_t step = ascii ? 8 : utf8_sequence(bytes + at, n - at);

		if (step == 0)
			break;
		at += step;
	}
	return at;
}

bool utf8_is_valid(const uint8_t *bytes, size_t n)
{
	return utf8_valid_prefix(bytes, n) == n;
}

enum { SECONDS_A_DAY = 86400 };
#define SECOND_MAX INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

struct civil {
	unsigned year, month, day;
};

/* Days since 1970-01-01 to a date of the proleptic Gregorian calendar: eras of 400 years that
 * begin on 1 March, so that the leap day is the last of its year. */
static struct civil civil_of_days(unsigned days)
{
	unsigned z = days + 719468, era = z / 146097, doe = z % 146097;
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	unsigned month = mp < 10 ? mp + 3 : mp - 9;

	return (struct civil){ yoe + era * 400 + (month <= 2), month,
			       doy - (153 * mp + 2) / 5 + 1 };
}

static unsigned days_of_civil(struct civil c)
{
	unsigned y = c.year - (c.month <= 2), era = y / 400, yoe = y % 400;
	unsigned mp = c.month > 2 ? c.month - 3 : c.month + 9;
	unsigned doy = (153 * mp + 2) / 5 + c.day - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void put_two(char *p, unsigned v)
{
	memcpy(p, two_digits + (size_t)2 * v, 2);
}

static void format_second(char *p, int64_t second)
{
	unsigned days = (unsigned)(second / SECONDS_A_DAY), s = (unsigned)(second % SECONDS_A_DAY);
	struct civil c = civil_of_days(days);

	put_two(p, c.year / 100);
	put_two(p + 2, c.year % 100);
	p[4] = '-';
	put_two(p + 5, c.month);
	p[7] = '-';
	put_two(p + 8, c.day);
	p[10] = 'T';
	put_two(p + 11, s / 3600);
	p[13] = ':';
	put_two(p + 14, s / 60 % 60);
	p[16] = ':';
	put_two(p + 17, s % 60);
}

/* Writes the 19 bytes up to the second; returns the nanoseconds that are left. */
static uint32_t put_second(struct buf *b, struct rfc3339_cache *cache, int64_t realtime_ns)
{
	int64_t ns = realtime_ns < 0 ? 0 : realtime_ns, second = ns / 1000000000;

	if (second > SECOND_MAX)
		second = SECOND_MAX;
	if (!cache->valid || cache->second != second) {
		format_second(cache->text, second);
		cache->second = second;
		cache->valid = true;
	}
	buf_put(b, cache->text, 19);
	return (uint32_t)(ns % 1000000000);
}

void put_rfc3339_ns(struct buf *b, struct rfc3339_cache *cache, int64_t realtime_ns)
{
	uint32_t ns = put_second(b, cache, realtime_ns);
	char text[11];

	text[0] = '.';
	text[1] = (char)('0' + ns / 100000000);
	put_two(text + 2, ns / 1000000 % 100);
	put_two(text + 4, ns / 10000 % 100);
	put_two(text + 6, ns / 100 % 100);
	put_two(text + 8, ns % 100);
	text[10] = 'Z';
	buf_put(b, text, sizeof(text));
}

void put_rfc3339_s(struct buf *b, struct rfc3339_cache *cache, int64_t realtime_ns)
{
	(void)put_second(b, cache, realtime_ns);
	buf_put_byte(b, 'Z');
}

/* Digits at p[0..n) as a number; UINT32_MAX when one is not a digit. */
static uint32_t digits_at(const char *p, unsigned n)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return UINT32_MAX;
		v = v * 10 + (uint32_t)(p[i] - '0');
	}
	return v;
}

bool read_rfc3339(struct cht_str s, int64_t *realtime_ns)
{
	uint32_t hour, minute, second, ns = 0;
	char again[RFC3339_S_LEN];
	struct civil c;
	int64_t at;

	if ((s.len != RFC3339_S_LEN && s.len != RFC3339_NS_LEN) || s.ptr[s.len - 1] != 'Z')
		return false;
	c = (struct civil){ digits_at(s.ptr, 4), digits_at(s.ptr + 5, 2), digits_at(s.ptr + 8, 2) };
	hour = digits_at(s.ptr + 11, 2);
	minute = digits_at(s.ptr + 14, 2);
	second = digits_at(s.ptr + 17, 2);
	if (s.len == RFC3339_NS_LEN)
		ns = s.ptr[19] == '.' ? digits_at(s.ptr + 20, 9) : UINT32_MAX;
	if (c.year < 1970 || c.year > 9999 || c.month < 1 || c.month > 12 || c.day < 1 ||
	    c.day > 31 || hour > 23 || minute > 59 || second > 59 || ns == UINT32_MAX)
		return false;
	at = (int64_t)days_of_civil(c) * SECONDS_A_DAY + INT64_C(3600) * hour +
	     INT64_C(60) * minute + second;
	/* The 31st of a month with 30 days formats as another text. */
	format_second(again, at);
	if (memcmp(again, s.ptr, RFC3339_S_LEN - 1) != 0 || at > (INT64_MAX - ns) / 1000000000)
		return false;
	*realtime_ns = at * 1000000000 + ns;
	return true;
}

void put_uuid(struct buf *b, const uint8_t bytes[16])
{
	static const uint8_t groups[] = { 4, 2, 2, 2, 6 };

	for (size_t i = 0, at = 0; i < sizeof(groups); at += groups[i++]) {
		if (i > 0)
			buf_put_byte(b, '-');
		put_hex(b, bytes + at, groups[i]);
	}
}
