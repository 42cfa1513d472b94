/* SPDX-License-Identifier: Apache-2.0
 *
 * The small file `checkpoint` says where a ledger ends; all that is large is read on demand, by
 * place. What the writer replaces by rename is read whole from one inode.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "ledger/reader.h"

/* One line of a file without its LF. 1; 0: there is no such file. CHT_E_STATE, CHT_E_IO. */
static int read_line(int dir_fd, const char *name, char *out, size_t cap, struct cht_err *err)
{
	struct cht_err why = { 0 };
	ssize_t n = fd_read_file(dir_fd, name, out, cap, &why);

	if (n < 0 && why.sys == ENOENT)
		return 0;
	if (n < 0 && n != CHT_E_RANGE)
		return cht_fail(err, CHT_E_IO, why.sys, "read ledger/%s", name);
	if (n < 2 || memchr(out, '\n', (size_t)n) != out + n - 1 ||
	    memchr(out, '\0', (size_t)n) != NULL)
		return cht_fail(err, CHT_E_STATE, 0, "ledger damaged: %s is no line of text", name);
	out[n - 1] = '\0';
	return 1;
}

int ledger_view_open(struct ledger_view *view, const char *dir, struct cht_err *err)
{
	int r;

	memset(view, 0, sizeof(*view));
	view->watch_fd = -1;
	for (unsigned i = 0; i < TLOG_LEVELS; i++)
		view->level_fd[i] = -1;
	r = view->dir_fd = reader_find(dir, NULL, err);
	if (r >= 0)
		r = read_line(view->dir_fd, "vkey", view->vkey, sizeof(view->vkey), err);
	/* It is a hint: what it is worth is told by who uses it. */
	if (r == CHT_E_STATE)
		r = snprintf(view->vkey, sizeof(view->vkey), "?");
	else if (r == 0)
		view->vkey[0] = '\0';
	if (r >= 0)
		r = ledger_view_refresh(view, err);
	if (r < 0)
		ledger_view_close(view);
	return r < 0 ? r : 0;
}

void ledger_view_close(struct ledger_view *view)
{
	fd_close(&view->dir_fd);
	fd_close(&view->watch_fd);
	for (unsigned i = 0; i < TLOG_LEVELS; i++)
		fd_close(&view->level_fd[i]);
}

static int is_no_checkpoint(size_t at, struct cht_err *err)
{
	return cht_fail(err, CHT_E_STATE, 0,
			"ledger damaged: checkpoint, byte %zu: not as a log writes it", at);
}

/* Whether a checkpoint may follow the one of the view. */
static int check_follows(const struct ledger_view *view, const struct tlog_checkpoint *c,
			 struct cht_err *err)
{
	if (view->note_len == 0)
		return 0;
	if (!str_eq(c->origin, str_of(view->origin)))
		return cht_fail(err, CHT_E_STATE, 0,
				"ledger damaged: the checkpoint is of another log than before");
	if (c->size < view->size)
		return cht_fail(err, CHT_E_STATE, 0,
				"ledger damaged: the checkpoint went back from %" PRIu64
				" entries to %" PRIu64,
				view->size, c->size);
	if (c->size == view->size && !tlog_hash_eq(&c->root, &view->root))
		return cht_fail(err, CHT_E_STATE, 0,
				"ledger damaged: two checkpoints of %" PRIu64
				" entries with different roots",
				c->size);
	return 0;
}

static int check_origin(const struct ledger_view *view, struct cht_str origin, struct cht_err *err)
{
	char line[TLOG_NAME_MAX + 2];
	int r = read_line(view->dir_fd, "origin", line, sizeof(line), err);

	if (r < 0)
		return r;
	if (!tlog_is_name(origin) || (r == 1 && !str_eq(origin, str_of(line))))
		return cht_fail(err, CHT_E_STATE, 0,
				"ledger damaged: checkpoint and origin name different logs");
	return 0;
}

/* Takes over a note that is another than the view's. */
static int take_note(struct ledger_view *view, struct cht_str text, struct cht_err *err)
{
	struct tlog_checkpoint c;
	struct tlog_note note;
	size_t at = 0;
	int r;

	if (tlog_note_read(text, &note, &at) < 0 || tlog_checkpoint_read(note.text, &c, &at) < 0)
		return is_no_checkpoint(at, err);
	r = check_origin(view, c.origin, err);
	if (r == 0)
		r = check_follows(view, &c, err);
	if (r < 0)
		return r;
	memcpy(view->origin, c.origin.ptr, c.origin.len);
	view->origin[c.origin.len] = '\0';
	view->size = c.size;
	view->root = c.root;
	memcpy(view->note, text.ptr, text.len);
	view->note_len = text.len;
	return 1;
}

int ledger_view_refresh(struct ledger_view *view, struct cht_err *err)
{
	char text[TLOG_NOTE_MAX_BYTES];
	struct cht_err why = { 0 };
	ssize_t n = fd_read_file(view->dir_fd, "checkpoint", text, sizeof(text), &why);

	if (n == CHT_E_RANGE)
		return is_no_checkpoint(sizeof(text), err);
	if (n < 0 && why.sys != ENOENT)
		return cht_fail(err, CHT_E_IO, why.sys, "read ledger/checkpoint");
	if (n < 0 && view->note_len == 0)
		return 0;
	if (n < 0)
		return cht_fail(err, CHT_E_STATE, 0, "ledger damaged: checkpoint is gone");
	if (n > 0 && (size_t)n == view->note_len && memcmp(text, view->note, view->note_len) == 0)
		return 0;
	return take_note(view, (struct cht_str){ text, (size_t)n }, err);
}

int ledger_view_watch(struct ledger_view *view, struct cht_err *err)
{
	char path[64];
	int fd;

	if (view->watch_fd >= 0)
		return view->watch_fd;
	/* The directory that is open, not whatever bears its name by now. */
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", view->dir_fd);
	fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (fd < 0 ||
	    inotify_add_watch(fd, path, IN_MOVED_TO | IN_MOVE_SELF | IN_DELETE_SELF) < 0) {
		int sys = errno;

		fd_close(&fd);
		return cht_fail(err, CHT_E_IO, sys, "watch ledger/");
	}
	view->watch_fd = fd;
	return fd;
}

void ledger_view_clear(struct ledger_view *view)
{
	_Alignas(struct inotify_event) char events[4096];
	struct inotify_event event;
	ssize_t n;

	while ((n = read(view->watch_fd, events, sizeof(events))) > 0)
		for (size_t at = 0; (size_t)n - at >= sizeof(event);
		     at += sizeof(event) + event.len) {
			memcpy(&event, events + at, sizeof(event));
			view->is_moved |= (event.mask & IN_MOVE_SELF) != 0;
		}
}

static int open_level(struct ledger_view *view, unsigned level)
{
	char name[16];

	(void)snprintf(name, sizeof(name), "hashes/%u", level);
	view->level_fd[level] =
		openat(view->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (view->level_fd[level] >= 0)
		return 0;
	return cht_fail(&view->hashes_err, errno == ENOENT ? CHT_E_STATE : CHT_E_IO, errno,
			"open ledger/%s", name);
}

static int read_hashes(void *context, unsigned level, uint64_t first, size_t n,
		       struct tlog_hash *out)
{
	struct ledger_view *view = context;
	size_t have = 0, want = n * TLOG_HASH_BYTES;

	if (view->level_fd[level] < 0) {
		int r = open_level(view, level);

		if (r < 0)
			return r;
	}
	while (have < want) {
		ssize_t got = pread(view->level_fd[level], (uint8_t *)out + have, want - have,
				    (off_t)(first * TLOG_HASH_BYTES + have));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return cht_fail(&view->hashes_err, CHT_E_IO, errno, "read ledger/hashes/%u",
					level);
		if (got == 0)
			return cht_fail(&view->hashes_err, CHT_E_STATE, 0,
					"ledger damaged: hashes/%u ends before hash %" PRIu64,
					level, first + n - 1);
		have += (size_t)got;
	}
	return 0;
}

struct tlog_source ledger_view_hashes(struct ledger_view *view)
{
	return (struct tlog_source){ read_hashes, view };
}
