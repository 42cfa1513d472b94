/* SPDX-License-Identifier: Apache-2.0
 *
 * Nor changed, nor copied to be changed.
 */
#include <cht/stamp.h>

uint64_t next_sequence(const struct cht_stamped *stamped);

uint64_t next_sequence(const struct cht_stamped *stamped)
{
#ifdef MUST_FAIL
	struct cht_stamped *copy = (struct cht_stamped *)(uintptr_t)stamped;

	copy->sequence++;
#endif
	return cht_stamped_sequence(stamped) + 1;
}
