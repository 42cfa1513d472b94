/* SPDX-License-Identifier: Apache-2.0
 *
 * A cell's identity cannot be changed once it is registered.
 */
#include <cht/stamp.h>

uint64_t rename_cell(struct cht_cell *cell);

uint64_t rename_cell(struct cht_cell *cell)
{
#ifdef MUST_FAIL
	cell->run.cell_id[0] = 'x';
#endif
	return cht_cell_deadline(cell);
}
