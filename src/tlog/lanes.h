/* SPDX-License-Identifier: Apache-2.0
 *
 * lanes.h - internal: SHA-256 compression of two messages at once, where the processor has
 * instructions for it (ADR 20).
 */
#ifndef TLOG_LANES_H
#define TLOG_LANES_H

#include <stdbool.h>
#include <stdint.h>

enum { LANES_BLOCK_BYTES = 64 };

/* Whether lanes_compress may be called. Cheap after the first call. */
bool lanes_are_there(void);

/* One block into each of two states, FIPS 180-4 section 6.2.2: eight words in the order of the
 * standard. The states are independent of each other. */
void lanes_compress(uint32_t a[8], const uint8_t *block_a, uint32_t b[8], const uint8_t *block_b);

#endif
