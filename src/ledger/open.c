/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening for writing, and recovery (docs/PROTOCOL.ledger section 4). Everything is looked at
 * before anything is touched, so that a damaged ledger stays as it was found.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "ledger/files.h"
#include "ledger/ledger.h"
#include "ledger/segment.h"

/* The two last segments, as found. */
struct survey {
	struct segment_list list;
	struct segment_scan last;
	uint64_t marked; /* the clean mark's count */
	bool has_mark;
};

static int open_dirs(struct ledger *ledger, const char *state, struct cht_err *err)
{
	struct cht_err why = { 0 };
	int state_fd = fd_open_dir(AT_FDCWD, state, &why), r;

	if (state_fd >= 0)
		ledger->dir_fd = fd_open_dir(state_fd, "ledger", &why);
	fd_close(&state_fd);
	if (ledger->dir_fd < 0 && why.sys != ENOENT)
		return cht_fail(err, CHT_E_IO, why.sys, "open the ledger in %s", state);
	r = ledger->dir_fd < 0 ? 0 : origin_read(ledger->dir_fd, ledger->origin, err);
	if (r < 0)
		return r;
	if (r == 0)
		return cht_fail(err, CHT_E_CONFIG, 0, "no ledger in %s; --init makes one", state);
	ledger->entries_fd = fd_open_dir(ledger->dir_fd, "entries", err);
	return ledger->entries_fd < 0 ? CHT_E_IO : 0;
}

static int open_segment(int entries_fd, uint64_t first, struct cht_err *err)
{
	char name[SEGMENT_NAME_LEN + 1];
	int fd;

	segment_name(name, first);
	fd = openat(entries_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "open segment %s", name);
	return fd;
}

static int damaged(uint64_t first, const struct segment_scan *scan, const char *what,
		   struct cht_err *err)
{
	return cht_fail(err, CHT_E_STATE, 0,
			"ledger damaged: segment %020" PRIu64 ", entry %" PRIu64 ", byte %" PRIu64
			": %s",
			first, first + scan->entries, scan->bytes, what);
}

/* The one before the last must be full: a commit fills it before the next is made. */
static int check_predecessor(struct ledger *ledger, const struct survey *s, struct cht_err *err)
{
	uint64_t first = s->list.last - SEGMENT_ENTRIES;
	struct segment_scan scan;
	int r, fd;

	if (s->list.n < 2)
		return 0;
	fd = open_segment(ledger->entries_fd, first, err);
	if (fd < 0)
		return fd;
	r = segment_scan(fd, &scan, err);
	fd_close(&fd);
	if (r == 0 && (scan.end != SEGMENT_WHOLE || scan.entries != SEGMENT_ENTRIES))
		r = damaged(first, &scan, "not full, and yet another follows", err);
	return r;
}

static int check_last(struct ledger *ledger, struct survey *s, struct cht_err *err)
{
	uint64_t total;
	int r;

	if (s->list.n > 0) {
		ledger->tail.fd = open_segment(ledger->entries_fd, s->list.last, err);
		if (ledger->tail.fd < 0)
			return ledger->tail.fd;
		r = segment_scan(ledger->tail.fd, &s->last, err);
		if (r < 0)
			return r;
	}
	total = s->list.last + s->last.entries;
	if (s->last.end == SEGMENT_BAD)
		return damaged(s->list.last, &s->last, "no entry can stand here", err);
	if (s->has_mark && (total != s->marked || s->last.end != SEGMENT_WHOLE))
		return cht_fail(err, CHT_E_STATE, 0,
				"ledger damaged: %" PRIu64 " entries and %" PRIu64
				" bytes more, but the clean mark says %" PRIu64,
				total, s->last.size - s->last.bytes, s->marked);
	return 0;
}

static int look(struct ledger *ledger, struct survey *s, struct cht_err *err)
{
	int r = mark_read(ledger->dir_fd, &s->marked, err);

	if (r < 0)
		return r;
	s->has_mark = r == 1;
	r = segment_list(ledger->entries_fd, &s->list, err);
	if (r == 0)
		r = segment_list_check(&s->list, err);
	if (r == 0)
		r = check_predecessor(ledger, s, err);
	if (r == 0)
		r = check_last(ledger, s, err);
	return r;
}

/* After a kill the last entries may be in the page cache alone: whoever is told of them as
 * stored must find them after a power cut too. */
static int settle(struct ledger *ledger, const struct survey *s, struct cht_err *err)
{
	if (s->list.n == 0)
		return 0;
	if (s->last.size > s->last.bytes && ftruncate(ledger->tail.fd, (off_t)s->last.bytes) < 0)
		return cht_fail(err, CHT_E_IO, errno, "cut the torn tail");
	if (!s->has_mark && (fdatasync(ledger->tail.fd) < 0 || fsync(ledger->entries_fd) < 0))
		return cht_fail(err, CHT_E_IO, errno, "sync what was recovered");
	return 0;
}

static int open_locked(struct ledger *ledger, struct ledger_recovery *found, struct cht_err *err)
{
	struct survey s = { 0 };
	int r = look(ledger, &s, err);

	if (r == 0)
		r = settle(ledger, &s, err);
	if (r < 0)
		return r;
	ledger->tail.first = s.list.last;
	ledger->tail.bytes = s.last.bytes;
	ledger->next = s.list.last + s.last.entries;
	ledger->is_marked = s.has_mark;
	*found = (struct ledger_recovery){
		.kept = ledger->next,
		.cut_bytes = s.last.size - s.last.bytes,
		.unclean_from = s.has_mark ? ledger->next : s.list.last,
		.was_clean = s.has_mark || s.list.n == 0,
		.is_new = s.list.n == 0 && !s.has_mark,
	};
	return 0;
}

int ledger_open(struct ledger *ledger, const char *state, struct ledger_recovery *found,
		struct cht_err *err)
{
	struct ledger made = LEDGER_NULL;
	int r = open_dirs(&made, state, err);

	if (r == 0) {
		made.lock_fd = lock_take(made.dir_fd, err);
		r = made.lock_fd < 0 ? made.lock_fd : open_locked(&made, found, err);
	}
	if (r < 0) {
		ledger_close(&made);
		return r;
	}
	*ledger = made;
	return 0;
}

int ledger_mark_clean(struct ledger *ledger, struct cht_err *err)
{
	int r;

	if (ledger->is_broken || ledger->is_marked)
		return 0;
	r = ledger_sync(ledger, err);
	if (r == 0)
		r = mark_write(ledger->dir_fd, ledger->next, err);
	ledger->is_marked = r == 0;
	return r;
}

void ledger_close(struct ledger *ledger)
{
	fd_close(&ledger->tail.fd);
	fd_close(&ledger->entries_fd);
	fd_close(&ledger->dir_fd);
	fd_close(&ledger->lock_fd);
	*ledger = (struct ledger)LEDGER_NULL;
}
