/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a datagram of nf_tables: each rule that counts becomes a text of plain ASCII, the
 * same whenever it is made, that fits its place; and so do the rules of a table, over two readings,
 * become counts that add up.
 */
#include <string.h>

#include "base/bytes.h"
#include "fuzz.h"
#include "probe/counted.h"
#include "probe/rule.h"

static void check_repr(const struct rule *rule)
{
	uint8_t mem[2][RULE_REPR_MAX];
	struct buf b[2];

	for (int i = 0; i < 2; i++) {
		b[i] = buf_init(mem[i], sizeof(mem[i]));
		rule_put_repr(&b[i], rule);
		HOLDS(!b[i].full);
	}
	HOLDS(buf_len(&b[0]) == buf_len(&b[1]) && memcmp(mem[0], mem[1], buf_len(&b[0])) == 0);
	for (size_t i = 0; i < buf_len(&b[0]); i++)
		HOLDS(mem[0][i] >= 0x20 && mem[0][i] <= 0x7e && mem[0][i] != '\\');
	HOLDS(counting_what(buf_bytes(&b[0])) == counting_what(buf_bytes(&b[1])));
}

static void take(struct counting *c, struct cht_bytes rest)
{
	static const struct cht_str table = STR_INIT("t");
	struct nl_message m;

	while (nl_next(&rest, &m)) {
		struct rule rule;
		uint64_t handle;

		if (table_read(&m, table, &handle) || rule_read(&m, table, &rule) != RULE_COUNTS)
			continue;
		HOLDS(rule.chain.len > 0 && str_eq(rule.table, table));
		check_repr(&rule);
		counting_add(c, &(struct counted_row){ rule.handle, rule.packets, rule.bytes, 1 });
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct counted counted;
	uint8_t *exact = malloc(size > 0 ? size : 1);
	struct counting c;
	struct counts counts = { .reset = 0 };

	memcpy(exact, data, size);
	memset(&counted, 0, sizeof(counted));
	for (int i = 0; i < 2; i++) {
		counting_begin(&c, &counted);
		take(&c, (struct cht_bytes){ exact, size });
		if (counted_take(&counted, &c, 7, &counts))
			HOLDS(counts.reset <= c.n && counts.replaced <= c.n &&
			      counts.packets == counted.packets);
	}
	free(exact);
	return 0;
}
