/* SPDX-License-Identifier: Apache-2.0
 *
 * A directory in the layout of C2SP tlog-tiles: `checkpoint`, and bundles of entries and tiles of
 * hashes below tile/. A tile may be there in full where the checkpoint's tree has a part of it: the
 * log went on. No file holds a byte more than its tile: nothing would vouch for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "verify/source_entries.h"

enum { PATH_MAX_BYTES = 64 };

struct tiles_source {
	struct source base;
	struct entries at; /* in the bundle of base.next */
	unsigned at_width; /* entries that this bundle is to hold */
};

static struct tiles_source *of(struct source *source)
{
	return (struct tiles_source *)source;
}

static void close_tiles(struct source *source)
{
	fd_close(&of(source)->at.fd);
	fd_close(&source->dir_fd);
	free(source);
}

/* No link is followed, not on the way either: a few files could then show a tree without end. -1
 * with errno. */
static int open_path(const struct tiles_source *s, const struct tlog_tile *tile)
{
	char path[PATH_MAX_BYTES], *name = path, *slash;
	struct buf b = buf_init(path, sizeof(path) - 1);
	int fd = s->base.dir_fd, above = -1;

	tlog_tile_put_path(&b, tile);
	path[buf_len(&b)] = '\0';
	for (; fd >= 0 && name != NULL; name = slash) {
		int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, sys;

		slash = strchr(name, '/');
		if (slash != NULL) {
			*slash++ = '\0';
			flags |= O_DIRECTORY;
		}
		fd = openat(fd, name, flags);
		sys = errno;
		fd_close(&above);
		above = slash != NULL ? fd : -1;
		errno = sys;
	}
	return fd;
}

/* The whole tile, or else the part that is in the checkpoint's tree, and sets its width; -1 with
 * errno. */
static int open_tile(const struct tiles_source *s, struct tlog_tile *tile)
{
	unsigned width = tlog_tile_width(tile->level, tile->n, s->base.size);
	int fd;

	tile->width = TLOG_TILE_WIDTH;
	fd = open_path(s, tile);
	if (fd >= 0 || errno != ENOENT || width == 0 || width == TLOG_TILE_WIDTH)
		return fd;
	tile->width = width;
	return open_path(s, tile);
}

static int read_hashes(struct source *source, unsigned level, uint64_t first, size_t n,
		       struct tlog_hash *out, struct cht_err *err)
{
	struct tlog_tile tile = { .level = level, .n = first / TLOG_TILE_WIDTH };
	int fd = open_tile(of(source), &tile);
	struct stat st;
	ssize_t got;

	if (fd < 0 && errno == ENOENT)
		return CHT_E_STATE;
	if (fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "open a tile of level %u", level);
	if (fstat(fd, &st) == 0 && (uint64_t)st.st_size != tile.width * sizeof(*out))
		got = 0;
	else
		got = entries_pread(fd, out, n * sizeof(*out),
				    first % TLOG_TILE_WIDTH * sizeof(*out), err);
	fd_close(&fd);
	if (got < 0)
		return (int)got;
	return (size_t)got == n * sizeof(*out) ? 0 : CHT_E_STATE;
}

static int next_hashes(struct source *source, struct block *block, unsigned n, struct cht_err *err)
{
	int r = read_hashes(source, 0, source->next, n, block->leaf, err);

	if (r == CHT_E_STATE) {
		source->place.part = VERIFY_IN_HASHES;
		return source_broken(
			source, VERIFY_MISSING, source->next % TLOG_TILE_WIDTH * TLOG_HASH_BYTES,
			err, "neither entry %" PRIu64 " nor its hash is there", source->next);
	}
	if (r < 0)
		return r;
	block->kind = BLOCK_HASHES;
	block->n = n;
	source->next += n;
	return 1;
}

/* Bundles are there from some index on: what is missing below the first is left out. */
static int enter_bundle(struct tiles_source *s, struct cht_err *err)
{
	struct tlog_tile tile = { .is_entries = true, .n = s->base.next / TLOG_TILE_WIDTH };

	s->at.fd = open_tile(s, &tile);
	s->at.offset = 0;
	s->at_width = tile.width;
	if (s->at.fd >= 0)
		return 1;
	if (errno != ENOENT)
		return cht_fail(err, CHT_E_IO, errno, "open a bundle of entries");
	if (s->base.next > s->base.first)
		return source_broken(&s->base, VERIFY_MISSING, 0, err,
				     "the bundle of entries is not there");
	return 0;
}

/* Whether the bundle ends behind n more entries, which are above the checkpoint: nothing but their
 * lengths can be asked of them. 1, 0, CHT_E_IO. */
static int ends_behind(const struct entries *at, unsigned n, struct cht_err *err)
{
	uint64_t offset = at->offset;
	struct stat st;

	if (fstat(at->fd, &st) < 0)
		return cht_fail(err, CHT_E_IO, errno, "stat a bundle of entries");
	for (; n > 0; n--) {
		uint8_t head[ENTRIES_LENGTH_BYTES];
		ssize_t got = entries_pread(at->fd, head, sizeof(head), offset, err);
		unsigned len;

		if (got < 0)
			return (int)got;
		len = got == sizeof(head) ? be16_load(head) : 0;
		if (len == 0 || len > CHT_ENTRY_MAX_BYTES)
			return 0;
		offset += sizeof(head) + len;
	}
	return offset == (uint64_t)st.st_size;
}

/* All that the checkpoint covers of the bundle was given. */
static int leave_bundle(struct tiles_source *s, struct cht_err *err)
{
	uint64_t last = s->base.next - 1;
	int r = ends_behind(&s->at, s->at_width - 1 - (unsigned)(last % TLOG_TILE_WIDTH), err);

	if (r == 0) {
		r = source_broken(&s->base, VERIFY_FRAMING, s->at.offset, err,
				  "the bundle does not end behind its %u entries", s->at_width);
		s->base.place.index = last; /* it is this one's bundle */
	}
	fd_close(&s->at.fd);
	return r < 0 ? r : 0;
}

static int bad_end(struct tiles_source *s, enum entries_end end, struct cht_err *err)
{
	return source_broken(&s->base, end == ENTRIES_BAD ? VERIFY_FRAMING : VERIFY_CUT,
			     s->at.offset, err,
			     end == ENTRIES_BAD    ? "no entry can stand here"
			     : end == ENTRIES_TORN ? "the bundle ends inside an entry"
						   : "the bundle ends here");
}

static int next_block(struct source *source, struct block *block, struct cht_err *err)
{
	struct tiles_source *s = of(source);
	uint64_t want = TLOG_TILE_WIDTH - source->next % TLOG_TILE_WIDTH;
	int r = 1;

	if (s->at.fd >= 0 && (want == TLOG_TILE_WIDTH || source->next >= source->size))
		r = leave_bundle(s, err);
	if (r < 0 || source->next >= source->size)
		return r < 0 ? r : 0;
	if (want > source->size - source->next)
		want = source->size - source->next;
	block->first = block->file_first = source->place.file_first = source->next;
	if (s->at.fd < 0)
		r = enter_bundle(s, err);
	if (r < 0)
		return r;
	if (r == 0) {
		source->first = source->next + want;
		return next_hashes(source, block, (unsigned)want, err);
	}
	r = entries_fill(&s->at, (unsigned)want, block, err);
	if (r < 0)
		return r;
	if (r != ENTRIES_MORE)
		return bad_end(s, (enum entries_end)r, err);
	block->kind = BLOCK_ENTRIES;
	source->next += block->n;
	return 1;
}

static const struct source_ops ops = { next_block, read_hashes, NULL, close_tiles };

int source_open_tiles(struct source **out, int dir_fd, struct cht_err *err)
{
	struct tiles_source *s = calloc(1, sizeof(*s));
	int r = 0;

	if (s == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory to read tiles");
	s->base.ops = &ops;
	s->base.form = VERIFY_OF_TILES;
	s->at.fd = -1;
	s->base.dir_fd = fd_open_dir(dir_fd, ".", err);
	if (s->base.dir_fd < 0)
		r = s->base.dir_fd;
	if (r == 0)
		r = source_read_text(dir_fd, "checkpoint", TLOG_NOTE_MAX_BYTES + 1, &s->base.note,
				     err);
	if (r < 0)
		source_close(&s->base);
	else
		*out = &s->base;
	return r < 0 ? r : 0;
}
