/* SPDX-License-Identifier: Apache-2.0
 *
 * note_util.h - checkpoints over the first entries of a made ledger, by the log's key or another.
 */
#ifndef TESTS_NOTE_UTIL_H
#define TESTS_NOTE_UTIL_H

#include "verify_util.h"

static const struct verify_options none;

static inline void write_bytes(const char *name, const void *bytes, size_t n)
{
	int fd = open(made_path(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

	CHECK(fd >= 0);
	CHECK_INT(fd_write_all(fd, bytes, n, NULL), 0);
	fd_close(&fd);
}

static inline size_t slurp(const char *name, void *out, size_t cap)
{
	ssize_t n = fd_read_file(AT_FDCWD, made_path(name), out, cap, NULL);

	CHECK(n >= 0);
	return (size_t)n;
}

static inline void root_of(const struct made *m, unsigned size, struct tlog_hash *out)
{
	struct tlog_tree tree = { 0 };
	struct tlog_hash leaf, done[TLOG_LEVELS];

	for (unsigned i = 0; i < size; i++) {
		tlog_leaf(m->entries[i], &leaf);
		(void)tlog_tree_add(&tree, &leaf, done);
	}
	tlog_tree_root(&tree, out);
}

/* A note over the first size entries, signed by who in the log's name. */
static inline void put_note_by(struct buf *b, const struct made *m, unsigned size, uint8_t who)
{
	uint8_t mem[512];
	struct buf text = buf_init(mem, sizeof(mem));
	struct tlog_hash root;

	root_of(m, size, &root);
	tlog_checkpoint_put(&text, STR(TREE_ORIGIN), size, &root);
	tree_put_signed(b, (struct cht_str){ (const char *)mem, buf_len(&text) }, who);
}

static inline void write_note(const char *name, const struct made *m, unsigned size, uint8_t who)
{
	uint8_t mem[1024];
	struct buf b = buf_init(mem, sizeof(mem));

	put_note_by(&b, m, size, who);
	write_bytes(name, mem, buf_len(&b));
}

/* With the log's key alone. */
static inline struct verify_report verify_now(const struct verify_options *options)
{
	struct verify_trust *trust = test_trust(false, false);
	struct verify_report report = verify_with(trust, options);

	verify_trust_free(trust);
	return report;
}

#endif
