/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/rule.h"

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "base/bytes.h"

static bool is_of(const struct nl_message *m, unsigned message)
{
	return m->type == (NFNL_SUBSYS_NFTABLES << 8 | message) &&
	       m->body.len >= sizeof(struct nfgenmsg);
}

bool table_read(const struct nl_message *m, struct cht_str table, uint64_t *handle)
{
	const struct nlattr *found[NFTA_TABLE_HANDLE + 1];
	struct cht_str name;

	if (!is_of(m, NFT_MSG_NEWTABLE))
		return false;
	nl_collect(m->body, sizeof(struct nfgenmsg), found, NFTA_TABLE_HANDLE + 1);
	if (!nl_text(found[NFTA_TABLE_NAME], &name) || !str_eq(name, table))
		return false;
	if (!nl_be64(found[NFTA_TABLE_HANDLE], handle))
		*handle = 0;
	return true;
}

/* The first counter that stands in the rule itself. */
static int find_counter(const struct nlattr *element, void *data)
{
	const struct nlattr *expr[NFTA_EXPR_MAX + 1], *found[NFTA_COUNTER_MAX + 1];
	struct rule *rule = data;
	struct cht_str name;

	nl_collect(nl_bytes(element), 0, expr, NFTA_EXPR_MAX + 1);
	if (!nl_text(expr[NFTA_EXPR_NAME], &name) || !str_eq(name, STR("counter")))
		return MNL_CB_OK;
	nl_collect(nl_bytes(expr[NFTA_EXPR_DATA]), 0, found, NFTA_COUNTER_MAX + 1);
	return nl_be64(found[NFTA_COUNTER_PACKETS], &rule->packets) &&
			       nl_be64(found[NFTA_COUNTER_BYTES], &rule->bytes)
		       ? MNL_CB_STOP
		       : MNL_CB_ERROR;
}

enum rule_told rule_read(const struct nl_message *m, struct cht_str table, struct rule *out)
{
	const struct nlattr *found[NFTA_RULE_EXPRESSIONS + 1];
	struct rule rule = { .handle = 0 };

	if (!is_of(m, NFT_MSG_NEWRULE))
		return RULE_NOT;
	nl_collect(m->body, sizeof(struct nfgenmsg), found, NFTA_RULE_EXPRESSIONS + 1);
	if (!nl_text(found[NFTA_RULE_TABLE], &rule.table))
		return RULE_STRANGE;
	if (!str_eq(rule.table, table))
		return RULE_NOT;
	if (!nl_text(found[NFTA_RULE_CHAIN], &rule.chain) ||
	    !nl_be64(found[NFTA_RULE_HANDLE], &rule.handle))
		return RULE_STRANGE;
	rule.expressions = nl_bytes(found[NFTA_RULE_EXPRESSIONS]);
	switch (rule.expressions.len == 0
			? MNL_CB_OK
			: mnl_attr_parse_payload(rule.expressions.ptr, rule.expressions.len,
						 find_counter, &rule)) {
	case MNL_CB_STOP: *out = rule; return RULE_COUNTS;
	case MNL_CB_OK: return RULE_NO_COUNT;
	default: return RULE_STRANGE;
	}
}
