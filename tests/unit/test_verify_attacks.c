/* SPDX-License-Identifier: Apache-2.0
 *
 * What somebody who can write the ledger's files but holds no key may try.
 */
#include "verify_util.h"

static void drop(struct made *m, unsigned i)
{
	free((void *)(uintptr_t)m->entries[i].ptr);
	memmove(m->entries + i, m->entries + i + 1, (m->n - i - 1) * sizeof(m->entries[0]));
	m->n--;
}

static void insert(struct made *m, unsigned i, const void *bytes, size_t len)
{
	struct cht_bytes added;

	add_bytes(m, bytes, len);
	added = m->entries[m->n - 1];
	memmove(m->entries + i + 1, m->entries + i, (m->n - 1 - i) * sizeof(m->entries[0]));
	m->entries[i] = added;
}

static void put_again(struct made *m, unsigned i)
{
	insert(m, i + 1, m->entries[i].ptr, m->entries[i].len);
}

static void swap(struct made *m, unsigned i)
{
	struct cht_bytes one = m->entries[i];

	m->entries[i] = m->entries[i + 1];
	m->entries[i + 1] = one;
}

/* Replaces text by as long a text in an entry. */
static void change(struct made *m, unsigned i, const char *from, const char *to)
{
	uint8_t *at = memmem(m->entries[i].ptr, m->entries[i].len, from, strlen(from));

	assert_non_null(at);
	CHECK_INT(strlen(from), strlen(to));
	memcpy(at, to, strlen(to));
}

static void strip(struct made *m, unsigned i)
{
	struct envelope_view envelope;
	size_t at;

	CHECK_INT(envelope_scan(m->entries[i], &envelope, &at), 0);
	insert(m, i, envelope.event.ptr, envelope.event.len);
	drop(m, i + 1);
}

static void flip_body(struct made *m, unsigned i)
{
	change(m, i, "\"guestPid\":7", "\"guestPid\":8");
}

static void flip_brace(struct made *m, unsigned i)
{
	change(m, i, "{\"event\":{", "{\"event\":[");
}

static void flip_signature(struct made *m, unsigned i)
{
	uint8_t *last = (uint8_t *)(uintptr_t)m->entries[i].ptr + m->entries[i].len - 10;

	*last = *last == 'A' ? 'B' : 'A';
}

static void other_kid(struct made *m, unsigned i)
{
	change(m, i, "\"kid-ed\"", "\"kid-xx\"");
}

static void kid_of_the_hmac_key(struct made *m, unsigned i)
{
	struct envelope_view envelope;
	char text[8192];
	size_t at;
	int n;

	CHECK_INT(envelope_scan(m->entries[i], &envelope, &at), 0);
	n = snprintf(text, sizeof(text),
		     "{\"event\":%.*s,\"signerKid\":\"kid-hmac\",\"algorithm\":\"ed25519\","
		     "\"signature\":\"%.*s\"}",
		     (int)envelope.event.len, (const char *)envelope.event.ptr,
		     (int)envelope.signature.len, envelope.signature.ptr);
	insert(m, i, text, (size_t)n);
	drop(m, i + 1);
}

/* The classic: a MAC made with the public key, under the id of the Ed25519 key. */
static void mac_by_public_key(struct made *m, unsigned i)
{
	struct cht_signer *forger = test_signer(CHT_ALGORITHM_HMAC_SHA256, "kid-ed", TEST_PUBLIC);
	struct envelope_view envelope;
	uint8_t out[8192];
	size_t at;
	int n;

	CHECK_INT(envelope_scan(m->entries[i], &envelope, &at), 0);
	n = cht_sign_event(forger, envelope.event, out, sizeof(out));
	CHECK(n > 0);
	insert(m, i, out, (size_t)n);
	drop(m, i + 1);
	cht_signer_free(forger);
}

static void signed_by_another(struct made *m, unsigned i)
{
	struct cht_signer *forger = test_signer(CHT_ALGORITHM_ED25519, "kid-ed",
						"CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg");
	struct envelope_view envelope;
	uint8_t out[8192];
	size_t at;
	int n;

	CHECK_INT(envelope_scan(m->entries[i], &envelope, &at), 0);
	n = cht_sign_event(forger, envelope.event, out, sizeof(out));
	CHECK(n > 0);
	insert(m, i, out, (size_t)n);
	drop(m, i + 1);
	cht_signer_free(forger);
}

static void extend(struct made *m, unsigned i)
{
	static const char more[] = ",\"notAfter\":\"2030-01-01T00:00:00Z\"}";
	char text[8192];
	size_t len = m->entries[i].len - 1;

	memcpy(text, m->entries[i].ptr, len);
	memcpy(text + len, more, sizeof(more) - 1);
	insert(m, i, text, len + sizeof(more) - 1);
	drop(m, i + 1);
}

static void trailing(struct made *m, unsigned i)
{
	char text[8192];

	memcpy(text, m->entries[i].ptr, m->entries[i].len);
	text[m->entries[i].len] = ' ';
	insert(m, i, text, m->entries[i].len + 1);
	drop(m, i + 1);
}

static void garbage(struct made *m, unsigned i)
{
	insert(m, i, "garbage", 7);
}

/* A whole sealed run, put in once more: all its signatures are good. */
static void copy_run(struct made *m, unsigned i)
{
	(void)i;
	for (unsigned k = 1; k <= USUAL_SEALED; k++)
		insert(m, m->n - 1, m->entries[k].ptr, m->entries[k].len);
}

static void copy_all(struct made *m, unsigned i)
{
	unsigned n = m->n;

	(void)i;
	for (unsigned k = 0; k < n; k++)
		add_bytes(m, m->entries[k].ptr, m->entries[k].len);
}

static void drop_seal_and_before(struct made *m, unsigned i)
{
	drop(m, i);
	drop(m, i - 1);
}

static const struct {
	const char *why;
	void (*attack)(struct made *m, unsigned i);
	unsigned i;
	int verdict;
	enum verify_fault fault;
	unsigned index;
} rows[] = {
	{ "a byte of the event changed", flip_body, 4, 11, VERIFY_BAD_SIGNATURE, 4 },
	{ "a byte of the envelope changed", flip_brace, 4, 11, VERIFY_NOT_AN_EVENT, 4 },
	{ "a byte of the signature changed", flip_signature, 5, 11, VERIFY_BAD_SIGNATURE, 5 },
	{ "a frame removed", drop, 4, 11, VERIFY_HOLE, 4 },
	{ "run.opened removed", drop, 1, 11, VERIFY_HOLE, 1 },
	{ "the last frame removed", drop, 7, 11, VERIFY_HOLE, 7 },
	{ "seal and frame before it removed", drop_seal_and_before, 8, 0, VERIFY_SOUND, 0 },
	{ "host.started removed", drop, 0, 11, VERIFY_MOVED, 7 },
	{ "a frame repeated", put_again, 4, 11, VERIFY_REPEAT, 5 },
	{ "run.opened repeated", put_again, 1, 11, VERIFY_REPEAT, 2 },
	{ "the seal repeated", put_again, 8, 11, VERIFY_HOLE, 9 },
	{ "two frames swapped", swap, 4, 11, VERIFY_SWAPPED, 4 },
	{ "the envelope stripped", strip, 4, 11, VERIFY_STRIPPED, 4 },
	{ "the first envelope stripped", strip, 0, 11, VERIFY_STRIPPED, 0 },
	{ "signed with a key of one's own", signed_by_another, 4, 11, VERIFY_BAD_SIGNATURE, 4 },
	{ "an unknown key id", other_kid, 4, 12, VERIFY_SOUND, 0 },
	{ "the id of a key of another kind", kid_of_the_hmac_key, 4, 11, VERIFY_WRONG_ALGORITHM,
	  4 },
	{ "a MAC with the public key", mac_by_public_key, 4, 11, VERIFY_WRONG_ALGORITHM, 4 },
	{ "an envelope extended", extend, 4, 11, VERIFY_UNCOVERED, 4 },
	{ "a blank behind an entry", trailing, 4, 11, VERIFY_NOT_AN_EVENT, 4 },
	{ "garbage put in", garbage, 4, 11, VERIFY_STRIPPED, 4 },
	{ "a sealed run copied", copy_run, 0, 11, VERIFY_MOVED, 16 },
	{ "the whole ledger copied behind itself", copy_all, 0, 11, VERIFY_MOVED, 10 },
};

static void test_every_attack_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct made m = usual(test_signer(CHT_ALGORITHM_ED25519, NULL, NULL));
		struct verify_report report;

		check_row = rows[i].why;
		rows[i].attack(&m, rows[i].i);
		report = verify_made(&m, NULL);
		check_verdict(&report, rows[i].verdict);
		CHECK_INT(report.first.fault, rows[i].fault);
		CHECK_INT(report.first.at.index, rows[i].index);
		if (rows[i].fault != VERIFY_SOUND)
			CHECK_INT(report.first.at.file_offset, offset_of(&m, rows[i].index));
		made_free(&m);
	}
}

static void test_every_flipped_bit_of_an_entry_is_damage_or_an_unknown_key(void **state)
{
	struct made m = usual(test_signer(CHT_ALGORITHM_ED25519, NULL, NULL));
	struct verify_trust *trust = test_trust(true, true);
	static const struct verify_options none;
	uint8_t *entry = (uint8_t *)(uintptr_t)m.entries[4].ptr;

	(void)state;
	for (size_t at = 0; at < m.entries[4].len; at++) {
		struct verify_report report;
		char row[32];

		snprintf(row, sizeof(row), "byte %zu", at);
		check_row = row;
		entry[at] ^= (uint8_t)(1u << at % 8);
		write_segment(&m, first_segment);
		report = verify_with(trust, &none);
		entry[at] ^= (uint8_t)(1u << at % 8);
		if (report.unknown_key == 0)
			check_verdict(&report, 11);
		else
			CHECK(report.verdict >= 11);
	}
	verify_trust_free(trust);
	made_free(&m);
}

/* The tail can be cut at any byte: what is whole stays whole, and nothing is called damage. */
static void test_a_cut_tail_is_told_and_is_no_damage(void **state)
{
	struct made m = usual(test_signer(CHT_ALGORITHM_HMAC_SHA256, NULL, NULL));
	struct verify_trust *trust = test_trust(false, true);
	static const struct verify_options none;
	uint64_t whole = offset_of(&m, 9), end = offset_of(&m, 10);

	(void)state;
	for (uint64_t cut = whole; cut < end; cut += 7) {
		struct verify_report report;

		write_segment(&m, first_segment);
		CHECK_INT(truncate(made_path(first_segment), (off_t)cut), 0);
		report = verify_with(trust, &none);
		check_verdict(&report, 0);
		CHECK_INT(report.entries, 9);
		CHECK_INT(report.torn_bytes, cut - whole);
		CHECK(report.host_runs_on);
	}
	verify_trust_free(trust);
	made_free(&m);
}

static void test_files_that_cannot_be(void **state)
{
	struct made m = usual(test_signer(CHT_ALGORITHM_HMAC_SHA256, NULL, NULL));
	struct verify_trust *trust = test_trust(true, true);
	static const struct verify_options none;
	struct verify_report report;
	struct cht_err err;

	(void)state;
	check_row = "a later segment behind one that is not full";
	write_segment(&m, first_segment);
	write_segment(&m, "ledger/entries/00000000000000065536");
	report = verify_with(trust, &none);
	check_verdict(&report, 11);
	CHECK_INT(report.first.fault, VERIFY_FRAMING);
	CHECK_INT(report.first.at.index, 10);
	CHECK_INT(report.first.at.file_offset, offset_of(&m, 10));

	check_row = "the first segment is gone";
	CHECK_INT(unlink(made_path(first_segment)), 0);
	report = verify_with(trust, &none);
	check_verdict(&report, 11);
	CHECK_INT(report.first.fault, VERIFY_HEAD_MISSING);
	CHECK_INT(unlink(made_path("ledger/entries/00000000000000065536")), 0);

	check_row = "nothing at all";
	report = verify_with(trust, &none);
	check_verdict(&report, 12);
	CHECK_INT(verify_ledger("/nonexistent", trust, &none, &report, &err), CHT_E_CONFIG);
	verify_trust_free(trust);
	made_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_attack_is_told),
		cmocka_unit_test(test_every_flipped_bit_of_an_entry_is_damage_or_an_unknown_key),
		cmocka_unit_test(test_a_cut_tail_is_told_and_is_no_damage),
		cmocka_unit_test(test_files_that_cannot_be),
	};

	return cmocka_run_group_tests_name("verify_attacks", tests, setup_made, teardown_made);
}
