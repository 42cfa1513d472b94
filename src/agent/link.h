/* SPDX-License-Identifier: Apache-2.0
 *
 * link.h - one stream to the host that comes back by itself: connects, waits with growing and
 * jittered delays, and never blocks.
 *
 * Every way in which a connection can fail or end is the same to it: wait, connect again. It
 * knows nothing of frames.
 */
#ifndef AGENT_LINK_H
#define AGENT_LINK_H

#include <cht/err.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "base/limits.h"

#define LINK_DELAY_MIN_NS (50 * NS_PER_MS)
#define LINK_DELAY_MAX_NS (5 * NS_PER_S)

struct link_address {
	union {
		struct sockaddr any;
		struct sockaddr_un local;
		struct sockaddr_storage room;
	} to;
	socklen_t len;
};

/* down: no socket, next attempt at retry_at_ns. connecting: the kernel works on it, POLLOUT tells.
 * up: bytes may be sent. blocked: up, and the peer's buffer is full until POLLOUT. */
enum link_state { LINK_DOWN, LINK_CONNECTING, LINK_UP, LINK_BLOCKED };

struct link {
	struct link_address address;
	enum link_state state;
	int fd;
	uint32_t connections; /* how often it came up */
	uint64_t retry_at_ns, up_since_ns, delay_ns;
	uint64_t random; /* jitter only */
};

/* Reads "unix:PATH" or "vsock:CID:PORT". CHT_E_CONFIG. */
int link_address_read(struct link_address *out, struct cht_str text,
		      struct cht_err *err) CHT_CHECKED;

/* Prepares the link; the first attempt is due at once. seed: any number. CHT_E_UNSUPPORTED when
 * this kernel has no such sockets at all: waiting would not help. */
int link_open(struct link *l, const struct link_address *address, uint64_t seed,
	      struct cht_err *err) CHT_CHECKED;

/* Starts an attempt that is due. */
void link_turn(struct link *l, uint64_t now_ns);

/* What to poll l->fd for; 0 when there is no socket. */
short link_events(const struct link *l);

/* Takes what poll found. The state may change. */
void link_on_event(struct link *l, short revents, uint64_t now_ns);

/* Sends what fits. Returns the bytes taken, 0 when blocked or down: the state says which. */
size_t link_send(struct link *l, struct iovec *spans, int n, uint64_t now_ns);

/* When link_turn has something to do; UINT64_MAX when poll will tell. */
uint64_t link_deadline(const struct link *l);

void link_close(struct link *l);

static inline bool link_is_up(const struct link *l)
{
	return l->state == LINK_UP || l->state == LINK_BLOCKED;
}

#endif
