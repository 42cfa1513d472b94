/* SPDX-License-Identifier: Apache-2.0
 *
 * Notes and checkpoints. The examples are those of C2SP signed-note and tlog-checkpoint (github:
 * C2SP/C2SP, CC BY 4.0).
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_examples_of_the_specifications),
		cmocka_unit_test(test_what_is_put_is_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
