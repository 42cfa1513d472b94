/* SPDX-License-Identifier: Apache-2.0
 *
 * What the ledger cannot tell from inside: older checkpoints, other keys, forks, witnesses, age;
 * and what stands above its checkpoint.
 */
#include "note_util.h"

#include <sys/file.h>

#include "base/digest.h"

/* Cuts the ledger back to n entries, hashes and all, under a checkpoint of theirs by who. */
static void cut_back(const struct made *m, unsigned n, uint8_t who)
{
	struct made part = *m;

	part.n = n;
	write_made(&part);
	write_note("ledger/checkpoint", &part, n, who);
	CHECK_INT(unlink(made_path("ledger/checkpoints")), 0);
}

static void test_a_log_cut_back_is_told_by_what_is_remembered(void **state)
{
	struct made m = usual(NULL);
	struct verify_options since = { .since = made_path("kept") }, fresh = { .fresh_s = 60 };
	struct verify_report report;
	char kept[256];

	(void)state;
	(void)snprintf(kept, sizeof(kept), "%s", made_path("kept"));
	since.since = kept;
	fresh.now_s = 1762348800 + 40;
	write_made(&m);
	write_note("kept", &m, m.n, 7);
	check_row = "as it was";
	report = verify_now(&since);
	check_verdict(&report, 0);
	CHECK(report.anchors.is_anchored);
	CHECK_INT(report.anchors.size, m.n);
	report = verify_now(&fresh);
	check_verdict(&report, 0);

	check_row = "of a clock that is a little ahead";
	fresh.now_s = 1762348800;
	report = verify_now(&fresh);
	check_verdict(&report, 0);
	check_row = "of a clock that was far ahead, so that it would be new for long";
	fresh.now_s = 1762348800 - 86400;
	report = verify_now(&fresh);
	check_verdict(&report, 12);
	CHECK(!report.anchors.is_fresh);

	check_row = "cut back to an older genuine checkpoint";
	cut_back(&m, 4, 7);
	report = verify_now(&none);
	check_verdict(&report, 0);
	CHECK(!report.anchors.is_anchored);
	report = verify_now(&since);
	check_verdict(&report, 11);
	CHECK_INT(report.first.fault, VERIFY_ROLLED_BACK);
	CHECK_INT(report.first.at.index, 4);
	fresh.now_s = 1762348800 + 86400;
	report = verify_now(&fresh);
	check_verdict(&report, 12);
	CHECK(!report.anchors.is_fresh);

	check_row = "grown since";
	write_made(&m);
	write_note("kept", &m, 4, 7);
	report = verify_now(&since);
	check_verdict(&report, 0);
	CHECK_INT(report.anchors.size, 4);

	check_row = "signed again with another key";
	cut_back(&m, 4, 8);
	report = verify_now(&none);
	check_verdict(&report, 11);
	CHECK_INT(report.first.fault, VERIFY_OTHER_KEY);
	made_free(&m);
}

static void test_two_histories_by_the_true_key_are_told(void **state)
{
	struct made m = usual(NULL), fork = usual(NULL);
	char kept[256], mem[4096];
	struct verify_options since = { .since = kept };
	struct buf b = buf_init(mem, sizeof(mem));
	struct verify_report report;

	(void)state;
	(void)snprintf(kept, sizeof(kept), "%s", made_path("kept"));
	write_made(&m);
	check_row = "remembered, of the same size";
	write_note("kept", &fork, fork.n, 7);
	report = verify_now(&since);
	check_verdict(&report, 11);
	CHECK_INT(report.first.fault, VERIFY_FORKED);
	check_row = "remembered, smaller";
	write_note("kept", &fork, 5, 7);
	report = verify_now(&since);
	check_verdict(&report, 11);
	CHECK_INT(report.first.fault, VERIFY_FORKED);
	check_row = "kept by the ledger";
	put_note_by(&b, &m, 3, 7);
	buf_put_byte(&b, '\n');
	put_note_by(&b, &fork, 5, 7);
	buf_put_byte(&b, '\n');
	write_bytes("ledger/checkpoints", mem, buf_len(&b));
	report = verify_now(&none);
	check_verdict(&report, 11);
	CHECK_INT(report.first.fault, VERIFY_FORKED);
	CHECK_INT(report.first.at.index, 5);
	made_free(&fork);
	made_free(&m);
}

static void test_what_is_remembered_must_be_of_this_log(void **state)
{
	struct made m = usual(NULL);
	struct verify_trust *trust = test_trust(false, false);
	char kept[256];
	struct verify_options since = { .since = kept };
	struct verify_report report;

	(void)state;
	(void)snprintf(kept, sizeof(kept), "%s", made_path("kept"));
	write_made(&m);
	check_row = "by another key";
	write_note("kept", &m, m.n, 8);
	CHECK_INT(verify_path(made_dir, trust, &since, &report, NULL), CHT_E_VERIFY);
	check_row = "no checkpoint";
	write_bytes("kept", "x\n", 2);
	CHECK_INT(verify_path(made_dir, trust, &since, &report, NULL), CHT_E_PARSE);
	check_row = "empty";
	write_bytes("kept", "", 0);
	CHECK_INT(verify_path(made_dir, trust, &since, &report, NULL), CHT_E_PARSE);
	check_row = "no file";
	CHECK_INT(unlink(kept), 0);
	CHECK_INT(verify_path(made_dir, trust, &since, &report, NULL), CHT_E_CONFIG);
	verify_trust_free(trust);
	made_free(&m);
}

static void test_kept_checkpoints_are_held_against_the_tree(void **state)
{
	struct made m = usual(NULL);
	struct verify_report report;
	char mem[8192];
	struct buf b = buf_init(mem, sizeof(mem));
	size_t second;

	(void)state;
	write_made(&m);
	put_note_by(&b, &m, 3, 7);
	buf_put_byte(&b, '\n');
	second = buf_len(&b);
	put_note_by(&b, &m, 8, 7);
	buf_put_byte(&b, '\n');
	put_note_by(&b, &m, m.n, 7);
	buf_put_byte(&b, '\n');
	write_bytes("ledger/checkpoints", mem, buf_len(&b));
	report = verify_now(&none);
	check_verdict(&report, 0);
	CHECK_INT(report.anchors.kept, 3);
	CHECK_INT(report.anchors.compared, 3);

	check_row = "a torn end";
	write_bytes("ledger/checkpoints", mem, buf_len(&b) - 20);
	report = verify_now(&none);
	check_verdict(&report, 0);
	CHECK_INT(report.anchors.kept, 2);

	check_row = "one changed";
	mem[second + sizeof(TREE_ORIGIN)] = '7';
	write_bytes("ledger/checkpoints", mem, buf_len(&b));
	report = verify_now(&none);
	check_verdict(&report, 11);
	CHECK_INT(report.first.fault, VERIFY_HISTORY);
	CHECK_INT(report.first.at.file_offset, second);

	check_row = "in another order";
	b = buf_init(mem, sizeof(mem));
	put_note_by(&b, &m, 8, 7);
	buf_put_byte(&b, '\n');
	put_note_by(&b, &m, 3, 7);
	buf_put_byte(&b, '\n');
	write_bytes("ledger/checkpoints", mem, buf_len(&b));
	report = verify_now(&none);
	check_verdict(&report, 11);
	CHECK_INT(report.first.fault, VERIFY_HISTORY);

	check_row = "one larger than the newest";
	cut_back(&m, 8, 7);
	b = buf_init(mem, sizeof(mem));
	put_note_by(&b, &m, m.n, 7);
	buf_put_byte(&b, '\n');
	write_bytes("ledger/checkpoints", mem, buf_len(&b));
	report = verify_now(&none);
	check_verdict(&report, 11);
	CHECK_INT(report.first.fault, VERIFY_ROLLED_BACK);
	CHECK_INT(report.first.at.part, VERIFY_IN_HISTORY);
	made_free(&m);
}

/* With kept checkpoints even a change that takes the hashes along has bounds. */
static void test_kept_checkpoints_narrow_down_what_was_changed(void **state)
{
	struct made m = usual(NULL);
	static uint8_t note[1024], notes[4096];
	struct buf b = buf_init(notes, sizeof(notes));
	static const struct verify_options tree = { .by_hash_alone = true };
	struct verify_report report;
	size_t n;

	(void)state;
	write_made(&m);
	for (unsigned size = 2; size < m.n; size += 2) {
		put_note_by(&b, &m, size, 7);
		buf_put_byte(&b, '\n');
	}
	n = slurp("ledger/checkpoint", note, sizeof(note));
	((uint8_t *)(uintptr_t)m.entries[6].ptr)[200] ^= 1;
	write_made(&m);
	write_bytes("ledger/checkpoint", note, n);
	write_bytes("ledger/checkpoints", notes, buf_len(&b));
	report = verify_now(&tree);
	check_verdict(&report, 11);
	CHECK_INT(report.first.fault, VERIFY_ROOT);
	CHECK_INT(report.first.at.index, 6);
	CHECK_INT(report.first.at.n, 2);
	made_free(&m);
}

static void test_a_proof_is_of_the_entry_at_its_index(void **state)
{
	struct made m = usual(NULL);
	struct tlog_tree tree = { 0 };
	char kept[256], mem[8192], note[1024];
	struct verify_options since = { .since = kept };
	struct buf b = buf_init(mem, sizeof(mem)), text = buf_init(note, sizeof(note));
	struct tlog_proof proof = { .n = 4 };
	struct verify_report report;
	struct tlog_hash leaf[USUAL_ENTRIES] = { 0 }, done[TLOG_LEVELS];

	(void)state;
	(void)snprintf(kept, sizeof(kept), "%s", made_path("kept"));
	write_made(&m);
	for (unsigned i = 0; i < m.n; i++)
		tlog_leaf(m.entries[i], &leaf[i]);
	/* Of entry 2 among 8: its neighbour, the pair before, the four behind. */
	proof.n = 3;
	proof.hash[0] = leaf[3];
	tlog_node(&leaf[0], &leaf[1], &proof.hash[1]);
	for (unsigned i = 4; i < 8; i++)
		(void)tlog_tree_add(&tree, &leaf[i], done);
	tlog_tree_root(&tree, &proof.hash[2]);
	put_note_by(&text, &m, 8, 7);
	tlog_receipt_put(&b, 2, &proof, (struct cht_str){ note, buf_len(&text) });
	write_bytes("kept", mem, buf_len(&b));
	report = verify_now(&since);
	check_verdict(&report, 0);
	CHECK_INT(report.anchors.size, 8);

	check_row = "of another entry";
	b = buf_init(mem, sizeof(mem));
	tlog_receipt_put(&b, 3, &proof, (struct cht_str){ note, buf_len(&text) });
	write_bytes("kept", mem, buf_len(&b));
	report = verify_now(&since);
	check_verdict(&report, 11);
	CHECK_INT(report.first.fault, VERIFY_RECEIPT);
	made_free(&m);
}

static void write_state(uint64_t size, unsigned flags)
{
	uint8_t slots[2][4096] = { { 0 } };

	memcpy(slots[0], "cht-stat", 8);
	be32_store(slots[0] + 8, 1);
	be32_store(slots[0] + 12, flags);
	be64_store(slots[0] + 16, 5);
	be64_store(slots[0] + 24, size);
	CHECK_INT(digest_sha256((struct cht_bytes){ slots[0], 4064 }, slots[0] + 4064, NULL), 0);
	(void)mkdir(made_path("scribe"), 0755);
	write_bytes("scribe/state", slots, sizeof(slots));
}

/* An entry above the checkpoint, with its hash. */
static void append_one(void)
{
	tree_open(made_dir);
	tree_add("{}", 2);
	tree_close();
}

static void test_entries_above_the_checkpoint(void **state)
{
	static const struct {
		const char *why;
		unsigned n; /* entries under the checkpoint: 11 end with host.stopped */
		int flags;  /* of the scribe's state; -1: it cannot be read */
		bool locked;
		int verdict;
		enum verify_fault fault;
	} rows[] = {
		{ "after a clean stop", 11, 1, false, 11, VERIFY_APPENDED },
		{ "after a clean stop, by the last event", 11, -1, false, 11, VERIFY_APPENDED },
		{ "after a crash", 8, 0, false, 12, VERIFY_SOUND },
		{ "after a crash, by the last event", 8, -1, false, 12, VERIFY_SOUND },
		{ "in use", 8, 0, true, 0, VERIFY_SOUND },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct made m = usual(NULL);
		unsigned n = m.n;
		struct verify_report report;
		int fd = -1;

		check_row = rows[i].why;
		m.n = rows[i].n;
		write_made(&m);
		m.n = n;
		append_one();
		(void)unlink(made_path("scribe/state"));
		if (rows[i].flags >= 0)
			write_state(rows[i].n, (unsigned)rows[i].flags);
		if (rows[i].locked) {
			fd = open(made_path("ledger/lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
			CHECK_INT(flock(fd, LOCK_EX), 0);
		}
		report = verify_now(&none);
		fd_close(&fd);
		check_verdict(&report, rows[i].verdict);
		CHECK_INT(report.first.fault, rows[i].fault);
		CHECK_INT(report.above.entries, 1);
		CHECK_INT(report.above.bytes, 4);
		CHECK_INT(report.above.is_in_use, rows[i].locked);
		made_free(&m);
	}
	(void)unlink(made_path("scribe/state"));
}

/* Removed, or a file with nothing in it; with entries or without. */
static void take_checkpoint_away(const struct made *m, unsigned way)
{
	struct made empty = { 0 };

	write_made((way & 2) != 0 ? &empty : m);
	CHECK_INT(unlink(made_path("ledger/checkpoint")), 0);
	if ((way & 1) != 0)
		write_bytes("ledger/checkpoint", "", 0);
}

static void test_no_checkpoint_is_a_rollback_where_one_is_remembered(void **state)
{
	struct made m = usual(NULL);
	struct verify_trust *trusts[] = { test_trust(false, false), envelope_trust(false, false) };
	char kept[256];
	struct verify_options since = { .since = kept };
	struct verify_report report;

	(void)state;
	(void)snprintf(kept, sizeof(kept), "%s", made_path("kept"));
	for (unsigned way = 0; way < 4; way++) {
		char row[16];

		(void)snprintf(row, sizeof(row), "way %u", way);
		check_row = row;
		take_checkpoint_away(&m, way);
		for (unsigned i = 0; i < 2; i++) {
			report = verify_with(trusts[i], &none);
			check_verdict(&report, 12);
			CHECK_INT(report.n_findings, 0);
			write_note("kept", &m, 4, 7);
			report = verify_with(trusts[i], &since);
			check_verdict(&report, 11);
			CHECK_INT(report.first.fault, VERIFY_ROLLED_BACK);
			write_note("kept", &m, 0, 7); /* of a log that had no entry yet */
			report = verify_with(trusts[i], &since);
			check_verdict(&report, 12);
		}
		write_note("kept", &m, 4, 8); /* not of the key that is trusted */
		CHECK_INT(verify_path(made_dir, trusts[0], &since, &report, NULL), CHT_E_VERIFY);
	}
	CHECK_INT(unlink(kept), 0);
	verify_trust_free(trusts[0]);
	verify_trust_free(trusts[1]);
	made_free(&m);
}

static void append_bytes(const char *name, size_t n)
{
	int fd = open(made_path(name), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);

	CHECK(fd >= 0);
	CHECK_INT(fd_write_all(fd, "0123456789abcdef0123456789abcdef", n, NULL), 0);
	fd_close(&fd);
}

/* Less than an entry and less than a hash are told as well. */
static void test_any_byte_above_a_clean_mark_is_told(void **state)
{
	static const char *const names[] = { first_segment, "ledger/hashes/0", "ledger/hashes/1",
					     "ledger/hashes/7" };
	static const size_t lens[] = { 1, 31, 32 };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		for (size_t k = 0; k < sizeof(lens) / sizeof(lens[0]); k++) {
			struct made m = usual(NULL);
			struct verify_report report;

			check_row = names[i];
			write_made(&m);
			append_bytes(names[i], lens[k]);
			write_state(m.n, 1);
			report = verify_now(&none);
			check_verdict(&report, 11);
			CHECK_INT(report.first.fault, VERIFY_APPENDED);
			write_state(m.n, 0);
			report = verify_now(&none);
			check_verdict(&report, 12);
			made_free(&m);
		}
	(void)unlink(made_path("scribe/state"));
}

static void test_a_log_without_a_checkpoint_or_with_a_broken_one(void **state)
{
	struct made m = usual(NULL);
	struct verify_report report;
	uint8_t note[1024];
	size_t n;

	(void)state;
	write_made(&m);
	n = slurp("ledger/checkpoint", note, sizeof(note));
	check_row = "none";
	CHECK_INT(unlink(made_path("ledger/checkpoint")), 0);
	report = verify_now(&none);
	CHECK(report.verdict >= 11);
	CHECK_INT(report.entries, USUAL_ENTRIES);
	check_row = "half of one";
	write_bytes("ledger/checkpoint", note, n / 2);
	report = verify_now(&none);
	check_verdict(&report, 11);
	CHECK_INT(report.first.fault, VERIFY_CHECKPOINT);
	check_row = "with a line of a stranger";
	memcpy(note + n, "\xe2\x80\x94 stranger AAAAAAAA\n", 23);
	write_bytes("ledger/checkpoint", note, n + 23 - 1);
	report = verify_now(&none);
	check_verdict(&report, 0);
	made_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_log_cut_back_is_told_by_what_is_remembered),
		cmocka_unit_test(test_two_histories_by_the_true_key_are_told),
		cmocka_unit_test(test_what_is_remembered_must_be_of_this_log),
		cmocka_unit_test(test_kept_checkpoints_are_held_against_the_tree),
		cmocka_unit_test(test_kept_checkpoints_narrow_down_what_was_changed),
		cmocka_unit_test(test_a_proof_is_of_the_entry_at_its_index),
		cmocka_unit_test(test_entries_above_the_checkpoint),
		cmocka_unit_test(test_no_checkpoint_is_a_rollback_where_one_is_remembered),
		cmocka_unit_test(test_any_byte_above_a_clean_mark_is_told),
		cmocka_unit_test(test_a_log_without_a_checkpoint_or_with_a_broken_one),
	};

	return cmocka_run_group_tests_name("verify_anchors", tests, setup_made, teardown_made);
}
