/* SPDX-License-Identifier: Apache-2.0 */
/* One pass down the document. Strings are made plain where they stand, for no string grows by
 * that; so names are compared as bytes. Recursion ends at FC_DOC_DEPTH_MAX. */
#include "probe/fc_doc.h"

#include "base/bytes.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"

struct parser {
	struct fc_doc *doc;
	uint8_t *text;
	size_t at, len;
	unsigned depth;
	int fault; /* the first; nothing is read after it */
};

_Static_assert(FC_DOC_VALUES_MAX <= UINT16_MAX, "places are 16 bits");

static void fail(struct parser *p, int code)
{
	if (p->fault == 0)
		p->fault = code;
}

/* The next byte; 0: the end, or a fault before. A NUL is nowhere allowed. */
static uint8_t peek(const struct parser *p)
{
	return p->fault == 0 && p->at < p->len ? p->text[p->at] : 0;
}

static void skip_blanks(struct parser *p)
{
	uint8_t c = peek(p);

	while (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
		p->at++;
		c = peek(p);
	}
}

static bool take(struct parser *p, uint8_t c)
{
	if (peek(p) != c)
		return false;
	p->at++;
	return true;
}

static void expect(struct parser *p, uint8_t c)
{
	if (!take(p, c))
		fail(p, CHT_E_PARSE);
}

/* ---- strings */

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Behind a \u: four digits. */
static uint32_t read_unit(struct parser *p)
{
	uint32_t unit = 0;

	for (unsigned i = 0; i < 4; i++) {
		int value = hex_value(peek(p));

		if (value < 0) {
			fail(p, CHT_E_PARSE);
			return 0;
		}
		unit = unit << 4 | (uint32_t)value;
		p->at++;
	}
	return unit;
}

/* Two of UTF-16 where the first is half of one; a half alone is no character. */
static uint32_t read_point(struct parser *p)
{
	uint32_t high = read_unit(p), low;

	if (high < 0xd800 || high > 0xdfff)
		return high;
	expect(p, '\\');
	expect(p, 'u');
	low = read_unit(p);
	if (high > 0xdbff || low < 0xdc00 || low > 0xdfff) {
		fail(p, CHT_E_PARSE);
		return 0;
	}
	return 0x10000 + ((high - 0xd800) << 10 | (low - 0xdc00));
}

static size_t put_point(uint8_t *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (uint8_t)(0xc0 | c >> 6);
		out[1] = (uint8_t)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (uint8_t)(0xe0 | c >> 12);
		out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		out[2] = (uint8_t)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | c >> 18);
	out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
	out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
	out[3] = (uint8_t)(0x80 | (c & 0x3f));
	return 4;
}

/* Behind a backslash; what it stands for goes to out, which is before where we read. */
static size_t read_escape(struct parser *p, uint8_t *out)
{
	static const char letters[] = "\"\\/bfnrt", plain[] = "\"\\/\b\f\n\r\t";
	uint8_t c = peek(p);
	const char *found = c != 0 ? strchr(letters, c) : NULL;

	p->at += c != 0;
	if (c == 'u')
		return put_point(out, read_point(p));
	if (found == NULL) {
		fail(p, CHT_E_PARSE);
		return 0;
	}
	out[0] = (uint8_t)plain[found - letters];
	return 1;
}

static bool is_plain(uint8_t c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* One character that is not plain, or the fault of it; what it stands for goes to out. */
static size_t read_odd(struct parser *p, uint8_t *out)
{
	uint8_t c = peek(p);
	size_t n;

	if (c == '\\') {
		p->at++;
		return read_escape(p, out);
	}
	n = c < 0x20 ? 0 : utf8_sequence(p->text + p->at, p->len - p->at);
	if (n == 0)
		fail(p, CHT_E_PARSE);
	memmove(out, p->text + p->at, n);
	p->at += n;
	return n;
}

/* From its first quote to behind its last. */
static void read_string(struct parser *p, uint32_t *at, uint32_t *len)
{
	uint8_t *out;

	expect(p, '"');
	*at = (uint32_t)p->at;
	out = p->text + p->at;
	while (p->fault == 0) {
		size_t from = p->at, n;

		while (p->at < p->len && is_plain(p->text[p->at]))
			p->at++;
		n = p->at - from;
		if (out != p->text + from)
			memmove(out, p->text + from, n);
		out += n;
		if (take(p, '"'))
			break;
		out += read_odd(p, out);
	}
	*len = (uint32_t)(out - p->text) - *at;
}

/* ---- numbers and words */

static void read_digits(struct parser *p)
{
	if (peek(p) < '0' || peek(p) > '9')
		fail(p, CHT_E_PARSE);
	while (peek(p) >= '0' && peek(p) <= '9')
		p->at++;
}

static void read_number(struct parser *p)
{
	(void)take(p, '-');
	if (!take(p, '0'))
		read_digits(p);
	if (take(p, '.'))
		read_digits(p);
	if (take(p, 'e') || take(p, 'E')) {
		if (!take(p, '+'))
			(void)take(p, '-');
		read_digits(p);
	}
}

static void read_word(struct parser *p)
{
	static const struct cht_str words[] = { STR_INIT("true"), STR_INIT("false"),
						STR_INIT("null") };
	const struct cht_str rest = { (const char *)p->text + p->at, p->len - p->at };

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!str_starts(rest, words[i]))
			continue;
		p->at += words[i].len;
		return;
	}
	fail(p, CHT_E_PARSE);
}

/* ---- members in their order */

static int order_of(const struct fc_doc *doc, unsigned a, unsigned b)
{
	const struct fc_value *x = &doc->values[a], *y = &doc->values[b];
	int order = memcmp(doc->text + x->key_at, doc->text + y->key_at,
			   x->key_len < y->key_len ? x->key_len : y->key_len);

	return order != 0 ? order : (x->key_len > y->key_len) - (x->key_len < y->key_len);
}

static unsigned merge(struct fc_doc *doc, unsigned a, unsigned b, bool *twice)
{
	unsigned first = 0, last = 0;

	while (a != 0 && b != 0) {
		int order = order_of(doc, a, b);
		unsigned *from = order <= 0 ? &a : &b;

		*twice = *twice || order == 0;
		if (last == 0)
			first = *from;
		else
			doc->values[last].next = (uint16_t)*from;
		last = *from;
		*from = doc->values[last].next;
	}
	doc->values[last].next = (uint16_t)(a != 0 ? a : b);
	return first;
}

/* The n members from list on; *rest: what follows them. */
static unsigned sort(struct fc_doc *doc, unsigned list, unsigned n, unsigned *rest, bool *twice)
{
	unsigned a, b, middle;

	if (n == 1) {
		*rest = doc->values[list].next;
		doc->values[list].next = 0;
		return list;
	}
	a = sort(doc, list, n / 2, &middle, twice);
	b = sort(doc, middle, n - n / 2, rest, twice);
	return merge(doc, a, b, twice);
}

/* ---- values */

static unsigned read_value(struct parser *p);

/* A name that needs an escape in JSON is not taken: events have none. */
static void read_key(struct parser *p, uint32_t *at, uint32_t *len)
{
	read_string(p, at, len);
	for (uint32_t i = 0; p->fault == 0 && i < *len; i++) {
		uint8_t c = p->text[*at + i];

		if (c < 0x20 || c == '"' || c == '\\')
			fail(p, CHT_E_PARSE);
	}
	skip_blanks(p);
	expect(p, ':');
	skip_blanks(p);
}

/* What is between the brackets; returns how many, *first the first of them. */
static unsigned read_items(struct parser *p, bool is_object, uint8_t end, unsigned *first)
{
	unsigned n = 0, last = 0;

	skip_blanks(p);
	if (take(p, end))
		return 0;
	while (p->fault == 0) {
		uint32_t key_at = 0, key_len = 0;
		unsigned v;

		if (is_object)
			read_key(p, &key_at, &key_len);
		v = read_value(p);
		if (p->fault != 0)
			break;
		p->doc->values[v].key_at = key_at;
		p->doc->values[v].key_len = key_len;
		if (n++ == 0)
			*first = v;
		else
			p->doc->values[last].next = (uint16_t)v;
		last = v;
		skip_blanks(p);
		if (take(p, end))
			break;
		expect(p, ',');
		skip_blanks(p);
	}
	return n;
}

static void read_inside(struct parser *p, unsigned v)
{
	bool is_object = p->doc->values[v].kind == FC_OBJECT, twice = false;
	unsigned n, rest, first = 0;

	if (++p->depth > FC_DOC_DEPTH_MAX)
		fail(p, CHT_E_PARSE);
	p->at++;
	n = read_items(p, is_object, is_object ? '}' : ']', &first);
	p->depth--;
	if (p->fault != 0 || n == 0)
		return;
	if (is_object)
		first = sort(p->doc, first, n, &rest, &twice);
	if (twice)
		fail(p, CHT_E_PARSE);
	p->doc->values[v].first = (uint16_t)first;
}

static enum fc_doc_kind kind_of(uint8_t c)
{
	switch (c) {
	case '{': return FC_OBJECT;
	case '[': return FC_ARRAY;
	case '"': return FC_STRING;
	default: return c == '-' || (c >= '0' && c <= '9') ? FC_NUMBER : FC_LITERAL;
	}
}

static unsigned read_value(struct parser *p)
{
	enum fc_doc_kind kind = kind_of(peek(p));
	unsigned v = p->doc->n;
	uint32_t at = (uint32_t)p->at, len = 0;

	if (p->fault != 0 || v == p->doc->cap) {
		fail(p, CHT_E_LIMIT);
		return 0;
	}
	p->doc->n++;
	p->doc->values[v] = (struct fc_value){ .kind = (uint16_t)kind };
	if (kind == FC_OBJECT || kind == FC_ARRAY) {
		read_inside(p, v);
		return v;
	}
	if (kind == FC_STRING)
		read_string(p, &at, &len);
	else if (kind == FC_NUMBER)
		read_number(p);
	else
		read_word(p);
	p->doc->values[v].at = at;
	p->doc->values[v].len = kind == FC_STRING ? len : (uint32_t)p->at - at;
	return v;
}

int fc_doc_parse(struct fc_doc *doc, uint8_t *text, size_t len, size_t *at)
{
	struct parser p = { .doc = doc, .text = text, .len = len };

	doc->text = text;
	doc->n = 0;
	if (doc->cap > FC_DOC_VALUES_MAX)
		doc->cap = FC_DOC_VALUES_MAX;
	skip_blanks(&p);
	if (peek(&p) != '{' || len > UINT32_MAX)
		fail(&p, CHT_E_PARSE);
	(void)read_value(&p);
	skip_blanks(&p);
	if (p.at != len)
		fail(&p, CHT_E_PARSE);
	if (p.fault != 0 && at != NULL)
		*at = p.at;
	return p.fault;
}

static struct cht_str text_at(const struct fc_doc *doc, uint32_t at, uint32_t len)
{
	return (struct cht_str){ (const char *)doc->text + at, len };
}

void fc_doc_put(struct buf *b, const struct fc_doc *doc, unsigned v)
{
	const struct fc_value *value = &doc->values[v];
	bool is_object = value->kind == FC_OBJECT;

	if (value->kind == FC_STRING) {
		json_put_str(b, text_at(doc, value->at, value->len));
		return;
	}
	if (value->kind == FC_NUMBER || value->kind == FC_LITERAL) {
		buf_put_str(b, text_at(doc, value->at, value->len));
		return;
	}
	buf_put_byte(b, is_object ? '{' : '[');
	for (unsigned i = value->first; i != 0; i = doc->values[i].next) {
		if (i != value->first)
			buf_put_byte(b, ',');
		if (is_object) {
			json_put_str(b,
				     text_at(doc, doc->values[i].key_at, doc->values[i].key_len));
			buf_put_byte(b, ':');
		}
		fc_doc_put(b, doc, i);
	}
	buf_put_byte(b, is_object ? '}' : ']');
}

unsigned fc_doc_find(const struct fc_doc *doc, unsigned v, struct cht_str name)
{
	unsigned i = doc->values[v].kind == FC_OBJECT ? doc->values[v].first : 0;

	while (i != 0 && !str_eq(text_at(doc, doc->values[i].key_at, doc->values[i].key_len), name))
		i = doc->values[i].next;
	return i;
}

bool fc_doc_u64(const struct fc_doc *doc, unsigned v, uint64_t *out)
{
	const struct fc_value *value = &doc->values[v];

	return value->kind == FC_NUMBER &&
	       read_u64(text_at(doc, value->at, value->len), UINT64_MAX, out);
}

struct cht_str fc_doc_str(const struct fc_doc *doc, unsigned v)
{
	const struct fc_value *value = &doc->values[v];

	return value->kind == FC_STRING ? text_at(doc, value->at, value->len)
					: (struct cht_str){ NULL, 0 };
}
