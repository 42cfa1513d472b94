/* SPDX-License-Identifier: Apache-2.0
 *
 * One document of a VMM: what is one, in its canonical form; what is none, and about where.
 */
#include "check.h"

#include "base/text.h"
#include "probe/fc_doc.h"
#include "probe/fc_totals.h"

#include <cht/err.h>

static struct fc_value values[FC_DOC_VALUES_MAX];

static int parse_n(struct fc_doc *doc, uint8_t *copy, const char *text, size_t len, unsigned cap,
		   size_t *at)
{
	memcpy(copy, text, len);
	*doc = (struct fc_doc){ .values = values, .cap = cap };
	return fc_doc_parse(doc, copy, len, at);
}

static const struct {
	const char *in, *out;
} taken[] = {
	{ "{}", "{}" },
	{ " { } \r\n\t", "{}" },
	{ "{\"b\":1,\"a\":[]}", "{\"a\":[],\"b\":1}" },
	{ "{\"b\" : {\"d\":1 , \"c\":2},\"a\":[ 3,1 ,2]}",
	  "{\"a\":[3,1,2],\"b\":{\"c\":2,\"d\":1}}" },
	{ "{\"a\":1,\"aa\":2,\"B\":3,\"\":4}", "{\"\":4,\"B\":3,\"a\":1,\"aa\":2}" },
	{ "{\"n\":[0,-0,1.50,1e9,1E+9,2e-3,18446744073709551616,-1]}",
	  "{\"n\":[0,-0,1.50,1e9,1E+9,2e-3,18446744073709551616,-1]}" },
	{ "{\"w\":[true,false,null]}", "{\"w\":[true,false,null]}" },
	{ "{\"s\":\"\\/\\u0041\\u000a\\n\\u00e9\\u20AC\\ud83d\\uDE00\\u001f\\\"\\\\\"}",
	  "{\"s\":\"/A\\n\\n\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\\u001f\\\"\\\\\"}" },
	{ "{\"\\u0062\":1,\"a\":2}", "{\"a\":2,\"b\":1}" },
	{ "{\"\xc3\xa9\":1,\"z\":2,\"\xf0\x9f\x98\x80\":3,\"\xef\xbf\xbd\":4}",
	  "{\"z\":2,\"\xc3\xa9\":1,\"\xef\xbf\xbd\":4,\"\xf0\x9f\x98\x80\":3}" },
	{ "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}}}",
	  "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}}}" },
	{ "{\"s\":\"\\u0000\"}", "{\"s\":\"\\u0000\"}" },
};

static void test_what_is_a_document_is_written_sorted(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		uint8_t copy[256], out[256];
		struct buf b = buf_init(out, sizeof(out));
		struct fc_doc doc;

		check_row = taken[i].in;
		CHECK_INT(parse_n(&doc, copy, taken[i].in, strlen(taken[i].in), 64, NULL), 0);
		fc_doc_put(&b, &doc, FC_DOC_TOP);
		CHECK_STR(((struct cht_str){ (char *)out, buf_len(&b) }), taken[i].out);
	}
}

#define DEEP7 "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":"

static const struct {
	const char *in;
	size_t at;
} refused[] = {
	{ "", 0 },
	{ " ", 1 },
	{ "[]", 0 },
	{ "1", 0 },
	{ "\xef\xbb\xbf{}", 0 },
	{ "{}{}", 2 },
	{ "{},", 2 },
	{ "{\"a\":1,}", 7 },
	{ "{,}", 1 },
	{ "{\"a\"}", 4 },
	{ "{a:1}", 1 },
	{ "{'a':1}", 1 },
	{ "{\"a\":}", 5 },
	{ "{\"a\":1 \"b\":2}", 7 },
	{ "{\"a\":[1,]}", 8 },
	{ "{\"a\":[1}", 7 },
	{ "{\"a\":01}", 6 },
	{ "{\"a\":+1}", 5 },
	{ "{\"a\":.5}", 5 },
	{ "{\"a\":1.}", 7 },
	{ "{\"a\":1e}", 7 },
	{ "{\"a\":-}", 6 },
	{ "{\"a\":0x1}", 6 },
	{ "{\"a\":NaN}", 5 },
	{ "{\"a\":nul}", 5 },
	{ "{\"a\":True}", 5 },
	{ "{\"a\":\"\n\"}", 6 },
	{ "{\"a\":\"\\x\"}", 8 },
	{ "{\"a\":\"\\u12g4\"}", 10 },
	{ "{\"a\":\"\\ud800\"}", 12 },
	{ "{\"a\":\"\\ud800\\n\"}", 13 },
	{ "{\"a\":\"\\ud800\\ud800\"}", 18 },
	{ "{\"a\":\"\\udc00\\udc00\"}", 18 },
	{ "{\"a\":\"\xc0\x80\"}", 6 },
	{ "{\"a\":\"\xed\xa0\x80\"}", 6 },
	{ "{\"a\":\"\xff\"}", 6 },
	{ "{\"a\":1/**/}", 6 },
	/* Told once it is whole. */
	{ "{\"a\":1,\"a\":1}", 13 },
	{ "{\"a\":1,\"b\":2,\"c\":3,\"b\":4}", 25 },
	{ "{\"a\":1,\"\\u0061\":2}", 18 },
	{ "{\"x\":{\"a\":1,\"a\":2}}", 18 },
	{ "{\"a\\n\":1}", 6 },
	{ "{\"a\\\"\":1}", 6 },
	{ "{\"\\u0000\":1}", 9 },
	{ DEEP7 "[{}]}}}}}}}", 37 },
};

static void test_what_is_none_is_refused_and_told_where(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		size_t len = strlen(refused[i].in), at = 999;
		uint8_t *exact = malloc(len > 0 ? len : 1);
		struct fc_doc doc;

		check_row = refused[i].in;
		CHECK_INT(parse_n(&doc, exact, refused[i].in, len, 64, &at), CHT_E_PARSE);
		CHECK_INT(at, refused[i].at);
		free(exact);
	}
}

static void test_a_nul_is_nowhere_allowed(void **state)
{
	static const char text[] = "{\"a\":\"\"}";
	uint8_t copy[16];
	struct fc_doc doc;

	(void)state;
	for (size_t i = 0; i <= sizeof(text) - 1; i++) {
		char with[16];

		memcpy(with, text, i);
		with[i] = '\0';
		memcpy(with + i + 1, text + i, sizeof(text) - 1 - i);
		CHECK_INT(parse_n(&doc, copy, with, sizeof(text), 64, NULL), CHT_E_PARSE);
	}
}

static void test_more_values_than_there_is_room_for_are_a_limit(void **state)
{
	static const char text[] = "{\"a\":[1,2,3]}";
	uint8_t copy[16];
	struct fc_doc doc;

	(void)state;
	CHECK_INT(parse_n(&doc, copy, text, sizeof(text) - 1, 5, NULL), 0);
	CHECK_INT(parse_n(&doc, copy, text, sizeof(text) - 1, 4, NULL), CHT_E_LIMIT);
	CHECK_INT(parse_n(&doc, copy, text, sizeof(text) - 1, 0, NULL), CHT_E_LIMIT);
}

static void test_values_are_found(void **state)
{
	static const char text[] = "{\"g\":{\"n\":7,\"s\":\"x\",\"f\":1.0,\"m\":-1,"
				   "\"big\":18446744073709551615,\"more\":18446744073709551616},"
				   "\"l\":[1]}";
	uint8_t copy[160];
	struct fc_doc doc;
	uint64_t n = 1;
	unsigned g;

	(void)state;
	CHECK_INT(parse_n(&doc, copy, text, sizeof(text) - 1, 64, NULL), 0);
	g = fc_doc_find(&doc, FC_DOC_TOP, STR("g"));
	CHECK(g != 0 && fc_doc_find(&doc, FC_DOC_TOP, STR("h")) == 0);
	CHECK_INT(fc_doc_find(&doc, fc_doc_find(&doc, FC_DOC_TOP, STR("l")), STR("")), 0);
	CHECK(fc_doc_u64(&doc, fc_doc_find(&doc, g, STR("n")), &n) && n == 7);
	CHECK(fc_doc_u64(&doc, fc_doc_find(&doc, g, STR("big")), &n) && n == UINT64_MAX);
	CHECK(!fc_doc_u64(&doc, fc_doc_find(&doc, g, STR("s")), &n));
	CHECK(!fc_doc_u64(&doc, fc_doc_find(&doc, g, STR("f")), &n));
	CHECK(!fc_doc_u64(&doc, fc_doc_find(&doc, g, STR("m")), &n));
	CHECK(!fc_doc_u64(&doc, fc_doc_find(&doc, g, STR("more")), &n));
	CHECK(!fc_doc_u64(&doc, g, &n));
	CHECK_STR(fc_doc_str(&doc, fc_doc_find(&doc, g, STR("s"))), "x");
	CHECK_STR(fc_doc_str(&doc, fc_doc_find(&doc, g, STR("n"))), "");
}

/* A line of a real Firecracker, cut at every byte. */
static void test_every_prefix_of_a_line_is_refused(void **state)
{
	char path[512], line[8192];
	const char *source = getenv("CHT_SOURCE_ROOT");
	FILE *f;
	size_t len;

	(void)state;
	snprintf(path, sizeof(path), "%s/tests/golden/data/firecracker/full.jsonl",
		 source != NULL ? source : ".");
	f = fopen(path, "re");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	fclose(f);
	len = strlen(line) - 1;
	CHECK_INT(line[len], '\n');
	for (size_t cut = 0; cut <= len; cut += cut + 40 < len ? check_stride() : 1) {
		uint8_t *exact = malloc(cut > 0 ? cut : 1);
		struct fc_doc doc;

		CHECK_INT(parse_n(&doc, exact, line, cut, FC_DOC_VALUES_MAX, NULL),
			  cut < len ? CHT_E_PARSE : 0);
		free(exact);
	}
}

static void test_the_counters_stand_in_their_order(void **state)
{
	(void)state;
	for (unsigned i = 1; i < FC_N_TOTALS; i++) {
		check_row = fc_total_name((enum fc_total)i);
		CHECK(strcmp(fc_total_name((enum fc_total)(i - 1)), check_row) < 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_a_document_is_written_sorted),
		cmocka_unit_test(test_what_is_none_is_refused_and_told_where),
		cmocka_unit_test(test_a_nul_is_nowhere_allowed),
		cmocka_unit_test(test_more_values_than_there_is_room_for_are_a_limit),
		cmocka_unit_test(test_values_are_found),
		cmocka_unit_test(test_every_prefix_of_a_line_is_refused),
		cmocka_unit_test(test_the_counters_stand_in_their_order),
	};

	return cmocka_run_group_tests_name("fc_doc", tests, NULL, NULL);
}
