/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "cli/cli.h"
#include "cli/runs.h"
#include "cli/tail_line.h"

/* More new entries than this are worth writing the cache anew; a file of more bytes, or of more
 * records than there are entries (head and digest are as long as these few), is not read. */
enum { WORTH_KEEPING = 4096, CACHE_MODE = 0640, HEAD_RECORDS = 4 };
#define CACHE_MAX_BYTES ((off_t)1 << 30)

/* STATE/cache, or -1: there is none, or this is the copy of a ledger alone. */
static int open_cache(const struct follow *f)
{
	struct stat mine, named;

	if (fstat(f->view.dir_fd, &mine) < 0 ||
	    fstatat(f->view.dir_fd, "../ledger", &named, AT_SYMLINK_NOFOLLOW) < 0 ||
	    mine.st_dev != named.st_dev || mine.st_ino != named.st_ino)
		return -1;
	return fd_open_dir(f->view.dir_fd, "../cache", NULL);
}

/* Whether this log's tree had that root at n. */
static bool is_root_at(struct follow *f, uint64_t n, const struct tlog_hash *root)
{
	struct tlog_source hashes = ledger_view_hashes(&f->view);
	struct tlog_hash mine;

	return n <= f->view.size && tlog_range_root(&hashes, 0, n, &mine) == 0 &&
	       tlog_hash_eq(&mine, root);
}

/* Fills *runs from the cache, or leaves it empty. */
static void read_cache(struct runs *runs, struct follow *f, int cache_fd)
{
	struct tlog_hash root;
	struct stat st;
	uint8_t *bytes;
	ssize_t n;

	if (fstatat(cache_fd, "runs", &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_size <= 0 ||
	    st.st_size > CACHE_MAX_BYTES ||
	    (uint64_t)st.st_size / RUN_RECORD_BYTES > f->view.size + HEAD_RECORDS)
		return;
	bytes = malloc((size_t)st.st_size);
	if (bytes == NULL)
		return;
	n = fd_read_file(cache_fd, "runs", bytes, (size_t)st.st_size, NULL);
	if (n > 0 &&
	    runs_read((struct cht_bytes){ bytes, (size_t)n }, str_of(f->view.origin), runs, &root,
		      NULL) == 0 &&
	    !is_root_at(f, runs->n, &root))
		runs_free(runs);
	free(bytes);
}

/* A cache that cannot be written is done without. */
static void write_cache(const struct runs *runs, struct follow *f, int cache_fd)
{
	struct tlog_source hashes = ledger_view_hashes(&f->view);
	struct cht_bytes bytes;
	struct tlog_hash root;

	if (tlog_range_root(&hashes, 0, runs->n, &root) < 0 ||
	    runs_write(runs, str_of(f->view.origin), &root, &bytes, NULL) < 0)
		return;
	(void)!fd_replace_file(cache_fd, "runs", CACHE_MODE, bytes, NULL);
	free((void *)(uintptr_t)bytes.ptr);
}

/* Reads the entries from runs->n on. */
static int extend(struct runs *runs, struct follow *f, struct cht_err *err)
{
	struct tlog_source hashes = ledger_view_hashes(&f->view);
	struct event_view event;
	struct cht_bytes entry;
	int r = 0;

	if (runs->n < f->view.size)
		r = ledger_reader_goto(&f->reader, &hashes, runs->n, err);
	if (r == CHT_E_STATE) {
		follow_fault(f, err);
		return 0;
	}
	while (r >= 0 && runs->n < f->view.size && (r = follow_next(f, &entry, err)) == 1 &&
	       !f->is_faulty) {
		if (tail_scan(entry, &event))
			r = runs_add(runs, &event, f->reader.next - 1, err);
		runs->n = f->reader.next;
	}
	return r < 0 ? r : 0;
}

int runs_load(struct runs *runs, struct follow *f, struct cht_err *err)
{
	int r, cache_fd = open_cache(f);
	uint64_t before;

	*runs = (struct runs){ 0 };
	if (cache_fd < 0)
		return 0;
	read_cache(runs, f, cache_fd);
	before = runs->n;
	r = extend(runs, f, err);
	if (r == 0 && !f->is_faulty && (before == 0 || runs->n - before >= WORTH_KEEPING))
		write_cache(runs, f, cache_fd);
	fd_close(&cache_fd);
	if (r < 0)
		runs_free(runs);
	return r < 0 ? r : 1;
}
