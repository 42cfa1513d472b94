/* SPDX-License-Identifier: Apache-2.0
 *
 * Events that no sound line writes, in a ledger that nobody signed: form alone must tell.
 */
#include "verify_util.h"

/* An entry with every occurrence of a text replaced. */
static void replace(struct made *m, unsigned i, const char *from, const char *to)
{
	const char *at = (const char *)m->entries[i].ptr, *end = at + m->entries[i].len, *hit;
	char text[8192];
	struct buf b = buf_init(text, sizeof(text));
	uint8_t *copy;

	while ((hit = memmem(at, (size_t)(end - at), from, strlen(from))) != NULL) {
		buf_put(&b, at, (size_t)(hit - at));
		buf_put(&b, to, strlen(to));
		at = hit + strlen(from);
	}
	buf_put(&b, at, (size_t)(end - at));
	CHECK(!b.full && at != (const char *)m->entries[i].ptr);
	copy = malloc(buf_len(&b));
	assert_non_null(copy);
	memcpy(copy, text, buf_len(&b));
	free((void *)(uintptr_t)m->entries[i].ptr);
	m->entries[i] = (struct cht_bytes){ copy, buf_len(&b) };
}

/* What only a line that is broken, or somebody with its key, could have written. */
static void test_what_no_line_writes_is_damage(void **state)
{
	static const struct {
		const char *why;
		unsigned i;
		const char *from, *to;
		enum verify_fault fault;
		unsigned index;
	} edits[] = {
		{ "another sequence than in the id", 5, "\"sequence\":4", "\"sequence\":5",
		  VERIFY_BAD_ID, 5 },
		{ "another id than the sequence", 5, "event:00000000-0004", "event:00000000-0007",
		  VERIFY_BAD_ID, 5 },
		{ "an id of another form", 5, "urn:cellos:event:", "urn:cellos:other:", VERIFY_HOLE,
		  5 },
		{ "another run", 5, "\"run-1\"", "\"run-2\"", VERIFY_HOLE, 5 },
		{ "no run", 5, "\"run-1\"", "\"\"", VERIFY_NO_RUN, 5 },
		{ "a frame more received", 9, "\"received\":6", "\"received\":7",
		  VERIFY_CONTRADICTION, 9 },
		{ "a frame more stored", 9, "\"received\":6,\"refused\":0,\"stored\":6",
		  "\"received\":7,\"refused\":0,\"stored\":7", VERIFY_CONTRADICTION, 9 },
		{ "a frame more refused", 9, "\"received\":6,\"refused\":0",
		  "\"received\":7,\"refused\":1", VERIFY_CONTRADICTION, 9 },
		{ "a frame more dropped", 9, "\"dropped\":0,\"heartbeats\":0,\"received\":6",
		  "\"dropped\":1,\"heartbeats\":0,\"received\":7", VERIFY_CONTRADICTION, 9 },
		{ "another last sequence", 9, "\"lastSequence\":8", "\"lastSequence\":9",
		  VERIFY_CONTRADICTION, 9 },
		{ "a count that is not there", 9, "\"run.opened\":1,", "", VERIFY_CONTRADICTION,
		  9 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		struct made m = usual(NULL);
		struct verify_report report;

		check_row = edits[i].why;
		replace(&m, edits[i].i, edits[i].from, edits[i].to);
		report = verify_made(&m, NULL);
		check_verdict(&report, 11);
		CHECK_INT(report.first.fault, edits[i].fault);
		CHECK_INT(report.first.at.index, edits[i].index);
		made_free(&m);
	}
}

/* Ids of a supervisor's own choice carry no numbers: then nobody can say what is missing. */
static void test_events_without_numbers_are_12(void **state)
{
	struct made m = { .shape = CHT_SHAPE_RUST, .now = { 1762348800000000000, 1000, 1000 } };
	struct cht_cell *cell = calloc(1, sizeof(*cell));
	struct verify_report report;
	uint8_t out[4096];
	int n;

	(void)state;
	assert_non_null(cell);
	m.signer = test_signer(CHT_ALGORITHM_HMAC_SHA256, NULL, NULL);
	add_host_started(&m);
	cht_signer_free(m.signer);
	m.signer = NULL;
	add_run_opened(&m, cell, "run-1");
	add_frame(&m, cell, 1, 0);
	free(cell);
	replace(&m, 3, "urn:cellos:event:", "event-");
	m.signer = test_signer(CHT_ALGORITHM_HMAC_SHA256, NULL, NULL);
	n = cht_sign_event(m.signer, m.entries[3], out, sizeof(out));
	CHECK(n > 0);
	while (m.n > 2)
		free((void *)(uintptr_t)m.entries[--m.n].ptr);
	add_bytes(&m, out, (size_t)n);
	report = verify_made(&m, NULL);
	check_verdict(&report, 12);
	CHECK_INT(report.unnumbered, 1);
	CHECK_INT(report.authenticated, 3);
	made_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_no_line_writes_is_damage),
		cmocka_unit_test(test_events_without_numbers_are_12),
	};

	return cmocka_run_group_tests_name("verify_edits", tests, setup_made, teardown_made);
}
