/* SPDX-License-Identifier: Apache-2.0
 *
 * budget.h - a token bucket in nanoseconds: each unit costs 1 s / rate, and `burst` units may
 * be saved up. Pure.
 */
#ifndef DAEMON_BUDGET_H
#define DAEMON_BUDGET_H

#include <stdbool.h>

#include "base/limits.h"

struct budget {
	int64_t left_ns, most_ns, cost_ns;
	uint64_t at_ns; /* monotonic: when left_ns was true */
};

static inline struct budget budget_init(uint64_t rate, uint64_t burst, uint64_t now_ns)
{
	int64_t cost = (int64_t)(rate >= NS_PER_S ? 1 : NS_PER_S / rate);
	int64_t most =
		burst > (uint64_t)(INT64_MAX / 2 / cost) ? INT64_MAX / 2 : (int64_t)burst * cost;

	return (struct budget){
		.left_ns = most, .most_ns = most, .cost_ns = cost, .at_ns = now_ns
	};
}

static inline void budget_refill(struct budget *b, uint64_t now_ns)
{
	uint64_t elapsed = now_ns > b->at_ns ? now_ns - b->at_ns : 0;

	b->at_ns = now_ns;
	b->left_ns = elapsed >= (uint64_t)(b->most_ns - b->left_ns) ? b->most_ns
								    : b->left_ns + (int64_t)elapsed;
}

/* Spends n units, into debt if need be; false when the budget is used up then. */
static inline bool budget_spend(struct budget *b, uint64_t n, uint64_t now_ns)
{
	budget_refill(b, now_ns);
	b->left_ns -= (int64_t)n * b->cost_ns;
	return b->left_ns > 0;
}

/* Spends n units if they are there; false, and nothing is spent, if they are not. */
static inline bool budget_take(struct budget *b, uint64_t n, uint64_t now_ns)
{
	budget_refill(b, now_ns);
	if (b->left_ns < (int64_t)n * b->cost_ns)
		return false;
	b->left_ns -= (int64_t)n * b->cost_ns;
	return true;
}

/* When n units will be there again. */
static inline uint64_t budget_ready_ns(const struct budget *b, uint64_t n)
{
	int64_t want = (int64_t)n * b->cost_ns;

	if (want > b->most_ns)
		want = b->most_ns;
	return b->left_ns >= want ? b->at_ns : b->at_ns + (uint64_t)(want - b->left_ns);
}

#endif
