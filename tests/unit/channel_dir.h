/* SPDX-License-Identifier: Apache-2.0
 *
 * channel_dir.h - a directory of its own for real sockets, and a way to dial them.
 */
#ifndef TESTS_UNIT_CHANNEL_DIR_H
#define TESTS_UNIT_CHANNEL_DIR_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#include "base/fd.h"
#include "channel/channel.h"

static char dir[64];

static int setup(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/cht-channel-XXXXXX");
	(void)umask(022);
	return mkdtemp(dir) == NULL;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

/* One of a few buffers in turn: options keep the pointer for a while. */
static inline const char *in_dir(const char *name)
{
	static char paths[8][100];
	static unsigned turn;
	char *path = paths[turn++ % 8];

	(void)snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

static inline struct cht_listener_options at_path(const char *path)
{
	struct cht_listener_options o = CHT_LISTENER_OPTIONS_INIT;

	o.path = path;
	return o;
}

static inline struct channel_socket must_bind(const struct cht_listener_options *o)
{
	struct channel_socket s = CHANNEL_SOCKET_NULL;
	struct cht_err err = { .code = 0 };

	if (channel_bind(&s, o, &err) != 0)
		fprintf(stderr, "bind: %s\n", err.text);
	CHECK(s.fd >= 0);
	return s;
}

/* Connects to a path of any length: by way of its directory. Returns the socket or -errno. */
static inline int dial(const char *path, int flags)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const char *name = strrchr(path, '/') + 1;
	char parent[512];
	int fd, at, r;

	(void)snprintf(parent, sizeof(parent), "%.*s", (int)(name - path), path);
	at = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/%.80s", at, name);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	r = connect(fd, (const struct sockaddr *)&a, sizeof(a));
	r = r < 0 ? -errno : fd;
	close(at);
	if (r < 0)
		close(fd);
	return r;
}

static inline unsigned files_in_dir(void)
{
	char command[128], line[16] = "";
	FILE *p;

	(void)snprintf(command, sizeof(command), "find '%s' -mindepth 1 ! -type d | wc -l", dir);
	p = popen(command, "r");
	CHECK(fgets(line, sizeof(line), p) != NULL);
	pclose(p);
	return (unsigned)strtoul(line, NULL, 10);
}

#endif
