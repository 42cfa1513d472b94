/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/program.h"
#include "control/control.h"
#include "daemon/cells.h"
#include "daemon/evidence.h"
#include "daemon/probes.h"
#include "daemon/slots.h"
#include "daemon/witness.h"

enum {
	/* Beside those that are there at the start, for what a reload brings. */
	RELOAD_PLACES = 64,
	MET_BYTES = (sizeof(struct slot_met) + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES,
};

/* Clients of the control socket have descriptors of their own, so that they take none of a guest: a
 * quarter of what the configured cells leave. How many that is. */
static uint32_t reserve_clients(struct line *line, uint64_t left)
{
	if (line->conf->control == NULL)
		return 0;
	line->n_clients =
		left / 4 < CONTROL_CLIENTS_MAX ? (uint32_t)(left / 4) : CONTROL_CLIENTS_MAX;
	if (line->n_clients > 0)
		return line->n_clients;
	line->n_clients = 1; /* one of the others */
	return 0;
}

/* Whether the descriptors that this process may have suffice for the cells that are configured;
 * sets how many cells and connections there can be in all. */
static int budget_descriptors(struct line *line, struct cht_err *err)
{
	uint64_t files, left, most, fit;
	int r = program_raise_files(&files, err);

	if (r < 0)
		return r;
	if (files < LINE_FDS + line->conf->n_cells * (LINE_FDS_PER_CELL + 1))
		return cht_fail(
			err, CHT_E_LIMIT, 0,
			"%zu cells need %zu open files and the limit is %llu: raise it (ulimit -n)",
			line->conf->n_cells,
			LINE_FDS + line->conf->n_cells * (LINE_FDS_PER_CELL + 1),
			(unsigned long long)files);
	left = files - LINE_FDS;
	left -= reserve_clients(line, left - line->conf->n_cells * (LINE_FDS_PER_CELL + 1));
	fit = left / (LINE_FDS_PER_CELL + 1);
	if (line->n_slots > fit)
		line->n_slots = (uint32_t)fit;
	most = left - (uint64_t)LINE_FDS_PER_CELL * line->n_slots;
	line->n_spare = (uint32_t)(most < UINT32_MAX ? most : UINT32_MAX);
	if (most > line->n_slots * line->conf->connections)
		most = line->n_slots * line->conf->connections;
	line->n_conns = (uint32_t)most;
	return 0;
}

/* Address space for the worst case; pages come with use. */
static void *reserve(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

static const char *id_of(const void *context, uint32_t i)
{
	const struct line *line = context;

	const char *id = line->slots[i].reg.id;

	return id != NULL ? id : ""; /* none yet: it is in no table */
}

static const char *socket_of(const void *context, uint32_t i)
{
	const struct line *line = context;

	const char *path = line->slots[i].cell.channel.ptr;

	return path != NULL ? path : ""; /* none yet: it is in no table */
}

int slots_open(struct line *line, struct cht_err *err)
{
	const size_t scratch = CHT_FRAME_MAX_BYTES;
	size_t blocks;
	int r;

	line->n_slots = (uint32_t)line->conf->n_cells;
	/* For the socket of a cell that is no longer configured, until it is gone. */
	if (line->conf->fd_store && line->n_slots < CELLS_MAX)
		line->n_slots++;
	if (line->conf->config != NULL && line->conf->control == NULL)
		line->n_slots += line->n_slots + RELOAD_PLACES < CELLS_MAX
					 ? RELOAD_PLACES
					 : CELLS_MAX - line->n_slots;
	if (line->conf->control != NULL && line->n_slots < line->conf->cells_max)
		line->n_slots = (uint32_t)line->conf->cells_max;
	line->free_conn = line->free_slot = line->moving = NOBODY;
	r = budget_descriptors(line, err);
	if (r == 0)
		r = stating_open(line, err);
	if (r == 0)
		r = deadlines_open(&line->deadlines, line->n_slots, err);
	if (r == 0)
		r = ids_open(&line->ids, line->n_slots, id_of, line, err);
	if (r == 0)
		r = sorted_open(&line->by_id, line->n_slots, id_of, line, err);
	if (r == 0)
		r = ids_open(&line->sockets, line->n_slots, socket_of, line, err);
	if (r == 0)
		r = channel_spare_open(&line->spare, err);
	if (r < 0)
		return r;
	/* And those on which one of each cell may finish its frame. */
	blocks = (size_t)line->n_slots * (line->conf->partial_blocks + FRAME_BLOCKS);
	line->pool_bytes = scratch + blocks * sizeof(struct frame_block);
	line->conns_bytes = (line->n_conns + 1) * sizeof(struct conn);
	line->slots = calloc(line->n_slots + 1, sizeof(*line->slots));
	r = kept_open(line, err);
	if (r == 0)
		r = evidence_open(line, err);
	if (r < 0)
		return r;
	line->met = reserve((line->n_slots + 1) * (size_t)MET_BYTES);
	if (line->slots == NULL || line->met == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for %u cells", line->n_slots);
	frame_pool_init(&line->pool, line->pool_mem, blocks,
			(uint8_t *)line->pool_mem + blocks * sizeof(struct frame_block));
	return 0;
}

struct slot_met *slot_met(const struct line *line, uint32_t i)
{
	return (struct slot_met *)(void *)(line->met + (size_t)i * MET_BYTES);
}

struct placed placed_of(const struct conf_cell *cell)
{
	return (struct placed){ .id = cell->id,
				.run = cell->run,
				.spec = cell->spec,
				.base = cell->base,
				.path = cell->path,
				.probes = cell->probes,
				.cid = cell->cid,
				.uid = cell->uid,
				.owner = cell->owner,
				.group = cell->group,
				.mode = cell->mode };
}

/* None is as good as an empty one. */
static bool is_same_text(const char *a, const char *b)
{
	return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

static uint32_t mode_of(const struct placed *p)
{
	return p->mode != 0 ? p->mode : 0600;
}

bool placed_is_same_place(const struct placed *a, const struct placed *b)
{
	return is_same_text(a->base, b->base) && is_same_text(a->path, b->path) &&
	       a->cid == b->cid && a->uid == b->uid && a->owner == b->owner &&
	       a->group == b->group && mode_of(a) == mode_of(b);
}

static size_t bytes_of(const char *text)
{
	return text != NULL ? strlen(text) + 1 : 0;
}

static const char *put_text(char **at, const char *text)
{
	size_t n = bytes_of(text);
	char *to = *at;

	if (text == NULL)
		return NULL;
	memcpy(to, text, n);
	*at += n;
	return to;
}

/* Until there is a cell: all that was given. */
static int keep_texts(struct slot *slot, const struct placed *given, struct cht_err *err)
{
	struct placed *reg = &slot->reg;
	char *at = malloc(1 + bytes_of(given->id) + bytes_of(given->run) + bytes_of(given->spec) +
			  bytes_of(given->base) + bytes_of(given->path) + bytes_of(given->probes));

	if (at == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for the texts of a cell");
	slot->texts = at;
	*reg = *given;
	reg->id = put_text(&at, reg->id);
	reg->run = put_text(&at, reg->run);
	reg->spec = put_text(&at, reg->spec);
	reg->base = put_text(&at, reg->base);
	reg->path = put_text(&at, reg->path);
	reg->probes = put_text(&at, reg->probes);
	return 0;
}

int slot_settle_texts(struct slot *slot, struct cht_err *err)
{
	size_t n = cell_texts_bytes(&slot->cell);
	struct placed *reg = &slot->reg;
	char *texts = malloc(n + bytes_of(reg->base) + bytes_of(reg->probes)), *behind;

	if (texts == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for the texts of a cell");
	behind = texts + n;
	cell_move_texts(&slot->cell, texts);
	reg->id = slot->cell.run.cell_id;
	reg->run = reg->run[0] != '\0' ? slot->cell.run.run_id : "";
	reg->spec = reg->spec[0] != '\0' ? slot->cell.run.spec : "";
	reg->path = reg->path != NULL ? slot->cell.channel.ptr : NULL;
	reg->base = put_text(&behind, reg->base);
	reg->probes = put_text(&behind, reg->probes);
	free(slot->texts);
	slot->texts = texts;
	return 0;
}

/* Its pages, for the next tenant as they were for this one. */
static void forget_met(struct line *line, uint32_t i)
{
	struct slot_met *met = slot_met(line, i);

	if (line->slots[i].cell.is_met && madvise(met, MET_BYTES, MADV_DONTNEED) < 0)
		memset(met, 0, sizeof(*met));
}

int slot_take(struct line *line, const struct placed *reg, uint32_t *i, struct cht_err *err)
{
	uint32_t gen;
	struct slot *slot;
	int r;

	*i = line->free_slot != NOBODY ? line->free_slot : line->slots_used;
	if (*i == line->n_slots)
		return cht_fail(err, CHT_E_LIMIT, 0,
				"there are %u cells, as many as fit: [control] cells, or the limit "
				"of open files, %d a cell and one a connection",
				line->n_slots, LINE_FDS_PER_CELL);
	slot = &line->slots[*i];
	gen = slot->gen + 1;
	if (*i == line->slots_used)
		line->slots_used++;
	else
		line->free_slot = slot->next;
	*slot = (struct slot){ .registration = { .passed_fd = -1 },
			       .listen_fd = -1,
			       .gen = gen,
			       .state = SLOT_BINDING,
			       .conns = NOBODY,
			       .finishing = NOBODY,
			       .vmm_fd = -1,
			       .table_slot = -1,
			       .kept_name = STORE_NONE,
			       .left_fd = -1,
			       .next = NOBODY,
			       .limits = limits_of_conf(line->conf),
			       .quota = { .max = (uint16_t)line->conf->partial_blocks } };
	line->n_cells++;
	r = keep_texts(slot, reg, err);
	if (r < 0) {
		slot_drop(line, *i);
		return r;
	}
	ids_add(&line->ids, *i);
	sorted_add(&line->by_id, *i);
	return 0;
}

void slot_drop(struct line *line, uint32_t i)
{
	struct slot *slot = &line->slots[i];

	cells_close_listener(line, slot);
	witness_drop(line, slot);
	probes_close(line, slot);
	ids_remove(&line->ids, i);
	sorted_remove(&line->by_id, i);
	ids_remove(&line->sockets, i);
	forget_met(line, i);
	evidence_forget(line, i);
	free(slot->texts);
	slot->texts = NULL;
	registration_free(&slot->registration);
	deadlines_set(&line->deadlines, i, UINT64_MAX);
	slot->state = SLOT_FREE;
	slot->table_slot = -1;
	slot->next = line->free_slot;
	line->free_slot = i;
	line->n_cells--;
}

void slots_free(struct line *line)
{
	for (uint32_t i = 0; line->slots != NULL && i < line->slots_used; i++) {
		fd_close(&line->slots[i].vmm_fd);
		probes_close(line, &line->slots[i]);
		free(line->slots[i].texts);
		registration_free(&line->slots[i].registration);
	}
	stating_close(line);
	evidence_close(line);
	deadlines_close(&line->deadlines);
	ids_close(&line->ids);
	ids_close(&line->sockets);
	sorted_close(&line->by_id);
	fd_close(&line->spare.fd);
	free(line->slots);
	kept_close(line);
	if (line->met != NULL)
		(void)munmap(line->met, (line->n_slots + 1) * (size_t)MET_BYTES);
	line->met = NULL;
	line->slots = NULL;
	line->n_slots = line->slots_used = 0;
}
