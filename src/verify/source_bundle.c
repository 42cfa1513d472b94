/* SPDX-License-Identifier: Apache-2.0
 *
 * A bundle, read line by line (docs/PROTOCOL.ledger section 11). Each thing has one spelling and
 * nothing stands beside it, so that no byte of a bundle can be changed unseen.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/text.h"
#include "verify/source_entries.h"

enum {
	READ_BYTES = 1 << 18,
	LINE_MAX_BYTES = 2 * DECIMAL_MAX + 3 + (CHT_ENTRY_MAX_BYTES + 2) / 3 * 4,
	HASH_TEXT = 44,
};

_Static_assert(READ_BYTES > LINE_MAX_BYTES, "a line fits the buffer");

#define MAGIC "cht-bundle/1"

struct bundle_source {
	struct source base;
	int fd;
	uint64_t offset; /* in the file, of mem[at] */
	size_t at, len;  /* in mem */
	bool is_ended;   /* the last line was read */
	/* The last line, if it was a subtree and its right neighbour would make a larger one. */
	uint64_t half_lo, half_hi;
	char run_id[CHT_ATTRIBUTION_MAX + 1];
	struct cht_err head_err; /* why nothing can be read */
	char mem[READ_BYTES];
};

static struct bundle_source *of(struct source *source)
{
	return (struct bundle_source *)source;
}

static void close_bundle(struct source *source)
{
	fd_close(&of(source)->fd);
	free(source);
}

/* The next line without its newline, at most LINE_MAX_BYTES; it is not yet left behind. 1, 0 when
 * the file ends before its newline or the line is too long, CHT_E_IO. */
static int peek_line(struct bundle_source *s, struct cht_str *line, struct cht_err *err)
{
	for (;;) {
		const char *from = s->mem + s->at;
		const char *end = memchr(from, '\n', s->len - s->at);
		ssize_t n;

		if (end != NULL) {
			*line = (struct cht_str){ from, (size_t)(end - from) };
			return line->len <= LINE_MAX_BYTES;
		}
		if (s->len - s->at > LINE_MAX_BYTES)
			return 0;
		memmove(s->mem, from, s->len - s->at);
		s->len -= s->at;
		s->at = 0;
		n = entries_pread(s->fd, s->mem + s->len, READ_BYTES - s->len, s->offset + s->len,
				  err);
		if (n <= 0)
			return (int)n;
		s->len += (size_t)n;
	}
}

static void leave_line(struct bundle_source *s, struct cht_str line)
{
	s->at += line.len + 1;
	s->offset += line.len + 1;
}

static int broken(struct bundle_source *s, size_t at, const char *what, struct cht_err *err)
{
	return source_broken(&s->base, VERIFY_BUNDLE, s->offset + at, err, "%s", what);
}

/* Cuts a number off the front of *text, up to the mark that must follow it. */
static bool cut_number(struct cht_str *text, char mark, uint64_t *out)
{
	const char *end = memchr(text->ptr, mark, text->len);
	struct cht_str digits = { text->ptr, end != NULL ? (size_t)(end - text->ptr) : 0 };

	if (end == NULL || digits.len > DECIMAL_MAX || !read_u64(digits, UINT64_MAX, out))
		return false;
	text->ptr += digits.len + 1;
	text->len -= digits.len + 1;
	return true;
}

/* Whether an entry is written as it is; any other is written in base64. */
static bool is_plain(struct cht_bytes entry)
{
	return entry.len > 0 && entry.ptr[0] == '{' && memchr(entry.ptr, '\n', entry.len) == NULL;
}

/* Adds the entry that text spells to the block. Null, or what is wrong. */
static const char *take_entry(struct bundle_source *s, struct cht_str text, struct block *block)
{
	uint8_t *out = block->bytes + block->len;
	size_t len = text.len;

	if (text.len > 0 && text.ptr[0] == '{') {
		if (len > CHT_ENTRY_MAX_BYTES)
			return "an entry is too long";
		memcpy(out, text.ptr, len);
	} else {
		if (text.len < 2 || text.ptr[0] != '=')
			return "an entry begins with { or =";
		text = (struct cht_str){ text.ptr + 1, text.len - 1 };
		if (!read_base64(text, out, CHT_ENTRY_MAX_BYTES, &len) || len == 0)
			return "no base64 of an entry";
		if (is_plain((struct cht_bytes){ out, len }))
			return "an entry in base64 that is to be written as it is";
	}
	block->item[block->n++] = (struct block_item){ .at = (uint32_t)block->len,
						       .len = (uint32_t)len,
						       .offset = s->offset };
	block->len += len;
	return NULL;
}

/* [lo, hi) and its root, from behind "<lo>-". Null, or what is wrong. */
static const char *take_subtree(struct bundle_source *s, uint64_t lo, struct cht_str text,
				struct block *block)
{
	uint64_t hi, n;
	size_t len;

	if (!cut_number(&text, ' ', &hi) || hi <= lo)
		return "no range of entries";
	n = hi - lo;
	if ((n & (n - 1)) != 0 || lo % n != 0 || lo != s->base.next || hi > s->base.size)
		return "no complete subtree that can stand here";
	if (s->half_hi == lo && lo - s->half_lo == n && lo / n % 2 == 1)
		return "a subtree that should stand in a larger one";
	if (text.len != HASH_TEXT ||
	    !read_base64(text, block->root.b, sizeof(block->root.b), &len) ||
	    len != sizeof(block->root.b))
		return "no base64 of a hash";
	s->half_lo = lo;
	s->half_hi = hi;
	block->kind = BLOCK_SUBTREE;
	block->k = (unsigned)__builtin_ctzll(n);
	s->base.next = hi;
	return NULL;
}

/* One line into the block. 1: taken. 0: it belongs to the next block. */
static int take_line(struct bundle_source *s, struct cht_str line, struct block *block,
		     struct cht_err *err)
{
	struct cht_str text = line;
	const char *why;
	uint64_t index;

	if (memchr(line.ptr, ' ', line.len) == NULL)
		return broken(s, 0, "no line of a bundle", err);
	if (!cut_number(&text, ' ', &index)) {
		if (block->n > 0)
			return 0;
		text = line;
		if (!cut_number(&text, '-', &index))
			return broken(s, 0, "a line begins with an index", err);
		why = take_subtree(s, index, text, block);
		return why == NULL ? 1 : broken(s, 0, why, err);
	}
	if (index != s->base.next)
		return broken(s, 0, "entries do not follow each other", err);
	why = take_entry(s, text, block);
	if (why != NULL)
		return broken(s, (size_t)(text.ptr - line.ptr), why, err);
	s->base.next++;
	return 1;
}

/* "end" and the end. */
static int take_end(struct bundle_source *s, struct cht_err *err)
{
	struct cht_str line;
	int r = peek_line(s, &line, err);

	if (r < 0)
		return r;
	if (r == 0 || !str_eq(line, STR("end")))
		return broken(s, 0, "the line \"end\" is to stand here", err);
	leave_line(s, line);
	r = peek_line(s, &line, err);
	if (r < 0)
		return r;
	if (r == 1 || s->len > s->at)
		return broken(s, 0, "bytes behind the end", err);
	s->is_ended = true;
	return 0;
}

static bool is_full(const struct bundle_source *s, const struct block *block)
{
	return block->kind == BLOCK_SUBTREE || s->base.next == s->base.size ||
	       s->base.next % BLOCK_ENTRIES_MAX == 0 ||
	       BLOCK_BYTES - block->len < CHT_ENTRY_MAX_BYTES;
}

static int next_block(struct source *source, struct block *block, struct cht_err *err)
{
	struct bundle_source *s = of(source);
	struct cht_str line;
	int r;

	if (source->next >= source->size)
		return s->is_ended ? 0 : take_end(s, err);
	block->kind = BLOCK_ENTRIES;
	block->first = source->next;
	block->n = 0;
	block->len = 0;
	block->file_first = 0;
	do {
		r = peek_line(s, &line, err);
		if (r == 0)
			r = broken(s, 0, "the bundle ends here, or a line is too long", err);
		else if (r == 1)
			r = take_line(s, line, block, err);
		/* What stands before a fault is looked at first; the fault is found once more. */
		if (r <= 0)
			return block->n > 0 && (r == 0 || r == CHT_E_STATE) ? 1 : r;
		leave_line(s, line);
	} while (!is_full(s, block));
	return 1;
}

/* Reads lines up to an empty one, and appends them to b with it when asked. False: none came. */
static int copy_lines(struct bundle_source *s, struct buf *b, bool with_empty, struct cht_err *err)
{
	struct cht_str line;
	int r;

	do {
		r = peek_line(s, &line, err);
		if (r < 0)
			return r;
		if (r == 0 || b->full)
			return broken(s, 0, "the checkpoint has no end", err);
		leave_line(s, line);
		if (line.len == 0 && !with_empty)
			break;
		buf_put_str(b, line);
		buf_put_byte(b, '\n');
	} while (line.len > 0);
	return 0;
}

static int read_run(struct bundle_source *s, struct cht_str line, struct cht_err *err)
{
	struct cht_str id = { line.ptr + 4, line.len - 4 };

	if (!str_starts(line, STR("run ")))
		return broken(s, 0, "a run or an empty line is to stand here", err);
	if (id.len == 0 || id.len > CHT_ATTRIBUTION_MAX || memchr(id.ptr, '\0', id.len) != NULL)
		return broken(s, 4, "no run id", err);
	memcpy(s->run_id, id.ptr, id.len);
	s->base.run_id = s->run_id;
	leave_line(s, line);
	return 0;
}

/* What stands between the first line and the checkpoint. */
static int read_preamble(struct bundle_source *s, struct cht_err *err)
{
	struct cht_str line;
	int r = peek_line(s, &line, err);

	if (r == 1 && line.len > 0) {
		r = read_run(s, line, err);
		if (r == 0)
			r = peek_line(s, &line, err);
	}
	if (r < 0)
		return r;
	if (r == 0 || line.len > 0)
		return broken(s, 0, "an empty line is to stand here", err);
	leave_line(s, line);
	return 0;
}

static int read_head(struct bundle_source *s, struct cht_err *err)
{
	char *note = malloc(TLOG_NOTE_MAX_BYTES + 1);
	struct buf b = buf_init(note, note != NULL ? TLOG_NOTE_MAX_BYTES + 1 : 0);
	int r;

	if (note == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for a checkpoint");
	s->base.note.ptr = note;
	r = read_preamble(s, err);
	if (r == 0)
		r = copy_lines(s, &b, true, err);
	if (r == 0)
		r = copy_lines(s, &b, false, err);
	if (r == 0)
		s->base.note.len = buf_len(&b);
	return r;
}

/* In place of the entries, when already what stands before them was damaged. */
static int next_is_broken(struct source *source, struct block *block, struct cht_err *err)
{
	(void)block;
	if (err != NULL)
		*err = of(source)->head_err;
	return CHT_E_STATE;
}

static const struct source_ops ops = { next_block, NULL, NULL, close_bundle };
static const struct source_ops ops_of_broken = { next_is_broken, NULL, NULL, close_bundle };

static int read_magic(struct bundle_source *s, const char *path, struct cht_err *err)
{
	struct cht_str line;
	int r = peek_line(s, &line, err);

	if (r < 0)
		return r;
	if (r == 1 && !str_eq(line, STR(MAGIC)) && str_starts(line, STR("cht-bundle/")))
		return cht_fail(err, CHT_E_VERSION, 0, "%s: a bundle of another version than 1",
				path);
	if (r == 0 || !str_eq(line, STR(MAGIC)))
		return cht_fail(err, CHT_E_CONFIG, 0, "%s is no bundle: its first line is not %s",
				path, MAGIC);
	leave_line(s, line);
	return 0;
}

int source_open_bundle(struct source **out, const char *path, struct cht_err *err)
{
	struct bundle_source *s = calloc(1, sizeof(*s));
	int r;

	if (s == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory to read a bundle");
	s->base.ops = &ops;
	s->base.form = VERIFY_OF_BUNDLE;
	s->base.dir_fd = -1;
	s->base.place.part = VERIFY_IN_BUNDLE;
	s->fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	r = s->fd < 0 ? cht_fail(err, CHT_E_IO, errno, "open %s", path) : read_magic(s, path, err);
	if (r == 0) {
		r = read_head(s, &s->head_err);
		if (r == CHT_E_STATE) {
			s->base.ops = &ops_of_broken;
			r = 0;
		} else if (r < 0 && err != NULL) {
			*err = s->head_err;
		}
	}
	if (r < 0)
		source_close(&s->base);
	else
		*out = &s->base;
	return r;
}
