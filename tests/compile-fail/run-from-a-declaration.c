/* SPDX-License-Identifier: Apache-2.0
 *
 * Nor has it a run, by any accessor: those take stamped values alone.
 */
#include <cht/stamp.h>

size_t run_id_length(const struct cht_declaration *declared, const struct cht_stamped *stamped);

size_t run_id_length(const struct cht_declaration *declared, const struct cht_stamped *stamped)
{
	(void)declared;
	(void)stamped;
#ifdef MUST_FAIL
	return cht_stamped_run_id(declared).len;
#else
	return cht_stamped_run_id(stamped).len;
#endif
}
