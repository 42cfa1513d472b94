/* SPDX-License-Identifier: Apache-2.0
 *
 * listen.h - the one socket that is listened on, and the addresses that it may have.
 */
#ifndef SERVE_LISTEN_H
#define SERVE_LISTEN_H

#include <netinet/in.h>

#include "channel/channel.h"
#include "serve/serve.h"

struct serve_listener {
	struct channel_socket unix_socket;
	int fd; /* the TCP socket, or unix_socket.fd's copy; -1: closed */
	bool is_tcp, is_v6;
	char name[128]; /* for people: "http://127.0.0.1:8080/", "/run/cht/serve.sock" */
};

#define SERVE_LISTENER_NULL                                                                        \
	{                                                                                          \
		.unix_socket = CHANNEL_SOCKET_NULL, .fd = -1                                       \
	}

/* "127.0.0.1:PORT" (any address of 127/8) or "[::1]:PORT". CHT_E_CONFIG: anything else. */
int serve_address_read(const char *text, struct sockaddr_storage *out, socklen_t *len,
		       struct cht_err *err) CHT_CHECKED;

/* Whether a Host field, its port left out, names this machine: localhost, [::1], 127/8. */
bool serve_host_is_local(const char *host);

/* Bound and listening, non-blocking. CHT_E_CONFIG, CHT_E_BIND. */
int serve_listen(struct serve_listener *l, const struct serve_options *options,
		 struct cht_err *err) CHT_CHECKED;
/* Closes, and unlinks the socket file if it is still the one made. Safe on SERVE_LISTENER_NULL. */
void serve_unlisten(struct serve_listener *l);

#endif
