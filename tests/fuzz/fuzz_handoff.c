/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a message between line and scribe: what is taken is of a known kind, its texts end,
 * and sent on it arrives as it was.
 */
#include "fuzz.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handoff/handoff.h"

static bool ends(const char *text, size_t cap)
{
	return memchr(text, '\0', cap) != NULL;
}

static void check_taken(const struct handoff_msg *msg)
{
	HOLDS(msg->kind >= HANDOFF_RING && msg->kind <= HANDOFF_RECEIPT);
	HOLDS(msg->version == HANDOFF_VERSION);
	if (msg->kind == HANDOFF_FAILED)
		HOLDS(ends(msg->failed.text, sizeof(msg->failed.text)));
	if (msg->kind == HANDOFF_RECEIPT)
		HOLDS(ends(msg->receipt.text, sizeof(msg->receipt.text)));
	if (msg->kind != HANDOFF_READY)
		return;
	HOLDS(ends(msg->ready.origin, sizeof(msg->ready.origin)));
	HOLDS(ends(msg->ready.vkey, sizeof(msg->ready.vkey)));
	HOLDS(ends(msg->ready.reason, sizeof(msg->ready.reason)));
	HOLDS(ends(msg->ready.predecessor, sizeof(msg->ready.predecessor)));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static int pair[2] = { -1, -1 };
	struct handoff_msg msg, again;
	int r;

	if (pair[0] < 0)
		HOLDS(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) ==
		      0);
	/* Nothing at all is how the other end's end looks. */
	if (len == 0 || send(pair[0], bytes, len, 0) != (ssize_t)len)
		return 0;
	r = handoff_recv(pair[1], &msg, NULL, 0, NULL);
	HOLDS(r == 1 || r == CHT_E_PEER);
	HOLDS(r != 1 || len == sizeof(msg));
	if (r == 1) {
		check_taken(&msg);
		HOLDS(handoff_send(pair[0], &msg, NULL, 0, NULL) == 0);
		HOLDS(handoff_recv(pair[1], &again, NULL, 0, NULL) == 1);
		HOLDS(memcmp(&msg, &again, sizeof(msg)) == 0);
	}
	return 0;
}
