/* SPDX-License-Identifier: Apache-2.0
 *
 * The public face of src/cell: memory and the clock, which that module has no part in.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clk.h"
#include "base/err.h"
#include "cell/cell.h"

/* The first member is what the caller holds. */
struct whole {
	struct cht_cell cell;
	struct run_names names;
	struct cell_met met;
	struct cht_stamped last;
	char channel[];
};

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
	struct cell_options inner = { .cell_id = options->cell_id,
				      .run_id = options->run_id,
				      .spec = options->spec_signature_hash,
				      .channel = options->channel,
				      .boot_window_ns = options->boot_window_ns,
				      .keepalive_window_ns = options->keepalive_window_ns,
				      .expected_uid = -1 };
	size_t channel_len = options->channel.len <= CELL_CHANNEL_MAX ? options->channel.len : 0;
	struct whole *whole = calloc(1, sizeof(*whole) + channel_len);
	int r;

	if (whole == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for a cell");
	inner.names = &whole->names;
	inner.met = &whole->met;
	r = cell_init(&whole->cell, &inner, now, err);
	if (r < 0) {
		free(whole);
		return r;
	}
	if (channel_len > 0)
		memcpy(whole->channel, options->channel.ptr, channel_len);
	whole->cell.channel.ptr = whole->channel;
	whole->cell.last = &whole->last;
	*out = &whole->cell;
	return 0;
}

void cht_cell_free(struct cht_cell *cell)
{
	free(cell);
}

const struct cht_stamped *cht_cell_next(struct cht_cell *cell, const struct cht_now *now)
{
	return cell_next(cell, now, cell->last) ? cell->last : NULL;
}

uint64_t cht_cell_deadline(const struct cht_cell *cell)
{
	return cell_deadline(cell);
}
