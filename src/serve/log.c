/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "base/err.h"

int serve_log_pruned(uint64_t index, uint64_t first, struct cht_err *err)
{
	return cht_fail(err, CHT_E_CONFIG, 0,
			"entry %" PRIu64
			" was removed by retention; the first that is there is %" PRIu64,
			index, first);
}

void serve_log_tell(struct serve_log *log, const struct cht_err *err)
{
	if (err->code == CHT_E_CONFIG || log->fault.code != 0)
		return;
	if (!log->was_damage_told)
		diag_err(err);
	log->was_damage_told = true;
}

int serve_log_open(struct serve_log *log, const char *dir, struct cht_err *err)
{
	int r;

	memset(log, 0, sizeof(*log));
	log->dir = dir;
	log->reader = (struct ledger_reader)LEDGER_READER_NULL;
	r = ledger_view_open(&log->view, dir, err);
	if (r == 0)
		r = ledger_view_watch(&log->view, err);
	if (r >= 0)
		r = ledger_reader_open_view(&log->reader, &log->view, err);
	if (r < 0) {
		serve_log_close(log);
		return r;
	}
	serve_log_refresh(log);
	return 0;
}

void serve_log_close(struct serve_log *log)
{
	ledger_reader_close(&log->reader);
	ledger_view_close(&log->view);
}

/* A successor's ledger, or a restored one, has the name and not the inode. */
static bool is_replaced(const struct serve_log *log)
{
	struct stat ours, there;
	char path[4096];
	int n = snprintf(path, sizeof(path), "%s/ledger", log->dir);

	if (fstat(log->view.dir_fd, &ours) < 0 || n < 0 || (size_t)n >= sizeof(path))
		return false;
	if (stat(path, &there) < 0 && stat(log->dir, &there) < 0)
		return errno == ENOENT;
	return ours.st_dev != there.st_dev || ours.st_ino != there.st_ino;
}

void serve_log_refresh(struct serve_log *log)
{
	struct cht_err why = { 0 };
	int r;

	log->is_replaced = is_replaced(log);
	r = ledger_view_refresh(&log->view, &why);
	if (r >= 0)
		r = ledger_check_take(&log->check, &log->view, &why);
	if (r >= 0) {
		if (log->fault.code != 0)
			diag(DIAG_NOTICE, "the checkpoint of %" PRIu64 " entries holds",
			     log->check.size);
		log->fault = (struct cht_err){ 0 };
		return;
	}
	if (strcmp(log->fault.text, why.text) != 0)
		diag_err(&why);
	log->fault = why;
}

int serve_log_bundle(struct serve_log *log, uint64_t n, unsigned width, struct serve_bundle *out,
		     struct cht_err *err)
{
	struct tlog_source hashes = ledger_view_hashes(&log->view);
	uint64_t index = n * TLOG_TILE_WIDTH, offset;
	struct cht_bytes entry;
	int r;

	log->reader.limit = log->check.size;
	r = ledger_reader_goto(&log->reader, &hashes, index, err);
	if (r == 0)
		return serve_log_pruned(index, log->reader.next, err);
	offset = log->reader.offset;
	for (unsigned i = 0; i < width && r > 0; i++) {
		r = ledger_next(&log->reader, &entry, err);
		if (r > 0 && log->reader.next - 1 != index + i)
			return serve_log_pruned(index + i, log->reader.next - 1, err);
		if (r > 0 && ledger_check_entry(&log->check, &log->view, index + i, entry, err) < 0)
			r = CHT_E_STATE;
	}
	if (r < 0)
		return r;
	/* A bundle is within a segment, whose bytes stay what they are. */
	out->fd = fcntl(log->reader.segment_fd, F_DUPFD_CLOEXEC, 0);
	if (out->fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "no descriptor left");
	out->offset = offset;
	out->len = log->reader.offset - offset;
	return 0;
}
