/* SPDX-License-Identifier: Apache-2.0
 *
 * ring.h - finished events on their way out of the process that met the guest.
 *
 * One producer (the line) and one consumer (the scribe) share a sealed memfd: a page of counters
 * and RING_BYTES of data, which each maps twice in a row so that no entry ever wraps. An entry
 * is a u16 big-endian length and its bytes, as in a ledger segment. Neither side trusts the
 * other's counters further than its own mapping reaches; the consumer copies before it looks.
 * Wake-ups go through two eventfds and only when the other side sleeps. The most that a broken
 * side can do to the other is to let it wait.
 */
#ifndef HANDOFF_RING_H
#define HANDOFF_RING_H

#include <cht/err.h>

struct ring_shared;

struct ring {
	struct ring_shared *shared;
	uint8_t *data;  /* 2 * RING_BYTES of address space over RING_BYTES of memory */
	int mem_fd;     /* the memfd, sealed */
	int ready_fd;   /* eventfd: producer -> consumer, "there are entries" */
	int durable_fd; /* eventfd: consumer -> producer, "durable or room moved" */
	uint64_t own;   /* this side's private counter: bytes put, or bytes taken */
	uint64_t seen;  /* the other side's counter when last read */
	uint64_t put;   /* producer: entries put since the ring was made */
};

#define RING_NULL                                                                                  \
	{                                                                                          \
		.mem_fd = -1, .ready_fd = -1, .durable_fd = -1                                     \
	}

/* Producer: makes memory and eventfds. CHT_E_IO, CHT_E_UNSUPPORTED. */
int ring_create(struct ring *ring, struct cht_err *err) CHT_CHECKED;
/* Consumer: takes the three descriptors (owned from here on, whatever the result) after
 * checking size and seals. CHT_E_PEER, CHT_E_IO. */
int ring_attach(struct ring *ring, int mem_fd, int ready_fd, int durable_fd,
		struct cht_err *err) CHT_CHECKED;
/* Unmaps and closes; safe on RING_NULL. */
void ring_close(struct ring *ring);

/* Producer. A place for one entry of up to max <= CHT_ENTRY_MAX_BYTES bytes, to be written in
 * place; null when there is no room now. */
uint8_t *ring_reserve(struct ring *ring, size_t max);
/* Publishes the len <= max bytes written at the place last reserved, and wakes a sleeping
 * consumer. Entries count from 0. */
void ring_publish(struct ring *ring, size_t len);
/* Entries put, and of these how many the consumer says are durable (never more than put). */
uint64_t ring_put_count(const struct ring *ring);
uint64_t ring_durable_count(const struct ring *ring);
/* Producer: whether n bytes, lengths included, have room now. */
bool ring_has_room(struct ring *ring, size_t n);
/* Producer, before it sleeps on durable_fd for room: false if max bytes have room already; else
 * durable_fd will be readable once a good part of the ring is free again. */
bool ring_await_room(struct ring *ring, size_t max);

/* Either side: makes an eventfd of the ring unreadable until its next wake-up. Call it before
 * looking at the counters, not after. */
void ring_clear(int event_fd);

/* Consumer. Copies whole entries, lengths included, to out: at most cap bytes and max_entries.
 * Returns bytes copied and sets *n; 0 when the ring is empty; CHT_E_PEER when the counters or
 * the next length cannot be (the producer is broken or hostile; what stood before is given
 * out first). Up to cap bytes of out are scratch. cap >= CHT_ENTRY_MAX_BYTES + 2. */
ptrdiff_t ring_take(struct ring *ring, uint8_t *out, size_t cap, unsigned max_entries,
		    unsigned *n) CHT_CHECKED;
/* Consumer, before it sleeps on ready_fd: false if that many bytes (at least 1) wait already;
 * else ready_fd, which this clears, will be readable once they do. */
bool ring_await_entries(struct ring *ring, size_t bytes);
/* Consumer: count entries (of all taken) are durable; wakes the producer. */
void ring_set_durable(struct ring *ring, uint64_t count);

#endif
