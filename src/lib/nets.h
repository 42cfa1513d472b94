/* SPDX-License-Identifier: Apache-2.0
 *
 * nets.h - what probes want of the network, done by the library's user himself: in his own
 * namespace without privilege, but for nf_tables; in another one with CAP_SYS_ADMIN, by entering it
 * for a moment with the thread that calls. Of this module alone.
 */
#ifndef LIB_NETS_H
#define LIB_NETS_H

#include "probe/probe.h"

/* PROBE_WANT_ROUTE. */
struct probe_given nets_open_route(const struct probe_want *want);
/* PROBE_WANT_NFT. */
struct probe_given nets_open_rules(const struct probe_want *want);
/* PROBE_WANT_NFT_DUMP. */
struct probe_given nets_ask_rules(const struct probe_want *want);

#endif
