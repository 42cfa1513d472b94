/* SPDX-License-Identifier: Apache-2.0 */
/* What the line reads of the network it reads from sockets that are made here, wherever they are to
 * be. It can ask nothing of nf_tables by them: the kernel looks at who sends. So it passes a socket
 * back for the one message that is sent here. */
#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/fd.h"
#include "netlink/netlink.h"
#include "opener/opener.h"

static int open_in(struct opener *opener, int protocol, const struct opening_request *request,
		   int *fd, struct cht_err *err)
{
	struct netlink_place place = { .name = request->path };
	int r;

	if (request->pid > INT32_MAX)
		return cht_fail(err, CHT_E_RANGE, 0, "no process has such an id");
	place.pid = (uint32_t)request->pid;
	r = netlink_open(protocol, &place, err);
	/* Elsewhere than where it began it serves nobody. */
	opener->is_lost = r == CHT_E_STATE;
	if (r < 0)
		return r;
	*fd = r;
	return 0;
}

int do_route(struct opener *opener, const struct opening_request *request,
	     struct opening_answer *answer, int *fd, struct cht_err *err)
{
	(void)answer;
	return open_in(opener, NETLINK_ROUTE, request, fd, err);
}

int do_nft(struct opener *opener, const struct opening_request *request,
	   struct opening_answer *answer, int *fd, struct cht_err *err)
{
	(void)answer;
	return open_in(opener, NETLINK_NETFILTER, request, fd, err);
}

static bool is_of_rules(int fd)
{
	int domain = 0, protocol = 0;
	socklen_t len = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_NETLINK &&
	       getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0 &&
	       protocol == NETLINK_NETFILTER;
}

/* The socket comes with the request, so that nothing is kept here for as long as a cell lives. */
int do_nft_dump(struct opener *opener, const struct opening_request *request,
		struct opening_answer *answer, int *fd, struct cht_err *err)
{
	char family[sizeof(request->family) + 1] = "";
	int r;

	(void)opener;
	(void)answer;
	memcpy(family, request->family, sizeof(request->family));
	if (*fd == FD_LOST)
		r = cht_fail(err, CHT_E_LIMIT, EMFILE, "take a socket of nf_tables");
	else if (!is_of_rules(*fd))
		r = cht_fail(err, CHT_E_RANGE, 0,
			     "what came with the request is no socket of "
			     "nf_tables");
	else
		r = netlink_ask_rules(*fd, family, request->path, err);
	fd_close(fd);
	return r;
}
