/* SPDX-License-Identifier: Apache-2.0 */
#include "conf_text.h"

#include "base/limits.h"
#include "cell/value.h"

static void test_every_key_reaches_its_place(void **state)
{
	static const char text[] =
		"# a comment\n"
		"[daemon]\nstate = /s\nshape = rust\non_full = pause\nsilence = once\n"
		"[silence]\nkeepalive_window = 250ms\nboot_window = 2m\n"
		"[limits]\nconnections = 7\nconnects_per_second = 8\n"
		"frames_per_second = 9\nframes_burst = 10\n"
		"partial_blocks = 16\nledger_bytes_per_run = 3MiB\nstall = 1500ms\n"
		"[control]\nsocket = /c\nwriters = root, @kvm,7\nreaders = @8\nregister = /r\n"
		"[ledger]\nname = n\nretain_age = 720h\nretain_bytes = 2TiB\nlog_key_file = /l\n"
		"[sign]\nalg = ed25519\nkid = k\nkey_file = /k\norder = sorted\n"
		"[cell web-1]\nbase = /b\nrun = r:1\nspec = sha256:00\nuid = 12\n"
		"owner = 13\ngroup = 14\nmode = 0660\n"
		"[cell web-2]\npath = /p\n"
		"[cell web-3]\ncid = 4294967294\n";
	struct cht_err err = { 0 };
	struct conf c;

	(void)state;
	CHECK_INT(read_text(&c, text, &err), 0);
	CHECK_STR(str_of(c.state), "/s");
	CHECK_INT(c.shape, CHT_SHAPE_RUST);
	CHECK_STR(str_of(c.on_full), "pause");
	CHECK_STR(str_of(c.silence), "once");
	CHECK_INT(c.partial_blocks, 16);
	CHECK_INT(c.keepalive_window_ns, 250 * NS_PER_MS);
	CHECK_INT(c.boot_window_ns, 120 * NS_PER_S);
	CHECK_INT(c.connections, 7);
	CHECK_INT(c.connects_per_s, 8);
	CHECK_INT(c.frames_per_s, 9);
	CHECK_INT(c.frames_burst, 10);
	CHECK_INT(c.ledger_bytes_per_run, 3 << 20);
	CHECK_INT(c.stall_ns, 1500 * NS_PER_MS);
	CHECK_STR(str_of(c.writers), "root, @kvm,7");
	CHECK_STR(str_of(c.readers), "@8");
	CHECK_STR(str_of(c.register_socket), "/r");
	CHECK_STR(str_of(c.log_name), "n");
	CHECK_INT(c.retain_age_ns, 720 * 3600 * NS_PER_S);
	CHECK_INT(c.retain_bytes, UINT64_C(2) << 40);
	CHECK_STR(str_of(c.log_key_file), "/l");
	CHECK_STR(str_of(c.sign_alg), "ed25519");
	CHECK_STR(str_of(c.sign_kid), "k");
	CHECK_STR(str_of(c.sign_key_file), "/k");
	CHECK_STR(str_of(c.sign_order), "sorted");
	CHECK_INT(c.n_cells, 3);
	CHECK_STR(str_of(c.cells[0].id), "web-1");
	CHECK_STR(str_of(c.cells[0].base), "/b");
	CHECK_STR(str_of(c.cells[0].run), "r:1");
	CHECK_STR(str_of(c.cells[0].spec), "sha256:00");
	CHECK_INT(c.cells[0].uid, 12);
	CHECK_INT(c.cells[0].owner, 13);
	CHECK_INT(c.cells[0].group, 14);
	CHECK_INT(c.cells[0].mode, 0660);
	CHECK_STR(str_of(c.cells[1].path), "/p");
	CHECK_INT(c.cells[1].cid, 0);
	CHECK_INT(c.cells[2].cid, UINT32_MAX - 1);
	CHECK_INT(c.cells[1].uid, -1);
	CHECK_INT(conf_check(&c, &err), 0);
	conf_free(&c);
}

static const struct {
	const char *text, *want;
	uint32_t line;
} bad_texts[] = {
	{ "[daemon]\nstat = x\n", "f:2: unknown key in [daemon]: stat; did you mean state", 2 },
	{ "[dæmon]\nstate = x\n",
	  "f:1: unknown section: expected daemon, silence, limits, control, opener, ledger, sign "
	  "or cell ID",
	  1 },
	{ "state = x\n", "f:1: a key before the first [section]: state", 1 },
	{ "[daemon]\nstate = a\nstate = b\n", "f:3: the key stands twice: state", 3 },
	{ "[daemon]\nstate = a\n[limits]\nconnections = 1\n[daemon]\nstate = b\n",
	  "f:6: the key stands twice: state", 6 },
	{ "[daemon]\nshape = round\n", "f:2: shape: expected full or rust", 2 },
	{ "[daemon]\non_full = wait\n", "f:2: on_full: expected stop, pause or drop", 2 },
	{ "[ledger]\nretain_age = 500ms\n",
	  "f:2: retain_age: expected a duration such as 500ms, 10s or 2m", 2 },
	{ "[sign]\nalg = rsa\n", "f:2: alg: expected off, hmac-sha256 or ed25519", 2 },
	{ "[daemon]\nstate =\n", "f:2: state: expected a text that is not empty", 2 },
	{ "[silence]\nkeepalive_window = 10\n",
	  "f:2: keepalive_window: expected a duration such as 500ms, 10s or 2m", 2 },
	{ "[limits]\nconnections = 1024\n", "f:2: connections: expected a whole number, 1 to 1023",
	  2 },
	{ "[limits]\nconnections = 0x10\n", "f:2: connections: expected a whole number, 1 to 1023",
	  2 },
	{ "[daemon]\nsilence = never\n", "f:2: silence: expected each or once", 2 },
	{ "[limits]\npartial_blocks = 15\n",
	  "f:2: partial_blocks: expected a whole number, 16 to 1024", 2 },
	{ "[limits]\nledger_bytes_per_run = 1GB\n",
	  "f:2: ledger_bytes_per_run: expected a size such as 65536, 64MiB or 1GiB", 2 },
	{ "[cell a b]\nbase = x\n", "f:1: a cell id is 1 to 64 of A-Z a-z 0-9 . _ -", 1 },
	{ "\v[cell b]\nbase = x\n", "f:1: a line may not begin with white space", 1 },
	{ "\xef\xbb\xbf[cell b]\nbase = x\n", "f:2: expected [cell ID] at the beginning of a line",
	  2 },
	{ "[cell ]\nbase = x\n", "f:1: a cell id is 1 to 64 of A-Z a-z 0-9 . _ -", 1 },
	{ "[cell a]\ncid = 0\n", "f:2: cid: expected a VM's CID, 3 to 4294967294, or 1, this host",
	  2 },
	{ "[cell a]\ncid = 2\n", "f:2: cid: expected a VM's CID, 3 to 4294967294, or 1, this host",
	  2 },
	{ "[cell a]\ncid = 4294967295\n",
	  "f:2: cid: expected a VM's CID, 3 to 4294967294, or 1, this host", 2 },
	{ "[cell a]\ncid = 0x3\n",
	  "f:2: cid: expected a VM's CID, 3 to 4294967294, or 1, this host", 2 },
	{ "[cell a]\nbase = x\n[cell a]\npath = y\n",
	  "f:3: a second section for the same cell: the first is f:1", 3 },
	{ "[cell a]\nmode = 660\n", "f:2: mode: expected an octal mode such as 0600", 2 },
	{ "[cell a]\nrun = a b\n", "f:2: run: expected 1 to 128 of A-Z a-z 0-9 . _ : + / = -", 2 },
	{ "[cell a]\nstate = x\n", "f:2: unknown key in [cell]: state; see chtd.conf(5)", 2 },
	{ "[cell a]\n[cell b]\nbase = x\n", "f:1: a section without keys", 1 },
	{ "[cell b]\nbase = x\n\n[sign]\n", "f:4: a section without keys", 4 },
	{ "[daemon]\nstate = x\n  y\n", "f:3: a line may not begin with white space", 3 },
	{ "[daemon\nstate = x\n", "f:1: expected [section] and nothing else on the line", 1 },
	{ "[daemon]\nno equals sign\n", "f:2: expected key = value", 2 },
	{ "[daemon]\nstate = \xff\n", "f:2: a byte that is not text", 2 },
};

static void test_errors_name_file_line_and_what_was_expected(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad_texts) / sizeof(bad_texts[0]); i++) {
		struct cht_err err = { 0 };
		struct conf c;

		check_row = bad_texts[i].text;
		CHECK_INT(read_text(&c, bad_texts[i].text, &err), CHT_E_CONFIG);
		CHECK_STR(str_of(err.text), bad_texts[i].want);
		CHECK_INT(err.value, bad_texts[i].line);
		conf_free(&c);
	}
}

static void test_a_line_too_long_is_an_error_not_two_lines(void **state)
{
	char text[512] = "[daemon]\nstate = /";
	struct cht_err err = { 0 };
	struct conf c;

	(void)state;
	memset(text + strlen(text), 'x', 300);
	CHECK_INT(read_text(&c, text, &err), CHT_E_CONFIG);
	CHECK_INT(err.value, 2);
	conf_free(&c);
}

static void test_cells_from_the_command_line(void **state)
{
	static const struct {
		const char *text;
		int want;
		const char *base, *path, *run, *spec;
		int64_t uid;
	} rows[] = {
		{ "a=/b", 0, "/b", NULL, "", "", -1 },
		{ "a=/b,run=r,spec=s,uid=0", 0, "/b", NULL, "r", "s", 0 },
		{ "a=,path=/p", 0, NULL, "/p", "", "", -1 },
		{ "a=/b=c", 0, "/b=c", NULL, "", "", -1 },
		{ "a", CHT_E_RANGE, NULL, NULL, NULL, NULL, 0 },
		{ "=/b", CHT_E_RANGE, NULL, NULL, NULL, NULL, 0 },
		{ "a/b=/c", CHT_E_RANGE, NULL, NULL, NULL, NULL, 0 },
		{ "a=/b,run=", CHT_E_RANGE, NULL, NULL, NULL, NULL, 0 },
		{ "a=/b,run=r,run=s", CHT_E_RANGE, NULL, NULL, NULL, NULL, 0 },
		{ "a=/b,mode=0600", CHT_E_RANGE, NULL, NULL, NULL, NULL, 0 },
		{ "a=/b,uid=root", CHT_E_RANGE, NULL, NULL, NULL, NULL, 0 },
		{ "a=/b,", CHT_E_RANGE, NULL, NULL, NULL, NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cht_err err = { 0 };
		struct conf c;

		check_row = rows[i].text;
		conf_init(&c);
		/* A trailing comma has nothing behind it: the same as none. */
		if (strcmp(rows[i].text, "a=/b,") == 0) {
			CHECK_INT(conf_add_cell(&c, rows[i].text, &err), 0);
			conf_free(&c);
			continue;
		}
		CHECK_INT(conf_add_cell(&c, rows[i].text, &err), rows[i].want);
		if (rows[i].want == 0) {
			CHECK(rows[i].base == NULL ? c.cells[0].base == NULL
						   : strcmp(c.cells[0].base, rows[i].base) == 0);
			CHECK(rows[i].path == NULL ? c.cells[0].path == NULL
						   : strcmp(c.cells[0].path, rows[i].path) == 0);
			CHECK_STR(str_of(c.cells[0].run), rows[i].run);
			CHECK_STR(str_of(c.cells[0].spec), rows[i].spec);
			CHECK_INT(c.cells[0].uid, rows[i].uid);
		}
		conf_free(&c);
	}
}

static void test_the_whole_is_checked(void **state)
{
	static const struct {
		const char *first, *second;
		int want;
	} rows[] = {
		{ "a=/b", "b=/c", 0 },
		{ "a=/b", "b=/b", CHT_E_CONFIG },
		{ "a=,path=/b", "b=,path=/b", CHT_E_CONFIG },
		{ "a=,cid=3", "b=,cid=3", CHT_E_CONFIG },
		{ "a=,cid=3", "b=,cid=4", 0 },
		{ "a=,cid=1", "b=/x", 0 },
		{ "a=/b,cid=3", "b=/x", CHT_E_RANGE },
		{ "a=,path=/b,cid=3", "b=/x", CHT_E_RANGE },
		{ "a=,cid=3,uid=0", "b=/x", CHT_E_RANGE },
		{ "a=,path=vsock:3", "b=/x", CHT_E_CONFIG },
		{ "a=vsock:3", "b=/x", CHT_E_CONFIG },
		{ "a=,path=./vsock:3", "b=,cid=3", 0 },
		{ "a=/b", "b=,path=/b", 0 }, /* /b_9001 and /b */
		{ "a=/b,path=/c", "b=/x", CHT_E_RANGE },
		{ "a=", "b=/x", CHT_E_RANGE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cht_err err = { 0 };
		struct conf c;

		check_row = rows[i].first;
		conf_init(&c);
		c.state = strdup("/s");
		CHECK_INT(conf_add_cell(&c, rows[i].first, &err), 0);
		CHECK_INT(conf_add_cell(&c, rows[i].second, &err), 0);
		CHECK_INT(conf_check(&c, &err), rows[i].want);
		conf_free(&c);
	}
}

static void test_signing_words_go_together(void **state)
{
	static const struct {
		const char *text;
		int want;
	} rows[] = {
		{ "[sign]\nalg = off\n", 0 },
		{ "[sign]\norder = sorted\n", 0 }, /* the key comes from the environment */
		{ "[sign]\nalg = ed25519\nkid = k\nkey_file = /k\n", 0 },
		{ "[sign]\nalg = ed25519\nkid = k\n", CHT_E_CONFIG },
		{ "[sign]\nalg = ed25519\nkey_file = /k\n", CHT_E_CONFIG },
		{ "[sign]\nalg = off\nkid = k\n", CHT_E_CONFIG },
		{ "[sign]\nkey_file = /k\n", CHT_E_CONFIG },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cht_err err = { 0 };
		struct conf c;

		check_row = rows[i].text;
		CHECK_INT(read_text(&c, rows[i].text, &err), 0);
		c.state = strdup("/s");
		CHECK_INT(conf_check(&c, &err), rows[i].want);
		conf_free(&c);
	}
}

#define VKEY "cht.example/0123456789abcdef+0a1b2c3d+AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB"

static void test_a_log_is_closed_for_a_key_and_a_reason(void **state)
{
	static const struct {
		const char *why, *vkey, *reason, *cell;
		bool init;
		int want;
	} rows[] = {
		{ "good", VKEY, "rotation", NULL, false, 0 },
		{ "another reason", VKEY, "lost-state", NULL, false, 0 },
		{ "no reason", VKEY, NULL, NULL, false, CHT_E_RANGE },
		{ "no key", NULL, "rotation", NULL, false, CHT_E_RANGE },
		{ "unheard-of reason", VKEY, "init", NULL, false, CHT_E_RANGE },
		{ "with a cell", VKEY, "rotation", "a=/b", false, CHT_E_RANGE },
		{ "with --init", VKEY, "rotation", NULL, true, CHT_E_RANGE },
		{ "no name", "+0a1b2c3d+AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB", "rotation",
		  NULL, false, CHT_E_RANGE },
		{ "no id", "a+AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB", "rotation", NULL,
		  false, CHT_E_RANGE },
		{ "short id", "a+0a1b2c3+AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB", "rotation",
		  NULL, false, CHT_E_RANGE },
		{ "short key", "a+0a1b2c3d+AQEB", "rotation", NULL, false, CHT_E_RANGE },
		{ "another type", "a+0a1b2c3d+BAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB",
		  "rotation", NULL, false, CHT_E_RANGE },
		{ "a space", "a b+0a1b2c3d+AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB",
		  "rotation", NULL, false, CHT_E_RANGE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cht_err err = { 0 };
		struct conf c;

		check_row = rows[i].why;
		conf_init(&c);
		c.state = strdup("/s");
		c.init = rows[i].init;
		c.close_for = rows[i].vkey != NULL ? strdup(rows[i].vkey) : NULL;
		c.close_reason = rows[i].reason != NULL ? strdup(rows[i].reason) : NULL;
		if (rows[i].cell != NULL)
			CHECK_INT(conf_add_cell(&c, rows[i].cell, &err), 0);
		CHECK_INT(conf_check(&c, &err), rows[i].want);
		conf_free(&c);
	}
}

static void test_an_age_has_whole_seconds(void **state)
{
	struct cht_err err = { 0 };
	struct conf c;

	(void)state;
	CHECK_INT(read_text(&c, "[ledger]\nretain_age = 1500ms\n", &err), 0);
	c.state = strdup("/s");
	CHECK_INT(conf_check(&c, &err), CHT_E_CONFIG);
	c.retain_age_ns = 2 * NS_PER_S;
	CHECK_INT(conf_check(&c, &err), 0);
	conf_free(&c);
}

static void test_a_path_has_room_in_an_event(void **state)
{
	static const struct {
		const char *first; /* of the argument */
		size_t len;        /* of the path */
		const char *last;  /* byte of it */
		int want;
	} rows[] = {
		{ "a=", 1018, "x", 0 },
		{ "a=", 1019, "x", CHT_E_CONFIG },
		{ "a=,path=", 1023, "x", 0 },
		{ "a=,path=", 1024, "x", CHT_E_CONFIG },
		{ "a=", 10, "\xff", CHT_E_CONFIG },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = strlen(rows[i].first);
		struct cht_err err = { 0 };
		struct conf c;
		char text[2048];

		check_row = rows[i].first;
		memcpy(text, rows[i].first, n);
		memset(text + n, 'x', rows[i].len);
		text[n] = '/';
		text[n + rows[i].len - 1] = rows[i].last[0];
		text[n + rows[i].len] = '\0';
		conf_init(&c);
		c.state = strdup("/s");
		CHECK_INT(conf_add_cell(&c, text, &err), 0);
		CHECK_INT(conf_check(&c, &err), rows[i].want);
		conf_free(&c);
	}
}

static void test_values_at_their_borders(void **state)
{
	uint64_t v;

	(void)state;
	CHECK(value_mode(STR("0777"), &v) && v == 0777);
	CHECK(!value_mode(STR("0788"), &v));
	CHECK(!value_mode(STR("777"), &v));
	CHECK(!value_is_cell_id(STR("a\0b")));
	CHECK(!value_is_attribution(STR("a\"b")));
}

static void test_the_rendered_configuration_is_stable(void **state)
{
	struct cht_err err = { 0 };
	char one[4096], two[4096];
	struct buf a = buf_init(one, sizeof(one)), b = buf_init(two, sizeof(two));
	struct conf c, d;

	(void)state;
	CHECK_INT(read_text(&c, "[cell a]\nbase = /b\nuid = 3\n[limits]\nconnections = 9\n", &err),
		  0);
	CHECK_INT(read_text(&d, "[limits]\nconnections = 9\n[cell a]\nuid = 3\nbase = /b\n", &err),
		  0);
	conf_render(&c, &a);
	conf_render(&d, &b);
	CHECK(!a.full && !b.full);
	CHECK_STRS(((struct cht_str){ one, buf_len(&a) }), ((struct cht_str){ two, buf_len(&b) }));
	conf_free(&d);
	CHECK_INT(read_text(&d, "[limits]\nconnections = 8\n[cell a]\nuid = 3\nbase = /b\n", &err),
		  0);
	b = buf_init(two, sizeof(two));
	conf_render(&d, &b);
	CHECK(buf_len(&a) != buf_len(&b) || memcmp(one, two, buf_len(&a)) != 0);
	conf_free(&c);
	conf_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_key_reaches_its_place),
		cmocka_unit_test(test_errors_name_file_line_and_what_was_expected),
		cmocka_unit_test(test_a_line_too_long_is_an_error_not_two_lines),
		cmocka_unit_test(test_cells_from_the_command_line),
		cmocka_unit_test(test_the_whole_is_checked),
		cmocka_unit_test(test_signing_words_go_together),
		cmocka_unit_test(test_a_log_is_closed_for_a_key_and_a_reason),
		cmocka_unit_test(test_an_age_has_whole_seconds),
		cmocka_unit_test(test_a_path_has_room_in_an_event),
		cmocka_unit_test(test_values_at_their_borders),
		cmocka_unit_test(test_the_rendered_configuration_is_stable),
	};

	return cmocka_run_group_tests_name("daemon_conf", tests, NULL, NULL);
}
