/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/flush.h"

#include <errno.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"

void flush_open(struct flush *flush)
{
	struct flush made = { .done_fd = -1 };

	if (syscall(SYS_io_setup, FLUSH_MAX, &made.context) != 0) {
		made.context = 0;
	} else {
		made.done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (made.done_fd < 0) {
			(void)syscall(SYS_io_destroy, made.context);
			made.context = 0;
		}
	}
	*flush = made;
}

/* Takes note of what has ended. wait: for at least one. */
static void reap(struct flush *flush, bool wait)
{
	struct io_event events[FLUSH_MAX];
	uint64_t count;
	long n;

	/* Before the look, so that what ends after it makes it readable again. */
	while (read(flush->done_fd, &count, sizeof(count)) < 0 && errno == EINTR)
		continue;
	do {
		struct timespec none = { 0 };

		n = syscall(SYS_io_getevents, flush->context, wait ? 1L : 0L, (long)FLUSH_MAX,
			    events, wait ? NULL : &none);
	} while (n < 0 && errno == EINTR);
	for (long i = 0; i < n; i++) {
		flush->n_pending--;
		if (events[i].res < 0 && flush->sys == 0)
			flush->sys = (int)-events[i].res;
	}
	if (n < 0) { /* the kernel broke its word: nothing can be believed */
		flush->sys = errno;
		flush->n_pending = 0;
	}
}

void flush_close(struct flush *flush)
{
	if (flush->context != 0) {
		while (flush->n_pending > 0)
			reap(flush, true);
		(void)syscall(SYS_io_destroy, flush->context);
		fd_close(&flush->done_fd);
	}
	*flush = (struct flush){ .done_fd = -1 };
}

static void sync_now(struct flush *flush, int fd)
{
	if (fdatasync(fd) < 0 && flush->sys == 0)
		flush->sys = errno;
}

void flush_add(struct flush *flush, int fd)
{
	struct iocb request = { .aio_lio_opcode = IOCB_CMD_FDSYNC,
				.aio_fildes = (uint32_t)fd,
				.aio_flags = IOCB_FLAG_RESFD,
				.aio_resfd = (uint32_t)flush->done_fd };
	struct iocb *list[] = { &request };

	if (flush->context == 0 || syscall(SYS_io_submit, flush->context, 1L, list) != 1)
		sync_now(flush, fd);
	else
		flush->n_pending++;
}

bool flush_is_done(struct flush *flush)
{
	if (flush->n_pending > 0)
		reap(flush, false);
	return flush->n_pending == 0;
}

int flush_end(struct flush *flush, struct cht_err *err)
{
	int sys;

	while (flush->n_pending > 0)
		reap(flush, true);
	sys = flush->sys;
	flush->sys = 0;
	return sys == 0 ? 0 : cht_fail(err, CHT_E_IO, sys, "sync the ledger");
}
