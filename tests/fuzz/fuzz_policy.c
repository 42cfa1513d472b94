/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a policy: refused at a line that it has, or taken whole into tables that lie within
 * their bounds; more cosignatures never make a quorum that was met unmet.
 */
#include "tlog_text.h"

static struct tlog_policy policy;

static void check_groups(struct cht_str all)
{
	unsigned next = 0;

	for (unsigned i = 0; i < policy.n_groups; i++) {
		const struct tlog_policy_group *g = &policy.groups[i];

		within(all, g->name);
		HOLDS(g->first == next && g->n >= 1 && g->threshold >= 1 && g->threshold <= g->n);
		for (unsigned m = 0; m < g->n; m++) {
			unsigned node = policy.members[g->first + m];

			HOLDS(node < policy.n_witnesses || (node >= TLOG_POLICY_WITNESSES_MAX &&
							    node < TLOG_POLICY_WITNESSES_MAX + i));
		}
		next += g->n;
	}
	HOLDS(next == policy.n_members && next <= TLOG_POLICY_MEMBERS_MAX);
}

static void check_quorum(void)
{
	bool has[TLOG_POLICY_WITNESSES_MAX] = { false };
	bool met = tlog_policy_is_met(&policy, has);

	HOLDS(met == (policy.quorum == -1));
	for (unsigned i = 0; i < policy.n_witnesses; i++) {
		bool more;

		has[i] = true;
		more = tlog_policy_is_met(&policy, has);
		HOLDS(more || !met);
		met = more;
	}
	HOLDS(met); /* by all */
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct cht_str all = { (const char *)bytes, len };
	struct cht_err err = { 0 };
	size_t lines = 1;

	for (size_t i = 0; i < len; i++)
		lines += bytes[i] == '\n';
	if (tlog_policy_read(all, &policy, &err) < 0) {
		HOLDS(err.code == CHT_E_PARSE && err.value >= 1 && err.value <= lines);
		HOLDS(err.text[0] != '\0');
		return 0;
	}
	for (unsigned i = 0; i < policy.n_logs; i++)
		within(all, policy.log_urls[i]);
	for (unsigned i = 0; i < policy.n_witnesses; i++) {
		within(all, policy.witnesses[i].name);
		within(all, policy.witnesses[i].url);
	}
	check_groups(all);
	check_quorum();
	/* Without its last newline it may be cut. */
	HOLDS(len > 0 && bytes[len - 1] == '\n');
	all.len--;
	if (all.len > 0 && bytes[all.len - 1] != '\n')
		HOLDS(tlog_policy_read(all, &policy, NULL) == CHT_E_PARSE);
	return 0;
}
