/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/text.h"

enum { SOCKET_MODE = 0660 };

/* The text before the last colon, and the port behind it. */
static bool split(const char *text, char host[INET6_ADDRSTRLEN], uint64_t *port)
{
	const char *colon = strrchr(text, ':');
	size_t len;

	if (colon == NULL || !read_u64(str_of(colon + 1), UINT16_MAX, port))
		return false;
	len = (size_t)(colon - text);
	if (len >= INET6_ADDRSTRLEN)
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	return true;
}

int serve_address_read(const char *text, struct sockaddr_storage *out, socklen_t *len,
		       struct cht_err *err)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	char host[INET6_ADDRSTRLEN];
	uint64_t port = 0;
	bool is_split = split(text, host, &port);

	memset(out, 0, sizeof(*out));
	v4.sin_port = v6.sin6_port = htons((uint16_t)port);
	if (is_split && strcmp(host, "[::1]") == 0) {
		memcpy(out, &v6, sizeof(v6));
		*len = sizeof(v6);
		return 0;
	}
	if (is_split && inet_pton(AF_INET, host, &v4.sin_addr) == 1 &&
	    ntohl(v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET) {
		memcpy(out, &v4, sizeof(v4));
		*len = sizeof(v4);
		return 0;
	}
	return cht_fail(err, CHT_E_CONFIG, 0,
			"--listen takes 127.0.0.1:PORT or [::1]:PORT, an address of this machine "
			"alone: nobody is asked who he is. For others: a proxy before --socket");
}

bool serve_host_is_local(const char *host)
{
	size_t len = strcspn(host, host[0] == '[' ? "]" : ":");
	char name[INET6_ADDRSTRLEN];
	struct in_addr v4;
	uint64_t port;

	len += host[0] == '[' && host[len] == ']';
	if (len >= sizeof(name) ||
	    (host[len] != '\0' &&
	     (host[len] != ':' || !read_u64(str_of(host + len + 1), UINT16_MAX, &port))))
		return false;
	memcpy(name, host, len);
	name[len] = '\0';
	return strcasecmp(name, "localhost") == 0 || strcmp(name, "[::1]") == 0 ||
	       (inet_pton(AF_INET, name, &v4) == 1 && ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET);
}

/* The address as it is now: port 0 has become one. */
static void name_it(struct serve_listener *l)
{
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;
	socklen_t len = sizeof(v6);
	char host[INET6_ADDRSTRLEN] = "?";

	memset(&v6, 0, sizeof(v6));
	(void)getsockname(l->fd, (struct sockaddr *)&v6, &len);
	if (l->is_v6) {
		(void)snprintf(l->name, sizeof(l->name), "http://[::1]:%u/", ntohs(v6.sin6_port));
		return;
	}
	memcpy(&v4, &v6, sizeof(v4));
	(void)inet_ntop(AF_INET, &v4.sin_addr, host, sizeof(host));
	(void)snprintf(l->name, sizeof(l->name), "http://%s:%u/", host, ntohs(v4.sin_port));
}

static int listen_tcp(struct serve_listener *l, const char *text, struct cht_err *err)
{
	struct sockaddr_storage address;
	socklen_t len = 0;
	int one = 1, r = serve_address_read(text, &address, &len, err);

	if (r < 0)
		return r;
	l->is_tcp = true;
	l->is_v6 = address.ss_family == AF_INET6;
	l->fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0 || setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
		return cht_fail(err, CHT_E_BIND, errno, "make a socket");
	if (bind(l->fd, (const struct sockaddr *)&address, len) < 0)
		return cht_fail(err, CHT_E_BIND, errno, "bind %s", text);
	if (listen(l->fd, LISTEN_BACKLOG) < 0)
		return cht_fail(err, CHT_E_BIND, errno, "listen on %s", text);
	name_it(l);
	return 0;
}

static int listen_unix(struct serve_listener *l, const struct serve_options *options,
		       struct cht_err *err)
{
	struct cht_listener_options socket_options = CHT_LISTENER_OPTIONS_INIT;
	int r;

	socket_options.path = options->socket;
	socket_options.mode = SOCKET_MODE;
	socket_options.replace = options->replace;
	r = channel_bind(&l->unix_socket, &socket_options, err);
	if (r < 0)
		return r;
	/* Of its own: who takes it closes it, and the file goes with the other. */
	l->fd = fcntl(l->unix_socket.fd, F_DUPFD_CLOEXEC, 0);
	if (l->fd < 0)
		return cht_fail(err, CHT_E_BIND, errno, "listen on %s", options->socket);
	(void)snprintf(l->name, sizeof(l->name), "%s", options->socket);
	return 0;
}

int serve_listen(struct serve_listener *l, const struct serve_options *options, struct cht_err *err)
{
	int r;

	*l = (struct serve_listener)SERVE_LISTENER_NULL;
	r = options->socket != NULL ? listen_unix(l, options, err)
				    : listen_tcp(l, options->listen, err);
	if (r < 0)
		serve_unlisten(l);
	return r;
}

void serve_unlisten(struct serve_listener *l)
{
	channel_unbind(&l->unix_socket);
	fd_close(&l->fd);
}
