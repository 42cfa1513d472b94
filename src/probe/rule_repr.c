/* SPDX-License-Identifier: Apache-2.0 */
/* Each expression is its name and its attributes: by name those that rules are made of every day,
 * by number and in hex all others, so that nothing of a rule is left out. No library prints them:
 * ADR 0026. What counts is not printed, or no rule would look the same twice. */
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>

#include "base/bytes.h"
#include "base/text.h"
#include "probe/rule.h"

enum { HEX_MAX = 128, ATTRS_MAX = 16, REGISTERS = 32 };

enum form { FORM_NUMBER, FORM_WORD, FORM_TEXT, FORM_DATA };

struct field {
	uint16_t attr;
	enum form form;
	const char *label;        /* stands before it; "": nothing does */
	const char *const *words; /* FORM_WORD: by its number, null for one that has none */
	unsigned n_words;
};

enum { FIELDS_MAX = 7 };

struct shape {
	const char *name;
	struct field fields[FIELDS_MAX]; /* in this order; attr 0: no more */
	bool counts;                     /* what else it has, changes with each packet */
};

#define WORDS(list) list, sizeof(list) / sizeof((list)[0])

static const char *const meta_keys[] = {
	[NFT_META_LEN] = "length",        [NFT_META_PROTOCOL] = "protocol",
	[NFT_META_PRIORITY] = "priority", [NFT_META_MARK] = "mark",
	[NFT_META_IIF] = "iif",           [NFT_META_OIF] = "oif",
	[NFT_META_IIFNAME] = "iifname",   [NFT_META_OIFNAME] = "oifname",
	[NFT_META_IFTYPE] = "iiftype",    [NFT_META_OIFTYPE] = "oiftype",
	[NFT_META_SKUID] = "skuid",       [NFT_META_SKGID] = "skgid",
	[NFT_META_NFPROTO] = "nfproto",   [NFT_META_L4PROTO] = "l4proto",
	[NFT_META_PKTTYPE] = "pkttype",   [NFT_META_CPU] = "cpu",
	[NFT_META_IIFGROUP] = "iifgroup", [NFT_META_OIFGROUP] = "oifgroup",
	[NFT_META_CGROUP] = "cgroup",
};
static const char *const ct_keys[] = {
	[NFT_CT_STATE] = "state", [NFT_CT_DIRECTION] = "direction", [NFT_CT_STATUS] = "status",
	[NFT_CT_MARK] = "mark",   [NFT_CT_PROTOCOL] = "protocol",   [NFT_CT_PKTS] = "packets",
	[NFT_CT_BYTES] = "bytes", [NFT_CT_ZONE] = "zone",           [NFT_CT_ID] = "id",
};
static const char *const compares[] = {
	[NFT_CMP_EQ] = "==",  [NFT_CMP_NEQ] = "!=", [NFT_CMP_LT] = "<",
	[NFT_CMP_LTE] = "<=", [NFT_CMP_GT] = ">",   [NFT_CMP_GTE] = ">=",
};
static const char *const ranges[] = { [NFT_RANGE_EQ] = "==", [NFT_RANGE_NEQ] = "!=" };
static const char *const bases[] = {
	[NFT_PAYLOAD_LL_HEADER] = "link",
	[NFT_PAYLOAD_NETWORK_HEADER] = "network",
	[NFT_PAYLOAD_TRANSPORT_HEADER] = "transport",
	[NFT_PAYLOAD_INNER_HEADER] = "inner",
};

static const struct shape shapes[] = {
	{ "bitwise",
	  { { NFTA_BITWISE_SREG, FORM_NUMBER, "reg ", NULL, 0 },
	    { NFTA_BITWISE_OP, FORM_NUMBER, "op ", NULL, 0 },
	    { NFTA_BITWISE_LEN, FORM_NUMBER, "len ", NULL, 0 },
	    { NFTA_BITWISE_MASK, FORM_DATA, "& ", NULL, 0 },
	    { NFTA_BITWISE_XOR, FORM_DATA, "^ ", NULL, 0 },
	    { NFTA_BITWISE_DATA, FORM_DATA, "", NULL, 0 },
	    { NFTA_BITWISE_DREG, FORM_NUMBER, "=> reg ", NULL, 0 } },
	  false },
	{ "cmp",
	  { { NFTA_CMP_SREG, FORM_NUMBER, "reg ", NULL, 0 },
	    { NFTA_CMP_OP, FORM_WORD, "", WORDS(compares) },
	    { NFTA_CMP_DATA, FORM_DATA, "", NULL, 0 } },
	  false },
	{ .name = "counter", .counts = true },
	{ "ct",
	  { { NFTA_CT_KEY, FORM_WORD, "", WORDS(ct_keys) },
	    { NFTA_CT_DIRECTION, FORM_NUMBER, "dir ", NULL, 0 },
	    { NFTA_CT_SREG, FORM_NUMBER, "<= reg ", NULL, 0 },
	    { NFTA_CT_DREG, FORM_NUMBER, "=> reg ", NULL, 0 } },
	  false },
	{ "immediate",
	  { { NFTA_IMMEDIATE_DATA, FORM_DATA, "", NULL, 0 },
	    { NFTA_IMMEDIATE_DREG, FORM_NUMBER, "=> reg ", NULL, 0 } },
	  false },
	{ .name = "last", .counts = true },
	{ "limit",
	  { { NFTA_LIMIT_RATE, FORM_NUMBER, "rate ", NULL, 0 },
	    { NFTA_LIMIT_UNIT, FORM_NUMBER, "per ", NULL, 0 },
	    { NFTA_LIMIT_BURST, FORM_NUMBER, "burst ", NULL, 0 },
	    { NFTA_LIMIT_TYPE, FORM_NUMBER, "type ", NULL, 0 },
	    { NFTA_LIMIT_FLAGS, FORM_NUMBER, "flags ", NULL, 0 } },
	  false },
	{ "log",
	  { { NFTA_LOG_PREFIX, FORM_TEXT, "prefix ", NULL, 0 },
	    { NFTA_LOG_GROUP, FORM_NUMBER, "group ", NULL, 0 },
	    { NFTA_LOG_LEVEL, FORM_NUMBER, "level ", NULL, 0 } },
	  false },
	{ "lookup",
	  { { NFTA_LOOKUP_SREG, FORM_NUMBER, "reg ", NULL, 0 },
	    { NFTA_LOOKUP_SET, FORM_TEXT, "set ", NULL, 0 },
	    { NFTA_LOOKUP_FLAGS, FORM_NUMBER, "flags ", NULL, 0 },
	    { NFTA_LOOKUP_DREG, FORM_NUMBER, "=> reg ", NULL, 0 } },
	  false },
	{ "match",
	  { { NFTA_MATCH_NAME, FORM_TEXT, "", NULL, 0 },
	    { NFTA_MATCH_REV, FORM_NUMBER, "rev ", NULL, 0 },
	    { NFTA_MATCH_INFO, FORM_NUMBER, "info ", NULL, 0 } },
	  false },
	{ "meta",
	  { { NFTA_META_KEY, FORM_WORD, "", WORDS(meta_keys) },
	    { NFTA_META_SREG, FORM_NUMBER, "<= reg ", NULL, 0 },
	    { NFTA_META_DREG, FORM_NUMBER, "=> reg ", NULL, 0 } },
	  false },
	{ "payload",
	  { { NFTA_PAYLOAD_BASE, FORM_WORD, "", WORDS(bases) },
	    { NFTA_PAYLOAD_OFFSET, FORM_NUMBER, "offset ", NULL, 0 },
	    { NFTA_PAYLOAD_LEN, FORM_NUMBER, "len ", NULL, 0 },
	    { NFTA_PAYLOAD_SREG, FORM_NUMBER, "<= reg ", NULL, 0 },
	    { NFTA_PAYLOAD_DREG, FORM_NUMBER, "=> reg ", NULL, 0 } },
	  false },
	{ "quota",
	  { { NFTA_QUOTA_BYTES, FORM_NUMBER, "bytes ", NULL, 0 },
	    { NFTA_QUOTA_FLAGS, FORM_NUMBER, "flags ", NULL, 0 } },
	  true },
	{ "range",
	  { { NFTA_RANGE_SREG, FORM_NUMBER, "reg ", NULL, 0 },
	    { NFTA_RANGE_OP, FORM_WORD, "", WORDS(ranges) },
	    { NFTA_RANGE_FROM_DATA, FORM_DATA, "", NULL, 0 },
	    { NFTA_RANGE_TO_DATA, FORM_DATA, "to ", NULL, 0 } },
	  false },
	{ "reject",
	  { { NFTA_REJECT_TYPE, FORM_NUMBER, "type ", NULL, 0 },
	    { NFTA_REJECT_ICMP_CODE, FORM_NUMBER, "code ", NULL, 0 } },
	  false },
	{ "target",
	  { { NFTA_TARGET_NAME, FORM_TEXT, "", NULL, 0 },
	    { NFTA_TARGET_REV, FORM_NUMBER, "rev ", NULL, 0 },
	    { NFTA_TARGET_INFO, FORM_NUMBER, "info ", NULL, 0 } },
	  false },
};

/* Of one rule. */
struct printing {
	struct buf *b;
	const struct shape *shape; /* of the expression; null: it has none */
	bool any;                  /* of the expression's attributes one was put */
	bool is_name[REGISTERS];   /* the register has a link's name */
	uint32_t reg;              /* that the expression reads */
};

static bool is_plain(struct cht_bytes s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] < 0x20 || s.ptr[i] > 0x7e || s.ptr[i] == '"' || s.ptr[i] == '\\')
			return false;
	return s.len > 0;
}

static void put_raw(struct buf *b, struct cht_bytes s)
{
	size_t shown = s.len < HEX_MAX ? s.len : HEX_MAX;

	buf_put_lit(b, "0x");
	put_hex(b, s.ptr, shown);
	if (shown < s.len)
		buf_put_lit(b, "...");
}

/* Behind it: "*", when it has no end, and so stands for all that begins like it. */
static void put_text(struct buf *b, struct cht_bytes s, bool may_begin)
{
	const uint8_t *end = s.len > 0 ? memchr(s.ptr, '\0', s.len) : NULL;
	struct cht_bytes text = { s.ptr, end != NULL ? (size_t)(end - s.ptr) : s.len };

	if (!is_plain(text)) {
		put_raw(b, s);
		return;
	}
	buf_put_byte(b, '"');
	buf_put(b, text.ptr, text.len);
	if (may_begin && end == NULL)
		buf_put_byte(b, '*');
	buf_put_byte(b, '"');
}

/* Of one, two, four or eight bytes; anything else as it is. */
static bool read_number(struct cht_bytes s, uint64_t *out)
{
	uint64_t v = 0;

	if (s.len != 1 && s.len != 2 && s.len != 4 && s.len != 8)
		return false;
	for (size_t i = 0; i < s.len; i++)
		v = v << 8 | s.ptr[i];
	*out = v;
	return true;
}

static void put_number(struct buf *b, struct cht_bytes s)
{
	uint64_t v;

	if (read_number(s, &v))
		put_u64(b, v);
	else
		put_raw(b, s);
}

static void put_word(struct buf *b, struct cht_bytes s, const struct field *f)
{
	uint64_t v;

	if (read_number(s, &v) && v < f->n_words && f->words[v] != NULL)
		buf_put_str(b, str_of(f->words[v]));
	else
		put_number(b, s);
}

static void put_verdict(struct buf *b, const struct nlattr *attr)
{
	static const char *const below[] = { "", "continue", "break", "jump", "goto", "return" };
	const struct nlattr *found[NFTA_VERDICT_CHAIN + 1];
	uint32_t code = UINT32_MAX / 2, back;

	nl_collect(nl_bytes(attr), 0, found, NFTA_VERDICT_CHAIN + 1);
	(void)nl_be32(found[NFTA_VERDICT_CODE], &code);
	back = 0 - code;
	if (code == NF_DROP)
		buf_put_lit(b, "drop");
	else if (code == NF_ACCEPT)
		buf_put_lit(b, "accept");
	else if (back < sizeof(below) / sizeof(below[0]))
		buf_put_str(b, str_of(below[back]));
	else
		put_raw(b, nl_bytes(attr));
	if (found[NFTA_VERDICT_CHAIN] == NULL)
		return;
	buf_put_byte(b, ' ');
	put_text(b, nl_bytes(found[NFTA_VERDICT_CHAIN]), false);
}

static void put_data(struct printing *p, const struct nlattr *attr)
{
	const struct nlattr *found[NFTA_DATA_VERDICT + 1];
	struct cht_bytes value;

	nl_collect(nl_bytes(attr), 0, found, NFTA_DATA_VERDICT + 1);
	value = nl_bytes(found[NFTA_DATA_VALUE]);
	if (found[NFTA_DATA_VERDICT] != NULL)
		put_verdict(p->b, found[NFTA_DATA_VERDICT]);
	else if (p->reg < REGISTERS && p->is_name[p->reg])
		put_text(p->b, value, true);
	else
		put_raw(p->b, value);
}

static void put_field(struct printing *p, const struct field *f, const struct nlattr *attr)
{
	buf_put_str(p->b, str_of(f->label));
	switch (f->form) {
	case FORM_NUMBER: put_number(p->b, nl_bytes(attr)); break;
	case FORM_WORD: put_word(p->b, nl_bytes(attr), f); break;
	case FORM_TEXT: put_text(p->b, nl_bytes(attr), false); break;
	case FORM_DATA: put_data(p, attr); break;
	}
}

/* What the registers are, once this expression was looked at. */
static void follow(struct printing *p, const char *name, const struct nlattr *const *found)
{
	uint32_t key = 0, reg = REGISTERS;
	bool is_meta = strcmp(name, "meta") == 0;

	p->reg = REGISTERS;
	if (strcmp(name, "cmp") == 0)
		(void)nl_be32(found[NFTA_CMP_SREG], &p->reg);
	if (is_meta)
		(void)nl_be32(found[NFTA_META_DREG], &reg);
	else if (strcmp(name, "payload") == 0)
		(void)nl_be32(found[NFTA_PAYLOAD_DREG], &reg);
	else if (strcmp(name, "ct") == 0)
		(void)nl_be32(found[NFTA_CT_DREG], &reg);
	else if (strcmp(name, "bitwise") == 0)
		(void)nl_be32(found[NFTA_BITWISE_DREG], &reg);
	if (reg >= REGISTERS)
		return;
	p->is_name[reg] = is_meta && nl_be32(found[NFTA_META_KEY], &key) &&
			  (key == NFT_META_IIFNAME || key == NFT_META_OIFNAME);
}

static const struct shape *find_shape(struct cht_str name)
{
	for (unsigned i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		if (str_eq(name, str_of(shapes[i].name)))
			return &shapes[i];
	return NULL;
}

static void put_between(struct printing *p)
{
	buf_put_byte(p->b, p->any ? ' ' : '(');
	p->any = true;
}

static bool is_in(const struct shape *shape, uint16_t attr)
{
	for (unsigned i = 0; shape != NULL && i < FIELDS_MAX; i++)
		if (attr != 0 && shape->fields[i].attr == attr)
			return true;
	return false;
}

/* What has no words here. One without a value only fills up. */
static int put_by_number(const struct nlattr *attr, void *data)
{
	struct printing *p = data;

	if (mnl_attr_get_payload_len(attr) == 0 || is_in(p->shape, mnl_attr_get_type(attr)))
		return MNL_CB_OK;
	put_between(p);
	put_u64(p->b, mnl_attr_get_type(attr));
	buf_put_byte(p->b, '=');
	put_raw(p->b, nl_bytes(attr));
	return MNL_CB_OK;
}

static void put_fields(struct printing *p, struct cht_bytes attrs)
{
	const struct nlattr *found[ATTRS_MAX];

	nl_collect(attrs, 0, found, ATTRS_MAX);
	follow(p, p->shape->name, found);
	for (unsigned i = 0; i < FIELDS_MAX && p->shape->fields[i].attr != 0; i++) {
		const struct field *f = &p->shape->fields[i];

		if (found[f->attr] == NULL)
			continue;
		put_between(p);
		put_field(p, f, found[f->attr]);
	}
}

/* "accept", and not "immediate(accept => reg 0)". */
static bool put_as_verdict(struct printing *p, struct cht_str name, struct cht_bytes attrs)
{
	const struct nlattr *found[NFTA_IMMEDIATE_MAX + 1], *data[NFTA_DATA_VERDICT + 1];

	if (!str_eq(name, STR("immediate")))
		return false;
	nl_collect(attrs, 0, found, NFTA_IMMEDIATE_MAX + 1);
	nl_collect(nl_bytes(found[NFTA_IMMEDIATE_DATA]), 0, data, NFTA_DATA_VERDICT + 1);
	if (data[NFTA_DATA_VERDICT] == NULL)
		return false;
	put_verdict(p->b, data[NFTA_DATA_VERDICT]);
	return true;
}

static void put_expression(struct printing *p, const struct nlattr *element)
{
	const struct nlattr *expr[NFTA_EXPR_MAX + 1];
	struct cht_bytes attrs;
	struct cht_str name;

	nl_collect(nl_bytes(element), 0, expr, NFTA_EXPR_MAX + 1);
	attrs = nl_bytes(expr[NFTA_EXPR_DATA]);
	if (!nl_text(expr[NFTA_EXPR_NAME], &name) ||
	    !is_plain((struct cht_bytes){ (const uint8_t *)name.ptr, name.len })) {
		put_raw(p->b, nl_bytes(element));
		return;
	}
	if (put_as_verdict(p, name, attrs))
		return;
	buf_put_str(p->b, name);
	p->any = false;
	p->shape = find_shape(name);
	if (p->shape != NULL)
		put_fields(p, attrs);
	if (attrs.len > 0 && (p->shape == NULL || !p->shape->counts))
		(void)mnl_attr_parse_payload(attrs.ptr, attrs.len, put_by_number, p);
	if (p->any)
		buf_put_byte(p->b, ')');
}

/* One that does not fit whole is not begun. */
static int put_one(const struct nlattr *element, void *data)
{
	struct printing *p = data;
	uint8_t *begin = p->b->at;

	if (begin > p->b->start)
		buf_put_byte(p->b, ' ');
	put_expression(p, element);
	if (!p->b->full)
		return MNL_CB_OK;
	p->b->at = begin;
	return MNL_CB_STOP;
}

void rule_put_repr(struct buf *b, const struct rule *rule)
{
	static const struct cht_str more = STR_INIT(" ...");
	uint8_t mem[RULE_REPR_MAX];
	struct buf text = buf_init(mem, sizeof(mem) - more.len);
	struct printing p = { .b = &text, .reg = REGISTERS };

	if (rule->expressions.len > 0)
		(void)mnl_attr_parse_payload(rule->expressions.ptr, rule->expressions.len, put_one,
					     &p);
	buf_put_str(b, (struct cht_str){ (char *)mem, buf_len(&text) });
	if (text.full)
		buf_put_str(b, more);
}
