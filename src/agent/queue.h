/* SPDX-License-Identifier: Apache-2.0
 *
 * queue.h - encoded frames in, the bytes of a stream out. A fixed ring: pure, no I/O, no heap.
 *
 * Frames leave in the order they came. A frame whose bytes went out only in part when the
 * connection died goes out again, whole (queue_rewind). A frame that does not fit is refused
 * and it is the caller who counts it: nothing in the ring is ever pushed out by a newer one.
 */
#ifndef AGENT_QUEUE_H
#define AGENT_QUEUE_H

#include <cht/types.h>
#include <sys/uio.h>

enum {
	QUEUE_BYTES = 256 * 1024, /* about 1,500 events: seconds of a busy build */
	QUEUE_FRAMES = 2048
};

/* Where in the agent's numbering a frame stands: its own number and what was dropped by then. */
struct queue_mark {
	uint64_t seq, dropped;
};

struct queue {
	uint8_t bytes[QUEUE_BYTES];
	struct {
		struct queue_mark mark;
		uint32_t len;
	} frames[QUEUE_FRAMES];
	size_t at;              /* offset of the oldest frame's first byte */
	size_t used;            /* bytes held, the sent part of the oldest frame included */
	uint32_t first, n;      /* frames held */
	uint32_t head_sent;     /* bytes of the oldest frame that went out on this connection */
	struct queue_mark last; /* of the newest frame that went out whole; see queue_position */
};

/* Takes a copy of a frame of at least one byte. False when it does not fit; nothing changes. */
bool queue_put(struct queue *q, struct cht_bytes frame, struct queue_mark mark) CHT_CHECKED;

/* The unsent bytes, oldest first, as up to two spans of the ring; only the rest of the oldest
 * frame when head_only. Returns how many spans; valid until the next call that changes q. */
int queue_spans(struct queue *q, bool head_only, struct iovec spans[2]);

/* n of these bytes went out. Returns how many frames are now wholly out, which are gone from q. */
uint32_t queue_advance(struct queue *q, size_t n);

/* The connection died: a frame sent in part is unsent again. */
void queue_rewind(struct queue *q);

/* True where one frame has ended and the next has not begun. */
static inline bool queue_is_between(const struct queue *q)
{
	return q->head_sent == 0;
}

/* The mark that holds at this place of the stream: now, the present one, once all that was seen
 * is out; else that of the newest frame sent, so that numbers in a stream never step back. */
static inline struct queue_mark queue_position(const struct queue *q, struct queue_mark now)
{
	return q->n == 0 ? now : q->last;
}

#endif
