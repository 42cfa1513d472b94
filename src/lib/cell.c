/* SPDX-License-Identifier: Apache-2.0
 *
 * The public face of src/cell: memory and the clock, which that module has no part in.
 */
#include <stdlib.h>

#include "base/clk.h"
#include "base/err.h"
#include "cell/cell.h"

void cht_now(struct cht_now *out)
{
	clk_read(out);
}

const struct cht_stamped *cht_stamp_now(struct cht_cell *cell,
					const struct cht_declaration *declaration,
					const struct cht_frame_facts *facts)
{
	struct cht_now now;

	clk_read(&now);
	return cht_stamp(cell, declaration, facts, &now);
}

int cht_cell_new(struct cht_cell **out, const struct cht_cell_options *options,
		 const struct cht_now *now, struct cht_err *err)
{
	const struct cell_options inner = { .cell_id = options->cell_id,
					    .run_id = options->run_id,
					    .spec = options->spec_signature_hash,
					    .channel = options->channel,
					    .boot_window_ns = options->boot_window_ns,
					    .keepalive_window_ns = options->keepalive_window_ns,
					    .expected_uid = -1 };
	struct cht_cell *cell = malloc(sizeof(*cell));
	int r;

	if (cell == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for a cell");
	r = cell_init(cell, &inner, now, err);
	if (r < 0)
		free(cell);
	else
		*out = cell;
	return r;
}

void cht_cell_free(struct cht_cell *cell)
{
	free(cell);
}

const struct cht_stamped *cht_cell_next(struct cht_cell *cell, const struct cht_now *now)
{
	return cell_next(cell, now, &cell->last) ? &cell->last : NULL;
}

uint64_t cht_cell_deadline(const struct cht_cell *cell)
{
	return cell_deadline(cell);
}
