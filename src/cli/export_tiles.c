/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "base/bytes.h"
#include "base/err.h"
#include "cli/cli.h"
#include "cli/export.h"

enum { PATH_BYTES = 128 };

static int open_tile(struct newfile *file, const struct newfile *dir, const struct tlog_tile *tile,
		     struct cht_err *err)
{
	char path[PATH_BYTES];
	struct buf b = buf_init(path, sizeof(path));

	tlog_tile_put_path(&b, tile);
	buf_put_byte(&b, '\0');
	return newfile_open_in(file, dir, path, err);
}

/* Tiles of hashes, each as it was held against the root. */
static int put_hashes(struct follow *f, const struct newfile *dir, struct export_counts *counts,
		      struct cht_err *err)
{
	static struct newfile file;

	for (unsigned level = 0; level < TLOG_LEVELS; level++) {
		struct tlog_tile tile = { .level = level };

		for (;; tile.n++) {
			const struct check_tile *held;
			int r;

			tile.width = tlog_tile_width(level, tile.n, f->view.size);
			if (tile.width == 0)
				break;
			r = ledger_check_tile(&f->check, &f->view, level, tile.n, &held, err);
			if (r == 0)
				r = open_tile(&file, dir, &tile, err);
			if (r < 0)
				return r;
			newfile_put(&file, held->hash, tile.width * sizeof(held->hash[0]));
			r = newfile_close(&file, err);
			if (r < 0)
				return r;
			counts->tiles++;
		}
	}
	return 0;
}

static int put_bundle(struct follow *f, const struct newfile *dir, struct tlog_tile *tile,
		      struct cht_err *err)
{
	static struct newfile file;
	int r = open_tile(&file, dir, tile, err);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < tile->width; i++) {
		struct cht_bytes entry;
		uint8_t length[2];

		r = follow_next(f, &entry, err);
		if (r == 1 && !f->is_faulty && f->reader.next - 1 != tile->n * TLOG_TILE_WIDTH + i)
			r = cht_fail(err, CHT_E_IO, 0,
				     "entries were removed while they were read: try again");
		if (r < 0 || f->is_faulty)
			break;
		be16_store(length, (uint16_t)entry.len);
		newfile_put(&file, length, sizeof(length));
		newfile_put(&file, entry.ptr, entry.len);
	}
	if (r < 0) {
		(void)!newfile_close(&file, NULL);
		return r;
	}
	r = newfile_close(&file, err);
	if (r == 0 && f->is_faulty)
		r = cht_fail(err, CHT_E_STATE, 0, "no tiles of a damaged ledger");
	return r;
}

int export_tiles(struct follow *f, struct newfile *dir, struct export_counts *counts,
		 struct cht_err *err)
{
	static struct newfile file;
	struct tlog_tile tile = { .is_entries = true };
	int r = put_hashes(f, dir, counts, err);

	/* What was removed is whole segments: a multiple of 256 entries. */
	for (tile.n = f->reader.next / TLOG_TILE_WIDTH; r == 0; tile.n++) {
		tile.width = tlog_tile_width(0, tile.n, f->view.size);
		if (tile.width == 0)
			break;
		r = put_bundle(f, dir, &tile, err);
		counts->entries += tile.width;
	}
	if (r == 0)
		r = newfile_open_in(&file, dir, "checkpoint", err);
	if (r < 0)
		return r;
	newfile_put(&file, f->view.note, f->view.note_len);
	return newfile_close(&file, err);
}
