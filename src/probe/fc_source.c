/* SPDX-License-Identifier: Apache-2.0 */
/* A VMM writes a line in pieces, and into a FIFO that is full only some of them; into a file it
 * writes from the begin, whatever stands there. What a FIFO's end and a file's first bytes tell is
 * all that tells one VMM from the next. */
#include "probe/fc_source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/err.h"
#include "base/fd.h"

enum { PIECE = 16384, BUDGET = 8 * FC_LINE_MAX }; /* of one call */

void fc_source_init(struct fc_source *s, bool is_fifo)
{
	*s = (struct fc_source){ .fd = -1, .is_fifo = is_fifo };
}

static void forget_kept(struct fc_source *s)
{
	free(s->kept);
	s->kept = NULL;
	s->kept_len = 0;
	digest_free(s->digest);
	s->digest = NULL;
	s->long_bytes = 0;
}

/* A line was begun that nobody will end. */
static bool is_amid(const struct fc_source *s)
{
	return s->kept_len > 0 || s->digest != NULL;
}

void fc_source_close(struct fc_source *s)
{
	fd_close(&s->fd);
	forget_kept(s);
}

static int fail(struct fc_source *s, int code, int sys)
{
	s->n_cut += is_amid(s);
	fc_source_close(s);
	s->code = code;
	s->sys = sys;
	return code;
}

/* ---- what is given */

static void begin_file(struct fc_source *s, const struct stat *st)
{
	bool is_first = s->ino == 0;

	s->n_cut += is_amid(s);
	forget_kept(s);
	s->dev = st->st_dev;
	s->ino = st->st_ino;
	s->offset = s->line_at = s->stale_end = 0;
	s->head_len = 0;
	s->first_end = is_first && !s->is_fifo ? (uint64_t)st->st_size : 0;
	s->is_new = !is_first;
}

void fc_source_give(struct fc_source *s, int fd, int code, int sys, uint32_t pipe_bytes)
{
	struct stat st;

	if (fd < 0 && s->fd >= 0)
		return; /* its name is gone, and it is not */
	s->code = code;
	s->sys = sys;
	if (fd < 0)
		return;
	if (fstat(fd, &st) < 0 || (s->is_fifo ? !S_ISFIFO(st.st_mode) : !S_ISREG(st.st_mode))) {
		fd_close(&fd);
		s->code = s->fd < 0 ? CHT_E_PARSE : 0;
		return;
	}
	if (s->fd >= 0 && st.st_dev == s->dev && st.st_ino == s->ino) {
		fd_close(&fd);
		return;
	}
	fd_close(&s->fd);
	s->fd = fd;
	s->pipe_bytes = pipe_bytes;
	begin_file(s, &st);
}

/* ---- a file that is followed */

static void restart(struct fc_source *s, uint64_t stale_end)
{
	s->n_cut += is_amid(s);
	forget_kept(s);
	s->offset = s->line_at = s->first_end = 0;
	s->stale_end = stale_end;
	s->head_len = 0;
}

/* It shrank: somebody emptied it, and its writer goes on behind a hole. Its first bytes are others:
 * a new VMM writes it from its begin, over what stands there. */
static int look_at_file(struct fc_source *s)
{
	uint8_t head[FC_HEAD_BYTES];
	struct stat st;
	ssize_t n;

	if (fstat(s->fd, &st) < 0)
		return fail(s, CHT_E_IO, errno);
	if ((uint64_t)st.st_size < s->offset) {
		s->n_cut++;
		restart(s, 0);
	}
	n = pread(s->fd, head, sizeof(head), 0);
	if (n < 0)
		return fail(s, CHT_E_IO, errno);
	if (n < (ssize_t)sizeof(head))
		return 0;
	if (s->head_len > 0 && memcmp(head, s->head, sizeof(head)) != 0) {
		s->n_cut += (uint64_t)st.st_size > s->offset && s->stale_end == 0;
		restart(s, (uint64_t)st.st_size);
		s->is_new = true;
	}
	memcpy(s->head, head, sizeof(head));
	s->head_len = sizeof(head);
	return 0;
}

/* Only NULs: behind them, without reading them all. */
static void skip_hole(struct fc_source *s)
{
	off_t at = lseek(s->fd, (off_t)s->offset, SEEK_DATA);

	if (at > 0 && (uint64_t)at > s->offset)
		s->offset = (uint64_t)at;
}

bool fc_source_is_stale(const struct fc_source *s)
{
	return s->line_at < s->stale_end;
}

void fc_source_leave(struct fc_source *s)
{
	forget_kept(s);
	s->offset = s->line_at;
}

bool fc_source_take_new(struct fc_source *s)
{
	bool is_new = s->is_new;

	s->is_new = false;
	return is_new;
}

/* ---- lines */

/* How many bytes; 0: none now, errno is EAGAIN, or 0 at the end; below 0: it failed. */
static ssize_t read_some(struct fc_source *s, uint8_t *out, size_t cap)
{
	ssize_t n;

	cap = cap < PIECE ? cap : PIECE;
	do
		n = s->is_fifo ? read(s->fd, out, cap) : pread(s->fd, out, cap, (off_t)s->offset);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0)
		return fail(s, CHT_E_IO, errno);
	s->offset += (uint64_t)n;
	if (n == 0)
		errno = 0;
	return n;
}

static int keep(struct fc_source *s, const uint8_t *bytes, size_t n)
{
	if (n == 0)
		return 0;
	s->kept = malloc(n);
	if (s->kept == NULL) {
		s->n_cut++;
		return fail(s, CHT_E_NOMEM, ENOMEM);
	}
	memcpy(s->kept, bytes, n);
	s->kept_len = n;
	return 0;
}

static size_t take_kept(struct fc_source *s, uint8_t *room)
{
	size_t n = s->kept_len;

	if (n > 0)
		memcpy(room, s->kept, n);
	free(s->kept);
	s->kept = NULL;
	s->kept_len = 0;
	return n;
}

/* What does not fit the room: only its digest goes on. */
static int lengthen(struct fc_source *s, const uint8_t *bytes, size_t n)
{
	if (s->digest == NULL)
		s->digest = digest_new();
	if (s->digest == NULL) {
		s->n_cut++;
		return fail(s, CHT_E_NOMEM, ENOMEM);
	}
	digest_add(s->digest, (struct cht_bytes){ bytes, n });
	s->long_bytes += n;
	return 0;
}

/* NULs that a hole left before a line. */
static size_t count_nuls(const uint8_t *bytes, size_t n)
{
	size_t i = 0;

	while (i < n && bytes[i] == 0)
		i++;
	return i;
}

/* A line, or what there is of one: n bytes. */
static int give_line(struct fc_source *s, uint8_t *room, size_t n, struct fc_line *out, int found)
{
	size_t nuls;

	if (s->digest != NULL) {
		digest_add(s->digest, (struct cht_bytes){ room, n });
		digest_end(s->digest, out->sha256);
		s->digest = NULL;
		out->bytes = s->long_bytes + n;
		s->long_bytes = 0;
		return found == FC_LINE ? FC_LONG : found;
	}
	nuls = count_nuls(room, n);
	out->text = room + nuls;
	out->len = out->bytes = n - nuls;
	if (digest_sha256((struct cht_bytes){ out->text, out->len }, out->sha256, NULL) < 0)
		return fail(s, CHT_E_UNSUPPORTED, 0);
	return found;
}

/* Nothing more can be read now, and n bytes are no whole line. */
static int on_nothing(struct fc_source *s, uint8_t *room, size_t n, struct fc_line *out)
{
	struct stat st;

	if (!s->is_fifo) {
		s->line_at = s->offset - n;
		if (fc_source_is_stale(s)) {
			fc_source_leave(s); /* the rest of it may be older */
			return FC_NOTHING;
		}
		return keep(s, room, n) < 0 ? s->code : FC_NOTHING;
	}
	if (errno == EAGAIN) {
		s->has_writer = true;
		s->is_gone = false;
		return keep(s, room, n) < 0 ? s->code : FC_NOTHING;
	}
	if (n > 0 || s->digest != NULL)
		return give_line(s, room, n, out, FC_CUT);
	/* Another one may have been made under its name. */
	if (fstat(s->fd, &st) < 0 || st.st_nlink == 0)
		(void)fail(s, CHT_E_IO, ENOENT);
	if (!s->has_writer)
		return FC_NOTHING;
	s->has_writer = false;
	s->is_gone = s->is_new = true;
	return FC_ENDED;
}

/* A newline stands at len of the n bytes in room. */
static int on_line(struct fc_source *s, uint8_t *room, size_t len, size_t n, struct fc_line *out)
{
	size_t rest = n - len - 1;

	s->line_at = s->offset - n;
	out->is_old = s->line_at + len + 1 < s->first_end;
	if (keep(s, room + len + 1, rest) < 0)
		return s->code;
	return give_line(s, room, len, out, FC_LINE);
}

/* What there is of a line: without what only a hole left, and in the digest what has no room.
 * Returns how many bytes stay in the room. */
static int make_room(struct fc_source *s, uint8_t *room, size_t n)
{
	if (n > 0 && s->digest == NULL && count_nuls(room, n) == n) {
		if (!s->is_fifo)
			skip_hole(s);
		return 0;
	}
	if (n < FC_LINE_MAX)
		return (int)n;
	return lengthen(s, room, n) < 0 ? s->code : 0;
}

/* Where an older line may stand, what has no end yet is not kept, however long. */
static bool is_too_long_to_be_new(const struct fc_source *s, size_t n)
{
	return n == FC_LINE_MAX && s->offset - n < s->stale_end;
}

static int next_line(struct fc_source *s, uint8_t *room, struct fc_line *out)
{
	size_t n = take_kept(s, room), seen = 0, had = 0;

	while (had < BUDGET) {
		const uint8_t *end = memchr(room + seen, '\n', n - seen);
		ssize_t got;
		int left;

		if (end != NULL)
			return on_line(s, room, (size_t)(end - room), n, out);
		if (is_too_long_to_be_new(s, n))
			break;
		left = make_room(s, room, n);
		if (left < 0)
			return left;
		n = seen = (size_t)left;
		got = read_some(s, room + n, FC_LINE_MAX - n);
		if (got < 0)
			return s->code;
		if (got == 0)
			return on_nothing(s, room, n, out);
		had += (size_t)got;
		n += (size_t)got;
		s->has_writer = s->has_writer || s->is_fifo;
		s->is_gone = false;
	}
	errno = EAGAIN;
	return on_nothing(s, room, n, out);
}

int fc_source_next(struct fc_source *s, uint8_t *room, struct fc_line *out)
{
	int r = FC_LINE;

	*out = (struct fc_line){ .text = room };
	if (s->fd < 0)
		return s->code < 0 ? s->code : CHT_E_IO;
	if (!s->is_fifo)
		r = look_at_file(s);
	if (r < 0)
		return r;
	do
		r = next_line(s, room, out);
	while ((r == FC_LINE || r == FC_CUT) && out->len == 0 && out->bytes == 0 && s->fd >= 0);
	return r;
}
