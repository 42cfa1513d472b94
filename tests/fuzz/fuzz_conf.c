/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a configuration file: it is read, or refused with a line that is in the text; what
 * is read renders, and --cell takes any text.
 */
#include <string.h>

#include "conf/conf.h"
#include "fuzz.h"

static void check_read(struct cht_bytes text)
{
	static char json[1 << 20];
	struct buf b = buf_init(json, sizeof(json));
	struct cht_err err = { 0 };
	uint32_t lines = 1;
	struct conf conf;
	int r;

	for (size_t i = 0; i < text.len; i++)
		lines += text.ptr[i] == '\n';
	conf_init(&conf);
	r = conf_read(&conf, "f", text, &err);
	HOLDS(r == 0 || (r == CHT_E_CONFIG && err.value >= 1 && err.value <= lines));
	if (r == 0) {
		conf_render(&conf, &b);
		HOLDS(!b.full && buf_len(&b) > 2);
		(void)!conf_check(&conf, &err);
	}
	conf_free(&conf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[256];
	size_t n = size < sizeof(text) - 1 ? size : sizeof(text) - 1;
	struct cht_err err = { 0 };
	struct conf conf;

	if (size > 65536)
		return 0;
	check_read((struct cht_bytes){ data, size });
	if (n > 0)
		memcpy(text, data, n);
	text[n] = '\0';
	conf_init(&conf);
	if (conf_add_cell(&conf, text, &err) == 0)
		HOLDS(conf.n_cells == 1 && conf.cells[0].id[0] != '\0');
	conf_free(&conf);
	return 0;
}
