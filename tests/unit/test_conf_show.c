/* SPDX-License-Identifier: Apache-2.0 */
#include "conf_text.h"

/* The lines that are shown, as a file. */
static void put_shown(const struct conf *c, struct buf *b)
{
	char raw[CONF_TEXT_MAX];
	struct buf text = buf_init(raw, sizeof(raw));
	const char *section = "", *cell = "";
	struct conf_value v;

	for (size_t at = 0; conf_next_value(c, &at, &v, &text); text = buf_init(raw, sizeof(raw))) {
		const char *id = v.cell != NULL ? v.cell->id : "";

		if (!v.is_set)
			continue;
		if (strcmp(section, v.section) != 0 || strcmp(cell, id) != 0) {
			buf_put_byte(b, '[');
			buf_put_str(b, str_of(v.section));
			buf_put_str(b, str_of(*id != '\0' ? " " : ""));
			buf_put_str(b, str_of(id));
			buf_put_lit(b, "]\n");
		}
		section = v.section;
		cell = id;
		buf_put_str(b, str_of(v.name));
		buf_put_lit(b, " = ");
		buf_put(b, raw, buf_len(&text));
		buf_put_byte(b, '\n');
	}
	buf_put_byte(b, '\0');
}

static void test_what_is_shown_reads_back_as_the_same(void **state)
{
	static const char *const texts[] = {
		"",
		"[daemon]\nstate = /s\nshape = rust\non_full = drop\nsilence = once\n"
		"[silence]\nkeepalive_window = 250ms\nboot_window = 1h\n"
		"[limits]\nstall = 90s\nledger_bytes_per_run = 65537\npartial_blocks = 16\n"
		"[control]\nsocket = /c\ncells = 9\n"
		"[opener]\napi = /a /b\nflush = yes\n"
		"[ledger]\nname = n\nretain_age = 30d\nretain_bytes = 2TiB\nlog_key_file = /l\n"
		"[sign]\nalg = ed25519\nkid = k\nkey_file = /k\norder = sorted\n"
		"[cell web-1]\nbase = /b\nrun = r:1\nspec = sha256:00\nuid = 0\nowner = 13\n"
		"group = 14\nmode = 0660\n[cell web-2]\npath = /p\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char shown[8192], one[8192], two[8192];
		struct buf b = buf_init(shown, sizeof(shown)), x = buf_init(one, sizeof(one));
		struct buf y = buf_init(two, sizeof(two));
		struct cht_err err = { 0 };
		struct conf c, d;

		check_row = texts[i];
		CHECK_INT(read_text(&c, texts[i], &err), 0);
		put_shown(&c, &b);
		CHECK_INT(read_text(&d, shown, &err), 0);
		conf_render(&c, &x);
		conf_render(&d, &y);
		CHECK(!b.full && !x.full && !y.full);
		CHECK_STRS(((struct cht_str){ one, buf_len(&x) }),
			   ((struct cht_str){ two, buf_len(&y) }));
		conf_free(&c);
		conf_free(&d);
	}
}

static void check_origin(const struct conf *c, const char *section, const char *name,
			 enum conf_from from, unsigned line)
{
	char raw[CONF_TEXT_MAX];
	struct buf text = buf_init(raw, sizeof(raw));
	struct conf_value v;

	check_row = name;
	for (size_t at = 0; conf_next_value(c, &at, &v, &text); text = buf_init(raw, sizeof(raw))) {
		if (strcmp(v.section, section) != 0 || strcmp(v.name, name) != 0)
			continue;
		CHECK_INT(v.origin.from, from);
		CHECK_INT(v.origin.line, line);
		if (from == CONF_FROM_FILE)
			CHECK_STR(str_of(c->files[v.origin.file]), "f");
		return;
	}
	CHECK(false);
}

static void test_every_value_has_its_origin(void **state)
{
	struct cht_err err = { 0 };
	struct conf c;

	(void)state;
	CHECK_INT(read_text(&c, "[limits]\n\nstall = 2s\n[cell a]\nbase = /b\n", &err), 0);
	check_origin(&c, "limits", "stall", CONF_FROM_FILE, 3);
	check_origin(&c, "limits", "connections", CONF_FROM_DEFAULT, 0);
	check_origin(&c, "cell", "base", CONF_FROM_FILE, 4);
	check_origin(&c, "cell", "mode", CONF_FROM_DEFAULT, 0);
	check_origin(&c, "cell", "run", CONF_FROM_DEFAULT, 0);
	conf_free(&c);
	conf_init(&c);
	CHECK_INT(conf_add_cell(&c, "a=/b", &err), 0);
	check_origin(&c, "cell", "base", CONF_FROM_OPTION, 0);
	conf_free(&c);
}

static void test_a_slip_in_a_key_is_met_with_the_key(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "[limits]\nframe_burst = 1\n",
		  "f:2: unknown key in [limits]: frame_burst; did you mean frames_burst" },
		{ "[limits]\nsocket = 1\n",
		  "f:2: unknown key in [limits]: socket; see chtd.conf(5)" },
		{ "[cell a]\nbse = 1\n", "f:2: unknown key in [cell]: bse; did you mean base" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cht_err err = { 0 };
		struct conf c;

		check_row = rows[i].text;
		CHECK_INT(read_text(&c, rows[i].text, &err), CHT_E_CONFIG);
		CHECK_STR(str_of(err.text), rows[i].want);
		conf_free(&c);
	}
}

/* As long as they may be, of bytes that take six when they are escaped. */
static char *escaped_text(size_t len)
{
	char *text = malloc(len + 1);

	CHECK(text != NULL);
	memset(text, 1, len);
	text[len] = '\0';
	return text;
}

static void fill_cell(struct conf_cell *cell, char *base, char *path)
{
	memset(cell->run, 'r', CHT_ATTRIBUTION_MAX);
	memset(cell->spec, '/', CHT_ATTRIBUTION_MAX);
	free(cell->base);
	cell->base = base;
	cell->path = path;
	cell->cid = base == NULL && path == NULL ? UINT32_MAX - 1 : 0;
	cell->mode = UINT32_MAX;
	cell->uid = cell->owner = cell->group = INT64_MAX;
}

/* Fills it with n cells of the longest id, each with one channel or with two, which is none. */
static void fill(struct conf *c, unsigned n)
{
	struct cht_err err = { 0 };
	char text[128];

	conf_init(c);
	c->control = escaped_text(CONF_TEXT_MAX);
	c->register_socket = escaped_text(CONF_TEXT_MAX);
	for (unsigned i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "%0*u=/b", CHT_CELL_ID_MAX, i);
		CHECK_INT(conf_add_cell(c, text, &err), 0);
		fill_cell(&c->cells[i], i % 2 == 0 ? escaped_text(CONF_TEXT_MAX - i) : NULL,
			  i % 3 == 0 ? escaped_text(CONF_TEXT_MAX - i) : NULL);
	}
}

static void test_what_is_escaped_has_room(void **state)
{
	static const unsigned counts[] = { 0, 1, 2, 3, 4, 200 };

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		char digest[CONF_DIGEST_LEN + 1];
		struct cht_err err = { 0 };
		struct conf c;
		size_t cap;
		uint8_t *mem;
		struct buf b;

		fill(&c, counts[i]);
		cap = conf_render_max(&c);
		mem = malloc(cap);
		CHECK(mem != NULL);
		b = buf_init(mem, cap);
		conf_render(&c, &b);
		CHECK(!b.full);
		CHECK(memchr(mem, 1, buf_len(&b)) == NULL);
		/* Of each cell, and of the rest, some is left over. */
		CHECK(cap - buf_len(&b) >= 512 * (1 + counts[i]));
		CHECK_INT(conf_digest(&c, digest, &err), 0);
		free(mem);
		conf_free(&c);
	}
}

/* What is asked for goes by what is there, and not by what could be. */
static void test_short_cells_need_little(void **state)
{
	struct cht_err err = { 0 };
	char text[32];
	struct conf c;

	(void)state;
	conf_init(&c);
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "c%u=/b/%u", i, i);
		CHECK_INT(conf_add_cell(&c, text, &err), 0);
	}
	CHECK(conf_render_max(&c) < 1200 * 1024);
	conf_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_shown_reads_back_as_the_same),
		cmocka_unit_test(test_every_value_has_its_origin),
		cmocka_unit_test(test_what_is_escaped_has_room),
		cmocka_unit_test(test_short_cells_need_little),
		cmocka_unit_test(test_a_slip_in_a_key_is_met_with_the_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
