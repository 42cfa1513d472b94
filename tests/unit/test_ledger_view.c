/* SPDX-License-Identifier: Apache-2.0 */
#include "tree_util.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/fsuid.h>

#include "base/fd.h"
#include "ledger/read.h"

static struct ledger_view view;

static void open_view(void)
{
	struct cht_err err = { 0 };

	if (ledger_view_open(&view, tree_log.state, &err) != 0) {
		fprintf(stderr, "view: %s\n", err.text);
		fail();
	}
}

static void test_a_view_says_what_the_checkpoint_says(void **state)
{
	const char *const places[] = { "", "ledger" };
	struct tlog_vkey vkey;
	struct tlog_hash root;

	(void)state;
	open_view();
	CHECK_INT(view.size, 0);
	CHECK_INT(view.note_len, 0);
	ledger_view_close(&view);
	tree_grow(300);
	tlog_tree_root(&tree_log.tree, &root);
	for (size_t i = 0; i < 2; i++) {
		CHECK_INT(ledger_view_open(&view, tree_path(places[i]), NULL), 0);
		CHECK_INT(view.size, 300);
		CHECK(tlog_hash_eq(&view.root, &root));
		CHECK_STR(str_of(view.origin), TREE_ORIGIN);
		CHECK(tlog_vkey_read(str_of(view.vkey), &vkey, NULL));
		CHECK_INT(view.note[view.note_len - 1], '\n');
		CHECK_INT(ledger_view_refresh(&view, NULL), 0);
		ledger_view_close(&view);
		ledger_view_close(&view);
	}
	CHECK_INT(ledger_view_open(&view, tree_path("ledger/hashes"), NULL), CHT_E_CONFIG);
	CHECK_INT(ledger_view_open(&view, tree_path("nowhere"), NULL), CHT_E_CONFIG);
	CHECK_INT(unlink(tree_path("ledger/vkey")), 0);
	open_view();
	CHECK_STR(str_of(view.vkey), "");
	ledger_view_close(&view);
	tree_put_file("ledger/vkey", "two\nlines\n", 10);
	open_view();
	CHECK_STR(str_of(view.vkey), "?");
	ledger_view_close(&view);
}

static void put_checkpoint(uint64_t size, const struct tlog_hash *root)
{
	uint8_t mem[1024];
	struct buf b = buf_init(mem, sizeof(mem));

	tree_put_note(&b, size, root);
	tree_put_file("ledger/checkpoint", mem, buf_len(&b));
}

static void test_a_checkpoint_never_goes_back(void **state)
{
	struct tlog_hash root, other = { { 1 } };
	struct cht_err err = { 0 };

	(void)state;
	tree_grow(5);
	open_view();
	root = view.root;
	tree_grow(3);
	CHECK_INT(ledger_view_refresh(&view, NULL), 1);
	CHECK_INT(view.size, 8);
	put_checkpoint(5, &root);
	CHECK_INT(ledger_view_refresh(&view, &err), CHT_E_STATE);
	CHECK(strstr(err.text, "went back from 8 entries to 5") != NULL);
	put_checkpoint(8, &other);
	CHECK_INT(ledger_view_refresh(&view, &err), CHT_E_STATE);
	CHECK(strstr(err.text, "different roots") != NULL);
	CHECK_INT(unlink(tree_path("ledger/checkpoint")), 0);
	CHECK_INT(ledger_view_refresh(&view, &err), CHT_E_STATE);
	CHECK(strstr(err.text, "gone") != NULL);
	CHECK_INT(view.size, 8);
	tree_publish();
	CHECK_INT(ledger_view_refresh(&view, NULL), 0);
	tree_put_file("ledger/origin", "other/0011223344556677\n", 23);
	tree_grow(1);
	CHECK_INT(ledger_view_refresh(&view, &err), CHT_E_STATE);
	CHECK(strstr(err.text, "different logs") != NULL);
	ledger_view_close(&view);
	CHECK_INT(ledger_view_open(&view, tree_log.state, NULL), CHT_E_STATE);
	CHECK_INT(unlink(tree_path("ledger/origin")), 0);
	open_view();
	ledger_view_close(&view);
}

static void test_no_part_of_a_checkpoint_is_one(void **state)
{
	char note[1024];
	ssize_t n;

	(void)state;
	tree_grow(5);
	n = fd_read_file(AT_FDCWD, tree_path("ledger/checkpoint"), note, sizeof(note), NULL);
	CHECK(n > 0);
	for (ssize_t cut = 0; cut < n; cut++) {
		tree_put_file("ledger/checkpoint", note, (size_t)cut);
		CHECK_INT(ledger_view_open(&view, tree_log.state, NULL), CHT_E_STATE);
	}
	tree_put_file("ledger/checkpoint", note, (size_t)n);
	open_view();
	ledger_view_close(&view);
}

static void test_a_watch_wakes_when_the_checkpoint_is_replaced(void **state)
{
	struct pollfd p = { .events = POLLIN };
	uint8_t bytes[40];

	(void)state;
	open_view();
	p.fd = ledger_view_watch(&view, NULL);
	CHECK(p.fd >= 0);
	CHECK_INT(ledger_view_watch(&view, NULL), p.fd);
	for (unsigned i = 0; i < 20; i++) {
		CHECK_INT(poll(&p, 1, 0), 0);
		tree_add(bytes, tree_fill(bytes, i));
		CHECK_INT(poll(&p, 1, 0), 0);
		tree_publish();
		CHECK_INT(poll(&p, 1, 0), 1);
		ledger_view_clear(&view);
		CHECK_INT(ledger_view_refresh(&view, NULL), 1);
		CHECK_INT(view.size, i + 1);
	}
	ledger_view_close(&view);
}

static void test_hashes_are_read_by_place(void **state)
{
	struct tlog_source source;
	struct tlog_hash got[256], want, root;
	uint8_t bytes[40];

	(void)state;
	tree_grow(700);
	open_view();
	source = ledger_view_hashes(&view);
	CHECK_INT(source.read(source.context, 0, 300, 256, got), 0);
	tlog_leaf((struct cht_bytes){ bytes, tree_fill(bytes, 555) }, &want);
	CHECK(tlog_hash_eq(&got[255], &want));
	CHECK_INT(tlog_range_root(&source, 0, 700, &root), 0);
	CHECK(tlog_hash_eq(&root, &view.root));
	CHECK_INT(source.read(source.context, 0, 699, 2, got), CHT_E_STATE);
	CHECK(strstr(view.hashes_err.text, "hashes/0 ends before hash 700") != NULL);
	CHECK_INT(source.read(source.context, 1, 2, 1, got), CHT_E_STATE);
	ledger_view_close(&view);
}

static void test_a_reader_of_a_view_is_limited_by_it(void **state)
{
	struct ledger_reader reader = LEDGER_READER_NULL;
	struct cht_bytes entry;

	(void)state;
	tree_grow(10);
	open_view();
	tree_grow(10);
	CHECK_INT(ledger_reader_open_view(&reader, &view, NULL), 0);
	for (uint64_t i = 0; i < 20; i++) {
		if (i == 10) {
			CHECK_INT(ledger_next(&reader, &entry, NULL), 0);
			CHECK_INT(ledger_view_refresh(&view, NULL), 1);
			reader.limit = view.size;
		}
		CHECK_INT(ledger_next(&reader, &entry, NULL), 1);
		CHECK(tree_is_entry(entry, i));
	}
	CHECK_INT(ledger_next(&reader, &entry, NULL), 0);
	ledger_view_close(&view);
	ledger_reader_close(&reader);
}

enum { N = 2 * SEGMENT_ENTRIES + 700 };

/* What may have become of .idx. */
static void idx_is_good(void)
{
}

static void idx_is_gone(void)
{
	CHECK_INT(unlink(tree_segment(SEGMENT_ENTRIES, ".idx")), 0);
}

static void idx_is_short(void)
{
	CHECK_INT(truncate(tree_segment(SEGMENT_ENTRIES, ".idx"), 8 * 2 + 3), 0);
}

static void idx_is_wrong(void)
{
	uint8_t bytes[8 * 256];
	const char *path = tree_segment(SEGMENT_ENTRIES, ".idx");
	int fd = open(path, O_RDWR | O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK_INT(read(fd, bytes, sizeof(bytes)), sizeof(bytes));
	for (size_t i = 0; i < 256; i++)
		be64_store(bytes + 8 * i, i % 3 == 0 ? UINT64_MAX : be64_load(bytes + 8 * i) + 10);
	CHECK_INT(pwrite(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
	fd_close(&fd);
}

static void test_an_entry_is_gone_to_whatever_its_idx_says(void **state)
{
	static const struct {
		const char *why;
		void (*hurt)(void);
	} rows[] = { { "good", idx_is_good },
		     { "short", idx_is_short },
		     { "gone", idx_is_gone },
		     { "wrong", idx_is_wrong } };
	const uint64_t wanted[] = { 0,
				    1,
				    255,
				    256,
				    SEGMENT_ENTRIES - 1,
				    SEGMENT_ENTRIES,
				    SEGMENT_ENTRIES + 256,
				    SEGMENT_ENTRIES + 40000,
				    2 * SEGMENT_ENTRIES - 1,
				    N - 1 };
	struct ledger_reader reader = LEDGER_READER_NULL;
	struct cht_bytes entry;
	struct tlog_source source;

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		check_row = rows[r].why;
		tree_grow(N);
		rows[r].hurt();
		open_view();
		source = ledger_view_hashes(&view);
		CHECK_INT(ledger_reader_open_view(&reader, &view, NULL), 0);
		for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
			CHECK_INT(ledger_reader_goto(&reader, &source, wanted[i], NULL), 1);
			CHECK_INT(ledger_next(&reader, &entry, NULL), 1);
			CHECK_INT(reader.next, wanted[i] + 1);
			CHECK(tree_is_entry(entry, wanted[i]));
		}
		CHECK_INT(ledger_reader_goto(&reader, &source, N, NULL), CHT_E_STATE);
		CHECK_INT(unlink(tree_segment(0, "")), 0);
		CHECK_INT(ledger_reader_goto(&reader, &source, 5, NULL), 0);
		CHECK_INT(ledger_next(&reader, &entry, NULL), 1);
		CHECK(tree_is_entry(entry, SEGMENT_ENTRIES));
		ledger_reader_close(&reader);
		ledger_view_close(&view);
		CHECK_INT(tree_teardown(state), 0);
		CHECK_INT(tree_setup(state), 0);
	}
}

/* A length that cannot be in the first entry of a segment: who walks it gets no further. */
static void stop_walkers(uint64_t segment)
{
	int fd = open(tree_segment(segment, ""), O_WRONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK_INT(pwrite(fd, "\xff\xff", 2, 0), 2);
	fd_close(&fd);
}

static void test_a_good_idx_leads_around_damage(void **state)
{
	struct ledger_reader reader = LEDGER_READER_NULL;
	struct tlog_source source;
	struct cht_bytes entry;

	(void)state;
	tree_grow(1000);
	stop_walkers(0);
	open_view();
	source = ledger_view_hashes(&view);
	CHECK_INT(ledger_reader_open_view(&reader, &view, NULL), 0);
	CHECK_INT(ledger_reader_goto(&reader, &source, 255, NULL), CHT_E_STATE);
	CHECK_INT(ledger_reader_goto(&reader, &source, 600, NULL), 1);
	CHECK_INT(ledger_next(&reader, &entry, NULL), 1);
	CHECK(tree_is_entry(entry, 600));
	ledger_reader_close(&reader);
	ledger_view_close(&view);
}

static void test_reading_goes_on_behind_damage(void **state)
{
	static const struct {
		const char *why;
		void (*hurt)(void);
		uint64_t next;
	} rows[] = { { "good", idx_is_good, SEGMENT_ENTRIES + 256 },
		     { "gone", idx_is_gone, 2 * SEGMENT_ENTRIES },
		     { "wrong", idx_is_wrong, 2 * SEGMENT_ENTRIES } };
	struct ledger_reader reader = LEDGER_READER_NULL;
	struct tlog_source source;
	struct cht_bytes entry;
	int got;

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		check_row = rows[r].why;
		tree_grow(N);
		stop_walkers(SEGMENT_ENTRIES);
		rows[r].hurt();
		open_view();
		source = ledger_view_hashes(&view);
		CHECK_INT(ledger_reader_open_view(&reader, &view, NULL), 0);
		while ((got = ledger_next(&reader, &entry, NULL)) == 1)
			continue;
		CHECK_INT(got, CHT_E_STATE);
		CHECK_INT(reader.next, SEGMENT_ENTRIES);
		CHECK_INT(ledger_reader_skip(&reader, &source, NULL), 1);
		CHECK_INT(reader.next, rows[r].next);
		for (uint64_t i = rows[r].next; i < N; i++) {
			CHECK_INT(ledger_next(&reader, &entry, NULL), 1);
			CHECK(tree_is_entry(entry, i));
		}
		CHECK_INT(ledger_next(&reader, &entry, NULL), 0);
		CHECK_INT(ledger_reader_skip(&reader, &source, NULL), 0);
		ledger_reader_close(&reader);
		ledger_view_close(&view);
		CHECK_INT(tree_teardown(state), 0);
		CHECK_INT(tree_setup(state), 0);
	}
}

static void test_segments_that_go_while_it_reads_are_passed_over(void **state)
{
	struct ledger_reader reader = LEDGER_READER_NULL;
	struct cht_bytes entry;

	(void)state;
	tree_grow(N);
	open_view();
	CHECK_INT(ledger_reader_open_view(&reader, &view, NULL), 0);
	CHECK_INT(ledger_next(&reader, &entry, NULL), 1);
	CHECK_INT(unlink(tree_segment(0, "")), 0);
	CHECK_INT(unlink(tree_segment(SEGMENT_ENTRIES, "")), 0);
	/* What is open can still be read. */
	for (uint64_t i = 1; i < SEGMENT_ENTRIES; i++) {
		CHECK_INT(ledger_next(&reader, &entry, NULL), 1);
		CHECK(tree_is_entry(entry, i));
	}
	CHECK_INT(ledger_next(&reader, &entry, NULL), 1);
	CHECK(tree_is_entry(entry, 2 * SEGMENT_ENTRIES));
	CHECK_INT(reader.next, 2 * SEGMENT_ENTRIES + 1);
	ledger_reader_close(&reader);
	/* To lose all of them is damage. */
	CHECK_INT(ledger_reader_open_view(&reader, &view, NULL), 0);
	CHECK_INT(unlink(tree_segment(2 * SEGMENT_ENTRIES, "")), 0);
	CHECK_INT(ledger_next(&reader, &entry, NULL), CHT_E_STATE);
	ledger_reader_close(&reader);
	ledger_view_close(&view);
}

static void test_a_watch_tells_that_the_directory_was_moved(void **state)
{
	struct pollfd p = { .events = POLLIN };

	(void)state;
	tree_grow(3);
	open_view();
	p.fd = ledger_view_watch(&view, NULL);
	tree_grow(3);
	ledger_view_clear(&view);
	CHECK(!view.is_moved);
	CHECK_INT(rename(tree_path("ledger"), tree_path("past")), 0);
	CHECK_INT(poll(&p, 1, 0), 1);
	ledger_view_clear(&view);
	CHECK(view.is_moved);
	CHECK_INT(ledger_view_refresh(&view, NULL), 1);
	ledger_view_close(&view);
}

static void test_a_missing_segment_is_skipped(void **state)
{
	struct ledger_reader reader = LEDGER_READER_NULL;
	struct tlog_source source;
	struct cht_bytes entry;
	int got;

	(void)state;
	tree_grow(N);
	CHECK_INT(unlink(tree_segment(SEGMENT_ENTRIES, "")), 0);
	open_view();
	source = ledger_view_hashes(&view);
	CHECK_INT(ledger_reader_open_view(&reader, &view, NULL), 0);
	while ((got = ledger_next(&reader, &entry, NULL)) == 1)
		continue;
	CHECK_INT(got, CHT_E_STATE);
	CHECK_INT(ledger_reader_skip(&reader, &source, NULL), 1);
	CHECK_INT(ledger_next(&reader, &entry, NULL), 1);
	CHECK(tree_is_entry(entry, 2 * SEGMENT_ENTRIES));
	ledger_reader_close(&reader);
	ledger_view_close(&view);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, tree_setup, tree_teardown)

/* As a member of the group that may read the ledger: root without its rights to files. */
static void test_a_state_directory_need_not_be_listed(void **state)
{
	struct ledger_reader reader = LEDGER_READER_NULL;
	int dir_fd, before;

	(void)state;
	tree_grow(3);
	CHECK_INT(chmod(tree_log.state, 0110), 0);
	before = setfsuid(65534);
	dir_fd = open(tree_log.state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(dir_fd < 0 && errno == EACCES);
	open_view();
	CHECK_INT(view.size, 3);
	CHECK(ledger_view_watch(&view, NULL) >= 0);
	ledger_view_close(&view);
	CHECK_INT(ledger_view_open(&view, tree_path("ledger"), NULL), 0);
	CHECK(ledger_view_watch(&view, NULL) >= 0);
	ledger_view_close(&view);
	CHECK_INT(ledger_reader_open(&reader, tree_log.state, NULL), 0);
	ledger_reader_close(&reader);
	(void)setfsuid((uid_t)before);
	CHECK_INT(chmod(tree_log.state, 0700), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_a_view_says_what_the_checkpoint_says),
		CASE(test_a_checkpoint_never_goes_back),
		CASE(test_no_part_of_a_checkpoint_is_one),
		CASE(test_a_watch_wakes_when_the_checkpoint_is_replaced),
		CASE(test_hashes_are_read_by_place),
		CASE(test_a_reader_of_a_view_is_limited_by_it),
		CASE(test_an_entry_is_gone_to_whatever_its_idx_says),
		CASE(test_a_good_idx_leads_around_damage),
		CASE(test_reading_goes_on_behind_damage),
		CASE(test_a_missing_segment_is_skipped),
		CASE(test_segments_that_go_while_it_reads_are_passed_over),
		CASE(test_a_watch_tells_that_the_directory_was_moved),
		CASE(test_a_state_directory_need_not_be_listed),
	};

	return cmocka_run_group_tests_name("ledger_view", tests, NULL, NULL);
}
