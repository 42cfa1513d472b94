/* SPDX-License-Identifier: Apache-2.0
 *
 * crash_reopen - opens what a crash may have left as the scribe does, and holds the result against
 * what was recorded: STATE LEAVES SHOWN FROM.
 *
 * LEAVES has the leaf hash of every entry that was ever written, SHOWN size and root of every
 * checkpoint that was ever there to be read, in their order; entries below FROM are not read again.
 * For each line "<least> <most> <n>" on stdin: the ledger at STATE must hold between least and most
 * entries, all of them those of LEAVES, and its tree must go on from each of the first n
 * checkpoints. Says "ok <covered> <kept> <cut bytes>", or "bad <why>".
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/limits.h"
#include "ledger/files.h"
#include "ledger/read.h"
#include "scribe/scribe.h"

enum { SHOWN_BYTES = 8 + TLOG_HASH_BYTES };

static const char *dir;
static uint8_t *leaves, *shown;
static uint64_t n_leaves, n_shown, from;
static struct tlog_tree base; /* of the first `from` leaves */

static char why[400];

static bool bad(const char *text, uint64_t at, const struct cht_err *err)
{
	snprintf(why, sizeof(why), "%s (%" PRIu64 ")%s%s", text, at, err != NULL ? ": " : "",
		 err != NULL ? err->text : "");
	return false;
}

static const struct tlog_hash *leaf_at(uint64_t i)
{
	return (const struct tlog_hash *)(const void *)(leaves + i * TLOG_HASH_BYTES);
}

/* Every entry from FROM on is the recorded one, and so is its hash. */
static bool check_entries(struct scribe *scribe, uint64_t kept, struct cht_err *err)
{
	const struct tlog_source source = { level_read, scribe->ledger.level_fd };
	struct ledger_reader reader = LEDGER_READER_NULL;
	uint64_t i = from > scribe->ledger.state.min_index ? from : scribe->ledger.state.min_index;
	struct cht_bytes entry;
	struct tlog_hash leaf;
	bool ok = true;

	if (i > kept)
		i = kept;
	if (ledger_reader_open(&reader, dir, err) < 0)
		return bad("no reader", 0, err);
	if (i < kept && ledger_reader_goto(&reader, &source, i, err) != 1)
		ok = bad("an entry cannot be found", i, err);
	for (; ok && i < kept; i++) {
		if (ledger_next(&reader, &entry, err) != 1 || reader.next != i + 1) {
			ok = bad("an entry cannot be read", i, err);
			break;
		}
		tlog_leaf(entry, &leaf);
		if (!tlog_hash_eq(&leaf, leaf_at(i)))
			ok = bad("an entry is another one", i, NULL);
		if (level_read(scribe->ledger.level_fd, 0, i, 1, &leaf) < 0 ||
		    !tlog_hash_eq(&leaf, leaf_at(i)))
			ok = bad("a leaf hash is another one", i, NULL);
	}
	if (ok && kept > 0 && ledger_next(&reader, &entry, err) != 0)
		ok = bad("something stands behind the end", kept, NULL);
	if (ok && ledger_reader_torn(&reader) != 0)
		ok = bad("bytes stand behind the end", ledger_reader_torn(&reader), NULL);
	ledger_reader_close(&reader);
	return ok;
}

/* The tree over the hash files is the recorded one of this size. */
static bool check_tree(struct scribe *scribe, uint64_t kept, struct tlog_hash *root)
{
	const struct tlog_source source = { level_read, scribe->ledger.level_fd };
	struct tlog_hash done[TLOG_LEVELS], want;
	struct tlog_tree tree = base, stored;

	while (tree.size < kept)
		(void)tlog_tree_add(&tree, leaf_at(tree.size), done);
	if (kept < from)
		return tlog_range_root(&source, 0, kept, root) == 0 ||
		       bad("the hashes give no root", kept, NULL);
	tlog_tree_root(&tree, &want);
	if (kept > 0 && tlog_tree_load(&source, kept, &stored) < 0)
		return bad("hashes are missing", kept, NULL);
	tlog_tree_root(kept > 0 ? &stored : &tree, root);
	return tlog_hash_eq(root, &want) || bad("the root is another one", kept, NULL);
}

/* It goes on from every checkpoint that anybody may have seen. */
static bool check_shown(struct scribe *scribe, uint64_t kept, const struct tlog_hash *root,
			uint64_t n)
{
	const struct tlog_source source = { level_read, scribe->ledger.level_fd };

	for (uint64_t i = 0; i < n; i++) {
		uint64_t size = be64_load(shown + i * SHOWN_BYTES);
		struct tlog_proof proof;
		struct tlog_hash old;

		memcpy(old.b, shown + i * SHOWN_BYTES + 8, sizeof(old.b));
		if (size > kept)
			return bad("a checkpoint that was shown is larger", size, NULL);
		if (size > 0 && (tlog_consistency_prove(&source, size, kept, &proof) < 0 ||
				 tlog_consistency_check(size, kept, &old, root, &proof) < 0))
			return bad("the tree does not go on from a checkpoint that was shown", size,
				   NULL);
	}
	return true;
}

/* What readers see now is the whole of it, and ours. */
static bool check_newest(struct scribe *scribe, uint64_t kept)
{
	struct tlog_checkpoint checkpoint;
	char mem[TLOG_NOTE_MAX_BYTES];
	struct tlog_note note;
	ssize_t n = fd_read_file(scribe->ledger.dir_fd, "checkpoint", mem, sizeof(mem), NULL);
	struct cht_str text = { mem, n > 0 ? (size_t)n : 0 };

	if (kept == 0 && n < 0)
		return true;
	if (n < 0 || tlog_note_read(text, &note, NULL) < 0 ||
	    tlog_checkpoint_read(note.text, &checkpoint, NULL) < 0 || checkpoint.size != kept)
		return bad("the checkpoint is not over what is there", kept, NULL);
	return checkpoint_is_ours(scribe, text) || bad("the checkpoint is not signed", kept, NULL);
}

/* `checkpoints` is notes, each with an empty line behind it, also behind what a crash left there.
 */
static bool check_kept_notes(struct scribe *scribe)
{
	static char mem[1 << 16];
	ssize_t n;
	size_t at = 0;

	ledger_keep_note(&scribe->ledger);
	n = fd_read_file(scribe->ledger.dir_fd, "checkpoints", mem, sizeof(mem), NULL);
	while (n > 0 && at < (size_t)n) {
		const char *dash = memmem(mem + at, (size_t)n - at, "\n\xe2\x80\x94 ", 5);
		const char *end =
			dash == NULL ? NULL : memmem(dash, (size_t)(mem + n - dash), "\n\n", 2);

		if (end == NULL ||
		    !checkpoint_is_ours(scribe,
					(struct cht_str){ mem + at, (size_t)(end + 1 - mem) - at }))
			return bad("what stands in checkpoints is no note of ours", at, NULL);
		at = (size_t)(end + 2 - mem);
	}
	return n > 0 || bad("there is no checkpoints", 0, NULL);
}

static int publish(struct scribe *scribe, struct cht_err *err)
{
	char note[LEDGER_NOTE_MAX + 1];
	int r = ledger_sync(&scribe->ledger, err);

	if (r == 0)
		r = checkpoint_compose(scribe, note, err);
	return r < 0 ? r : ledger_publish(&scribe->ledger, str_of(note), err);
}

/* It takes the next entry, and ends in good order. */
static bool goes_on(struct scribe *scribe, struct cht_err *err)
{
	static const uint8_t entry[] = { 0, 5, 'a', 'f', 't', 'e', 'r' };
	struct tlog_hash leaf;

	tlog_leaf((struct cht_bytes){ entry + 2, 5 }, &leaf);
	if (ledger_write(&scribe->ledger, (struct cht_bytes){ entry, sizeof(entry) }, &leaf, 1,
			 err) < 0 ||
	    publish(scribe, err) < 0 || ledger_mark_clean(&scribe->ledger, err) < 0)
		return bad("it does not go on", scribe->ledger.tree.size, err);
	return true;
}

static int open_ledger(struct scribe *scribe, struct ledger_recovery *found, struct cht_err *err)
{
	const struct scribe_options options = { .state = dir, .line_fd = -1, .env_fd = -1 };
	uint8_t key[SIGN_LOG_PUBLIC_BYTES];
	const struct ledger_trust trust = { key, checkpoint_is_ours, scribe };
	int r = log_key_load(&scribe->log_key, &options, NULL, err);

	if (r < 0)
		return r;
	sign_log_key_public(scribe->log_key, key);
	r = ledger_open(&scribe->ledger, dir, &trust, found, err);
	if (r == 0 && ledger_is_unpublished(&scribe->ledger))
		r = publish(scribe, err);
	return r;
}

static bool check(uint64_t least, uint64_t most, uint64_t n)
{
	struct scribe scribe = SCRIBE_NULL;
	struct ledger_recovery found;
	struct cht_err err = { 0 };
	struct tlog_hash root;
	bool ok = open_ledger(&scribe, &found, &err) == 0 || bad("it does not open", 0, &err);

	if (ok && (found.kept < least || found.kept > most))
		ok = bad("so many entries cannot be", found.kept, NULL);
	ok = ok && check_tree(&scribe, found.kept, &root) &&
	     check_entries(&scribe, found.kept, &err) &&
	     check_shown(&scribe, found.kept, &root, n) && check_newest(&scribe, found.kept) &&
	     goes_on(&scribe, &err) && check_kept_notes(&scribe);
	scribe_close(&scribe);
	if (ok)
		snprintf(why, sizeof(why), "%" PRIu64 " %" PRIu64 " %" PRIu64, found.covered,
			 found.kept, found.cut_bytes);
	return ok;
}

static uint8_t *read_whole(const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	uint8_t *bytes = size < 0 ? NULL : malloc((size_t)size + 1);

	if (bytes == NULL || pread(fd, bytes, (size_t)size, 0) != size)
		exit(2);
	fd_close(&fd);
	*len = (size_t)size;
	return bytes;
}

int main(int argc, char **argv)
{
	struct tlog_hash done[TLOG_LEVELS];
	uint64_t least, most, n;
	size_t len;

	if (argc != 5)
		return 2;
	dir = argv[1];
	leaves = read_whole(argv[2], &len);
	n_leaves = len / TLOG_HASH_BYTES;
	shown = read_whole(argv[3], &len);
	n_shown = len / SHOWN_BYTES;
	from = strtoull(argv[4], NULL, 10);
	while (base.size < from && base.size < n_leaves)
		(void)tlog_tree_add(&base, leaf_at(base.size), done);
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (scanf("%" SCNu64 " %" SCNu64 " %" SCNu64, &least, &most, &n) == 3) {
		bool ok = most <= n_leaves && n <= n_shown && check(least, most, n);

		printf("%s %s\n", ok ? "ok" : "bad", why);
	}
	return 0;
}
