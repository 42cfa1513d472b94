/* SPDX-License-Identifier: Apache-2.0
 *
 * What the agent reads and what it makes of it: names, /proc, mountinfo, ELF heads, options.
 */
#include <elf.h>
#include <unistd.h>

#include "agent/name.h"
#include "agent/options.h"
#include "agent/procfs.h"
#include "agent/source_exec.h"
#include "base/text.h"
#include "check.h"

#define BYTES(lit) ((struct cht_bytes){ (const uint8_t *)("" lit), sizeof(lit) - 1 })
#define BAD        "\xef\xbf\xbd"

static const struct {
	const char *why;
	struct cht_bytes name;
	size_t cap;
	const char *text;
	bool valid;
} names[] = {
	{ "empty", { (const uint8_t *)"", 0 }, 45, "", true },
	{ "plain", { (const uint8_t *)"cc1", 3 }, 45, "cc1", true },
	{ "utf-8", { (const uint8_t *)"n\xc3\xa4me", 5 }, 45, "n\xc3\xa4me", true },
	{ "controls are kept", { (const uint8_t *)"a\x01\x1b", 3 }, 45, "a\x01\x1b", true },
	{ "one bad byte", { (const uint8_t *)"a\x80z", 3 }, 45, "a" BAD "z", false },
	{ "only bad", { (const uint8_t *)"\xff\xfe", 2 }, 45, BAD BAD, false },
	{ "cut sequence", { (const uint8_t *)"a\xe2\x82", 3 }, 45, "a" BAD BAD, false },
	{ "surrogate", { (const uint8_t *)"\xed\xa0\x80", 3 }, 45, BAD BAD BAD, false },
	{ "good after bad", { (const uint8_t *)"\xc3\xc3\xa4", 3 }, 45, BAD "\xc3\xa4", false },
	{ "full at a mark", { (const uint8_t *)"\xff\xff\xff", 3 }, 7, BAD BAD, false },
	{ "full in a character", { (const uint8_t *)"\xffz\xc3\xa4", 4 }, 5, BAD "z", false },
};

static void test_bad_bytes_become_marks(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		uint8_t mem[64];
		struct buf scratch = buf_init(mem, names[i].cap);
		struct cht_str text;

		check_row = names[i].why;
		CHECK_INT(name_text(names[i].name, &scratch, &text), names[i].valid);
		CHECK_STR(text, names[i].text);
		CHECK(utf8_is_valid((const uint8_t *)text.ptr, text.len));
	}
}

static void test_any_name_is_read_from_stat(void **state)
{
	struct procfs_stat s;

	(void)state;
	for (int c = 1; c < 256; c++) {
		uint8_t text[512];
		struct buf b = buf_init(text, sizeof(text));

		buf_put_lit(&b, "77 (a) R (");
		buf_put_byte(&b, (uint8_t)c);
		buf_put_lit(&b, ") S 1 2 3 4 5 2097152 7 8 9 10 11 12 13 14 15 16 17 18 4711 ");
		for (int field = 23; field < 52; field++)
			buf_put_lit(&b, "0 ");
		buf_put_lit(&b, "256\n");
		CHECK(procfs_read_stat(buf_bytes(&b), &s));
		CHECK_INT(s.comm.len, 7);
		CHECK_INT(s.comm.ptr[6], c);
		CHECK_INT(s.state, 'S');
		CHECK_INT(s.ppid, 1);
		CHECK(s.is_kernel);
		CHECK_INT(s.start, 4711);
		CHECK_INT(s.wait_code, 256);
	}
}

static void test_a_cut_stat_is_refused(void **state)
{
	const struct cht_bytes whole =
		BYTES("77 (cat) S 1 2 3 4 5 0 7 8 9 10 11 12 13 14 15 16 17 18 4711");
	struct procfs_stat s;

	(void)state;
	for (size_t cut = 0; cut < whole.len - 4; cut++) {
		uint8_t *exact = malloc(cut + 1);

		memcpy(exact, whole.ptr, cut);
		CHECK(!procfs_read_stat((struct cht_bytes){ exact, cut }, &s));
		free(exact);
	}
	CHECK(procfs_read_stat(whole, &s));
	CHECK(!s.is_kernel);
}

static void test_effective_ids_are_read_and_not_forged(void **state)
{
	uint32_t uid = 7, gid = 7;

	(void)state;
	CHECK(procfs_read_ids(BYTES("Name:\tUid: 5 5\nUmask:\t0022\nUid:\t1000\t0\t0\t0\n"
				    "Gid:\t1000\t33\t33\t33\n"),
			      &uid, &gid));
	CHECK_INT(uid, 0);
	CHECK_INT(gid, 33);
	uid = 7;
	CHECK(!procfs_read_ids(BYTES("Name:\tx\nUid:\t1000\n"), &uid, &gid));
	CHECK(!procfs_read_ids(BYTES(""), &uid, &gid));
	CHECK_INT(uid, 7);
}

static void test_only_numbers_are_process_ids(void **state)
{
	static const char *const bad[] = { "", "0", "self", "01", "1x", "2147483648", "-1" };
	uint32_t pid = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		check_row = bad[i];
		CHECK(!procfs_read_pid(str_of(bad[i]), &pid));
	}
	CHECK(procfs_read_pid(STR("2147483647"), &pid));
	CHECK_INT(pid, INT32_MAX);
}

static void test_this_process_is_found_in_proc(void **state)
{
	struct procfs_walk walk = { 0 };
	uint8_t mem[1024], path[PATH_BYTES_MAX + 1];
	struct buf text = buf_init(mem, sizeof(mem));
	struct procfs_stat s;
	uint32_t pid, uid, gid, me = (uint32_t)getpid();
	int met = 0;

	(void)state;
	while (procfs_next(&walk, &pid))
		met += pid == me;
	CHECK_INT(met, 1);
	CHECK(!walk.failed);
	CHECK(procfs_stat(me, &s, &text));
	CHECK_INT(s.ppid, getppid());
	CHECK(procfs_ids(me, &uid, &gid));
	CHECK_INT(uid, geteuid());
	CHECK_INT(gid, getegid());
	CHECK(procfs_exe(me, path).len > 1);
	CHECK_INT(path[0], '/');
	CHECK(!procfs_stat(INT32_MAX, &s, &text));
	CHECK_INT(procfs_exe(INT32_MAX, path).len, 0);
}

static const struct {
	const char *line, *point; /* null: none */
} mounts[] = {
	{ "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw", "/mnt2" },
	{ "36 35 98:0 / / rw - ext3 /dev/root rw", "/" },
	{ "36 35 98:0 / /a\\040b\\134 rw - ext3 x rw", "/a b\\" },
	{ "36 35 98:0 / /a\\9 rw - ext3 x rw", "/a\\9" },
	{ "36 35 98:0 / /cut", NULL },
	{ "36 35", NULL },
	{ "", NULL },
	{ "36 35 98:0 / /0123456789abcdef rw", NULL },
};

static void test_mount_points_are_unescaped(void **state)
{
	char out[16];

	(void)state;
	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		bool is_one = exec_mount_point(str_of(mounts[i].line), out, sizeof(out));

		check_row = mounts[i].line;
		CHECK_INT(is_one, mounts[i].point != NULL);
		if (is_one)
			CHECK_STR(str_of(out), mounts[i].point);
	}
}

/* An ELF head with n program headers, the last a PT_INTERP when dynamic. */
static struct cht_bytes elf(uint8_t out[1024], unsigned n, bool dynamic)
{
	Elf64_Ehdr head = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64 },
			    .e_phoff = sizeof(head),
			    .e_phentsize = sizeof(Elf64_Phdr),
			    .e_phnum = (uint16_t)n };
	Elf64_Phdr part = { .p_type = dynamic ? PT_INTERP : PT_LOAD };

	memset(out, 0, 1024);
	memcpy(out, &head, sizeof(head));
	memcpy(out + sizeof(head) + (n - 1) * sizeof(part), &part, sizeof(part));
	return (struct cht_bytes){ out, sizeof(head) + n * sizeof(part) };
}

static void test_files_of_an_exec_are_told_apart(void **state)
{
	uint8_t mem[1024];
	struct cht_bytes head = elf(mem, 5, true);

	(void)state;
	CHECK_INT(exec_kind_of(BYTES("#!/bin/sh\n")), EXEC_SCRIPT);
	CHECK_INT(exec_kind_of(BYTES("#")), EXEC_PROGRAM);
	CHECK_INT(exec_kind_of(BYTES("")), EXEC_PROGRAM);
	CHECK_INT(exec_kind_of(head), EXEC_DYNAMIC);
	for (size_t cut = 0; cut < head.len; cut++) {
		uint8_t *exact = malloc(cut + 1);

		memcpy(exact, head.ptr, cut);
		CHECK_INT(exec_kind_of((struct cht_bytes){ exact, cut }), EXEC_PROGRAM);
		free(exact);
	}
	CHECK_INT(exec_kind_of(elf(mem, 5, false)), EXEC_PROGRAM);
}

static void note(struct execs *x, uint32_t pid, enum exec_kind kind, const char *path)
{
	execs_note(x, pid, kind, (struct cht_bytes){ (const uint8_t *)path, strlen(path) });
}

static void check_path(struct execs *x, uint32_t pid, const char *want)
{
	struct cht_bytes path = execs_path(x, pid);

	CHECK_STR(((struct cht_str){ (const char *)path.ptr, path.len }), want);
}

static void test_the_program_is_neither_script_nor_loader(void **state)
{
	static struct execs x = { .fd = -1, .mounts = -1 };

	(void)state;
	note(&x, 5, EXEC_SCRIPT, "/a.py");
	check_path(&x, 5, "");
	note(&x, 5, EXEC_DYNAMIC, "/usr/bin/python3");
	note(&x, 6, EXEC_PROGRAM, "/bin/busybox");
	note(&x, 5, EXEC_PROGRAM, "/lib/ld.so");
	check_path(&x, 5, "/usr/bin/python3");
	check_path(&x, 6, "/bin/busybox");
	note(&x, 5, EXEC_PROGRAM, "/bin/next"); /* another exec before the first was told */
	check_path(&x, 5, "/bin/next");
	execs_forget(&x, 5);
	check_path(&x, 5, "");
	for (uint32_t pid = 100; pid < 100 + EXEC_SLOTS; pid++)
		note(&x, pid, EXEC_PROGRAM, "/bin/x");
	check_path(&x, 6, "");
	check_path(&x, 100, "/bin/x");
}

static const struct {
	const char *argv[8];
	const char *text; /* part of the refusal; null: taken */
} lines[] = {
	{ { "a", NULL }, NULL },
	{ { "a", "--connect", "unix:/x", "--no-fork", "--stats", NULL }, NULL },
	{ { "a", "--connect=vsock:2:9001", "--watch", "/etc", "--watch=/x", NULL }, NULL },
	{ { "a", "--heartbeat-ms", "0", "--ready-fd", "3", NULL }, NULL },
	{ { "a", "--connect", NULL }, "needs a value" },
	{ { "a", "--connect", "tcp:1", NULL }, "expected unix:PATH" },
	{ { "a", "--connect", "unix:", NULL }, "1 to 107 bytes" },
	{ { "a", "--connect", "vsock:2", NULL }, "expected vsock" },
	{ { "a", "--connect", "vsock:-1:9001", NULL }, "two numbers" },
	{ { "a", "--connect", "vsock:2:4294967295", NULL }, "two numbers" },
	{ { "a", "--no-fork=1", NULL }, "takes no value" },
	{ { "a", "--heartbeat-ms", "9", NULL }, "10 and above" },
	{ { "a", "--heartbeat-ms", "x", NULL }, "takes a number" },
	{ { "a", "--watch", "", NULL }, "watched path" },
	{ { "a", "--ready-fd", "-1", NULL }, "takes a number" },
	{ { "a", "extra", NULL }, "unknown option" },
	{ { "a", "--nofork", NULL }, "unknown option" },
};

static void test_options_are_checked_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char *argv[8];
		struct options o;
		struct cht_err err = { 0 };
		int r;

		memcpy(argv, lines[i].argv, sizeof(argv));
		check_row = argv[1] != NULL ? argv[1] : "none";
		r = options_read(&o, argv, NULL, &err);
		CHECK_INT(r, lines[i].text != NULL ? CHT_E_CONFIG : 0);
		CHECK(lines[i].text == NULL || strstr(err.text, lines[i].text) != NULL);
	}
}

static void test_defaults_and_environment(void **state)
{
	char name[] = "a", watch[] = "--watch", path[] = "/b";
	char *argv[] = { name, watch, path, NULL };
	struct options o;

	(void)state;
	CHECK_INT(options_read(&o, argv, "/a", NULL), 0);
	CHECK_INT(o.n_watch, 2);
	CHECK_STR(str_of(o.watch[0]), "/a");
	CHECK_STR(str_of(o.watch[1]), "/b");
	CHECK_INT(o.heartbeat_ms, 3000);
	CHECK_INT(o.address.to.any.sa_family, AF_VSOCK);
	CHECK(!o.foreground);
	CHECK_INT(options_read(&o, argv, "", NULL), 0);
	CHECK_INT(o.n_watch, 1);
}

static void test_a_family_that_the_kernel_has_not_is_refused_for_good(void **state)
{
	struct link_address address = { .len = sizeof(address.to) };
	struct cht_err err = { 0 };
	struct link l;

	(void)state;
	address.to.any.sa_family = 200;
	CHECK_INT(link_open(&l, &address, 1, &err), CHT_E_UNSUPPORTED);
	CHECK(err.text[0] != '\0');
	CHECK_INT(l.fd, -1);
}

static void test_delays_grow_to_a_bound_with_jitter(void **state)
{
	uint64_t now = 1, least = LINK_DELAY_MIN_NS;
	struct link_address address;
	struct link l;

	(void)state;
	CHECK_INT(link_address_read(&address, STR("unix:/nonexistent/socket"), NULL), 0);
	CHECK_INT(link_open(&l, &address, 99, NULL), 0);
	CHECK_INT(link_deadline(&l), 0);
	for (int i = 0; i < 12; i++) {
		link_turn(&l, now);
		CHECK_INT(l.state, LINK_DOWN);
		CHECK(link_deadline(&l) >= now + least / 2 && link_deadline(&l) < now + least);
		link_turn(&l, link_deadline(&l) - 1);
		CHECK(link_deadline(&l) < now + least);
		now = link_deadline(&l);
		least = 2 * least < LINK_DELAY_MAX_NS ? 2 * least : LINK_DELAY_MAX_NS;
	}
	CHECK_INT(least, LINK_DELAY_MAX_NS);
	link_close(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_bytes_become_marks),
		cmocka_unit_test(test_any_name_is_read_from_stat),
		cmocka_unit_test(test_a_cut_stat_is_refused),
		cmocka_unit_test(test_effective_ids_are_read_and_not_forged),
		cmocka_unit_test(test_only_numbers_are_process_ids),
		cmocka_unit_test(test_this_process_is_found_in_proc),
		cmocka_unit_test(test_mount_points_are_unescaped),
		cmocka_unit_test(test_files_of_an_exec_are_told_apart),
		cmocka_unit_test(test_the_program_is_neither_script_nor_loader),
		cmocka_unit_test(test_options_are_checked_whole),
		cmocka_unit_test(test_defaults_and_environment),
		cmocka_unit_test(test_a_family_that_the_kernel_has_not_is_refused_for_good),
		cmocka_unit_test(test_delays_grow_to_a_bound_with_jitter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
