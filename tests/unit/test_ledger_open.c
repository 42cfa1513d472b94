/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening: what stands above the newest checkpoint is kept or cut, what contradicts the state is
 * refused and left as it is (docs/PROTOCOL.ledger section 6).
 */
#include "ledger_util.h"

/* Opens, and writes n entries that no checkpoint covers. */
static void write_uncovered(unsigned n)
{
	struct ledger ledger = LEDGER_NULL;
	struct ledger_recovery found;

	open_ledger(&ledger, &found);
	CHECK_INT(write_entries(&ledger, batch(ledger.tree.size, n), n, NULL), 0);
	ledger_close(&ledger);
}

static void test_the_mark_goes_before_the_first_byte(void **state)
{
	struct ledger ledger = LEDGER_NULL;
	struct ledger_recovery found;

	(void)state;
	make_ledger(5, true);
	open_ledger(&ledger, &found);
	CHECK(found.was_clean);
	ledger_close(&ledger);
	open_ledger(&ledger, &found);
	CHECK(found.was_clean);
	ledger_close(&ledger);
	write_uncovered(1);
	open_ledger(&ledger, &found);
	CHECK(!found.was_clean);
	CHECK_INT(found.covered, 5);
	CHECK_INT(found.kept, 6);
	ledger_close(&ledger);
}

/* The first start of a log was killed: what it wrote is no good end, though no note is there. */
static void test_a_first_start_that_was_killed_was_not_clean(void **state)
{
	struct ledger ledger = LEDGER_NULL;
	struct ledger_recovery found;

	(void)state;
	open_ledger(&ledger, &found);
	CHECK(found.was_clean && found.is_new);
	ledger_close(&ledger);
	write_uncovered(3);
	open_ledger(&ledger, &found);
	CHECK(!found.was_clean && !found.is_new);
	CHECK(found.covered == 0 && found.kept == 3);
	ledger_close(&ledger);
}

static void test_what_stands_above_is_kept_with_its_hash_and_cut_without(void **state)
{
	static const struct {
		unsigned before, above, hashes; /* hashes left of those above */
	} rows[] = { { 6, 4, 4 },
		     { 6, 4, 3 },
		     { 6, 4, 1 },
		     { 6, 4, 0 },
		     { 0, 4, 2 },
		     { SEGMENT_ENTRIES - 2, 4, 4 },
		     { SEGMENT_ENTRIES - 2, 4, 3 },
		     { SEGMENT_ENTRIES - 2, 4, 2 },
		     { SEGMENT_ENTRIES - 2, 4, 1 },
		     { SEGMENT_ENTRIES - 2, 4, 0 },
		     { SEGMENT_ENTRIES, 300, 300 },
		     { 250, 300, 262 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ledger ledger = LEDGER_NULL;
		struct ledger_recovery found;
		uint64_t kept = rows[i].before + rows[i].hashes;
		uint64_t all = rows[i].before + rows[i].above;

		make_ledger(rows[i].before, false);
		write_uncovered(rows[i].above);
		CHECK_INT(truncate(path_of("ledger/hashes/0"), (off_t)(kept * 32)), 0);
		open_ledger(&ledger, &found);
		CHECK_INT(found.covered, rows[i].before);
		CHECK_INT(found.kept, kept);
		CHECK_INT(found.cut_bytes, bytes_up_to(all) - bytes_up_to(kept));
		CHECK_INT(size_of(path_of("ledger/hashes/0")), kept * 32);
		CHECK_INT(size_of(path_of("ledger/hashes/1")), kept / 256 * 32);
		CHECK_INT(count_ledger(), kept);
		commit(&ledger, 300);
		ledger_close(&ledger);
		CHECK_INT(count_ledger(), kept + 300);
		make_ledger(1, true); /* the tree is sound: it opens once more */
		(void)teardown_ledger(state);
		CHECK_INT(setup_ledger(state), 0);
	}
}

static void test_a_tail_torn_at_any_byte_is_cut_to_whole_entries(void **state)
{
	enum { COVERED = 3, N = 7 };

	for (size_t cut = 0; cut <= bytes_up_to(N); cut++) {
		struct ledger ledger = LEDGER_NULL;
		struct ledger_recovery found;
		struct cht_err err = { 0 };
		uint64_t whole = 0;

		make_ledger(COVERED, false);
		write_uncovered(N - COVERED);
		CHECK_INT(truncate(segment_path(0), (off_t)cut), 0);
		while (bytes_up_to(whole + 1) <= cut)
			whole++;
		if (whole < COVERED) {
			CHECK_INT(try_open(&ledger, scratch, &found, &err), CHT_E_STATE);
			CHECK(strstr(err.text, "cht ledger succeed") != NULL);
		} else {
			open_ledger(&ledger, &found);
			CHECK_INT(found.kept, whole);
			CHECK_INT(found.cut_bytes, cut - bytes_up_to(whole));
			CHECK_INT(size_of(segment_path(0)), bytes_up_to(whole));
			commit(&ledger, 2);
			ledger_close(&ledger);
			CHECK_INT(count_ledger(), whole + 2);
		}
		(void)teardown_ledger(state);
		CHECK_INT(setup_ledger(state), 0);
	}
}

static void test_bytes_that_are_no_entry_above_the_checkpoint_are_cut(void **state)
{
	static const unsigned lengths[] = { 1, 2, 3, 4096, 3 << 20 };

	(void)state;
	make_ledger(10, false);
	for (size_t i = 0; i < 2 * sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct ledger ledger = LEDGER_NULL;
		struct ledger_recovery found;
		unsigned len = lengths[i / 2];

		if (i % 2 == 0)
			CHECK_INT(truncate(segment_path(0), (off_t)(bytes_up_to(10) + len)), 0);
		else
			write_at(segment_path(0), -1, "\xff\xff\xff\xff\xff\xff",
				 len < 6 ? len : 6);
		open_ledger(&ledger, &found);
		CHECK_INT(found.kept, 10);
		CHECK_INT(found.cut_bytes, i % 2 == 0 ? len : len < 6 ? len : 6);
		ledger_close(&ledger);
	}
}

/* An empty segment behind one that is not full: the bytes were lost, the name was not. */
static void test_an_empty_segment_behind_one_that_is_not_full_is_removed(void **state)
{
	struct ledger ledger = LEDGER_NULL;
	struct ledger_recovery found;

	(void)state;
	make_ledger(SEGMENT_ENTRIES - 5, false);
	write_at(segment_path(SEGMENT_ENTRIES), 0, "", 0);
	open_ledger(&ledger, &found);
	CHECK_INT(found.kept, SEGMENT_ENTRIES - 5);
	CHECK_INT(size_of(segment_path(SEGMENT_ENTRIES)), -1);
	commit(&ledger, 10);
	ledger_close(&ledger);
	CHECK_INT(count_ledger(), SEGMENT_ENTRIES + 5);
}

/* What somebody puts there while nobody writes has no hash, even when it is a whole entry. */
static void test_a_whole_entry_that_was_put_behind_is_cut(void **state)
{
	struct ledger ledger = LEDGER_NULL;
	struct ledger_recovery found;

	(void)state;
	make_ledger(10, false);
	write_at(segment_path(0), -1, "\0\1x", 3);
	open_ledger(&ledger, &found);
	CHECK_INT(found.kept, 10);
	CHECK_INT(found.cut_bytes, 3);
	ledger_close(&ledger);
}

/* Each makes damage in a ledger of two segments and five entries, ended uncleanly or cleanly. */
static void odd_name(void)
{
	write_at(segment_path(2 * SEGMENT_ENTRIES + 1), 0, "", 0);
}

static void entry_above_mark(void)
{
	write_at(segment_path(2 * SEGMENT_ENTRIES), -1, "\0\1x", 3);
}

static void hash_above_mark(void)
{
	write_at(path_of("ledger/hashes/0"), -1, "0123456789abcdef0123456789abcdef", 32);
}

static void entry_lost(void)
{
	const char *path = segment_path(2 * SEGMENT_ENTRIES);

	CHECK_INT(truncate(path, size_of(path) - 2 - (long long)entry_len(2 * SEGMENT_ENTRIES + 4)),
		  0);
}

static void segment_lost(void)
{
	CHECK_INT(unlink(segment_path(2 * SEGMENT_ENTRIES)), 0);
}

static void head_lost(void)
{
	CHECK_INT(unlink(segment_path(0)), 0);
}

static void hash_lost(void)
{
	CHECK_INT(truncate(path_of("ledger/hashes/0"), (2 * SEGMENT_ENTRIES + 4) * 32), 0);
}

/* The right edge is made of hashes/0 and hashes/2 alone. */
static void hash_beside_the_edge_lost(void)
{
	CHECK_INT(truncate(path_of("ledger/hashes/1"), (2 * SEGMENT_ENTRIES / 256 - 1) * 32), 0);
}

static void edge_flipped(void)
{
	write_at(path_of("ledger/hashes/0"), (2 * SEGMENT_ENTRIES + 2) * 32, "x", 1);
}

static void upper_edge_flipped(void)
{
	write_at(path_of("ledger/hashes/2"), 32, "x", 1);
}

static void state_lost(void)
{
	CHECK_INT(unlink(path_of("scribe/state")), 0);
}

static void state_destroyed(void)
{
	write_at(path_of("scribe/state"), 100, "x", 1);
	write_at(path_of("scribe/state"), STATE_SLOT_BYTES + 100, "x", 1);
}

static void origin_damaged(void)
{
	write_at(path_of("ledger/origin"), 0, "T", 1);
}

static void rewrite_state(void (*change)(struct ledger_state *))
{
	struct ledger_state s;
	int fd = open(path_of("scribe/state"), O_RDWR | O_CLOEXEC);

	CHECK_INT(state_read(fd, &s, NULL), 0);
	change(&s);
	CHECK_INT(state_write(fd, &s, NULL), 0);
	fd_close(&fd);
}

static void other_machine(struct ledger_state *s)
{
	memset(s->machine_id, 'f', sizeof(s->machine_id));
}

static void moved(void)
{
	rewrite_state(other_machine);
}

static void other_note(struct ledger_state *s)
{
	s->tree.node[0].b[0] ^= 1;
}

static void tree_changed(void)
{
	rewrite_state(other_note);
}

static void other_size(struct ledger_state *s)
{
	strchr(s->note, '\n')[1] ^= 2; /* 131077, 331077 */
}

static void size_changed(void)
{
	rewrite_state(other_size);
}

static void other_root(struct ledger_state *s)
{
	char *root = strchr(strchr(s->note, '\n') + 1, '\n') + 1;

	*root = *root == 'A' ? 'B' : 'A';
}

static void root_changed(void)
{
	rewrite_state(other_root);
}

static long long total_size(void)
{
	return size_of(segment_path(0)) + size_of(segment_path(SEGMENT_ENTRIES)) +
	       size_of(segment_path(2 * SEGMENT_ENTRIES)) + size_of(path_of("ledger/hashes/0")) +
	       size_of(path_of("ledger/checkpoint"));
}

static void test_damage_is_refused_and_left_as_it_is(void **state)
{
	static const struct {
		const char *why;
		void (*hurt)(void);
		bool clean;
	} rows[] = {
		{ "a segment missing in the middle", lose_first, false },
		{ "a segment missing at the beginning", head_lost, false },
		{ "a name that is no multiple", odd_name, false },
		{ "an entry above the clean mark", entry_above_mark, true },
		{ "a hash above the clean mark", hash_above_mark, true },
		{ "an entry missing below the state", entry_lost, false },
		{ "an entry missing below the clean mark", entry_lost, true },
		{ "a segment missing below the state", segment_lost, false },
		{ "a hash missing", hash_lost, false },
		{ "a hash missing that the edge does not need", hash_beside_the_edge_lost, true },
		{ "a hash changed at the edge", edge_flipped, true },
		{ "a hash changed at the upper edge", upper_edge_flipped, true },
		{ "no state", state_lost, true },
		{ "no valid slot", state_destroyed, true },
		{ "a tree that is not the note's", tree_changed, true },
		{ "a size that is not the tree's", size_changed, true },
		{ "a root that is not the tree's", root_changed, true },
		{ "another machine", moved, true },
		{ "an origin that is no name", origin_damaged, true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ledger ledger = LEDGER_NULL;
		struct ledger_recovery found;
		struct cht_err err = { 0 };
		long long before;

		check_row = rows[i].why;
		make_ledger(2 * SEGMENT_ENTRIES + 5, rows[i].clean);
		rows[i].hurt();
		before = total_size();
		CHECK_INT(try_open(&ledger, scratch, &found, &err), CHT_E_STATE);
		CHECK(strstr(err.text, "cht ledger succeed") != NULL);
		CHECK_INT(total_size(), before);
		(void)teardown_ledger(state);
		CHECK_INT(setup_ledger(state), 0);
	}
}

/* A state from a backup knows less than what was signed. A note that is not ours proves nothing. */
static bool is_no_note(void *context, struct cht_str note)
{
	(void)context;
	(void)note;
	return false;
}

static void test_an_old_state_is_told_by_a_newer_checkpoint_of_ours(void **state)
{
	static const struct ledger_trust stranger = { test_public_key, is_no_note, NULL };
	static uint8_t old[STATE_SLOTS * STATE_SLOT_BYTES];
	struct ledger ledger = LEDGER_NULL;
	struct ledger_recovery found;
	struct cht_err err = { 0 };

	(void)state;
	make_ledger(5, false);
	CHECK_INT(fd_read_file(AT_FDCWD, path_of("scribe/state"), old, sizeof(old), NULL),
		  sizeof(old));
	make_ledger(5, false);
	write_at(path_of("scribe/state"), 0, old, sizeof(old));
	CHECK_INT(ledger_open(&ledger, scratch, &test_trust, &found, &err), CHT_E_STATE);
	CHECK(strstr(err.text, "old copy") != NULL);
	CHECK_INT(ledger_open(&ledger, scratch, &stranger, &found, &err), 0);
	CHECK_INT(found.covered, 5);
	CHECK_INT(found.kept, 10);
	ledger_close(&ledger);
}

/* The slot that was being written when the power went: the other one counts, and nothing was shown.
 */
static void test_a_torn_slot_leaves_the_one_before(void **state)
{
	(void)state;
	for (size_t at = 0; at < STATE_SLOT_BYTES; at += 127) {
		struct ledger ledger = LEDGER_NULL;
		struct ledger_recovery found;
		uint8_t junk[STATE_SLOT_BYTES];

		make_ledger(5, false);
		open_ledger(&ledger, &found);
		memset(junk, 0xaa, sizeof(junk));
		write_at(
			path_of("scribe/state"),
			(long long)((ledger.state.generation + 1) % STATE_SLOTS * STATE_SLOT_BYTES),
			junk, at + 1);
		ledger_close(&ledger);
		open_ledger(&ledger, &found);
		CHECK_INT(found.covered, 5);
		ledger_close(&ledger);
		(void)teardown_ledger(state);
		CHECK_INT(setup_ledger(state), 0);
	}
}

static void test_a_lost_checkpoint_is_put_back(void **state)
{
	struct ledger ledger = LEDGER_NULL;
	struct ledger_recovery found;

	(void)state;
	make_ledger(5, true);
	CHECK_INT(unlink(path_of("ledger/checkpoint")), 0);
	open_ledger(&ledger, &found);
	ledger_close(&ledger);
	CHECK(size_of(path_of("ledger/checkpoint")) > 0);
	CHECK_INT(count_ledger(), 5);
	for (int i = 0; i < 3; i++) {
		static const char *const junk[] = { "garbage", "\n\n\n", "a\nb\n\n" };

		CHECK_INT(truncate(path_of("ledger/checkpoint"), 0), 0);
		write_at(path_of("ledger/checkpoint"), 0, junk[i], strlen(junk[i]));
		open_ledger(&ledger, &found);
		CHECK_INT(size_of(path_of("ledger/checkpoint")), strlen(ledger.state.note));
		ledger_close(&ledger);
	}
	write_at(path_of("ledger/checkpoint"), 0, "garbage", 7);
	open_ledger(&ledger, &found);
	CHECK(found.was_clean);
	CHECK_INT(size_of(path_of("ledger/checkpoint")), strlen(ledger.state.note));
	ledger_close(&ledger);
}

static void test_another_key_does_not_open_it(void **state)
{
	static const uint8_t other[TLOG_PUBLIC_BYTES] = { 9 };
	static const struct ledger_trust wrong = { other, is_test_note, NULL };
	struct ledger ledger = LEDGER_NULL;
	struct ledger_recovery found;

	(void)state;
	make_ledger(5, true);
	CHECK_INT(ledger_open(&ledger, scratch, &wrong, &found, NULL), CHT_E_KEY);
}

static void test_a_closed_log_is_not_opened_again(void **state)
{
	struct ledger ledger = LEDGER_NULL;
	struct ledger_recovery found;

	(void)state;
	open_ledger(&ledger, &found);
	commit(&ledger, 3);
	ledger.is_closing = true;
	ledger_close(&ledger);
	open_ledger(&ledger, &found); /* nothing was published since */
	ledger.is_closing = true;
	commit(&ledger, 1);
	ledger_close(&ledger);
	CHECK_INT(try_open(&ledger, scratch, &found, NULL), CHT_E_CONFIG);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup_ledger, teardown_ledger)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_the_mark_goes_before_the_first_byte),
		CASE(test_a_first_start_that_was_killed_was_not_clean),
		CASE(test_what_stands_above_is_kept_with_its_hash_and_cut_without),
		CASE(test_a_tail_torn_at_any_byte_is_cut_to_whole_entries),
		CASE(test_bytes_that_are_no_entry_above_the_checkpoint_are_cut),
		CASE(test_an_empty_segment_behind_one_that_is_not_full_is_removed),
		CASE(test_a_whole_entry_that_was_put_behind_is_cut),
		CASE(test_damage_is_refused_and_left_as_it_is),
		CASE(test_an_old_state_is_told_by_a_newer_checkpoint_of_ours),
		CASE(test_a_torn_slot_leaves_the_one_before),
		CASE(test_a_lost_checkpoint_is_put_back),
		CASE(test_another_key_does_not_open_it),
		CASE(test_a_closed_log_is_not_opened_again),
	};

	return cmocka_run_group_tests_name("ledger_open", tests, NULL, NULL);
}
