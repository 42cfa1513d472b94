/* SPDX-License-Identifier: Apache-2.0
 *
 * tree_util.h - a ledger as the scribe leaves it: entries, .idx, hashes, checkpoints, origin and
 * vkey, written with nothing of src/ledger, under a checkpoint that a fixed key signed. A test
 * that uses it links libsodium.
 */
#ifndef TESTS_TREE_UTIL_H
#define TESTS_TREE_UTIL_H

#include "check.h"

#include <ftw.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/limits.h"
#include "tlog/tlog.h"

#define TREE_ORIGIN "test.example/0011223344556677"

/* The ledger that is written to. Files are closed by tree_close. */
struct tree_log {
	char state[64];
	struct tlog_tree tree;
	FILE *entries, *idx, *levels[TLOG_LEVELS], *notes;
};

static struct tree_log tree_log;

/* Path of a file below STATE; good until the fourth call after. */
static inline const char *tree_path(const char *name)
{
	static char paths[4][192];
	static unsigned turn;
	char *p = paths[turn++ % 4];

	snprintf(p, sizeof(paths[0]), "%s/%s", tree_log.state, name);
	return p;
}

static inline const char *tree_segment(uint64_t first, const char *suffix)
{
	char name[64];

	snprintf(name, sizeof(name), "ledger/entries/%020llu%s", (unsigned long long)first, suffix);
	return tree_path(name);
}

/* The key pair whose seed is 32 times the byte who; 7 is the log's. */
static inline void tree_key(uint8_t who, const char *name, struct tlog_vkey *vkey,
			    uint8_t secret[crypto_sign_SECRETKEYBYTES])
{
	uint8_t seed[crypto_sign_SEEDBYTES], public_key[crypto_sign_PUBLICKEYBYTES];

	CHECK(sodium_init() >= 0);
	memset(seed, who, sizeof(seed));
	CHECK_INT(crypto_sign_seed_keypair(public_key, secret, seed), 0);
	CHECK(tlog_vkey_make(vkey, str_of(name), TLOG_ED25519, public_key));
}

/* Appends a note: this text, signed by who in the name of the log. */
static inline void tree_put_signed(struct buf *b, struct cht_str text, uint8_t who)
{
	uint8_t secret[crypto_sign_SECRETKEYBYTES], sig[crypto_sign_BYTES];
	struct tlog_vkey vkey;

	tree_key(who, TREE_ORIGIN, &vkey, secret);
	CHECK_INT(crypto_sign_detached(sig, NULL, (const uint8_t *)text.ptr, text.len, secret), 0);
	buf_put_str(b, text);
	buf_put_byte(b, '\n');
	tlog_note_put_signature(b, &vkey, sig, sizeof(sig));
	CHECK(!b->full);
}

/* Appends the note of the log, signed with its key, over any size and root. */
static inline void tree_put_note(struct buf *b, uint64_t size, const struct tlog_hash *root)
{
	uint8_t mem[512];
	struct buf text = buf_init(mem, sizeof(mem));

	tlog_checkpoint_put(&text, str_of(TREE_ORIGIN), size, root);
	CHECK(!text.full);
	tree_put_signed(b, (struct cht_str){ (const char *)mem, buf_len(&text) }, 7);
}

/* Replaces a file below STATE. */
static inline void tree_put_file(const char *name, const void *bytes, size_t n)
{
	FILE *f = fopen(tree_path("ledger/tmp"), "wb");

	CHECK(f != NULL);
	CHECK_INT(fwrite(bytes, 1, n, f), n);
	CHECK_INT(fclose(f), 0);
	CHECK_INT(rename(tree_path("ledger/tmp"), tree_path(name)), 0);
}

static inline FILE *tree_append_to(const char *path)
{
	FILE *f = fopen(path, "ab");

	CHECK(f != NULL);
	return f;
}

static inline void tree_close(void)
{
	struct tree_log *t = &tree_log;
	FILE **files[] = { &t->entries, &t->idx, &t->notes };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (*files[i] != NULL) {
			CHECK_INT(fclose(*files[i]), 0);
			*files[i] = NULL;
		}
	for (unsigned i = 0; i < TLOG_LEVELS; i++)
		if (t->levels[i] != NULL) {
			CHECK_INT(fclose(t->levels[i]), 0);
			t->levels[i] = NULL;
		}
}

/* Opens the files of the ledger in a state directory, made where they are absent, and takes the
 * tree from hashes/0. */
static inline void tree_open(const char *state)
{
	static const char *const dirs[] = { "", "ledger", "ledger/entries", "ledger/hashes" };
	struct tlog_hash leaf, done[TLOG_LEVELS];
	uint8_t mem[256];
	struct buf b = buf_init(mem, sizeof(mem));
	uint8_t secret[crypto_sign_SECRETKEYBYTES];
	struct tlog_vkey vkey;
	FILE *f;

	memset(&tree_log, 0, sizeof(tree_log));
	snprintf(tree_log.state, sizeof(tree_log.state), "%s", state);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		(void)mkdir(tree_path(dirs[i]), 0755);
	tree_key(7, TREE_ORIGIN, &vkey, secret);
	tlog_vkey_put(&b, &vkey);
	buf_put_byte(&b, '\n');
	tree_put_file("ledger/vkey", mem, buf_len(&b));
	tree_put_file("ledger/origin", TREE_ORIGIN "\n", sizeof(TREE_ORIGIN));
	f = fopen(tree_path("ledger/hashes/0"), "rb");
	while (f != NULL && fread(leaf.b, sizeof(leaf.b), 1, f) == 1)
		(void)tlog_tree_add(&tree_log.tree, &leaf, done);
	if (f != NULL)
		CHECK_INT(fclose(f), 0);
	for (unsigned i = 0; i < TLOG_LEVELS; i++) {
		char name[32];

		snprintf(name, sizeof(name), "ledger/hashes/%u", i);
		tree_log.levels[i] = tree_append_to(tree_path(name));
	}
	tree_log.notes = tree_append_to(tree_path("ledger/checkpoints"));
}

/* A segment's files, from its first entry on. */
static inline void tree_enter_segment(void)
{
	struct tree_log *t = &tree_log;
	uint64_t first = t->tree.size - t->tree.size % SEGMENT_ENTRIES;

	if (t->entries != NULL && t->tree.size != first)
		return;
	if (t->entries != NULL) {
		CHECK_INT(fclose(t->entries), 0);
		CHECK_INT(fclose(t->idx), 0);
	}
	t->entries = tree_append_to(tree_segment(first, ""));
	t->idx = tree_append_to(tree_segment(first, ".idx"));
	CHECK_INT(fseek(t->entries, 0, SEEK_END), 0);
}

/* Appends one entry, its hashes, and its place where that is due. No checkpoint covers it yet. */
static inline void tree_add(const void *bytes, size_t len)
{
	struct tree_log *t = &tree_log;
	struct tlog_hash leaf, done[TLOG_LEVELS];
	uint8_t head[2], at[8];
	unsigned n;

	tree_enter_segment();
	if (t->tree.size % TLOG_TILE_WIDTH == 0) {
		be64_store(at, (uint64_t)ftell(t->entries));
		CHECK_INT(fwrite(at, 1, sizeof(at), t->idx), sizeof(at));
	}
	be16_store(head, (uint16_t)len);
	CHECK_INT(fwrite(head, 1, sizeof(head), t->entries), sizeof(head));
	CHECK_INT(fwrite(bytes, 1, len, t->entries), len);
	tlog_leaf((struct cht_bytes){ bytes, len }, &leaf);
	n = tlog_tree_add(&t->tree, &leaf, done);
	for (unsigned i = 0; i < n; i++)
		CHECK_INT(fwrite(done[i].b, TLOG_HASH_BYTES, 1, t->levels[i]), 1);
}

/* Makes everything added visible: files first, then the checkpoint. */
static inline void tree_publish(void)
{
	struct tree_log *t = &tree_log;
	static uint8_t mem[1024];
	struct buf b = buf_init(mem, sizeof(mem));
	struct tlog_hash root;

	if (t->entries != NULL) {
		CHECK_INT(fflush(t->entries), 0);
		CHECK_INT(fflush(t->idx), 0);
	}
	for (unsigned i = 0; i < TLOG_LEVELS; i++)
		CHECK_INT(fflush(t->levels[i]), 0);
	tlog_tree_root(&t->tree, &root);
	tree_put_note(&b, t->tree.size, &root);
	tree_put_file("ledger/checkpoint", mem, buf_len(&b));
	buf_put_byte(&b, '\n');
	CHECK_INT(fwrite(mem, 1, buf_len(&b), t->notes), buf_len(&b));
	CHECK_INT(fflush(t->notes), 0);
}

/* Entry i of a ledger of no particular entries: 8 to 40 bytes that follow from i. */
static inline size_t tree_fill(uint8_t out[40], uint64_t i)
{
	size_t len = 8 + (size_t)(i * 7 % 33);

	be64_store(out, i + 1);
	memset(out + 8, 'a' + (int)(i % 26), len - 8);
	return len;
}

static inline bool tree_is_entry(struct cht_bytes entry, uint64_t i)
{
	uint8_t want[40];
	size_t len = tree_fill(want, i);

	return entry.len == len && memcmp(entry.ptr, want, len) == 0;
}

/* n more of them, and a checkpoint. */
static inline void tree_grow(uint64_t n)
{
	uint8_t bytes[40];

	while (n-- > 0) {
		size_t len = tree_fill(bytes, tree_log.tree.size);

		tree_add(bytes, len);
	}
	tree_publish();
}

static inline int tree_remove_one(const char *path, const struct stat *st, int kind,
				  struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

/* For cmocka: an empty ledger without a checkpoint in a scratch directory, and its end. */
static inline int tree_setup(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "%s/cht_tree_XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (mkdtemp(path) == NULL)
		return -1;
	tree_open(path);
	return 0;
}

static inline int tree_teardown(void **state)
{
	(void)state;
	tree_close();
	return nftw(tree_log.state, tree_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#endif
