/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/flat.h"

#include "base/bytes.h"
#include "base/json.h"
#include "base/text.h"

struct pair {
	struct cht_str name;
	uint64_t value;
};

bool take_line(struct cht_bytes *text, struct cht_str *line)
{
	const uint8_t *end;

	if (text->len == 0)
		return false;
	end = memchr(text->ptr, '\n', text->len);
	line->ptr = (const char *)text->ptr;
	line->len = end != NULL ? (size_t)(end - text->ptr) : text->len;
	text->ptr += line->len;
	text->len -= line->len;
	if (end != NULL) {
		text->ptr++;
		text->len--;
	}
	return true;
}

/* A key needs no escape. */
static bool is_name(struct cht_str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] <= 0x20 || s.ptr[i] > 0x7e || s.ptr[i] == '"' || s.ptr[i] == '\\')
			return false;
	return s.len > 0 && s.len <= FLAT_NAME_MAX;
}

static bool read_pair(struct cht_str line, struct pair *out)
{
	const char *blank = memchr(line.ptr, ' ', line.len);
	size_t len = blank != NULL ? (size_t)(blank - line.ptr) : 0;

	out->name = (struct cht_str){ line.ptr, len };
	return len > 0 && is_name(out->name) &&
	       read_u64((struct cht_str){ blank + 1, line.len - len - 1 }, UINT64_MAX, &out->value);
}

static int order_of(struct cht_str a, struct cht_str b)
{
	int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* Into its place; false: the name is there already. */
static bool insert(struct pair *pairs, size_t n, const struct pair *one)
{
	size_t at = n;

	while (at > 0) {
		int order = order_of(pairs[at - 1].name, one->name);

		if (order == 0)
			return false;
		if (order < 0)
			break;
		pairs[at] = pairs[at - 1];
		at--;
	}
	pairs[at] = *one;
	return true;
}

bool flat_put(struct buf *b, struct cht_bytes text)
{
	struct pair pairs[FLAT_LINES_MAX + 1], one;
	struct cht_str line;
	size_t n = 0;
	bool ok = true;

	while (ok && take_line(&text, &line))
		ok = read_pair(line, &one) && n < FLAT_LINES_MAX && insert(pairs, n++, &one);
	buf_put_byte(b, '{');
	for (size_t i = 0; ok && i < n; i++) {
		if (i > 0)
			buf_put_byte(b, ',');
		json_put_str(b, pairs[i].name);
		buf_put_byte(b, ':');
		put_u64(b, pairs[i].value);
	}
	buf_put_byte(b, '}');
	return ok;
}

bool flat_find(struct cht_bytes text, struct cht_str name, uint64_t *value)
{
	struct cht_str line;
	struct pair one;

	while (take_line(&text, &line)) {
		if (!read_pair(line, &one) || !str_eq(one.name, name))
			continue;
		*value = one.value;
		return true;
	}
	return false;
}

bool flat_number(struct cht_bytes text, uint64_t *value)
{
	struct cht_str line;

	return take_line(&text, &line) && text.len == 0 && read_u64(line, UINT64_MAX, value);
}
