/* SPDX-License-Identifier: Apache-2.0
 *
 * commit_util.h - ledgers in a situation, copied from one that was made once; and what must hold of
 * any of them when it is opened again.
 */
#ifndef TESTS_FAULT_COMMIT_UTIL_H
#define TESTS_FAULT_COMMIT_UTIL_H

#include "ledger_util.h"

#include <sys/wait.h>

#include "ledger/files.h"

#include "syscalls.h"

enum { N_NEW = 40 };

/* Two steps, as steps_from says them. */
#define STATE "pwrite:state fdatasync:state"
#define SHOW  "openat:tmp pwrite:tmp fdatasync:tmp renameat:checkpoint"

/* The tree of the first n entries; what was asked for last is kept. */
static struct tlog_tree tree_of(uint64_t n)
{
	static struct tlog_tree known;
	struct tlog_hash done[TLOG_LEVELS], leaf;
	uint8_t bytes[42];

	if (known.size > n)
		known.size = 0;
	while (known.size < n) {
		entry_fill(bytes, known.size);
		tlog_leaf((struct cht_bytes){ bytes + 2, entry_len(known.size) }, &leaf);
		(void)tlog_tree_add(&known, &leaf, done);
	}
	return known;
}

static const char *copied_to;

static int copy_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	static uint8_t bytes[5 << 20];
	char to[160];
	ssize_t n;
	int fd;

	(void)ftw;
	snprintf(to, sizeof(to), "%s%s", copied_to, path + strlen(scratch));
	if (kind == FTW_D)
		return mkdir(to, st->st_mode) < 0 && errno != EEXIST;
	fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st->st_mode);
	n = fd_read_file(AT_FDCWD, path, bytes, sizeof(bytes), NULL);
	if (fd < 0 || n < 0 || fd_write_all(fd, bytes, (size_t)n, NULL) < 0)
		return 1;
	fd_close(&fd);
	return 0;
}

/* The ledger that is copied. */
static struct {
	char path[64];
	uint64_t n;
	bool clean;
} made;

static int __attribute__((unused)) remove_made(void **state)
{
	(void)state;
	plan.armed = false;
	remove_scratch();
	snprintf(scratch, sizeof(scratch), "%s", made.path);
	remove_scratch();
	made.path[0] = '\0';
	return 0;
}

/* The scratch is a ledger of n entries. It is made once and copied as long as n stays. */
static void __attribute__((unused)) fresh_ledger(uint64_t n, bool clean)
{
	char path[64];

	if (made.path[0] == '\0' || made.n != n || made.clean != clean) {
		(void)remove_made(NULL);
		CHECK_INT(setup_ledger(NULL), 0);
		make_ledger(n, clean);
		snprintf(made.path, sizeof(made.path), "%s", scratch);
		made.n = n;
		made.clean = clean;
		scratch[0] = '\0';
	}
	plan.armed = false;
	remove_scratch();
	snprintf(scratch, sizeof(scratch), "%s", made.path);
	snprintf(path, sizeof(path), "%.50s.copy", made.path);
	copied_to = path;
	CHECK_INT(nftw(scratch, copy_one, 8, FTW_PHYS), 0);
	snprintf(scratch, sizeof(scratch), "%s", path);
}

/* All levels are as the first n entries make them, from the covered ones on. */
static void check_hashes(struct ledger *ledger, uint64_t from, uint64_t n)
{
	struct tlog_tree tree = tree_of(from);

	for (unsigned level = 0; level < TLOG_LEVELS; level++) {
		char name[] = "ledger/hashes/0";

		name[sizeof(name) - 2] = (char)('0' + level);
		CHECK_INT(size_of(path_of(name)),
			  (long long)(n >> (level * TLOG_TILE_BITS)) * TLOG_HASH_BYTES);
	}
	for (uint64_t i = from; i < n; i++) {
		struct tlog_hash done[TLOG_LEVELS], leaf, stored;
		uint8_t bytes[42];
		unsigned n_done;

		entry_fill(bytes, i);
		tlog_leaf((struct cht_bytes){ bytes + 2, entry_len(i) }, &leaf);
		n_done = tlog_tree_add(&tree, &leaf, done);
		for (unsigned level = 0; level < n_done; level++) {
			CHECK_INT(level_read(ledger->level_fd, level, i >> (level * TLOG_TILE_BITS),
					     1, &stored),
				  0);
			CHECK(tlog_hash_eq(&stored, &done[level]));
		}
	}
}

/* The size in `checkpoint`, whose root must be the one of so many entries; 0 when there is none. */
static uint64_t shown_size(void)
{
	char mem[LEDGER_NOTE_MAX];
	struct tlog_checkpoint checkpoint;
	struct tlog_note note;
	struct tlog_tree tree;
	struct tlog_hash root;
	ssize_t n = fd_read_file(AT_FDCWD, path_of("ledger/checkpoint"), mem, sizeof(mem), NULL);

	if (n < 0)
		return 0;
	CHECK_INT(tlog_note_read((struct cht_str){ mem, (size_t)n }, &note, NULL), 0);
	CHECK_INT(tlog_checkpoint_read(note.text, &checkpoint, NULL), 0);
	tree = tree_of(checkpoint.size);
	tlog_tree_root(&tree, &root);
	CHECK(tlog_hash_eq(&root, &checkpoint.root));
	return checkpoint.size;
}

/* Bytes of the first segments. */
static long long segment_bytes(void)
{
	long long sum = 0;

	for (uint64_t i = 0; i <= 3 * SEGMENT_ENTRIES; i += SEGMENT_ENTRIES)
		sum += size_of(segment_path(i)) > 0 ? size_of(segment_path(i)) : 0;
	return sum;
}

/* Whatever happened: the next opening finds whole entries with their hashes, none of the
 * acknowledged missing and nothing shown that is not there, and goes on. from: entries that
 * were committed before it. */
static void __attribute__((unused))
check_reopens(uint64_t from, uint64_t at_least, uint64_t at_most)
{
	struct ledger ledger = LEDGER_NULL;
	struct ledger_recovery found;
	long long before;
	uint64_t shown;

	plan.armed = false;
	before = segment_bytes();
	shown = shown_size();
	open_ledger(&ledger, &found);
	CHECK(found.kept >= at_least && found.kept <= at_most);
	CHECK(found.covered >= shown);
	CHECK_INT(found.cut_bytes, before - segment_bytes());
	CHECK_INT(count_ledger(), found.kept);
	CHECK_INT(shown_size(), found.kept);
	check_hashes(&ledger, from, found.kept);
	commit(&ledger, N_NEW);
	CHECK_INT(count_ledger(), found.kept + N_NEW);
	check_hashes(&ledger, from, found.kept + N_NEW);
	CHECK_INT(ledger_mark_clean(&ledger, NULL), 0);
	ledger_close(&ledger);
	open_ledger(&ledger, &found);
	CHECK(found.was_clean && found.cut_bytes == 0);
	ledger_close(&ledger);
}

/* A call's file, in short. */
static const char *file_of(unsigned i)
{
	const char *what = plan.what[i - 1];
	size_t n = strlen(what);

	if (n == 20 && strspn(what, "0123456789") == n)
		return "segment";
	if (n == 24 && strcmp(what + 20, ".idx") == 0)
		return "idx";
	if (n == 1)
		return what[0] == '0' ? "h0" : what[0] == '1' ? "h1" : what[0] == '2' ? "h2" : what;
	return strcmp(what, "checkpoint.tmp") == 0 ? "tmp" : what;
}

static bool __attribute__((unused)) is_idx(unsigned i)
{
	return strcmp(file_of(i), "idx") == 0;
}

/* The calls from number `from` on, each with its file. */
static __attribute__((unused)) const char *steps_from(unsigned from)
{
	static char text[CALLS_MAX * 8];
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = from; i <= plan.n && i <= CALLS_MAX; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s:%s",
					 i > from ? " " : "", call_names[plan.made[i - 1]],
					 file_of(i));
	return text;
}

static bool __attribute__((unused)) is_sync(enum call call)
{
	return call == FDATASYNC || call == FSYNC;
}

static void __attribute__((unused)) say(const char *where, unsigned i, const char *blow)
{
	static char row[200];

	snprintf(row, sizeof(row), "%s: call %u (%s %s) %s", where, i, call_names[plan.made[i - 1]],
		 file_of(i), blow);
	check_row = row;
}

/* Waits for a child: its exit status. */
static int __attribute__((unused)) status_of(pid_t pid)
{
	int status;

	CHECK(pid >= 0);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#endif
