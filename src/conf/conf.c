/* SPDX-License-Identifier: Apache-2.0 */
/* Options and file meet in one table, keys.def: a key is known, has a kind and bounds, or it is
 * an error that names file and line. libinih splits lines; it neither numbers them nor reports
 * a section without keys, so the reader here does both. */
#include "conf/conf.h"

#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "asked/asked.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/text.h"
#include "cell/value.h"
#include "conf/cells.h"
#include "conf/keys.h"

static const char *const expected[] = {
	[TEXT] = "a text that is not empty",
	[SHAPE] = "full or rust",
	[ON_FULL] = "stop, pause or drop",
	[ALGORITHM] = "off, hmac-sha256 or ed25519",
	[SILENCE] = "each or once",
	[YES_NO] = "no or yes",
	[ORDER] = "struct or sorted",
	[DURATION] = "a duration such as 500ms, 10s or 2m",
	[COUNT] = "a whole number",
	[SIZE] = "a size such as 65536, 64MiB or 1GiB",
	[ATTRIBUTION] = "1 to 128 of A-Z a-z 0-9 . _ : + / = -",
	[ID] = "a numeric user or group id",
	[CID] = "a VM's CID, 3 to 4294967294, or 1, this host",
	[MODE] = "an octal mode such as 0600",
	[PROBES] = "probes as in PROTOCOL.control, such as {\"cgroup\":{\"cgroupLeaf\":\"fc/a\"}}",
	[PEERS] = "users and @groups, by names or numbers, such as root, @kvm, 1001",
};

/* One text being read. */
struct reading {
	struct conf *conf;
	const char *name;
	struct cht_bytes left;
	uint16_t file;
	unsigned line, section_line;
	bool section_has_keys, cells_only;
	char section[64 + CHT_CELL_ID_MAX];
	uint64_t seen; /* keys of the file, or of the present cell */
	uint64_t seen_cell;
	int result;
	struct cht_err *err;
};

static int bad(struct reading *r, unsigned line, const char *what, const char *which)
{
	if (r->result == 0)
		r->result = cht_fail_value(r->err, CHT_E_CONFIG, line, "%s:%u: %s%s", r->name, line,
					   what, which);
	return r->result;
}

static bool replace_text(char **slot, struct cht_str s)
{
	char *copy = strndup(s.ptr, s.len);

	if (copy == NULL)
		return false;
	free(*slot);
	*slot = copy;
	return true;
}

static bool is_either(struct cht_str s, const char *a, const char *b)
{
	return str_eq(s, str_of(a)) || str_eq(s, str_of(b));
}

/* Kinds that are a number between the key's bounds. */
static bool read_number(const struct key *key, struct cht_str s, uint64_t *out)
{
	uint64_t v = 0;
	bool is_read = key->kind == DURATION ? read_duration(s, &v)
		       : key->kind == SIZE   ? read_size(s, &v)
		       : key->kind == MODE   ? value_mode(s, &v)
					     : read_u64(s, key->most, &v);

	*out = v;
	if (key->kind == CID && !value_is_cid(v))
		return false;
	return is_read && v >= key->least && v <= key->most;
}

static bool are_peers(struct cht_str list)
{
	struct cht_str who;
	bool is_group;

	while (value_next_peer(&list, &who, &is_group))
		;
	return list.len == 0;
}

static bool are_probes(struct cht_str s)
{
	struct probes_asked asked;

	return probes_asked_read_alone(s, &asked);
}

/* Puts one value where its key says; false when it is not of the key's kind or out of bounds. */
static bool store(const struct key *key, void *base, struct cht_str s)
{
	void *at = (uint8_t *)base + key->at;
	uint64_t v;

	switch (key->kind) {
	case TEXT: return s.len >= key->least && s.len <= key->most && replace_text(at, s);
	case ATTRIBUTION:
		if (!value_is_attribution(s))
			return false;
		memcpy(at, s.ptr, s.len);
		((char *)at)[s.len] = '\0';
		return true;
	case SHAPE:
		*(enum cht_shape *)at = str_eq(s, STR("rust")) ? CHT_SHAPE_RUST : CHT_SHAPE_FULL;
		return is_either(s, "rust", "full");
	case ON_FULL:
		return (str_eq(s, STR("stop")) || is_either(s, "pause", "drop")) &&
		       replace_text(at, s);
	case ALGORITHM:
		return (str_eq(s, STR("off")) || is_either(s, "hmac-sha256", "ed25519")) &&
		       replace_text(at, s);
	case SILENCE: return is_either(s, "each", "once") && replace_text(at, s);
	case PROBES: return are_probes(s) && replace_text(at, s);
	case YES_NO: return is_either(s, "no", "yes") && replace_text(at, s);
	case PEERS: return are_peers(s) && replace_text(at, s);
	case ORDER: return is_either(s, "struct", "sorted") && replace_text(at, s);
	case MODE:
		if (!read_number(key, s, &v))
			return false;
		*(uint32_t *)at = (uint32_t)v;
		return true;
	case DURATION:
	case SIZE:
	case COUNT:
	case CID:
	case ID: break;
	}
	if (!read_number(key, s, &v))
		return false;
	memcpy(at, &v, sizeof(v));
	return true;
}

static void bad_twice(struct reading *r, const struct conf_cell *first)
{
	if (r->result == 0)
		r->result = cht_fail_value(
			r->err, CHT_E_CONFIG, r->line,
			"%s:%u: a second section for the same cell: the first is %s:%u", r->name,
			r->line, r->conf->files[first->file], first->line);
}

static int set_key(struct reading *r, const struct key *key, unsigned at, void *base,
		   const char *value)
{
	uint64_t *seen = base == r->conf ? &r->seen : &r->seen_cell;
	char what[160];
	struct buf b = buf_init(what, sizeof(what) - 1);

	if ((*seen & UINT64_C(1) << at) != 0)
		return bad(r, r->line, "the key stands twice: ", key->name);
	*seen |= UINT64_C(1) << at;
	if (base == r->conf)
		r->conf->origins[at] =
			(struct conf_origin){ CONF_FROM_FILE, r->file, (uint32_t)r->line };
	if (store(key, base, str_of(value)))
		return 0;
	buf_put_str(&b, str_of(key->name));
	buf_put_lit(&b, ": expected ");
	buf_put_str(&b, str_of(expected[key->kind]));
	if (key->kind == COUNT || key->kind == ID) {
		buf_put_lit(&b, ", ");
		put_u64(&b, key->least);
		buf_put_lit(&b, " to ");
		put_u64(&b, key->most);
	}
	what[buf_len(&b)] = '\0';
	return bad(r, r->line, what, "");
}

/* The cell whose section this is: the newest. Null when libinih took for a section what
 * next_line did not, which is how a byte order mark before the bracket gets this far. Of a long
 * name it gives only the beginning. */
static struct conf_cell *cell_of_section(const struct reading *r, const char *section)
{
	const char *id = section + strlen("cell ");
	struct conf_cell *newest;

	if (r->conf->n_cells == 0)
		return NULL;
	newest = &r->conf->cells[r->conf->n_cells - 1];
	return strncmp(newest->id, id, strlen(id)) == 0 ? newest : NULL;
}

/* Said with the name that was meant, or where to look. */
static int unknown_key(struct reading *r, const struct key *table, unsigned n, const char *section,
		       const char *name)
{
	const char *near = keys_nearest(table, n, section, name);

	if (r->result == 0)
		r->result = cht_fail_value(r->err, CHT_E_CONFIG, r->line,
					   "%s:%u: unknown key in [%s]: %s%s%s", r->name, r->line,
					   section != NULL ? section : "cell", name,
					   near != NULL ? "; did you mean " : "; see chtd.conf(5)",
					   near != NULL ? near : "");
	return r->result;
}

static int on_cell_key(struct reading *r, const char *section, const char *name, const char *value)
{
	struct conf_cell *cell = cell_of_section(r, section);

	if (cell == NULL)
		return bad(r, r->line, "expected [cell ID] at the beginning of a line", "");
	for (unsigned i = 0; i < N_CELL_KEYS; i++)
		if (strcmp(name, cell_keys[i].name) == 0)
			return set_key(r, &cell_keys[i], i, cell, value);
	return unknown_key(r, cell_keys, N_CELL_KEYS, NULL, name);
}

/* libinih's handler: 1 to go on. */
static int on_key(void *context, const char *section, const char *name, const char *value)
{
	struct reading *r = context;
	bool in_cell = strncmp(section, "cell ", 5) == 0;
	unsigned at;

	r->section_has_keys = true;
	if (r->result < 0)
		return 0;
	if (section[0] == '\0')
		return bad(r, r->line, "a key before the first [section]: ", name), 0;
	if (in_cell)
		return on_cell_key(r, section, name, value) == 0;
	at = keys_find(section, name);
	if (at < N_KEYS)
		return set_key(r, &keys[at], at, r->conf, value) == 0;
	return unknown_key(r, keys, N_KEYS, section, name), 0;
}

static bool is_section(struct cht_str name)
{
	for (unsigned i = 0; i < N_KEYS; i++)
		if (str_eq(name, str_of(keys[i].section)))
			return true;
	return false;
}

/* A line that begins with '[': what libinih will not tell. */
static void on_section(struct reading *r, struct cht_str name)
{
	struct conf_cell *cell;

	if (r->section_line != 0 && !r->section_has_keys)
		bad(r, r->section_line, "a section without keys", "");
	r->section_line = r->line;
	r->section_has_keys = false;
	if (r->cells_only && !str_starts(name, STR("cell "))) {
		bad(r, r->line, "a file of cells.d has sections [cell ID] and no others", "");
		return;
	}
	if (is_section(name))
		return;
	if (!str_starts(name, STR("cell "))) {
		bad(r, r->line,
		    "unknown section: expected daemon, silence, limits, control, opener, ledger, "
		    "sign or cell ID",
		    "");
		return;
	}
	name.ptr += 5;
	name.len -= 5;
	if (!value_is_cell_id(name)) {
		bad(r, r->line, "a cell id is 1 to 64 of A-Z a-z 0-9 . _ -", "");
	} else if ((cell = conf_find_cell(r->conf, name)) != NULL) {
		bad_twice(r, cell);
	} else if (r->conf->n_cells == CELLS_MAX) {
		bad(r, r->line, "too many cells", "");
	} else if ((cell = conf_new_cell(r->conf, name)) == NULL) {
		r->result = cht_fail(r->err, CHT_E_NOMEM, 0, "no memory for the configuration");
	} else {
		cell->line = r->line;
		cell->file = r->file;
		r->seen_cell = 0;
	}
}

/* libinih's reader: the next line into out, as fgets would. Ends early after an error. */
static char *next_line(char *out, int cap, void *context)
{
	struct reading *r = context;
	const uint8_t *nl;
	size_t n;
	struct cht_str s;

	if (r->result < 0 || r->left.len == 0)
		return NULL;
	nl = memchr(r->left.ptr, '\n', r->left.len);
	n = nl == NULL ? r->left.len : (size_t)(nl - r->left.ptr) + 1;
	r->line++;
	if (n >= (size_t)cap) {
		bad(r, r->line, "the line is longer than 198 bytes; give a long path with --cell",
		    "");
		return NULL;
	}
	memcpy(out, r->left.ptr, n);
	out[n] = '\0';
	r->left.ptr += n;
	r->left.len -= n;
	if (memchr(out, '\0', n) != NULL || !utf8_is_valid((uint8_t *)out, n)) {
		bad(r, r->line, "a byte that is not text", "");
		return NULL;
	}
	s = str_of(out);
	while (s.len > 0 && (s.ptr[s.len - 1] == '\n' || s.ptr[s.len - 1] == '\r' ||
			     s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	if (s.len > 0 && (s.ptr[0] == ' ' || (s.ptr[0] >= '\t' && s.ptr[0] <= '\r'))) {
		bad(r, r->line, "a line may not begin with white space", "");
		return NULL;
	}
	if (s.len > 0 && s.ptr[0] == '[') {
		if (s.ptr[s.len - 1] != ']' || memchr(s.ptr, ';', s.len) != NULL)
			bad(r, r->line, "expected [section] and nothing else on the line", "");
		else
			on_section(r, (struct cht_str){ s.ptr + 1, s.len - 2 });
	}
	return r->result < 0 ? NULL : out;
}

/* Keeps the name, for those who ask where a value is from. */
static int add_file(struct conf *conf, const char *name, struct cht_err *err)
{
	char *copy = strdup(name);
	char **grown = copy != NULL && conf->n_files < UINT16_MAX
			       ? reallocarray(conf->files, conf->n_files + 1u, sizeof(*grown))
			       : NULL;

	if (grown == NULL) {
		free(copy);
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for the configuration");
	}
	conf->files = grown;
	conf->files[conf->n_files++] = copy;
	return 0;
}

static int read_text(struct conf *conf, const char *name, struct cht_bytes text, bool cells_only,
		     struct cht_err *err)
{
	struct reading r = { .conf = conf,
			     .name = name,
			     .file = conf->n_files,
			     .left = text,
			     .cells_only = cells_only,
			     .err = err };
	int at = add_file(conf, name, err);

	if (at < 0)
		return at;
	at = ini_parse_stream(next_line, &r, on_key, &r);
	if (r.result < 0)
		return r.result;
	if (at != 0)
		return bad(&r, at < 0 ? r.line : (unsigned)at, "expected key = value", "");
	if (r.section_line != 0 && !r.section_has_keys)
		return bad(&r, r.section_line, "a section without keys", "");
	return 0;
}

int conf_read(struct conf *conf, const char *name, struct cht_bytes text, struct cht_err *err)
{
	return read_text(conf, name, text, false, err);
}

int conf_read_cells(struct conf *conf, const char *name, struct cht_bytes text, struct cht_err *err)
{
	return read_text(conf, name, text, true, err);
}

/* One ",name=value" of --cell. */
static int cell_option(struct conf_cell *cell, struct cht_str part, uint64_t *seen,
		       struct cht_err *err)
{
	static const char *const allowed[] = { "path", "cid", "run", "spec", "uid" };
	const char *eq = memchr(part.ptr, '=', part.len);
	struct cht_str name = { part.ptr, eq == NULL ? part.len : (size_t)(eq - part.ptr) };
	size_t past = name.len + (eq != NULL); /* a part without '=' names no key below */
	struct cht_str value = { part.ptr + past, part.len - past };

	for (unsigned i = 0; eq != NULL && i < N_CELL_KEYS; i++) {
		const struct key *key = &cell_keys[i];
		bool may = false;

		for (size_t j = 0; j < sizeof(allowed) / sizeof(allowed[0]); j++)
			may = may || strcmp(allowed[j], key->name) == 0;
		if (!may || !str_eq(name, str_of(key->name)))
			continue;
		if ((*seen & UINT64_C(1) << i) != 0)
			return cht_fail(err, CHT_E_RANGE, 0, "--cell %s: %s is given twice",
					cell->id, key->name);
		*seen |= UINT64_C(1) << i;
		if (store(key, cell, value))
			return 0;
		return cht_fail(err, CHT_E_RANGE, 0, "--cell %s: %s: expected %s", cell->id,
				key->name, expected[key->kind]);
	}
	return cht_fail(
		err, CHT_E_RANGE, 0,
		"--cell %s: unknown option \"%.*s\": expected path=, cid=, run=, spec= or uid=",
		cell->id, (int)name.len, name.ptr);
}

int conf_add_cell(struct conf *conf, const char *text, struct cht_err *err)
{
	const char *eq = strchr(text, '=');
	struct cht_str id = { text, eq == NULL ? 0 : (size_t)(eq - text) }, rest, part;
	struct conf_cell *cell;
	uint64_t seen = 0;

	if (eq == NULL || !value_is_cell_id(id))
		return cht_fail(err, CHT_E_RANGE, 0,
				"--cell %s: expected ID=BASE, ID=,path=PATH or ID=,cid=N, with ID "
				"of 1 to 64 of "
				"A-Z a-z 0-9 . _ -",
				text);
	if (conf_find_cell(conf, id) != NULL)
		return cht_fail(err, CHT_E_RANGE, 0, "--cell %s: this cell is there already", text);
	if (conf->n_cells == CELLS_MAX || (cell = conf_new_cell(conf, id)) == NULL)
		return cht_fail(err, CHT_E_LIMIT, 0, "--cell %s: at most %d cells", text,
				CELLS_MAX);
	rest = str_of(eq + 1);
	for (bool first = true; first || rest.len > 0; first = false) {
		const char *comma = memchr(rest.ptr, ',', rest.len);
		int r = 0;

		part = (struct cht_str){ rest.ptr,
					 comma == NULL ? rest.len : (size_t)(comma - rest.ptr) };
		rest.ptr += part.len + (comma != NULL);
		rest.len -= part.len + (comma != NULL);
		if (!first)
			r = cell_option(cell, part, &seen, err);
		else if (part.len > 0 && !replace_text(&cell->base, part))
			r = cht_fail(err, CHT_E_NOMEM, 0, "no memory for the configuration");
		if (r < 0)
			return r;
	}
	return 0;
}
