/* SPDX-License-Identifier: Apache-2.0
 *
 * order.h - stores into memory that outlives the process, in the order in which they stand.
 */
#ifndef DAEMON_ORDER_H
#define DAEMON_ORDER_H

#include <stdatomic.h>

/* The stores before it stand in the file before those after it: a kill comes between two
 * instructions, and all that it must not meet is the compiler's order instead of ours. */
static inline void in_this_order(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

#endif
