/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the path of a tile: what is taken is written again byte for byte and is a tile that
 * some tree has.
 */
#include "tlog_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct cht_str all = { (const char *)bytes, len };
	struct tlog_tile tile;
	uint8_t mem[64];
	struct buf b = buf_init(mem, sizeof(mem));

	if (!tlog_tile_read_path(all, &tile))
		return 0;
	HOLDS(tile.level < TLOG_LEVELS && !(tile.is_entries && tile.level != 0));
	HOLDS(tile.width >= 1 && tile.width <= TLOG_TILE_WIDTH);
	HOLDS(tile.width <= tlog_tile_width(tile.level, tile.n, TLOG_SIZE_MAX));
	tlog_tile_put_path(&b, &tile);
	same_text(&b, all);
	return 0;
}
