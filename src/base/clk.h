/* SPDX-License-Identifier: Apache-2.0
 *
 * clk.h - the only clock. A loop reads it once a turn and passes the reading on.
 */
#ifndef BASE_CLK_H
#define BASE_CLK_H

#include <cht/types.h>

/* All three clocks (cht_now in <cht/stamp.h> is this). */
void clk_read(struct cht_now *out);
/* CLOCK_REALTIME, and CLOCK_BOOTTIME before and after it was read: as close to each other as a
 * few tries give. */
void clk_read_apart(int64_t *realtime_ns, uint64_t *boot_before_ns, uint64_t *boot_after_ns);
/* CLOCK_MONOTONIC alone. */
uint64_t clk_monotonic_ns(void);
/* From now on until a time of the same clock, for poll: not before it, and at most INT32_MAX. */
int clk_ms_until(uint64_t at_ns, uint64_t now_ns);
/* Processor time of this process, user and system. */
uint64_t clk_process_ns(void);

#endif
