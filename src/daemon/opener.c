/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets come from the opener (ADR 23), because the line has no path: it asks, goes on with its
 * turn, and is answered. What waits for an answer stands in line.moving like what waits for the
 * disk. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/err.h"
#include "base/fd.h"
#include "daemon/cells.h"
#include "daemon/emit.h"
#include "daemon/join.h"
#include "daemon/moves.h"
#include "daemon/opener.h"
#include "daemon/probes.h"
#include "daemon/reload.h"

/* No place's: what the start waits for, one at a time. */
#define START_TICKET UINT64_MAX
/* The configuration, read again. */
#define CONF_TICKET (UINT64_MAX - 1)

static uint64_t ticket_of(const struct line *line, uint32_t i)
{
	return (uint64_t)line->slots[i].gen << 32 | i;
}

/* Without it cells can neither come nor go: the service ends, in good order where it can. */
static int on_gone(struct line *line, struct cht_err *err)
{
	loop_remove(&line->loop, line->opener.sock, FD_OPENER);
	fd_close(&line->opener.sock);
	line->opener_is_gone = true;
	line->n_asked = line->probes_asked = 0;
	if (!line->is_ready)
		return cht_fail(err, CHT_E_PEER, 0, "cht-opener ended without a word");
	diag(DIAG_ERROR, "cht-opener ended: stopping, and sockets are left behind");
	if (line->stop_signal == 0)
		line->stop_signal = SIGTERM;
	return 0;
}

/* What it gave us is what was asked for: a listener that does not make us wait. */
static int check_listener(int fd, struct cht_err *err)
{
	int domain = 0, listens = 0, flags = fcntl(fd, F_GETFL);
	socklen_t len = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && domain == AF_UNIX &&
	    listens != 0 && flags >= 0 && (flags & O_NONBLOCK) != 0)
		return 0;
	return cht_fail(err, CHT_E_PEER, 0, "cht-opener sent what is no listening socket");
}

static int on_bound(struct line *line, uint32_t i, const struct opening_answer *answer, int fd,
		    struct cht_err *err)
{
	struct cht_err why = { .code = answer->code, .sys = answer->sys };

	memcpy(why.text, answer->text, sizeof(why.text));
	line->slots[i].made = answer->made;
	line->slots[i].dev = answer->dev;
	line->slots[i].ino = answer->ino;
	return moves_on_bound(line, i, fd, &why, err);
}

/* What only probes ask for. */
static bool is_for_probe(const struct opening_answer *answer)
{
	switch (answer->kind) {
	case OPENING_READ:
	case OPENING_FIFO:
	case OPENING_API:
	case OPENING_OOM:
	case OPENING_PIDFD:
	case OPENING_ROUTE:
	case OPENING_NFT:
	case OPENING_NFT_DUMP: return true;
	default: return answer->kind == OPENING_UNLINK && answer->ticket == PROBES_UNLINK_TICKET;
	}
}

static int on_answer(struct line *line, const struct opening_answer *answer, int fd,
		     struct cht_err *err)
{
	uint32_t i = (uint32_t)answer->ticket;
	struct slot *slot = i < line->slots_used ? &line->slots[i] : NULL;
	enum slot_state state = answer->kind == OPENING_BIND ? SLOT_BINDING : SLOT_UNBINDING;

	if (is_for_probe(answer))
		return probes_on_answer(line, answer, fd, err);
	if (fd >= 0 && answer->kind == OPENING_BIND && check_listener(fd, err) < 0) {
		fd_close(&fd);
		return CHT_E_PEER;
	}
	if (answer->ticket == START_TICKET && line->awaited.is_asked) {
		line->n_asked--;
		line->awaited = (struct awaited){ .answer = *answer, .fd = fd };
		return 0;
	}
	if (answer->ticket == CONF_TICKET && answer->kind == OPENING_CONF &&
	    line->reload.is_asked) {
		line->n_asked--;
		reload_on_answer(line, answer, fd);
		return 0;
	}
	if (slot == NULL || ticket_of(line, i) != answer->ticket || !slot->is_asked ||
	    slot->state != state) {
		fd_close(&fd);
		return cht_fail(err, CHT_E_PEER, 0, "cht-opener answers what was not asked");
	}
	slot->is_asked = false;
	line->n_asked--;
	if (answer->kind == OPENING_BIND)
		return on_bound(line, i, answer, fd, err);
	if (answer->code < 0)
		return cht_fail(err, CHT_E_PEER, 0, "cht-opener does not know its own socket: %s",
				answer->text);
	moves_on_unbound(line, i);
	return 0;
}

int opener_hear(struct line *line, struct cht_err *err)
{
	struct opening_answer answer = { 0 };
	int fd = -1, r;

	while ((r = opening_take_answer(line->opener.sock, &answer, &fd, err)) == 1) {
		if (answer.kind == OPENING_READY) {
			fd_close(&fd);
			return cht_fail(err, CHT_E_PEER, 0, "cht-opener sent a second READY");
		}
		r = on_answer(line, &answer, fd, err);
		if (r < 0)
			return r;
	}
	if (r == CHT_E_FULL)
		return 0;
	return r == 0 ? on_gone(line, err) : r;
}

/* Until it says something, or we are told to stop: one that serves another line first may take
 * long. */
static int await_word(struct line *line, struct cht_err *err)
{
	struct pollfd fds[] = { { .fd = line->opener.sock, .events = POLLIN },
				{ .fd = line->loop.signal_fd, .events = POLLIN } };

	while (poll(fds, 2, -1) < 0)
		if (errno != EINTR)
			return cht_fail(err, CHT_E_IO, errno, "poll");
	if (fds[0].revents != 0 || fds[1].revents == 0)
		return 0;
	line->stop_signal = SIGTERM;
	return cht_fail(err, CHT_E_STATE, 0, "told to stop before cht-opener was ready");
}

static int await_ready(struct line *line, struct cht_err *err)
{
	struct opening_answer answer = { 0 };
	int fd = -1, r;

	do {
		r = await_word(line, err);
		if (r == 0)
			r = join_check(&line->opener, err);
	} while (r == CHT_E_FULL);
	if (r == 0)
		r = opening_take_answer(line->opener.sock, &answer, &fd, err);
	if (r < 0)
		return r;
	if (r == 0)
		return cht_fail(err, CHT_E_PEER, 0, "cht-opener ended before it was ready");
	fd_close(&fd);
	if (answer.kind != OPENING_READY)
		return cht_fail(err, CHT_E_PEER, 0, "cht-opener sent an unexpected first message");
	return answer.code == 0 ? 0 : cht_fail(err, answer.code, 0, "cht-opener: %s", answer.text);
}

/* Where we are: locked down we cannot ask. */
static char here[PATH_MAX];

/* Absolute: the opener is elsewhere. */
static int write_path(const char *path, char *out, size_t cap, struct cht_err *err)
{
	bool is_absolute = path[0] == '/';
	int n = snprintf(out, cap, "%s%s%s", is_absolute ? "" : here, is_absolute ? "" : "/", path);

	if (!is_absolute && here[0] == '\0')
		return cht_fail(err, CHT_E_BIND, 0, "the working directory is gone");
	if (n < 0 || (size_t)n >= cap)
		return cht_fail(err, CHT_E_BIND, ENAMETOOLONG,
				"a socket's path has at most %d bytes", OPENING_PATH_MAX);
	return 0;
}

/* Its sockets, and its configuration: what the opener is told of, or null. */
struct told_paths {
	char text[OPENER_N_PATHS][OPENING_PATH_MAX + 1];
	const char *path[OPENER_N_PATHS];
};

static int write_paths(const struct conf *conf, struct told_paths *out, struct cht_err *err)
{
	char dir[CONF_TEXT_MAX + 1];
	const char *asked[OPENER_N_PATHS] = { conf->control, conf->register_socket, conf->config,
					      conf->config != NULL ? dir : NULL };
	int r = conf->config != NULL ? conf_cells_dir(conf->config, dir, sizeof(dir), err) : 0;

	for (unsigned i = 0; i < OPENER_N_PATHS && r == 0; i++) {
		bool is_own = asked[i] == conf->control || asked[i] == conf->register_socket;

		out->path[i] = NULL;
		if (asked[i] == NULL)
			continue;
		r = write_path(asked[i], out->text[i], sizeof(out->text[i]), err);
		if (r == 0)
			out->path[i] = out->text[i];
		else if (!is_own)
			r = 0; /* said when it is to be read again */
	}
	return r;
}

int opener_open(struct line *line, struct cht_err *err)
{
	struct told_paths paths;
	int r;

	if (getcwd(here, sizeof(here)) == NULL)
		here[0] = '\0';
	r = write_paths(line->conf, &paths, err);
	if (r == 0 && line->conf->opener != NULL)
		r = join_open(&line->opener, line->conf->opener, line->conf->opener_user, err);
	else if (r == 0)
		r = child_start_opener(&line->opener, line->conf, paths.path, err);
	if (r == 0)
		r = await_ready(line, err);
	if (r == 0 && fcntl(line->opener.sock, F_SETFL, O_NONBLOCK) < 0)
		r = cht_fail(err, CHT_E_IO, errno, "the opener's socket");
	return r < 0 ? r : loop_add(&line->loop, line->opener.sock, FD_OPENER, 0, 0, err);
}

/* Its end of the socket closes when every name is gone. */
static void await_end(int sock, int enough_fd)
{
	struct pollfd fds[] = { { .fd = sock, .events = POLLIN },
				{ .fd = enough_fd, .events = POLLIN } };
	struct opening_answer late;
	int fd = -1, r = 1;

	(void)shutdown(sock, SHUT_WR);
	while (r == 1 || r == CHT_E_FULL) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
		if (fds[0].revents == 0 && fds[1].revents != 0)
			break;
		r = opening_take_answer(sock, &late, &fd, NULL);
		fd_close(&fd);
	}
}

void opener_close(struct line *line)
{
	const struct opening_request none = { .kind = OPENING_KEEP, .ticket = START_TICKET };

	if (line->opener.sock >= 0) {
		if (line->loop.main_fd >= 0)
			loop_remove(&line->loop, line->opener.sock, FD_OPENER);
		if (line->kept.is_told && !kept_stays(line))
			(void)!opening_ask(line->opener.sock, &none, -1, NULL);
		await_end(line->opener.sock, line->loop.signal_fd);
	}
	(void)child_wait(&line->opener, line->loop.signal_fd);
}

/* i NOBODY: request->ticket is there. */
static int ask_with(struct line *line, uint32_t i, struct opening_request *request, int fd,
		    struct cht_err *err)
{
	int r;

	if (i != NOBODY)
		request->ticket = ticket_of(line, i);
	r = opening_ask(line->opener.sock, request, fd, err);
	if (r == CHT_E_PEER)
		return opener_hear(line, err);
	if (r < 0)
		return r;
	if (i != NOBODY)
		line->slots[i].is_asked = true;
	line->n_asked++;
	return 0;
}

static int ask(struct line *line, uint32_t i, struct opening_request *request, struct cht_err *err)
{
	return ask_with(line, i, request, -1, err);
}

/* Asks and waits: before we meet a guest. *fd: what came with the answer. */
static int ask_now(struct line *line, struct opening_request *request, int *fd, uint64_t *made,
		   struct cht_err *err)
{
	int r;

	request->ticket = START_TICKET;
	r = ask(line, NOBODY, request, err);
	line->awaited.is_asked = r == 0;
	while (r == 0 && line->awaited.is_asked)
		r = line_sleep(line, err);
	if (r < 0)
		return r;
	if (line->awaited.answer.code < 0)
		return cht_fail(err, line->awaited.answer.code, 0, "%s", line->awaited.answer.text);
	if (fd != NULL)
		*fd = line->awaited.fd;
	if (made != NULL)
		*made = line->awaited.answer.made;
	return 0;
}

static int bind_own(struct line *line, const char *path, bool is_packets, int *fd,
		    struct cht_err *err)
{
	struct opening_request request = { .kind = OPENING_BIND,
					   .make = { -1, -1, .mode = CONTROL_SOCKET_MODE, .goes = 1,
						     .is_packets = is_packets } };
	int r = write_path(path, request.path, sizeof(request.path), err);

	if (r == 0)
		r = ask_now(line, &request, fd, NULL, err);
	/* Again: who connects is told who listens (SO_PEERCRED), and that is us. */
	if (r == 0 && listen(*fd, SOMAXCONN) < 0)
		r = cht_fail(err, CHT_E_BIND, errno, "listen on %s", path);
	return r;
}

int opener_bind_control(struct line *line, struct cht_err *err)
{
	const struct conf *conf = line->conf;
	int r = bind_own(line, conf->control, false, &line->control_fd, err);

	if (r == 0 && conf->register_socket != NULL)
		r = bind_own(line, conf->register_socket, true, &line->register_fd, err);
	return r;
}

int opener_adopt(struct line *line, uint32_t i, uint64_t dev, uint64_t ino, struct cht_err *err)
{
	struct slot *slot = &line->slots[i];
	struct opening_request request = { .kind = OPENING_ADOPT, .file = { dev, ino } };
	char path[CONF_TEXT_MAX + 8];
	int r = cells_channel(&slot->reg, path, sizeof(path));

	if (r < 0)
		return cht_fail(err, CHT_E_BIND, ENAMETOOLONG, "the path");
	r = write_path(path, request.path, sizeof(request.path), err);
	if (r == 0)
		r = ask_now(line, &request, NULL, &slot->made, err);
	if (r < 0)
		return r;
	slot->dev = dev;
	slot->ino = ino;
	return 0;
}

int opener_keep(struct line *line, bool keep, struct cht_err *err)
{
	struct opening_request request = { .kind = OPENING_KEEP, .keep = keep };

	return ask_now(line, &request, NULL, NULL, err);
}

int opener_settle(struct line *line, struct cht_err *err)
{
	struct opening_request request = { .kind = OPENING_SETTLED };

	return ask_now(line, &request, NULL, NULL, err);
}

/* It is there already, and is looked at. */
static int take_passed(struct line *line, uint32_t i, struct cht_err *err)
{
	struct registration *registration = &line->slots[i].registration;
	const struct cht_err none = { .code = 0 };
	int fd = registration->passed_fd;

	registration->passed_fd = -1;
	return moves_on_bound(line, i, fd, &none, err);
}

int opener_ask_bind(struct line *line, uint32_t i, struct cht_err *err)
{
	const struct slot *slot = &line->slots[i];
	struct opening_request request = {
		.kind = OPENING_BIND,
		.make = { .uid = slot->reg.owner, .gid = slot->reg.group, .mode = slot->reg.mode }
	};
	char path[CONF_TEXT_MAX + 8];
	struct cht_err why = { .code = 0 };
	int r;

	if (slot->registration.passed_fd >= 0)
		return take_passed(line, i, err);
	if (slot->reg.cid != 0)
		r = vsock_bind(line, &why);
	else if (line->opener_is_gone)
		r = cht_fail(&why, CHT_E_BIND, 0, "chtd is stopping: ask again when it is back");
	else if (slot->is_asked || line->n_asked == OPENING_ASKED_MAX)
		return 0;
	else if (cells_channel(&slot->reg, path, sizeof(path)) < 0)
		r = cht_fail(&why, CHT_E_BIND, ENAMETOOLONG, "the path");
	else
		r = write_path(path, request.path, sizeof(request.path), &why);
	if (r < 0 || slot->reg.cid != 0)
		return moves_on_bound(line, i, -1, &why, err); /* without asking */
	return ask(line, i, &request, err);
}

int opener_ask_unlink(struct line *line, uint32_t i, struct cht_err *err)
{
	struct opening_request request = { .kind = OPENING_UNLINK };

	if (line->opener_is_gone || line->slots[i].made == 0) {
		moves_on_unbound(line, i);
		return 0;
	}
	if (line->slots[i].is_asked || line->n_asked == OPENING_ASKED_MAX)
		return 0;
	request.made = line->slots[i].made;
	return ask(line, i, &request, err);
}

int opener_ask_for_probe(struct line *line, const struct opening_request *request, int fd,
			 struct cht_err *err)
{
	struct opening_request copy = *request;

	return ask_with(line, NOBODY, &copy, fd, err);
}

int opener_ask_conf(struct line *line, const char *path, struct cht_err *err)
{
	struct opening_request request = { .kind = OPENING_CONF, .ticket = CONF_TICKET };
	int r;

	if (write_path(path, request.path, sizeof(request.path), NULL) < 0)
		return cht_fail(err, CHT_E_CONFIG, 0, "%s: its path is too long", path);
	r = ask(line, NOBODY, &request, err);
	line->reload.is_asked = r == 0 && !line->opener_is_gone;
	return r;
}
