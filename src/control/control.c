/* SPDX-License-Identifier: Apache-2.0
 *
 * libmicrohttpd has its own epoll set, which hangs in the owner's loop; what it found ready and has
 * not looked at yet is not in that set any more, so that its timeout counts too (ADR 0021).
 */
#include "control/control.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/text.h"
#include "control/client.h"
#include "http/http.h"

/* From a connection, or the answer before, to a whole request. */
#define REQUEST_NS (10 * NS_PER_S)

enum {
	CONNECTION_BYTES = 16384, /* of a request's head and the answer under way */
	BODY_READ_MAX = 1 << 20,  /* a body is read, if only to answer who sends it */
};

/* ---- requests */

static bool is_far_too_large(struct MHD_Connection *connection)
{
	const char *len = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
						      MHD_HTTP_HEADER_CONTENT_LENGTH);

	uint64_t n;

	return len != NULL && (!read_u64(str_of(len), UINT64_MAX, &n) || n > BODY_READ_MAX);
}

/* Before anything is said of what there is. */
static void check_access(struct client *client)
{
	if (!client->may_read)
		(void)control_refuse(&client->error, MHD_HTTP_FORBIDDEN, "not_a_reader",
				     "user %u may not ask here: see [control] readers",
				     client->peer.uid);
	else if (client->error.status == 0 && client->request.method != CONTROL_GET &&
		 !client->may_write)
		(void)control_refuse(&client->error, MHD_HTTP_FORBIDDEN, "not_a_writer",
				     "user %u may not change cells: see [control] writers",
				     client->peer.uid);
}

static bool has_header(const struct client *client, const char *name)
{
	return MHD_lookup_connection_value(client->connection, MHD_HEADER_KIND, name) != NULL;
}

/* What the library would answer in its own words: HTML. */
static void check_head(struct client *client, const char *version)
{
	const char *end = client->target + client->target_len;

	/* The version stands behind the target, and one byte between them; where there is more, the
	 * target went on behind a NUL. */
	if ((uintptr_t)version - (uintptr_t)end > 1 &&
	    (uintptr_t)version - (uintptr_t)end < CONNECTION_BYTES)
		(void)control_refuse(&client->error, MHD_HTTP_BAD_REQUEST, "bad_request",
				     "there is a NUL in the target");
	else if (strcmp(version, MHD_HTTP_VERSION_1_1) == 0 &&
		 !has_header(client, MHD_HTTP_HEADER_HOST))
		(void)control_refuse(&client->error, MHD_HTTP_BAD_REQUEST, "bad_request",
				     "HTTP/1.1 has a Host header: any name will do");
	else if (has_header(client, MHD_HTTP_HEADER_TRANSFER_ENCODING))
		(void)control_refuse(&client->error, MHD_HTTP_LENGTH_REQUIRED, "length_required",
				     "send the body with a Content-Length, not in chunks");
}

/* The head of a request. A body that is far too large, or whose end nobody can tell, is not waited
 * for: the connection ends with the answer. */
static enum MHD_Result on_head(struct client *client, const char *version)
{
	client->has_head = true;
	client->body_len = 0;
	check_head(client, version);
	check_access(client);
	if (client->error.status == MHD_HTTP_LENGTH_REQUIRED)
		return client_queue_error(client);
	if (!is_far_too_large(client->connection))
		return MHD_YES;
	(void)control_refuse(&client->error, MHD_HTTP_CONTENT_TOO_LARGE, "too_large",
			     "a body has at most %d bytes", CONTROL_BODY_MAX);
	return client_queue_error(client);
}

static void on_body(struct client *client, const char *bytes, size_t len)
{
	if (client->request.method == CONTROL_GET && client->error.status == 0)
		(void)control_refuse(&client->error, MHD_HTTP_BAD_REQUEST, "bad_request",
				     "GET has no body");
	if (len > sizeof(client->body) - client->body_len) {
		if (client->error.status == 0)
			(void)control_refuse(&client->error, MHD_HTTP_CONTENT_TOO_LARGE,
					     "too_large", "a body has at most %d bytes",
					     CONTROL_BODY_MAX);
		return;
	}
	memcpy(client->body + client->body_len, bytes, len);
	client->body_len += len;
}

/* Its signature is libmicrohttpd's. */
/* NOLINTNEXTLINE(readability-function-size): ADR 0018 */
static enum MHD_Result on_request(void *closure, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_len, void **request_closure)
{
	struct control *c = closure;
	struct client *client = http_client_of(connection);

	(void)url;
	(void)request_closure;
	if (client == NULL)
		return MHD_NO;
	if (!client->has_head) {
		client->is_body_less = strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
		if (client->error.status == 0)
			(void)control_read_target(method, client->text, &client->request,
						  &client->error);
		return on_head(client, version);
	}
	if (*upload_len > 0) {
		on_body(client, upload, *upload_len);
		*upload_len = 0;
		return MHD_YES;
	}
	if (client->state == CLIENT_TOLD)
		return client_queue_told(client);
	if (c->is_stopping && client->error.status == 0)
		(void)control_refuse(&client->error, MHD_HTTP_SERVICE_UNAVAILABLE, "stopping",
				     "chtd is stopping: ask again when it is back");
	return client_answer(c, client);
}

/* The target as it came, before the library looks into it. */
static void *on_target(void *closure, const char *target, struct MHD_Connection *connection)
{
	struct client *client = http_client_of(connection);

	(void)closure;
	if (client == NULL)
		return NULL;
	client->has_head = false;
	client->error.status = 0;
	client->target = target;
	client->target_len = strlen(target);
	if (client->target_len > CONTROL_TARGET_MAX)
		(void)control_refuse(&client->error, MHD_HTTP_NOT_FOUND, "not_found",
				     "a target has at most %d bytes", CONTROL_TARGET_MAX);
	else
		memcpy(client->text, target, client->target_len + 1);
	return NULL;
}

/* ---- connections */

static struct client *take_client(struct control *c)
{
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		if (c->clients[i] == NULL)
			c->clients[i] = calloc(1, sizeof(*c->clients[i]));
		if (c->clients[i] == NULL || c->clients[i]->state == CLIENT_FREE)
			return c->clients[i];
	}
	return NULL;
}

static void on_connection(void *closure, struct MHD_Connection *connection, void **socket_context,
			  enum MHD_ConnectionNotificationCode what)
{
	struct control *c = closure;
	struct client *client = *socket_context;

	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (client != NULL)
			client->state = CLIENT_FREE;
		return;
	}
	client = take_client(c);
	*socket_context = client;
	if (client == NULL)
		return;
	client->state = CLIENT_ASKING;
	client->since_ns = clk_monotonic_ns();
	client->connection = connection;
	client->has_head = false;
	client->error.status = 0;
	client->fd = http_fd_of(connection);
	client->may_read = client->may_write = false;
	if (!control_peer_read(client->fd, &client->peer))
		return;
	client->may_write = control_access_has(&c->handler.writers, &client->peer, client->fd);
	client->may_read = client->may_write ||
			   control_access_has(&c->handler.readers, &client->peer, client->fd);
}

static void on_answered(void *closure, struct MHD_Connection *connection, void **request_closure,
			enum MHD_RequestTerminationCode how)
{
	struct client *client = http_client_of(connection);

	(void)closure;
	(void)request_closure;
	(void)how;
	if (client == NULL)
		return;
	client->state = CLIENT_ASKING;
	client->since_ns = clk_monotonic_ns();
}

/* Ends connections that had no whole request in time. The library's own timeout begins anew with
 * each byte. */
static void end_late(struct control *c)
{
	uint64_t now = clk_monotonic_ns();

	if (now < c->next_sweep_ns)
		return;
	c->next_sweep_ns = UINT64_MAX;
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX && c->clients[i] != NULL; i++) {
		struct client *client = c->clients[i];
		uint64_t end = client->since_ns + REQUEST_NS;

		if (client->state != CLIENT_ASKING)
			continue;
		if (end <= now)
			(void)shutdown(client->fd, SHUT_RDWR);
		else if (end < c->next_sweep_ns)
			c->next_sweep_ns = end;
	}
	if (c->next_sweep_ns == UINT64_MAX)
		c->next_sweep_ns = now + REQUEST_NS;
}

/* ---- for the owner */

static bool waits_for(const struct client *client, control_ticket ticket)
{
	return client->state == CLIENT_WAITING && client->ticket == ticket;
}

/* Who of them asked first; NULL when nobody waits. */
static const struct client *find_first(const struct control *c, control_ticket ticket)
{
	const struct client *first = NULL;

	for (unsigned i = 0; c->n_waiting > 0 && i < CONTROL_CLIENTS_MAX && c->clients[i] != NULL;
	     i++)
		if (waits_for(c->clients[i], ticket) &&
		    (first == NULL || c->clients[i]->asked < first->asked))
			first = c->clients[i];
	return first;
}

void control_tell(struct control *c, control_ticket ticket, const struct control_answer *answer)
{
	const struct client *first = find_first(c, ticket);

	for (unsigned i = 0; first != NULL && i < CONTROL_CLIENTS_MAX && c->clients[i] != NULL;
	     i++) {
		struct client *client = c->clients[i];
		struct control_answer mine = *answer;

		if (!waits_for(client, ticket))
			continue;
		if (mine.status == MHD_HTTP_CREATED && client != first)
			mine.status = MHD_HTTP_OK;
		client_write(client, &mine);
		client->state = CLIENT_TOLD;
		c->n_waiting--;
		MHD_resume_connection(client->connection);
		c->is_due = true;
	}
}

int control_fd(const struct control *c)
{
	return c->fd;
}

uint64_t control_deadline(const struct control *c)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (c->is_due)
		return 0;
	if (MHD_get_timeout(c->daemon, &ms) != MHD_YES)
		return UINT64_MAX;
	return ms == 0 ? 0 : clk_monotonic_ns() + ms * NS_PER_MS;
}

void control_run(struct control *c)
{
	c->is_due = false;
	end_late(c);
	(void)MHD_run(c->daemon);
}

/* fd is taken. */
static int start_daemon(struct control *c, int fd, struct cht_err *err)
{
	const union MHD_DaemonInfo *info;

	c->daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, c,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)c->handler.clients_max, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)(REQUEST_NS / NS_PER_S), MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)CONNECTION_BYTES, MHD_OPTION_URI_LOG_CALLBACK, on_target, c,
		MHD_OPTION_UNESCAPE_CALLBACK, http_leave_escaped, NULL, MHD_OPTION_NOTIFY_COMPLETED,
		on_answered, c, MHD_OPTION_NOTIFY_CONNECTION, on_connection, c, MHD_OPTION_END);
	if (c->daemon == NULL) {
		fd_close(&fd);
		return cht_fail(err, CHT_E_IO, 0, "the HTTP library did not start");
	}
	info = MHD_get_daemon_info(c->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	c->fd = info->epoll_fd;
	return 0;
}

int control_open(struct control **out, int listen_fd, const struct control_handler *handler,
		 struct cht_err *err)
{
	struct control *c = calloc(1, sizeof(*c));
	size_t seed;
	int r;

	*out = c;
	if (c == NULL) {
		fd_close(&listen_fd);
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for the control socket");
	}
	c->handler = *handler;
	r = fd_random(&seed, sizeof(seed), err);
	if (r < 0) {
		fd_close(&listen_fd);
		return r;
	}
	/* Else jansson would open a file for it. 0 stands for none. */
	json_object_seed(seed | 1);
	return start_daemon(c, listen_fd, err);
}

void control_close(struct control *c)
{
	struct control_answer stopping = { .status = 0 };

	if (c == NULL)
		return;
	(void)control_refuse(&stopping.error, MHD_HTTP_SERVICE_UNAVAILABLE, "stopping",
			     "chtd is stopping: ask again when it is back");
	c->is_stopping = true;
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX && c->clients[i] != NULL; i++)
		if (c->clients[i]->state == CLIENT_WAITING)
			control_tell(c, c->clients[i]->ticket, &stopping);
	if (c->daemon != NULL) {
		(void)MHD_run(c->daemon);
		MHD_stop_daemon(c->daemon);
	}
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
		free(c->clients[i]);
	free(c);
}
