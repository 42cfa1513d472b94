/* SPDX-License-Identifier: Apache-2.0
 *
 * sender.h - what send.c (connections) and send_frames.c (what they carry) share.
 */
#ifndef CLI_SENDER_H
#define CLI_SENDER_H

#include "cli/send.h"

struct conn {
	int fd;                 /* -1: closed, by either side */
	bool blocked;           /* until epoll says that it can be written */
	bool greeted;           /* its hello, where it has one, is made */
	bool ended;             /* its last bytes are made */
	enum send_fault ending; /* SEND_N_FAULTS: none */
	uint64_t left;          /* frames still to be made */
	uint64_t boot, seq;     /* last number used */
	uint32_t n, hellos;     /* frames in the batch in hand, hellos apart */
	uint8_t *pending;       /* the batch in hand when it was not taken whole, else null: */
	size_t len, at;         /* len bytes, of which at were taken */
};

struct sender {
	const struct send_options *options;
	struct synth synth;
	struct conn *conns;
	uint8_t *batch;
	int epoll_fd, signal_fd;
	uint64_t live;                        /* connections with something left to send */
	uint64_t cursor;                      /* whose turn it is */
	uint64_t turns;                       /* taken, for a look at epoll now and then */
	uint64_t made;                        /* frames made, hellos apart */
	uint64_t mono;                        /* guest clock of the last frame */
	uint64_t faults_left[SEND_N_FAULTS];  /* of those inside the stream */
	uint64_t faults_inside, fault_credit; /* spreads them evenly over the frames */
	bool stopped;                         /* by a signal or the end of standard input */
	struct send_result result;
};

static inline bool fault_is_inside(unsigned fault)
{
	return fault <= FAULT_GAP;
}

static inline bool fault_is_ending(unsigned fault)
{
	return fault >= FAULT_BAD_LENGTH && fault <= FAULT_STALL;
}

/* Makes the connection's next batch, at most budget frames, in sender->batch; returns its
 * bytes, more than 0 unless conn_is_through. */
size_t conn_make_batch(struct sender *sender, struct conn *conn, uint64_t budget);

/* Nothing is left to make or to write. */
bool conn_is_through(const struct conn *conn);

/* Frames, hellos included, that lie whole in the pending bytes that were taken. */
uint64_t conn_taken_frames(const struct conn *conn);

#endif
