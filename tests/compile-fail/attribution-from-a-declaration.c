/* SPDX-License-Identifier: Apache-2.0
 *
 * What a guest declared has no cell: reading one from it must not compile.
 */
#include <cht/stamp.h>

size_t cell_id_length(const struct cht_declaration *declared, const struct cht_stamped *stamped);

size_t cell_id_length(const struct cht_declaration *declared, const struct cht_stamped *stamped)
{
	(void)declared;
	(void)stamped;
#ifdef MUST_FAIL
	return declared->cell_id.len;
#else
	return cht_stamped_cell_id(stamped).len;
#endif
}
