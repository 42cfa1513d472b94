/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel answers a dump of a table that is not there with nothing at all: so the table itself
 * is asked for first, in the same message. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/err.h"
#include "netlink/netlink.h"

static int family_of(const char *name)
{
	static const struct {
		const char *name;
		int number;
	} rows[] = {
		{ "ip", NFPROTO_IPV4 }, { "ip6", NFPROTO_IPV6 },      { "inet", NFPROTO_INET },
		{ "arp", NFPROTO_ARP }, { "bridge", NFPROTO_BRIDGE }, { "netdev", NFPROTO_NETDEV },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(name, rows[i].name) == 0)
			return rows[i].number;
	return -1;
}

struct asking {
	uint16_t message, flags, attribute;
	uint32_t seq;
};

static size_t put(uint8_t *at, const struct asking *ask, uint8_t family, const char *table)
{
	struct nlmsghdr *head = mnl_nlmsg_put_header(at);
	struct nfgenmsg *of = mnl_nlmsg_put_extra_header(head, sizeof(*of));

	head->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | ask->message);
	head->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | ask->flags);
	head->nlmsg_seq = ask->seq;
	of->nfgen_family = family;
	of->version = NFNETLINK_V0;
	mnl_attr_put_strz(head, ask->attribute, table);
	return head->nlmsg_len;
}

int netlink_ask_rules(int fd, const char *family, const char *table, struct cht_err *err)
{
	static const struct asking asks[] = {
		{ NFT_MSG_GETTABLE, 0, NFTA_TABLE_NAME, NETLINK_SEQ_TABLE },
		{ NFT_MSG_GETRULE, NLM_F_DUMP, NFTA_RULE_TABLE, NETLINK_SEQ_RULES },
	};
	_Alignas(NLMSG_ALIGNTO) uint8_t message[2 * (64 + NETLINK_TABLE_MAX)] = { 0 };
	int number = family_of(family);
	size_t len = 0;

	if (number < 0 || table[0] == '\0' || strlen(table) > NETLINK_TABLE_MAX)
		return cht_fail(err, CHT_E_RANGE, 0, "no table can be called %.20s %.100s", family,
				table);
	for (unsigned i = 0; i < sizeof(asks) / sizeof(asks[0]); i++)
		len += NLMSG_ALIGN(put(message + len, &asks[i], (uint8_t)number, table));
	/* Without an address: with one the kernel would not look at who made the socket. */
	if (send(fd, message, len, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)len)
		return cht_fail(err, CHT_E_IO, errno, "ask for the rules of %.20s %.100s", family,
				table);
	return 0;
}
