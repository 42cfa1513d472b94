/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/text.h"
#include "conf/keys.h"

/* Of a whole number, the largest unit that leaves none over. */
static void put_in_units(struct buf *b, uint64_t v, const uint64_t *sizes, const char *const *names)
{
	while (*sizes > 1 && (v == 0 || v % *sizes != 0)) {
		sizes++;
		names++;
	}
	put_u64(b, v / *sizes);
	buf_put_str(b, str_of(*names));
}

static void put_duration(struct buf *b, uint64_t ns)
{
	static const uint64_t sizes[] = { UINT64_C(86400) * NS_PER_S, 3600 * NS_PER_S,
					  60 * NS_PER_S, NS_PER_S, 1 };
	static const char *const names[] = { "d", "h", "m", "s", "ms" };

	if (ns % NS_PER_S != 0) {
		put_u64(b, ns / NS_PER_MS);
		buf_put_lit(b, "ms");
		return;
	}
	put_in_units(b, ns, sizes, names);
}

static void put_size(struct buf *b, uint64_t bytes)
{
	static const uint64_t sizes[] = { UINT64_C(1) << 40, UINT64_C(1) << 30, UINT64_C(1) << 20,
					  UINT64_C(1) << 10, 1 };
	static const char *const names[] = { "TiB", "GiB", "MiB", "KiB", "" };

	put_in_units(b, bytes, sizes, names);
}

static void put_mode(struct buf *b, uint32_t mode)
{
	buf_put_byte(b, '0');
	for (int shift = 6; shift >= 0; shift -= 3)
		buf_put_byte(b, (uint8_t)('0' + (mode >> shift & 7)));
}

/* What a word is where none is given; null: nothing. */
static const char *word_default(enum key_kind kind)
{
	switch (kind) {
	case ON_FULL: return "stop";
	case ALGORITHM: return "off";
	case SILENCE: return "each";
	case ORDER: return "struct";
	case YES_NO: return "no";
	case TEXT:
	case SHAPE:
	case DURATION:
	case COUNT:
	case SIZE:
	case ATTRIBUTION:
	case CID:
	case ID:
	case MODE:
	case PEERS:
	case PROBES: break;
	}
	return NULL;
}

static bool put_word(struct buf *b, const char *word)
{
	if (word == NULL || *word == '\0')
		return false;
	buf_put_str(b, str_of(word));
	return true;
}

/* False: there is no value. */
static bool put_value(struct buf *b, const struct key *key, const void *base)
{
	const void *at = (const uint8_t *)base + key->at;
	const char *word;
	uint64_t v = 0;

	switch (key->kind) {
	case ATTRIBUTION: return put_word(b, at);
	case SHAPE:
		return put_word(b, *(const enum cht_shape *)at == CHT_SHAPE_RUST ? "rust" : "full");
	case MODE:
		put_mode(b, *(const uint32_t *)at != 0 ? *(const uint32_t *)at : 0600);
		return true;
	case TEXT:
	case ON_FULL:
	case ALGORITHM:
	case SILENCE:
	case ORDER:
	case YES_NO:
	case PEERS:
	case PROBES:
		memcpy(&word, at, sizeof(word));
		return put_word(b, word != NULL ? word : word_default(key->kind));
	case DURATION:
	case SIZE:
	case COUNT:
	case CID:
	case ID: memcpy(&v, at, sizeof(v)); break;
	}
	if (key->kind == ID && v > UINT32_MAX)
		return false;
	if (key->kind == DURATION)
		put_duration(b, v);
	else if (key->kind == SIZE)
		put_size(b, v);
	else
		put_u64(b, v);
	/* Where the least is above it, 0 is: not given. */
	return v >= key->least || key->kind == ID;
}

static struct conf_origin origin_of(const struct conf_cell *cell, bool is_set)
{
	struct conf_origin none = { .from = CONF_FROM_DEFAULT };
	struct conf_origin option = { .from = CONF_FROM_OPTION };
	struct conf_origin file = { CONF_FROM_FILE, cell->file, cell->line };

	if (!is_set)
		return none;
	return cell->line != 0 ? file : option;
}

/* Whether the value of a key of a cell was given. */
static bool is_given(const struct key *key, const struct conf_cell *cell, bool is_set)
{
	return is_set && (key->kind != MODE || cell->mode != 0);
}

bool conf_next_value(const struct conf *conf, size_t *at, struct conf_value *out, struct buf *text)
{
	size_t i = *at;
	const struct conf_cell *cell;
	const struct key *key;
	uint8_t *start = text->at;

	if (i < N_KEYS) {
		key = &keys[i];
		*out = (struct conf_value){ .section = key->section,
					    .name = key->name,
					    .origin = conf->origins[i] };
		out->is_set = put_value(text, key, conf);
		text->at = out->is_set ? text->at : start;
		++*at;
		return true;
	}
	i -= N_KEYS;
	if (i / N_CELL_KEYS >= conf->n_cells)
		return false;
	cell = &conf->cells[i / N_CELL_KEYS];
	key = &cell_keys[i % N_CELL_KEYS];
	*out = (struct conf_value){ .section = key->section, .name = key->name, .cell = cell };
	/* A cell with a CID has no socket file: none of its values, not even the default. */
	out->is_set = put_value(text, key, cell) && (key->kind != MODE || cell->cid == 0);
	text->at = out->is_set ? text->at : start;
	out->origin = origin_of(cell, is_given(key, cell, out->is_set));
	++*at;
	return true;
}
