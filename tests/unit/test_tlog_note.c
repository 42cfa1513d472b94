/* SPDX-License-Identifier: Apache-2.0
 *
 * Notes, checkpoints and cosignatures. The examples are those of C2SP signed-note, tlog-checkpoint
 * and tlog-cosignature (github: C2SP/C2SP, CC BY 4.0).
 */
#include "check.h"

#include "base/text.h"
#include "tlog/tlog.h"

#define SIG64                                                                                      \
	"NnugSzTjtVAewIS+Z/iJhUPeFDkO/"                                                            \
	"5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNt"                             \
	"Ic="
#define VERSES                                                                                     \
	"Ognuno sta solo sul cuor della terra\n"                                                   \
	"trafitto da un raggio di sole:\n"                                                         \
	"\n"                                                                                       \
	"ed \xc3\xa8 subito sera.\n"
#define DASH "\xe2\x80\x94 "

static const char example[] = VERSES "\n" DASH "quasimodo.example/salvatore " SIG64 "\n";

static const char checkpoint_example[] = "example.com/behind-the-sofa\n"
					 "20852163\n"
					 "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
					 "\n" DASH "example.com/behind-the-sofa "
					 "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/"
					 "Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8="
					 "\n";

static void test_the_examples_of_the_specifications(void **state)
{
	static const uint8_t id[] = { 0x36, 0x7b, 0xa0, 0x4b };
	struct tlog_checkpoint checkpoint;
	struct tlog_note note;
	size_t at;

	(void)state;
	CHECK_INT(tlog_note_read(str_of(example), &note, &at), 0);
	CHECK_STR(note.text, VERSES);
	CHECK_INT(note.n_sigs, 1);
	CHECK_STR(note.sigs[0].name, "quasimodo.example/salvatore");
	CHECK_INT(note.sigs[0].len, 64);
	CHECK(memcmp(note.sigs[0].id, id, 4) == 0);

	CHECK_INT(tlog_note_read(str_of(checkpoint_example), &note, &at), 0);
	CHECK_INT(note.sigs[0].len, 64);
	CHECK_INT(tlog_checkpoint_read(note.text, &checkpoint, &at), 0);
	CHECK_STR(checkpoint.origin, "example.com/behind-the-sofa");
	CHECK_INT(checkpoint.size, 20852163);
	CHECK_INT(checkpoint.root.b[0], 0x0a);
	CHECK_INT(checkpoint.root.b[31], 0x62);
	CHECK_INT(checkpoint.extension.len, 0);
}

static void test_what_is_put_is_read_back(void **state)
{
	struct tlog_checkpoint checkpoint;
	struct tlog_vkey vkey, again;
	struct tlog_hash root;
	struct tlog_note note;
	uint8_t sig[72];
	char mem[2048], text[256];
	struct buf b = buf_init(mem, sizeof(mem)), t = buf_init(text, sizeof(text));
	size_t at, len;
	const char *why;

	(void)state;
	memset(root.b, 0xab, sizeof(root.b));
	memset(sig, 0xcd, sizeof(sig));
	CHECK(tlog_vkey_make(&vkey, STR("host.example/0123"), TLOG_ED25519, root.b));
	tlog_vkey_put(&t, &vkey);
	CHECK(tlog_vkey_read((struct cht_str){ text, buf_len(&t) }, &again, &why));
	CHECK(tlog_vkey_eq(&vkey, &again));
	tlog_checkpoint_put(&b, str_of(vkey.name), 77, &root);
	len = buf_len(&b);
	buf_put_lit(&b, "\n");
	tlog_note_put_signature(&b, &vkey, sig, 64);
	tlog_note_put_signature(&b, &vkey, sig, 72);
	CHECK(!b.full);
	CHECK_INT(tlog_note_read((struct cht_str){ mem, buf_len(&b) }, &note, &at), 0);
	CHECK_INT(note.text.len, len);
	CHECK_INT(note.n_sigs, 2);
	CHECK_INT(note.sigs[0].len, 64);
	CHECK_INT(note.sigs[1].len, 72);
	CHECK(memcmp(note.sigs[1].bytes, sig, 72) == 0);
	CHECK_INT(tlog_checkpoint_read(note.text, &checkpoint, &at), 0);
	CHECK_INT(checkpoint.size, 77);
	CHECK(tlog_hash_eq(&checkpoint.root, &root));
	CHECK_STR(checkpoint.origin, vkey.name);
}

#define ORIGIN "example.com/behind-the-sofa"
#define ROOT   "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
#define HEAD   ORIGIN "\n20852163\n" ROOT "\n"

static void test_the_example_of_a_cosignature(void **state)
{
	static const char text[] = HEAD "\n" DASH "witness.example.com/w1 "
					"jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/"
					"zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+"
					"mbIUBkBIfZ+qnA==\n";
	struct tlog_note note;
	char mem[256];
	struct buf b = buf_init(mem, sizeof(mem));
	size_t at;

	(void)state;
	CHECK_INT(tlog_note_read(str_of(text), &note, &at), 0);
	CHECK_INT(note.n_sigs, 1);
	CHECK_INT(note.sigs[0].len, 72);
	/* The time stands before the signature. */
	tlog_cosigned_put(&b, be64_load(note.sigs[0].bytes), note.text);
	CHECK_STR(((struct cht_str){ mem, buf_len(&b) }), "cosignature/v1\ntime 1679315147\n" HEAD);
}

#define SIG   DASH "a AQIDBAU=\n" /* the shortest: five bytes */
#define SIGS4 SIG SIG SIG SIG

static const struct {
	const char *why, *note;
	size_t at;
} refused[] = {
	{ "empty", "", 0 },
	{ "no blank line", "text\n" SIG, 20 },
	{ "no text", "\n" SIG, 16 },
	{ "no signature", "text\n\n", 6 },
	{ "nothing but newlines", "\n\n\n", 3 },
	{ "no newline at the end", "text\n\n" DASH "a AQIDBAU=", 20 },
	{ "something behind the end", "text\n\n" SIG "x", 22 },
	{ "a blank line behind the end", "text\n\n" SIG "\n", 22 },
	{ "a line that is no signature", "text\n\n" SIG "x\n" SIG, 21 },
	{ "text behind signatures", "text\n\n" SIG "more text\n", 21 },
	{ "a tab in the text", "te\txt\n\n" SIG, 2 },
	{ "a unit separator in the text", "te\x1fxt\n\n" SIG, 2 },
	{ "carriage returns", "text\r\n\r\n" SIG, 4 },
	{ "not UTF-8", "te\xc3xt\n\n" SIG, 2 },
	{ "a surrogate", "te\xed\xa0\x80xt\n\n" SIG, 2 },
	{ "overlong", "te\xc0\x80xt\n\n" SIG, 2 },
	{ "another dash", "text\n\n\xe2\x80\x93 a AQIDBAU=\n", 8 },
	{ "a minus", "text\n\n- a AQIDBAU=\n", 6 },
	{ "no space behind the dash",
	  "text\n\n\xe2\x80\x94"
	  "a AQIDBAU=\n",
	  9 },
	{ "a space before the dash", "text\n\n " SIG, 6 },
	{ "a tab for a space", "text\n\n" DASH "a\tAQIDBAU=\n", 11 },
	{ "no name", "text\n\n" DASH " AQIDBAU=\n", 10 },
	{ "a plus in the name", "text\n\n" DASH "a+b AQIDBAU=\n", 11 },
	{ "a no-break space in the name",
	  "text\n\n" DASH "a\xc2\xa0"
	  "b AQIDBAU=\n",
	  11 },
	{ "an ideographic space in the name",
	  "text\n\n" DASH "a\xe3\x80\x80"
	  "b AQIDBAU=\n",
	  11 },
	{ "a hair space in the name",
	  "text\n\n" DASH "a\xe2\x80\x8a"
	  "b AQIDBAU=\n",
	  11 },
	{ "no signature on the line", "text\n\n" DASH "a\n", 11 },
	{ "an empty signature", "text\n\n" DASH "a \n", 12 },
	{ "two spaces", "text\n\n" DASH "a  AQIDBAU=\n", 12 },
	{ "a space at the end", "text\n\n" DASH "a AQIDBAU= \n", 20 },
	{ "an id alone", "text\n\n" DASH "a AQIDBA==\n", 20 },
	{ "no padding", "text\n\n" DASH "a AQIDBAU\n", 19 },
	{ "too much padding", "text\n\n" DASH "a AQIDBAU==\n", 20 },
	{ "stray bits", "text\n\n" DASH "a AQIDBAV=\n", 18 },
	{ "the other alphabet", "text\n\n" DASH "a AQID-AU=\n", 16 },
	{ "17 signatures", "text\n\n" SIGS4 SIGS4 SIGS4 SIGS4 SIG, 6 + 15 * 16 },
};

static void test_bad_notes_are_refused_where_they_are_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct tlog_note note = { .n_sigs = 77 };
		size_t at = SIZE_MAX;

		check_row = refused[i].why;
		CHECK_INT(tlog_note_read(str_of(refused[i].note), &note, &at), CHT_E_PARSE);
		CHECK_INT(at, refused[i].at);
		CHECK_INT(note.n_sigs, 77);
		CHECK_INT(tlog_note_read(str_of(refused[i].note), &note, NULL), CHT_E_PARSE);
	}
}

static void test_a_note_of_any_other_kind_is_taken(void **state)
{
	static const struct {
		const char *why, *note;
		size_t text_len;
		unsigned n_sigs;
	} taken[] = {
		{ "16 signatures", "text\n\n" SIGS4 SIGS4 SIGS4 SIGS4, 5, 16 },
		{ "an empty line for a text", "\n\n" SIG, 1, 1 },
		{ "blank lines in the text", "a\n\n\nb\n\n" SIG, 6, 1 },
		{ "what looks like a note in the text", "a\n\n" SIG "\n" SIG, 18, 1 },
		{ "DEL, and any letter", "\x7f\xf0\x9f\x94\x91\n\n" SIG, 6, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		struct tlog_note note;
		size_t at;

		check_row = taken[i].why;
		CHECK_INT(tlog_note_read(str_of(taken[i].note), &note, &at), 0);
		CHECK_INT(note.text.len, taken[i].text_len);
		CHECK_INT(note.n_sigs, taken[i].n_sigs);
		CHECK_STR(note.sigs[0].name, "a");
		CHECK_INT(note.sigs[0].len, 1);
		CHECK_INT(note.sigs[0].bytes[0], 5);
	}
}

/* What a signature of a kind that we do not know says is not kept, but its id is. */
static void test_long_signatures_are_passed_over(void **state)
{
	static char mem[TLOG_NOTE_MAX_BYTES + 1];
	uint8_t sig[4 + 72 + 1] = { 1, 2, 3 };

	(void)state;
	for (size_t len = 70; len <= 73; len++) {
		struct buf b = buf_init(mem, sizeof(mem));
		struct tlog_note note;
		size_t at;

		sig[3] = (uint8_t)len;
		buf_put_lit(&b, "text\n\n" DASH "a ");
		put_base64(&b, sig, 4 + len);
		buf_put_lit(&b, "\n" SIG);
		CHECK_INT(tlog_note_read((struct cht_str){ mem, buf_len(&b) }, &note, &at), 0);
		CHECK_INT(note.n_sigs, 2);
		CHECK_INT(note.sigs[0].len, len > 72 ? 0 : len);
		CHECK_INT(be32_load(note.sigs[0].id), 0x01020300 + len);
		CHECK_INT(note.sigs[1].len, 1);
	}
}

static void test_a_note_has_a_largest_length(void **state)
{
	static char mem[TLOG_NOTE_MAX_BYTES + 1];
	struct tlog_note note;
	size_t at;

	(void)state;
	for (size_t over = 0; over < 2; over++) {
		size_t n = TLOG_NOTE_MAX_BYTES + over, tail = strlen("\n\n" SIG);

		memset(mem, 'x', n);
		memcpy(mem + n - tail, "\n\n" SIG, tail);
		CHECK_INT(tlog_note_read((struct cht_str){ mem, n }, &note, &at),
			  over ? CHT_E_PARSE : 0);
		CHECK(!over || at == TLOG_NOTE_MAX_BYTES);
	}
}

/* A prefix is refused within it, or is a note by itself: it lost whole signature lines. */
static void test_every_prefix_is_judged_by_itself(void **state)
{
	static const char text[] = HEAD "\n" SIG DASH "second " SIG64 "\n" SIG;

	(void)state;
	for (size_t cut = 0; cut < sizeof(text); cut++) {
		bool is_note = cut > strlen(HEAD) + 1 && text[cut - 1] == '\n';
		char *exact = malloc(cut + (cut == 0));
		struct tlog_note note;
		size_t at = SIZE_MAX;

		assert_non_null(exact);
		memcpy(exact, text, cut);
		CHECK_INT(tlog_note_read((struct cht_str){ exact, cut }, &note, &at),
			  is_note ? 0 : CHT_E_PARSE);
		CHECK(is_note ? note.text.len == strlen(HEAD) : at <= cut);
		free(exact);
	}
}

/* Each bit of a note: what is signed changes, or a signature, or a name; or it is no note. */
static void test_every_flipped_bit_is_seen(void **state)
{
	struct tlog_note good, note;
	char text[sizeof(checkpoint_example)];
	size_t at;

	(void)state;
	CHECK_INT(tlog_note_read(str_of(checkpoint_example), &good, &at), 0);
	for (size_t bit = 0; bit < 8 * strlen(checkpoint_example); bit++) {
		memcpy(text, checkpoint_example, sizeof(text));
		text[bit / 8] = (char)((unsigned char)text[bit / 8] ^ 1u << bit % 8);
		if (tlog_note_read((struct cht_str){ text, sizeof(text) - 1 }, &note, &at) < 0)
			continue;
		CHECK(!str_eq(note.text, good.text) || note.n_sigs != 1 ||
		      !str_eq(note.sigs[0].name, good.sigs[0].name) ||
		      note.sigs[0].len != good.sigs[0].len ||
		      memcmp(note.sigs[0].id, good.sigs[0].id, 4) != 0 ||
		      memcmp(note.sigs[0].bytes, good.sigs[0].bytes, 64) != 0);
	}
}

static void test_bad_checkpoints_are_refused_where_they_are_bad(void **state)
{
	static const struct {
		const char *why, *text;
		size_t at;
	} rows[] = {
		{ "empty", "", 0 },
		{ "no origin", "\n1\n" ROOT "\n", 0 },
		{ "an origin alone", "o\n", 2 },
		{ "no newline", "o", 1 },
		{ "no size", "o\n\n" ROOT "\n", 2 },
		{ "a leading zero", "o\n01\n" ROOT "\n", 2 },
		{ "a sign", "o\n+1\n" ROOT "\n", 2 },
		{ "a space", "o\n1 \n" ROOT "\n", 2 },
		{ "hex", "o\n0x1\n" ROOT "\n", 2 },
		{ "2^63", "o\n9223372036854775808\n" ROOT "\n", 2 },
		{ "2^64", "o\n18446744073709551616\n" ROOT "\n", 2 },
		{ "a size alone", "o\n1\n", 4 },
		{ "an empty root", "o\n1\n\n", 4 },
		{ "a short root", "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxqw==\n", 48 },
		{ "a long root", "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2Jh\n", 47 },
		{ "a much longer root", "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2JhAAAA\n",
		  47 },
		{ "stray bits", "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n", 46 },
		{ "no padding", "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I\n", 47 },
		{ "a space behind the root", "o\n1\n" ROOT " \n", 48 },
		{ "no last newline", "o\n1\n" ROOT, 48 },
		{ "an empty extension line", "o\n1\n" ROOT "\n\n", 49 },
		{ "an empty line among extensions", "o\n1\n" ROOT "\nx\n\ny\n", 51 },
		{ "an extension that does not end", "o\n1\n" ROOT "\nx", 50 },
		{ "a carriage return", "o\r\n1\n" ROOT "\n", 1 },
		{ "not UTF-8", "\xff\n1\n" ROOT "\n", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tlog_checkpoint c = { .size = 77 };
		size_t at = SIZE_MAX;

		check_row = rows[i].why;
		CHECK_INT(tlog_checkpoint_read(str_of(rows[i].text), &c, &at), CHT_E_PARSE);
		CHECK_INT(at, rows[i].at);
		CHECK_INT(c.size, 77);
		CHECK_INT(tlog_checkpoint_read(str_of(rows[i].text), &c, NULL), CHT_E_PARSE);
	}
}

static void test_every_prefix_of_a_checkpoint_is_refused(void **state)
{
	struct tlog_checkpoint c;
	size_t at;

	(void)state;
	for (size_t cut = 0; cut < strlen(HEAD); cut++) {
		char *exact = malloc(cut + (cut == 0));

		assert_non_null(exact);
		memcpy(exact, HEAD, cut);
		at = SIZE_MAX;
		CHECK_INT(tlog_checkpoint_read((struct cht_str){ exact, cut }, &c, &at),
			  CHT_E_PARSE);
		CHECK(at <= cut);
		free(exact);
	}
	CHECK_INT(tlog_checkpoint_read(STR(HEAD "more\nand more\n"), &c, &at), 0);
	CHECK_STR(c.extension, "more\nand more\n");
	CHECK_INT(tlog_checkpoint_read(STR("any origin + more\n9223372036854775807\n" ROOT "\n"),
				       &c, &at),
		  0);
	CHECK(c.size == TLOG_SIZE_MAX);
}

static void test_what_does_not_fit_is_told(void **state)
{
	struct tlog_vkey vkey = { .name = "a" };
	uint8_t sig[73] = { 0 };
	char mem[256];
	struct buf b = buf_init(mem, sizeof(mem));

	(void)state;
	tlog_note_put_signature(&b, &vkey, sig, 73);
	CHECK(b.full);
	for (size_t cap = 0; cap < 4 + 1 + 1 + 92 + 1; cap++) {
		b = buf_init(mem, cap);
		tlog_note_put_signature(&b, &vkey, sig, 64);
		CHECK(b.full);
	}
	b = buf_init(mem, 4 + 1 + 1 + 92 + 1);
	tlog_note_put_signature(&b, &vkey, sig, 64);
	CHECK(!b.full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_examples_of_the_specifications),
		cmocka_unit_test(test_what_is_put_is_read_back),
		cmocka_unit_test(test_the_example_of_a_cosignature),
		cmocka_unit_test(test_bad_notes_are_refused_where_they_are_bad),
		cmocka_unit_test(test_a_note_of_any_other_kind_is_taken),
		cmocka_unit_test(test_long_signatures_are_passed_over),
		cmocka_unit_test(test_a_note_has_a_largest_length),
		cmocka_unit_test(test_every_prefix_is_judged_by_itself),
		cmocka_unit_test(test_every_flipped_bit_is_seen),
		cmocka_unit_test(test_bad_checkpoints_are_refused_where_they_are_bad),
		cmocka_unit_test(test_every_prefix_of_a_checkpoint_is_refused),
		cmocka_unit_test(test_what_does_not_fit_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
