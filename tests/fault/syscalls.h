/* SPDX-License-Identifier: Apache-2.0
 *
 * syscalls.h - the system calls of ledger and ring, wrapped by the linker: each can be counted,
 * made to fail, cut short, or be the process's last. The real call is made unless it is to fail.
 */
#ifndef TESTS_FAULT_SYSCALLS_H
#define TESTS_FAULT_SYSCALLS_H

#include <errno.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum call {
	PWRITE,
	FDATASYNC,
	FSYNC,
	OPENAT,
	FTRUNCATE,
	UNLINKAT,
	WRITE,
	RENAMEAT,
	MKDIRAT,
	PREAD,
	FSTAT,
	INOTIFY_INIT,
	INOTIFY_ADD,
	MEMFD,
	EVENTFD,
	MMAP
};

static const char *const call_names[] = { "pwrite",      "fdatasync",    "fsync",   "openat",
					  "ftruncate",   "unlinkat",     "write",   "renameat",
					  "mkdirat",     "pread",        "fstat",   "inotify_init",
					  "inotify_add", "memfd_create", "eventfd", "mmap" };

enum { CALLS_MAX = 512, WHAT_MAX = 32, KILLED = 99 };

/* What happens to call number `at`, counted from 1 while armed; 0: nothing. */
enum blow {
	FAIL,       /* errno is sys, nothing is done */
	SHORT,      /* a write or read: half of it is done, and that is said */
	DIE_BEFORE, /* the process ends instead */
	DIE_AMID,   /* a write: half of it is done, then the process ends */
	DIE_AFTER
};

static struct {
	bool armed;
	unsigned n;                     /* calls since armed */
	enum call made[CALLS_MAX];      /* which */
	char what[CALLS_MAX][WHAT_MAX]; /* last name of the file's path; "" where it has none */
	unsigned at, again;             /* numbers of the calls hit; `again` fails in any case */
	enum blow blow;
	int sys, again_sys;
} plan;

static void __attribute__((unused)) arm(unsigned at, enum blow blow, int sys)
{
	memset(&plan, 0, sizeof(plan));
	plan.at = at;
	plan.blow = blow;
	plan.sys = sys;
	plan.again_sys = EIO;
	plan.armed = true;
}

/* Of a path, or of an open file. */
static void note_what(char out[WHAT_MAX], int fd, const char *path)
{
	char link[32], name[256];
	ssize_t n;

	out[0] = '\0';
	if (path == NULL) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		n = readlink(link, name, sizeof(name) - 1);
		if (n < 0)
			return;
		name[n] = '\0';
		path = name;
	}
	snprintf(out, WHAT_MAX, "%.30s",
		 strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path);
}

/* Whether this call is hit. May not return. */
static bool is_hit(enum call call, int fd, const char *path)
{
	if (!plan.armed)
		return false;
	if (plan.n < CALLS_MAX) {
		plan.made[plan.n] = call;
		note_what(plan.what[plan.n], fd, path);
	}
	plan.n++;
	if (plan.n == plan.at && plan.blow == DIE_BEFORE)
		_exit(KILLED);
	if (plan.n == plan.again && plan.again != 0) {
		errno = plan.again_sys;
		return true;
	}
	errno = plan.sys;
	return plan.n == plan.at;
}

static bool is_failed(enum call call, int fd, const char *path)
{
	return is_hit(call, fd, path) && (plan.n == plan.again || plan.blow == FAIL);
}

/* After the call was made. */
static void outlive(void)
{
	int saved = errno;

	if (plan.armed && plan.n == plan.at && (plan.blow == DIE_AFTER || plan.blow == DIE_AMID))
		_exit(KILLED);
	errno = saved;
}

static size_t length_of(size_t n)
{
	bool half =
		plan.armed && plan.n == plan.at && (plan.blow == SHORT || plan.blow == DIE_AMID);

	return half ? (n + 1) / 2 : n;
}

/* The calls made since armed, from number `from` on, as words. */
static __attribute__((unused)) const char *calls_from(unsigned from)
{
	static char text[CALLS_MAX * 12];
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = from; i <= plan.n; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s",
					 i > from ? " " : "", call_names[plan.made[i - 1]]);
	return text;
}

ssize_t __real_pwrite64(int fd, const void *bytes, size_t n, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t n, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t n, off_t at)
{
	ssize_t r;

	if (is_failed(PWRITE, fd, NULL))
		return -1;
	r = __real_pwrite64(fd, bytes, length_of(n), at);
	outlive();
	return r;
}

ssize_t __real_write(int fd, const void *bytes, size_t n);
ssize_t __wrap_write(int fd, const void *bytes, size_t n);
ssize_t __wrap_write(int fd, const void *bytes, size_t n)
{
	ssize_t r;

	if (is_failed(WRITE, fd, NULL))
		return -1;
	r = __real_write(fd, bytes, length_of(n));
	outlive();
	return r;
}

int __real_openat64(int dirfd, const char *path, int flags, mode_t mode);
int __wrap_openat64(int dirfd, const char *path, int flags, ...);
int __wrap_openat64(int dirfd, const char *path, int flags, ...)
{
	mode_t mode;
	va_list args;
	int r;

	va_start(args, flags);
	mode = va_arg(args, mode_t);
	va_end(args);
	if (is_failed(OPENAT, -1, path))
		return -1;
	r = __real_openat64(dirfd, path, flags, mode);
	outlive();
	return r;
}

#define ON(fd)   fd, NULL
#define AT(name) -1, name
#define WRAP(name, call, file, parameters, arguments)                                              \
	int __real_##name parameters;                                                              \
	int __wrap_##name parameters;                                                              \
	int __wrap_##name parameters                                                               \
	{                                                                                          \
		int r;                                                                             \
                                                                                                   \
		if (is_failed(call, file))                                                         \
			return -1;                                                                 \
		r = __real_##name arguments;                                                       \
		outlive();                                                                         \
		return r;                                                                          \
	}

WRAP(fdatasync, FDATASYNC, ON(fd), (int fd), (fd))
WRAP(fsync, FSYNC, ON(fd), (int fd), (fd))
WRAP(ftruncate64, FTRUNCATE, ON(fd), (int fd, off_t n), (fd, n))
WRAP(unlinkat, UNLINKAT, AT(name), (int fd, const char *name, int flags), (fd, name, flags))
WRAP(renameat, RENAMEAT, AT(dest), (int from, const char *name, int to, const char *dest),
     (from, name, to, dest))
WRAP(mkdirat, MKDIRAT, AT(name), (int dirfd, const char *name, mode_t mode), (dirfd, name, mode))
WRAP(fstat64, FSTAT, ON(fd), (int fd, struct stat *st), (fd, st))
WRAP(inotify_init1, INOTIFY_INIT, AT(""), (int flags), (flags))
WRAP(inotify_add_watch, INOTIFY_ADD, AT(path), (int fd, const char *path, uint32_t mask),
     (fd, path, mask))
WRAP(memfd_create, MEMFD, AT(name), (const char *name, unsigned flags), (name, flags))
WRAP(eventfd, EVENTFD, AT(""), (unsigned start, int flags), (start, flags))

ssize_t __real_pread64(int fd, void *out, size_t n, off_t at);
ssize_t __wrap_pread64(int fd, void *out, size_t n, off_t at);
ssize_t __wrap_pread64(int fd, void *out, size_t n, off_t at)
{
	ssize_t r;

	if (is_failed(PREAD, fd, NULL))
		return -1;
	r = __real_pread64(fd, out, length_of(n), at);
	outlive();
	return r;
}

void *__real_mmap64(void *at, size_t n, int access, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *at, size_t n, int access, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *at, size_t n, int access, int flags, int fd, off_t offset)
{
	return is_failed(MMAP, fd, NULL) ? MAP_FAILED
					 : __real_mmap64(at, n, access, flags, fd, offset);
}

#endif
