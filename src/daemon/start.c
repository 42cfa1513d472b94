/* SPDX-License-Identifier: Apache-2.0 */
/* The order of a start: the scribe is there, every cell's socket is bound, the host says how its
 * last stop went, earlier runs go on or end (runs.c), new ones begin. Nothing is accepted, and
 * nobody told that we are ready, before all of it is durable. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/text.h"
#include "daemon/cells.h"
#include "daemon/emit.h"
#include "daemon/host.h"
#include "daemon/hub.h"
#include "daemon/join.h"
#include "daemon/opener.h"
#include "daemon/probes.h"
#include "daemon/reload.h"
#include "daemon/runs.h"
#include "daemon/slots.h"

static int send_ring(struct line *line, struct cht_err *err)
{
	const struct handoff_msg hello = { .kind = HANDOFF_RING, .version = HANDOFF_VERSION };
	const int fds[] = { line->ring.mem_fd, line->ring.ready_fd, line->ring.durable_fd };
	int r = handoff_send(line->scribe.sock, &hello, fds, 3, err);

	return r == CHT_E_PEER ? 0 : r; /* why it ended is to be heard */
}

/* The first two lines of a checkpoint; views into the message. */
static int read_predecessor(const struct handoff_msg *ready, struct predecessor *out,
			    struct cht_err *err)
{
	const char *note = ready->ready.predecessor, *first = strchr(note, '\n'), *second;

	*out = (struct predecessor){ .note = str_of(note) };
	if (out->note.len == 0)
		return 0;
	second = first != NULL ? strchr(first + 1, '\n') : NULL;
	if (second == NULL || first == note || first - note > HANDOFF_ORIGIN_MAX ||
	    !read_u64((struct cht_str){ first + 1, (size_t)(second - first) - 1 }, UINT64_MAX,
		      &out->size))
		return cht_fail(err, CHT_E_PEER, 0,
				"cht-scribe sent a predecessor's note that is no checkpoint");
	out->origin = (struct cht_str){ note, (size_t)(first - note) };
	return 0;
}

static int hear_first(struct line *line, struct cht_err *err)
{
	int r = join_check(&line->scribe, err);

	return r < 0 ? r : handoff_recv(line->scribe.sock, &line->ledger, NULL, 0, err);
}

/* The scribe's first word: READY, or why not. */
static int await_ready(struct line *line, struct cht_err *err)
{
	struct handoff_msg *msg = &line->ledger;
	int r;

	if (fcntl(line->scribe.sock, F_SETFL, O_NONBLOCK) < 0)
		return cht_fail(err, CHT_E_IO, errno,
				"cannot make the scribe's socket non-blocking");
	while ((r = hear_first(line, err)) == CHT_E_FULL) {
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
	return read_predecessor(msg, &line->predecessor, err);
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
	char spec[CONF_DIGEST_LEN + 1];
	int r = conf_digest(line->conf, spec, err);

	if (r < 0)
		return r;
	return run_init_host(&line->host, &line->host_names, str_of(line->ledger.ready.origin),
			     (struct cht_str){ spec, CONF_DIGEST_LEN }, err);
}

/* Those of the configuration first, then those that an earlier process kept. */
static int take_places(struct line *line, struct cht_err *err)
{
	for (uint32_t at = 0; at < line->conf->n_cells; at++) {
		const struct placed reg = placed_of(&line->conf->cells[at]);
		uint32_t i;
		int r = slot_take(line, &reg, &i, err);

		if (r < 0)
			return r;
		line->slots[i].is_static = true;
		cells_prepare(line, i);
	}
	return kept_take_cells(line, err);
}

/* As many as may be asked for at once, then one by one. */
static int ask_bind(struct line *line, uint32_t i, struct cht_err *err)
{
	struct slot *slot = &line->slots[i];
	int r = slot->left_fd >= 0 ? kept_adopt(line, i, err) : 0;

	while (r == 0 && !slot->is_asked && slot->state == SLOT_BINDING) {
		r = opener_ask_bind(line, i, err);
		if (r == 0 && line->n_asked == OPENING_ASKED_MAX)
			r = line_sleep(line, err);
	}
	return r;
}

/* Before anything is written: a path that cannot be bound leaves no trace in the ledger. */
static int bind_cells(struct line *line, struct cht_err *err)
{
	int r;

	vsock_open(line);
	r = take_places(line, err);
	for (uint32_t i = 0; i < line->slots_used && r == 0; i++)
		kept_find_listener(line, i);
	/* Before their names are asked for. */
	store_drop_listeners(&line->store);
	for (uint32_t i = 0; i < line->slots_used && r == 0; i++)
		r = ask_bind(line, i, err);
	while (r == 0 && line->n_asked > 0)
		r = line_sleep(line, err);
	for (uint32_t i = 0; i < line->slots_used && r == 0; i++)
		if (line->slots[i].state != SLOT_FREE)
			r = cells_listen(line, i, err);
	return r;
}

static int watch_scribe(struct line *line, struct cht_err *err)
{
	int r = loop_add(&line->loop, line->scribe.sock, FD_SCRIBE, 0, 0, err);

	if (r == 0 && !line->scribe.is_joined)
		r = loop_add(&line->loop, line->scribe.pidfd, FD_SCRIBE_END, 0, 0, err);
	if (r == 0)
		r = loop_add(&line->loop, line->ring.durable_fd, FD_DURABLE, 0, 0, err);
	return r;
}

/* Whose runs the table has: this log's, or those of the log before, which go on in this one. Any
 * other's are of no use here. */
static void adopt_table(struct line *line, struct table_found *found)
{
	const char *ours = line->ledger.ready.origin, *theirs = table_origin(&line->table);
	const struct predecessor *before = &line->predecessor;
	bool is_ours = strcmp(theirs, ours) == 0;

	if (!is_ours && before->note.len > 0 && str_eq(str_of(theirs), before->origin))
		is_ours = table_succeed(&line->table, ours, before->size);
	if (!is_ours) {
		table_discard(&line->table, ours);
		*found = (struct table_found){ .lost = true };
	}
	table_settle(&line->table, line->base_index);
}

static int begin_ledger(struct line *line, struct table_found *found, struct cht_err *err)
{
	int r = send_ring(line, err);

	if (r == 0)
		r = await_ready(line, err);
	if (r == 0)
		r = open_table(line, found, err);
	if (r == 0)
		r = start_host_run(line, err);
	/* Guests are not read yet, and what comes now is said by who is locked down. */
	if (r == 0)
		r = line_lock_down(line, err);
	if (r < 0)
		return r;
	adopt_table(line, found);
	return host_tell_start(line, found, err);
}

static int runs_begin(struct line *line, const struct table_found *found, struct cht_err *err)
{
	int r = runs_settle(line, found, err);

	if (r < 0)
		return r;
	table_begin_boot(&line->table, line->boot_id);
	return runs_open(line, err);
}

/* As a service of its own it has its own words and its own keys. */
static int open_scribe(struct line *line, int secrets_fd, struct cht_err *err)
{
	const struct conf *conf = line->conf;
	bool has_secrets = secrets_fd >= 0;

	if (conf->scribe == NULL)
		return child_start(&line->scribe, conf, secrets_fd, err);
	fd_close(&secrets_fd);
	if (has_secrets)
		return cht_fail(err, CHT_E_CONFIG, 0,
				"with --scribe the variables of keys are cht-scribe's: give them "
				"to it, not to chtd");
	return join_open(&line->scribe, conf->scribe, conf->scribe_user, err);
}

/* What is kept must not go to the scribe, not even until it is executed. */
static int take_kept(struct line *line, struct cht_err *err)
{
	int r = line->conf->fd_store ? store_open(&line->store, line->notify.fd, err) : 0;

	if (r == 0)
		kept_find(line);
	return r;
}

/* Runs, and those who are connected. */
static int begin_cells(struct line *line, const struct table_found *found, struct cht_err *err)
{
	int r;

	if (line->conf->close_for != NULL)
		return 0;
	r = runs_begin(line, found, err);
	return r < 0 ? r : kept_take_conns(line, err);
}

static int be_ready(struct line *line, struct cht_err *err)
{
	int r = 0;

	for (uint32_t i = 0; i < line->slots_used && r == 0; i++) {
		if (line->slots[i].state == SLOT_FREE)
			continue;
		line->slots[i].state = SLOT_OPEN;
		r = probes_open(line, i, err);
	}
	line->is_ready = r == 0;
	line->told_ns = line->now.monotonic_ns;
	line->told_put = ring_put_count(&line->ring);
	return r;
}

int line_open(struct line *line, const struct conf *conf, int secrets_fd, struct cht_err *err)
{
	struct table_found found = { 0 };
	int r;

	line->conf = conf;
	clk_read(&line->now);
	r = hub_prepare(line, err);
	if (r == 0)
		r = take_kept(line, err);
	if (r == 0)
		r = ring_create(&line->ring, err);
	if (r < 0) {
		fd_close(&secrets_fd);
		return r;
	}
	r = open_scribe(line, secrets_fd, err);
	if (r == 0)
		r = loop_open(&line->loop, err);
	if (r == 0)
		r = slots_open(line, err);
	if (r == 0 && conf->close_for == NULL)
		r = opener_open(line, err);
	if (r == 0)
		r = bind_cells(line, err);
	if (r == 0 && conf->control != NULL && conf->close_for == NULL)
		r = opener_bind_control(line, err);
	/* The bytes at which the process before us ended are read soon. */
	if (r == 0 && conf->close_for == NULL)
		r = opener_settle(line, err);
	if (r == 0)
		r = read_boot_id(line, err);
	if (r == 0)
		r = begin_ledger(line, &found, err);
	if (r == 0)
		r = watch_scribe(line, err);
	if (r == 0)
		r = begin_cells(line, &found, err);
	if (r == 0)
		r = line_await_durable(line, err);
	if (r == 0)
		r = hub_open(line, err);
	return r < 0 ? r : be_ready(line, err);
}

/* What is kept stays, unless we were told to stop for good. */
static void close_sockets(struct line *line)
{
	if (!kept_stays(line)) {
		for (uint32_t at = 0; at < line->conns_used; at++)
			if (line->conns[at].fd >= 0)
				kept_forget_conn(line, at);
		cells_close_listeners(line);
		if (line->kept.is_told)
			store_drop_memory(&line->store);
	} else {
		cells_leave_listeners(line);
	}
	for (uint32_t at = 0; at < line->conns_used; at++)
		fd_close(&line->conns[at].fd);
}

void line_close(struct line *line)
{
	int status;

	hub_close(line);
	reload_close(line);
	opener_close(line);
	fd_close(&line->control_fd);
	fd_close(&line->register_fd);
	if (line->slots != NULL)
		close_sockets(line);
	slots_free(line);
	status = line->scribe.is_joined && line->scribe.sock >= 0
			 ? join_wait(&line->scribe, line->loop.signal_fd)
			 : child_wait(&line->scribe, line->loop.signal_fd);
	if (status == 128 + SIGSYS)
		diag(DIAG_ERROR, "cht-scribe was ended for a system call that is not on its list: "
				 "the kernel's log has its number");
	if (line->scribe_status < 0)
		line->scribe_status = status;
	ring_close(&line->ring);
	loop_close(&line->loop);
}
