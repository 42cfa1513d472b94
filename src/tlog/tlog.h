/* SPDX-License-Identifier: Apache-2.0
 *
 * tlog.h - the mathematics and the texts of a transparency log: hashes in; roots, proofs, tiles,
 * checkpoints and policies out, and back.
 *
 * All of it is pure: no I/O, no allocation, no clock, no key. Whoever has hashes in files gives a
 * tlog_read_fn. Texts are those of C2SP: signed-note, tlog-checkpoint, tlog-tiles, tlog-proof,
 * tlog-policy, tlog-cosignature; hashing is RFC 6962 section 2.1 with SHA-256. Signatures are taken
 * apart and put together here, and made or checked elsewhere (sign, verify).
 */
#ifndef TLOG_TLOG_H
#define TLOG_TLOG_H

#include <cht/err.h>

#include "base/buf.h"

enum {
	TLOG_HASH_BYTES = 32,
	TLOG_TILE_BITS = 8, /* a tile holds 2^8 hashes, of level 0, 1, 2, ... */
	TLOG_TILE_WIDTH = 1 << TLOG_TILE_BITS,
	TLOG_LEVELS = 8,             /* tile levels of any tree up to 2^63 leaves */
	TLOG_PROOF_MAX = 64,         /* hashes in a proof of either kind */
	TLOG_NAME_MAX = 128,         /* bytes of an origin or key name that we take */
	TLOG_SIGNATURES_MAX = 16,    /* lines of a note that are looked at; more: refused */
	TLOG_NOTE_MAX_BYTES = 16384, /* a note longer than this is refused */
};

/* A tree of more leaves is nobody's: sizes above are refused. */
#define TLOG_SIZE_MAX ((uint64_t)INT64_MAX)

struct tlog_hash {
	uint8_t b[TLOG_HASH_BYTES];
};

/* ---- hash.c, leaves.c: SHA-256 as RFC 6962 uses it */

/* The leaf hashes of n entries: the same as n calls of tlog_leaf, in little more than half the time
 * where the processor has instructions for it. */
void tlog_leaves(const struct cht_bytes *entries, unsigned n, struct tlog_hash *out);
/* SHA-256(0x00 || entry) and SHA-256(0x01 || left || right). out may be either input. */
void tlog_leaf(struct cht_bytes entry, struct tlog_hash *out);
void tlog_node(const struct tlog_hash *left, const struct tlog_hash *right, struct tlog_hash *out);
bool tlog_hash_eq(const struct tlog_hash *a, const struct tlog_hash *b);

/* ---- tree.c: appending, with O(log n) memory */

/* The compact range of a tree: node[k] is the root of a complete subtree of 2^k leaves, and
 * counts when bit k of size is set; the others are undefined. Zero-initialise: the empty tree. */
struct tlog_tree {
	uint64_t size;
	struct tlog_hash node[64];
};

/* Appends one leaf. done[i] becomes the hash of each complete subtree of 256^i leaves that this
 * leaf finishes: done[0] is the leaf itself; returns how many (1 to TLOG_LEVELS). They belong
 * behind those already in level i of the hash files. */
unsigned tlog_tree_add(struct tlog_tree *tree, const struct tlog_hash *leaf,
		       struct tlog_hash done[TLOG_LEVELS]);
/* Appends the complete subtree of 2^k leaves; the tree's size must be a multiple of 2^k. */
void tlog_tree_add_subtree(struct tlog_tree *tree, unsigned k, const struct tlog_hash *root);
/* The hash of the level above that 256 hashes of one level give. */
void tlog_tile_root(const struct tlog_hash tile[TLOG_TILE_WIDTH], struct tlog_hash *out);
/* RFC 6962 MTH; of the empty tree SHA-256 of nothing. */
void tlog_tree_root(const struct tlog_tree *tree, struct tlog_hash *out);

/* ---- proof.c */

/* Reads n hashes of a level, from the first on: hash i of level L is the root of the complete
 * subtree of leaves [i * 256^L, (i + 1) * 256^L). 0, or a negative code that is passed on.
 * Never asked beyond the tree that the call is about, nor for more than 256 at once. */
typedef int (*tlog_read_fn)(void *context, unsigned level, uint64_t first, size_t n,
			    struct tlog_hash *out);
struct tlog_source {
	tlog_read_fn read;
	void *context;
};

/* The root of leaves [lo, hi) as a tree of its own; lo must be a multiple of the smallest power of
 * two not below hi - lo (every subtree in RFC 6962's recursion is so). Root of size: lo = 0. */
int tlog_range_root(const struct tlog_source *source, uint64_t lo, uint64_t hi,
		    struct tlog_hash *out) CHT_CHECKED;
/* The compact range of the first size leaves. */
int tlog_tree_load(const struct tlog_source *source, uint64_t size,
		   struct tlog_tree *out) CHT_CHECKED;

struct tlog_proof {
	unsigned n;
	struct tlog_hash hash[TLOG_PROOF_MAX];
};

/* RFC 6962 section 2.1.1: that leaf index is in the tree of size. index < size. O(log size). */
int tlog_inclusion_prove(const struct tlog_source *source, uint64_t index, uint64_t size,
			 struct tlog_proof *out) CHT_CHECKED;
/* RFC 9162 section 2.1.3.2. The root that leaf at index and the proof lead to; CHT_E_VERIFY when
 * index >= size or the proof has another length than it must. */
int tlog_inclusion_root(uint64_t index, uint64_t size, const struct tlog_hash *leaf,
			const struct tlog_proof *proof, struct tlog_hash *root) CHT_CHECKED;
/* RFC 6962 section 2.1.2: that the tree of size began as the one of old_size.
 * 0 < old_size <= size; equal sizes give no hash. */
int tlog_consistency_prove(const struct tlog_source *source, uint64_t old_size, uint64_t size,
			   struct tlog_proof *out) CHT_CHECKED;
/* RFC 9162 section 2.1.4.2. 0: it holds. CHT_E_VERIFY: it does not, or its length, sizes or equal
 * roots are not as they must be; old_size 0 is consistent with everything larger and takes no
 * hash. */
int tlog_consistency_check(uint64_t old_size, uint64_t size, const struct tlog_hash *old_root,
			   const struct tlog_hash *root,
			   const struct tlog_proof *proof) CHT_CHECKED;

/* ---- tile.c: names of C2SP tlog-tiles */

struct tlog_tile {
	unsigned level;  /* 0 to TLOG_LEVELS - 1; entry bundles: 0 */
	bool is_entries; /* tile/entries/...: the entries, not their hashes */
	uint64_t n;      /* number of the tile in its level */
	unsigned width;  /* hashes or entries in it: 1 to 256 */
};

/* "tile/0/x001/x234/067", ".p/<W>" behind it when it is partial; b->full when it does not fit. */
void tlog_tile_put_path(struct buf *b, const struct tlog_tile *tile);
/* The inverse, strict: one spelling for each tile. False: no such path. */
bool tlog_tile_read_path(struct cht_str path, struct tlog_tile *out);
/* The width that tile n of a level has in a tree of this size; 0: it is not there. */
unsigned tlog_tile_width(unsigned level, uint64_t n, uint64_t size);

/* ---- note.c: C2SP signed-note */

enum tlog_key_type {
	TLOG_ED25519 = 1,        /* of a log */
	TLOG_ED25519_COSIGN = 4, /* of a witness, with its time */
};
enum { TLOG_KEY_ID_BYTES = 4, TLOG_PUBLIC_BYTES = 32, TLOG_SIGNATURE_BYTES = 64 };

/* A verifier key: name, its type, and 32 bytes of Ed25519 public key. */
struct tlog_vkey {
	char name[TLOG_NAME_MAX + 1];
	uint8_t id[TLOG_KEY_ID_BYTES];
	uint8_t type; /* enum tlog_key_type */
	uint8_t public_key[TLOG_PUBLIC_BYTES];
};

/* Whether text can be a key name or an origin of ours: 1 to TLOG_NAME_MAX bytes of UTF-8, no
 * white space, no control character, no '+'. */
bool tlog_is_name(struct cht_str name);
/* Fills a vkey from its parts and computes its id. False when name cannot be one. */
bool tlog_vkey_make(struct tlog_vkey *out, struct cht_str name, enum tlog_key_type type,
		    const uint8_t public_key[TLOG_PUBLIC_BYTES]);
/* "name+hex(id)+base64(type || key)". Reading is strict and checks that the id is the key's;
 * *why, unless null, says in words what is wrong. */
void tlog_vkey_put(struct buf *b, const struct tlog_vkey *vkey);
bool tlog_vkey_read(struct cht_str text, struct tlog_vkey *out, const char **why);
bool tlog_vkey_eq(const struct tlog_vkey *a, const struct tlog_vkey *b);

/* One signature line, taken apart. Views borrow from the note. */
struct tlog_signature {
	struct cht_str name;
	uint8_t id[TLOG_KEY_ID_BYTES];
	uint8_t bytes[8 +
		      TLOG_SIGNATURE_BYTES]; /* what follows the id: 64, or 8 + 64 of a witness */
	size_t len;                          /* 0: longer than this; it is of no type we know */
};
struct tlog_note {
	struct cht_str text; /* what is signed: ends with the newline before the blank line */
	struct tlog_signature sigs[TLOG_SIGNATURES_MAX];
	unsigned n_sigs;
};

/* Takes a note apart: at most TLOG_NOTE_MAX_BYTES of UTF-8 without control characters but newline,
 * text, blank line (the last one), one to TLOG_SIGNATURES_MAX signature lines, nothing behind the
 * last newline. Base64 is strict. CHT_E_PARSE, with *at, unless null, the first offending byte. */
int tlog_note_read(struct cht_str note, struct tlog_note *out, size_t *at) CHT_CHECKED;
/* "— <name> <base64(id || signature)>\n". sig: sig_len bytes. */
void tlog_note_put_signature(struct buf *b, const struct tlog_vkey *vkey, const uint8_t *sig,
			     size_t sig_len);
/* What a cosignature of TLOG_ED25519_COSIGN signs: "cosignature/v1\ntime <t>\n" and the text. */
void tlog_cosigned_put(struct buf *b, uint64_t time_s, struct cht_str text);

/* ---- checkpoint.c: C2SP tlog-checkpoint */

struct tlog_checkpoint {
	struct cht_str origin; /* borrowed */
	uint64_t size;
	struct tlog_hash root;
	struct cht_str extension; /* the lines after the root; empty: none. We write none. */
};

/* The text to sign: origin, size, base64 of the root, a line each. */
void tlog_checkpoint_put(struct buf *b, struct cht_str origin, uint64_t size,
			 const struct tlog_hash *root);
/* From a note's text. CHT_E_PARSE, with *at, unless null, the first offending byte. */
int tlog_checkpoint_read(struct cht_str text, struct tlog_checkpoint *out, size_t *at) CHT_CHECKED;

/* ---- receipt.c: C2SP tlog-proof@v1, an inclusion proof that stands for itself */

struct tlog_receipt {
	uint64_t index;
	struct tlog_proof proof;
	struct cht_str extra; /* base64 text of the extra line, empty: none; borrowed */
	struct cht_str note;  /* the signed checkpoint; borrowed */
};

void tlog_receipt_put(struct buf *b, uint64_t index, const struct tlog_proof *proof,
		      struct cht_str note);
/* CHT_E_PARSE, with *at, unless null, the first offending byte. The note inside is not looked at.
 */
int tlog_receipt_read(struct cht_str text, struct tlog_receipt *out, size_t *at) CHT_CHECKED;

/* ---- policy.c: C2SP tlog-policy, whom a verifier believes */

enum {
	TLOG_POLICY_LOGS_MAX = 32,
	TLOG_POLICY_WITNESSES_MAX = 64,
	TLOG_POLICY_GROUPS_MAX = 32,
	/* Of all groups together: each name is a member once at most. */
	TLOG_POLICY_MEMBERS_MAX = TLOG_POLICY_WITNESSES_MAX + TLOG_POLICY_GROUPS_MAX,
	TLOG_POLICY_MAX_BYTES = 65536,
};

struct tlog_policy_witness {
	struct cht_str name; /* borrowed from the text, as all views here */
	struct tlog_vkey vkey;
	struct cht_str url; /* empty: none */
};
struct tlog_policy_group {
	struct cht_str name;
	unsigned threshold; /* of its members */
	uint16_t first, n;  /* in members[] */
};
struct tlog_policy {
	unsigned n_logs, n_witnesses, n_groups, n_members;
	struct tlog_vkey logs[TLOG_POLICY_LOGS_MAX];
	struct cht_str log_urls[TLOG_POLICY_LOGS_MAX];
	struct tlog_policy_witness witnesses[TLOG_POLICY_WITNESSES_MAX];
	struct tlog_policy_group groups[TLOG_POLICY_GROUPS_MAX];
	/* Below TLOG_POLICY_WITNESSES_MAX: a witness; from there on: a group. */
	uint16_t members[TLOG_POLICY_MEMBERS_MAX];
	int quorum; /* -1: none; as a member above */
};

/* Lines as the specification has them; '#' begins a comment line. CHT_E_PARSE: err.value is the
 * line, the text says what is wrong in it. */
int tlog_policy_read(struct cht_str text, struct tlog_policy *out, struct cht_err *err) CHT_CHECKED;
/* Whether the quorum is met when has[i] tells of witness i that its cosignature holds. */
bool tlog_policy_is_met(const struct tlog_policy *policy, const bool *has);

#endif
