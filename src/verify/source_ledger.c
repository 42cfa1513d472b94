/* SPDX-License-Identifier: Apache-2.0
 *
 * A ledger, in use or not. The checkpoint is taken first, so that all of it must be there by then;
 * what stands above it is looked at last, and only when nobody writes.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "ledger/segment.h"
#include "verify/source_entries.h"

enum {
	ABSENT = -1,
	VKEY_MAX = 512,
	/* STATE/scribe/state: docs/PROTOCOL.ledger section 5 */
	SLOT_BYTES = 4096,
	SLOT_SUM = 4064,
	SLOT_FLAGS = 12,
	SLOT_GENERATION = 16,
	SLOT_SIZE = 24,
	FLAG_CLEAN = 1,
};

struct ledger_source {
	struct source base;
	int entries_fd, hashes_fd, level_fd[TLOG_LEVELS];
	uint64_t listed_first; /* lowest segment when it was opened */
	struct entries at;     /* in the segment of base.next */
	uint64_t segment_first;
};

static struct ledger_source *of(struct source *source)
{
	return (struct ledger_source *)source;
}

static void close_ledger(struct source *source)
{
	struct ledger_source *s = of(source);

	for (unsigned i = 0; i < TLOG_LEVELS; i++)
		fd_close(&s->level_fd[i]);
	fd_close(&s->at.fd);
	fd_close(&s->hashes_fd);
	fd_close(&s->entries_fd);
	fd_close(&s->base.dir_fd);
	free(s);
}

static int level_fd(struct ledger_source *s, unsigned level)
{
	char name[2] = { (char)('0' + level), '\0' };

	if (s->level_fd[level] < 0 && s->hashes_fd >= 0)
		s->level_fd[level] =
			openat(s->hashes_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	return s->level_fd[level];
}

/* Zero bytes are no hash: what was never written reads so, for as long as a file claims to be. */
static bool has_zero(const struct tlog_hash *hash, size_t n)
{
	static const struct tlog_hash zero;

	for (size_t i = 0; i < n; i++)
		if (tlog_hash_eq(&hash[i], &zero))
			return true;
	return false;
}

static int read_hashes(struct source *source, unsigned level, uint64_t first, size_t n,
		       struct tlog_hash *out, struct cht_err *err)
{
	int fd = level_fd(of(source), level);
	ssize_t got;

	if (fd < 0)
		return CHT_E_STATE;
	got = entries_pread(fd, out, n * sizeof(*out), first * sizeof(*out), err);
	if (got < 0)
		return (int)got;
	return (size_t)got == n * sizeof(*out) && !has_zero(out, n) ? 0 : CHT_E_STATE;
}

/* Leaf hashes of entries that are gone. */
static int next_hashes(struct source *source, struct block *block, struct cht_err *err)
{
	uint64_t n = BLOCK_ENTRIES_MAX - source->next % BLOCK_ENTRIES_MAX;
	int r;

	if (n > source->first - source->next)
		n = source->first - source->next;
	if (n > source->size - source->next)
		n = source->size - source->next;
	r = read_hashes(source, 0, source->next, (size_t)n, block->leaf, err);
	if (r == CHT_E_STATE) {
		source->place.part = VERIFY_IN_HASHES;
		source->place.file_first = 0;
		return source_broken(source, VERIFY_MISSING, source->next * TLOG_HASH_BYTES, err,
				     "neither entry %" PRIu64 " nor its hash is there",
				     source->next);
	}
	if (r < 0)
		return r;
	block->kind = BLOCK_HASHES;
	block->n = (unsigned)n;
	source->next += n;
	return 1;
}

static bool has_segment(const struct ledger_source *s, uint64_t first)
{
	char name[SEGMENT_NAME_LEN + 1];

	segment_name(name, first);
	return faccessat(s->entries_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* 1: the segment of base.next is open. 0: none, and none must be. */
static int enter_segment(struct ledger_source *s, struct cht_err *err)
{
	char name[SEGMENT_NAME_LEN + 1];
	struct segment_list list;
	int r;

	s->segment_first = s->base.next;
	s->base.place.file_first = s->segment_first;
	segment_name(name, s->segment_first);
	s->at.offset = 0;
	s->at.fd = openat(s->entries_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (s->at.fd >= 0)
		return 1;
	if (errno != ENOENT)
		return cht_fail(err, CHT_E_IO, errno, "open entries/%s", name);
	r = segment_list(s->entries_fd, &list, err);
	if (r < 0)
		return r;
	if (s->base.size == UINT64_MAX && (list.n == 0 || list.last < s->segment_first))
		return 0;
	if (list.n > 0 && list.first > s->segment_first)
		s->base.is_pruned_meanwhile = true;
	return source_broken(
		&s->base, list.n > 0 && list.last > s->segment_first ? VERIFY_MISSING : VERIFY_CUT,
		0, err, "segment %s is not there", name);
}

/* The segment holds all it may: nothing may follow in it. */
static int leave_segment(struct ledger_source *s, struct cht_err *err)
{
	struct stat st;

	if (fstat(s->at.fd, &st) < 0)
		return cht_fail(err, CHT_E_IO, errno, "stat a segment");
	if ((uint64_t)st.st_size > s->at.offset)
		return source_broken(&s->base, VERIFY_FRAMING, s->at.offset, err,
				     "bytes behind the segment's last entry");
	fd_close(&s->at.fd);
	return 0;
}

/* No whole entry stands where one is due. 0: so does a ledger end that nobody vouches for. */
static int ends(struct ledger_source *s, enum entries_end end, struct cht_err *err)
{
	bool is_last = !has_segment(s, s->segment_first + SEGMENT_ENTRIES);
	int zero = end == ENTRIES_BAD ? segment_is_zero_from(s->at.fd, s->at.offset, err) : 0;

	if (zero < 0)
		return zero;
	if (s->base.size == UINT64_MAX && is_last && (end != ENTRIES_BAD || zero == 1))
		return 0;
	if (end == ENTRIES_BAD)
		return source_broken(&s->base, VERIFY_FRAMING, s->at.offset, err,
				     "no entry can stand here");
	if (!is_last)
		return source_broken(&s->base, VERIFY_FRAMING, s->at.offset, err,
				     "the segment is not full, and yet another follows");
	return source_broken(&s->base, VERIFY_CUT, s->at.offset, err,
			     end == ENTRIES_TORN ? "the file ends inside an entry"
						 : "the file ends here");
}

static int next_entries(struct source *source, struct block *block, struct cht_err *err)
{
	struct ledger_source *s = of(source);
	uint64_t want = BLOCK_ENTRIES_MAX - source->next % BLOCK_ENTRIES_MAX;
	int r = 1;

	if (want > source->size - source->next)
		want = source->size - source->next;
	if (s->at.fd >= 0 && source->next - s->segment_first == SEGMENT_ENTRIES) {
		r = leave_segment(s, err);
		if (r < 0)
			return r;
	}
	if (s->at.fd < 0)
		r = enter_segment(s, err);
	if (r <= 0)
		return r;
	r = entries_fill(&s->at, (unsigned)want, block, err);
	if (r < 0)
		return r;
	if (r != ENTRIES_MORE)
		return ends(s, (enum entries_end)r, err);
	block->kind = BLOCK_ENTRIES;
	source->next += block->n;
	return 1;
}

static int next_block(struct source *source, struct block *block, struct cht_err *err)
{
	int r;

	if (source->next >= source->size)
		return 0;
	block->first = source->next;
	r = source->next < source->first ? next_hashes(source, block, err)
					 : next_entries(source, block, err);
	block->file_first = of(source)->segment_first;
	return r;
}

static uint64_t file_size(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* Whether somebody has the writer's lock. One that cannot be asked for is not held. */
static bool is_locked(const struct ledger_source *s)
{
	int fd = openat(s->base.dir_fd, "lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	bool held = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;

	fd_close(&fd);
	return held;
}

static bool slot_is_sound(const uint8_t *slot)
{
	uint8_t sum[32];

	return memcmp(slot, "cht-stat", 8) == 0 && be32_load(slot + 8) == 1 &&
	       digest_sha256((struct cht_bytes){ slot, SLOT_SUM }, sum, NULL) == 0 &&
	       memcmp(sum, slot + SLOT_SUM, sizeof(sum)) == 0;
}

/* What the scribe's state says of the last end, where it is ours to read. */
static void read_state(const struct ledger_source *s, struct verify_above *out)
{
	const char *name = "../scribe/state";
	int fd = openat(s->base.dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	uint8_t slots[2][SLOT_BYTES];
	const uint8_t *newest = NULL;
	ssize_t n = fd < 0 ? 0 : entries_pread(fd, slots, sizeof(slots), 0, NULL);

	fd_close(&fd);
	for (int i = 0; i < 2 && n == sizeof(slots); i++)
		if (slot_is_sound(slots[i]) &&
		    (newest == NULL ||
		     be64_load(slots[i] + SLOT_GENERATION) > be64_load(newest + SLOT_GENERATION)))
			newest = slots[i];
	if (newest == NULL)
		return;
	out->state_size = be64_load(newest + SLOT_SIZE);
	if (out->state_size > s->base.size)
		out->end = VERIFY_END_UNCLEAN; /* the rename of its checkpoint was lost */
	else if (out->state_size == s->base.size)
		out->end = (be32_load(newest + SLOT_FLAGS) & FLAG_CLEAN) != 0 ? VERIFY_END_CLEAN
									      : VERIFY_END_UNCLEAN;
}

static uint64_t segment_size(const struct ledger_source *s, uint64_t first)
{
	char name[SEGMENT_NAME_LEN + 1];
	uint64_t size;
	int fd;

	segment_name(name, first);
	fd = openat(s->entries_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	size = file_size(fd);
	fd_close(&fd);
	return size;
}

/* Bytes of entries above, and how many hashes say that there are whole ones. */
static int measure(struct ledger_source *s, struct verify_above *out, struct cht_err *err)
{
	uint64_t size = file_size(s->at.fd), next = s->segment_first + SEGMENT_ENTRIES;
	struct segment_list list;
	int r = segment_list(s->entries_fd, &list, err);

	if (r < 0)
		return r;
	if (s->at.fd >= 0 && size > s->at.offset)
		out->bytes = size - s->at.offset;
	if (s->at.fd < 0)
		next = list.first;
	for (; list.n > 0 && next <= list.last && has_segment(s, next); next += SEGMENT_ENTRIES)
		out->bytes += segment_size(s, next);
	if (list.n > 0 && next <= list.last) /* one that follows none */
		out->bytes += segment_size(s, list.last);
	for (unsigned level = 0; level < TLOG_LEVELS; level++) {
		uint64_t bytes = file_size(level_fd(s, level)), stored = bytes / TLOG_HASH_BYTES;
		uint64_t covered = s->base.size >> level * TLOG_TILE_BITS;

		if (stored > covered || (stored == covered && bytes % TLOG_HASH_BYTES != 0))
			out->has_hashes = true;
		if (level == 0 && stored > covered)
			out->entries = stored - covered;
	}
	return 0;
}

/* Sizes first, then the lock, then the checkpoint again: who ended in between had made one. */
static int look_above(struct source *source, struct verify_above *out, struct cht_err *err)
{
	struct ledger_source *s = of(source);
	struct cht_str now = { NULL, 0 };
	int r = measure(s, out, err);

	if (r < 0)
		return r;
	out->is_in_use = is_locked(s);
	read_state(s, out);
	r = source_read_text(s->base.dir_fd, "checkpoint", TLOG_NOTE_MAX_BYTES + 1, &now, err);
	if (r < 0)
		return r;
	out->has_newer = !str_eq(now, source->note);
	free((void *)(uintptr_t)now.ptr);
	return 0;
}

static const struct source_ops ops = { next_block, read_hashes, look_above, close_ledger };

static int open_parts(struct ledger_source *s, int dir_fd, struct cht_err *err)
{
	struct segment_list list = { 0 };
	struct cht_err absent;
	int r;

	s->base.dir_fd = fd_open_dir(dir_fd, ".", err);
	if (s->base.dir_fd < 0)
		return s->base.dir_fd;
	s->entries_fd = fd_open_dir(dir_fd, "entries", err);
	if (s->entries_fd < 0)
		return s->entries_fd;
	/* Listed before the checkpoint is read: what is pruned after it is then seen to go. */
	r = segment_list(s->entries_fd, &list, err);
	if (r < 0)
		return r;
	s->base.first = list.first - list.first % SEGMENT_ENTRIES;
	r = source_read_text(dir_fd, "checkpoint", TLOG_NOTE_MAX_BYTES + 1, &s->base.note, err);
	if (r >= 0)
		r = source_read_text(dir_fd, "vkey", VKEY_MAX, &s->base.hint, err);
	if (r < 0)
		return r;
	s->hashes_fd = fd_open_dir(dir_fd, "hashes", &absent);
	return 0;
}

int source_open_ledger(struct source **out, int dir_fd, struct cht_err *err)
{
	struct ledger_source *s = calloc(1, sizeof(*s));
	int r;

	if (s == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory to read a ledger");
	s->base.ops = &ops;
	s->base.form = VERIFY_OF_LEDGER;
	s->base.dir_fd = s->entries_fd = s->hashes_fd = s->at.fd = ABSENT;
	for (unsigned i = 0; i < TLOG_LEVELS; i++)
		s->level_fd[i] = ABSENT;
	r = open_parts(s, dir_fd, err);
	if (r < 0)
		source_close(&s->base);
	else
		*out = &s->base;
	return r;
}
