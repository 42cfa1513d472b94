/* SPDX-License-Identifier: Apache-2.0 */
/* The line has no path: the opener gives a descriptor a file (PROTOCOL.opener, CONF). Meanwhile
 * cells are served as ever, and nothing is taken before all was read and found good. What changes
 * is what is looked up when it is needed; what was handed to another process, or sized memory,
 * stays as it was at the start, and is named. */
#include "daemon/reload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/fd.h"
#include "daemon/cells.h"
#include "daemon/emit.h"
#include "daemon/moves.h"
#include "daemon/opener.h"
#include "daemon/slots.h"

enum { WORDS_MAX = CONF_KEYS_MAX * 40 };

/* What came of it. */
struct outcome {
	char changed[WORDS_MAX], kept[WORDS_MAX], digest[CONF_DIGEST_LEN + 1];
	struct facts_host_reloaded facts;
};

void reload_prepare(struct line *line, struct conf *conf)
{
	line->reload.running = conf;
	line->reload.connections_most = conf->connections;
	line->reload.partial_blocks_most = conf->partial_blocks;
}

void reload_close(struct line *line)
{
	struct reload *r = &line->reload;

	if (r->state == RELOAD_NOTHING)
		return;
	conf_free(&r->next);
	conf_names_free(&r->names);
	free(r->text);
	r->text = NULL;
	r->state = RELOAD_NOTHING;
}

void reload_begin(struct line *line)
{
	struct reload *r = &line->reload;

	if (r->running->config == NULL) {
		diag(DIAG_WARNING, "SIGHUP: there is no file to be read again: see --config");
		return;
	}
	if (r->state != RELOAD_NOTHING) {
		r->is_again = true;
		return;
	}
	r->text = malloc(CONF_FILE_MAX);
	if (r->text == NULL) {
		diag(DIAG_ERROR, "SIGHUP: nothing changes: no memory for the configuration");
		return;
	}
	conf_init(&r->next);
	r->is_again = false;
	r->at = 0;
	r->state = RELOAD_FILE;
}

static void end(struct line *line)
{
	reload_close(line);
	if (line->reload.is_again)
		reload_begin(line);
}

static void refuse(struct line *line, const struct cht_err *why)
{
	diag(DIAG_ERROR, "SIGHUP: nothing changes, because the configuration is not good: %s",
	     why->text);
	end(line);
}

/* ---- reading */

/* What it is called, here and in what is said of it. */
static int write_name(const struct line *line, char out[CONF_TEXT_MAX + 1], struct cht_err *err)
{
	const struct reload *r = &line->reload;
	const char *file = r->running->config;
	size_t len;
	int n, at;

	if (r->state == RELOAD_FILE) {
		(void)snprintf(out, CONF_TEXT_MAX + 1, "%s", file);
		return 0;
	}
	at = conf_cells_dir(file, out, CONF_TEXT_MAX + 1, err);
	if (at < 0 || r->state == RELOAD_NAMES)
		return at;
	len = strlen(out);
	n = snprintf(out + len, CONF_TEXT_MAX + 1 - len, "/%s", r->names.list[r->at]);
	if (n < 0 || (size_t)n > CONF_TEXT_MAX - len)
		return cht_fail(err, CHT_E_CONFIG, ENAMETOOLONG, "%s", r->names.list[r->at]);
	return 0;
}

static int read_file(struct reload *r, const char *name, int fd, struct cht_err *err)
{
	struct cht_err why = { 0 };
	struct cht_bytes text = { r->text, 0 };
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return cht_fail(err, CHT_E_PEER, 0, "%s: cht-opener sent no file", name);
	n = fd_read_all(fd, r->text, CONF_FILE_MAX, &why);
	if (n < 0)
		return cht_fail(err, CHT_E_CONFIG, 0, "%s: %s", name, why.text);
	text.len = (size_t)n;
	return r->state == RELOAD_FILE ? conf_read(&r->next, name, text, err)
				       : conf_read_cells(&r->next, name, text, err);
}

/* One that was removed shows nothing, which is not that no cell is wanted. */
static int read_names(struct reload *r, const char *name, int fd, struct cht_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode))
		return cht_fail(err, CHT_E_PEER, 0, "%s: cht-opener sent no directory", name);
	if (st.st_nlink == 0)
		return cht_fail(err, CHT_E_CONFIG, 0,
				"%s: it is not the directory that was there at the start: restart",
				name);
	return conf_list(fd, name, &r->names, err);
}

static int take(struct reload *r, const char *name, const struct opening_answer *answer, int fd,
		struct cht_err *err)
{
	bool is_list = r->state == RELOAD_NAMES;

	/* There need not be one. */
	if (is_list && answer->code < 0 && answer->sys == ENOENT)
		return 0;
	if (answer->code < 0)
		return cht_fail(err, CHT_E_CONFIG, 0, "%s: %.100s%s", name, answer->text,
				is_list ? "; one made after the start needs a restart" : "");
	return is_list ? read_names(r, name, fd, err) : read_file(r, name, fd, err);
}

static void step(struct reload *r)
{
	if (r->state == RELOAD_FILE) {
		r->state = RELOAD_NAMES;
		return;
	}
	if (r->state == RELOAD_CELLS)
		r->at++;
	r->state = r->at < r->names.n ? RELOAD_CELLS : RELOAD_READ;
}

void reload_on_answer(struct line *line, const struct opening_answer *answer, int fd)
{
	struct reload *r = &line->reload;
	char name[CONF_TEXT_MAX + 1];
	struct cht_err why = { 0 };
	int got;

	r->is_asked = false;
	got = write_name(line, name, &why);
	if (got == 0)
		got = take(r, name, answer, fd, &why);
	fd_close(&fd);
	if (got < 0)
		refuse(line, &why);
	else
		step(r);
}

static int ask(struct line *line, struct cht_err *err)
{
	char name[CONF_TEXT_MAX + 1];
	struct cht_err why = { 0 };
	int r = write_name(line, name, &why);

	if (r == 0)
		r = opener_ask_conf(line, name, &why);
	if (r == CHT_E_CONFIG) {
		refuse(line, &why);
		return 0;
	}
	if (r < 0)
		*err = why;
	return r;
}

/* ---- taking */

static void put_word(char *words, const struct conf_difference *d)
{
	size_t n = strlen(words);

	(void)snprintf(words + n, WORDS_MAX - n, "%s%s.%s", n > 0 ? " " : "", d->section, d->name);
}

/* A value that is above what memory was reserved for cannot be had; what may change, changes. */
static void take_values(struct line *line, struct outcome *out)
{
	struct reload *r = &line->reload;
	struct conf *running = r->running;
	const struct cell_limits was = limits_of_conf(running);
	uint64_t was_ledger = running->ledger_bytes_per_run;
	uint64_t connections = r->next.connections, blocks = r->next.partial_blocks;
	struct conf_difference d;

	if (connections > r->connections_most)
		r->next.connections = running->connections;
	if (blocks > r->partial_blocks_most)
		r->next.partial_blocks = running->partial_blocks;
	for (size_t at = 0; conf_next_difference(running, &r->next, &at, &d);)
		put_word(d.may_change ? out->changed : out->kept, &d);
	d = (struct conf_difference){ "limits", "connections", false };
	if (connections != r->next.connections)
		put_word(out->kept, &d);
	d.name = "partial_blocks";
	if (blocks != r->next.partial_blocks)
		put_word(out->kept, &d);
	conf_take_over(running, &r->next);
	stating_follow(line, &was, was_ledger);
}

static bool is_as(const struct slot *slot, const struct conf_cell *c)
{
	const struct placed asked = placed_of(c);

	return slot->is_static && placed_is_same_place(&slot->reg, &asked) &&
	       strcmp(slot->reg.probes != NULL ? slot->reg.probes : "",
		      c->probes != NULL ? c->probes : "") == 0 &&
	       strcmp(slot->reg.run, c->run) == 0 && strcmp(slot->reg.spec, c->spec) == 0;
}

static int add_cell(struct line *line, const struct conf_cell *c, struct cht_err *why)
{
	const struct placed reg = placed_of(c);
	uint32_t i;
	int r;

	if (cells_channel_is_taken(line, &reg))
		return cht_fail(why, CHT_E_STATE, 0,
				"another cell has its socket: reload again when that is gone");
	r = moves_register(line, &reg, NULL, &i, why);
	if (r == 0)
		line->slots[i].is_static = true;
	return r;
}

/* One that is there already is not touched: 0 when it is as it should be. */
static int find_cell(struct slot *slot, const struct conf_cell *c, struct cht_err *why)
{
	if (slot->is_retired || slot->is_undone)
		return cht_fail(why, CHT_E_STATE, 0,
				"it is on its way out: reload again when it is gone");
	slot->is_unlisted = false;
	if (is_as(slot, c))
		return 0;
	return cht_fail(why, CHT_E_STATE, 0,
			"it is registered otherwise, and stays so until it was taken out");
}

static void take_cell(struct line *line, const struct conf_cell *c, struct outcome *out)
{
	uint32_t i = ids_find(&line->ids, c->id);
	struct cht_err why = { 0 };
	int r = i != IDS_NONE ? find_cell(&line->slots[i], c, &why) : add_cell(line, c, &why);

	if (r == 0) {
		out->facts.cells_added += i == IDS_NONE;
		return;
	}
	out->facts.cells_kept++;
	diag(DIAG_WARNING, "SIGHUP: cell %s: %s", c->id, why.text);
}

/* Those that go first say so, and have their sockets until they are drained. */
static void take_cells(struct line *line, struct outcome *out)
{
	struct conf *next = &line->reload.next;
	uint32_t used = line->slots_used;

	for (uint32_t i = 0; i < used; i++) {
		struct slot *slot = &line->slots[i];

		slot->is_unlisted = slot->is_unlisted || (slot->state != SLOT_FREE &&
							  slot->is_static && !slot->is_retired);
	}
	for (size_t k = 0; k < next->n_cells; k++)
		take_cell(line, &next->cells[k], out);
	for (uint32_t i = 0; i < used; i++) {
		if (!line->slots[i].is_unlisted || line->slots[i].is_retired)
			continue;
		moves_retire(line, i);
		out->facts.cells_removed++;
	}
}

static int tell(struct line *line, struct outcome *out, struct cht_err *err)
{
	struct facts_host_reloaded *f = &out->facts;
	struct cht_stamped stamped;

	f->changed = str_of(out->changed);
	f->kept = str_of(out->kept);
	f->configuration = str_of(out->digest);
	diag(DIAG_NOTICE,
	     "SIGHUP: the configuration was read again: %s%s; cells: %llu come, %llu go",
	     f->changed.len > 0 ? "changed: " : "no value changes", out->changed,
	     (unsigned long long)f->cells_added, (unsigned long long)f->cells_removed);
	if (f->kept.len > 0)
		diag(DIAG_WARNING, "SIGHUP: these need a restart, and stay as they are: %s",
		     out->kept);
	run_stamp(&line->host, EV_HOST_RELOADED, &line->now, &stamped);
	stamped.facts.host_reloaded = *f;
	return line_emit(line, NULL, &stamped, err);
}

static int judge(struct line *line, struct cht_err *err)
{
	struct reload *r = &line->reload;
	struct outcome out = { .changed = "" };
	struct cht_err why = { 0 };
	int result = conf_complete(&r->next, r->running->argc, r->running->argv, &why);

	if (result == 0)
		result = conf_digest(&r->next, out.digest, &why);
	if (result != 0) {
		refuse(line, &why);
		return 0;
	}
	take_values(line, &out);
	take_cells(line, &out);
	result = tell(line, &out, err);
	end(line);
	return result;
}

static bool may_ask(const struct line *line)
{
	return !line->opener_is_gone && line->n_asked < OPENING_ASKED_MAX;
}

int reload_go_on(struct line *line, struct cht_err *err)
{
	struct reload *r = &line->reload;

	if (r->state == RELOAD_NOTHING || r->is_asked)
		return 0;
	if (r->state == RELOAD_READ)
		return line_has_room_for_one(line) ? judge(line, err) : 0;
	return may_ask(line) ? ask(line, err) : 0;
}

bool reload_has_work(struct line *line)
{
	const struct reload *r = &line->reload;

	if (r->state == RELOAD_NOTHING || r->is_asked)
		return false;
	return r->state == RELOAD_READ ? line_has_room_for_one(line) : may_ask(line);
}
