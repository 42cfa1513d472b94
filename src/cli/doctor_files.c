/* SPDX-License-Identifier: Apache-2.0 */
#include <cht/listener.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/program.h"
#include "base/text.h"
#include "cli/doctor.h"

enum { PATH_BYTES = 4096, SYNCS = 16, SYNC_BYTES = 4096 };

/* What a VMM can connect to: the address of a Unix socket, with its NUL. */
enum { VMM_PATH_MAX = sizeof(((struct sockaddr_un *)0)->sun_path) - 1 };

static void put_text(struct buf *text, const char *s)
{
	buf_put_str(text, str_of(s));
}

static bool is_text_too_long(int n, size_t cap)
{
	return n < 0 || (size_t)n >= cap;
}

DOCTOR_CHECK(config)
{
	if (d->conf_status < 0) {
		put_text(text, d->conf_err.text);
		return DOCTOR_FAIL;
	}
	put_text(text, d->file != NULL ? d->file : "no file");
	buf_put_lit(text, ": ");
	put_u64(text, d->conf.n_cells);
	buf_put_str(text, d->conf.n_cells == 1 ? STR(" cell") : STR(" cells"));
	if (d->conf.control != NULL) {
		buf_put_lit(text, ", others by control up to ");
		put_u64(text, d->conf.cells_max);
	}
	return DOCTOR_OK;
}

DOCTOR_CHECK(programs)
{
	static const char *const names[] = { "chtd", "cht-scribe", "cht-opener" };
	enum doctor_verdict verdict = DOCTOR_OK;

	(void)d; /* chtd starts with none of them missing */
	for (size_t i = 0; i < 3; i++) {
		char path[PATH_BYTES];
		bool is_there = program_find(path, sizeof(path), names[i], NULL) == 0;

		put_text(text, i > 0 ? ", " : "");
		put_text(text, is_there ? path : names[i]);
		put_text(text, is_there ? "" : " is not there");
		if (!is_there)
			verdict = DOCTOR_FAIL;
	}
	return verdict;
}

DOCTOR_CHECK(state)
{
	char path[PATH_BYTES];
	struct stat st;
	int n = snprintf(path, sizeof(path), "%s/ledger/origin", d->state);

	if (stat(d->state, &st) < 0) {
		doctor_put_errno(text, d->state);
		return DOCTOR_FAIL;
	}
	doctor_put_mode(text, d->state, &st);
	if (!S_ISDIR(st.st_mode)) {
		buf_put_lit(text, ", no directory");
		return DOCTOR_FAIL;
	}
	if (judge_directory(st.st_mode) != DOCTOR_OK) {
		buf_put_lit(text, ": others may take the ledger away");
		return DOCTOR_FAIL;
	}
	if (is_text_too_long(n, sizeof(path)) || stat(path, &st) < 0) {
		buf_put_str(text, errno == EACCES ? STR("; its ledger may not be read by this user")
						  : STR("; there is no ledger in it yet"));
		return DOCTOR_WARN;
	}
	return DOCTOR_OK;
}

DOCTOR_CHECK(space)
{
	struct statvfs fs;
	uint64_t free_bytes, all;

	if (statvfs(d->state, &fs) < 0) {
		doctor_put_errno(text, d->state);
		buf_put_lit(text, ": not measured");
		return DOCTOR_WARN;
	}
	free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	all = (uint64_t)fs.f_blocks * fs.f_frsize;
	put_u64(text, free_bytes >> 20);
	buf_put_lit(text, " MiB free of ");
	put_u64(text, all >> 20);
	buf_put_lit(text, " MiB; when it is full: on_full = ");
	put_text(text, d->conf.on_full != NULL ? d->conf.on_full : "stop");
	return judge_space(free_bytes, all);
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The median of some syncs of a file that has no name. */
static bool measure_sync(const char *dir, uint64_t *median, struct buf *text)
{
	static const uint8_t bytes[SYNC_BYTES];
	uint64_t took[SYNCS];
	int fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	bool is_done = fd >= 0;

	for (size_t i = 0; i < SYNCS && is_done; i++) {
		uint64_t before = clk_monotonic_ns();

		is_done = write(fd, bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes) &&
			  fdatasync(fd) == 0;
		took[i] = clk_monotonic_ns() - before;
	}
	if (!is_done)
		doctor_put_errno(text, dir);
	fd_close(&fd);
	if (!is_done)
		return false;
	qsort(took, SYNCS, sizeof(took[0]), by_value);
	*median = took[SYNCS / 2];
	return true;
}

DOCTOR_CHECK(sync)
{
	uint64_t ns;

	if (!measure_sync(d->state, &ns, text)) {
		buf_put_lit(text, ": not measured");
		return DOCTOR_WARN;
	}
	put_u64(text, ns / 1000);
	buf_put_lit(text, " us for fdatasync of 4 KiB, the median of 16; a commit has two");
	return judge_sync(ns);
}

static enum doctor_verdict look_at_key(const char *path, struct buf *text)
{
	struct stat st;

	if (lstat(path, &st) < 0) {
		doctor_put_errno(text, path);
		return errno == EACCES ? DOCTOR_OK : DOCTOR_FAIL;
	}
	doctor_put_mode(text, path, &st);
	if (!S_ISREG(st.st_mode)) {
		buf_put_lit(text, ", no regular file");
		return DOCTOR_FAIL;
	}
	return judge_key(st.st_mode);
}

DOCTOR_CHECK(keys)
{
	enum doctor_verdict one = DOCTOR_OK, two = DOCTOR_OK;
	char path[PATH_BYTES];
	struct stat st;
	int n = snprintf(path, sizeof(path), "%s/scribe/key.pem", d->state);

	if (d->conf.log_key_file != NULL) {
		one = look_at_key(d->conf.log_key_file, text);
	} else if (!is_text_too_long(n, sizeof(path)) &&
		   (lstat(path, &st) == 0 || errno == EACCES)) {
		one = look_at_key(path, text);
	} else {
		buf_put_lit(text, "the checkpoint key is in no file that is known here");
	}
	if (d->conf.sign_key_file != NULL) {
		buf_put_lit(text, "; ");
		two = look_at_key(d->conf.sign_key_file, text);
	}
	return one > two ? one : two;
}

/* The channel's socket; null: it has none, or a path that is too long for anything. */
static const char *socket_of(const struct conf_cell *cell, char *mem, size_t cap)
{
	int n;

	if (cell->cid != 0)
		return NULL;
	n = snprintf(mem, cap, "%s%s", cell->base != NULL ? cell->base : cell->path,
		     cell->base != NULL ? "_9001" : "");
	return is_text_too_long(n, cap) ? NULL : mem;
}

/* Whether the path begins with one of the roots; null: there are none to be below. */
static bool is_below(const char *roots, const char *path)
{
	const char *at = roots;
	struct cht_str root;

	while (at != NULL && (root = conf_next_word(&at)).len > 0) {
		size_t bare = root.ptr[root.len - 1] == '/' ? root.len - 1 : root.len;

		if (strncmp(root.ptr, path, bare) == 0 && path[bare] == '/')
			return true;
	}
	return roots == NULL;
}

/* The directory is there, and cht-opener may reach it. mem has the path; what is wrong, or null. */
static const char *look_at_socket(const struct doctor *d, char *mem)
{
	char *slash = strrchr(mem, '/');
	bool may_be = is_below(d->conf.opener_roots, mem);
	struct stat st;

	if (slash == NULL)
		return NULL;
	*slash = '\0';
	if (stat(*mem != '\0' ? mem : "/", &st) < 0 || !S_ISDIR(st.st_mode))
		return " is no directory that is there";
	return may_be ? NULL : " is below none of the roots in [opener]";
}

DOCTOR_CHECK(sockets)
{
	char mem[PATH_BYTES + 8];
	size_t n = 0;

	for (size_t i = 0; i < d->conf.n_cells; i++) {
		const char *wrong = NULL;

		if (socket_of(&d->conf.cells[i], mem, sizeof(mem)) != NULL) {
			wrong = look_at_socket(d, mem);
			n++;
		}
		if (wrong == NULL)
			continue;
		buf_put_lit(text, "cell ");
		put_text(text, d->conf.cells[i].id);
		buf_put_lit(text, ": ");
		put_text(text, mem);
		put_text(text, wrong);
		return DOCTOR_FAIL;
	}
	put_u64(text, n);
	buf_put_str(text, n == 1 ? STR(" configured socket") : STR(" configured sockets"));
	buf_put_str(text, n > 0 ? STR(": the directory of each is there") : STR(""));
	return DOCTOR_OK;
}

DOCTOR_CHECK(paths)
{
	char mem[PATH_BYTES + 8];
	const char *longest = NULL, *whose = "the control socket";
	size_t most = d->conf.control != NULL ? strlen(d->conf.control) : 0;

	for (size_t i = 0; i < d->conf.n_cells; i++) {
		const char *path = socket_of(&d->conf.cells[i], mem, sizeof(mem));

		if (path == NULL || strlen(path) <= most)
			continue;
		most = strlen(path);
		longest = d->conf.cells[i].id;
	}
	if (most == 0) {
		buf_put_lit(text, "no socket is configured");
		return DOCTOR_OK;
	}
	buf_put_lit(text, "the longest is that of ");
	put_text(text, longest != NULL ? "cell " : whose);
	put_text(text, longest != NULL ? longest : "");
	buf_put_lit(text, ": ");
	put_u64(text, most);
	buf_put_lit(text, " bytes");
	if (most <= VMM_PATH_MAX)
		return DOCTOR_OK;
	buf_put_lit(text, ", and a VMM connects to 107 at most");
	return DOCTOR_WARN;
}
