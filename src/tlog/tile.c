/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "base/text.h"
#include "tlog/tlog.h"

enum {
	GROUPS_MAX = 7, /* of three digits, in any number of 64 bits */
	PATH_MAX_BYTES = 64,
};

/* How many hashes a level has, entries being level 0. */
static uint64_t count(unsigned level, uint64_t size)
{
	return level < TLOG_LEVELS ? size >> (TLOG_TILE_BITS * level) : 0;
}

unsigned tlog_tile_width(unsigned level, uint64_t n, uint64_t size)
{
	uint64_t hashes = count(level, size), full = hashes / TLOG_TILE_WIDTH;

	if (n < full)
		return TLOG_TILE_WIDTH;
	return n == full ? (unsigned)(hashes % TLOG_TILE_WIDTH) : 0;
}

static void put_group(struct buf *b, unsigned v)
{
	buf_put_byte(b, (uint8_t)('0' + v / 100));
	buf_put_byte(b, (uint8_t)('0' + v / 10 % 10));
	buf_put_byte(b, (uint8_t)('0' + v % 10));
}

void tlog_tile_put_path(struct buf *b, const struct tlog_tile *tile)
{
	unsigned groups[GROUPS_MAX], n = 0;
	uint64_t v = tile->n;

	buf_put_lit(b, "tile/");
	if (tile->is_entries)
		buf_put_lit(b, "entries");
	else
		put_u64(b, tile->level);
	do {
		groups[n++] = (unsigned)(v % 1000);
		v /= 1000;
	} while (v > 0);
	while (n-- > 0) {
		buf_put_byte(b, '/');
		if (n > 0)
			buf_put_byte(b, 'x');
		put_group(b, groups[n]);
	}
	if (tile->width < TLOG_TILE_WIDTH) {
		buf_put_lit(b, ".p/");
		put_u64(b, tile->width);
	}
}

/* Takes prefix off s. */
static bool take(struct cht_str *s, struct cht_str prefix)
{
	if (!str_starts(*s, prefix))
		return false;
	s->ptr += prefix.len;
	s->len -= prefix.len;
	return true;
}

/* Takes up to three digits off s; at least one. */
static bool take_number(struct cht_str *s, unsigned *out)
{
	unsigned v = 0, n = 0;

	for (; n < 3 && n < s->len && s->ptr[n] >= '0' && s->ptr[n] <= '9'; n++)
		v = v * 10 + (unsigned)(s->ptr[n] - '0');
	s->ptr += n;
	s->len -= n;
	*out = v;
	return n > 0;
}

/* The parts of a path, loosely: what is no tile's, or too long a number, is told by the caller. */
static bool read_parts(struct cht_str s, struct tlog_tile *out)
{
	unsigned group;
	bool more;

	if (!take(&s, STR("tile/")))
		return false;
	out->is_entries = take(&s, STR("entries"));
	if (!out->is_entries && !take_number(&s, &out->level))
		return false;
	do {
		if (!take(&s, STR("/")))
			return false;
		more = take(&s, STR("x"));
		if (!take_number(&s, &group))
			return false;
		out->n = out->n * 1000 + group;
	} while (more);
	return s.len == 0 || (take(&s, STR(".p/")) && take_number(&s, &out->width) && s.len == 0);
}

bool tlog_tile_read_path(struct cht_str path, struct tlog_tile *out)
{
	struct tlog_tile tile = { .width = TLOG_TILE_WIDTH };
	char again[PATH_MAX_BYTES];
	struct buf b = buf_init(again, sizeof(again));

	if (!read_parts(path, &tile))
		return false;
	/* One spelling: leading zeros, a width of 256, too few digits are told from it. */
	tlog_tile_put_path(&b, &tile);
	if (b.full || !str_eq(path, (struct cht_str){ again, buf_len(&b) }))
		return false;
	if (tile.width == 0 || tile.width > tlog_tile_width(tile.level, tile.n, TLOG_SIZE_MAX))
		return false;
	*out = tile;
	return true;
}
