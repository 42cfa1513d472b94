/* SPDX-License-Identifier: Apache-2.0
 *
 * netlink.h - for those who may: netlink sockets of this or another network namespace, and the one
 * request to nf_tables whose sender the kernel looks at. Out come sockets from which somebody
 * without privilege reads. Nothing is ever changed in a namespace: no other request is here.
 */
#ifndef NETLINK_NETLINK_H
#define NETLINK_NETLINK_H

#include <cht/err.h>

#define NETLINK_NAMES "/run/netns" /* where namespaces have names, as ip-netns(8) gives them */

enum {
	NETLINK_NAME_MAX = 255,  /* bytes of a namespace's name */
	NETLINK_TABLE_MAX = 255, /* and of a table's */
	/* Numbers of the requests of netlink_ask_rules, as answers have them. */
	NETLINK_SEQ_TABLE = 1,
	NETLINK_SEQ_RULES = 2,
};

/* A network namespace: its name in /run/netns, or that of a process. Null or "", and 0: ours. */
struct netlink_place {
	const char *name;
	uint32_t pid;
};

/* A name that a file of a directory can have. */
bool netlink_is_name(const char *name);

/* A socket of NETLINK_ROUTE or NETLINK_NETFILTER in that namespace: close-on-exec, non-blocking,
 * bound to nothing. The calling thread is in the namespace meanwhile, and back before it returns.
 * CHT_E_RANGE: the place; CHT_E_IO: err->sys, and what privilege is missing. CHT_E_STATE: the
 * kernel did not let it come back: the thread must end. Returns the descriptor. */
int netlink_open(int protocol, const struct netlink_place *place, struct cht_err *err) CHT_CHECKED;

/* Sends, on a NETLINK_NETFILTER socket: tell of this table (NETLINK_SEQ_TABLE), and of all its
 * rules (NETLINK_SEQ_RULES, a dump). That a privilege is missing is an answer of the kernel's, for
 * whoever reads the socket. family: "ip", "ip6", "inet", "arp", "bridge", "netdev". CHT_E_RANGE,
 * CHT_E_IO. */
int netlink_ask_rules(int fd, const char *family, const char *table,
		      struct cht_err *err) CHT_CHECKED;

#endif
