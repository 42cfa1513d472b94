/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may write what: put and room_at are the producer's words, taken, durable and wake_at the
 * consumer's, each group on cache lines of its own. Both map the page writable, so any word may
 * hold anything when the other side is broken: a word of one's own is never read back, and a
 * word of the other's is held against a private counter before it means a length.
 *
 * Sleeping is Dekker's handshake: the sleeper states the position at which it wants to be woken,
 * then looks once more; the other side moves its counter, then looks for such a wish. A full
 * fence stands between the two steps on both sides, so one of them always sees the other.
 */
#include "handoff/ring.h"

#include <assert.h>
#include <cht/event.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"

enum {
	LINE_BYTES = 128,   /* two cache lines: the adjacent one is prefetched with it */
	HEAD_BYTES = 65536, /* the largest page size; only the first page is ever touched */
	LENGTH_BYTES = 2,
	ROOM_BYTES = RING_BYTES / 4, /* a producer out of room is woken at so much */
	SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL,
};

/* No wake-up wanted. */
#define NEVER UINT64_MAX

struct ring_shared {
	_Alignas(LINE_BYTES) _Atomic uint64_t put; /* bytes put */
	_Atomic uint64_t room_at; /* the producer sleeps until taken reaches this */
	_Alignas(LINE_BYTES) _Atomic uint64_t taken; /* bytes taken */
	_Atomic uint64_t durable;                    /* entries durable */
	_Alignas(
		LINE_BYTES) _Atomic uint64_t wake_at; /* the consumer sleeps until put reaches it */
};

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "a lock would be private to one process");
_Static_assert(sizeof(struct ring_shared) <= 4096, "the head is one page");
_Static_assert((RING_BYTES & (RING_BYTES - 1)) == 0, "positions are masked");
_Static_assert(ROOM_BYTES >= CHT_ENTRY_MAX_BYTES + LENGTH_BYTES, "woken for room means room");

static int map(struct ring *ring, struct cht_err *err)
{
	const int shared = MAP_SHARED | MAP_FIXED, rw = PROT_READ | PROT_WRITE;
	uint8_t *base = mmap(NULL, HEAD_BYTES + 2 * (size_t)RING_BYTES, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED)
		return cht_fail(err, CHT_E_IO, errno, "reserve memory for the ring");
	ring->shared = (struct ring_shared *)(void *)base;
	ring->data = base + HEAD_BYTES;
	if (mmap(base, HEAD_BYTES + RING_BYTES, rw, shared, ring->mem_fd, 0) == MAP_FAILED ||
	    mmap(ring->data + RING_BYTES, RING_BYTES, rw, shared, ring->mem_fd, HEAD_BYTES) ==
		    MAP_FAILED)
		return cht_fail(err, CHT_E_IO, errno, "map the ring");
	return 0;
}

static int make(struct ring *ring, struct cht_err *err)
{
	int r;

	ring->mem_fd = memfd_create("cht-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (ring->mem_fd < 0)
		return cht_fail(err, errno == ENOSYS ? CHT_E_UNSUPPORTED : CHT_E_IO, errno,
				"make the ring's memory");
	if (ftruncate(ring->mem_fd, HEAD_BYTES + RING_BYTES) < 0)
		return cht_fail(err, CHT_E_IO, errno, "size the ring");
	if (fcntl(ring->mem_fd, F_ADD_SEALS, SEALS) < 0)
		return cht_fail(err, CHT_E_IO, errno, "seal the ring");
	ring->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ring->durable_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ring->ready_fd < 0 || ring->durable_fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "make an eventfd");
	r = map(ring, err);
	if (r < 0)
		return r;
	atomic_store(&ring->shared->room_at, NEVER);
	atomic_store(&ring->shared->wake_at, NEVER);
	return 0;
}

int ring_create(struct ring *ring, struct cht_err *err)
{
	struct ring made = RING_NULL;
	int r = make(&made, err);

	if (r < 0) {
		ring_close(&made);
		return r;
	}
	*ring = made;
	return 0;
}

/* Memory that can shrink under us, or whose pages may be missing for ever (hugetlbfs), would
 * end this process with SIGBUS at the peer's will. */
static int check_memory(int fd, struct cht_err *err)
{
	struct statfs fs;
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || (seals & SEALS) != SEALS)
		return cht_fail(err, CHT_E_PEER, 0, "the ring's memory is not sealed");
	if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return cht_fail(err, CHT_E_IO, errno, "stat the ring's memory");
	if (fs.f_type != TMPFS_MAGIC)
		return cht_fail(err, CHT_E_PEER, 0, "the ring's memory is of an unknown kind");
	if (st.st_size != HEAD_BYTES + RING_BYTES)
		return cht_fail(err, CHT_E_PEER, 0, "the ring's memory has a wrong size");
	return 0;
}

/* An inode without a type is one of the kernel's own: no file, socket or pipe in which eight
 * bytes of ours would mean something. */
static int check_event(int fd, struct cht_err *err)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (fstat(fd, &st) < 0 || flags < 0)
		return cht_fail(err, CHT_E_IO, errno, "stat an eventfd");
	if ((st.st_mode & S_IFMT) != 0 || (flags & O_NONBLOCK) == 0)
		return cht_fail(err, CHT_E_PEER, 0, "a descriptor is not a non-blocking eventfd");
	return 0;
}

int ring_attach(struct ring *ring, int mem_fd, int ready_fd, int durable_fd, struct cht_err *err)
{
	struct ring made = { .mem_fd = mem_fd, .ready_fd = ready_fd, .durable_fd = durable_fd };
	int r = check_memory(mem_fd, err);

	if (r == 0)
		r = check_event(ready_fd, err);
	if (r == 0)
		r = check_event(durable_fd, err);
	if (r == 0)
		r = map(&made, err);
	if (r < 0) {
		ring_close(&made);
		return r;
	}
	*ring = made;
	return 0;
}

void ring_close(struct ring *ring)
{
	if (ring->shared != NULL)
		(void)munmap(ring->shared, HEAD_BYTES + 2 * (size_t)RING_BYTES);
	fd_close(&ring->mem_fd);
	fd_close(&ring->ready_fd);
	fd_close(&ring->durable_fd);
	*ring = (struct ring)RING_NULL;
}

/* A full eventfd is a readable one, so a write that does not go through is not missed. */
static void wake(int event_fd)
{
	const uint64_t one = 1;

	while (write(event_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		continue;
}

void ring_clear(int event_fd)
{
	uint64_t count;

	while (read(event_fd, &count, sizeof(count)) < 0 && errno == EINTR)
		continue;
}

/* The second half of the handshake: own counter moved to `now`; was a wake-up asked for? */
static void wake_if_wanted(_Atomic uint64_t *wish, uint64_t now, int event_fd)
{
	uint64_t at;

	atomic_thread_fence(memory_order_seq_cst);
	at = atomic_load_explicit(wish, memory_order_relaxed);
	if (now >= at && atomic_exchange(wish, NEVER) != NEVER)
		wake(event_fd);
}

/* Room for n bytes, by a counter that a broken consumer may have set to anything: more than
 * everything put cannot have been taken, and then there is none. */
static bool has_room(const struct ring *ring, size_t n)
{
	uint64_t used = ring->own - ring->seen;

	return used <= RING_BYTES && RING_BYTES - used >= n;
}

static bool has_room_now(struct ring *ring, size_t n)
{
	ring->seen = atomic_load_explicit(&ring->shared->taken, memory_order_acquire);
	return has_room(ring, n);
}

bool ring_has_room(struct ring *ring, size_t n)
{
	return has_room(ring, n) || has_room_now(ring, n);
}

uint8_t *ring_reserve(struct ring *ring, size_t max)
{
	size_t n = max + LENGTH_BYTES;

	if (max > CHT_ENTRY_MAX_BYTES || (!has_room(ring, n) && !has_room_now(ring, n)))
		return NULL;
	return ring->data + (ring->own & (RING_BYTES - 1)) + LENGTH_BYTES;
}

void ring_publish(struct ring *ring, size_t len)
{
	assert(len > 0 && has_room(ring, len + LENGTH_BYTES));
	be16_store(ring->data + (ring->own & (RING_BYTES - 1)), (uint16_t)len);
	ring->own += len + LENGTH_BYTES;
	ring->put++;
	atomic_store_explicit(&ring->shared->put, ring->own, memory_order_release);
	wake_if_wanted(&ring->shared->wake_at, ring->own, ring->ready_fd);
}

uint64_t ring_put_count(const struct ring *ring)
{
	return ring->put;
}

uint64_t ring_durable_count(const struct ring *ring)
{
	uint64_t said = atomic_load_explicit(&ring->shared->durable, memory_order_acquire);

	return said < ring->put ? said : ring->put;
}

bool ring_await_room(struct ring *ring, size_t max)
{
	uint64_t free_from = ring->own + ROOM_BYTES;

	/* Less than that was ever put: the ring cannot be short of room. */
	atomic_store(&ring->shared->room_at, free_from > RING_BYTES ? free_from - RING_BYTES : 0);
	atomic_thread_fence(memory_order_seq_cst);
	if (!has_room_now(ring, max + LENGTH_BYTES))
		return true;
	atomic_store(&ring->shared->room_at, NEVER);
	return false;
}

/* Whole entries among the first n bytes, at most max_entries. Returns their bytes; *bad is set
 * when the entry behind them has a length that cannot be. */
static size_t walk(const uint8_t *bytes, size_t n, unsigned max_entries, unsigned *count, bool *bad)
{
	size_t at = 0;

	*count = 0;
	*bad = false;
	while (*count < max_entries && n - at >= LENGTH_BYTES) {
		size_t len = be16_load(bytes + at);

		if (len == 0 || len > CHT_ENTRY_MAX_BYTES) {
			*bad = true;
			break;
		}
		if (n - at - LENGTH_BYTES < len)
			break;
		at += LENGTH_BYTES + len;
		(*count)++;
	}
	return at;
}

ptrdiff_t ring_take(struct ring *ring, uint8_t *out, size_t cap, unsigned max_entries, unsigned *n)
{
	uint64_t waiting;
	size_t some, whole;
	bool bad;

	ring->seen = atomic_load_explicit(&ring->shared->put, memory_order_acquire);
	waiting = ring->seen - ring->own;
	*n = 0;
	if (waiting > RING_BYTES)
		return CHT_E_PEER;
	some = waiting < cap ? (size_t)waiting : cap;
	memcpy(out, ring->data + (ring->own & (RING_BYTES - 1)), some);
	whole = walk(out, some, max_entries, n, &bad);
	/* Everything that was put is whole, so a cut entry at its very end is a false counter. */
	if (*n == 0 && some > 0 && max_entries > 0 && (bad || some == waiting))
		return CHT_E_PEER;
	if (whole == 0)
		return 0;
	ring->own += whole;
	atomic_store_explicit(&ring->shared->taken, ring->own, memory_order_release);
	wake_if_wanted(&ring->shared->room_at, ring->own, ring->durable_fd);
	return (ptrdiff_t)whole;
}

bool ring_await_entries(struct ring *ring, size_t bytes)
{
	ring_clear(ring->ready_fd);
	atomic_store(&ring->shared->wake_at, ring->own + bytes);
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load(&ring->shared->put) - ring->own < bytes)
		return true;
	atomic_store(&ring->shared->wake_at, NEVER);
	return false;
}

void ring_set_durable(struct ring *ring, uint64_t count)
{
	atomic_store_explicit(&ring->shared->durable, count, memory_order_release);
	wake(ring->durable_fd);
}
