/* SPDX-License-Identifier: Apache-2.0 */
#include "handoff/handoff.h"

#include "base/err.h"
#include "base/fd.h"

int handoff_send(int sock, const struct handoff_msg *msg, const int *fds, unsigned n_fds,
		 struct cht_err *err)
{
	struct handoff_msg copy = *msg;

	copy.version = HANDOFF_VERSION;
	return fd_send_msg(sock, (struct cht_bytes){ (const uint8_t *)&copy, sizeof(copy) }, fds,
			   n_fds, err);
}

static void end_texts(struct handoff_msg *msg)
{
	if (msg->kind == HANDOFF_READY) {
		msg->ready.origin[sizeof(msg->ready.origin) - 1] = '\0';
		msg->ready.vkey[sizeof(msg->ready.vkey) - 1] = '\0';
		msg->ready.reason[sizeof(msg->ready.reason) - 1] = '\0';
		msg->ready.predecessor[sizeof(msg->ready.predecessor) - 1] = '\0';
	}
	if (msg->kind == HANDOFF_FAILED)
		msg->failed.text[sizeof(msg->failed.text) - 1] = '\0';
	if (msg->kind == HANDOFF_RECEIPT)
		msg->receipt.text[sizeof(msg->receipt.text) - 1] = '\0';
}

int handoff_recv(int sock, struct handoff_msg *msg, int *fds, unsigned n_fds, struct cht_err *err)
{
	struct handoff_msg got;
	ssize_t n = fd_recv_msg(sock, &got, sizeof(got), fds, n_fds, err);

	if (n <= 0)
		return (int)n;
	if ((size_t)n != sizeof(got) || got.version != HANDOFF_VERSION || got.kind < HANDOFF_RING ||
	    got.kind > HANDOFF_RECEIPT) {
		for (unsigned i = 0; i < n_fds; i++)
			fd_close(&fds[i]);
		return cht_fail(err, CHT_E_PEER, 0,
				"a message between line and scribe has a wrong size or version");
	}
	end_texts(&got);
	*msg = got;
	return 1;
}
