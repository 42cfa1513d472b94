/* SPDX-License-Identifier: Apache-2.0
 *
 * A policy is read line by line into tables. Who is named must have been defined above, so groups
 * cannot form a circle, and one pass in their order tells which are met.
 */
#include "base/bytes.h"
#include "base/err.h"
#include "base/text.h"
#include "tlog/line.h"
#include "tlog/tlog.h"

enum {
	NOBODY = -1,
	FIRST_GROUP = TLOG_POLICY_WITNESSES_MAX,
	NODES = TLOG_POLICY_MEMBERS_MAX, /* witnesses and groups */
	NAME_SHOWN = 48,                 /* bytes of a name in a message */
};

struct reader {
	struct tlog_policy *policy;
	struct cht_err *err;
	uint32_t line;
	bool has_quorum;
	bool is_member[NODES];
};

#define FAULT(in, ...) cht_fail_value((in)->err, CHT_E_PARSE, (in)->line, "policy: " __VA_ARGS__)

/* For "%.*s". */
#define SHOWN(s) (int)((s).len < NAME_SHOWN ? (s).len : NAME_SHOWN), (s).ptr

/* Takes the next word off the line; empty when there is none. */
static struct cht_str take_word(struct cht_str *line)
{
	struct cht_str word;
	size_t n = 0;

	while (line->len > 0 && (*line->ptr == ' ' || *line->ptr == '\t')) {
		line->ptr++;
		line->len--;
	}
	while (n < line->len && line->ptr[n] != ' ' && line->ptr[n] != '\t')
		n++;
	word = (struct cht_str){ line->ptr, n };
	line->ptr += n;
	line->len -= n;
	return word;
}

/* The number of a witness or group as members[] has it, or NOBODY. */
static int find(const struct tlog_policy *p, struct cht_str name)
{
	for (unsigned i = 0; i < p->n_witnesses; i++)
		if (str_eq(p->witnesses[i].name, name))
			return (int)i;
	for (unsigned i = 0; i < p->n_groups; i++)
		if (str_eq(p->groups[i].name, name))
			return (int)(FIRST_GROUP + i);
	return NOBODY;
}

static int check_new_name(struct reader *in, struct cht_str name)
{
	if (name.len == 0)
		return FAULT(in, "line %u: a name is missing", in->line);
	if (str_eq(name, STR("none")))
		return FAULT(in, "line %u: \"none\" means nobody and cannot be defined", in->line);
	if (find(in->policy, name) != NOBODY)
		return FAULT(in, "line %u: %.*s is defined twice", in->line, SHOWN(name));
	return 0;
}

/* A key of this type, and behind it a URL or nothing. */
static int read_key(struct reader *in, struct cht_str rest, enum tlog_key_type type,
		    struct tlog_vkey *vkey, struct cht_str *url)
{
	const char *why = "";

	if (!tlog_vkey_read(take_word(&rest), vkey, &why))
		return FAULT(in, "line %u: the key cannot be used: %s", in->line, why);
	if (vkey->type != type)
		return FAULT(in, "line %u: a log's key has type 01, a witness's 04", in->line);
	*url = take_word(&rest);
	if (take_word(&rest).len > 0)
		return FAULT(in, "line %u: one URL at most may follow the key", in->line);
	return 0;
}

static bool is_same_key(const struct tlog_vkey *a, const struct tlog_vkey *b)
{
	return memcmp(a->public_key, b->public_key, TLOG_PUBLIC_BYTES) == 0;
}

static int read_log(struct reader *in, struct cht_str rest)
{
	struct tlog_policy *p = in->policy;
	struct tlog_vkey vkey;
	struct cht_str url;
	int r = read_key(in, rest, TLOG_ED25519, &vkey, &url);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < p->n_logs; i++)
		if (is_same_key(&p->logs[i], &vkey))
			return FAULT(in, "line %u: this key is that of a log above", in->line);
	if (p->n_logs == TLOG_POLICY_LOGS_MAX)
		return FAULT(in, "line %u: more than %d logs", in->line, TLOG_POLICY_LOGS_MAX);
	p->logs[p->n_logs] = vkey;
	p->log_urls[p->n_logs++] = url;
	return 0;
}

static int read_witness(struct reader *in, struct cht_str rest)
{
	struct tlog_policy_witness w = { .name = take_word(&rest) };
	struct tlog_policy *p = in->policy;
	int r = check_new_name(in, w.name);

	if (r == 0)
		r = read_key(in, rest, TLOG_ED25519_COSIGN, &w.vkey, &w.url);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < p->n_witnesses; i++)
		if (is_same_key(&p->witnesses[i].vkey, &w.vkey))
			return FAULT(in, "line %u: this key is that of a witness above", in->line);
	if (p->n_witnesses == TLOG_POLICY_WITNESSES_MAX)
		return FAULT(in, "line %u: more than %d witnesses", in->line,
			     TLOG_POLICY_WITNESSES_MAX);
	p->witnesses[p->n_witnesses++] = w;
	return 0;
}

/* One that is nobody's member yet becomes one of group g. */
static int add_member(struct reader *in, struct tlog_policy_group *g, struct cht_str name)
{
	struct tlog_policy *p = in->policy;
	int node = find(p, name);

	if (node == NOBODY)
		return FAULT(in, "line %u: %.*s is not defined above", in->line, SHOWN(name));
	if (in->is_member[node])
		return FAULT(in, "line %u: %.*s is a member already", in->line, SHOWN(name));
	in->is_member[node] = true;
	p->members[p->n_members++] = (uint16_t)node;
	g->n++;
	return 0;
}

static int read_group(struct reader *in, struct cht_str rest)
{
	struct tlog_policy_group g = { .name = take_word(&rest) };
	struct cht_str threshold = take_word(&rest), member;
	struct tlog_policy *p = in->policy;
	uint64_t k = 1;
	int r = check_new_name(in, g.name);

	g.first = (uint16_t)p->n_members;
	while (r == 0 && (member = take_word(&rest)).len > 0)
		r = add_member(in, &g, member);
	if (r < 0)
		return r;
	if (g.n == 0)
		return FAULT(in, "line %u: group %.*s has no member", in->line, SHOWN(g.name));
	if (str_eq(threshold, STR("all")))
		k = g.n;
	else if (!str_eq(threshold, STR("any")) && !read_u64(threshold, g.n, &k))
		k = 0;
	if (k == 0)
		return FAULT(in, "line %u: write all, any or a number from 1 to %u", in->line, g.n);
	if (p->n_groups == TLOG_POLICY_GROUPS_MAX)
		return FAULT(in, "line %u: more than %d groups", in->line, TLOG_POLICY_GROUPS_MAX);
	g.threshold = (unsigned)k;
	p->groups[p->n_groups++] = g;
	return 0;
}

static int read_quorum(struct reader *in, struct cht_str rest)
{
	struct cht_str name = take_word(&rest);

	if (in->has_quorum)
		return FAULT(in, "line %u: a second quorum", in->line);
	if (name.len == 0 || take_word(&rest).len > 0)
		return FAULT(in, "line %u: write quorum and one name, or none", in->line);
	in->has_quorum = true;
	if (str_eq(name, STR("none")))
		return 0;
	in->policy->quorum = find(in->policy, name);
	if (in->policy->quorum == NOBODY)
		return FAULT(in, "line %u: %.*s is not defined above", in->line, SHOWN(name));
	return 0;
}

static int read_line(struct reader *in, struct cht_str line)
{
	struct cht_str word = take_word(&line);

	if (word.len == 0 || word.ptr[0] == '#')
		return 0;
	if (str_eq(word, STR("log")))
		return read_log(in, line);
	if (str_eq(word, STR("witness")))
		return read_witness(in, line);
	if (str_eq(word, STR("group")))
		return read_group(in, line);
	if (str_eq(word, STR("quorum")))
		return read_quorum(in, line);
	return FAULT(in, "line %u: %.*s is not log, witness, group or quorum", in->line,
		     SHOWN(word));
}

/* Tab, and what is neither a control character nor DEL. */
static bool is_clean(struct cht_str line)
{
	for (size_t i = 0; i < line.len; i++) {
		unsigned char c = (unsigned char)line.ptr[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

int tlog_policy_read(struct cht_str text, struct tlog_policy *out, struct cht_err *err)
{
	struct tlog_policy got = { .quorum = NOBODY };
	struct reader in = { .policy = &got, .err = err, .line = 1 };
	struct cht_str line;
	size_t at = 0;
	int r = 0;

	if (text.len > TLOG_POLICY_MAX_BYTES)
		return FAULT(&in, "longer than %d bytes", TLOG_POLICY_MAX_BYTES);
	for (; r == 0 && line_next(text, &at, &line); in.line++) {
		if (!is_clean(line))
			return FAULT(&in, "line %u has a control character", in.line);
		r = read_line(&in, line);
	}
	if (r < 0)
		return r;
	/* A text that was cut could name another quorum. */
	if (at < text.len)
		return FAULT(&in, "line %u does not end with a newline: it may be cut", in.line);
	if (!in.has_quorum)
		return FAULT(&in, "no quorum line; \"quorum none\" asks for no witness");
	*out = got;
	return 0;
}

bool tlog_policy_is_met(const struct tlog_policy *policy, const bool *has)
{
	bool is_met[NODES] = { false };

	if (policy->quorum == NOBODY)
		return true;
	for (unsigned i = 0; i < policy->n_witnesses; i++)
		is_met[i] = has[i];
	for (unsigned i = 0; i < policy->n_groups; i++) {
		const struct tlog_policy_group *g = &policy->groups[i];
		unsigned n = 0;

		for (unsigned m = 0; m < g->n; m++)
			n += is_met[policy->members[g->first + m]];
		is_met[FIRST_GROUP + i] = n >= g->threshold;
	}
	return is_met[policy->quorum];
}
