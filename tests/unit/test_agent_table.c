/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/table.h"
#include "check.h"

static struct table t;

static int reset(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	return 0;
}

static struct cht_bytes raw(const char *s)
{
	return (struct cht_bytes){ (const uint8_t *)s, strlen(s) };
}

static void check_exe(const struct proc *p, const char *want)
{
	struct cht_bytes exe = table_exe(&t, p);

	CHECK_STR(((struct cht_str){ (const char *)exe.ptr, exe.len }), want);
}

static void test_every_slot_is_found_and_comes_back(void **state)
{
	(void)state;
	for (int round = 0; round < 2; round++) {
		uint32_t at = 0;
		unsigned n = 0;

		for (uint32_t i = 0; i < PROCS_MAX; i++)
			CHECK(table_put(&t, 7 + i * 64) != NULL);
		CHECK(table_put(&t, 3) == NULL);
		for (uint32_t i = 0; i < PROCS_MAX; i++)
			CHECK_INT(table_find(&t, 7 + i * 64)->pid, 7 + i * 64);
		CHECK(table_find(&t, 8) == NULL);
		for (struct proc *p; (p = table_next(&t, &at)) != NULL; n++)
			table_remove(&t, p);
		CHECK_INT(n, PROCS_MAX);
		CHECK(table_find(&t, 7) == NULL);
	}
}

static void test_putting_again_forgets(void **state)
{
	struct proc *p = table_put(&t, 5);

	(void)state;
	p->uid = 9;
	table_set_exe(&t, p, raw("/bin/a"));
	CHECK(table_put(&t, 5) == p);
	CHECK_INT(p->uid, 0);
	check_exe(p, "");
	table_remove(&t, p);
	CHECK(table_find(&t, 5) == NULL);
	table_remove(&t, NULL);
}

static void test_paths_are_shared_and_freed(void **state)
{
	char path[16];

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < EXES_MAX; i++) {
			(void)snprintf(path, sizeof(path), "/bin/%u", i);
			table_set_exe(&t, table_put(&t, 1 + i), raw(path));
			table_set_exe(&t, table_put(&t, 5001 + i), raw(path));
		}
		CHECK_INT(t.n_exes_used, EXES_MAX);
		table_set_exe(&t, table_put(&t, 9999), raw("/no/room"));
		check_exe(table_find(&t, 9999), "");
		for (uint32_t i = 0; i < EXES_MAX; i++) {
			(void)snprintf(path, sizeof(path), "/bin/%u", i);
			table_remove(&t, table_find(&t, 1 + i));
			check_exe(table_find(&t, 5001 + i), path);
			table_remove(&t, table_find(&t, 5001 + i));
		}
	}
}

static void test_long_paths_and_names_are_bounded(void **state)
{
	struct proc *p = table_put(&t, 5), *q = table_put(&t, 6);
	char path[EXE_KEPT_MAX + 2];

	(void)state;
	memset(path, 'x', sizeof(path));
	path[EXE_KEPT_MAX] = '\0';
	table_set_exe(&t, p, raw(path));
	check_exe(p, path);
	table_inherit(&t, q, p);
	check_exe(q, path);
	path[EXE_KEPT_MAX] = 'x';
	path[EXE_KEPT_MAX + 1] = '\0';
	table_set_exe(&t, p, raw(path));
	check_exe(p, "");
	check_exe(q, path + 1);
	proc_set_comm(p, raw("0123456789abcdefgh"));
	CHECK_INT(p->comm_len, COMM_MAX);
	proc_set_comm(p, (struct cht_bytes){ NULL, 0 });
	CHECK_INT(p->comm_len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_every_slot_is_found_and_comes_back, reset),
		cmocka_unit_test_setup(test_putting_again_forgets, reset),
		cmocka_unit_test_setup(test_paths_are_shared_and_freed, reset),
		cmocka_unit_test_setup(test_long_paths_and_names_are_bounded, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
