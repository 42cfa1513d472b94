/* SPDX-License-Identifier: Apache-2.0
 *
 * exchange.h - one question to a VMM's API socket: the question is one of three, the answer comes
 * back as the bytes that were sent, in memory of its own. Nothing waits here: who has the exchange
 * polls its socket, beside whatever else he does. Only where the answer ends is read of it; what it
 * says is for others to believe or not.
 */
#ifndef EXCHANGE_EXCHANGE_H
#define EXCHANGE_EXCHANGE_H

#include <cht/err.h>

enum exchange_what {
	EXCHANGE_STATE,  /* GET / */
	EXCHANGE_CONFIG, /* GET /vm/config */
	EXCHANGE_FLUSH,  /* PUT /actions FlushMetrics */
	EXCHANGE_N_WHATS
};

enum {
	EXCHANGE_ANSWER_MAX = 131072, /* bytes; a configuration has some thousand */
	EXCHANGE_HEAD_MAX = 2048,     /* of them before the body */
	EXCHANGE_MS = 1000            /* a VMM that does not answer in this time does not answer */
};

struct exchange {
	int sock;          /* poll it for reading; -1: none is under way */
	int memory;        /* what came so far */
	uint64_t until_ns; /* CLOCK_MONOTONIC */
	uint64_t bytes;    /* in memory */
	uint64_t whole;    /* so many it will be; UINT64_MAX: not known yet */
	bool has_head, ends_with_peer;
	size_t head_len;
	char head[EXCHANGE_HEAD_MAX];
};

#define EXCHANGE_NULL                                                                              \
	{                                                                                          \
		.sock = -1, .memory = -1                                                           \
	}

/* Connects to the socket that place_fd (O_PATH) is, and asks. 0: it is under way. CHT_E_IO: sys is
 * why it could not be asked, EAGAIN when too many wait there already. place_fd stays the caller's.
 */
int exchange_begin(struct exchange *x, int place_fd, enum exchange_what what, uint64_t now_ns,
		   struct cht_err *err) CHT_CHECKED;
/* When its socket is readable, or its time has come. 1: it is whole. 0: not yet. CHT_E_IO with
 * ETIMEDOUT: it did not answer. CHT_E_PEER: the answer ends early or its head is none. CHT_E_LIMIT:
 * it is longer than EXCHANGE_ANSWER_MAX. After any but 0: exchange_take or exchange_close. */
int exchange_step(struct exchange *x, uint64_t now_ns, struct cht_err *err) CHT_CHECKED;
/* The answer's bytes, sealed, to be read from their begin: the caller's. Ends the exchange. */
int exchange_take(struct exchange *x);
void exchange_close(struct exchange *x); /* of EXCHANGE_NULL too */

#endif
