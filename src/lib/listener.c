/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/fd.h"
#include "lib/connection.h"

int cht_listener_bind(struct cht_listener **out, const struct cht_listener_options *options,
		      struct cht_err *err)
{
	struct cht_listener *l = malloc(sizeof(*l));
	int r;

	if (l == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for a listener");
	*l = (struct cht_listener){
		.socket = CHANNEL_SOCKET_NULL,
		.spare = CHANNEL_SPARE_NULL,
		.expected_uid = options->expected_uid,
		.max = options->max_connections != 0 ? options->max_connections : LIMIT_CONNECTIONS,
	};
	r = channel_spare_open(&l->spare, err);
	if (r == 0)
		r = channel_bind(&l->socket, options, err);
	if (r < 0)
		cht_listener_free(l);
	else
		*out = l;
	return r;
}

void cht_listener_free(struct cht_listener *listener)
{
	if (listener == NULL)
		return;
	channel_unbind(&listener->socket);
	channel_spare_close(&listener->spare);
	free(listener);
}

int cht_listener_fd(const struct cht_listener *listener)
{
	return listener->socket.fd;
}

/* Only the head is set: the rest of it, 150 KiB, is touched as frames need it. */
static struct cht_connection *connection_new(struct cht_listener *listener, int fd,
					     const struct channel_peer *peer)
{
	struct cht_connection *c = malloc(sizeof(*c));

	if (c == NULL)
		return NULL;
	memset(c, 0, offsetof(struct cht_connection, read));
	c->listener = listener;
	c->fd = fd;
	c->peer = *peer;
	c->facts.connection = ++listener->accepted;
	c->facts.peer_uid = peer->uid;
	c->quota.max = CONNECTION_BLOCKS;
	frame_pool_init(&c->pool, c->blocks, CONNECTION_BLOCKS, c->scratch);
	listener->open++;
	return c;
}

int cht_accept(struct cht_listener *listener, struct cht_connection **out, struct cht_err *err)
{
	struct cht_connection *c = NULL;
	struct channel_peer peer;
	int fd, r;

	r = channel_accept(listener->socket.fd, &listener->spare, &fd, &peer, err);
	if (r != 1)
		return r;
	if (listener->expected_uid >= 0 && peer.uid != (uint64_t)listener->expected_uid)
		r = cht_fail(err, CHT_E_PEER, 0, "closed a connection of uid %u, not %lld",
			     peer.uid, (long long)listener->expected_uid);
	else if (listener->open >= listener->max)
		r = cht_fail(err, CHT_E_LIMIT, 0, "closed a connection: %u are open",
			     listener->open);
	else if ((c = connection_new(listener, fd, &peer)) == NULL)
		r = cht_fail(err, CHT_E_NOMEM, 0, "no memory for a connection");
	if (c != NULL)
		*out = c;
	else
		fd_close(&fd);
	return r;
}

int cht_connection_fd(const struct cht_connection *connection)
{
	return connection->fd;
}

uint64_t cht_connection_deadline(const struct cht_connection *connection)
{
	uint64_t since = connection->framer.started_ns;

	return since == 0 ? UINT64_MAX : since + LIMIT_STALL_NS;
}

void cht_connection_free(struct cht_connection *connection)
{
	if (connection == NULL)
		return;
	connection->listener->open--;
	fd_close(&connection->fd);
	free(connection);
}
