/* SPDX-License-Identifier: Apache-2.0
 *
 * give.h - what a probe wants, done on the spot by a caller who has paths. Of this module alone.
 */
#ifndef LIB_GIVE_H
#define LIB_GIVE_H

#include "probe/probe.h"

/* An eventfd of the v1 cgroup whose memory.oom_control the want names. */
struct probe_given give_oom(const struct probe_want *want);
/* A pidfd of the process that it names. */
struct probe_given give_pidfd(const struct probe_want *want);

/* give_fc.c: the FIFO, made if it is not there, with its size asked for; and an answer of the API
 * socket, for which it waits at most EXCHANGE_MS. */
struct probe_given give_fifo(const struct probe_want *want);
struct probe_given give_api(const struct probe_want *want);

#endif
