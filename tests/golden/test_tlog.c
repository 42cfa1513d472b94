/* SPDX-License-Identifier: Apache-2.0
 *
 * Trees, proofs, notes and keys as Go's golang.org/x/mod/sumdb makes and judges them (tlog.tsv, by
 * make_tlog.go), and the test log of transparency-dev/tessera (testdata/log, made by build_log.sh;
 * Apache-2.0), whose leaves, key and checkpoints are below.
 */
#include <sodium.h>

#include "tlog_util.h"
#include "tsv.h"

enum { LARGE = 65536 + 300, MUTATED_MAX = 4096 };

static bool has_kind(const struct tsv *t, const char *kind)
{
	return str_eq(t->column[0], str_of(kind));
}

static uint64_t number(struct cht_str s)
{
	uint64_t v = 0;

	CHECK(read_u64(s, UINT64_MAX, &v));
	return v;
}

/* Hashes in hex, a space between them. */
static struct tlog_proof hashes(struct cht_str s)
{
	struct tlog_proof proof = { 0 };
	size_t len;

	while (s.len >= 64) {
		size_t step = s.len > 64 ? 65 : 64;

		CHECK(read_hex((struct cht_str){ s.ptr, 64 }, proof.hash[proof.n++].b, 32, &len));
		s = (struct cht_str){ s.ptr + step, s.len - step };
	}
	CHECK_INT(s.len, 0);
	return proof;
}

static struct tlog_hash root_of(struct files *f, uint64_t size)
{
	struct tlog_source source = { files_read, f };
	struct tlog_hash root;

	f->limit = size;
	CHECK_INT(tlog_range_root(&source, 0, size, &root), 0);
	return root;
}

/* A proof of ours is Go's, and Go's holds. */
static void check_proof(struct files *f, const struct tsv *t)
{
	uint64_t a = number(t->column[1]), size = number(t->column[2]);
	struct tlog_proof want = hashes(t->column[3]), got;
	struct tlog_source source = { files_read, f };
	struct tlog_hash root = root_of(f, size), other;

	if (has_kind(t, "inclusion")) {
		CHECK_INT(tlog_inclusion_prove(&source, a, size, &got), 0);
		CHECK_INT(tlog_inclusion_root(a, size, &f->level[0][a], &want, &other), 0);
		CHECK(tlog_hash_eq(&other, &root));
	} else {
		CHECK_INT(tlog_consistency_prove(&source, a, size, &got), 0);
		other = root_of(f, a);
		CHECK_INT(tlog_consistency_check(a, size, &other, &root, &want), 0);
	}
	CHECK_INT(got.n, want.n);
	CHECK(memcmp(got.hash, want.hash, got.n * sizeof(got.hash[0])) == 0);
}

static void test_trees_and_proofs_of_go(void **state)
{
	struct tsv *t = tsv_open("tests/golden/tlog.tsv");
	struct files *f = files_new(LARGE);
	unsigned n = 0;

	(void)state;
	while (tsv_next(t)) {
		if (has_kind(t, "root")) {
			struct tlog_proof want = hashes(t->column[3]);
			struct tlog_hash got = root_of(f, number(t->column[1]));

			CHECK(want.n == 1 && tlog_hash_eq(&got, &want.hash[0]));
			n++;
		} else if (has_kind(t, "inclusion") || has_kind(t, "consistency")) {
			check_proof(f, t);
			n++;
		}
	}
	CHECK_INT(n, 489);
	files_free(f);
	tsv_close(t);
}

/* The keys of the table, to check the notes behind them. */
struct keys {
	struct tlog_vkey key[3];
	unsigned n;
};

static void read_key(const struct tsv *t, struct keys *keys)
{
	char mem[256];
	struct buf b = buf_init(mem, sizeof(mem));
	const char *why = "";
	size_t len;
	uint8_t *text = tsv_hex(t->column[1], &len);

	CHECK(keys->n < 3);
	if (!tlog_vkey_read((struct cht_str){ (char *)text, len }, &keys->key[keys->n], &why))
		fail_msg("%.*s: %s", (int)len, (char *)text, why);
	tlog_vkey_put(&b, &keys->key[keys->n++]);
	CHECK_STRS(((struct cht_str){ mem, buf_len(&b) }), ((struct cht_str){ (char *)text, len }));
	free(text);
}

/* That one of the keys made a signature: what is signed has been put together right. */
static const struct tlog_vkey *signer_of(const struct tlog_note *note,
					 const struct tlog_signature *sig, const struct keys *keys)
{
	const struct tlog_vkey *key = NULL;
	uint8_t mem[MUTATED_MAX];
	struct buf b = buf_init(mem, sizeof(mem));

	for (unsigned i = 0; i < keys->n; i++)
		if (memcmp(keys->key[i].id, sig->id, sizeof(sig->id)) == 0)
			key = &keys->key[i];
	assert_non_null(key);
	CHECK_STRS(sig->name, str_of(key->name));
	CHECK_INT(sig->len, key->type == TLOG_ED25519 ? 64 : 72);
	if (key->type == TLOG_ED25519)
		buf_put_str(&b, note->text);
	else
		tlog_cosigned_put(&b, be64_load(sig->bytes), note->text);
	CHECK_INT(crypto_sign_verify_detached(sig->bytes + sig->len - 64, mem, buf_len(&b),
					      key->public_key),
		  0);
	return key;
}

static void check_note(const struct tsv *t, const struct keys *keys)
{
	size_t len, text_len, at;
	uint8_t *msg = tsv_hex(t->column[1], &len), *text = tsv_hex(t->column[2], &text_len);
	char mem[MUTATED_MAX];
	struct buf b = buf_init(mem, sizeof(mem));
	struct tlog_note note;

	CHECK_INT(tlog_note_read((struct cht_str){ (char *)msg, len }, &note, &at), 0);
	CHECK_STRS(note.text, ((struct cht_str){ (char *)text, text_len }));
	CHECK_INT(note.n_sigs, number(t->column[3]));
	/* And put together again by us. */
	buf_put_str(&b, note.text);
	buf_put_lit(&b, "\n");
	for (unsigned i = 0; i < note.n_sigs; i++)
		tlog_note_put_signature(&b, signer_of(&note, &note.sigs[i], keys),
					note.sigs[i].bytes, note.sigs[i].len);
	CHECK_STRS(((struct cht_str){ mem, buf_len(&b) }), ((struct cht_str){ (char *)msg, len }));
	free(msg);
	free(text);
}

static void test_notes_and_keys_of_go(void **state)
{
	struct tsv *t = tsv_open("tests/golden/tlog.tsv");
	struct keys keys = { 0 };
	unsigned n = 0;

	(void)state;
	while (tsv_next(t)) {
		if (has_kind(t, "vkey")) {
			read_key(t, &keys);
		} else if (has_kind(t, "note")) {
			check_note(t, &keys);
			n++;
		}
	}
	CHECK_INT(keys.n, 3);
	CHECK_INT(n, 4);
	tsv_close(t);
}

/* msg with one change at i, as make_tlog.go made it. */
static struct cht_str changed(struct cht_str msg, size_t i, struct cht_str what, char *mem)
{
	struct buf b = buf_init(mem, MUTATED_MAX);
	size_t rest = i + 1; /* where msg goes on */

	buf_put(&b, msg.ptr, i);
	if (str_eq(what, STR("cut")))
		rest = msg.len;
	else if (str_eq(what, STR("double")))
		buf_put(&b, msg.ptr + --rest, 1);
	else if (!str_eq(what, STR("delete")))
		buf_put_byte(&b, (uint8_t)number(what));
	buf_put(&b, msg.ptr + rest, msg.len - rest);
	CHECK(!b.full);
	return (struct cht_str){ mem, buf_len(&b) };
}

/* Go lets bits pass that no byte takes; we do not. They stand before padding. */
static bool is_before_padding(struct cht_str msg, size_t i)
{
	return i + 1 < msg.len && msg.ptr[i + 1] == '=';
}

static void test_changed_notes_as_go_judges_them(void **state)
{
	struct tsv *t = tsv_open("tests/golden/tlog.tsv");
	unsigned taken = 0, refused = 0, stricter = 0;

	(void)state;
	while (tsv_next(t)) {
		struct cht_str msg;
		uint8_t *bytes;

		if (!has_kind(t, "verdicts"))
			continue;
		bytes = tsv_hex(t->column[2], &msg.len);
		msg.ptr = (char *)bytes;
		CHECK_INT(t->column[3].len, msg.len);
		for (size_t i = 0; i < msg.len; i++) {
			char mem[MUTATED_MAX];
			struct tlog_note note;
			size_t at;
			bool ours =
				tlog_note_read(changed(msg, i, t->column[1], mem), &note, &at) == 0;

			if (ours != (t->column[3].ptr[i] == '+')) {
				CHECK(!ours && is_before_padding(msg, i));
				stricter++;
			}
			*(ours ? &taken : &refused) += 1;
		}
		free(bytes);
	}
	CHECK(taken > 500 && refused > 500 && stricter > 0 && stricter < 30);
	tsv_close(t);
}

/* The example of C2SP signed-note (github:C2SP/C2SP, CC BY 4.0) and the note of the tests of Go's
 * sumdb/note (BSD-3-Clause), with their keys. */
#define GO_TEXT                                                                                    \
	"If you think cryptography is the answer to your problem,\n"                               \
	"then you don't know what your problem is.\n"

static const struct {
	const char *keys[2], *note;
} published[] = {
	{ { "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k" },
	  "This is an example message.\n\n"
	  "\xe2\x80\x94 example.com/foo "
	  "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZ"
	  "XsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n" },
	{ { "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
	    "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop" },
	  GO_TEXT
	  "\n"
	  "\xe2\x80\x94 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFY"
	  "C2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
	  "\xe2\x80\x94 EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGr"
	  "Q5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n" },
};

static void test_notes_that_others_published(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(published) / sizeof(published[0]); i++) {
		struct keys keys = { 0 };
		struct tlog_note note;
		size_t at;

		for (; keys.n < 2 && published[i].keys[keys.n] != NULL; keys.n++)
			CHECK(tlog_vkey_read(str_of(published[i].keys[keys.n]), &keys.key[keys.n],
					     NULL));
		CHECK_INT(tlog_note_read(str_of(published[i].note), &note, &at), 0);
		CHECK_INT(note.n_sigs, keys.n);
		for (unsigned n = 0; n < note.n_sigs; n++)
			(void)signer_of(&note, &note.sigs[n], &keys);
	}
}

static const char *const words[] = { "one",    "two",   "three",    "four",    "five",
				     "six",    "seven", "eit",      "nain",    "ten",
				     "ileven", "twelf", "threeten", "fourten", "fivten" };

static const char tessera_key[] =
	"example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx";

#define TESSERA(size, root, sig)                                                                   \
	{                                                                                          \
		size, "example.com/log/testdata\n" #size "\n" root                                 \
		      "=\n\n\xe2\x80\x94 example.com/log/testdata M9e0l" sig "=\n"                 \
	}

static const struct {
	unsigned size;
	const char *note;
} tessera[] = {
	TESSERA(0, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
		"hxJACzE1KoUdqKuPa+9p6R7dSW8BlEvrg/"
		"noo8FkGg6PbJoRNOcdjqjOq89wVvTA60eubCc4oufo5BvIVEgt"
		"Qc"),
	TESSERA(1, "0Nc2CrefWKseHj/mStd+LqC8B+NrX0btIiPt2SmN+ek",
		"hr9kuLxGdAtaUrhm84TQffVsLdcy808sN0a3WyniNlfcr9+bywoiIke1YYciCNjJGkCgIlQ8b16jhsmg/"
		"SCh"
		"AM"),
	TESSERA(7, "IrSXADBqJ7EQoUODSDKROySgNveeL6CFhik2w/+fS7U",
		"uA5JhTRUki/"
		"BBQD0QNiH6AEJ2pdtsA5CQjqJErViuuKrN6513RCTL2640wXJv0dCed3neRGI6dMzBq9uANf2"
		"Qc"),
	TESSERA(8, "bC+VwvrJbalNVjfkdI8kUgs7mJoXrqiXCE7bgnD28pY",
		"q1EK37dHtgv9O3UzPxisw5vwIPcJsX9ab0xt4mvVfbdUR1fbMjN6sBFYpBoBEmD4+cWhj/"
		"AVgI5MitCO5+me"
		"ws"),
	TESSERA(15, "rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs",
		"uh4jTG+UMBqOUo9/q+yAEvx1ilBEniMvjf1zfcBOhg+CKubMt53MvIt/uEWP6zdkdIQzd/fmwlM/"
		"dlPWF74e"
		"wI"),
};

/* Each checkpoint of the log, byte for byte, but for the signature itself. */
static void test_the_log_of_tessera(void **state)
{
	struct tlog_hash leaf, root, done[TLOG_LEVELS];
	struct tlog_tree tree = { 0 };
	struct keys keys = { .n = 1 };
	size_t at;

	(void)state;
	CHECK(tlog_vkey_read(str_of(tessera_key), &keys.key[0], NULL));
	for (size_t i = 0; i < sizeof(tessera) / sizeof(tessera[0]); i++) {
		char mem[512];
		struct buf b = buf_init(mem, sizeof(mem));
		struct tlog_note note;

		for (; tree.size < tessera[i].size; tlog_tree_add(&tree, &leaf, done))
			tlog_leaf((struct cht_bytes){ (const uint8_t *)words[tree.size],
						      strlen(words[tree.size]) },
				  &leaf);
		tlog_tree_root(&tree, &root);
		CHECK_INT(tlog_note_read(str_of(tessera[i].note), &note, &at), 0);
		CHECK_INT(note.n_sigs, 1);
		(void)signer_of(&note, &note.sigs[0], &keys);
		tlog_checkpoint_put(&b, STR("example.com/log/testdata"), tree.size, &root);
		buf_put_lit(&b, "\n");
		tlog_note_put_signature(&b, &keys.key[0], note.sigs[0].bytes, 64);
		CHECK_STR(((struct cht_str){ mem, buf_len(&b) }), tessera[i].note);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trees_and_proofs_of_go),
		cmocka_unit_test(test_notes_and_keys_of_go),
		cmocka_unit_test(test_changed_notes_as_go_judges_them),
		cmocka_unit_test(test_notes_that_others_published),
		cmocka_unit_test(test_the_log_of_tessera),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
