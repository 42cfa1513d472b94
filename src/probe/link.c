/* SPDX-License-Identifier: Apache-2.0 */
/* A bridge tells of its ports by the same messages, of its own family: one of them, that a port has
 * left it, looks like a link's removal. */
#include "probe/link.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/filter.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/bytes.h"

bool link_is_name(const char *name)
{
	size_t len = strnlen(name, LINK_NAME_MAX + 1);

	return len > 0 && len <= LINK_NAME_MAX && strpbrk(name, "/: \t\n\v\f\r") == NULL &&
	       strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static bool read_counters(const struct nlattr *attr, uint64_t out[LINK_N_COUNTERS])
{
	struct rtnl_link_stats64 s = { 0 };
	struct cht_bytes b = nl_bytes(attr);
	size_t needed = offsetof(struct rtnl_link_stats64, multicast);

	/* Newer kernels have more. */
	if (b.len < needed)
		return false;
	memcpy(&s, b.ptr, needed);
	out[LINK_RX_BYTES] = s.rx_bytes;
	out[LINK_RX_DROPPED] = s.rx_dropped;
	out[LINK_RX_ERRORS] = s.rx_errors;
	out[LINK_RX_PACKETS] = s.rx_packets;
	out[LINK_TX_BYTES] = s.tx_bytes;
	out[LINK_TX_DROPPED] = s.tx_dropped;
	out[LINK_TX_ERRORS] = s.tx_errors;
	out[LINK_TX_PACKETS] = s.tx_packets;
	return true;
}

static bool read_link(const struct ifinfomsg *info, const struct nlattr *const *found,
		      struct link *out)
{
	static const char *const states[] = { "unknown", "notpresent", "down", "lowerlayerdown",
					      "testing", "dormant",    "up" };
	struct link link = { .ifindex = (uint32_t)info->ifi_index };
	uint8_t state, carrier;

	if (!nl_u8(found[IFLA_OPERSTATE], &state) || state >= sizeof(states) / sizeof(states[0]) ||
	    !nl_u8(found[IFLA_CARRIER], &carrier) || carrier > 1 ||
	    !read_counters(found[IFLA_STATS64], link.counters))
		return false;
	link.operstate = states[state];
	link.carrier = carrier == 1;
	link.is_up = (info->ifi_flags & IFF_UP) != 0 && link.carrier;
	link.has_changes = nl_u32(found[IFLA_CARRIER_CHANGES], &link.carrier_changes);
	*out = link;
	return true;
}

enum link_told link_read(const struct nl_message *m, const char *name, struct link *out)
{
	const struct nlattr *found[IFLA_CARRIER_CHANGES + 1];
	struct ifinfomsg info;
	struct cht_str is;

	if ((m->type != RTM_NEWLINK && m->type != RTM_DELLINK) || m->body.len < sizeof(info))
		return LINK_NOT;
	memcpy(&info, m->body.ptr, sizeof(info));
	nl_collect(m->body, sizeof(info), found, IFLA_CARRIER_CHANGES + 1);
	if (info.ifi_family != AF_UNSPEC || !nl_text(found[IFLA_IFNAME], &is) ||
	    !str_eq(is, str_of(name)))
		return LINK_NOT;
	if (m->type == RTM_DELLINK)
		return LINK_REMOVED;
	return read_link(&info, found, out) ? LINK_IS : LINK_STRANGE;
}

int link_ask(int fd, const char *name, uint32_t seq)
{
	_Alignas(NLMSG_ALIGNTO) uint8_t message[128] = { 0 };
	struct nlmsghdr *head = mnl_nlmsg_put_header(message);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(head, sizeof(*info));

	head->nlmsg_type = RTM_GETLINK;
	head->nlmsg_flags = NLM_F_REQUEST;
	head->nlmsg_seq = seq;
	info->ifi_family = AF_UNSPEC;
	mnl_attr_put_strz(head, IFLA_IFNAME, name);
	return send(fd, message, head->nlmsg_len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* The filter's loads are of the network's order, what they load is in ours. */
static uint32_t as_loaded(uint16_t v)
{
	uint8_t raw[2];

	memcpy(raw, &v, sizeof(raw));
	return be16_load(raw);
}

/* Accepts errors, and messages with exactly this name. All links of a host are told to everybody
 * who listens: a thousand cells would each be woken for each of a thousand taps. */
static unsigned put_filter(struct sock_filter *f, const char *name)
{
	enum { FIRST_ATTR = sizeof(struct nlmsghdr) + sizeof(struct ifinfomsg) };
	uint8_t words[LINK_NAME_MAX + 1] = { 0 };
	size_t len = strlen(name) + 1, n_words = (len + 3) / 4;
	/* What is jumped over to the last two: accept, refuse. */
	unsigned n = 0, refuse = (unsigned)(8 + 2 * n_words + 1);

	memcpy(words, name, len);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_H | BPF_ABS,
					      offsetof(struct nlmsghdr, nlmsg_type));
	f[n] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, as_loaded(NLMSG_ERROR),
					    (uint8_t)(refuse - 1 - n - 1), 0);
	n++;
	f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, FIRST_ATTR);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_LDX | BPF_IMM, IFLA_IFNAME);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					      (uint32_t)(SKF_AD_OFF + SKF_AD_NLATTR));
	f[n++] = (struct sock_filter)BPF_STMT(BPF_MISC | BPF_TAX, 0);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_H | BPF_IND, 0);
	f[n] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
					    as_loaded((uint16_t)(sizeof(struct nlattr) + len)), 0,
					    (uint8_t)(refuse - n - 1));
	n++;
	for (size_t i = 0; i < n_words; i++) {
		f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_IND,
						      (uint32_t)(sizeof(struct nlattr) + 4 * i));
		f[n] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
						    be32_load(words + 4 * i), 0,
						    (uint8_t)(refuse - n - 1));
		n++;
	}
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	return n;
}

int link_listen(int fd, const char *name)
{
	struct sock_filter filter[32];
	struct sock_fprog program = { .filter = filter };
	int group = RTNLGRP_LINK;

	program.len = (unsigned short)put_filter(filter, name);
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ||
	    setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
		return -errno;
	return 0;
}
