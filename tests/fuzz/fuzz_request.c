/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the target of a request: it is refused with a sentence that has nothing of it, or
 * what is taken from it stays within its bounds, and the path of a tile is the one spelling of it.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/text.h"
#include "fuzz.h"
#include "serve/request.h"

static void check_value(const struct serve_value *value)
{
	HOLDS(value->len <= SERVE_VALUE_MAX);
	HOLDS(utf8_is_valid((const uint8_t *)value->text, value->len));
	for (size_t i = 0; i < value->len; i++)
		HOLDS((unsigned char)value->text[i] >= 0x20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cht_str target = { (const char *)data, size };
	struct cht_err err = { 0 };
	struct serve_request q;
	int r = serve_request_read(target, &q, &err);

	HOLDS((r == CHT_E_RANGE) == (size > SERVE_TARGET_MAX));
	if (r < 0) {
		HOLDS(r == CHT_E_RANGE || r == CHT_E_PARSE || r == CHT_E_CONFIG);
		HOLDS(err.code == r && err.text[0] != '\0');
		return 0;
	}
	HOLDS(size > 0 && data[0] == '/');
	check_value(&q.cell);
	check_value(&q.run);
	check_value(&q.type);
	HOLDS(q.from <= TLOG_SIZE_MAX);
	if (q.what == SERVE_TILE) {
		char path[80] = "/";
		struct buf b = buf_init(path + 1, sizeof(path) - 1);

		tlog_tile_put_path(&b, &q.tile);
		HOLDS(!b.full && str_eq(target, (struct cht_str){ path, buf_len(&b) + 1 }));
	}
	return 0;
}
