/* SPDX-License-Identifier: Apache-2.0
 *
 * `checkpoints`: whatever a crash or a full disk leaves at its end, the next start goes on behind
 * the last whole note.
 */
#include "ledger_util.h"

static char kept[8192];

static size_t read_kept(void)
{
	ssize_t n = fd_read_file(AT_FDCWD, path_of("ledger/checkpoints"), kept, sizeof(kept), NULL);

	CHECK(n >= 0);
	return (size_t)n;
}

/* All of it is notes, each followed by an empty line; how many. */
static unsigned count_notes(size_t n)
{
	unsigned count = 0;
	size_t at = 0;

	while (at < n) {
		const char *dash = memmem(kept + at, n - at, "\n\xe2\x80\x94 ", 5);
		const char *end =
			dash == NULL ? NULL : memmem(dash, n - (size_t)(dash - kept), "\n\n", 2);
		struct tlog_note note;

		CHECK(end != NULL);
		CHECK_INT(
			tlog_note_read((struct cht_str){ kept + at, (size_t)(end - kept) + 1 - at },
				       &note, NULL),
			0);
		at = (size_t)(end - kept) + 2;
		count++;
	}
	return count;
}

static void keep(unsigned n_entries)
{
	struct ledger ledger = LEDGER_NULL;
	struct ledger_recovery found;

	open_ledger(&ledger, &found);
	commit(&ledger, n_entries);
	ledger_keep_note(&ledger);
	ledger_close(&ledger);
}

static void test_notes_are_kept_one_after_the_other(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 20; i++) {
		keep(1);
		CHECK_INT(count_notes(read_kept()), i);
	}
}

static void put_kept(const char *bytes, size_t n)
{
	(void)unlink(path_of("ledger/checkpoints"));
	write_at(path_of("ledger/checkpoints"), 0, bytes, n);
}

static void test_a_last_note_torn_at_any_byte_is_cut(void **state)
{
	static char whole[8192];
	size_t two, three;

	(void)state;
	keep(1);
	keep(1);
	two = read_kept();
	keep(1);
	three = read_kept();
	memcpy(whole, kept, three);
	for (size_t cut = two; cut <= three; cut++) {
		put_kept(whole, cut);
		keep(1);
		CHECK_INT(count_notes(read_kept()), cut == three ? 4 : 3);
	}
	for (size_t from = two; from < three; from++) { /* the end never reached the disk */
		memset(kept, 0, sizeof(kept));
		memcpy(kept, whole, from);
		put_kept(kept, three);
		keep(1);
		CHECK_INT(count_notes(read_kept()), 3);
	}
	for (size_t to = two + 1; to <= three; to++) { /* or its beginning did not */
		memcpy(kept, whole, three);
		memset(kept + two, 0, to - two);
		put_kept(kept, three);
		keep(1);
		CHECK_INT(count_notes(read_kept()), 3);
	}
}

static void test_a_first_note_torn_at_any_byte_is_cut(void **state)
{
	static char whole[8192];
	size_t one;

	(void)state;
	keep(1);
	one = read_kept();
	memcpy(whole, kept, one);
	for (size_t cut = 0; cut < one; cut++) {
		put_kept(whole, cut);
		keep(1);
		CHECK_INT(count_notes(read_kept()), 1);
	}
}

static void test_what_cannot_be_opened_is_left_alone(void **state)
{
	(void)state;
	keep(1);
	CHECK_INT(unlink(path_of("ledger/checkpoints")), 0);
	CHECK_INT(mkdir(path_of("ledger/checkpoints"), 0750), 0);
	keep(1); /* and the log goes on */
	CHECK_INT(count_ledger(), 2);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup_ledger, teardown_ledger)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_notes_are_kept_one_after_the_other),
		CASE(test_a_last_note_torn_at_any_byte_is_cut),
		CASE(test_a_first_note_torn_at_any_byte_is_cut),
		CASE(test_what_cannot_be_opened_is_left_alone),
	};

	return cmocka_run_group_tests_name("ledger_notes", tests, NULL, NULL);
}
