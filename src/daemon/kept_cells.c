/* SPDX-License-Identifier: Apache-2.0 */
/* At a start: what the process before us kept. Its memory is only read, until ours takes its
 * place: a kill on the way leaves all to the next start. It may be of a process that a guest broke,
 * so that nothing in it is believed that could lead beyond its bounds. */
#include "daemon/kept_old.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/fd.h"
#include "cell/value.h"
#include "daemon/cells.h"
#include "daemon/emit.h"
#include "daemon/moves.h"
#include "daemon/opener.h"
#include "daemon/slots.h"

static bool fits(uint64_t at, uint64_t n, uint64_t each, uint64_t bytes)
{
	return at <= bytes && at % PAGE_BYTES == 0 && (each == 0 || n <= (bytes - at) / each);
}

static bool is_usable(const struct kept_head *h, uint64_t bytes)
{
	return h->magic == KEPT_MAGIC && h->head_bytes == sizeof(*h) &&
	       h->conn_bytes == sizeof(struct conn) && h->cell_bytes == sizeof(struct kept_cell) &&
	       h->receive_bytes == RECEIVE_BYTES && h->bytes == bytes &&
	       fits(h->conns_at, h->n_conns, sizeof(struct conn), bytes) &&
	       h->conns_used <= h->n_conns &&
	       fits(h->cells_at, h->n_cells, sizeof(struct kept_cell), bytes) &&
	       h->cells_used <= h->n_cells && fits(h->pool_at, h->pool_bytes, 1, bytes) &&
	       bytes >= PAGE_BYTES + (uint64_t)RECEIVE_BYTES;
}

/* A memfd that keeps its size, and nothing else, has these. */
static bool is_sealed(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & KEPT_SEALS) == KEPT_SEALS;
}

void kept_find(struct line *line)
{
	struct kept *k = &line->kept;
	struct stat st;
	void *at = MAP_FAILED;

	if (line->store.memory_fd < 0 && line->store.n_found == 0)
		return;
	if (is_sealed(line->store.memory_fd) && fstat(line->store.memory_fd, &st) == 0 &&
	    st.st_size >= (off_t)sizeof(struct kept_head))
		at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED | MAP_NORESERVE,
			  line->store.memory_fd, 0);
	fd_close(&line->store.memory_fd);
	if (at != MAP_FAILED)
		memcpy(&k->was, at, sizeof(k->was));
	if (at != MAP_FAILED && is_usable(&k->was, (uint64_t)st.st_size)) {
		k->old = at;
		k->old_bytes = (size_t)st.st_size;
		return;
	}
	diag(DIAG_WARNING, "another version kept the connections: they end, agents reconnect");
	if (at != MAP_FAILED)
		(void)munmap(at, (size_t)st.st_size);
	/* Now: a listener that is open somewhere is not stale. */
	store_drop_rest(&line->store);
	store_settle(&line->store);
}

static bool is_text(const char *text, size_t cap)
{
	return memchr(text, '\0', cap) != NULL;
}

const struct kept_cell *kept_find_cell(const struct line *line, const char *id)
{
	const struct kept_head *h = kept_old_head(line);

	for (uint64_t i = 0; h != NULL && i < h->cells_used; i++) {
		const struct kept_cell *c = kept_old_cell(line, i);

		if (c->cookie != 0 && is_text(c->id, sizeof(c->id)) && strcmp(c->id, id) == 0)
			return c;
	}
	return NULL;
}

void kept_find_listener(struct line *line, uint32_t i)
{
	struct slot *slot = &line->slots[i];
	const struct kept_cell *c = kept_find_cell(line, slot->reg.id);
	uint16_t name = STORE_NONE;
	int fd = c != NULL ? store_take(&line->store, c->cookie, &name) : -1;

	if (fd < 0)
		return;
	if (slot->reg.cid == 0 && c->mode == slot->reg.mode && c->owner == slot->reg.owner &&
	    c->group == slot->reg.group) {
		slot->kept_name = name;
		slot->left_fd = fd;
		slot->dev = c->dev;
		slot->ino = c->ino;
		return;
	}
	/* It is to be another one: nobody listens to this when it is replaced. */
	fd_close(&fd);
	store_drop(&line->store, &name);
	store_settle(&line->store);
}

int kept_adopt(struct line *line, uint32_t i, struct cht_err *err)
{
	struct slot *slot = &line->slots[i];
	struct cht_err why = { .code = 0 };
	int fd = slot->left_fd, r = 0;

	/* The file of one that was passed in is its maker's. */
	if (!slot->registration.is_passed)
		r = opener_adopt(line, i, slot->dev, slot->ino, err);
	slot->left_fd = -1;
	if (r == 0)
		return moves_on_bound(line, i, fd, &why, err);
	fd_close(&fd);
	store_drop(&line->store, &slot->kept_name);
	store_settle(&line->store); /* what listens nowhere can be replaced */
	return r == CHT_E_BIND || r == CHT_E_STATE ? 0 : r;
}

bool kept_leave_out(struct line *line, uint32_t i, const struct cht_err *why)
{
	if (line->kept.old == NULL || why->code != CHT_E_BIND)
		return false;
	diag(DIAG_ERROR, "cell %s is left out, all others go on: %s", line->slots[i].reg.id,
	     why->text);
	slot_drop(line, i);
	return true;
}

/* A view of what was registered; false when it is none. */
static bool read_reg(const struct kept_cell *c, struct placed *reg)
{
	if (!is_text(c->id, sizeof(c->id)) || !is_text(c->run, sizeof(c->run)) ||
	    !is_text(c->spec, sizeof(c->spec)) || !is_text(c->base, sizeof(c->base)) ||
	    !is_text(c->path, sizeof(c->path)) || c->registration.stated_len > sizeof(c->stated))
		return false;
	*reg = (struct placed){ .id = c->id,
				.run = c->run,
				.spec = c->spec,
				.base = c->base[0] != '\0' ? c->base : NULL,
				.path = c->path[0] != '\0' ? c->path : NULL,
				.uid = c->uid,
				.owner = c->owner,
				.group = c->group,
				.mode = c->mode };
	return (reg->base == NULL) != (reg->path == NULL) && value_is_cell_id(str_of(reg->id)) &&
	       (reg->run[0] == '\0' || value_is_attribution(str_of(reg->run))) &&
	       (reg->spec[0] == '\0' || value_is_attribution(str_of(reg->spec)));
}

/* A cell that is no longer in the configuration: its socket goes. */
static int give_up(struct line *line, const struct kept_cell *c, const struct placed *reg,
		   struct cht_err *err)
{
	uint16_t name = STORE_NONE;
	int fd = store_take(&line->store, c->cookie, &name), r;
	bool is_ours = fd >= 0;
	uint32_t i;

	store_drop(&line->store, &name);
	fd_close(&fd);
	/* The file stays: nobody listens. A name without its listener may be anybody's. */
	if (!is_ours || line->n_cells == line->n_slots)
		return 0;
	r = slot_take(line, reg, &i, err);
	if (r < 0)
		return r;
	line->slots[i].state = SLOT_UNBINDING;
	line->slots[i].is_undone = true;
	r = opener_adopt(line, i, c->dev, c->ino, err);
	if (r == CHT_E_BIND)
		r = 0; /* gone already */
	else if (r == 0)
		r = opener_ask_unlink(line, i, err);
	while (r == 0 && line->slots[i].made != 0)
		r = line_sleep(line, err);
	slot_drop(line, i);
	/* As if it had never been: the start looks at every place that was used. */
	line->free_slot = line->slots[i].next;
	line->slots_used--;
	return r;
}

static int take_cell(struct line *line, const struct kept_cell *c, const struct placed *reg,
		     struct cht_err *err)
{
	uint16_t name = STORE_NONE;
	uint32_t i;
	int fd = -1, r;
	struct slot *slot;

	/* A listener that was passed in cannot be made again: without it there is no such cell. */
	if (c->registration.is_passed) {
		fd = store_take(&line->store, c->cookie, &name);
		if (fd < 0)
			return 0;
	}
	r = slot_take(line, reg, &i, err);
	if (r < 0) {
		fd_close(&fd);
		return r;
	}
	slot = &line->slots[i];
	slot->left_fd = fd;
	slot->kept_name = name;
	slot->registration = c->registration;
	slot->registration.passed_fd = -1;
	slot->registration.stated = NULL;
	slot->registration.stated_len = 0;
	if (c->registration.stated_len > 0) {
		slot->registration.stated = malloc(c->registration.stated_len);
		if (slot->registration.stated == NULL)
			return cht_fail(err, CHT_E_NOMEM, 0, "no memory for a kept cell");
		slot->registration.stated_len = c->registration.stated_len;
		memcpy(slot->registration.stated, c->stated, c->registration.stated_len);
	}
	cells_prepare(line, i);
	return 0;
}

int kept_take_cells(struct line *line, struct cht_err *err)
{
	const struct kept_head *h = kept_old_head(line);
	int r = 0;

	for (uint64_t at = 0; h != NULL && at < h->cells_used && r == 0; at++) {
		static struct kept_cell copy; /* what is checked is what is used */
		const struct kept_cell *c = &copy;
		struct placed reg;

		memcpy(&copy, kept_old_cell(line, at), sizeof(copy));
		if (c->cookie == 0 || !read_reg(c, &reg) ||
		    ids_find(&line->ids, reg.id) != IDS_NONE)
			continue;
		if (c->is_static || line->n_cells == line->n_slots)
			r = give_up(line, c, &reg, err);
		else
			r = take_cell(line, c, &reg, err);
	}
	return r;
}
