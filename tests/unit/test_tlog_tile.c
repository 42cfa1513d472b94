/* SPDX-License-Identifier: Apache-2.0
 *
 * Paths and widths of tiles, with the examples of C2SP tlog-tiles (github:C2SP/C2SP, CC BY 4.0).
 */
#include "check.h"

#include "tlog/tlog.h"

enum { ENTRIES = 99 }; /* in a level's column */

static const struct {
	const char *path;
	unsigned level;
	uint64_t n;
	unsigned width;
} good[] = {
	{ "tile/0/x001/x234/067", 0, 1234067, 256 },
	{ "tile/0/000", 0, 0, 256 },
	{ "tile/0/000.p/1", 0, 0, 1 },
	{ "tile/0/273.p/112", 0, 273, 112 },
	{ "tile/1/001.p/17", 1, 1, 17 },
	{ "tile/2/000.p/1", 2, 0, 1 },
	{ "tile/0/999", 0, 999, 256 },
	{ "tile/0/x001/000", 0, 1000, 256 },
	{ "tile/3/x999/999.p/255", 3, 999999, 255 },
	{ "tile/entries/x001/x234/067", ENTRIES, 1234067, 256 },
	{ "tile/entries/000.p/99", ENTRIES, 0, 99 },
	{ "tile/7/000.p/127", 7, 0, 127 },
	{ "tile/0/x036/x028/x797/x018/x963/966", 0, UINT64_C(36028797018963966), 256 },
	{ "tile/0/x036/x028/x797/x018/x963/967.p/255", 0, UINT64_C(36028797018963967), 255 },
};

static void test_paths_go_both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		bool is_entries = good[i].level == ENTRIES;
		struct tlog_tile tile = { .level = is_entries ? 0 : good[i].level,
					  .is_entries = is_entries,
					  .n = good[i].n,
					  .width = good[i].width };
		struct tlog_tile got;
		char mem[64];
		struct buf b = buf_init(mem, sizeof(mem));

		check_row = good[i].path;
		tlog_tile_put_path(&b, &tile);
		CHECK_STR(((struct cht_str){ mem, buf_len(&b) }), good[i].path);
		CHECK(tlog_tile_read_path(str_of(good[i].path), &got));
		CHECK(got.level == tile.level && got.is_entries == is_entries && got.n == tile.n &&
		      got.width == tile.width);
		for (size_t cap = 0; cap < strlen(good[i].path); cap++) {
			b = buf_init(mem, cap);
			tlog_tile_put_path(&b, &tile);
			CHECK(b.full);
		}
	}
}

static const char *const bad[] = {
	"",
	"tile",
	"tile/",
	"tile/0",
	"tile/0/",
	"tile/0/0",
	"tile/0/00",
	"tile/0/0000",
	"tile/0/000/",
	"tile/0/000 ",
	"tile/0/00a",
	"tile/0/-01",
	"tile/0/+01",
	"tile/00/000",
	"tile/8/000",
	"tile/63/000",
	"tile/a/000",
	"tile//000",
	"tile/-1/000",
	"Tile/0/000",
	"/tile/0/000",
	"tile/0/x000/001", /* leading groups of nothing */
	"tile/0/x001",
	"tile/0/x001/x234",
	"tile/0/x001/234/067",
	"tile/0/001/234",
	"tile/0/X001/234",
	"tile/0/x01/234",
	"tile/0/x1000/234",
	"tile/0/000.p",
	"tile/0/000.p/",
	"tile/0/000.p/0",
	"tile/0/000.p/01",
	"tile/0/000.p/256",
	"tile/0/000.p/257",
	"tile/0/000.p/999",
	"tile/0/000.p/1000",
	"tile/0/000.p/1/",
	"tile/0/000.p/x01",
	"tile/0/000.P/1",
	"tile/entries/",
	"tile/entries/0/000",
	"tile/entries000",
	"tile/Entries/000",
	/* Beyond any tree of 2^63 - 1 leaves, or of 2^64. */
	"tile/0/x036/x028/x797/x018/x963/967",
	"tile/0/x036/x028/x797/x018/x963/968.p/1",
	"tile/0/x999/x999/x999/x999/x999/x999/999",
	"tile/0/x018/x446/x744/x073/x709/x551/616",
	"tile/0/x001/x000/x000/x000/x000/x000/x000/000",
	"tile/7/000",
	"tile/7/000.p/128",
	"tile/7/001.p/1",
};

static void test_other_spellings_are_refused(void **state)
{
	struct tlog_tile tile;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		check_row = bad[i];
		CHECK(!tlog_tile_read_path(str_of(bad[i]), &tile));
	}
	check_row = "a NUL";
	CHECK(!tlog_tile_read_path((struct cht_str){ "tile/0/000\0", 11 }, &tile));
}

/* A prefix may be another tile's path, never one that runs over its end. */
static void test_every_prefix_is_judged_by_itself(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		size_t n = strlen(good[i].path);

		check_row = good[i].path;
		for (size_t cut = 0; cut < n; cut++) {
			char *exact = malloc(cut + (cut == 0)), mem[64];
			struct buf b = buf_init(mem, sizeof(mem));
			struct tlog_tile tile;

			assert_non_null(exact);
			memcpy(exact, good[i].path, cut);
			if (tlog_tile_read_path((struct cht_str){ exact, cut }, &tile)) {
				tlog_tile_put_path(&b, &tile);
				CHECK_STRS(((struct cht_str){ mem, buf_len(&b) }),
					   ((struct cht_str){ exact, cut }));
			}
			free(exact);
		}
	}
}

static void test_widths_of_the_specification(void **state)
{
	(void)state;
	/* "A tree of size 70,000 ..." */
	CHECK_INT(tlog_tile_width(0, 272, 70000), 256);
	CHECK_INT(tlog_tile_width(0, 273, 70000), 112);
	CHECK_INT(tlog_tile_width(0, 274, 70000), 0);
	CHECK_INT(tlog_tile_width(1, 0, 70000), 256);
	CHECK_INT(tlog_tile_width(1, 1, 70000), 17);
	CHECK_INT(tlog_tile_width(1, 2, 70000), 0);
	CHECK_INT(tlog_tile_width(2, 0, 70000), 1);
	CHECK_INT(tlog_tile_width(3, 0, 70000), 0);
	/* "... a tree of size 256 ..." */
	CHECK_INT(tlog_tile_width(0, 0, 256), 256);
	CHECK_INT(tlog_tile_width(0, 1, 256), 0);
	CHECK_INT(tlog_tile_width(1, 0, 256), 1);
	CHECK_INT(tlog_tile_width(0, 0, 0), 0);
	CHECK_INT(tlog_tile_width(0, UINT64_MAX, 70000), 0);
	CHECK_INT(tlog_tile_width(7, 0, TLOG_SIZE_MAX), 127);
	CHECK_INT(tlog_tile_width(8, 0, TLOG_SIZE_MAX), 0);
	CHECK_INT(tlog_tile_width(UINT32_MAX, 0, TLOG_SIZE_MAX), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths_go_both_ways),
		cmocka_unit_test(test_other_spellings_are_refused),
		cmocka_unit_test(test_every_prefix_is_judged_by_itself),
		cmocka_unit_test(test_widths_of_the_specification),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
