/* SPDX-License-Identifier: Apache-2.0
 *
 * look.h - what a block tells by itself: hashes, and of each entry its form and signature. Several
 * threads look at once, each with a desk of its own; private to src/verify.
 */
#ifndef VERIFY_LOOK_H
#define VERIFY_LOOK_H

#include "verify/source.h"
#include "verify/trust.h"

/* Fills leaf[], the root of a whole tile, and unless by_hash_alone seen[]. */
void look_block(struct block *block, const struct verify_trust *trust,
		const struct trust_desk *desk, bool by_hash_alone);

#endif
