/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "event/event.h"

static const char data[] =
	"{\"a\":\"x\\\"},{\",\"counts\":{\"guest.declaration\":3,\"run.opened\":1},"
	"\"deep\":{\"list\":[{\"n\":1},\"]\"],\"n\":7},\"empty\":{},\"long\":"
	"18446744073709551615,\"minus\":-1,\"text\":\"42\",\"yes\":true}";

static void test_members_are_found_by_path(void **state)
{
	static const struct {
		const char *path, *want; /* null: absent */
	} rows[] = {
		{ "a", "\"x\\\"},{\"" },
		{ "counts.guest.declaration", "3" },
		{ "counts.run.opened", "1" },
		{ "counts", "{\"guest.declaration\":3,\"run.opened\":1}" },
		{ "deep.list", "[{\"n\":1},\"]\"]" },
		{ "deep.n", "7" },
		{ "empty", "{}" },
		{ "yes", "true" },
		{ "", NULL },
		{ "n", NULL },
		{ "deep.list.n", NULL },
		{ "deep.x", NULL },
		{ "deep_n", NULL },
		{ "deep.", NULL },
		{ "empty.x", NULL },
		{ "a.x", NULL },
		{ "yesterday", NULL },
		{ "counts.guest", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cht_str value;
		bool found = event_data_find(str_of(data), rows[i].path, &value);

		check_row = rows[i].path;
		CHECK(found == (rows[i].want != NULL));
		if (found)
			CHECK_STR(value, rows[i].want);
	}
}

static void test_numbers_are_read_from_digits_or_text(void **state)
{
	uint64_t v = 1;

	(void)state;
	CHECK(event_data_u64(str_of(data), "long", &v) && v == UINT64_MAX);
	CHECK(event_data_u64(str_of(data), "text", &v) && v == 42);
	CHECK(event_data_u64(str_of(data), "deep.n", &v) && v == 7);
	CHECK(!event_data_u64(str_of(data), "minus", &v));
	CHECK(!event_data_u64(str_of(data), "a", &v));
	CHECK(!event_data_u64(str_of(data), "yes", &v));
	CHECK(!event_data_u64(str_of(data), "none", &v));
	CHECK(v == 7);
}

/* Looking into text that was never scanned finds whatever it finds, within its bounds. */
static void test_no_prefix_of_data_is_read_beyond(void **state)
{
	(void)state;
	for (size_t cut = 0; cut < sizeof(data); cut++) {
		char *exact = malloc(cut > 0 ? cut : 1);
		struct cht_str value;

		assert_non_null(exact);
		memcpy(exact, data, cut);
		if (event_data_find((struct cht_str){ exact, cut }, "deep.n", &value))
			CHECK(value.ptr >= exact && value.ptr + value.len <= exact + cut);
		free(exact);
	}
}

static void test_data_that_was_never_scanned_does_no_harm(void **state)
{
	static const char *const rows[] = { "{\"a\":}",   "{\"a\":]]]",      "{\"a\"",
					    "{\"",        "{\"a\\",          "{",
					    "{\"a\":[[[", "{\"b\":,\"a\":1}" };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cht_str value = { rows[i], 0 };

		check_row = rows[i];
		if (event_data_find(str_of(rows[i]), "a", &value))
			CHECK(value.len <= strlen(rows[i]));
	}
}

static void test_an_id_of_another_form_is_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"urn:cellos:event:",
		"urn:cellos:event:00000000-0007-8234-9234-56789abcdef",
		"urn:cellos:event:00000000-0007-8234-9234-56789abcdef00",
		"urn:cellos:event:00000000-0007-4234-9234-56789abcdef0", /* version */
		"urn:cellos:event:00000000-0007-8234-c234-56789abcdef0", /* variant */
		"urn:cellos:event:00000000-0007-8234-1234-56789abcdef0",
		"urn:cellos:event:00000000-0007-8234-9234-56789ABCDEF0",
		"urn:cellos:event:00000000:0007-8234-9234-56789abcdef0",
		"urn:cellos:event:0000000-00007-8234-9234-56789abcdef0",
		"urn:cellos:evens:00000000-0007-8234-9234-56789abcdef0",
	};
	struct run_bits bits;
	uint64_t sequence;

	(void)state;
	CHECK(event_id_read(STR("urn:cellos:event:00000001-0007-8234-9234-56789abcdef0"), &bits,
			    &sequence));
	CHECK(sequence == 0x10007 && bits.b == 0x234 && bits.c == UINT64_C(0x123456789abcdef0));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row = rows[i];
		CHECK(!event_id_read(str_of(rows[i]), &bits, &sequence));
	}
}

#define EVENT     "{\"specversion\":\"1.0\",\"signerKid\":{\"x\":1}}"
#define KID       ",\"signerKid\":\"k\\\"1\""
#define ALGORITHM ",\"algorithm\":\"ed25519\""
#define SIGNATURE ",\"signature\":\"AA-_\""
#define BEFORE    ",\"notBefore\":\"2025-11-05T13:20:00Z\""
#define AFTER     ",\"notAfter\":\"2026-11-05T13:20:00Z\""
#define OPEN      "{\"event\":" EVENT
#define SIGNED    OPEN KID ALGORITHM SIGNATURE

static struct cht_bytes bytes_of(const char *text)
{
	return (struct cht_bytes){ (const uint8_t *)text, strlen(text) };
}

static void test_an_envelope_is_taken_apart(void **state)
{
	static const char *const rows[] = { SIGNED "}", SIGNED BEFORE "}", SIGNED AFTER "}",
					    SIGNED BEFORE AFTER "}" };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct envelope_view v;
		size_t at;

		check_row = rows[i];
		CHECK_INT(envelope_scan(bytes_of(rows[i]), &v, &at), 0);
		CHECK_STR(((struct cht_str){ (const char *)v.event.ptr, v.event.len }), EVENT);
		CHECK_STR(v.kid, "k\\\"1");
		CHECK_STR(v.algorithm, "ed25519");
		CHECK_STR(v.signature, "AA-_");
	}
}

static void test_what_is_no_envelope_is_refused(void **state)
{
	static const struct {
		const char *why, *text;
		size_t at;
	} rows[] = {
		{ "empty", "", 0 },
		{ "a bare event", EVENT, 2 },
		{ "event not an object", "{\"event\":1" KID, 9 },
		{ "no event", "{\"event\":{" KID ALGORITHM SIGNATURE "}", 10 },
		{ "none but one inside", OPEN "}", 29 },
		{ "none at all", "{\"event\":{}}", 12 },
		{ "another order", OPEN KID SIGNATURE ALGORITHM "}", sizeof(OPEN KID) + 1 },
		{ "no end", SIGNED, sizeof(SIGNED) - 1 },
		{ "more", SIGNED "}\n", sizeof(SIGNED) },
		{ "after before", SIGNED AFTER BEFORE "}", sizeof(SIGNED AFTER) - 1 },
		{ "another member", SIGNED ",\"x\":1}", sizeof(SIGNED) + 1 },
		{ "white space", OPEN " " KID ALGORITHM SIGNATURE "}", sizeof(OPEN) },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct envelope_view v;
		size_t at = SIZE_MAX;

		check_row = rows[i].why;
		CHECK_INT(envelope_scan(bytes_of(rows[i].text), &v, &at), CHT_E_PARSE);
		CHECK_INT(at, rows[i].at);
	}
}

static void test_every_prefix_of_an_envelope_is_refused(void **state)
{
	static const char whole[] = SIGNED BEFORE AFTER "}";

	(void)state;
	for (size_t cut = 0; cut < sizeof(whole) - 1; cut++) {
		uint8_t *exact = malloc(cut > 0 ? cut : 1);
		struct envelope_view v;
		size_t at = SIZE_MAX;

		assert_non_null(exact);
		memcpy(exact, whole, cut);
		CHECK_INT(envelope_scan((struct cht_bytes){ exact, cut }, &v, &at), CHT_E_PARSE);
		CHECK(at <= cut);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members_are_found_by_path),
		cmocka_unit_test(test_numbers_are_read_from_digits_or_text),
		cmocka_unit_test(test_no_prefix_of_data_is_read_beyond),
		cmocka_unit_test(test_data_that_was_never_scanned_does_no_harm),
		cmocka_unit_test(test_an_id_of_another_form_is_refused),
		cmocka_unit_test(test_an_envelope_is_taken_apart),
		cmocka_unit_test(test_what_is_no_envelope_is_refused),
		cmocka_unit_test(test_every_prefix_of_an_envelope_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
