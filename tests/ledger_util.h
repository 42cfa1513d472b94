/* SPDX-License-Identifier: Apache-2.0
 *
 * ledger_util.h - a ledger in a scratch directory, entries that can be told apart, and hands
 * that damage files.
 */
#ifndef TESTS_LEDGER_UTIL_H
#define TESTS_LEDGER_UTIL_H

#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "ledger/ledger.h"
#include "ledger/read.h"
#include "ledger/state.h"

static char scratch[64]; /* STATE */
static bool on_disk;     /* where syncs are real, and slow; memory otherwise */

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static void remove_scratch(void)
{
	if (scratch[0] != '\0')
		(void)nftw(scratch, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	scratch[0] = '\0';
}

/* The key of the logs here: its seed is 32 times 7. Who writes in this process signs nothing, and
 * nobody checks it. */
static const uint8_t test_public_key[TLOG_PUBLIC_BYTES] = {
	0xea, 0x4a, 0x6c, 0x63, 0xe2, 0x9c, 0x52, 0x0a, 0xbe, 0xf5, 0x50,
	0x7b, 0x13, 0x2e, 0xc5, 0xf9, 0x95, 0x47, 0x76, 0xae, 0xbe, 0xbe,
	0x7b, 0x92, 0x42, 0x1e, 0xea, 0x69, 0x14, 0x46, 0xd2, 0x2c
};
static const char test_key_pem[] __attribute__((unused)) =
	"-----BEGIN PRIVATE KEY-----\n"
	"MC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\n"
	"-----END PRIVATE KEY-----\n";
static const char test_key_seed[] __attribute__((unused)) =
	"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
static const struct ledger_terms test_terms = { .reason = "init" };

static bool is_test_note(void *context, struct cht_str note)
{
	(void)context;
	(void)note;
	return true;
}

static const struct ledger_trust test_trust = { test_public_key, is_test_note, NULL };

static int __attribute__((unused)) init_ledger(const char *state, const char *name)
{
	return ledger_init(state, name, &test_terms, test_public_key, NULL);
}

static int __attribute__((unused)) setup_ledger(void **state)
{
	(void)state;
	snprintf(scratch, sizeof(scratch), "%s/cht_ledger_XXXXXX",
		 !on_disk && access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (mkdtemp(scratch) == NULL)
		return -1;
	return init_ledger(scratch, "test");
}

static int __attribute__((unused)) teardown_ledger(void **state)
{
	(void)state;
	remove_scratch();
	return 0;
}

/* The path of a file below STATE; good until the call after next. */
static const char *path_of(const char *name)
{
	static char paths[2][160];
	static unsigned turn;
	char *p = paths[turn++ % 2];

	snprintf(p, sizeof(paths[0]), "%s/%s", scratch, name);
	return p;
}

static const char *segment_path(uint64_t first)
{
	char name[64];

	snprintf(name, sizeof(name), "ledger/entries/%020llu", (unsigned long long)first);
	return path_of(name);
}

static long long __attribute__((unused)) size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? -1 : (long long)st.st_size;
}

static void write_at(const char *path, long long at, const void *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);

	CHECK(fd >= 0);
	CHECK_INT(pwrite(fd, bytes, n, at < 0 ? lseek(fd, 0, SEEK_END) : at), n);
	fd_close(&fd);
}

/* Entry i of any ledger here: 1 to 40 bytes that follow from i, never all zero. */
static size_t entry_len(uint64_t i)
{
	return 8 + (size_t)(i * 7 % 33);
}

static void entry_fill(uint8_t *out, uint64_t i)
{
	size_t len = entry_len(i);

	be16_store(out, (uint16_t)len);
	be64_store(out + 2, i + 1);
	memset(out + 10, 'a' + (int)(i % 26), len - 8);
}

/* Length of the first n entries. */
static size_t __attribute__((unused)) bytes_up_to(uint64_t n)
{
	size_t at = 0;

	for (uint64_t i = 0; i < n; i++)
		at += 2 + entry_len(i);
	return at;
}

enum { BATCH_MAX = 65536 };

static uint8_t batch_mem[BATCH_MAX * 42];

/* n entries from index first on. */
static struct cht_bytes batch(uint64_t first, unsigned n)
{
	size_t at = 0;

	for (unsigned i = 0; i < n; i++) {
		entry_fill(batch_mem + at, first + i);
		at += 2 + entry_len(first + i);
	}
	return (struct cht_bytes){ batch_mem, at };
}

static struct tlog_hash leaves_mem[BATCH_MAX];

/* A note over what is written, with the form of a signature. */
static void compose_note(const struct ledger *ledger, char note[LEDGER_NOTE_MAX + 1])
{
	static const uint8_t no_signature[TLOG_SIGNATURE_BYTES];
	struct buf b = buf_init(note, LEDGER_NOTE_MAX);
	struct tlog_hash root;

	tlog_tree_root(&ledger->tree, &root);
	tlog_checkpoint_put(&b, str_of(ledger->origin), ledger->tree.size, &root);
	buf_put_byte(&b, '\n');
	tlog_note_put_signature(&b, &ledger->key, no_signature, sizeof(no_signature));
	CHECK(!b.full);
	note[buf_len(&b)] = '\0';
}

/* Steps 1 and 2 to 5 of a commit. */
static int write_entries(struct ledger *ledger, struct cht_bytes bytes, unsigned n,
			 struct cht_err *err)
{
	const uint8_t *at = bytes.ptr;

	for (unsigned i = 0; i < n; i++) {
		struct cht_bytes entry = { at + 2, be16_load(at) };

		tlog_leaf(entry, &leaves_mem[i]);
		at += 2 + entry.len;
	}
	return ledger_write(ledger, bytes, leaves_mem, n, err);
}

static int publish_entries(struct ledger *ledger, struct cht_err *err)
{
	char note[LEDGER_NOTE_MAX + 1];
	int r = ledger_sync(ledger, err);

	if (r < 0)
		return r;
	compose_note(ledger, note);
	return ledger_publish(ledger, str_of(note), err);
}

static int __attribute__((unused))
commit_entries(struct ledger *ledger, struct cht_bytes bytes, unsigned n, struct cht_err *err)
{
	int r = write_entries(ledger, bytes, n, err);

	return r < 0 ? r : publish_entries(ledger, err);
}

static void __attribute__((unused)) commit(struct ledger *ledger, unsigned n)
{
	struct cht_err err = { 0 };

	if (commit_entries(ledger, batch(ledger->tree.size, n), n, &err) != 0) {
		fprintf(stderr, "commit: %s\n", err.text);
		fail();
	}
}

/* Opens it and publishes what recovery kept, as the scribe does. */
static int try_open(struct ledger *ledger, const char *state, struct ledger_recovery *found,
		    struct cht_err *err)
{
	int r = ledger_open(ledger, state, &test_trust, found, err);

	if (r == 0 && ledger_is_unpublished(ledger))
		r = publish_entries(ledger, err);
	return r;
}

static void __attribute__((unused))
open_ledger(struct ledger *ledger, struct ledger_recovery *found)
{
	struct cht_err err = { 0 };

	if (try_open(ledger, scratch, found, &err) != 0) {
		fprintf(stderr, "open: %s\n", err.text);
		fail();
	}
}

/* A ledger of n entries, closed with or without the clean mark. */
static void __attribute__((unused)) make_ledger(uint64_t n, bool clean)
{
	struct ledger ledger = LEDGER_NULL;
	struct ledger_recovery found;

	open_ledger(&ledger, &found);
	while (n > 0) {
		unsigned some = n < BATCH_MAX / 2 ? (unsigned)n : BATCH_MAX / 2;

		commit(&ledger, some);
		n -= some;
	}
	if (clean)
		CHECK_INT(ledger_mark_clean(&ledger, NULL), 0);
	ledger_close(&ledger);
}

static bool is_entry(struct cht_bytes entry, uint64_t i)
{
	uint8_t want[42];

	entry_fill(want, i);
	return entry.len == entry_len(i) && memcmp(entry.ptr, want + 2, entry.len) == 0;
}

/* Reads all; every entry must be the one of its index. Returns how many. */
static uint64_t __attribute__((unused)) count_ledger(void)
{
	struct ledger_reader reader = LEDGER_READER_NULL;
	struct cht_bytes entry;
	struct cht_err err = { 0 };
	uint64_t n = 0;
	int r;

	CHECK_INT(ledger_reader_open(&reader, scratch, NULL), 0);
	while ((r = ledger_next(&reader, &entry, &err)) == 1) {
		CHECK(is_entry(entry, reader.next - 1));
		n++;
	}
	if (r < 0)
		fprintf(stderr, "read: %s\n", err.text);
	CHECK_INT(r, 0);
	CHECK_INT(reader.next, n);
	ledger_reader_close(&reader);
	return n;
}

/* The size in `checkpoint`; 0 when there is none. */
static uint64_t __attribute__((unused)) checkpoint_size(void)
{
	char mem[LEDGER_NOTE_MAX];
	struct tlog_checkpoint checkpoint;
	struct tlog_note note;
	ssize_t n = fd_read_file(AT_FDCWD, path_of("ledger/checkpoint"), mem, sizeof(mem), NULL);

	if (n < 0)
		return 0;
	CHECK_INT(tlog_note_read((struct cht_str){ mem, (size_t)n }, &note, NULL), 0);
	CHECK_INT(tlog_checkpoint_read(note.text, &checkpoint, NULL), 0);
	return checkpoint.size;
}

/* Whether the state has the clean mark. */
static bool __attribute__((unused)) is_marked_clean(void)
{
	struct ledger_state s;
	int fd = open(path_of("scribe/state"), O_RDONLY | O_CLOEXEC);

	CHECK_INT(state_read(fd, &s, NULL), 0);
	fd_close(&fd);
	return s.is_clean;
}

/* Each damages a ledger of two segments and five entries. */
static void __attribute__((unused)) lose_first(void)
{
	CHECK_INT(unlink(segment_path(SEGMENT_ENTRIES)), 0);
}

static void __attribute__((unused)) short_first(void)
{
	CHECK_INT(truncate(segment_path(SEGMENT_ENTRIES), 1000), 0);
}

static void __attribute__((unused)) long_first(void)
{
	write_at(segment_path(SEGMENT_ENTRIES), -1, "\0\1x", 3);
}

static void __attribute__((unused)) zero_length(void)
{
	write_at(segment_path(2 * SEGMENT_ENTRIES), 0, "\0\0", 2);
}

static void __attribute__((unused)) huge_length(void)
{
	write_at(segment_path(2 * SEGMENT_ENTRIES), 0, "\xf0\1", 2);
}

#endif
