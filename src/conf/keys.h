/* SPDX-License-Identifier: Apache-2.0
 *
 * keys.h - the table keys.def, for who reads a value and who shows one. Of this module alone.
 */
#ifndef CONF_KEYS_H
#define CONF_KEYS_H

#include "conf/conf.h"

enum key_kind {
	TEXT,
	SHAPE,
	ON_FULL,
	ALGORITHM,
	SILENCE,
	ORDER,
	DURATION,
	COUNT,
	SIZE,
	ATTRIBUTION,
	ID,
	CID,
	MODE,
	PEERS,
	PROBES,
	YES_NO
};

struct key {
	const char *section, *name;
	enum key_kind kind;
	size_t at; /* offset in struct conf or struct conf_cell */
	uint64_t least, most;
};

#define KEY(section, name, kind, member, least, most) KEY_##member,
#define CELL_KEY(name, kind, member, least, most)
enum {
#include "conf/keys.def"
	N_KEYS
};
#undef KEY
#undef CELL_KEY

#define KEY(section, name, kind, member, least, most)
#define CELL_KEY(name, kind, member, least, most) CELL_KEY_##member,
enum {
#include "conf/keys.def"
	N_CELL_KEYS
};
#undef KEY
#undef CELL_KEY

extern const struct key keys[N_KEYS];
extern const struct key cell_keys[N_CELL_KEYS];

/* The key of a section [section]; N_KEYS when there is none. */
unsigned keys_find(const char *section, const char *name);
/* The name in a table of n that is most likely meant, in this section unless it is null; null when
 * none is near. */
const char *keys_nearest(const struct key *table, unsigned n, const char *section,
			 const char *name);

/* drop_ins.c: reads cells.d beside file, each into space. CHT_E_CONFIG, CHT_E_NOMEM. */
int drop_ins_read(struct conf *conf, const char *file, struct cht_bytes space,
		  struct cht_err *err) CHT_CHECKED;

#endif
