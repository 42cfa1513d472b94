/* SPDX-License-Identifier: Apache-2.0
 *
 * A directory of tiles: every file counts, to its last byte.
 */
#include "verify_util.h"

static void put_tile(const char *name, const void *bytes, size_t n)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "t/%s", name);
	for (char *slash = path; (slash = strchr(slash + 1, '/')) != NULL; *slash = '/') {
		*slash = '\0';
		(void)mkdir(made_path(path), 0755);
	}
	fd = open(made_path(path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	CHECK_INT(fd_write_all(fd, bytes, n, NULL), 0);
	fd_close(&fd);
}

/* A directory of tiles of 300 entries. */
enum { N_TILES = 6, TILED = 300 };
static const char *const tile_names[N_TILES] = {
	"checkpoint", "tile/entries/000", "tile/entries/001.p/44",
	"tile/0/000", "tile/0/001.p/44",  "tile/1/000.p/1"
};
static uint8_t tile_bytes[N_TILES][1 << 15];
static size_t tile_len[N_TILES];

static size_t slurp_all(const char *name, void *out)
{
	ssize_t n = fd_read_file(AT_FDCWD, made_path(name), out, sizeof(tile_bytes[0]), NULL);

	CHECK(n >= 0);
	return (size_t)n;
}

/* Moves what is behind the first n bytes of a file's content to the next one. */
static void part_tile(unsigned i, size_t n)
{
	tile_len[i + 1] = tile_len[i] - n;
	memcpy(tile_bytes[i + 1], tile_bytes[i] + n, tile_len[i + 1]);
	tile_len[i] = n;
}

static void make_tiles(void)
{
	struct made empty = { 0 };
	size_t first = 0;

	(void)nftw(made_path("t"), tree_remove_one, 8, FTW_DEPTH | FTW_PHYS);
	write_made(&empty);
	tree_open(made_dir);
	tree_grow(TILED);
	tree_close();
	tile_len[0] = slurp_all("ledger/checkpoint", tile_bytes[0]);
	tile_len[1] = slurp_all(first_segment, tile_bytes[1]);
	for (unsigned i = 0; i < TLOG_TILE_WIDTH; i++)
		first += 2 + (size_t)be16_load(tile_bytes[1] + first);
	part_tile(1, first);
	tile_len[3] = slurp_all("ledger/hashes/0", tile_bytes[3]);
	part_tile(3, (size_t)TLOG_TILE_WIDTH * TLOG_HASH_BYTES);
	tile_len[5] = slurp_all("ledger/hashes/1", tile_bytes[5]);
	for (unsigned i = 0; i < N_TILES; i++)
		put_tile(tile_names[i], tile_bytes[i], tile_len[i]);
}

static struct verify_report verify_tiles(const struct verify_trust *trust)
{
	static const struct verify_options tree = { .by_hash_alone = true };
	struct verify_report report;

	CHECK_INT(verify_path(made_path("t"), trust, &tree, &report, NULL), 0);
	CHECK_INT(report.form, VERIFY_OF_TILES);
	return report;
}

/* Each file in turn changed, cut, and one taken away. */
static void test_tiles_are_read_and_every_file_counts(void **state)
{
	struct verify_trust *trust = test_trust(false, false);
	struct verify_report report;

	(void)state;
	make_tiles();
	report = verify_tiles(trust);
	check_verdict(&report, 0);
	for (unsigned i = 0; i < N_TILES; i++) {
		check_row = tile_names[i];
		tile_bytes[i][tile_len[i] / 3] ^= 1;
		put_tile(tile_names[i], tile_bytes[i], tile_len[i]);
		report = verify_tiles(trust);
		check_verdict(&report, 11);
		tile_bytes[i][tile_len[i] / 3] ^= 1;
		put_tile(tile_names[i], tile_bytes[i], tile_len[i] - 1);
		report = verify_tiles(trust);
		check_verdict(&report, 11);
		put_tile(tile_names[i], tile_bytes[i], tile_len[i]);
	}
	check_row = "a bundle of entries in the middle of none";
	CHECK_INT(unlink(made_path("t/tile/entries/001.p/44")), 0);
	report = verify_tiles(trust);
	check_verdict(&report, 11);
	CHECK_INT(report.first.fault, VERIFY_MISSING);
	CHECK_INT(report.first.at.index, TLOG_TILE_WIDTH);
	verify_trust_free(trust);
}

/* Nothing stands behind the last entry or hash of a file, be it an entry or a hash itself. */
static void test_bytes_behind_a_tile_are_damage(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
	} behind[] = { { "x", 1 },
		       { "\0\2{}", 4 },
		       { "\0\2{}0123456789abcdef0123456789ab", TLOG_HASH_BYTES } };
	static const char *const places[N_TILES] = {
		"", "tile/entries/000", "tile/entries/001", "tile/0/000", "tile/0/001", "tile/1/000"
	};
	struct verify_trust *trust = test_trust(false, false);
	char place[VERIFY_PLACE_MAX];

	(void)state;
	make_tiles();
	for (unsigned i = 1; i < N_TILES; i++)
		for (size_t k = 0; k < sizeof(behind) / sizeof(behind[0]); k++) {
			bool is_hashes = i > 2;
			struct verify_report report;

			check_row = tile_names[i];
			memcpy(tile_bytes[i] + tile_len[i], behind[k].bytes, behind[k].n);
			put_tile(tile_names[i], tile_bytes[i], tile_len[i] + behind[k].n);
			report = verify_tiles(trust);
			check_verdict(&report, 11);
			CHECK_INT(report.first.fault, is_hashes ? VERIFY_HASHES : VERIFY_FRAMING);
			verify_place_name(report.form, &report.first.at, place);
			assert_string_equal(place, places[i]);
			put_tile(tile_names[i], tile_bytes[i], tile_len[i]);
		}
	verify_trust_free(trust);
}

/* The log went on: a tile is there in full, of which the checkpoint covers a part. */
static void test_a_full_tile_holds_256_and_nothing_else(void **state)
{
	static const char entry[] = "\0\2{}";
	struct verify_trust *trust = test_trust(false, false);
	struct verify_report report;

	(void)state;
	make_tiles();
	for (unsigned i = TILED; i < 2 * TLOG_TILE_WIDTH; i++, tile_len[2] += 4)
		memcpy(tile_bytes[2] + tile_len[2], entry, 4);
	put_tile("tile/entries/001", tile_bytes[2], tile_len[2]);
	memcpy(tile_bytes[3], tile_bytes[4], tile_len[4]);
	put_tile("tile/0/001", tile_bytes[3], tile_len[3]);
	report = verify_tiles(trust);
	check_verdict(&report, 0);
	for (int more = -5; more <= 4; more++) {
		size_t n = tile_len[2] + (size_t)more;
		char row[32];

		(void)snprintf(row, sizeof(row), "%d bytes more", more);
		check_row = row;
		memcpy(tile_bytes[2] + tile_len[2], entry, 4);
		put_tile("tile/entries/001", tile_bytes[2], n);
		report = verify_tiles(trust);
		check_verdict(&report, more == 0 ? 0 : 11);
		CHECK_INT(report.first.fault, more == 0 ? VERIFY_SOUND : VERIFY_FRAMING);
	}
	put_tile("tile/entries/001", tile_bytes[2], tile_len[2]);
	check_row = "hashes";
	put_tile("tile/0/001", tile_bytes[3], tile_len[3] + TLOG_HASH_BYTES);
	report = verify_tiles(trust);
	check_verdict(&report, 11);
	CHECK_INT(report.first.fault, VERIFY_HASHES);
	verify_trust_free(trust);
}

/* Links could show one tile in any number of places: a tree of a few files that has no end. */
static void test_no_link_is_followed(void **state)
{
	static const char *const links[] = { "t/tile",   "t/tile/entries",       "t/tile/0",
					     "t/tile/1", "t/tile/entries/001.p", "t/tile/0/000" };
	static const struct verify_options tree = { .by_hash_alone = true };
	struct verify_trust *trust = test_trust(false, false);
	struct verify_report report;

	(void)state;
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		char aside[256];

		check_row = links[i];
		make_tiles();
		(void)snprintf(aside, sizeof(aside), "%s", made_path("aside"));
		CHECK_INT(rename(made_path(links[i]), aside), 0);
		CHECK_INT(symlink(aside, made_path(links[i])), 0);
		CHECK_INT(verify_path(made_path("t"), trust, &tree, &report, NULL), CHT_E_IO);
		CHECK_INT(unlink(made_path(links[i])), 0);
		(void)nftw(aside, tree_remove_one, 8, FTW_DEPTH | FTW_PHYS);
	}
	verify_trust_free(trust);
}

static void test_tiles_without_a_checkpoint(void **state)
{
	char kept[256];
	const struct verify_options since = { .since = kept };
	struct verify_trust *trust = test_trust(false, false);
	struct verify_report report;

	(void)state;
	make_tiles();
	(void)snprintf(kept, sizeof(kept), "%s", made_path("kept"));
	CHECK_INT(rename(made_path("t/checkpoint"), kept), 0);
	for (unsigned way = 0; way < 2; way++) {
		check_row = way == 0 ? "removed" : "empty";
		report = verify_tiles(trust);
		check_verdict(&report, 12);
		CHECK_INT(verify_path(made_path("t"), trust, &since, &report, NULL), 0);
		check_verdict(&report, 11);
		CHECK_INT(report.first.fault, VERIFY_ROLLED_BACK);
		put_tile("checkpoint", "", 0);
	}
	CHECK_INT(unlink(kept), 0);
	verify_trust_free(trust);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tiles_are_read_and_every_file_counts),
		cmocka_unit_test(test_bytes_behind_a_tile_are_damage),
		cmocka_unit_test(test_a_full_tile_holds_256_and_nothing_else),
		cmocka_unit_test(test_no_link_is_followed),
		cmocka_unit_test(test_tiles_without_a_checkpoint),
	};

	return cmocka_run_group_tests_name("verify_tiles", tests, setup_made, teardown_made);
}
