/* SPDX-License-Identifier: Apache-2.0
 *
 * emit_events - one event of every kind and size, one a line, for a stock validator. With
 * --rust, the declarations in the Rust shape; with --names, the short name of each kind.
 */
#include "samples.h"

#include <stdio.h>

static int emit(enum event_kind kind, enum sample_size size, enum cht_shape shape)
{
	static uint8_t mem[CHT_EVENT_MAX_BYTES];
	struct cht_event_options options = { .shape = shape };
	struct sample *x = sample_make(kind, size);
	int n = cht_event_render(&x->s, &options, mem, sizeof(mem));

	free(x);
	if (n < 0)
		return n;
	return fwrite(mem, 1, (size_t)n, stdout) == (size_t)n && putchar('\n') == '\n' ? 0 : -1;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int r = 0;

	for (unsigned k = 0; r == 0 && k < EV_N_KINDS; k++) {
		if (strcmp(what, "--names") == 0) {
			r = puts(event_types[k].name) < 0;
			continue;
		}
		for (unsigned size = 0; r == 0 && size < SAMPLE_SIZES; size++) {
			if (strcmp(what, "--rust") != 0)
				r = emit(k, size, CHT_SHAPE_FULL);
			else if (event_is_declaration(k) || event_is_reading(k))
				r = emit(k, size, CHT_SHAPE_RUST);
		}
	}
	return r == 0 ? 0 : 1;
}
