/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/words.h"
#include "cli/cli.h"
#include "cli/visible.h"

static void test_a_slip_finds_the_word_that_was_meant(void **state)
{
	static const char *const words[] = { "cat", "decode", "send", "tail", "verify", "version" };
	static const struct {
		const char *typed, *meant; /* null: nothing is near */
	} rows[] = {
		{ "vresion", "version" },
		{ "versoin", "version" },
		{ "decod", "decode" },
		{ "dceode", "decode" },
		{ "tial", "tail" },
		{ "verfiy", "verify" },
		{ "sned", "send" },
		{ "ct", "cat" },
		{ "cta", "cat" },
		{ "x", NULL },
		{ "frobnicate", NULL },
		{ "", NULL },
		{ "averyveryveryverylongword", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *got =
			words_nearest(rows[i].typed, words, sizeof(words) / sizeof(words[0]));

		check_row = rows[i].typed;
		CHECK_STRS(str_of(got != NULL ? got : "(none)"),
			   str_of(rows[i].meant != NULL ? rows[i].meant : "(none)"));
	}
}

enum { OPT_RATE, OPT_FOLLOW, OPT_SEQ };
static const struct cli_option options[] = { [OPT_RATE] = { "rate", 'r', true },
					     [OPT_FOLLOW] = { "follow", 'f', false },
					     [OPT_SEQ] = { "seq", 0, false },
					     { NULL, 0, false } };

/* What the words mean, as text: "rate=5 follow <dir>". */
static struct cht_str parse(const char *const *words, char *out, size_t cap, int *status)
{
	char *argv[8] = { NULL };
	struct buf b = buf_init(out, cap);
	struct cli_args args;
	int o, argc = 0;

	for (; words[argc] != NULL; argc++)
		argv[argc] = strdup(words[argc]);
	args = cli_args_init(argc, argv, options);
	while ((o = cli_next(&args)) != CLI_END) {
		if (buf_len(&b) > 0)
			buf_put_byte(&b, ' ');
		buf_put_str(&b, str_of(o == CLI_OPERAND ? "<" : options[o].name));
		if (args.value != NULL && o != CLI_OPERAND)
			buf_put_byte(&b, '=');
		buf_put_str(&b, str_of(args.value));
	}
	*status = args.status;
	for (int i = 0; i < argc; i++)
		free(argv[i]);
	return (struct cht_str){ out, buf_len(&b) };
}

static void test_options_and_operands_come_in_any_form(void **state)
{
	static const struct {
		const char *words[7], *meaning;
	} rows[] = {
		{ { "x" }, "" },
		{ { "x", "dir", "-f" }, "<dir follow" },
		{ { "x", "-r", "5" }, "rate=5" },
		{ { "x", "-r5" }, "rate=5" },
		{ { "x", "-fr5", "--seq" }, "follow rate=5 seq" },
		{ { "x", "--rate=5" }, "rate=5" },
		{ { "x", "--rate", "5", "-" }, "rate=5 <-" },
		{ { "x", "--rate", "-f" }, "rate=-f" },
		{ { "x", "--rate=" }, "rate=" },
		{ { "x", "--", "-f", "--seq" }, "<-f <--seq" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char out[128];
		int status;

		check_row = rows[i].meaning;
		CHECK_STR(parse(rows[i].words, out, sizeof(out), &status), rows[i].meaning);
		CHECK_INT(status, -1);
	}
}

static void test_wrong_options_end_in_usage(void **state)
{
	static const char *const rows[][4] = {
		{ "x", "--raet", "5" }, { "x", "-q" },      { "x", "-fq" }, { "x", "--rate" },
		{ "x", "-r" },          { "x", "--seq=1" }, { "x", "---" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char out[128];
		int status;

		check_row = rows[i][1];
		(void)parse(rows[i], out, sizeof(out), &status);
		CHECK_INT(status, CLI_USAGE);
	}
}

static void test_nothing_reaches_a_terminal_that_acts_on_it(void **state)
{
	static const struct {
		const char *text, *shown;
	} rows[] = {
		{ "make -j2", "make -j2" },
		{ "gr\xc3\xbc\xc3\x9f \xe4\xb8\xad", "gr\xc3\xbc\xc3\x9f \xe4\xb8\xad" },
		{ "a\x1b[2Jb", "a\\x1b[2Jb" },
		{ "\r\n\t\x7f", "\\x0d\\x0a\\x09\\x7f" },
		{ "\xc2\x9b"
		  "31m",
		  "\\u009b31m" },
		{ "evil\xe2\x80\xae"
		  "gpj",
		  "evil\\u202egpj" },
		{ "a\xe2\x80\x8b"
		  "b\xef\xbb\xbf",
		  "a\\u200bb\\ufeff" },
		{ "\xf3\xa0\x81\x81", "\\ue0041" },
		{ "\xff\xc3", "\\xff\\xc3" },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },
		{ "C:\\x", "C:\\\\x" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char out[64];
		struct buf b = buf_init(out, sizeof(out));

		check_row = rows[i].shown;
		put_visible(&b, str_of(rows[i].text));
		CHECK(!b.full);
		CHECK_STR(((struct cht_str){ out, buf_len(&b) }), rows[i].shown);
	}
}

static void test_json_text_is_shown_without_its_escapes(void **state)
{
	static const struct {
		const char *json, *shown;
	} rows[] = {
		{ "\"sh\"", "sh" },
		{ "\"\"", "" },
		{ "42", "42" },
		{ "[\"a\",\"b\"]", "[\"a\",\"b\"]" },
		{ "\"a\\\"b\\\\c\\/d\"", "a\"b\\\\c/d" },
		{ "\"\\u001b[2J\"", "\\u001b[2J" },
		{ "\"\\n\\t\"", "\\x0a\\x09" },
		{ "\"\xe2\x80\xae\"", "\\u202e" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char out[64];
		struct buf b = buf_init(out, sizeof(out));

		check_row = rows[i].json;
		put_visible_json(&b, str_of(rows[i].json));
		CHECK_STR(((struct cht_str){ out, buf_len(&b) }), rows[i].shown);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_slip_finds_the_word_that_was_meant),
		cmocka_unit_test(test_options_and_operands_come_in_any_form),
		cmocka_unit_test(test_wrong_options_end_in_usage),
		cmocka_unit_test(test_nothing_reaches_a_terminal_that_acts_on_it),
		cmocka_unit_test(test_json_text_is_shown_without_its_escapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
