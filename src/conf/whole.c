/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/text.h"
#include "cell/cell.h"
#include "conf/conf.h"

/* There is no socket file, and nobody whose user id the kernel could tell. */
static int check_cid(const struct conf_cell *c, struct cht_err *err)
{
	if (c->uid >= 0 || c->owner >= 0 || c->group >= 0 || c->mode != 0)
		return cht_fail_value(err, c->line == 0 ? CHT_E_RANGE : CHT_E_CONFIG, c->line,
				      "cell %s: uid, owner, group and mode are of a socket file: "
				      "a cell with a cid has none",
				      c->id);
	return 0;
}

static int n_channels(const struct conf_cell *c)
{
	return (c->base != NULL) + (c->path != NULL) + (c->cid != 0);
}

/* What an event must be able to say of a cell's channel. */
static int check_channel(const struct conf_cell *c, struct cht_err *err)
{
	const char *path = c->base != NULL ? c->base : c->path;
	size_t suffix = c->base != NULL ? strlen("_9001") : 0;

	if (n_channels(c) != 1)
		return cht_fail_value(err, c->line == 0 ? CHT_E_RANGE : CHT_E_CONFIG, c->line,
				      "cell %s: give one of base (the VMM's uds_path), path and "
				      "cid",
				      c->id);
	if (c->cid != 0)
		return check_cid(c, err);
	if (str_starts(str_of(path), STR("vsock:")))
		return cht_fail_value(err, CHT_E_CONFIG, c->line,
				      "cell %s: a path that begins with vsock: is written "
				      "./vsock:",
				      c->id);
	if (strlen(path) + suffix > CELL_CHANNEL_MAX)
		return cht_fail_value(err, CHT_E_CONFIG, c->line,
				      "cell %s: a socket's path has at most %d bytes", c->id,
				      CELL_CHANNEL_MAX);
	if (!utf8_is_valid((const uint8_t *)path, strlen(path)))
		return cht_fail_value(err, CHT_E_CONFIG, c->line,
				      "cell %s: a socket's path is UTF-8 text", c->id);
	return 0;
}

static bool is_off(const char *alg)
{
	return alg == NULL || strcmp(alg, "off") == 0;
}

static int check_sign(const struct conf *conf, struct cht_err *err)
{
	bool has_key = conf->sign_kid != NULL || conf->sign_key_file != NULL;

	if (is_off(conf->sign_alg) && has_key)
		return cht_fail(err, CHT_E_CONFIG, 0, "[sign] kid and key_file need an alg");
	if (!is_off(conf->sign_alg) && (conf->sign_kid == NULL || conf->sign_key_file == NULL))
		return cht_fail(err, CHT_E_CONFIG, 0, "[sign] alg needs kid and key_file");
	return 0;
}

/* "<origin>+<id>+<base64 of 0x01 and the key>": an Ed25519 key, as a note's verifier has it. */
static bool is_vkey(struct cht_str s)
{
	enum { ID_LEN = 8, KEY_LEN = 33, ORIGIN_MAX = 128 };
	const char *first = memchr(s.ptr, '+', s.len);
	struct cht_str origin = { s.ptr, first != NULL ? (size_t)(first - s.ptr) : 0 };
	uint8_t id[ID_LEN / 2], key[KEY_LEN + 3];
	size_t len;

	if (origin.len == 0 || origin.len > ORIGIN_MAX ||
	    !utf8_is_valid((const uint8_t *)origin.ptr, origin.len) ||
	    s.len - origin.len < ID_LEN + 2 || first[1 + ID_LEN] != '+' ||
	    !read_hex((struct cht_str){ first + 1, ID_LEN }, id, sizeof(id), &len))
		return false;
	for (size_t i = 0; i < origin.len; i++)
		if ((uint8_t)origin.ptr[i] <= ' ' || origin.ptr[i] == 0x7f)
			return false;
	return read_base64((struct cht_str){ first + ID_LEN + 2, s.len - origin.len - ID_LEN - 2 },
			   key, sizeof(key), &len) &&
	       len == KEY_LEN && key[0] == 1;
}

static int check_close(const struct conf *conf, struct cht_err *err)
{
	static const char *const reasons[] = { "rotation", "compromise", "damage",
					       "restore",  "lost-state", "format" };
	bool known = false;

	if (conf->close_for == NULL && conf->close_reason == NULL)
		return 0;
	if (conf->close_for == NULL || conf->close_reason == NULL)
		return cht_fail(err, CHT_E_RANGE, 0, "--close-for and --close-reason go together");
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		known = known || strcmp(conf->close_reason, reasons[i]) == 0;
	if (!known)
		return cht_fail(err, CHT_E_RANGE, 0,
				"--close-reason: expected rotation, compromise, damage, restore, "
				"lost-state or format");
	if (!is_vkey(str_of(conf->close_for)))
		return cht_fail(err, CHT_E_RANGE, 0,
				"--close-for: expected the successor's verifier key");
	if (conf->n_cells > 0 || conf->init)
		return cht_fail(err, CHT_E_RANGE, 0,
				"--close-for goes without cells and without --init");
	return 0;
}

bool conf_may_flush(const struct conf *conf)
{
	return conf->opener_flush != NULL && strcmp(conf->opener_flush, "yes") == 0;
}

static int check_opener(const struct conf *conf, struct cht_err *err)
{
	if (conf->opener == NULL)
		return conf->opener_user == NULL
			       ? 0
			       : cht_fail(err, CHT_E_CONFIG, 0, "--opener-user goes with --opener");
	if (conf->opener_roots != NULL || conf->opener_read != NULL || conf->opener_api != NULL ||
	    conf_may_flush(conf) || conf->replace)
		return cht_fail(err, CHT_E_CONFIG, 0,
				"with --opener, --replace and the keys of [opener] are options of "
				"cht-opener itself: see cht-opener(8)");
	return 0;
}

/* What only the one that chtd starts itself can be given. */
static int check_scribe(const struct conf *conf, struct cht_err *err)
{
	if (conf->scribe == NULL)
		return conf->scribe_user == NULL
			       ? 0
			       : cht_fail(err, CHT_E_CONFIG, 0, "--scribe-user goes with --scribe");
	if (conf->init || conf->log_name != NULL || conf->retain_age_ns > 0 ||
	    conf->retain_bytes > 0 || conf->log_key_file != NULL || conf->sign_alg != NULL ||
	    conf->sign_kid != NULL || conf->sign_key_file != NULL || conf->sign_order != NULL)
		return cht_fail(err, CHT_E_CONFIG, 0,
				"with --scribe, --init and the keys of [ledger] and [sign] are "
				"options of cht-scribe itself: see cht-scribe(8)");
	return 0;
}

struct cht_str conf_next_word(const char **at)
{
	struct cht_str word = { *at + strspn(*at, " \t"), 0 };

	word.len = strcspn(word.ptr, " \t");
	*at = word.ptr + word.len;
	return word;
}

static int check_roots(const char *key, const char *roots, struct cht_err *err)
{
	struct cht_str root;
	unsigned n = 0;

	if (roots == NULL)
		return 0;
	for (; (root = conf_next_word(&roots)).len > 0; n++)
		if (root.ptr[0] != '/')
			return cht_fail(err, CHT_E_CONFIG, 0,
					"[opener] %s: expected absolute directories", key);
	if (n == 0 || n > OPENER_ROOTS_MAX)
		return cht_fail(err, CHT_E_CONFIG, 0,
				"[opener] %s: expected 1 to %d directories, not %u", key,
				OPENER_ROOTS_MAX, n);
	return 0;
}

static int by_text(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return (a != NULL) - (b != NULL);
	return strcmp(a, b);
}

static int by_channel(const struct conf_cell *a, const struct conf_cell *b)
{
	int r = by_text(a->base, b->base);

	if (r == 0)
		r = by_text(a->path, b->path);
	return r != 0 ? r : (a->cid > b->cid) - (a->cid < b->cid);
}

/* A cell with one channel, to be put in order. */
struct with_channel {
	const struct conf_cell *cell;
};

/* For qsort: those with the same channel in the order of the configuration. */
static int by_channel_and_place(const void *a, const void *b)
{
	const struct with_channel *x = a, *y = b;
	int r = by_channel(x->cell, y->cell);

	return r != 0 ? r : (x->cell > y->cell) - (x->cell < y->cell);
}

/* Two cells with the same channel; null: there are none. */
struct same {
	const struct conf_cell *first, *second;
};

/* Of all such the pair that is met first when each cell is held against those before it. All cells
 * are sorted for it, which is n log n: the line serves others meanwhile. */
static int find_same(const struct conf *conf, struct same *out, struct cht_err *err)
{
	struct with_channel *sorted;
	size_t n = 0;

	*out = (struct same){ NULL, NULL };
	if (conf->n_cells == 0)
		return 0;
	sorted = malloc(conf->n_cells * sizeof(*sorted));
	if (sorted == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for the configuration");
	for (size_t i = 0; i < conf->n_cells; i++)
		if (n_channels(&conf->cells[i]) == 1)
			sorted[n++].cell = &conf->cells[i];
	qsort(sorted, n, sizeof(*sorted), by_channel_and_place);
	for (size_t i = 1; i < n; i++) {
		const struct conf_cell *first = sorted[i - 1].cell, *second = sorted[i].cell;

		if (by_channel(first, second) == 0 && (out->second == NULL || second < out->second))
			*out = (struct same){ first, second };
	}
	free(sorted);
	return 0;
}

static int check_cells(const struct conf *conf, struct cht_err *err)
{
	struct same same;
	int r = find_same(conf, &same, err);

	for (size_t i = 0; i < conf->n_cells && r == 0; i++) {
		const struct conf_cell *c = &conf->cells[i];

		r = check_channel(c, err);
		if (r == 0 && c == same.second)
			r = cht_fail(err, CHT_E_CONFIG, 0, "cells %s and %s have the same %s",
				     same.first->id, c->id, c->cid != 0 ? "CID" : "socket");
	}
	return r;
}

int conf_check(const struct conf *conf, struct cht_err *err)
{
	int r;

	if (conf->state == NULL)
		return cht_fail(err, CHT_E_RANGE, 0,
				"--state DIR is missing: where the ledger is kept");
	r = check_cells(conf, err);
	if (r == 0)
		r = check_roots("roots", conf->opener_roots, err);
	if (r == 0)
		r = check_roots("read", conf->opener_read, err);
	if (r == 0)
		r = check_roots("api", conf->opener_api, err);
	if (r == 0 && conf->retain_age_ns % NS_PER_S != 0)
		r = cht_fail(err, CHT_E_CONFIG, 0, "[ledger] retain_age: expected whole seconds");
	if (r == 0 && conf->register_socket != NULL && conf->control == NULL)
		r = cht_fail(err, CHT_E_CONFIG, 0,
			     "[control] register (--register) needs socket (--control) beside it");
	if (r == 0)
		r = check_close(conf, err);
	if (r == 0)
		r = check_scribe(conf, err);
	if (r == 0)
		r = check_opener(conf, err);
	return r < 0 ? r : check_sign(conf, err);
}

void conf_init(struct conf *conf)
{
	*conf = (struct conf){ .ready_fd = -1,
			       .keepalive_window_ns = 10 * NS_PER_S,
			       .boot_window_ns = LIMIT_BOOT_WINDOW_NS,
			       .stall_ns = LIMIT_STALL_NS,
			       .connections = LIMIT_CONNECTIONS,
			       .connects_per_s = LIMIT_CONNECTS_PER_S,
			       .frames_per_s = LIMIT_FRAMES_PER_S,
			       .frames_burst = LIMIT_FRAMES_BURST,
			       .partial_blocks = LIMIT_PARTIAL_BLOCKS,
			       .cells_max = CELLS_MAX,
			       .ledger_bytes_per_run = LIMIT_LEDGER_BYTES_PER_RUN };
}

static void free_cell(struct conf_cell *cell)
{
	free(cell->base);
	free(cell->path);
	free(cell->probes);
}

void conf_free(struct conf *conf)
{
	char **texts[] = { &conf->state,       &conf->on_full,     &conf->silence,
			   &conf->log_name,    &conf->control,     &conf->log_key_file,
			   &conf->lockdown,    &conf->close_for,   &conf->close_reason,
			   &conf->sign_alg,    &conf->sign_kid,    &conf->sign_key_file,
			   &conf->sign_order,  &conf->writers,     &conf->readers,
			   &conf->scribe,      &conf->scribe_user, &conf->opener_roots,
			   &conf->opener,      &conf->opener_user, &conf->register_socket,
			   &conf->opener_read, &conf->opener_api,  &conf->opener_flush,
			   &conf->config };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		free(*texts[i]);
		*texts[i] = NULL;
	}
	for (size_t i = 0; i < conf->n_cells; i++)
		free_cell(&conf->cells[i]);
	for (size_t i = 0; i < conf->n_files; i++)
		free(conf->files[i]);
	free(conf->files);
	conf->files = NULL;
	conf->n_files = 0;
	ids_close(&conf->ids);
	free(conf->cells);
	conf->cells = NULL;
	conf->n_cells = conf->cells_cap = 0;
}
