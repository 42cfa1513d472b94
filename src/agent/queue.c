/* SPDX-License-Identifier: Apache-2.0
 *
 * The bytes lie in the ring exactly as they go out, so that one sendmsg(2) takes hundreds of
 * frames; lengths and marks lie beside them.
 */
#include "agent/queue.h"

#include <string.h>

bool queue_put(struct queue *q, struct cht_bytes frame, struct queue_mark mark)
{
	size_t to, first;
	uint32_t slot;

	if (q->n == QUEUE_FRAMES || frame.len == 0 || frame.len > QUEUE_BYTES - q->used)
		return false;
	to = (q->at + q->used) % QUEUE_BYTES;
	first = frame.len < QUEUE_BYTES - to ? frame.len : QUEUE_BYTES - to;
	memcpy(q->bytes + to, frame.ptr, first);
	memcpy(q->bytes, frame.ptr + first, frame.len - first);
	slot = (q->first + q->n) % QUEUE_FRAMES;
	q->frames[slot].mark = mark;
	q->frames[slot].len = (uint32_t)frame.len;
	q->used += frame.len;
	q->n++;
	return true;
}

int queue_spans(struct queue *q, bool head_only, struct iovec spans[2])
{
	size_t from, len, first;

	if (q->n == 0)
		return 0;
	from = (q->at + q->head_sent) % QUEUE_BYTES;
	len = (head_only ? q->frames[q->first].len : q->used) - q->head_sent;
	first = len < QUEUE_BYTES - from ? len : QUEUE_BYTES - from;
	spans[0] = (struct iovec){ .iov_base = q->bytes + from, .iov_len = first };
	spans[1] = (struct iovec){ .iov_base = q->bytes, .iov_len = len - first };
	return first < len ? 2 : 1;
}

uint32_t queue_advance(struct queue *q, size_t n)
{
	uint32_t whole = 0;

	n += q->head_sent;
	while (q->n > 0 && n >= q->frames[q->first].len) {
		uint32_t len = q->frames[q->first].len;

		q->last = q->frames[q->first].mark;
		q->first = (q->first + 1) % QUEUE_FRAMES;
		q->n--;
		q->at = (q->at + len) % QUEUE_BYTES;
		q->used -= len;
		n -= len;
		whole++;
	}
	q->head_sent = (uint32_t)n;
	return whole;
}

void queue_rewind(struct queue *q)
{
	q->head_sent = 0;
}
