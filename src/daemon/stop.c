/* SPDX-License-Identifier: Apache-2.0 */
/* The end in good order. The sockets' names go, who has connected is accepted and the listeners go,
 * so that no VMM waits for us; then what the kernel already holds is read, for at most
 * LIMIT_DRAIN_NS. */
#include <signal.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/diag.h"
#include "base/limits.h"
#include "daemon/cells.h"
#include "daemon/emit.h"
#include "daemon/host.h"
#include "daemon/hub.h"
#include "daemon/moves.h"
#include "daemon/opener.h"
#include "daemon/runs.h"
#include "daemon/slots.h"

/* One pass over all connections. *more: some had bytes, and time is left. */
static int drain_once(struct line *line, uint64_t until_ns, bool *more, struct cht_err *err)
{
	int r = 0;

	*more = false;
	for (uint32_t at = 0; at < line->conns_used && r == 0; at++) {
		bool had_bytes;

		if (line->conns[at].fd < 0)
			continue;
		if (!line_has_room(line) && !line_may_drop(line))
			r = line_await_durable(line, err);
		if (r == 0)
			r = conns_on_readable(line, at, &had_bytes, err);
		if (r == 0 && had_bytes)
			*more = line->now.monotonic_ns < until_ns;
	}
	return r;
}

/* Who connected before the listeners close may have sent all it had to say; as many as could. */
static void accept_rest(struct line *line)
{
	clk_read(&line->now);
	for (uint32_t i = 0; i < line->slots_used; i++)
		if (slot_is_open(&line->slots[i]))
			cells_accept_backlog(line, i);
}

static int drain(struct line *line, struct cht_err *err)
{
	uint64_t until_ns = clk_monotonic_ns() + LIMIT_DRAIN_NS;
	bool more = true;
	int r = 0;

	while (r == 0 && more)
		r = drain_once(line, until_ns, &more, err);
	return r;
}

static int seal_all(struct line *line, struct cht_err *err)
{
	int r = 0;

	for (uint32_t i = 0; i < line->slots_used && r == 0; i++)
		if (slot_is_open(&line->slots[i]))
			r = moves_tell_end(line, &line->slots[i], err);
	if (r == 0)
		r = line_await_durable(line, err);
	for (uint32_t i = 0; i < line->slots_used && r == 0; i++)
		if (slot_is_open(&line->slots[i]))
			r = runs_seal(line, &line->slots[i], STR("requested"), err);
	if (r == 0)
		r = line_await_durable(line, err);
	for (uint32_t i = 0; i < line->slots_used && r == 0; i++)
		if (slot_is_open(&line->slots[i]))
			table_remove(&line->table, line->slots[i].table_slot);
	return r;
}

static struct cht_str why(const struct line *line)
{
	if (line->opener_is_gone)
		return STR("sibling");
	return line->stop_signal == SIGINT ? STR("SIGINT") : STR("SIGTERM");
}

/* For the next process: nobody is drained, no socket closed; what it needs stands in the
 * run table and in what is kept. */
static int leave(struct line *line, struct cht_err *err)
{
	int r;

	diag(DIAG_INFO, "leaving sockets and connections to the next process");
	r = moves_finish(line, err);
	hub_close(line);
	clk_read(&line->now);
	if (r == 0)
		r = cells_flush(line, err);
	if (r == 0)
		r = vsock_tell(line, true, err);
	if (r == 0)
		r = host_tell_stop(line, STR("upgrade"), err);
	if (r == 0)
		r = line_await_durable(line, err);
	table_close(&line->table, r == 0);
	return r;
}

int line_stop(struct line *line, struct cht_err *err)
{
	int r;

	if (line->stop_signal == SIGUSR2)
		return leave(line, err);

	diag(DIAG_INFO, "stopping: reading what the kernel still holds");
	line->space_until_ns = clk_monotonic_ns() + LIMIT_DRAIN_NS;
	r = moves_finish(line, err);
	hub_close(line);
	opener_close(line);
	accept_rest(line);
	cells_close_listeners(line);
	if (r == 0)
		r = drain(line, err);
	clk_read(&line->now);
	conns_close_all(line);
	if (r == 0)
		r = cells_flush(line, err);
	if (r == 0 && line->conf->seal)
		r = seal_all(line, err);
	clk_read(&line->now);
	if (r == 0)
		r = vsock_tell(line, true, err);
	if (r == 0)
		r = host_tell_stop(line, why(line), err);
	if (r == 0)
		r = line_await_durable(line, err);
	table_close(&line->table, r == 0);
	return r;
}

/* The scribe hears first which entry closes the log: the flag comes with it, whoever is
 * killed. */
int line_end_log(struct line *line, struct cht_err *err)
{
	const struct handoff_msg last = { .kind = HANDOFF_CLOSE,
					  .close = { ring_put_count(&line->ring) + 1 } };
	int r;

	clk_read(&line->now);
	r = handoff_send(line->scribe.sock, &last, NULL, 0, err);
	if (r == 0)
		r = host_tell_closed(line, err);
	if (r == 0)
		r = host_tell_stop(line, STR("succession"), err);
	if (r == 0)
		r = line_await_durable(line, err);
	table_close(&line->table, r == 0);
	return r;
}
