/* SPDX-License-Identifier: Apache-2.0
 *
 * flush.h - syncs of a few files at once that do not keep the caller: by the kernel's own threads
 * where it offers that (io_submit(2), IOCB_CMD_FDSYNC), else one after the other (ADR 19).
 */
#ifndef LEDGER_FLUSH_H
#define LEDGER_FLUSH_H

#include <cht/err.h>

enum { FLUSH_MAX = 12 }; /* files at once: a segment, the levels, state and checkpoint */

struct flush {
	unsigned long context; /* aio_context_t; 0: syncs are done by the caller */
	int done_fd;           /* eventfd, readable when one of them ended; -1: none is needed */
	unsigned n_pending;
	int sys; /* errno of the first that failed */
};

/* From here on syncs run beside us; before, and where the kernel does not offer it, flush_add makes
 * each at once. Never fails. */
void flush_open(struct flush *flush);
/* Waits for those that run. Safe on zero bytes and twice. */
void flush_close(struct flush *flush);

/* Begins an fdatasync of fd, which must stay open until flush_end. What fails is told there. */
void flush_add(struct flush *flush, int fd);
/* Whether all that was added has ended, well or not. Does not wait. */
bool flush_is_done(struct flush *flush);
/* Waits for all. CHT_E_IO when one of them failed: then none may be believed. */
int flush_end(struct flush *flush, struct cht_err *err) CHT_CHECKED;

#endif
