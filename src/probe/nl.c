/* SPDX-License-Identifier: Apache-2.0 */
/* libmnl takes the bytes apart. Three of its ways are not used, because they can look past what was
 * received: mnl_nlmsg_ok takes a length above INT_MAX for a short one, and the walks over a message
 * or a nest round its end up. Walks over a payload of a given length do neither. */
#include "probe/nl.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/bytes.h"

enum { DRAINED_MAX = 1024 };

int nl_receive(int fd, void *mem, size_t cap, bool *is_event)
{
	for (;;) {
		struct sockaddr_nl from = { .nl_family = AF_UNSPEC };
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, mem, cap, MSG_DONTWAIT | MSG_TRUNC,
				     (struct sockaddr *)(void *)&from, &len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if ((size_t)n > cap)
			return -EMSGSIZE;
		/* Nobody but the kernel is heard. */
		if (n == 0 || len != sizeof(from) || from.nl_pid != 0)
			continue;
		*is_event = from.nl_groups != 0;
		return (int)n;
	}
}

bool nl_drain(int fd)
{
	uint8_t none[4];

	for (int i = 0; i < DRAINED_MAX; i++)
		if (recv(fd, none, sizeof(none), MSG_DONTWAIT) < 0 && errno == EAGAIN)
			return true;
	return false;
}

/* Of netlink, what follows begins at a multiple of four. */
static size_t aligned(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

bool nl_next(struct cht_bytes *rest, struct nl_message *out)
{
	struct nlmsghdr head;
	size_t step;

	if (rest->len < sizeof(head))
		return false;
	memcpy(&head, rest->ptr, sizeof(head));
	if (head.nlmsg_len < sizeof(head) || head.nlmsg_len > rest->len)
		return false;
	*out = (struct nl_message){ .type = head.nlmsg_type,
				    .flags = head.nlmsg_flags,
				    .seq = head.nlmsg_seq,
				    .body = { rest->ptr + sizeof(head),
					      head.nlmsg_len - sizeof(head) } };
	step = aligned(head.nlmsg_len);
	step = step < rest->len ? step : rest->len;
	rest->ptr += step;
	rest->len -= step;
	return true;
}

int nl_errno_of(const struct nl_message *m)
{
	int32_t code;

	if (m->body.len < sizeof(code))
		return EPROTO;
	memcpy(&code, m->body.ptr, sizeof(code));
	return code > 0 || code < -4095 ? EPROTO : -code;
}

struct wanted {
	const struct nlattr **found;
	unsigned n;
};

static int collect(const struct nlattr *attr, void *data)
{
	struct wanted *w = data;

	if (mnl_attr_get_type(attr) < w->n)
		w->found[mnl_attr_get_type(attr)] = attr;
	return MNL_CB_OK;
}

void nl_collect(struct cht_bytes body, size_t header, const struct nlattr **found, unsigned n)
{
	struct wanted w = { found, n };
	size_t skipped = aligned(header);

	for (unsigned i = 0; i < n; i++)
		found[i] = NULL;
	if (skipped < body.len)
		(void)mnl_attr_parse_payload(body.ptr + skipped, body.len - skipped, collect, &w);
}

struct cht_bytes nl_bytes(const struct nlattr *attr)
{
	if (attr == NULL)
		return (struct cht_bytes){ NULL, 0 };
	return (struct cht_bytes){ mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr) };
}

static bool copy(const struct nlattr *attr, void *out, size_t size)
{
	struct cht_bytes b = nl_bytes(attr);

	if (b.len != size)
		return false;
	memcpy(out, b.ptr, size);
	return true;
}

bool nl_u8(const struct nlattr *attr, uint8_t *out)
{
	return copy(attr, out, sizeof(*out));
}

bool nl_u32(const struct nlattr *attr, uint32_t *out)
{
	return copy(attr, out, sizeof(*out));
}

bool nl_be32(const struct nlattr *attr, uint32_t *out)
{
	uint8_t raw[4];

	if (!copy(attr, raw, sizeof(raw)))
		return false;
	*out = be32_load(raw);
	return true;
}

bool nl_be64(const struct nlattr *attr, uint64_t *out)
{
	uint8_t raw[8];

	if (!copy(attr, raw, sizeof(raw)))
		return false;
	*out = be64_load(raw);
	return true;
}

bool nl_text(const struct nlattr *attr, struct cht_str *out)
{
	struct cht_bytes b = nl_bytes(attr);
	size_t len = b.len > 0 ? strnlen((const char *)b.ptr, b.len) : 0;

	if (len > 0)
		*out = (struct cht_str){ (const char *)b.ptr, len };
	return len > 0;
}
