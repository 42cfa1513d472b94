/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/limits.h"
#include "conf/conf.h"

static void add(struct conf *c, size_t at, const char *channel)
{
	struct cht_err err = { 0 };
	char text[128];

	snprintf(text, sizeof(text), "c%zu=%s", at, channel);
	CHECK_INT(conf_add_cell(c, text, &err), 0);
}

/* Each with a channel of its own; the kinds take turns. */
static const char *own_channel(size_t at)
{
	static char text[64];

	if (at % 3 == 2)
		snprintf(text, sizeof(text), ",cid=%zu", 1000 + at);
	else
		snprintf(text, sizeof(text), "%s/b/%zu", at % 3 == 1 ? ",path=" : "", at);
	return text;
}

enum { MANY = 3000, PLACED = 4 };

#define TWO_SOCKETS "have the same socket"
#define TWO_CIDS    "have the same CID"
#define NOT_ONE     ": give one of base (the VMM's uds_path), path and cid"
#define VSOCK_PATH  ": a path that begins with vsock: is written ./vsock:"

static const struct {
	struct {
		size_t at;
		const char *channel;
	} placed[PLACED];
	int code;
	const char *want;
} rows[] = {
	{ { { 0, NULL } }, 0, "" },
	/* The same text of another kind is another socket. */
	{ { { 5, ",path=/b/0" }, { 6, "/b/1" } }, 0, "" },
	/* Two neighbours, the ends, each kind. */
	{ { { 1, "/b/0" } }, CHT_E_CONFIG, "cells c0 and c1 " TWO_SOCKETS },
	{ { { 2999, "/b/0" } }, CHT_E_CONFIG, "cells c0 and c2999 " TWO_SOCKETS },
	{ { { 2999, ",path=/b/1" } }, CHT_E_CONFIG, "cells c1 and c2999 " TWO_SOCKETS },
	{ { { 2998, ",cid=1002" } }, CHT_E_CONFIG, "cells c2 and c2998 " TWO_CIDS },
	{ { { 2999, ",cid=3998" } }, 0, "" }, /* whose place it takes had that of 2999 */
	/* Of several the one that is met first, whatever it is the same as. */
	{ { { 2999, "/b/0" }, { 1500, ",path=/b/1498" }, { 1501, ",cid=1002" } },
	  CHT_E_CONFIG,
	  "cells c1498 and c1500 " TWO_SOCKETS },
	{ { { 2999, "/b/0" }, { 1501, ",path=/b/1498" }, { 1500, ",cid=1002" } },
	  CHT_E_CONFIG,
	  "cells c2 and c1500 " TWO_CIDS },
	{ { { 101, "/b/48" }, { 100, "/b/60" } }, CHT_E_CONFIG, "cells c60 and c100 " TWO_SOCKETS },
	/* Of three with one channel the first two. */
	{ { { 2999, "/b/3" }, { 20, "/b/3" }, { 10, "/b/3" } },
	  CHT_E_CONFIG,
	  "cells c3 and c10 " TWO_SOCKETS },
	/* A channel that is none: what comes first is said, and of one cell that. */
	{ { { 400, "/b/0" }, { 500, "/b/500,cid=9" } },
	  CHT_E_CONFIG,
	  "cells c0 and c400 " TWO_SOCKETS },
	{ { { 600, "/b/0" }, { 500, "/b/500,cid=9" } }, CHT_E_RANGE, "cell c500" NOT_ONE },
	{ { { 500, "/b/0,path=/b/1" } }, CHT_E_RANGE, "cell c500" NOT_ONE },
	{ { { 500, ",cid=1002,uid=0" } },
	  CHT_E_RANGE,
	  "cell c500: uid, owner, group and mode are of a socket file: a cell with a cid has "
	  "none" },
	{ { { 500, "" }, { 501, "" } }, CHT_E_RANGE, "cell c500" NOT_ONE },
	{ { { 300, "vsock:3" }, { 301, "vsock:3" } }, CHT_E_CONFIG, "cell c300" VSOCK_PATH },
	{ { { 300, "vsock:3" }, { 299, "/b/0" } }, CHT_E_CONFIG, "cells c0 and c299 " TWO_SOCKETS },
};

static void test_of_many_the_first_error_is_said(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cht_err err = { 0 };
		struct conf c;

		check_row = rows[i].want;
		conf_init(&c);
		c.state = strdup("/s");
		for (size_t at = 0; at < MANY; at++) {
			const char *channel = own_channel(at);

			for (size_t k = 0; k < PLACED; k++)
				if (rows[i].placed[k].channel != NULL && rows[i].placed[k].at == at)
					channel = rows[i].placed[k].channel;
			add(&c, at, channel);
		}
		CHECK_INT(conf_check(&c, &err), rows[i].code);
		CHECK_STR(str_of(err.text), rows[i].want);
		CHECK_INT(err.value, 0);
		conf_free(&c);
	}
}

static bool is_same_channel(const struct conf_cell *a, const struct conf_cell *b)
{
	if (a->cid != 0 || b->cid != 0)
		return a->cid == b->cid;
	if (a->path != NULL && b->path != NULL)
		return strcmp(a->path, b->path) == 0;
	return a->base != NULL && b->base != NULL && strcmp(a->base, b->base) == 0;
}

/* One after the other, each against all before it. */
static int expect(const struct conf *c, struct cht_err *err)
{
	for (size_t i = 0; i < c->n_cells; i++) {
		const struct conf_cell *cells = c->cells;
		struct conf alone = *c;
		int r;

		alone.cells = &c->cells[i];
		alone.n_cells = 1;
		r = conf_check(&alone, err);
		if (r < 0)
			return r;
		for (size_t j = 0; j < i; j++) {
			if (!is_same_channel(&cells[j], &cells[i]))
				continue;
			snprintf(err->text, sizeof(err->text), "cells %.9s and %.9s %s",
				 cells[j].id, cells[i].id,
				 cells[i].cid != 0 ? TWO_CIDS : TWO_SOCKETS);
			return CHT_E_CONFIG;
		}
	}
	return 0;
}

static void test_the_first_error_is_that_of_each_against_all(void **state)
{
	static const char *const channels[] = {
		"/a",       "/b",       "/c",       "/d",     "/e",       ",path=/a",
		",path=/b", ",path=/c", ",path=/d", ",cid=3", ",cid=4",   ",cid=5",
		",cid=6",   ",cid=1",   "",         "vsock:", "/a,cid=3", ",cid=3,uid=0",
	};
	unsigned failed = 0;
	uint64_t seed = 1;

	(void)state;
	for (unsigned round = 0; round < 20000; round += check_stride()) {
		struct cht_err got = { 0 }, want = { 0 };
		struct conf c;
		int r;

		conf_init(&c);
		c.state = strdup("/s");
		for (size_t at = 0; at < 1 + round % 9; at++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			add(&c, at, channels[(seed >> 33) % (sizeof(channels) / sizeof(char *))]);
		}
		r = expect(&c, &want);
		CHECK_INT(conf_check(&c, &got), r);
		CHECK_STR(str_of(got.text), want.text);
		failed += r < 0;
		conf_free(&c);
	}
	CHECK(failed > 100 / check_stride());
}

/* As many as there may be, in one file. */
static void read_all(struct conf *c)
{
	size_t cap = CELLS_MAX * 64, n = 0;
	char *text = malloc(cap);
	struct cht_err err = { 0 };

	CHECK(text != NULL);
	for (size_t at = 0; at < CELLS_MAX; at++)
		n += (size_t)snprintf(text + n, cap - n, "[cell c%zu]\nbase = /b/%zu\n", at, at);
	conf_init(c);
	c->state = strdup("/s");
	CHECK_INT(conf_read(c, "f", (struct cht_bytes){ (const uint8_t *)text, n }, &err), 0);
	free(text);
}

static void test_a_second_cell_of_one_name_is_met_wherever_the_first_is(void **state)
{
	static const size_t places[] = { 0, 1, 15, 16, 17, 255, 4095, 4096, 8191, 8192, 16383 };
	struct conf c;

	(void)state;
	read_all(&c);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct cht_err err = { 0 };
		char text[64], want[128];
		int n = snprintf(text, sizeof(text), "[cell c%zu]\nbase = /x\n", places[i]);

		check_row = text;
		snprintf(want, sizeof(want),
			 "g:1: a second section for the same cell: the first is f:%zu",
			 1 + 2 * places[i]);
		CHECK_INT(conf_read_cells(&c, "g",
					  (struct cht_bytes){ (const uint8_t *)text, (size_t)n },
					  &err),
			  CHT_E_CONFIG);
		CHECK_STR(str_of(err.text), want);
		CHECK_INT(err.value, 1);
		snprintf(text, sizeof(text), "c%zu=/x", places[i]);
		snprintf(want, sizeof(want), "--cell %s: this cell is there already", text);
		CHECK_INT(conf_add_cell(&c, text, &err), CHT_E_RANGE);
		CHECK_STR(str_of(err.text), want);
	}
	CHECK_INT(c.n_cells, CELLS_MAX);
	conf_free(&c);
	conf_free(&c);
}

static void test_every_key_is_of_its_cell_and_one_more_is_too_many(void **state)
{
	static const char text[] = "[cell c]\nbase = /x\n";
	struct cht_err err = { 0 };
	struct conf c;

	(void)state;
	read_all(&c);
	for (size_t at = 0; at < CELLS_MAX; at++) {
		char want[32];

		snprintf(want, sizeof(want), "/b/%zu", at);
		CHECK_STR(str_of(c.cells[at].base), want);
		CHECK_STR(str_of(c.cells[at].id), (snprintf(want, sizeof(want), "c%zu", at), want));
	}
	CHECK_INT(conf_check(&c, &err), 0);
	CHECK_INT(conf_read(&c, "g", (struct cht_bytes){ (const uint8_t *)text, sizeof(text) - 1 },
			    &err),
		  CHT_E_CONFIG);
	CHECK_STR(str_of(err.text), "g:1: too many cells");
	CHECK_INT(conf_add_cell(&c, "c=/x", &err), CHT_E_LIMIT);
	CHECK_STR(str_of(err.text), "--cell c=/x: at most 16384 cells");
	conf_free(&c);
	/* Nothing of them is left. */
	conf_init(&c);
	add(&c, 0, "/x");
	CHECK_INT(conf_add_cell(&c, "c0=/y", &err), CHT_E_RANGE);
	CHECK_INT(c.n_cells, 1);
	conf_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_of_many_the_first_error_is_said),
		cmocka_unit_test(test_the_first_error_is_that_of_each_against_all),
		cmocka_unit_test(test_a_second_cell_of_one_name_is_met_wherever_the_first_is),
		cmocka_unit_test(test_every_key_is_of_its_cell_and_one_more_is_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
