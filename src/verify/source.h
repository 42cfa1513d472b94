/* SPDX-License-Identifier: Apache-2.0
 *
 * source.h - what is verified, be it a ledger in use, a bundle or tiles: a signed checkpoint, and
 * then, in order, entries or the hashes of those that are not there; private to src/verify.
 *
 * A source says what stands where and judges nothing but whether it can be read on.
 */
#ifndef VERIFY_SOURCE_H
#define VERIFY_SOURCE_H

#include "verify/note.h"
#include "verify/verify.h"

enum {
	BLOCK_ENTRIES_MAX = TLOG_TILE_WIDTH,
	BLOCK_BYTES = 1 << 19, /* of entries: eight of the largest, 256 of two KiB */
};

enum block_kind {
	BLOCK_ENTRIES, /* n entries */
	BLOCK_HASHES,  /* n leaf hashes, of entries that are not there */
	BLOCK_SUBTREE, /* the root of a complete subtree of entries that are not there */
};

/* What a look at an entry's bytes alone tells (look.c). */
struct seen {
	bool is_envelope, is_event; /* not an event: bad_at is the first offending byte */
	bool is_extended;           /* members behind the signature */
	uint8_t answer;             /* enum trust_answer, of an envelope */
	uint32_t bad_at;
	struct envelope_view envelope;
	struct event_view event;
};

struct block_item {
	uint32_t at, len; /* of the entry in bytes */
	uint64_t offset;  /* of what begins it in its file: its length, or its line */
};

/* Neighbours that stand in one tile of 256 leaves. */
struct block {
	enum block_kind kind;
	uint64_t first;      /* leaf */
	unsigned n;          /* leaves; 0 for a subtree */
	unsigned k;          /* a subtree has 2^k leaves */
	uint64_t file_first; /* as in struct verify_place */
	uint8_t *bytes;      /* BLOCK_BYTES of them */
	size_t len;
	struct block_item item[BLOCK_ENTRIES_MAX];
	struct tlog_hash leaf[BLOCK_ENTRIES_MAX];
	struct tlog_hash root; /* of a subtree; of n leaves where n is 256 */
	struct seen seen[BLOCK_ENTRIES_MAX];
};

struct source;
struct source_ops {
	/* 1: *block is filled, without what look.c adds. 0: the end. CHT_E_STATE: what stands at
	 * source->place cannot be, fault and text say why, and nothing more comes. CHT_E_IO. */
	int (*next)(struct source *source, struct block *block, struct cht_err *err);
	/* n stored hashes of a level, for comparison. CHT_E_STATE: they are not there. Null: a
	 * source that has none but those it gives. */
	int (*hashes)(struct source *source, unsigned level, uint64_t first, size_t n,
		      struct tlog_hash *out, struct cht_err *err);
	/* After the end: what stands above the checkpoint. May be null. */
	int (*above)(struct source *source, struct verify_above *out, struct cht_err *err);
	void (*close)(struct source *source);
};

struct source {
	const struct source_ops *ops;
	enum verify_form form;
	int dir_fd;               /* a ledger's or tiles' directory; else -1 */
	const char *run_id;       /* of a bundle of one run; else null */
	struct cht_str note;      /* the checkpoint's text; empty: there is none */
	struct cht_str hint;      /* the verifier key that stands beside it; empty: none */
	uint64_t size;            /* leaves to give; UINT64_MAX: as many as there are */
	uint64_t next;            /* leaf that comes next */
	uint64_t first;           /* entries below are not there */
	bool is_pruned_meanwhile; /* on CHT_E_STATE: removed since it was opened, so open it anew */
	enum verify_fault fault;  /* on CHT_E_STATE */
	struct verify_place place;
};

/* Opens what path is. The caller sets size before the first next. CHT_E_CONFIG: nothing of ours is
 * there. CHT_E_VERSION, CHT_E_IO, CHT_E_NOMEM. */
int source_open(struct source **out, const char *path, struct cht_err *err) CHT_CHECKED;
void source_close(struct source *source);

/* source_*.c: each for its form. A directory is borrowed and may be closed by the caller. */
int source_open_ledger(struct source **out, int dir_fd, struct cht_err *err) CHT_CHECKED;
int source_open_tiles(struct source **out, int dir_fd, struct cht_err *err) CHT_CHECKED;
int source_open_bundle(struct source **out, const char *path, struct cht_err *err) CHT_CHECKED;

/* For them: notes that nothing more can come, and why. Returns CHT_E_STATE. */
int source_broken(struct source *source, enum verify_fault fault, uint64_t file_offset,
		  struct cht_err *err, const char *fmt, ...) CHT_PRINTF(5, 6);
/* Reads a small file that may be absent into a new text. 1, 0 when absent, CHT_E_IO, CHT_E_NOMEM;
 * one that is longer than max is cut there. */
int source_read_text(int dir_fd, const char *name, size_t max, struct cht_str *out,
		     struct cht_err *err) CHT_CHECKED;

#endif
