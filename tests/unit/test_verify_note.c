/* SPDX-License-Identifier: Apache-2.0
 *
 * Signatures of notes. The first is the example of golang.org/x/mod/sumdb/note; the others are made
 * here with libsodium.
 */
#include "check.h"

#include <sodium.h>

#include "base/text.h"
#include "verify/note.h"

#define DASH "\xe2\x80\x94 "

static const char go_vkey[] = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
static const char go_note[] =
	"If you think cryptography is the answer to your problem,\n"
	"then you don't know what your problem is.\n"
	"\n" DASH "PeterNeumann "
	"x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJn"
	"AM=\n";

/* A key of ours: a log's or a witness's. */
struct signer {
	struct tlog_vkey vkey;
	uint8_t secret[crypto_sign_SECRETKEYBYTES];
};

static struct signer signer_of(const char *name, enum tlog_key_type type, uint8_t number)
{
	uint8_t seed[crypto_sign_SEEDBYTES], public_key[TLOG_PUBLIC_BYTES];
	struct signer s;

	memset(seed, number, sizeof(seed));
	CHECK_INT(crypto_sign_seed_keypair(public_key, s.secret, seed), 0);
	CHECK(tlog_vkey_make(&s.vkey, str_of(name), type, public_key));
	return s;
}

static void put_signature(struct buf *b, const struct signer *s, struct cht_str text,
			  uint64_t time_s)
{
	uint8_t sig[8 + TLOG_SIGNATURE_BYTES], mem[1024];
	struct buf signed_text = buf_init(mem, sizeof(mem));

	if (s->vkey.type == TLOG_ED25519) {
		CHECK_INT(crypto_sign_detached(sig, NULL, (const uint8_t *)text.ptr, text.len,
					       s->secret),
			  0);
		tlog_note_put_signature(b, &s->vkey, sig, TLOG_SIGNATURE_BYTES);
		return;
	}
	be64_store(sig, time_s);
	tlog_cosigned_put(&signed_text, time_s, text);
	CHECK_INT(crypto_sign_detached(sig + 8, NULL, mem, buf_len(&signed_text), s->secret), 0);
	tlog_note_put_signature(b, &s->vkey, sig, sizeof(sig));
}

static const struct tlog_hash root = { { 1, 2, 3 } };

/* A checkpoint of a log, cosigned twice by a witness, with a line of a stranger. */
static struct buf cosigned(char *mem, size_t cap, const struct signer *log,
			   const struct signer *witness)
{
	struct buf b = buf_init(mem, cap);
	struct cht_str text;

	tlog_checkpoint_put(&b, str_of(log->vkey.name), 7, &root);
	text = (struct cht_str){ mem, buf_len(&b) };
	buf_put_byte(&b, '\n');
	put_signature(&b, log, text, 0);
	put_signature(&b, witness, text, 1700000000);
	put_signature(&b, witness, text, 1700000060);
	buf_put_lit(&b, DASH "stranger.example AAAAAAAA\n");
	CHECK(!b.full);
	return b;
}

static struct cht_str text_of(const struct buf *b)
{
	return (struct cht_str){ (const char *)b->start, buf_len(b) };
}

static void test_what_another_implementation_signed_holds(void **state)
{
	struct tlog_vkey vkey;
	struct tlog_note note;
	size_t at;

	(void)state;
	CHECK_INT(verify_vkey_read(str_of(go_vkey), &vkey, NULL), 0);
	CHECK_INT(tlog_note_read(str_of(go_note), &note, &at), 0);
	CHECK_INT(verify_note_signature(&note, &vkey, NULL), VERIFY_NOTE_HOLDS);
}

static void test_each_key_finds_its_own_lines(void **state)
{
	struct signer log = signer_of("log.example/1", TLOG_ED25519, 1);
	struct signer other_key = signer_of("log.example/1", TLOG_ED25519, 2);
	struct signer other_name = signer_of("log.example/2", TLOG_ED25519, 1);
	struct signer witness = signer_of("w.example/w", TLOG_ED25519_COSIGN, 3);
	struct signer as_log = signer_of("w.example/w", TLOG_ED25519, 3);
	char mem[2048];
	struct buf b = cosigned(mem, sizeof(mem), &log, &witness);
	struct tlog_note note;
	uint64_t time_s = 5;
	size_t at;

	(void)state;
	CHECK_INT(tlog_note_read(text_of(&b), &note, &at), 0);
	CHECK_INT(verify_note_signature(&note, &log.vkey, NULL), VERIFY_NOTE_HOLDS);
	CHECK_INT(verify_note_signature(&note, &other_key.vkey, &time_s), VERIFY_NOTE_ABSENT);
	CHECK_INT(time_s, 0);
	CHECK_INT(verify_note_signature(&note, &other_name.vkey, NULL), VERIFY_NOTE_ABSENT);
	CHECK_INT(verify_note_signature(&note, &as_log.vkey, NULL), VERIFY_NOTE_ABSENT);
	CHECK_INT(verify_note_signature(&note, &witness.vkey, &time_s), VERIFY_NOTE_HOLDS);
	CHECK_INT(time_s, 1700000060);
}

/* The bytes of text and of the known key's lines; the other witness and the stranger are exempt. */
static void test_every_flipped_bit_refuses_the_note_or_finds_no_line(void **state)
{
	struct signer log = signer_of("log.example/1", TLOG_ED25519, 1);
	struct signer witness = signer_of("w.example/w", TLOG_ED25519_COSIGN, 3);
	const struct signer *keys[] = { &log, &witness };
	char mem[2048];
	struct buf b = cosigned(mem, sizeof(mem), &log, &witness);
	const char *lines = memmem(mem, buf_len(&b), "\n\n", 2);
	size_t n_text = (size_t)(lines + 2 - mem), n_broken = 0;

	(void)state;
	for (size_t bit = 0; bit < buf_len(&b) * 8; bit++) {
		struct tlog_note note;
		size_t at;

		mem[bit / 8] = (char)(mem[bit / 8] ^ 1 << bit % 8);
		for (unsigned k = 0; k < 2 && tlog_note_read(text_of(&b), &note, &at) == 0; k++) {
			enum verify_note answer =
				verify_note_signature(&note, &keys[k]->vkey, NULL);

			if (bit / 8 < n_text)
				CHECK(answer != VERIFY_NOTE_HOLDS);
			n_broken += answer == VERIFY_NOTE_BROKEN;
		}
		mem[bit / 8] = (char)(mem[bit / 8] ^ 1 << bit % 8);
	}
	CHECK(n_broken > 1000);
}

static void test_one_false_line_of_a_known_key_refuses_the_note(void **state)
{
	struct signer log = signer_of("log.example/1", TLOG_ED25519, 1);
	uint8_t short_sig[10] = { 0 };
	char mem[2048];
	struct buf b = buf_init(mem, sizeof(mem));
	struct tlog_note note;
	size_t at;

	(void)state;
	tlog_checkpoint_put(&b, str_of(log.vkey.name), 7, &root);
	at = buf_len(&b);
	buf_put_byte(&b, '\n');
	put_signature(&b, &log, (struct cht_str){ mem, at }, 0);
	tlog_note_put_signature(&b, &log.vkey, short_sig, sizeof(short_sig));
	CHECK_INT(tlog_note_read(text_of(&b), &note, &at), 0);
	CHECK_INT(verify_note_signature(&note, &log.vkey, NULL), VERIFY_NOTE_BROKEN);
}

static void test_a_checkpoint_is_of_the_key_that_one_trusts(void **state)
{
	struct signer log = signer_of("log.example/1", TLOG_ED25519, 1);
	struct signer other_key = signer_of("log.example/1", TLOG_ED25519, 2);
	struct signer other_name = signer_of("log.example/2", TLOG_ED25519, 1);
	struct signer witness = signer_of("w.example/w", TLOG_ED25519_COSIGN, 3);
	char mem[2048];
	struct buf b = cosigned(mem, sizeof(mem), &log, &witness);
	struct verify_checkpoint c;

	(void)state;
	CHECK_INT(verify_checkpoint_read(text_of(&b), NULL, &c, NULL), 0);
	CHECK_INT(verify_checkpoint_read(text_of(&b), &other_key.vkey, &c, NULL), CHT_E_VERIFY);
	CHECK_INT(verify_checkpoint_read(text_of(&b), &other_name.vkey, &c, NULL), CHT_E_VERIFY);
	CHECK_INT(verify_checkpoint_read(str_of(go_note), NULL, &c, NULL), CHT_E_PARSE);
	CHECK_INT(verify_checkpoint_read(str_of("x"), NULL, &c, NULL), CHT_E_PARSE);
	CHECK_INT(verify_checkpoint_read(text_of(&b), &log.vkey, &c, NULL), 0);
	CHECK_STR(c.at.origin, "log.example/1");
	CHECK_INT(c.at.size, 7);
	CHECK(tlog_hash_eq(&c.at.root, &root));
	mem[strlen("log.example/1\n")] = '8';
	CHECK_INT(verify_checkpoint_read(text_of(&b), NULL, &c, NULL), 0);
	CHECK_INT(verify_checkpoint_read(text_of(&b), &log.vkey, &c, NULL), CHT_E_VERIFY);
}

static void test_keys_that_no_honest_signer_has_are_refused(void **state)
{
	static const struct {
		const char *why;
		uint8_t first, last;
		int want;
	} rows[] = {
		{ "the neutral element", 1, 0, CHT_E_KEY },
		{ "of order four", 0, 0, CHT_E_KEY },
		{ "not canonical", 0xee, 0x7f, CHT_E_KEY },
	};
	char mem[256];
	struct tlog_vkey vkey, got;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t key[TLOG_PUBLIC_BYTES] = { rows[i].first };
		struct buf b = buf_init(mem, sizeof(mem));

		check_row = rows[i].why;
		if (rows[i].last != 0)
			memset(key + 1, 0xff, sizeof(key) - 2);
		key[31] = rows[i].last;
		CHECK(tlog_vkey_make(&vkey, STR("log.example"), TLOG_ED25519, key));
		tlog_vkey_put(&b, &vkey);
		CHECK_INT(verify_vkey_read(text_of(&b), &got, NULL), rows[i].want);
	}
	CHECK_INT(verify_vkey_read(STR("log.example+00000000+AQ=="), &got, NULL), CHT_E_PARSE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_another_implementation_signed_holds),
		cmocka_unit_test(test_each_key_finds_its_own_lines),
		cmocka_unit_test(test_every_flipped_bit_refuses_the_note_or_finds_no_line),
		cmocka_unit_test(test_one_false_line_of_a_known_key_refuses_the_note),
		cmocka_unit_test(test_a_checkpoint_is_of_the_key_that_one_trusts),
		cmocka_unit_test(test_keys_that_no_honest_signer_has_are_refused),
	};

	return cmocka_run_group_tests_name("verify_note", tests, NULL, NULL);
}
