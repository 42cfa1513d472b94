/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of probes, built as on another system (-U__linux__): it is there, and has nothing.
 */
#include "check.h"

#include "base/bytes.h"
#include "probe/probe.h"

#ifdef __linux__
#error "built with -U__linux__"
#endif

static void test_elsewhere_each_is_unsupported(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < CHT_N_PROBES; kind++) {
		const struct cht_probe_options options = { .kind = (enum cht_probe_kind)kind,
							   .cgroup = "/x",
							   .iface = "x",
							   .family = "ip",
							   .table = "x",
							   .file = "/x",
							   .pid = 1 };
		struct probe *p = NULL;
		enum cht_probe_kind found;
		struct cht_err err = { .code = 0 };

		check_row = cht_probe_name(options.kind);
		CHECK(cht_probe_find(str_of(check_row), &found));
		CHECK_INT(found, kind);
		CHECK_INT(probe_new(&p, &options, &err), CHT_E_UNSUPPORTED);
		CHECK(p == NULL);
		CHECK(strstr(err.text, "only on Linux") != NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_elsewhere_each_is_unsupported),
	};

	return cmocka_run_group_tests_name("probe_elsewhere", tests, NULL, NULL);
}
