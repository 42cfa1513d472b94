/* SPDX-License-Identifier: Apache-2.0
 *
 * A message is whole or it is none: there is no half request to keep. Who is served has a place;
 * who finds none waits in the backlog, where he costs nothing.
 */
#include "control/passing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/text.h"
#include "channel/channel.h"
#include "control/reply.h"

/* From a connection, or the answer before, to a message; and when there is no place left. */
#define MESSAGE_NS       (10 * NS_PER_S)
#define MESSAGE_SHORT_NS (NS_PER_S)

enum {
	FDS_READ = 4, /* more than one is one too many: the kernel closes what does not fit */
	/* Places for those who may not write: they are told so, and keep nobody out. */
	STRANGERS_MAX = 4,
};

/* In the epoll set; a client by his place. */
#define LISTENER UINT32_MAX

struct passer {
	int fd; /* -1: free */
	bool is_waiting, is_writer;
	uint64_t since_ns;
	uint64_t asked;
	struct control_peer peer;
	control_ticket ticket;
	struct control_request request;
};

struct passing {
	struct control_handler handler;
	int listen_fd, epoll_fd;
	unsigned n_clients, n_strangers;
	uint64_t n_asked;
	struct passer clients[PASSING_CLIENTS_MAX];
	uint8_t body[CONTROL_BODY_MAX + 1];
	char text[CONTROL_VIEW_MAX + 32];
};

static int watch(const struct passing *p, int fd, uint32_t place, bool on)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = place };

	return epoll_ctl(p->epoll_fd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, fd, &event);
}

static void end_client(struct passing *p, struct passer *client)
{
	(void)watch(p, client->fd, 0, false);
	fd_close(&client->fd);
	client->is_waiting = false;
	p->n_strangers -= !client->is_writer;
	if (p->n_clients-- == PASSING_CLIENTS_MAX)
		(void)watch(p, p->listen_fd, LISTENER, true);
}

/* As HTTP has it, and the status in front. Who does not take it is ended, and who has no more to
 * ask for. */
static void answer_client(struct passing *p, struct passer *client,
			  const struct control_answer *answer)
{
	char view[CONTROL_VIEW_MAX];
	struct buf inner = buf_init(view, sizeof(view)), b = buf_init(p->text, sizeof(p->text));
	bool is_sent;

	if (answer->error.status != 0)
		reply_put_error(&inner, &answer->error);
	else
		reply_put_view(&inner, &answer->view);
	buf_put_lit(&b, "{\"status\":");
	put_u64(&b, answer->error.status != 0 ? answer->error.status : answer->status);
	buf_put_byte(&b, ',');
	buf_put(&b, view + 1, buf_len(&inner) - 1);
	client->is_waiting = false;
	client->since_ns = clk_monotonic_ns();
	is_sent = send(client->fd, p->text, buf_len(&b), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
	if (!is_sent || !client->is_writer)
		end_client(p, client);
}

/* ---- a message */

struct message {
	ssize_t len;
	int flags;
	int fds[FDS_READ];
	unsigned n_fds;
};

static void read_message(struct passing *p, const struct passer *client, struct message *m)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(FDS_READ * sizeof(int))];
	} control;
	struct iovec body = { .iov_base = p->body, .iov_len = sizeof(p->body) };
	struct msghdr msg = { .msg_iov = &body, .msg_iovlen = 1 };
	unsigned n;

	/* Of others none becomes ours: to close one takes as long as its file system likes. */
	if (client->is_writer) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
	}
	m->len = recvmsg(client->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	m->flags = msg.msg_flags;
	n = m->len >= 0 ? fd_take_passed(&msg, m->fds, FDS_READ) : 0;
	m->n_fds = n < FDS_READ ? n : FDS_READ;
}

static bool check_message(const struct passer *client, const struct message *m,
			  struct control_error *error)
{
	if (!client->is_writer)
		return control_refuse(error, 403, "not_a_writer",
				      "user %u may not change cells: see [control] writers",
				      client->peer.uid);
	if ((m->flags & MSG_TRUNC) != 0 || m->len > CONTROL_BODY_MAX)
		return control_refuse(error, 413, "too_large", "a message has at most %d bytes",
				      CONTROL_BODY_MAX);
	if ((m->flags & MSG_CTRUNC) != 0 && m->n_fds == 0)
		return control_refuse(error, 503, "full",
				      "out of descriptors: raise the limit of open files");
	if ((m->flags & MSG_CTRUNC) != 0 || m->n_fds != 1)
		return control_refuse(error, 400, "bad_request",
				      "pass exactly one descriptor with the message");
	return true;
}

static bool read_request(struct passing *p, struct passer *client, const struct message *m,
			 struct control_error *error)
{
	struct control_request *request = &client->request;
	struct cht_err err = { 0 };

	memset(request, 0, sizeof(*request));
	request->method = CONTROL_PASS;
	request->what = CONTROL_CELL;
	request->by = client->peer;
	if (!check_message(client, m, error) ||
	    !control_read_body((struct cht_bytes){ p->body, (size_t)m->len }, request, error))
		return false;
	request->passed_fd = m->fds[0];
	if (channel_look_at_passed(m->fds[0], request->cell.path, sizeof(request->cell.path),
				   &err) < 0)
		return control_refuse(error, 422, "cannot_bind", "%s", err.text);
	return true;
}

static void serve(struct passing *p, struct passer *client)
{
	struct control_answer answer = { .status = 200 };
	struct message m = { .fds = { -1, -1, -1, -1 } };
	bool is_answered;

	read_message(p, client, &m);
	if (m.len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (m.len <= 0 && m.n_fds == 0) {
		end_client(p, client);
		return;
	}
	is_answered =
		!read_request(p, client, &m, &answer.error) ||
		p->handler.on_cell(p->handler.context, &client->request, &answer, &client->ticket);
	/* Before the answer: what is said of our descriptors then is true. */
	for (unsigned i = 0; i < m.n_fds; i++)
		fd_close(&m.fds[i]);
	if (is_answered) {
		answer_client(p, client, &answer);
		return;
	}
	client->is_waiting = true;
	client->asked = p->n_asked++;
}

/* ---- connections */

static struct passer *find_free(struct passing *p)
{
	for (unsigned i = 0; i < PASSING_CLIENTS_MAX; i++)
		if (p->clients[i].fd < 0)
			return &p->clients[i];
	return NULL;
}

static void take_clients(struct passing *p)
{
	struct passer *client;

	for (int n = 0; n < ACCEPTS_PER_TURN && (client = find_free(p)) != NULL; n++) {
		client->fd = accept4(p->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (client->fd < 0)
			return;
		client->peer = (struct control_peer){ 0, UINT32_MAX, UINT32_MAX };
		(void)control_peer_read(client->fd, &client->peer);
		client->is_writer =
			control_access_has(&p->handler.writers, &client->peer, client->fd);
		if ((!client->is_writer && p->n_strangers == STRANGERS_MAX) ||
		    watch(p, client->fd, (uint32_t)(client - p->clients), true) < 0) {
			fd_close(&client->fd);
			continue;
		}
		p->n_strangers += !client->is_writer;
		client->is_waiting = false;
		client->since_ns = clk_monotonic_ns();
		if (++p->n_clients == PASSING_CLIENTS_MAX)
			(void)watch(p, p->listen_fd, 0, false);
	}
}

static uint64_t patience_ns(const struct passing *p)
{
	return p->n_clients < PASSING_CLIENTS_MAX ? MESSAGE_NS : MESSAGE_SHORT_NS;
}

static void end_late(struct passing *p)
{
	uint64_t now = clk_monotonic_ns(), patience = patience_ns(p);

	for (unsigned i = 0; i < PASSING_CLIENTS_MAX; i++) {
		struct passer *client = &p->clients[i];

		if (client->fd >= 0 && !client->is_waiting && client->since_ns + patience <= now)
			end_client(p, client);
	}
}

void passing_run(struct passing *p)
{
	struct epoll_event events[PASSING_CLIENTS_MAX + 1];
	int n = epoll_wait(p->epoll_fd, events, PASSING_CLIENTS_MAX + 1, 0);

	for (int i = 0; i < n; i++) {
		struct passer *client;

		if (events[i].data.u32 == LISTENER) {
			take_clients(p);
			continue;
		}
		client = &p->clients[events[i].data.u32];
		if (client->fd < 0)
			continue;
		/* One who waits says nothing more, or has left: his cell is registered all the
		 * same. */
		if (client->is_waiting)
			end_client(p, client);
		else
			serve(p, client);
	}
	end_late(p);
}

int passing_fd(const struct passing *p)
{
	return p->epoll_fd;
}

uint64_t passing_deadline(const struct passing *p)
{
	uint64_t at = UINT64_MAX, patience = patience_ns(p);

	for (unsigned i = 0; i < PASSING_CLIENTS_MAX; i++) {
		const struct passer *client = &p->clients[i];

		if (client->fd >= 0 && !client->is_waiting && client->since_ns + patience < at)
			at = client->since_ns + patience;
	}
	return at;
}

void passing_tell(struct passing *p, control_ticket ticket, const struct control_answer *answer)
{
	struct passer *first = NULL;

	for (unsigned i = 0; i < PASSING_CLIENTS_MAX; i++) {
		struct passer *client = &p->clients[i];

		if (client->is_waiting && client->ticket == ticket &&
		    (first == NULL || client->asked < first->asked))
			first = client;
	}
	for (unsigned i = 0; first != NULL && i < PASSING_CLIENTS_MAX; i++) {
		struct passer *client = &p->clients[i];
		struct control_answer mine = *answer;

		if (!client->is_waiting || client->ticket != ticket)
			continue;
		if (mine.status == 201 && client != first)
			mine.status = 200;
		answer_client(p, client, &mine);
	}
}

int passing_open(struct passing **out, int fd, const struct control_handler *handler,
		 struct cht_err *err)
{
	struct passing *p = calloc(1, sizeof(*p));

	*out = p;
	if (p == NULL) {
		fd_close(&fd);
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for the register socket");
	}
	p->handler = *handler;
	p->listen_fd = fd;
	for (unsigned i = 0; i < PASSING_CLIENTS_MAX; i++)
		p->clients[i].fd = -1;
	p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (p->epoll_fd < 0 || watch(p, fd, LISTENER, true) < 0)
		return cht_fail(err, CHT_E_IO, errno, "listen on the register socket");
	return 0;
}

void passing_close(struct passing *p)
{
	struct control_answer stopping = { .status = 0 };

	if (p == NULL)
		return;
	(void)control_refuse(&stopping.error, 503, "stopping",
			     "chtd is stopping: ask again when it is back");
	for (unsigned i = 0; i < PASSING_CLIENTS_MAX; i++) {
		if (p->clients[i].is_waiting)
			answer_client(p, &p->clients[i], &stopping);
		fd_close(&p->clients[i].fd);
	}
	fd_close(&p->listen_fd);
	fd_close(&p->epoll_fd);
	free(p);
}
