/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "samples.h"

static uint8_t mem[CHT_EVENT_MAX_BYTES];

static struct cht_bytes rendered(const struct cht_stamped *s, enum cht_shape shape)
{
	struct event_renderer r = { .clock = { .valid = false } };
	struct buf b = buf_init(mem, sizeof(mem));

	event_render(&r, s, shape, &b);
	CHECK(!b.full);
	return buf_bytes(&b);
}

static struct cht_bytes bytes_of(struct cht_str s)
{
	return (struct cht_bytes){ (const uint8_t *)s.ptr, s.len };
}

static void check_fields(const struct sample *x, enum cht_shape shape)
{
	const struct event_type *row = &event_types[x->s.kind];
	bool is_reading = shape == CHT_SHAPE_RUST && event_is_reading(x->s.kind);
	size_t time_len = is_reading ? RFC3339_S_LEN + sizeof(".123") - 1
			  : shape == CHT_SHAPE_RUST && event_is_declaration(x->s.kind)
				  ? RFC3339_S_LEN
				  : RFC3339_NS_LEN;
	struct event_view v;
	struct run_bits bits;
	uint64_t sequence = 0;
	size_t at = 0;
	int r = event_scan(rendered(&x->s, shape), &v, &at);

	check_row = row->name;
	if (r < 0)
		fprintf(stderr, "at %zu: %.*s\n", at, (int)sizeof(mem), (char *)mem);
	CHECK_INT(r, 0);
	CHECK(v.known == row);
	CHECK_STR(v.type, row->type);
	CHECK_STR(v.source, row->source);
	CHECK_STR(v.provenance, is_reading ? "" : row->provenance);
	CHECK_STR(v.cell_id, x->run.cell_id);
	CHECK_STR(v.run_id, x->run.run_id);
	CHECK_STR(v.spec, x->run.spec);
	CHECK_INT(v.time.len, time_len);
	CHECK(v.sequence == x->s.sequence);
	CHECK(event_id_read(v.id, &bits, &sequence));
	CHECK(sequence == x->s.sequence);
	CHECK(bits.b == x->run.bits.b && bits.c == x->run.bits.c);
}

static void test_what_is_rendered_scans_to_the_same_fields(void **state)
{
	(void)state;
	for (unsigned i = 0; i < EV_N_KINDS * SAMPLE_SIZES; i++) {
		struct sample *x = sample_make(i / SAMPLE_SIZES, i % SAMPLE_SIZES);

		check_fields(x, CHT_SHAPE_FULL);
		check_fields(x, CHT_SHAPE_RUST);
		free(x);
	}
}

static void test_every_prefix_is_refused(void **state)
{
	(void)state;
	for (unsigned k = 0; k < EV_N_KINDS; k++) {
		struct sample *x = sample_make(k, SAMPLE_USUAL);
		struct cht_bytes e = rendered(&x->s, CHT_SHAPE_FULL);

		check_row = event_types[k].name;
		for (size_t cut = 0; cut < e.len; cut++) {
			uint8_t *exact = malloc(cut > 0 ? cut : 1); /* an over-read is seen */
			struct event_view v;
			size_t at = SIZE_MAX;

			assert_non_null(exact);
			memcpy(exact, e.ptr, cut);
			CHECK_INT(event_scan((struct cht_bytes){ exact, cut }, &v, &at),
				  CHT_E_PARSE);
			CHECK(at <= cut && at + 4 > cut); /* at the end, or at a cut character */
			free(exact);
		}
		free(x);
	}
}

/* The first difference between what two scans say, or nothing. */
static bool views_differ(const struct event_view *a, const struct event_view *b)
{
	return !str_eq(a->id, b->id) || !str_eq(a->source, b->source) ||
	       !str_eq(a->type, b->type) || !str_eq(a->data, b->data) || !str_eq(a->time, b->time);
}

static void test_every_bit_flip_is_refused_or_seen(void **state)
{
	(void)state;
	for (unsigned k = 0; k < EV_N_KINDS; k++) {
		struct sample *x = sample_make(k, SAMPLE_USUAL);
		struct cht_bytes e = rendered(&x->s, CHT_SHAPE_FULL);
		uint8_t *flipped = malloc(e.len);
		struct event_view v, other;
		size_t at, accepted = 0;

		check_row = event_types[k].name;
		assert_non_null(flipped);
		CHECK_INT(event_scan(e, &v, &at), 0);
		memcpy(flipped, e.ptr, e.len);
		for (size_t bit = 0; bit < e.len * 8; bit++) {
			flipped[bit / 8] ^= (uint8_t)(1 << bit % 8);
			at = SIZE_MAX;
			if (event_scan((struct cht_bytes){ flipped, e.len }, &other, &at) == 0) {
				CHECK(views_differ(&v, &other));
				accepted++;
			} else {
				CHECK(at <= e.len);
			}
			flipped[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		CHECK(accepted > 0); /* texts and numbers are only the line's to judge */
		free(flipped);
		free(x);
	}
}

#define HEAD                                                                                       \
	"{\"specversion\":\"1.0\",\"id\":\"i\",\"source\":\"s\",\"type\":\"t\","                   \
	"\"datacontenttype\":\"application/json\",\"data\":"
#define TAIL     ",\"time\":\"2025-11-05T13:20:00Z\",\"traceparent\":null}"
#define DATA(d)  HEAD d TAIL
#define HEAD_LEN (sizeof(HEAD) - 1)
#define E1(a)    "[" a "]"
#define E15(a)   E1(E1(E1(E1(E1(E1(E1(E1(E1(E1(E1(E1(E1(E1(E1(a)))))))))))))))

static const char *const taken[] = {
	"{}",
	"{\"a\":0}",
	"{\"a\":-1,\"b\":[],\"c\":{}}",
	"{\"a\":18446744073709551615,\"b\":-9223372036854775808}",
	"{\"a\":true,\"b\":false,\"c\":[1,[2],{\"a\":3},\"x\"]}",
	"{\"a\":\"\\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u001f/\x7f\"}",
	"{\"a\":\"\xc3\xa9\xe6\x97\xa5\xf0\x9f\x98\x80\"}",
	"{\"\":1,\"a\":1,\"aa\":1,\"b\":1,\"\xc3\xa9\":1}",
	"{\"counts\":{\"a\":1},\"host\":{\"a\":1}}",
	"{\"a\":" E15("") "}",
};

static void test_whatever_is_canonical_is_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		char text[2048];
		struct event_view v;
		size_t at = 0;
		int n = snprintf(text, sizeof(text), HEAD "%s" TAIL, taken[i]);

		check_row = taken[i];
		CHECK_INT(event_scan((struct cht_bytes){ (uint8_t *)text, (size_t)n }, &v, &at), 0);
		CHECK_STR(v.data, taken[i]);
		CHECK(v.known == NULL && v.sequence == 0);
	}
}

/* The byte that is wrong is the `at`th of data. */
static const struct {
	const char *why;
	struct cht_str data;
	size_t at;
} refused[] = {
	{ "not an object", STR_INIT("[]"), 0 },
	{ "null", STR_INIT("{\"a\":null}"), 5 },
	{ "white space", STR_INIT("{ \"a\":1}"), 1 },
	{ "white space after a colon", STR_INIT("{\"a\": 1}"), 5 },
	{ "white space at the end", STR_INIT("{\"a\":1 }"), 6 },
	{ "a key twice", STR_INIT("{\"a\":1,\"a\":2}"), 7 },
	{ "unsorted", STR_INIT("{\"b\":1,\"a\":2}"), 7 },
	{ "unsorted, a prefix", STR_INIT("{\"ab\":1,\"a\":2}"), 8 },
	{ "unsorted within", STR_INIT("{\"a\":[{\"c\":{},\"b\":2}]}"), 14 },
	{ "unsorted beyond ASCII", STR_INIT("{\"\xc3\xa9\":1,\"a\":2}"), 8 },
	{ "escape in a key", STR_INIT("{\"a\\n\":1}"), 3 },
	{ "no key", STR_INIT("{1:1}"), 1 },
	{ "comma at the end", STR_INIT("{\"a\":1,}"), 7 },
	{ "comma at the end of a list", STR_INIT("{\"a\":[1,]}"), 8 },
	{ "list closed as an object", STR_INIT("{\"a\":[1}"), 7 },
	{ "object closed as a list", STR_INIT("{\"a\":1]"), 6 },
	{ "fraction", STR_INIT("{\"a\":1.0}"), 6 },
	{ "exponent", STR_INIT("{\"a\":1e3}"), 6 },
	{ "leading zero", STR_INIT("{\"a\":01}"), 6 },
	{ "minus zero", STR_INIT("{\"a\":-0}"), 6 },
	{ "plus", STR_INIT("{\"a\":+1}"), 5 },
	{ "minus alone", STR_INIT("{\"a\":-}"), 6 },
	{ "2^64", STR_INIT("{\"a\":18446744073709551616}"), 5 },
	{ "below -2^63", STR_INIT("{\"a\":-9223372036854775809}"), 5 },
	{ "21 digits", STR_INIT("{\"a\":100000000000000000000}"), 5 },
	{ "escaped slash", STR_INIT("{\"a\":\"\\/\"}"), 7 },
	{ "escaped letter", STR_INIT("{\"a\":\"\\u0041\"}"), 10 },
	{ "long escape of a short one", STR_INIT("{\"a\":\"\\u000a\"}"), 11 },
	{ "upper case escape", STR_INIT("{\"a\":\"\\u001F\"}"), 11 },
	{ "surrogate escape", STR_INIT("{\"a\":\"\\ud83d\"}"), 8 },
	{ "control", STR_INIT("{\"a\":\"\n\"}"), 6 },
	{ "a NUL", STR_INIT("{\"a\":\"\0\"}"), 6 },
	{ "bad UTF-8", STR_INIT("{\"a\":\"1234567\xff\"}"), 13 },
	{ "overlong", STR_INIT("{\"a\":\"\xc0\x80\"}"), 6 },
	{ "surrogate", STR_INIT("{\"a\":\"\xed\xa0\x80\"}"), 6 },
	{ "cut sequence", STR_INIT("{\"a\":\"\xe6\x97\"}"), 6 },
	{ "bad UTF-8 in a key", STR_INIT("{\"\xff\":1}"), 2 },
	{ "escaped space", STR_INIT("{\"a\":\"\\u0020\"}"), 10 },
	{ "escape beyond hex", STR_INIT("{\"a\":\"\\u000g\"}"), 11 },
	{ "a word", STR_INIT("{\"a\":trve}"), 7 },
	{ "17 deep", STR_INIT("{\"a\":" E15("[]") "}"), 20 },
	{ "sequence 0", STR_INIT("{\"sequence\":0}"), 12 },
	{ "sequence below 0", STR_INIT("{\"sequence\":-1}"), 12 },
	{ "sequence as text", STR_INIT("{\"sequence\":\"1\"}"), 12 },
	{ "sequence as a list", STR_INIT("{\"sequence\":[1]}"), 12 },
	{ "cellId as a number", STR_INIT("{\"cellId\":1}"), 10 },
	{ "runId as an object", STR_INIT("{\"runId\":{}}"), 9 },
	{ "host.runId as a number", STR_INIT("{\"host\":{\"runId\":1}}"), 17 },
	{ "two values", STR_INIT("{},{}"), 3 },
};

static void test_what_is_not_canonical_is_refused_where_it_stands(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		size_t len = HEAD_LEN + refused[i].data.len + sizeof(TAIL) - 1, at = 0;
		uint8_t *text = malloc(len);
		struct event_view v = { .sequence = 99 };

		check_row = refused[i].why;
		assert_non_null(text);
		memcpy(text, HEAD, HEAD_LEN);
		memcpy(text + HEAD_LEN, refused[i].data.ptr, refused[i].data.len);
		memcpy(text + len - (sizeof(TAIL) - 1), TAIL, sizeof(TAIL) - 1);
		CHECK_INT(event_scan((struct cht_bytes){ text, len }, &v, &at), CHT_E_PARSE);
		CHECK_INT((long long)at - (long long)HEAD_LEN, refused[i].at);
		CHECK(v.sequence == 99); /* untouched */
		free(text);
	}
}

static void test_members_stand_in_one_order_with_their_values(void **state)
{
	static const struct {
		const char *why, *text;
		size_t at;
	} rows[] = {
		{ "empty", "", 0 },
		{ "another version", "{\"specversion\":\"1.1\"", 18 },
		{ "source first", "{\"specversion\":\"1.0\",\"source\":", 22 },
		{ "id not text", "{\"specversion\":\"1.0\",\"id\":1,", 26 },
		{ "trailing byte", DATA("{}") "\n", sizeof(DATA("{}")) - 1 },
		{ "no time", HEAD "{},\"traceparent\":null}", HEAD_LEN + 5 },
		{ "time null", HEAD "{},\"time\":null,\"traceparent\":null}", HEAD_LEN + 10 },
		{ "no such day", HEAD "{},\"time\":\"2025-02-29T00:00:00Z\",\"traceparent\":null}",
		  HEAD_LEN + 10 },
		{ "milliseconds",
		  HEAD "{},\"time\":\"2025-02-28T00:00:00.000Z\",\"traceparent\":null}",
		  HEAD_LEN + 10 },
		{ "no traceparent", HEAD "{},\"time\":\"2025-02-28T00:00:00Z\"}", HEAD_LEN + 32 },
		{ "a ninth member",
		  HEAD "{},\"time\":\"2025-02-28T00:00:00Z\",\"traceparent\":null,\"x\":1}",
		  HEAD_LEN + 51 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct event_view v;
		size_t at = SIZE_MAX;

		check_row = rows[i].why;
		CHECK_INT(event_scan(bytes_of(str_of(rows[i].text)), &v, &at), CHT_E_PARSE);
		CHECK_INT(at, rows[i].at);
	}
}

/* Only what the host says of itself and of attribution is taken out of data. */
static void test_attribution_is_not_taken_from_elsewhere(void **state)
{
	static const char text[] = DATA("{\"guest\":{\"cellId\":\"x\",\"runId\":1},\"host\":{"
					"\"deep\":{\"runId\":\"x\"},\"specSignatureHash\":\"s\"}}");
	struct event_view v;
	size_t at = 0;

	(void)state;
	CHECK_INT(event_scan(bytes_of(str_of(text)), &v, &at), 0);
	CHECK(v.cell_id.len == 0 && v.run_id.len == 0 && v.provenance.len == 0);
	CHECK_STR(v.spec, "s");
}

static void test_it_is_told_whether_an_agent_counts(void **state)
{
	static const struct {
		const char *from, *to;
		bool want;
	} rows[] = { { "\"agentSeq\"", "\"agentSeq\"", true },
		     { "\"agentSeq\"", "\"agentSfq\"", false },
		     { "\"agentBoot\"", "\"agentBpot\"", false },
		     { "\"channel\"", "\"chanoel\"", false } };
	struct sample *x = sample_make(EV_GUEST_PROCESS_SPAWNED, SAMPLE_USUAL);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cht_bytes e = rendered(&x->s, CHT_SHAPE_FULL);
		uint8_t *hit = memmem(e.ptr, e.len, rows[i].from, strlen(rows[i].from));
		struct event_view v;
		size_t at;

		check_row = rows[i].to;
		assert_non_null(hit);
		memcpy(hit, rows[i].to, strlen(rows[i].to));
		CHECK_INT(event_scan(e, &v, &at), 0);
		CHECK(v.is_numbered == rows[i].want);
	}
	free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_rendered_scans_to_the_same_fields),
		cmocka_unit_test(test_it_is_told_whether_an_agent_counts),
		cmocka_unit_test(test_every_prefix_is_refused),
		cmocka_unit_test(test_every_bit_flip_is_refused_or_seen),
		cmocka_unit_test(test_whatever_is_canonical_is_taken),
		cmocka_unit_test(test_what_is_not_canonical_is_refused_where_it_stands),
		cmocka_unit_test(test_attribution_is_not_taken_from_elsewhere),
		cmocka_unit_test(test_members_stand_in_one_order_with_their_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
