/* SPDX-License-Identifier: Apache-2.0
 *
 * A socket is made under a temporary name in its directory, given mode and owner, set listening,
 * and only then takes its name, by a rename that replaces nothing. Whoever finds the name can
 * connect and is answered; nobody ever sees it with other rights, or bound and not listening.
 * Sockets are reached through /proc/self/fd, so that neither the length of a path nor a symlink
 * put into it meanwhile matters.
 */
#include "channel/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"

enum {
	SUN_PATH_BYTES = sizeof(((struct sockaddr_un *)0)->sun_path),
	SUFFIX_BYTES = 5, /* "_9001" */
	BASE_MAX = SUN_PATH_BYTES - SUFFIX_BYTES - 1,
	DEFAULT_MODE = 0600
};

_Static_assert(BASE_MAX == 102, "what the header says");

int cht_socket_path(const char *base, char *out, size_t cap)
{
	size_t len = strlen(base);

	if (cap < SUFFIX_BYTES + 1 || len > cap - SUFFIX_BYTES - 1 || len > INT_MAX - SUFFIX_BYTES)
		return CHT_E_RANGE;
	memcpy(out, base, len);
	memcpy(out + len, "_9001", SUFFIX_BYTES + 1);
	return (int)(len + SUFFIX_BYTES);
}

bool cht_base_is_too_long(const char *base)
{
	return strlen(base) > BASE_MAX;
}

/* The address of name in dir_fd, or of the O_PATH descriptor dir_fd itself if name is null. */
static int proc_address(struct sockaddr_un *address, int dir_fd, const char *name)
{
	int n;

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (name != NULL)
		n = snprintf(address->sun_path, SUN_PATH_BYTES, "/proc/self/fd/%d/%s", dir_fd,
			     name);
	else
		n = snprintf(address->sun_path, SUN_PATH_BYTES, "/proc/self/fd/%d", dir_fd);
	return n > 0 && n < SUN_PATH_BYTES ? 0 : CHT_E_RANGE;
}

static bool is_same(const struct stat *st, uint64_t dev, uint64_t ino)
{
	return S_ISSOCK(st->st_mode) && st->st_dev == dev && st->st_ino == ino;
}

/* Splits the path and opens its directory. *name points into path. */
static int open_place(char path[static PATH_MAX], const struct cht_listener_options *options,
		      const char **name, struct cht_err *err)
{
	char *slash;
	int fd, n;

	if ((options->base == NULL) == (options->path == NULL))
		return cht_fail(err, CHT_E_BIND, 0, "give either a base or a path");
	if (options->base != NULL)
		n = cht_socket_path(options->base, path, PATH_MAX);
	else
		n = snprintf(path, PATH_MAX, "%s", options->path);
	if (n < 0 || n >= PATH_MAX)
		return cht_fail(err, CHT_E_BIND, ENAMETOOLONG, "socket path");
	slash = strrchr(path, '/');
	*name = slash != NULL ? slash + 1 : path;
	if (slash != NULL)
		*slash = '\0';
	fd = open(slash == NULL   ? "."
		  : slash == path ? "/"
				  : path,
		  O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0)
		return fd;
	if (errno == ENOTDIR || errno == ELOOP)
		return cht_fail(err, CHT_E_BIND, 0, "not a directory, or a symlink to one: %s",
				path);
	return cht_fail(err, CHT_E_BIND, errno, "directory %s", path);
}

/* What a connection to it shows. 1: somebody listens. 0: nobody. < 0: cannot be told; errno. */
static int probe(int path_fd)
{
	struct sockaddr_un address;
	int r, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return CHT_E_IO;
	r = proc_address(&address, path_fd, NULL);
	if (r == 0)
		r = connect(fd, (const struct sockaddr *)&address, sizeof(address));
	if (r == 0 || errno == EAGAIN || errno == EPROTOTYPE)
		r = 1;
	else
		r = errno == ECONNREFUSED ? 0 : CHT_E_IO;
	fd_close(&fd);
	return r;
}

/* Removes what stands where we want to be: a socket that nobody serves, if that was allowed. */
static int clear_place(const struct channel_socket *s, bool replace, struct cht_err *err)
{
	int r, fd = openat(s->dir_fd, s->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat then, now;

	if (fd < 0)
		return errno == ENOENT ? 0 : cht_fail(err, CHT_E_BIND, errno, "%s", s->name);
	if (fstat(fd, &then) < 0)
		r = cht_fail(err, CHT_E_BIND, errno, "stat %s", s->name);
	else if (!S_ISSOCK(then.st_mode))
		r = cht_fail(err, CHT_E_BIND, 0, "exists, is not a socket, was left alone: %s",
			     s->name);
	else if ((r = probe(fd)) < 0)
		r = cht_fail(err, CHT_E_BIND, errno, "cannot tell who serves the socket %s",
			     s->name);
	else if (r > 0)
		r = cht_fail(err, CHT_E_BIND, 0, "another process listens on %s", s->name);
	else if (!replace)
		r = cht_fail(err, CHT_E_BIND, 0,
			     "stale socket, nobody listens: remove it or use --replace: %s",
			     s->name);
	else if (fstatat(s->dir_fd, s->name, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
		 is_same(&now, then.st_dev, then.st_ino) && unlinkat(s->dir_fd, s->name, 0) < 0)
		r = cht_fail(err, CHT_E_BIND, errno, "remove the stale socket %s", s->name);
	fd_close(&fd);
	return r;
}

/* The rights that the file system gave; the umask may have taken some away. */
static int settle_rights(struct channel_socket *s, const char *name,
			 const struct cht_listener_options *options, mode_t mode,
			 struct cht_err *err)
{
	int r = 0, fd = openat(s->dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char proc[32];
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		r = cht_fail(err, CHT_E_BIND, fd < 0 ? errno : 0, "the socket just made is gone");
		fd_close(&fd);
		return r;
	}
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	if ((st.st_mode & 07777) != mode && chmod(proc, mode) < 0)
		r = cht_fail(err, CHT_E_BIND, errno, "set mode %04o", (unsigned)mode);
	else if ((options->uid >= 0 && st.st_uid != (uid_t)options->uid) ||
		 (options->gid >= 0 && st.st_gid != (gid_t)options->gid))
		r = cht_fail(err, CHT_E_BIND, 0,
			     "owner is %u:%u, not as asked (set-group-ID directory?): %s",
			     st.st_uid, st.st_gid, s->name);
	fd_close(&fd);
	return r;
}

/* Gives the finished socket its name; EEXIST when somebody was quicker. */
static int take_name(const struct channel_socket *s, const char *temp)
{
	if (renameat2(s->dir_fd, temp, s->dir_fd, s->name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	/* A file system without it. */
	if (linkat(s->dir_fd, temp, s->dir_fd, s->name, 0) < 0)
		return -1;
	return unlinkat(s->dir_fd, temp, 0);
}

static int bind_and_listen(struct channel_socket *s, int type, const char *temp,
			   const struct cht_listener_options *options, struct cht_err *err)
{
	mode_t mode = options->mode != 0 ? options->mode : DEFAULT_MODE;
	struct sockaddr_un address;
	int r;

	s->fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || fchmod(s->fd, mode) < 0)
		return cht_fail(err, CHT_E_BIND, errno, "make a socket");
	/* Packets are for those who pass something in. */
	if (type == SOCK_STREAM)
		channel_refuse_fds(s->fd);
	if (proc_address(&address, s->dir_fd, temp) < 0)
		return cht_fail(err, CHT_E_BIND, ENAMETOOLONG, "socket path");
	if (bind(s->fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return cht_fail(err, CHT_E_BIND, errno, "bind in the directory of %s", s->name);
	r = settle_rights(s, temp, options, mode, err);
	if (r == 0 && listen(s->fd, LISTEN_BACKLOG) < 0)
		r = cht_fail(err, CHT_E_BIND, errno, "listen");
	if (r == 0 && take_name(s, temp) < 0)
		r = cht_fail(err, CHT_E_BIND, errno, "name the socket %s", s->name);
	if (r < 0)
		(void)unlinkat(s->dir_fd, temp, 0);
	return r;
}

/* A failed setfsuid says nothing: asking again shows who we are. */
int channel_become(int64_t uid, int64_t gid, struct cht_err *err)
{
	if (gid >= 0) {
		(void)setfsgid((gid_t)gid);
		if (setfsgid((gid_t)-1) != (int)gid)
			return cht_fail(err, CHT_E_BIND, EPERM,
					"a socket of group %lld needs CAP_SETGID", (long long)gid);
	}
	if (uid >= 0) {
		(void)setfsuid((uid_t)uid);
		if (setfsuid((uid_t)-1) != (int)uid)
			return cht_fail(err, CHT_E_BIND, EPERM,
					"a socket of user %lld needs CAP_SETUID", (long long)uid);
	}
	return 0;
}

/* With the owner's rights, if there is to be one. */
static int make_socket(struct channel_socket *s, int type,
		       const struct cht_listener_options *options, struct cht_err *err)
{
	uid_t own_uid = (uid_t)setfsuid((uid_t)-1);
	gid_t own_gid = (gid_t)setfsgid((gid_t)-1);
	char temp[32];
	uint64_t bits;
	int r;

	if ((options->mode & ~0777u) != 0 || options->uid > UINT32_MAX - 1 ||
	    options->gid > UINT32_MAX - 1)
		return cht_fail(err, CHT_E_BIND, EINVAL, "mode or owner of a socket");
	r = fd_random(&bits, sizeof(bits), err);
	(void)snprintf(temp, sizeof(temp), ".cht-%016llx", (unsigned long long)bits);
	if (r == 0)
		r = channel_become(options->uid, options->gid, err);
	if (r == 0)
		r = clear_place(s, options->replace, err);
	if (r == 0)
		r = bind_and_listen(s, type, temp, options, err);
	/* The user first: as root again we may set any group. */
	(void)setfsuid(own_uid);
	(void)setfsgid(own_gid);
	return r;
}

static int bind_at(struct channel_socket *s, int type, int dir_fd, const char *name,
		   const struct cht_listener_options *options, struct cht_err *err)
{
	size_t len = strlen(name);
	int r;

	*s = (struct channel_socket){ .fd = -1, .dir_fd = dir_fd };
	if (len == 0 || len >= sizeof(s->name) || strchr(name, '/') != NULL) {
		r = cht_fail(err, CHT_E_BIND, 0, "a socket's name has 1 to %zu bytes: %s",
			     sizeof(s->name) - 1, name);
	} else {
		memcpy(s->name, name, len + 1);
		r = make_socket(s, type, options, err);
	}
	if (r < 0) {
		fd_close(&s->fd);
		fd_close(&s->dir_fd);
	}
	return r;
}

int channel_bind_at(struct channel_socket *s, int dir_fd, const char *name,
		    const struct cht_listener_options *options, struct cht_err *err)
{
	return bind_at(s, SOCK_STREAM, dir_fd, name, options, err);
}

int channel_bind_packets_at(struct channel_socket *s, int dir_fd, const char *name,
			    const struct cht_listener_options *options, struct cht_err *err)
{
	return bind_at(s, SOCK_SEQPACKET, dir_fd, name, options, err);
}

int channel_bind(struct channel_socket *s, const struct cht_listener_options *options,
		 struct cht_err *err)
{
	char path[PATH_MAX];
	const char *name = "";
	int dir_fd = open_place(path, options, &name, err);

	*s = (struct channel_socket)CHANNEL_SOCKET_NULL;
	return dir_fd < 0 ? dir_fd : channel_bind_at(s, dir_fd, name, options, err);
}

void channel_unbind(struct channel_socket *s)
{
	struct stat st;

	/* The name first: a connect finds the listener or nothing, never a dead socket. */
	if (s->dir_fd >= 0 && fstatat(s->dir_fd, s->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    is_same(&st, s->dev, s->ino))
		(void)unlinkat(s->dir_fd, s->name, 0);
	fd_close(&s->fd);
	fd_close(&s->dir_fd);
}
