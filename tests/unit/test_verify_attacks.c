/* SPDX-License-Identifier: Apache-2.0
 *
 * What an entry or its place may tell by itself, whoever signed the tree over it: here it is signed
 * anew with the log's key after each change. What files alone tell is in test_verify_tree.c.
 */
#include "verify_util.h"

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
	for (unsigned k = 2; k <= USUAL_SEALED; k++)
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
	{ "a byte of the event changed", flip_body, 5, 11, VERIFY_BAD_SIGNATURE, 5 },
	{ "a byte of the envelope changed", flip_brace, 5, 11, VERIFY_NOT_AN_EVENT, 5 },
	{ "a byte of the signature changed", flip_signature, 6, 11, VERIFY_BAD_SIGNATURE, 6 },
	{ "a frame removed", drop, 5, 11, VERIFY_HOLE, 5 },
	{ "run.opened removed", drop, 2, 11, VERIFY_HOLE, 2 },
	{ "the last frame removed", drop, 8, 11, VERIFY_HOLE, 8 },
	{ "seal and frame before it removed", drop_seal_and_before, 9, 0, VERIFY_SOUND, 0 },
	{ "host.started removed", drop, 1, 11, VERIFY_MOVED, 8 },
	{ "log.opened removed", drop, 0, 11, VERIFY_HOLE, 0 },
	{ "a frame repeated", put_again, 5, 11, VERIFY_REPEAT, 6 },
	{ "run.opened repeated", put_again, 2, 11, VERIFY_REPEAT, 3 },
	{ "the seal repeated", put_again, 9, 11, VERIFY_HOLE, 10 },
	{ "two frames swapped", swap, 5, 11, VERIFY_SWAPPED, 5 },
	{ "the envelope stripped", strip, 5, 11, VERIFY_STRIPPED, 5 },
	{ "the first envelope stripped", strip, 0, 11, VERIFY_STRIPPED, 0 },
	{ "signed with a key of one's own", signed_by_another, 5, 11, VERIFY_BAD_SIGNATURE, 5 },
	{ "an unknown key id", other_kid, 5, 12, VERIFY_SOUND, 0 },
	{ "the id of a key of another kind", kid_of_the_hmac_key, 5, 11, VERIFY_WRONG_ALGORITHM,
	  5 },
	{ "a MAC with the public key", mac_by_public_key, 5, 11, VERIFY_WRONG_ALGORITHM, 5 },
	{ "an envelope extended", extend, 5, 11, VERIFY_UNCOVERED, 5 },
	{ "a blank behind an entry", trailing, 5, 11, VERIFY_NOT_AN_EVENT, 5 },
	{ "garbage put in", garbage, 5, 11, VERIFY_STRIPPED, 5 },
	{ "a sealed run copied", copy_run, 0, 11, VERIFY_MOVED, 17 },
	{ "the whole ledger copied behind itself", copy_all, 0, 11, VERIFY_NOT_OPENED, 11 },
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_attack_is_told),
	};

	return cmocka_run_group_tests_name("verify_attacks", tests, setup_made, teardown_made);
}
