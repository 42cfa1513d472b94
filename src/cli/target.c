/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/target.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/text.h"

enum { CONNECT_TIMEOUT_S = 10 };

/* A path too long for an address is reached through a descriptor of its directory. */
static int shorten(struct target *t, const char *path, char *out, size_t cap, struct cht_err *err)
{
	const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
	char dir[4096];
	int n;

	n = slash == NULL ? snprintf(dir, sizeof(dir), ".")
			  : snprintf(dir, sizeof(dir), "%.*s/", (int)(slash - path), path);
	if (n < 0 || (size_t)n >= sizeof(dir))
		return cht_fail(err, CHT_E_RANGE, 0, "the path is too long");
	t->dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (t->dir_fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "open directory %s", dir);
	n = snprintf(out, cap, "/proc/self/fd/%d/%s", t->dir_fd, name);
	if (n < 0 || (size_t)n >= cap)
		return cht_fail(err, CHT_E_RANGE, 0, "the socket's name is too long");
	return 0;
}

static int open_unix(struct target *t, const char *path, struct cht_err *err)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	int r = 0;

	if (len == 0)
		return cht_fail(err, CHT_E_RANGE, 0, "unix: needs a path");
	if (len < sizeof(un.sun_path))
		memcpy(un.sun_path, path, len + 1);
	else
		r = shorten(t, path, un.sun_path, sizeof(un.sun_path), err);
	memcpy(&t->address, &un, sizeof(un));
	t->len = sizeof(un);
	return r;
}

static int open_vsock(struct target *t, const char *text, struct cht_err *err)
{
	struct sockaddr_vm vm = { .svm_family = AF_VSOCK };
	const char *colon = strchr(text, ':');
	uint64_t cid, port;

	if (colon == NULL ||
	    !read_u64((struct cht_str){ text, (size_t)(colon - text) }, UINT32_MAX, &cid) ||
	    !read_u64(str_of(colon + 1), UINT32_MAX, &port))
		return cht_fail(err, CHT_E_RANGE, 0, "vsock:%s is not vsock:CID:PORT", text);
	vm.svm_cid = (unsigned)cid;
	vm.svm_port = (unsigned)port;
	memcpy(&t->address, &vm, sizeof(vm));
	t->len = sizeof(vm);
	return 0;
}

int target_open(struct target *t, const char *text, struct cht_err *err)
{
	*t = (struct target){ .text = text, .dir_fd = -1 };
	if (strncmp(text, "unix:", 5) == 0)
		return open_unix(t, text + 5, err);
	if (strncmp(text, "vsock:", 6) == 0)
		return open_vsock(t, text + 6, err);
	if (strchr(text, '/') != NULL)
		return cht_fail(err, CHT_E_RANGE, 0, "%s needs a kind (did you mean unix:%s?)",
				text, text);
	return cht_fail(err, CHT_E_RANGE, 0, "%s is neither unix:PATH nor vsock:CID:PORT", text);
}

void target_close(struct target *t)
{
	fd_close(&t->dir_fd);
}

int target_connect(const struct target *t, struct cht_err *err)
{
	struct timeval timeout = { .tv_sec = CONNECT_TIMEOUT_S };
	int fd = socket(t->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), r = 0, flags;

	if (fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "make a socket");
	/* A Unix socket has no other way to wait for room than to block in connect. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, (const struct sockaddr *)&t->address, t->len) < 0) {
		if (errno == EAGAIN)
			r = cht_fail(err, CHT_E_PEER, 0, "connect: nobody accepted within %d s",
				     CONNECT_TIMEOUT_S);
		else
			r = cht_fail(err, CHT_E_PEER, errno, "connect to %s", t->text);
	}
	flags = fcntl(fd, F_GETFL);
	if (r == 0 && (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0))
		r = cht_fail(err, CHT_E_IO, errno, "make a socket non-blocking");
	if (r < 0) {
		fd_close(&fd);
		return r;
	}
	return fd;
}
