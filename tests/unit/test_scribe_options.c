/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <getopt.h>

#include "scribe/scribe.h"

enum { ARGS = 10 };

static int parse(const char *const args[ARGS], struct scribe_options *out)
{
	char *argv[ARGS + 2] = { (char *)(uintptr_t) "cht-scribe" };
	int n = 1;

	while (n <= ARGS && args[n - 1] != NULL) {
		argv[n] = (char *)(uintptr_t)args[n - 1];
		n++;
	}
	optind = 0; /* getopt begins anew */
	return options_parse(out, n, argv);
}

static void test_what_cannot_be_is_refused(void **state)
{
	static const struct {
		const char *why, *args[ARGS];
	} rows[] = {
		{ "nothing", { NULL } },
		{ "no state", { "--line-fd", "0" } },
		{ "empty state", { "--state", "", "--init" } },
		{ "no descriptor and no init", { "--state", "d" } },
		{ "descriptor not open", { "--state", "d", "--line-fd", "987" } },
		{ "descriptor no number", { "--state", "d", "--line-fd", "0x1" } },
		{ "descriptor negative", { "--state", "d", "--line-fd", "-1" } },
		{ "environment not open", { "--state", "d", "--line-fd", "0", "--env-fd", "987" } },
		{ "name without init", { "--state", "d", "--line-fd", "0", "--name", "n" } },
		{ "age without init", { "--state", "d", "--line-fd", "0", "--retain-age", "30d" } },
		{ "bytes without init",
		  { "--state", "d", "--line-fd", "0", "--retain-bytes", "1GiB" } },
		{ "reason without init",
		  { "--state", "d", "--line-fd", "0", "--reason", "rotation" } },
		{ "predecessor without reason",
		  { "--state", "d", "--init", "--predecessor", "f" } },
		{ "predecessor nowhere",
		  { "--state", "d", "--init", "--reason", "damage", "--predecessor", "" } },
		{ "no such reason", { "--state", "d", "--init", "--reason", "init" } },
		{ "age without unit", { "--state", "d", "--init", "--retain-age", "30" } },
		{ "age none", { "--state", "d", "--init", "--retain-age", "0s" } },
		{ "age of half a second", { "--state", "d", "--init", "--retain-age", "1500ms" } },
		{ "bytes none", { "--state", "d", "--init", "--retain-bytes", "0" } },
		{ "bytes of no unit", { "--state", "d", "--init", "--retain-bytes", "1GB" } },
		{ "log key nowhere", { "--state", "d", "--line-fd", "0", "--log-key-file", "" } },
		{ "half a key", { "--state", "d", "--line-fd", "0", "--sign-alg", "ed25519" } },
		{ "key without its kind",
		  { "--state", "d", "--line-fd", "0", "--sign-kid", "k", "--sign-key-file", "f" } },
		{ "unknown kind", { "--state", "d", "--line-fd", "0", "--sign-alg", "md5" } },
		{ "off is no kind", { "--state", "d", "--line-fd", "0", "--sign-alg", "off" } },
		{ "unknown policy", { "--state", "d", "--line-fd", "0", "--on-full", "drop" } },
		{ "unknown order", { "--state", "d", "--line-fd", "0", "--sign-order", "x" } },
		{ "unknown option", { "--state", "d", "--line-fd", "0", "--verbose" } },
		{ "value missing", { "--line-fd", "0", "--state" } },
		{ "an argument", { "--state", "d", "--line-fd", "0", "more" } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scribe_options o = { .line_fd = 77 };

		check_row = rows[i].why;
		CHECK_INT(parse(rows[i].args, &o), CHT_E_PARSE);
		CHECK_INT(o.line_fd, 77);
	}
}

static void test_what_is_given_is_taken(void **state)
{
	static const char *const least[ARGS] = { "--state", "d", "--line-fd", "0" };
	static const char *const most[ARGS] = { "--state=d",
						"--line-fd=0",
						"--env-fd=1",
						"--init",
						"--name=n",
						"--on-full=pause",
						"--sign-alg=hmac-sha256",
						"--sign-kid=k",
						"--sign-key-file=f",
						"--sign-order=sorted" };
	static const char *const alone[ARGS] = { "--state", "d", "--init" };
	struct scribe_options o;

	(void)state;
	CHECK_INT(parse(least, &o), 0);
	CHECK(o.line_fd == 0 && o.env_fd == -1 && !o.init && !o.pause_on_full && o.name == NULL);
	CHECK(o.algorithm == CHT_ALGORITHM_OFF && o.order == CHT_ORDER_STRUCT);
	CHECK_INT(parse(most, &o), 0);
	CHECK(o.line_fd == 0 && o.env_fd == 1 && o.init && o.pause_on_full);
	CHECK(o.algorithm == CHT_ALGORITHM_HMAC_SHA256 && o.order == CHT_ORDER_SORTED);
	CHECK_STR(str_of(o.name), "n");
	CHECK_STR(str_of(o.kid), "k");
	CHECK_STR(str_of(o.key_file), "f");
	CHECK_INT(parse(alone, &o), 0);
	CHECK(o.init && o.line_fd == -1);
}

static void test_what_a_log_begins_with(void **state)
{
	static const char *const most[ARGS] = { "--state=d",
						"--init",
						"--name=n",
						"--retain-age=30d",
						"--retain-bytes=2TiB",
						"--reason=lost-state",
						"--predecessor=p",
						"--log-key-file=f" };
	static const char *const least[ARGS] = { "--state=d", "--init" };
	struct scribe_options o;

	(void)state;
	CHECK_INT(parse(most, &o), 0);
	CHECK_INT(o.retain_age_s, 30 * 86400);
	CHECK_INT(o.retain_bytes, 2ll << 40);
	CHECK_STR(str_of(o.reason), "lost-state");
	CHECK_STR(str_of(o.predecessor), "p");
	CHECK_STR(str_of(o.log_key_file), "f");
	CHECK_INT(parse(least, &o), 0);
	CHECK(o.retain_age_s == 0 && o.retain_bytes == 0 && o.reason == NULL);
	CHECK(o.predecessor == NULL && o.log_key_file == NULL);
}

static void test_help_and_version_end_it(void **state)
{
	static const char *const help[ARGS] = { "--help" };
	static const char *const version[ARGS] = { "--version" };
	struct scribe_options o;

	(void)state;
	CHECK_INT(parse(help, &o), 1);
	CHECK_INT(parse(version, &o), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_cannot_be_is_refused),
		cmocka_unit_test(test_what_is_given_is_taken),
		cmocka_unit_test(test_what_a_log_begins_with),
		cmocka_unit_test(test_help_and_version_end_it),
	};

	return cmocka_run_group_tests_name("scribe_options", tests, NULL, NULL);
}
