/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/keys.h"

#include <string.h>

#include "base/limits.h"
#include "base/words.h"

const struct key keys[N_KEYS] = {
#define KEY(section, name, kind, member, least, most)                                              \
	{ section, name, kind, offsetof(struct conf, member), least, most },
#define CELL_KEY(name, kind, member, least, most)
#include "conf/keys.def"
#undef KEY
#undef CELL_KEY
};

const struct key cell_keys[N_CELL_KEYS] = {
#define KEY(section, name, kind, member, least, most)
#define CELL_KEY(name, kind, member, least, most)                                                  \
	{ "cell", name, kind, offsetof(struct conf_cell, member), least, most },
#include "conf/keys.def"
#undef KEY
#undef CELL_KEY
};

_Static_assert((int)N_KEYS <= CONF_KEYS_MAX && N_CELL_KEYS <= 64, "seen is a 64-bit set");

unsigned keys_find(const char *section, const char *name)
{
	for (unsigned i = 0; i < N_KEYS; i++)
		if (strcmp(section, keys[i].section) == 0 && strcmp(name, keys[i].name) == 0)
			return i;
	return N_KEYS;
}

const char *keys_nearest(const struct key *table, unsigned n, const char *section, const char *name)
{
	const char *words[CONF_KEYS_MAX];
	size_t n_words = 0;

	for (unsigned i = 0; i < n; i++)
		if (section == NULL || strcmp(section, table[i].section) == 0)
			words[n_words++] = table[i].name;
	return words_nearest(name, words, n_words);
}
