/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>
/* It needs the one before it. */
#include <linux/vm_sockets.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/text.h"
#include "cli/doctor.h"

enum { PIPE_PAGES = 16, CLOCK_ERROR_MAX_US = 1000000 };

static bool read_setting(const char *path, uint64_t *out, struct buf *text)
{
	char mem[64];
	struct cht_err err = { 0 };
	ssize_t n = fd_read_file(AT_FDCWD, path, mem, sizeof(mem), &err);

	while (n > 0 && (mem[n - 1] == '\n' || mem[n - 1] == ' '))
		n--;
	if (n > 0 && read_u64((struct cht_str){ mem, (size_t)n }, UINT64_MAX, out))
		return true;
	buf_put_str(text, str_of(path));
	buf_put_lit(text, " cannot be read");
	return false;
}

DOCTOR_CHECK(clock)
{
	struct timex t = { .modes = 0 };
	int state = adjtimex(&t);

	(void)d;
	if (state < 0) {
		doctor_put_errno(text, "adjtimex");
		return DOCTOR_WARN;
	}
	if (state == TIME_ERROR || (t.status & STA_UNSYNC) != 0) {
		buf_put_lit(text, "not synchronised: times in events are this host's own");
		return DOCTOR_WARN;
	}
	buf_put_lit(text, "synchronised, error at most ");
	put_u64(text, (uint64_t)(t.maxerror > 0 ? t.maxerror : 0) / 1000);
	buf_put_lit(text, " ms");
	return t.maxerror > CLOCK_ERROR_MAX_US ? DOCTOR_WARN : DOCTOR_OK;
}

DOCTOR_CHECK(landlock)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, 1u /* ask for the ABI */);

	(void)d;
	if (abi < 1) {
		doctor_put_errno(text, "not there");
		return DOCTOR_WARN;
	}
	buf_put_lit(text, "ABI ");
	put_u64(text, (uint64_t)abi);
	return DOCTOR_OK;
}

DOCTOR_CHECK(seccomp)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;

	(void)d;
	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0u, &action) < 0) {
		doctor_put_errno(text, "no filter that ends a process");
		return DOCTOR_WARN;
	}
	buf_put_lit(text, "filters, with an end for who breaks them");
	return DOCTOR_OK;
}

DOCTOR_CHECK(memfd)
{
	int fd = memfd_create("cht-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	bool is_sealed = fd >= 0 && ftruncate(fd, 1) == 0 &&
			 fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0;

	(void)d;
	if (is_sealed)
		buf_put_lit(text, "memory that is shared can be sealed");
	else
		doctor_put_errno(text, "memory that is shared cannot be sealed");
	fd_close(&fd);
	return is_sealed ? DOCTOR_OK : DOCTOR_FAIL;
}

DOCTOR_CHECK(openat2)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS };
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, "/", &how, sizeof(how));

	(void)d;
	if (fd < 0) {
		doctor_put_errno(text, "not there");
		return DOCTOR_WARN;
	}
	fd_close(&fd);
	buf_put_lit(text, "paths can be followed without links");
	return DOCTOR_OK;
}

DOCTOR_CHECK(pidfd)
{
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0u);

	(void)d;
	if (fd < 0) {
		doctor_put_errno(text, "not there");
		return DOCTOR_WARN;
	}
	fd_close(&fd);
	buf_put_lit(text, "the end of a VMM can be seen");
	return DOCTOR_OK;
}

static size_t cells_by_cid(const struct doctor *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->conf.n_cells; i++)
		n += d->conf.cells[i].cid != 0;
	return n;
}

DOCTOR_CHECK(vsock)
{
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is_there = fd >= 0, has_vhost = access("/dev/vhost-vsock", F_OK) == 0;
	size_t n = cells_by_cid(d);

	fd_close(&fd);
	put_u64(text, n);
	buf_put_str(text, n == 1 ? STR(" cell") : STR(" cells"));
	buf_put_lit(text, " by CID are configured; AF_VSOCK is ");
	buf_put_str(text, is_there ? STR("there") : STR("not there"));
	buf_put_str(text,
		    has_vhost ? STR(", /dev/vhost-vsock too") : STR(", /dev/vhost-vsock not"));
	if (n == 0 || (is_there && has_vhost))
		return DOCTOR_OK;
	return is_there ? DOCTOR_WARN : DOCTOR_FAIL;
}

DOCTOR_CHECK(backlog)
{
	uint64_t v;

	(void)d;
	if (!read_setting("/proc/sys/net/core/somaxconn", &v, text))
		return DOCTOR_WARN;
	buf_put_lit(text, "net.core.somaxconn is ");
	put_u64(text, v);
	if (v >= LISTEN_BACKLOG)
		return DOCTOR_OK;
	buf_put_lit(text, ": a guest that fills the queue of its socket can freeze its VM");
	return DOCTOR_FAIL;
}

DOCTOR_CHECK(pipes)
{
	uint64_t cells = d->socket != NULL ? d->conf.cells_max : d->conf.n_cells;
	uint64_t v;

	if (!read_setting("/proc/sys/fs/pipe-user-pages-soft", &v, text))
		return DOCTOR_WARN;
	buf_put_lit(text, "fs.pipe-user-pages-soft is ");
	put_u64(text, v);
	buf_put_lit(text, "; a metrics FIFO for each of ");
	put_u64(text, cells);
	buf_put_str(text, cells == 1 ? STR(" cell takes ") : STR(" cells takes "));
	put_u64(text, cells * PIPE_PAGES);
	if (v == 0 || v >= cells * PIPE_PAGES)
		return DOCTOR_OK;
	buf_put_lit(text, ": beyond it a FIFO of a user that is not root holds 2 pages");
	return DOCTOR_WARN;
}
