/* SPDX-License-Identifier: Apache-2.0
 *
 * Landlock by its three calls: Debian 12's headers end at version 2, kernels go on. What the
 * running one does not know is not asked of it (landlock(7), "Compatibility").
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "lockdown/parts.h"

enum { VERSION_QUERY = 1, RULE_PATH_BENEATH = 1 };

/* Rights below a directory, with the version that has them first. */
#define FS_WRITE_FILE  (UINT64_C(1) << 1)
#define FS_READ_FILE   (UINT64_C(1) << 2)
#define FS_READ_DIR    (UINT64_C(1) << 3)
#define FS_REMOVE_FILE (UINT64_C(1) << 5)
#define FS_MAKE_DIR    (UINT64_C(1) << 7)
#define FS_MAKE_REG    (UINT64_C(1) << 8)
#define FS_MAKE_SOCK   (UINT64_C(1) << 9)
#define FS_MAKE_FIFO   (UINT64_C(1) << 10)
#define FS_REFER       (UINT64_C(1) << 13) /* 2 */
#define FS_TRUNCATE    (UINT64_C(1) << 14) /* 3 */

#define FS_OF_VERSION_1 ((UINT64_C(1) << 13) - 1)
#define NET_TCP         UINT64_C(3)         /* 4: bind, connect */
#define FS_IOCTL_DEV    (UINT64_C(1) << 15) /* 5 */
#define SCOPE_ALL       UINT64_C(3)         /* 6: abstract sockets, signals */

/* The kernel's, longer than Debian's: one that knows less takes the rest if it is zero. */
struct ruleset {
	uint64_t fs, net, scoped;
};

struct path_beneath {
	uint64_t allowed;
	int32_t parent_fd;
} __attribute__((packed));

static struct ruleset handled_by(long version)
{
	struct ruleset r = { .fs = FS_OF_VERSION_1 };

	if (version >= 2)
		r.fs |= FS_REFER;
	if (version >= 3)
		r.fs |= FS_TRUNCATE;
	if (version >= 4)
		r.net = NET_TCP;
	if (version >= 5)
		r.fs |= FS_IOCTL_DEV;
	if (version >= 6)
		r.scoped = SCOPE_ALL;
	return r;
}

static uint64_t allowed_by(unsigned rights)
{
	uint64_t fs = 0;

	if ((rights & LOCKDOWN_LIST) != 0)
		fs |= FS_READ_DIR;
	if ((rights & LOCKDOWN_READ) != 0)
		fs |= FS_READ_FILE;
	if ((rights & LOCKDOWN_STORE) != 0)
		fs |= FS_READ_DIR | FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE | FS_MAKE_REG |
		      FS_MAKE_DIR | FS_REMOVE_FILE;
	if ((rights & LOCKDOWN_SOCKETS) != 0)
		fs |= FS_MAKE_SOCK | FS_REMOVE_FILE;
	if ((rights & LOCKDOWN_FIFOS) != 0)
		fs |= FS_MAKE_FIFO | FS_READ_FILE | FS_REMOVE_FILE;
	if ((rights & LOCKDOWN_WRITE) != 0)
		fs |= FS_WRITE_FILE;
	return fs;
}

static int add_rule(int ruleset_fd, uint64_t handled, const struct lockdown_path *p,
		    struct cht_err *err)
{
	struct path_beneath rule = { .allowed = allowed_by(p->rights) & handled,
				     .parent_fd = p->dir_fd };
	int r = 0, fd = -1;

	if (p->path != NULL) {
		fd = rule.parent_fd = open(p->path, O_PATH | O_CLOEXEC);
		if (fd < 0 && errno != ENOENT)
			return cht_fail(err, CHT_E_IO, errno, "open %s", p->path);
	}
	if (rule.parent_fd >= 0 &&
	    syscall(SYS_landlock_add_rule, ruleset_fd, RULE_PATH_BENEATH, &rule, 0) < 0)
		r = cht_fail(err, CHT_E_IO, errno, "allow what is below a directory");
	fd_close(&fd);
	return r;
}

static int restrict_to(int ruleset_fd, uint64_t handled, const struct lockdown_path *paths,
		       unsigned n, struct cht_err *err)
{
	int r = 0;

	for (unsigned i = 0; i < n && r == 0; i++)
		r = add_rule(ruleset_fd, handled, &paths[i], err);
	if (r == 0 && syscall(SYS_landlock_restrict_self, ruleset_fd, 0) < 0)
		r = cht_fail(err, CHT_E_IO, errno, "enter Landlock");
	return r;
}

int landlock_enter(const struct lockdown_path *paths, unsigned n, struct cht_err *err)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, VERSION_QUERY);
	struct ruleset handled = handled_by(version);
	int fd, r;

	/* Not built in, or not switched on at boot. */
	if (version < 0 && (errno == ENOSYS || errno == EOPNOTSUPP))
		return 0;
	/* Close-on-exec is what it sets. */
	fd = version < 0 ? -1
			 : (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof(handled), 0);
	if (fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "make a Landlock ruleset");
	r = restrict_to(fd, handled.fs, paths, n, err);
	fd_close(&fd);
	return r < 0 ? r : (int)version;
}
