/* SPDX-License-Identifier: Apache-2.0
 *
 * What somebody may try who can write the ledger's files but does not hold the log's key: each is
 * told, named, and placed.
 */
#include "verify_util.h"

#include <dirent.h>

static const struct verify_options none;

static void rewrite(const char *name, const void *bytes, size_t n)
{
	int fd = open(made_path(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

	CHECK(fd >= 0);
	CHECK_INT(fd_write_all(fd, bytes, n, NULL), 0);
	fd_close(&fd);
}

static size_t slurp(const char *name, uint8_t *out, size_t cap)
{
	ssize_t n = fd_read_file(AT_FDCWD, made_path(name), out, cap, NULL);

	CHECK(n >= 0);
	return (size_t)n;
}

/* Hashes as they would be of these entries, under the old checkpoint. */
static void rehash(const struct made *m)
{
	static uint8_t note[1024], notes[4096];
	size_t n = slurp("ledger/checkpoint", note, sizeof(note));
	size_t n_notes = slurp("ledger/checkpoints", notes, sizeof(notes));

	write_made(m);
	rewrite("ledger/checkpoint", note, n);
	rewrite("ledger/checkpoints", notes, n_notes);
}

static void flip(struct made *m)
{
	uint8_t *at = memmem(m->entries[4].ptr, m->entries[4].len, "guestPid\":7", 11);

	assert_non_null(at);
	at[10] = '8';
}

static void break_form(struct made *m)
{
	((uint8_t *)(uintptr_t)m->entries[4].ptr)[100] = 0x01;
}

static void remove_one(struct made *m)
{
	drop(m, 4);
}

static void remove_two(struct made *m)
{
	drop(m, 4);
	drop(m, 4);
}

static void swap(struct made *m)
{
	struct cht_bytes one = m->entries[4];

	m->entries[4] = m->entries[5];
	m->entries[5] = one;
}

static void repeat(struct made *m)
{
	insert(m, 5, m->entries[4].ptr, m->entries[4].len);
}

static void put_in(struct made *m)
{
	insert(m, 4, "{\"specversion\":\"1.0\"}", 21);
}

static void strip(struct made *m)
{
	struct envelope_view envelope;
	size_t at;

	CHECK_INT(envelope_scan(m->entries[4], &envelope, &at), 0);
	insert(m, 4, envelope.event.ptr, envelope.event.len);
	drop(m, 5);
}

static void cut(struct made *m)
{
	drop(m, m->n - 1);
	drop(m, m->n - 1);
}

static void nothing(struct made *m)
{
	(void)m;
}

static const struct {
	const char *why;
	void (*attack)(struct made *m);
	enum verify_fault fault;
	unsigned index, n;
	/* When the hashes were made anew to go with it: what events and envelopes tell. */
	enum verify_fault with_hashes;
	unsigned index_with_hashes;
} rows[] = {
	{ "nothing at all", nothing, VERIFY_SOUND, 0, 0, VERIFY_SOUND, 0 },
	{ "a byte flipped", flip, VERIFY_CHANGED, 4, 1, VERIFY_BAD_SIGNATURE, 4 },
	{ "a byte that no event has", break_form, VERIFY_CHANGED, 4, 1, VERIFY_BAD_SIGNATURE, 4 },
	{ "one removed", remove_one, VERIFY_REMOVED, 4, 1, VERIFY_HOLE, 4 },
	{ "two removed", remove_two, VERIFY_REMOVED, 4, 2, VERIFY_HOLE, 4 },
	{ "two swapped", swap, VERIFY_SWAPPED, 4, 2, VERIFY_SWAPPED, 4 },
	{ "one repeated", repeat, VERIFY_REPEAT, 5, 1, VERIFY_REPEAT, 5 },
	{ "one put in", put_in, VERIFY_INSERTED, 4, 1, VERIFY_STRIPPED, 4 },
	{ "the envelope stripped", strip, VERIFY_STRIPPED, 4, 0, VERIFY_STRIPPED, 4 },
	{ "the end cut off", cut, VERIFY_CUT, 9, 2, VERIFY_CUT, 9 },
};

static void test_every_attack_is_named_and_placed(void **state)
{
	struct verify_trust *trust = test_trust(true, true);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct made m = usual(test_signer(CHT_ALGORITHM_ED25519, NULL, NULL));
		struct verify_report report;

		check_row = rows[i].why;
		write_made(&m);
		rows[i].attack(&m);
		write_segment(&m, first_segment);
		report = verify_with(trust, &none);
		check_verdict(&report, rows[i].fault == VERIFY_SOUND ? 0 : 11);
		CHECK_INT(report.first.fault, rows[i].fault);
		CHECK_INT(report.first.at.index, rows[i].index);
		CHECK_INT(report.first.at.n, rows[i].n);
		if (rows[i].fault != VERIFY_SOUND)
			CHECK_INT(report.first.at.file_offset, offset_of(&m, rows[i].index));
		rehash(&m);
		report = verify_with(trust, &none);
		check_verdict(&report, rows[i].fault == VERIFY_SOUND ? 0 : 11);
		CHECK_INT(report.first.fault, rows[i].with_hashes);
		CHECK_INT(report.first.at.index, rows[i].index_with_hashes);
		made_free(&m);
	}
	verify_trust_free(trust);
}

static struct verify_trust *log_trust(void)
{
	return test_trust(false, false);
}

/* n small entries that are no events: for the tree alone. */
static void write_small(uint64_t n)
{
	struct made m = { 0 };

	write_made(&m);
	tree_open(made_dir);
	tree_grow(n);
	tree_close();
}

static void check_flips(const char *name, const struct verify_options *options, unsigned step,
			size_t first, size_t last)
{
	struct verify_trust *trust = log_trust();
	static uint8_t bytes[1 << 16];
	size_t n = slurp(name, bytes, sizeof(bytes));
	int fd = open(made_path(name), O_WRONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	if (last > n)
		last = n;
	for (size_t bit = first * 8; bit < last * 8; bit += step * check_stride()) {
		uint8_t flipped = (uint8_t)(bytes[bit / 8] ^ 1 << bit % 8);
		struct verify_report report;
		char row[96];

		(void)snprintf(row, sizeof(row), "%s byte %zu bit %zu", name, bit / 8, bit % 8);
		check_row = row;
		CHECK_INT(pwrite(fd, &flipped, 1, (off_t)(bit / 8)), 1);
		report = verify_with(trust, options);
		check_verdict(&report, 11);
		CHECK_INT(pwrite(fd, &bytes[bit / 8], 1, (off_t)(bit / 8)), 1);
	}
	fd_close(&fd);
	verify_trust_free(trust);
}

static void test_every_flipped_bit_of_a_ledger_is_refused(void **state)
{
	static const struct verify_options tree = { .by_hash_alone = true, .jobs = 1 };
	static const struct verify_options all = { .jobs = 1 };
	struct verify_trust *trust = log_trust();
	struct verify_report report;
	struct made m = usual(NULL);

	(void)state;
	check_row = "as it was";
	write_small(5);
	report = verify_with(trust, &tree);
	check_verdict(&report, 0);
	check_flips(first_segment, &tree, 1, 0, SIZE_MAX);
	check_flips("ledger/hashes/0", &tree, 1, 0, SIZE_MAX);
	check_flips("ledger/checkpoint", &tree, 1, 0, SIZE_MAX);

	check_row = "as it was";
	write_small(600);
	report = verify_with(trust, &tree);
	check_verdict(&report, 0);
	check_flips("ledger/hashes/1", &tree, 1, 0, SIZE_MAX);
	check_flips(first_segment, &tree, 401, 0, SIZE_MAX);
	check_flips("ledger/hashes/0", &tree, 401, 0, SIZE_MAX);

	check_row = "as it was";
	write_made(&m);
	report = verify_with(trust, &all);
	check_verdict(&report, 0);
	check_flips(first_segment, &all, 61, 0, SIZE_MAX);
	made_free(&m);
	verify_trust_free(trust);
}

/* Wherever the entries are cut, and the hashes with them. */
static void test_every_cut_is_damage_at_its_entry(void **state)
{
	struct made m = usual(NULL);
	struct verify_trust *trust = log_trust();
	uint64_t end = offset_of(&m, m.n);
	unsigned whole = 0;

	(void)state;
	write_made(&m);
	for (uint64_t at = 0; at < end; at += 3 * check_stride()) {
		struct verify_report report;
		char row[32];

		(void)snprintf(row, sizeof(row), "cut at %llu", (unsigned long long)at);
		check_row = row;
		while (whole < m.n && offset_of(&m, whole + 1) <= at)
			whole++;
		write_segment(&m, first_segment);
		CHECK_INT(truncate(made_path(first_segment), (off_t)at), 0);
		report = verify_with(trust, &none);
		check_verdict(&report, 11);
		CHECK_INT(report.first.fault, VERIFY_CUT);
		CHECK_INT(report.first.at.index, whole);
		CHECK_INT(report.first.at.n, m.n - whole);
		CHECK_INT(report.first.at.file_offset, offset_of(&m, whole));
	}
	verify_trust_free(trust);
	made_free(&m);
}

static void test_a_changed_hash_is_told_as_such(void **state)
{
	static const struct verify_options tree = { .by_hash_alone = true };
	struct verify_trust *trust = log_trust();
	uint8_t bytes[32 * 600];
	struct verify_report report;
	size_t n;

	(void)state;
	write_small(600);
	n = slurp("ledger/hashes/0", bytes, sizeof(bytes));
	CHECK_INT(n, sizeof(bytes));
	bytes[32 * 300 + 5] ^= 1;
	rewrite("ledger/hashes/0", bytes, n);
	report = verify_with(trust, &tree);
	check_verdict(&report, 11);
	CHECK_INT(report.first.fault, VERIFY_HASHES);
	CHECK_INT(report.first.at.index, 300);
	CHECK_INT(report.first.at.part, VERIFY_IN_HASHES);
	CHECK_INT(report.first.at.file_offset, 32 * 300);

	check_row = "hashes cut short";
	bytes[32 * 300 + 5] ^= 1;
	rewrite("ledger/hashes/0", bytes, n - 32);
	report = verify_with(trust, &tree);
	check_verdict(&report, 11);
	CHECK_INT(report.first.fault, VERIFY_HASHES);
	CHECK_INT(report.first.at.index, 599);
	verify_trust_free(trust);
}

/* Level 0 goes along with a change in the entries; level 1 then tells in which tile. */
static void test_an_entry_and_its_hash_changed_is_placed_in_its_tile(void **state)
{
	static const struct verify_options tree = { .by_hash_alone = true };
	struct verify_trust *trust = log_trust();
	uint8_t bytes[1 << 16];
	struct tlog_hash leaf;
	struct verify_report report;
	size_t n, at = 0;
	uint8_t hashes[32 * 600];

	(void)state;
	write_small(600);
	n = slurp(first_segment, bytes, sizeof(bytes));
	for (unsigned i = 0; i < 300; i++)
		at += 2 + (size_t)be16_load(bytes + at);
	bytes[at + 5] ^= 1;
	tlog_leaf((struct cht_bytes){ bytes + at + 2, be16_load(bytes + at) }, &leaf);
	rewrite(first_segment, bytes, n);
	n = slurp("ledger/hashes/0", hashes, sizeof(hashes));
	memcpy(hashes + 32 * 300, leaf.b, 32);
	rewrite("ledger/hashes/0", hashes, n);
	report = verify_with(trust, &tree);
	check_verdict(&report, 11);
	CHECK_INT(report.first.fault, VERIFY_CHANGED);
	CHECK_INT(report.first.at.index, 256);
	CHECK_INT(report.first.at.n, 256);
	verify_trust_free(trust);
}

/* A checkpoint of 2^60 entries, by the key in vkey, over a small ledger whose hashes were made as
 * long as the file system takes without a byte of it being there. */
static void claim_much(void)
{
	static const struct tlog_hash root = { { 1 } };
	uint8_t note[1024];
	struct buf b = buf_init(note, sizeof(note));

	tree_put_note(&b, UINT64_C(1) << 60, &root);
	rewrite("ledger/checkpoint", note, buf_len(&b));
	for (unsigned level = 0; level < 2; level++) {
		const char *name = level == 0 ? "ledger/hashes/0" : "ledger/hashes/1";
		int bits = 62;

		while (truncate(made_path(name), (off_t)1 << bits) < 0 && bits > 40)
			bits--;
		CHECK(bits >= 40);
	}
}

/* Nobody need have signed it: time and memory are of what is there. */
static void test_a_claimed_size_takes_no_time(void **state)
{
	static const char far[] = "ledger/entries/00000000068719476736"; /* 2^36 */
	struct verify_trust *trusts[] = { envelope_trust(false, false), log_trust() };
	static const enum verify_fault want[] = { VERIFY_CUT, VERIFY_ROOT, VERIFY_MISSING };
	struct verify_report report;

	(void)state;
	for (unsigned way = 0; way < 6; way++) {
		struct made m = usual(NULL);

		write_made(&m);
		claim_much();
		if (way / 2 == 1) { /* an entry that has not its hash: what was done to it? */
			check_row = "changed";
			flip(&m);
			write_segment(&m, first_segment);
		} else if (way / 2 == 2) {
			check_row = "far";
			CHECK_INT(rename(made_path(first_segment), made_path(far)), 0);
		}
		report = verify_with(trusts[way % 2], &none);
		check_verdict(&report, 11);
		CHECK_INT(report.first.fault, want[way / 2]);
		CHECK_INT(unlink(made_path("ledger/checkpoint")), 0);
		report = verify_with(trusts[way % 2], &none);
		CHECK(report.verdict >= 11);
		made_free(&m);
	}
	verify_trust_free(trusts[0]);
	verify_trust_free(trusts[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_attack_is_named_and_placed),
		cmocka_unit_test(test_every_flipped_bit_of_a_ledger_is_refused),
		cmocka_unit_test(test_every_cut_is_damage_at_its_entry),
		cmocka_unit_test(test_a_changed_hash_is_told_as_such),
		cmocka_unit_test(test_a_claimed_size_takes_no_time),
		cmocka_unit_test(test_an_entry_and_its_hash_changed_is_placed_in_its_tile),
	};

	return cmocka_run_group_tests_name("verify_tree", tests, setup_made, teardown_made);
}
