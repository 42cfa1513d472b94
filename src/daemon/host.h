/* SPDX-License-Identifier: Apache-2.0
 *
 * host.h - what the host says of itself and its ledger, in a run of its own.
 */
#ifndef DAEMON_HOST_H
#define DAEMON_HOST_H

#include "daemon/line.h"

/* The first events of the host's own run: log.opened if the log is new, host.started, and what the
 * scribe recovered. found->lost: what the table has is of no use here. */
int host_tell_start(struct line *line, const struct table_found *found,
		    struct cht_err *err) CHT_CHECKED;
/* log.closed, for the successor that the options name. */
int host_tell_closed(struct line *line, struct cht_err *err) CHT_CHECKED;
/* The last one. */
int host_tell_stop(struct line *line, struct cht_str reason, struct cht_err *err) CHT_CHECKED;
/* clock.stepped when line->now shows that the wall clock was set and the ring has room. */
int host_watch_clock(struct line *line, struct cht_err *err) CHT_CHECKED;
/* With room in the ring: ledger.alive and channel.unclaimed when they are due, the next step of
 * pruning. */
int host_on_time(struct line *line, struct cht_err *err) CHT_CHECKED;
/* When host_on_time must be called next. */
uint64_t host_deadline(const struct line *line);

#endif
