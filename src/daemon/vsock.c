/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/vsock.h"

#include <stdio.h>

#include "base/err.h"
#include "base/fd.h"
#include "daemon/cells.h"
#include "daemon/emit.h"
#include "daemon/slots.h"

static bool may_be_needed(const struct conf *conf)
{
	bool is = conf->control != NULL || conf->config != NULL;

	for (size_t i = 0; i < conf->n_cells && !is; i++)
		is = conf->cells[i].cid != 0;
	return is;
}

void vsock_open(struct line *line)
{
	struct vsock *v = &line->vsock;

	*v = (struct vsock)VSOCK_NULL;
	if (may_be_needed(line->conf))
		(void)!channel_vsock_open(&v->socket, &v->why);
}

int vsock_bind(struct line *line, struct cht_err *err)
{
	struct vsock *v = &line->vsock;
	int r;

	if (v->is_listening)
		return 0;
	if (v->socket.fd < 0)
		return cht_fail(err, CHT_E_BIND, 0, "%s", v->why.text);
	r = channel_vsock_listen(&v->socket, err);
	if (r < 0)
		return r;
	r = loop_add(&line->loop, v->socket.fd, FD_VSOCK, 0, 0, &v->why);
	if (r < 0) {
		channel_unbind(&v->socket);
		return cht_fail(err, CHT_E_BIND, v->why.sys, "%s", v->why.text);
	}
	v->is_listening = true;
	return 0;
}

void vsock_close(struct line *line)
{
	struct vsock *v = &line->vsock;

	if (v->is_listening && !v->is_deaf)
		loop_remove(&line->loop, v->socket.fd, FD_VSOCK);
	line->n_deaf -= v->is_deaf;
	v->is_listening = v->is_deaf = false;
	channel_unbind(&v->socket);
}

/* One that leaves takes who came before. */
static bool is_connected_to(const struct slot *slot)
{
	return slot_is_open(slot) || (slot->state == SLOT_UNBINDING && !slot->is_undone);
}

/* Cells and paths share one table of channels: no path begins like a CID. */
static uint32_t find_cell(const struct line *line, uint32_t cid)
{
	char channel[sizeof("vsock:4294967295")];
	uint32_t i;

	(void)snprintf(channel, sizeof(channel), "vsock:%u", cid);
	i = ids_find(&line->sockets, channel);
	return i != IDS_NONE && is_connected_to(&line->slots[i]) ? i : NOBODY;
}

bool vsock_on_accept(struct line *line, int most)
{
	struct vsock *v = &line->vsock;

	for (int k = 0; k < most; k++) {
		struct channel_peer peer;
		struct cht_err err;
		uint32_t i;
		int fd = -1, r;

		if (!v->is_listening)
			return false;
		r = channel_accept(v->socket.fd, &line->spare, &fd, &peer, &err);
		if (r == 0)
			return false;
		if (r < 0 && r != CHT_E_LIMIT) {
			v->is_deaf = true;
			cells_rest(line, v->socket.fd, FD_VSOCK, "cells by CID", err.text);
			return false;
		}
		i = find_cell(line, peer.cid);
		if (i != NOBODY) {
			cells_take(line, i, r, fd, &peer);
			continue;
		}
		fd_close(&fd);
		v->unclaimed++;
		v->newest = peer.cid;
	}
	return true;
}

void vsock_listen_again(struct line *line)
{
	struct vsock *v = &line->vsock;

	if (v->is_deaf && loop_add(&line->loop, v->socket.fd, FD_VSOCK, 0, 0, NULL) == 0) {
		v->is_deaf = false;
		line->n_deaf--;
	}
}

int vsock_tell(struct line *line, bool is_last, struct cht_err *err)
{
	struct vsock *v = &line->vsock;
	struct cht_stamped stamped;

	if (v->unclaimed == 0 || (!is_last && line->now.monotonic_ns < v->next_told_ns))
		return 0;
	run_stamp(&line->host, EV_CHANNEL_UNCLAIMED, &line->now, &stamped);
	stamped.facts.unclaimed = (struct facts_unclaimed){ v->unclaimed, v->newest };
	v->unclaimed = 0;
	v->next_told_ns = line->now.monotonic_ns + LIMIT_PROVOKED_EVENT_NS;
	return line_emit(line, NULL, &stamped, err);
}

uint64_t vsock_deadline(const struct line *line)
{
	return line->vsock.unclaimed > 0 ? line->vsock.next_told_ns : UINT64_MAX;
}
