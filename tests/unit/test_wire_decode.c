/* SPDX-License-Identifier: Apache-2.0
 *
 * What is refused and exactly where; what is taken and what it means.
 */
#include <cht/wire.h>

#include "check.h"
#include "wire_bodies.h"

#include "wire/keys.h"

static const struct {
	const char *why, *hex;
	enum cht_fault fault;
	uint32_t at;
} refused[] = {
	/* the top item */
	{ "nothing", "", CHT_FAULT_TRUNCATED, 0 },
	{ "an array", "80", CHT_FAULT_TYPE, 0 },
	{ "a number", "05", CHT_FAULT_TYPE, 0 },
	{ "an array head cut short", "9b7fff", CHT_FAULT_TRUNCATED, 3 },
	{ "an array that claims 2^63-1", "9b7fffffffffffffff", CHT_FAULT_TYPE, 0 },
	{ "a tag", "d9d9f7a5" FIVE, CHT_FAULT_TAG, 0 },
	{ "an indefinite map", "bf" FIVE "ff", CHT_FAULT_INDEFINITE, 0 },
	{ "a map of 2^64-1", "bbffffffffffffffff", CHT_FAULT_PAIRS, 0 },
	{ "a map of 65", "b841" FIVE, CHT_FAULT_PAIRS, 0 },
	{ "an empty map", "a0", CHT_FAULT_MISSING, 0 },
	{ "trailing byte", "a5" FIVE "00", CHT_FAULT_TRAILING, 91 },
	{ "trailing map", "a5" FIVE "a5" FIVE, CHT_FAULT_TRAILING, 91 },
	{ "one pair too few", "a6" FIVE, CHT_FAULT_TRUNCATED, 91 },
	/* required keys */
	{ "no version", "a4" SOURCE PID COMM MONO, CHT_FAULT_MISSING, 0 },
	{ "no source", "a4" VERSION PID COMM MONO, CHT_FAULT_MISSING, 0 },
	{ "no pid", "a4" VERSION SOURCE COMM MONO, CHT_FAULT_MISSING, 0 },
	{ "no comm", "a4" VERSION SOURCE PID MONO, CHT_FAULT_MISSING, 0 },
	{ "no time", "a4" VERSION SOURCE PID COMM, CHT_FAULT_MISSING, 0 },
	{ "next major", "a5" K_VERSION "190100" SOURCE PID COMM MONO, CHT_FAULT_VERSION, 17 },
	{ "next major, nothing else", "a1" K_VERSION "190100", CHT_FAULT_VERSION, 17 },
	{ "next major, last", "a5" SOURCE PID COMM MONO K_VERSION "190100", CHT_FAULT_VERSION, 90 },
	{ "version over 16 bits", "a1" K_VERSION "1a00010000", CHT_FAULT_RANGE, 17 },
	{ "version twice", "a6" FIVE VERSION, CHT_FAULT_DUPLICATE, 91 },
	{ "pid twice", "a6" FIVE PID, CHT_FAULT_DUPLICATE, 91 },
	{ "pid twice, the second no number", "a6" FIVE K_PID "6131", CHT_FAULT_DUPLICATE, 91 },
	{ "pid over 32 bits", "a2" VERSION K_PID "1b0000000100000000", CHT_FAULT_RANGE, 28 },
	{ "pid negative", "a2" VERSION K_PID "20", CHT_FAULT_TYPE, 28 },
	{ "pid a float", "a2" VERSION K_PID "f93c00", CHT_FAULT_TYPE, 28 },
	{ "pid a text", "a2" VERSION K_PID "6131", CHT_FAULT_TYPE, 28 },
	{ "pid a tag", "a2" VERSION K_PID "c101", CHT_FAULT_TAG, 28 },
	{ "pid a break", "a2" VERSION K_PID "ff", CHT_FAULT_INDEFINITE, 28 },
	{ "pid reserved", "a2" VERSION K_PID "1c", CHT_FAULT_RESERVED, 28 },
	{ "pid cut", "a2" VERSION K_PID "1a000000", CHT_FAULT_TRUNCATED, 32 },
	{ "comm bytes", "a2" VERSION K_COMM "4161", CHT_FAULT_TYPE, 29 },
	{ "comm indefinite", "a2" VERSION K_COMM "7f6161ff", CHT_FAULT_INDEFINITE, 29 },
	{ "comm not UTF-8", "a2" VERSION K_COMM "61ff", CHT_FAULT_UTF8, 29 },
	{ "comm a surrogate", "a2" VERSION K_COMM "63eda080", CHT_FAULT_UTF8, 29 },
	{ "comm overlong", "a2" VERSION K_COMM "62c0af", CHT_FAULT_UTF8, 29 },
	{ "comm bad after eight", "a2" VERSION K_COMM "6a616161616161616161ff", CHT_FAULT_UTF8,
	  29 },
	{ "comm bad before eight", "a2" VERSION K_COMM "6aff616161616161616161", CHT_FAULT_UTF8,
	  29 },
	{ "comm claims 4 GiB", "a2" VERSION K_COMM "7affffffff", CHT_FAULT_TEXT_TOO_LONG, 29 },
	{ "comm claims 2^64-1", "a2" VERSION K_COMM "7bffffffffffffffff", CHT_FAULT_TEXT_TOO_LONG,
	  29 },
	{ "comm claims more than there is", "a2" VERSION K_COMM "6361", CHT_FAULT_TRUNCATED, 31 },
	/* keys */
	{ "a byte-string key", "a6" FIVE "417801", CHT_FAULT_TYPE, 91 },
	{ "a number key", "a6" FIVE "0001", CHT_FAULT_TYPE, 91 },
	{ "a null key", "a6" FIVE "f601", CHT_FAULT_TYPE, 91 },
	{ "a tagged key", "a6" FIVE "c1617801", CHT_FAULT_TAG, 91 },
	{ "an indefinite key", "a6" FIVE "7f6178ff01", CHT_FAULT_INDEFINITE, 91 },
	{ "a key not UTF-8", "a6" FIVE "61ff01", CHT_FAULT_UTF8, 91 },
	{ "a key cut", "a6" FIVE "6378", CHT_FAULT_TRUNCATED, 93 },
	{ "a key without value", "a6" FIVE "6178", CHT_FAULT_TRUNCATED, 93 },
	/* what is skipped */
	{ "text not UTF-8", "a6" FIVE "617861ff", CHT_FAULT_UTF8, 93 },
	{ "text not UTF-8 inside", "a6" FIVE "6178820061ff", CHT_FAULT_UTF8, 95 },
	{ "a tag", "a6" FIVE "6178c100", CHT_FAULT_TAG, 93 },
	{ "a tag inside", "a6" FIVE "617881c100", CHT_FAULT_TAG, 94 },
	{ "indefinite bytes", "a6" FIVE "61785fff", CHT_FAULT_INDEFINITE, 93 },
	{ "indefinite array", "a6" FIVE "61789f00ff", CHT_FAULT_INDEFINITE, 93 },
	{ "indefinite map inside", "a6" FIVE "617881bfff", CHT_FAULT_INDEFINITE, 94 },
	{ "simple 24", "a6" FIVE "6178f818", CHT_FAULT_RESERVED, 93 },
	{ "an array that claims 2^64-1", "a6" FIVE "61789bffffffffffffffff", CHT_FAULT_TRUNCATED,
	  102 },
	{ "a map that claims 2^63", "a6" FIVE "6178bb8000000000000000", CHT_FAULT_TRUNCATED, 102 },
	{ "a map that claims too much, told before what is in it", "a6" FIVE "6178a200c1",
	  CHT_FAULT_TRUNCATED, 96 },
	{ "a byte after a skipped map", "a6" FIVE "6178a200000000a0", CHT_FAULT_TRAILING, 98 },
	{ "a map without its last value", "a6" FIVE "6178a161", CHT_FAULT_TRUNCATED, 95 },
	{ "16 arrays", "a6" FIVE "6178" ARRAYS15 "8100", CHT_FAULT_DEPTH, 108 },
	{ "16 arrays, the last empty", "a6" FIVE "6178" ARRAYS15 "80", CHT_FAULT_DEPTH, 108 },
	{ "15 arrays, then a map", "a6" FIVE "6178" ARRAYS15 "a0", CHT_FAULT_DEPTH, 108 },
	{ "the second of two, too deep", "a6" FIVE "61788200" ARRAYS15 "00", CHT_FAULT_DEPTH, 109 },
	/* extensions */
	{ "agent_seq a text", "a6" FIVE K_AGENT_SEQ "6137", CHT_FAULT_TYPE, 101 },
	{ "agent_seq negative", "a6" FIVE K_AGENT_SEQ "26", CHT_FAULT_TYPE, 101 },
	{ "agent_seq twice", "a7" FIVE K_AGENT_SEQ "07" K_AGENT_SEQ "07", CHT_FAULT_DUPLICATE,
	  102 },
	{ "agent_boot null", "a6" FIVE "6a6167656e745f626f6f74f6", CHT_FAULT_TYPE, 102 },
	/* details */
	{ "exit_code 256", "a6" FIVE K_EXIT_CODE "190100", CHT_FAULT_RANGE, 101 },
	{ "exit_code a text", "a6" FIVE K_EXIT_CODE "6130", CHT_FAULT_TYPE, 101 },
	{ "uid over 32 bits", "a6" FIVE "637569641b0000000100000000", CHT_FAULT_RANGE, 95 },
	{ "exe bytes", "a6" FIVE K_EXE "412f", CHT_FAULT_TYPE, 95 },
	{ "exe not UTF-8", "a6" FIVE K_EXE "61ff", CHT_FAULT_UTF8, 95 },
	{ "exe twice", "a7" FIVE K_EXE "612f" K_EXE "612f", CHT_FAULT_DUPLICATE, 97 },
	{ "exe_raw a text", "a6" FIVE "676578655f726177612f", CHT_FAULT_TYPE, 99 },
	{ "protocol of 17", "a6" FIVE "6870726f746f636f6c715555555555555555555555555555555555",
	  CHT_FAULT_TEXT_TOO_LONG, 100 },
	/* coverage */
	{ "coverage a text", "a6" FIVE K_COVERAGE "6161", CHT_FAULT_TYPE, 100 },
	{ "coverage entry no array", "a6" FIVE K_COVERAGE "8100", CHT_FAULT_TYPE, 101 },
	{ "coverage entry of three", "a6" FIVE K_COVERAGE "8183606060", CHT_FAULT_COVERAGE, 101 },
	{ "coverage state unknown", "a6" FIVE K_COVERAGE "818461706178606060", CHT_FAULT_COVERAGE,
	  104 },
	{ "coverage reason a number",
	  "a6" FIVE K_COVERAGE "81846066616374697665"
	  "6000",
	  CHT_FAULT_TYPE, 111 },
	{ "coverage of 17", "a6" FIVE K_COVERAGE "91", CHT_FAULT_COVERAGE, 100 },
	{ "coverage cut", "a6" FIVE K_COVERAGE "8184", CHT_FAULT_TRUNCATED, 102 },
};

static void test_refusals_name_the_fault_and_its_offset(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct cht_declaration d;
		struct cht_wire_fault why;
		size_t len;
		uint8_t *body = body_of(refused[i].hex, &len);
		bool version = refused[i].fault == CHT_FAULT_VERSION;

		check_row = refused[i].why;
		CHECK_INT(cht_decode(body, len, &d, &why), version ? CHT_E_VERSION : CHT_E_WIRE);
		CHECK_STR(str_of(cht_fault_name(why.fault)), cht_fault_name(refused[i].fault));
		CHECK_INT(why.at, refused[i].at);
		CHECK_INT(why.value, version ? 0x100 : 0);
		CHECK_INT(cht_decode(body, len, &d, NULL), version ? CHT_E_VERSION : CHT_E_WIRE);
		free(body);
	}
}

static const struct {
	const char *why, *hex;
} taken[] = {
	{ "as the agent writes it", "a5" FIVE },
	{ "another order", "a5" MONO COMM PID SOURCE VERSION },
	{ "wide heads", "bb0000000000000005" K_VERSION "1b0000000000000001" SOURCE PID COMM MONO },
	{ "a wide key head", "a5" VERSION SOURCE PID COMM "7812" MONO_TEXT "05" },
	{ "minor 255", "a5" K_VERSION "18ff" SOURCE PID COMM MONO },
	{ "an unknown key twice", "a7" FIVE "617801617802" },
	{ "an attribution key twice", "a7" FIVE "6763656c6c5f696401"
				      "6763656c6c5f696402" },
	{ "an empty key", "a6" FIVE "6000" },
	{ "simple values", "a7" FIVE "6178f0"
			   "6179f820" },
	{ "floats", "a8" FIVE "6178f93c00"
		    "6179fa3f800000"
		    "617afb3ff8000000000000" },
	{ "any key inside what is skipped", "a6" FIVE "6178a300004100f6f680" },
	{ "15 arrays", "a6" FIVE "6178" ARRAYS15 "00" },
	{ "15 maps in values", "a6" FIVE "6178"
			       "a100a100a100a100a100a100a100a100a100a100a100a100a100a100a100"
			       "00" },
	{ "empty containers", "a7" FIVE "617880"
			      "6179a0" },
	{ "empty coverage", "a6" FIVE K_COVERAGE "80" },
};

static void test_what_is_allowed_is_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		struct cht_declaration d;
		struct cht_wire_fault why = { 0 };
		size_t len;
		uint8_t *body = body_of(taken[i].hex, &len);

		check_row = taken[i].why;
		if (cht_decode(body, len, &d, &why) != 0)
			fail_msg("%s: %s at %u", check_row, cht_fault_name(why.fault), why.at);
		CHECK_INT(d.pid, 1);
		CHECK_INT(d.monotonic_ns, 5);
		CHECK_STR(d.comm, "a");
		CHECK_STR(d.source_text, "process.spawned");
		CHECK_INT(d.source, CHT_SOURCE_PROCESS_SPAWNED);
		free(body);
	}
}

/* RFC 8949 appendix F, kind by kind, as the value of a key that is skipped. */
static const struct {
	const char *hex;
	enum cht_fault fault;
} not_well_formed[] = {
	/* end of input in a head */
	{ "18", CHT_FAULT_TRUNCATED },
	{ "19", CHT_FAULT_TRUNCATED },
	{ "1a", CHT_FAULT_TRUNCATED },
	{ "1b", CHT_FAULT_TRUNCATED },
	{ "1901", CHT_FAULT_TRUNCATED },
	{ "1a0102", CHT_FAULT_TRUNCATED },
	{ "1b01020304050607", CHT_FAULT_TRUNCATED },
	{ "38", CHT_FAULT_TRUNCATED },
	{ "58", CHT_FAULT_TRUNCATED },
	{ "78", CHT_FAULT_TRUNCATED },
	{ "98", CHT_FAULT_TRUNCATED },
	{ "9a01ff00", CHT_FAULT_TRUNCATED },
	{ "b8", CHT_FAULT_TRUNCATED },
	{ "f8", CHT_FAULT_TRUNCATED },
	{ "f900", CHT_FAULT_TRUNCATED },
	{ "fa0000", CHT_FAULT_TRUNCATED },
	{ "fb000000", CHT_FAULT_TRUNCATED },
	/* strings with too little content */
	{ "41", CHT_FAULT_TRUNCATED },
	{ "61", CHT_FAULT_TRUNCATED },
	{ "5affffffff00", CHT_FAULT_TRUNCATED },
	{ "5bffffffffffffffff010203", CHT_FAULT_TRUNCATED },
	{ "7affffffff00", CHT_FAULT_TRUNCATED },
	{ "7b7fffffffffffffff010203", CHT_FAULT_TRUNCATED },
	/* containers with too few items */
	{ "81", CHT_FAULT_TRUNCATED },
	{ "818181818181818181", CHT_FAULT_TRUNCATED },
	{ "8200", CHT_FAULT_TRUNCATED },
	{ "a1", CHT_FAULT_TRUNCATED },
	{ "a20102", CHT_FAULT_TRUNCATED },
	{ "a100", CHT_FAULT_TRUNCATED },
	{ "a2000000", CHT_FAULT_TRUNCATED },
	/* tags, with and without content */
	{ "c0", CHT_FAULT_TAG },
	{ "d8ff00", CHT_FAULT_TAG },
	{ "db00000000000000", CHT_FAULT_TAG },
	/* indefinite lengths, closed or not */
	{ "5f4100", CHT_FAULT_INDEFINITE },
	{ "7f6100", CHT_FAULT_INDEFINITE },
	{ "9f", CHT_FAULT_INDEFINITE },
	{ "9f0102", CHT_FAULT_INDEFINITE },
	{ "bf", CHT_FAULT_INDEFINITE },
	{ "bf01020102", CHT_FAULT_INDEFINITE },
	{ "819f", CHT_FAULT_INDEFINITE },
	{ "9f80009f9f9f9f9fffffffff", CHT_FAULT_INDEFINITE },
	/* reserved additional information, every major type */
	{ "1c", CHT_FAULT_RESERVED },
	{ "1d", CHT_FAULT_RESERVED },
	{ "1e", CHT_FAULT_RESERVED },
	{ "3c", CHT_FAULT_RESERVED },
	{ "3d", CHT_FAULT_RESERVED },
	{ "3e", CHT_FAULT_RESERVED },
	{ "5c", CHT_FAULT_RESERVED },
	{ "5d", CHT_FAULT_RESERVED },
	{ "5e", CHT_FAULT_RESERVED },
	{ "7c", CHT_FAULT_RESERVED },
	{ "7d", CHT_FAULT_RESERVED },
	{ "7e", CHT_FAULT_RESERVED },
	{ "9c", CHT_FAULT_RESERVED },
	{ "9d", CHT_FAULT_RESERVED },
	{ "9e", CHT_FAULT_RESERVED },
	{ "bc", CHT_FAULT_RESERVED },
	{ "bd", CHT_FAULT_RESERVED },
	{ "be", CHT_FAULT_RESERVED },
	{ "dc", CHT_FAULT_RESERVED },
	{ "dd", CHT_FAULT_RESERVED },
	{ "de", CHT_FAULT_RESERVED },
	{ "fc", CHT_FAULT_RESERVED },
	{ "fd", CHT_FAULT_RESERVED },
	{ "fe", CHT_FAULT_RESERVED },
	/* simple values below 32 in two bytes */
	{ "f800", CHT_FAULT_RESERVED },
	{ "f801", CHT_FAULT_RESERVED },
	{ "f818", CHT_FAULT_RESERVED },
	{ "f81f", CHT_FAULT_RESERVED },
	/* indefinite string chunks that are not of the type */
	{ "5f00ff", CHT_FAULT_INDEFINITE },
	{ "5f6100ff", CHT_FAULT_INDEFINITE },
	{ "7f4100ff", CHT_FAULT_INDEFINITE },
	/* a break where none may be */
	{ "ff", CHT_FAULT_INDEFINITE },
	{ "81ff", CHT_FAULT_INDEFINITE },
	{ "8200ff", CHT_FAULT_INDEFINITE },
	{ "a1ff00", CHT_FAULT_INDEFINITE },
	{ "a100ff", CHT_FAULT_INDEFINITE },
	/* no length to be indefinite */
	{ "1f", CHT_FAULT_RESERVED },
	{ "3f", CHT_FAULT_RESERVED },
	{ "df", CHT_FAULT_RESERVED },
};

static void test_not_well_formed_is_refused_wherever_it_stands(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(not_well_formed) / sizeof(not_well_formed[0]); i++) {
		struct cht_declaration d;
		struct cht_wire_fault why;
		char hex[512];
		uint8_t *body;
		size_t len;

		check_row = not_well_formed[i].hex;
		body = body_of(not_well_formed[i].hex, &len);
		CHECK_INT(cht_decode(body, len, &d, &why), CHT_E_WIRE);
		free(body);
		snprintf(hex, sizeof(hex), "a6" FIVE "6178%s", not_well_formed[i].hex);
		body = body_of(hex, &len);
		CHECK_INT(cht_decode(body, len, &d, &why), CHT_E_WIRE);
		CHECK_STR(str_of(cht_fault_name(why.fault)),
			  cht_fault_name(not_well_formed[i].fault));
		if (why.fault == CHT_FAULT_TRUNCATED)
			CHECK_INT(why.at, len);
		free(body);
	}
}

static void test_keys_of_attribution_are_dropped_and_noted(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CHT_N_FORGED; i++) {
		const struct wire_key_text *key = &wire_keys[KEY_FORGED + i];
		struct cht_declaration d;
		uint8_t body[256];
		size_t five, n;
		uint8_t *good = body_of("a5" FIVE, &five);

		check_row = cht_forged_name((enum cht_forged)i);
		memcpy(body, good, five);
		free(good);
		body[0] = 0xa6;
		n = five;
		body[n++] = (uint8_t)(0x60 | key->len);
		memcpy(body + n, key->text, key->len);
		n += key->len;
		memcpy(body + n,
		       "\x81\x63"
		       "abc",
		       5);
		n += 5;
		CHECK_INT(cht_decode(body, n, &d, NULL), 0);
		CHECK_INT(d.forged, 1 << i);
		CHECK_INT(d.details | d.extensions, 0);
	}
}

static void test_every_key_is_found_and_nothing_near_it(void **state)
{
	(void)state;
	for (unsigned i = 0; i < N_KEYS; i++) {
		char text[KEY_TEXT_MAX + 1];
		size_t n = wire_keys[i].len;

		memcpy(text, wire_keys[i].text, sizeof(wire_keys[i].text));
		text[n] = '\0';
		check_row = text;
		CHECK(n > 0 && n < KEY_TEXT_MAX);
		CHECK_INT(wire_key_find((const uint8_t *)text, n), i);
		for (size_t at = 0; at < n; at++) {
			text[at] ^= 0x01;
			CHECK(wire_key_find((const uint8_t *)text, n) != (enum wire_key)i);
			text[at] ^= 0x01;
		}
		CHECK(wire_key_find((const uint8_t *)text, n - 1) != (enum wire_key)i);
		text[n] = 'x';
		CHECK_INT(wire_key_find((const uint8_t *)text, n + 1), KEY_UNKNOWN);
	}
	check_row = "";
	CHECK_INT(wire_key_find((const uint8_t *)"", 0), KEY_UNKNOWN);
}

static void test_names_are_complete_and_distinct(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CHT_N_FAULTS; i++)
		for (unsigned j = 0; j < i; j++)
			CHECK(strcmp(cht_fault_name((enum cht_fault)i),
				     cht_fault_name((enum cht_fault)j)) != 0);
	for (unsigned i = 0; i < CHT_N_GUEST_FAULTS; i++)
		CHECK(strlen(cht_guest_fault_name((enum cht_guest_fault)i)) > 0);
	CHECK_STR(str_of(cht_fault_name(CHT_N_FAULTS)), "unknown");
	CHECK_STR(str_of(cht_guest_fault_name(CHT_N_GUEST_FAULTS)), "unknown");
	CHECK_STR(str_of(cht_forged_name(CHT_N_FORGED)), "unknown");
	CHECK_STR(str_of(cht_source_name(CHT_N_SOURCES)), "");
	CHECK(cht_detail_info(CHT_N_DETAILS) == NULL);
	for (unsigned i = 1; i < CHT_N_SOURCES; i++) {
		struct cht_str name = str_of(cht_source_name((enum cht_source)i));

		CHECK_INT(cht_source_find(name), i);
		CHECK_INT(cht_source_is_known(name), i < CHT_SOURCE_AGENT_HELLO);
	}
	CHECK_INT(cht_source_find(STR("process.spawne")), CHT_SOURCE_OTHER);
	CHECK_INT(cht_source_find(STR("")), CHT_SOURCE_OTHER);
	CHECK(!cht_source_is_known(STR("")));
}

static void test_a_body_may_be_as_long_as_a_frame_and_no_longer(void **state)
{
	size_t head, max = CHT_FRAME_MAX_BYTES;
	uint8_t *start = body_of("a6" FIVE "6178590000", &head);
	uint8_t *body = calloc(1, max + 1);
	struct cht_declaration d;
	struct cht_wire_fault why;

	(void)state;
	assert_non_null(body);
	memcpy(body, start, head);
	be16_store(body + head - 2, (uint16_t)(max - head));
	CHECK_INT(cht_decode(body, max, &d, NULL), 0);
	be16_store(body + head - 2, (uint16_t)(max + 1 - head));
	CHECK_INT(cht_decode(body, max + 1, &d, &why), CHT_E_WIRE);
	CHECK_INT(why.fault, CHT_FAULT_TRAILING);
	CHECK_INT(why.at, max);
	free(start);
	free(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals_name_the_fault_and_its_offset),
		cmocka_unit_test(test_what_is_allowed_is_taken),
		cmocka_unit_test(test_not_well_formed_is_refused_wherever_it_stands),
		cmocka_unit_test(test_keys_of_attribution_are_dropped_and_noted),
		cmocka_unit_test(test_every_key_is_found_and_nothing_near_it),
		cmocka_unit_test(test_names_are_complete_and_distinct),
		cmocka_unit_test(test_a_body_may_be_as_long_as_a_frame_and_no_longer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
