/* SPDX-License-Identifier: Apache-2.0
 *
 * log.h - the log that is served, as far as its newest checkpoint holds: what everybody who asks
 * has in common.
 */
#ifndef SERVE_LOG_H
#define SERVE_LOG_H

#include "ledger/check.h"
#include "ledger/read.h"

/* Large: static. */
struct serve_log {
	const char *dir;
	struct ledger_view view;
	struct ledger_check check;   /* check.size entries can be shown */
	struct ledger_reader reader; /* for bundles */
	struct cht_err fault;        /* code 0: the newest checkpoint holds */
	bool is_replaced;            /* another directory stands in this one's place */
	bool was_damage_told;
};

/* The ledger in dir (borrowed), watched: log->view.watch_fd is for poll. Results as
 * ledger_view_open; a checkpoint that does not hold is a fault, not a failure. */
int serve_log_open(struct serve_log *log, const char *dir, struct cht_err *err) CHT_CHECKED;
/* Safe when it failed to open. */
void serve_log_close(struct serve_log *log);

/* Reads the checkpoint again and holds the tree against it. What does not hold is in log->fault,
 * and said once by diag, until a checkpoint holds again. */
void serve_log_refresh(struct serve_log *log);

/* Where an entry bundle stands in its segment. */
struct serve_bundle {
	int fd; /* the caller's */
	uint64_t offset, len;
};
/* The first width entries of bundle n, all under the checkpoint, each held against it.
 * CHT_E_CONFIG: pruned (410). CHT_E_STATE: damage. CHT_E_IO. */
int serve_log_bundle(struct serve_log *log, uint64_t n, unsigned width, struct serve_bundle *out,
		     struct cht_err *err) CHT_CHECKED;

/* Says by diag what is damaged, the first time: what clients ask for must not fill a journal. */
void serve_log_tell(struct serve_log *log, const struct cht_err *err);

/* What a client is told of entries that went with their segment: first is the first that is there.
 */
int serve_log_pruned(uint64_t index, uint64_t first, struct cht_err *err);

#endif
