/* SPDX-License-Identifier: Apache-2.0 */
/* The order of a start: the scribe is there, every cell's socket is bound, the host says how its
 * last stop went, earlier runs go on or end (runs.c), new ones begin. Nothing is accepted, and
 * nobody told that we are ready, before all of it is durable. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/diag.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/text.h"
#include "daemon/line.h"

enum { CONFIG_TEXT_MAX = 64 << 10, CONFIG_CELL_TEXT_MAX = 32 << 10 };

static int send_ring(struct line *line, struct cht_err *err)
{
	const struct handoff_msg hello = { .kind = HANDOFF_RING, .version = HANDOFF_VERSION };
	const int fds[] = { line->ring.mem_fd, line->ring.ready_fd, line->ring.durable_fd };
	int r = handoff_send(line->scribe.sock, &hello, fds, 3, err);

	return r == CHT_E_PEER ? 0 : r; /* why it ended is to be heard */
}

/* The scribe's first word: READY, or why not. */
static int await_ready(struct line *line, struct handoff_msg *msg, struct cht_err *err)
{
	int r;

	if (fcntl(line->scribe.sock, F_SETFL, O_NONBLOCK) < 0)
		return cht_fail(err, CHT_E_IO, errno,
				"cannot make the scribe's socket non-blocking");
	while ((r = handoff_recv(line->scribe.sock, msg, NULL, 0, err)) == CHT_E_FULL) {
		r = line_sleep(line, err);
		if (r < 0)
			break;
	}
	if (r < 0)
		return r;
	if (r == 0)
		return cht_fail(err, CHT_E_PEER, 0, "cht-scribe ended before it was ready");
	if (msg->kind == HANDOFF_FAILED) {
		line->scribe_status = msg->failed.exit_status;
		return cht_fail(err, CHT_E_PEER, 0, "%s", msg->failed.text);
	}
	if (msg->kind != HANDOFF_READY)
		return cht_fail(err, CHT_E_PEER, 0, "cht-scribe sent an unexpected first message");
	line->base_index = msg->ready.next_index;
	line->pruning.min_index = msg->ready.min_index;
	memcpy(line->origin, msg->ready.origin, sizeof(line->origin));
	return 0;
}

static int read_boot_id(struct line *line, struct cht_err *err)
{
	ssize_t n = fd_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", line->boot_id,
				 sizeof(line->boot_id) - 1, err);

	if (n < 0)
		return (int)n;
	line->boot_id[n] = '\0';
	line->boot_id[strcspn(line->boot_id, "\n")] = '\0';
	return 0;
}

static int open_table(struct line *line, struct table_found *found, struct cht_err *err)
{
	int state = fd_open_dir(AT_FDCWD, line->conf->state, err), dir, r;

	if (state < 0)
		return state;
	dir = fd_make_dir(state, "line", 0700, err);
	fd_close(&state);
	if (dir < 0)
		return dir;
	r = table_open(&line->table, dir, line->boot_id, found, err);
	fd_close(&dir);
	return r;
}

/* The host's own run: its spec is the digest of the effective configuration. */
static int start_host_run(struct line *line, struct cht_err *err)
{
	size_t cap = CONFIG_TEXT_MAX + line->conf->n_cells * (size_t)CONFIG_CELL_TEXT_MAX;
	char spec[7 + 64] = "sha256:";
	struct buf hex = buf_init(spec + 7, 64), text;
	uint8_t digest[32], *mem = malloc(cap);
	int r;

	if (mem == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory to render the configuration");
	text = buf_init(mem, cap);
	conf_render(line->conf, &text);
	r = digest_sha256(buf_bytes(&text), digest, err);
	free(mem);
	if (r == 0 && text.full)
		r = cht_fail(err, CHT_E_CONFIG, 0, "the configuration is too long");
	if (r < 0)
		return r;
	put_hex(&hex, digest, sizeof(digest));
	return run_init_host(&line->host, str_of(line->origin),
			     (struct cht_str){ spec, sizeof(spec) }, err);
}

/* Before anything is written: a path that cannot be bound leaves no trace in the ledger. */
static int bind_cells(struct line *line, struct cht_err *err)
{
	int r = 0;

	for (uint32_t i = 0; i < line->n_slots && r == 0; i++)
		r = cells_bind(line, i, err);
	return r;
}

static int watch_scribe(struct line *line, struct cht_err *err)
{
	int r = loop_add(&line->loop, line->scribe.sock, FD_SCRIBE, 0, 0, err);

	if (r == 0)
		r = loop_add(&line->loop, line->scribe.pidfd, FD_SCRIBE_END, 0, 0, err);
	if (r == 0)
		r = loop_add(&line->loop, line->ring.durable_fd, FD_DURABLE, 0, 0, err);
	return r;
}

static int begin_ledger(struct line *line, struct table_found *found, struct cht_err *err)
{
	struct handoff_msg ready = { 0 };
	int r = send_ring(line, err);

	if (r == 0)
		r = await_ready(line, &ready, err);
	if (r == 0)
		r = open_table(line, found, err);
	if (r == 0)
		r = start_host_run(line, err);
	if (r < 0)
		return r;
	if (ready.ready.is_new && !found->lost) {
		table_discard(&line->table);
		*found = (struct table_found){ .lost = true };
	}
	table_settle(&line->table, line->base_index);
	return host_tell_start(line, &ready, found, err);
}

int line_open(struct line *line, const struct conf *conf, int secrets_fd, struct cht_err *err)
{
	struct table_found found = { 0 };
	int r;

	line->conf = conf;
	clk_read(&line->now);
	r = ring_create(&line->ring, err);
	if (r < 0) {
		fd_close(&secrets_fd);
		return r;
	}
	r = child_start(&line->scribe, conf, secrets_fd, err);
	if (r == 0)
		r = loop_open(&line->loop, err);
	if (r == 0)
		r = cells_open(line, err);
	if (r == 0)
		r = bind_cells(line, err);
	if (r == 0)
		r = read_boot_id(line, err);
	if (r == 0)
		r = begin_ledger(line, &found, err);
	if (r == 0)
		r = watch_scribe(line, err);
	if (r == 0)
		r = runs_settle(line, &found, err);
	if (r < 0)
		return r;
	table_begin_boot(&line->table, line->boot_id);
	r = runs_open(line, err);
	if (r == 0)
		r = line_await_durable(line, err);
	line->is_ready = r == 0;
	return r;
}

void line_close(struct line *line)
{
	int status;

	if (line->slots != NULL) {
		cells_close_listeners(line);
		for (uint32_t at = 0; at < line->conns_used; at++)
			fd_close(&line->conns[at].fd);
	}
	cells_free(line);
	status = child_wait(&line->scribe, line->loop.signal_fd);
	if (line->scribe_status < 0)
		line->scribe_status = status;
	ring_close(&line->ring);
	loop_close(&line->loop);
}
