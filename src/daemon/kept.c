/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "daemon/line.h"
#include "daemon/order.h"

static uint64_t place(uint64_t *end, uint64_t bytes)
{
	uint64_t at = *end;

	*end += (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	return at;
}

static void lay_out(const struct line *line, struct kept_head *h)
{
	bool is_kept = store_is_on(&line->store);
	uint64_t end = 0;

	*h = (struct kept_head){ .head_bytes = sizeof(*h),
				 .conn_bytes = sizeof(struct conn),
				 .cell_bytes = sizeof(struct kept_cell),
				 .receive_bytes = RECEIVE_BYTES,
				 .n_conns = line->n_conns,
				 .n_cells = is_kept ? line->n_slots : 0,
				 .pool_bytes = line->pool_bytes,
				 .turn = { .conn = NOBODY } };
	(void)place(&end, sizeof(*h));
	(void)place(&end, RECEIVE_BYTES);
	h->conns_at = place(&end, line->conns_bytes);
	h->cells_at = place(&end, h->n_cells * sizeof(struct kept_cell));
	h->pool_at = place(&end, h->pool_bytes);
	h->bytes = end;
}

int kept_open(struct line *line, struct cht_err *err)
{
	struct kept *k = &line->kept;
	struct kept_head head;

	lay_out(line, &head);
	if (store_is_on(&line->store)) {
		k->fd = memfd_create("cht-kept", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		if (k->fd < 0 || ftruncate(k->fd, (off_t)head.bytes) < 0 ||
		    fcntl(k->fd, F_ADD_SEALS, KEPT_SEALS) < 0)
			return cht_fail(err, CHT_E_NOMEM, errno, "memory to keep connections in");
	}
	k->bytes = head.bytes;
	k->at = mmap(NULL, k->bytes, PROT_READ | PROT_WRITE,
		     (k->fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED) | MAP_NORESERVE, k->fd,
		     0);
	if (k->at == MAP_FAILED) {
		k->at = NULL;
		return cht_fail(err, CHT_E_NOMEM, errno, "no memory for %u cells", line->n_slots);
	}
	head.address = (uint64_t)(uintptr_t)k->at;
	k->head = (struct kept_head *)(void *)k->at;
	*k->head = head;
	line->receive = k->at + PAGE_BYTES;
	line->conns = (struct conn *)(void *)(k->at + head.conns_at);
	k->cells = (struct kept_cell *)(void *)(k->at + head.cells_at);
	line->pool_mem = k->at + head.pool_at;
	return 0;
}

_Static_assert(sizeof(struct kept_head) <= PAGE_BYTES, "the bytes read stand in the next pages");

void kept_close(struct line *line)
{
	struct kept *k = &line->kept;

	if (k->at != NULL)
		(void)munmap(k->at, k->bytes);
	if (k->old != NULL)
		(void)munmap((void *)(uintptr_t)k->old, k->old_bytes);
	fd_close(&k->fd);
	*k = (struct kept)KEPT_NULL;
	line->conns = NULL;
	line->pool_mem = NULL;
	line->receive = NULL;
	store_close(&line->store);
}

bool kept_stays(const struct line *line)
{
	return line->kept.is_told && line->stop_signal != SIGTERM && line->stop_signal != SIGINT;
}

static void copy_text(char *to, size_t cap, const char *from)
{
	size_t n = from != NULL ? strlen(from) : 0;

	n = n < cap ? n : cap - 1;
	memcpy(to, from != NULL ? from : "", n);
	to[n] = '\0';
}

static void copy_registration(struct kept_cell *c, const struct slot *slot)
{
	const struct placed *reg = &slot->reg;

	c->is_static = slot->is_static;
	c->mode = reg->mode;
	c->uid = reg->uid;
	c->owner = reg->owner;
	c->group = reg->group;
	c->registration = slot->registration;
	c->registration.stated = NULL;
	if (slot->registration.stated != NULL && slot->registration.stated_len <= sizeof(c->stated))
		memcpy(c->stated, slot->registration.stated, slot->registration.stated_len);
	c->limits = slot->limits;
	c->ledger_quota = slot->cell.ledger_quota;
	copy_text(c->id, sizeof(c->id), reg->id);
	copy_text(c->run, sizeof(c->run), reg->run);
	copy_text(c->spec, sizeof(c->spec), reg->spec);
	copy_text(c->base, sizeof(c->base), reg->base);
	copy_text(c->path, sizeof(c->path), reg->path);
}

void kept_note_cell(struct line *line, uint32_t i)
{
	struct slot *slot = &line->slots[i];
	struct kept_cell *c;

	if (!line->kept.is_told || slot->listen_fd < 0)
		return;
	c = &line->kept.cells[i];
	if (slot->kept_name == STORE_NONE)
		slot->kept_name = store_put(&line->store, slot->listen_fd);
	if (slot->kept_name == STORE_NONE)
		return;
	line->kept.head->cells_used = line->slots_used;
	c->cookie = 0;
	in_this_order();
	c->dev = slot->dev;
	c->ino = slot->ino;
	c->name = slot->kept_name;
	copy_registration(c, slot);
	in_this_order();
	c->cookie = store_cookie(slot->listen_fd);
}

void kept_forget_cell(struct line *line, uint32_t i)
{
	struct slot *slot = &line->slots[i];

	if (!line->kept.is_told || slot->kept_name == STORE_NONE)
		return;
	line->kept.cells[i].cookie = 0;
	in_this_order();
	store_drop(&line->store, &slot->kept_name);
}

/* A connection whose bytes the kernel does not count is not kept: those over AF_VSOCK. */
void kept_note_conn(struct line *line, uint32_t at)
{
	struct conn *c = &line->conns[at];
	int from = PEEK_FROM;

	line->kept.head->conns_used = line->conns_used;
	if (!line->kept.is_told ||
	    setsockopt(c->fd, SOL_SOCKET, SO_PEEK_OFF, &from, sizeof(from)) < 0)
		return;
	c->kept_name = store_put(&line->store, c->fd);
	if (c->kept_name == STORE_NONE)
		return;
	c->table_slot = line->slots[c->cell].table_slot;
	c->run = line->slots[c->cell].cell.run.bits.c;
	in_this_order();
	c->cookie = store_cookie(c->fd);
}

void kept_forget_conn(struct line *line, uint32_t at)
{
	struct conn *c = &line->conns[at];

	c->cookie = 0;
	in_this_order();
	store_drop(&line->store, &c->kept_name);
}

static uint64_t stored_of(const struct line *line, uint32_t at)
{
	return line->slots[line->conns[at].cell].cell.frames.stored & KEPT_STORED_MASK;
}

void kept_begin_turn(struct line *line, uint32_t at)
{
	struct kept_turn *turn = &line->kept.head->turn;

	turn->before = line->conns[at].framer;
	turn->done = stored_of(line, at);
	in_this_order();
	turn->conn = at;
	in_this_order();
}

void kept_note_done(struct line *line, const uint8_t *upto)
{
	struct kept_turn *turn = &line->kept.head->turn;

	in_this_order();
	turn->done =
		(uint64_t)(upto - line->receive) << KEPT_STORED_BITS | stored_of(line, turn->conn);
	in_this_order();
}

void kept_end_turn(struct line *line, uint32_t at, size_t n_read)
{
	struct conn *c = &line->conns[at];
	int from = PEEK_FROM;

	in_this_order();
	line->kept.head->turn.conn = NOBODY;
	in_this_order();
	c->counted += n_read;
	if (c->counted < PEEK_AGAIN || c->cookie == 0)
		return;
	if (setsockopt(c->fd, SOL_SOCKET, SO_PEEK_OFF, &from, sizeof(from)) < 0)
		return;
	in_this_order();
	c->counted = 0;
}
