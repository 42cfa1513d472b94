/* SPDX-License-Identifier: Apache-2.0
 *
 * A stamped value can be held outside the library, not built: its type is not complete.
 */
#include <cht/stamp.h>

uint64_t forged_sequence(const struct cht_stamped *stamped);

uint64_t forged_sequence(const struct cht_stamped *stamped)
{
#ifdef MUST_FAIL
	struct cht_stamped forged = { 0 };

	stamped = &forged;
#endif
	return cht_stamped_sequence(stamped);
}
