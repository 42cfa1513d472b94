/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/nets.h"

#include <linux/netlink.h>

#include "netlink/netlink.h"

static struct probe_given open_in(int protocol, const struct probe_want *want)
{
	const struct netlink_place place = { .name = want->netns, .pid = want->pid };
	struct cht_err err = { 0 };
	int fd = netlink_open(protocol, &place, &err);

	if (fd < 0)
		return (struct probe_given){ .fd = -1, .code = err.code, .sys = err.sys };
	return (struct probe_given){ .fd = fd };
}

struct probe_given nets_open_route(const struct probe_want *want)
{
	return open_in(NETLINK_ROUTE, want);
}

struct probe_given nets_open_rules(const struct probe_want *want)
{
	return open_in(NETLINK_NETFILTER, want);
}

struct probe_given nets_ask_rules(const struct probe_want *want)
{
	struct cht_err err = { 0 };

	if (netlink_ask_rules(want->fd, want->family, want->table, &err) < 0)
		return (struct probe_given){ .fd = -1, .code = err.code, .sys = err.sys };
	return (struct probe_given){ .fd = -1 };
}
