/* SPDX-License-Identifier: Apache-2.0
 *
 * nl.h - netlink as it comes: datagrams, the messages in one, the attributes of one. Whatever the
 * lengths in them say, nothing beside the bytes that were received is looked at. Of this module
 * alone.
 */
#ifndef PROBE_NL_H
#define PROBE_NL_H

#include <cht/types.h>

struct nlattr;

struct nl_message {
	uint16_t type, flags;
	uint32_t seq;
	struct cht_bytes body; /* behind its header */
};

/* The next datagram that the kernel has for this socket, without waiting, into mem, which is
 * aligned to four bytes. Returns its length; 0: there is none. Below 0: -errno, ENOBUFS: some were
 * lost; EMSGSIZE: it is longer than cap. */
int nl_receive(int fd, void *mem, size_t cap, bool *is_event) CHT_CHECKED;
/* Throws away what waits. False: there is no end to it. */
bool nl_drain(int fd) CHT_CHECKED;

/* The next message of a datagram; *rest moves behind it. False: there is none that is whole. */
bool nl_next(struct cht_bytes *rest, struct nl_message *out);
/* The errno of an NLMSG_ERROR (0: an acknowledgement) or NLMSG_DONE; EPROTO: it has none. */
int nl_errno_of(const struct nl_message *m);

/* The attributes behind a header of that many bytes: found[type] for types below n, null for one
 * that is not there; of two the last. */
void nl_collect(struct cht_bytes body, size_t header, const struct nlattr **found, unsigned n);
/* What an attribute holds; nothing for null. */
struct cht_bytes nl_bytes(const struct nlattr *attr);
/* Exactly that number, the kernel's order or the network's. False: it is another, or null. */
bool nl_u8(const struct nlattr *attr, uint8_t *out);
bool nl_u32(const struct nlattr *attr, uint32_t *out);
bool nl_be32(const struct nlattr *attr, uint32_t *out);
bool nl_be64(const struct nlattr *attr, uint64_t *out);
/* Text, up to its NUL or its end. False: it is empty, or null. */
bool nl_text(const struct nlattr *attr, struct cht_str *out);

#endif
