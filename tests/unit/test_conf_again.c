/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration that is read while another one runs. */
#include "conf_text.h"

#include "base/limits.h"

static void begin(struct conf *conf, const char *text)
{
	struct cht_err err = { 0 };

	CHECK_INT(read_text(conf, text, &err), 0);
}

static const struct claim {
	const char *before, *after, *key;
	bool may_change;
} claims[] = {
	{ "[daemon]\nstate = /a\n", "[daemon]\nstate = /b\n", "state", false },
	{ "[daemon]\nstate = /a\n", "", "state", false },
	{ "", "[daemon]\nsilence = once\n", "silence", false },
	{ "[daemon]\non_full = stop\n", "", NULL, false },
	{ "", "[limits]\nconnections = 64\n", NULL, false },
	{ "", "[limits]\nconnections = 63\n", "connections", true },
	{ "[limits]\nstall = 1s\n", "[limits]\nstall = 1000ms\n", NULL, false },
	{ "[limits]\nstall = 1s\n", "", "stall", true },
	{ "", "[silence]\nboot_window = 61s\n", "boot_window", true },
	{ "", "[control]\nwriters = root\n", "writers", false },
	{ "[sign]\nalg = off\n", "", NULL, false },
	{ "[cell a]\npath = /a\n", "[cell b]\npath = /b\n", NULL, false },
};

static void check_claim(const struct claim *claim)
{
	struct conf running, next;
	struct conf_difference d = { NULL, NULL, false };
	size_t at = 0;

	begin(&running, claim->before);
	begin(&next, claim->after);
	CHECK_INT(conf_next_difference(&running, &next, &at, &d), claim->key != NULL);
	CHECK_STR(str_of(d.name != NULL ? d.name : ""), claim->key != NULL ? claim->key : "");
	CHECK_INT(d.may_change, claim->may_change);
	CHECK(!conf_next_difference(&running, &next, &at, &d));
	conf_take_over(&running, &next);
	at = 0;
	CHECK_INT(conf_next_difference(&running, &next, &at, &d),
		  claim->key != NULL && !claim->may_change);
	conf_free(&running);
	conf_free(&next);
}

static void test_what_differs_is_named_and_what_may_change_is_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++)
		check_claim(&claims[i]);
}

static void test_options_win_again_and_what_was_read_stays(void **state)
{
	static char words[][12] = { "chtd",       "--config", "/not/there", "--state", "/s",
				    "--ready-fd", "999999",   "--cell",     "o=/o" };
	char *argv[10] = { NULL };
	struct cht_err err = { 0 };
	struct conf next;

	(void)state;
	for (int i = 0; i < 9; i++)
		argv[i] = words[i];
	begin(&next, "[daemon]\nstate = /other\n[cell a]\npath = /a\n");
	CHECK_INT(conf_complete(&next, 9, argv, &err), 0);
	CHECK_STR(str_of(next.state), "/s");
	CHECK_INT(next.n_cells, 2);
	CHECK_INT(next.ready_fd, -1);
	conf_free(&next);

	begin(&next, "[cell o]\npath = /a\n");
	CHECK_INT(conf_complete(&next, 9, argv, &err), CHT_E_RANGE);
	conf_free(&next);

	begin(&next, "[cell a]\npath = /o_9001\nbase = /o\n");
	CHECK_INT(conf_complete(&next, 9, argv, &err), CHT_E_CONFIG);
	conf_free(&next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_differs_is_named_and_what_may_change_is_taken),
		cmocka_unit_test(test_options_win_again_and_what_was_read_stays),
	};

	return cmocka_run_group_tests_name("conf_again", tests, NULL, NULL);
}
