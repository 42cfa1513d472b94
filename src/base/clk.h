/* SPDX-License-Identifier: Apache-2.0
 *
 * clk.h - the only clock. A loop reads it once a turn and passes the reading on.
 */
#ifndef BASE_CLK_H
#define BASE_CLK_H

#include <cht/types.h>

/* All three clocks (cht_now in <cht/stamp.h> is this). */
void clk_read(struct cht_now *out);
/* CLOCK_MONOTONIC alone. */
uint64_t clk_monotonic_ns(void);
/* Processor time of this process, user and system. */
uint64_t clk_process_ns(void);

#endif
