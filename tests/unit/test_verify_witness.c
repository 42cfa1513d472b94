/* SPDX-License-Identifier: Apache-2.0
 *
 * Witnesses: who is asked for, who has cosigned, and what, and when.
 */
#include "note_util.h"

static void put_cosignature(struct buf *b, const char *name, uint8_t who, uint64_t time_s,
			    struct cht_str text)
{
	uint8_t seed[crypto_sign_SEEDBYTES], secret[crypto_sign_SECRETKEYBYTES];
	uint8_t public_key[TLOG_PUBLIC_BYTES], sig[8 + TLOG_SIGNATURE_BYTES], mem[1024];
	struct buf cosigned = buf_init(mem, sizeof(mem));
	struct tlog_vkey vkey;

	memset(seed, who, sizeof(seed));
	CHECK_INT(crypto_sign_seed_keypair(public_key, secret, seed), 0);
	CHECK(tlog_vkey_make(&vkey, str_of(name), TLOG_ED25519_COSIGN, public_key));
	tlog_cosigned_put(&cosigned, time_s, text);
	be64_store(sig, time_s);
	CHECK_INT(crypto_sign_detached(sig + 8, NULL, mem, buf_len(&cosigned), secret), 0);
	tlog_note_put_signature(b, &vkey, sig, sizeof(sig));
}

static void put_witness_key(struct buf *b, const char *name, uint8_t who)
{
	uint8_t seed[crypto_sign_SEEDBYTES], secret[crypto_sign_SECRETKEYBYTES];
	uint8_t public_key[TLOG_PUBLIC_BYTES];
	struct tlog_vkey vkey;

	memset(seed, who, sizeof(seed));
	CHECK_INT(crypto_sign_seed_keypair(public_key, secret, seed), 0);
	CHECK(tlog_vkey_make(&vkey, str_of(name), TLOG_ED25519_COSIGN, public_key));
	tlog_vkey_put(b, &vkey);
}

/* The log, two witnesses, and both of them asked for. */
static struct verify_trust *policy_trust(const char *quorum)
{
	struct verify_trust *trust = envelope_trust(false, false);
	static char mem[2048];
	struct buf b = buf_init(mem, sizeof(mem));
	struct cht_err err = { 0 };

	buf_put_lit(&b, "log ");
	buf_put_str(&b, str_of(made_vkey()));
	buf_put_lit(&b, "\nwitness w1 ");
	put_witness_key(&b, "w.example/1", 21);
	buf_put_lit(&b, "\nwitness w2 ");
	put_witness_key(&b, "w.example/2", 22);
	buf_put_lit(&b, "\ngroup both all w1 w2\nquorum ");
	buf_put_str(&b, str_of(quorum));
	buf_put_byte(&b, '\n');
	if (verify_trust_add_policy(trust, (struct cht_str){ mem, buf_len(&b) }, &err) != 0)
		fail_msg("%s", err.text);
	return trust;
}

static void test_a_quorum_is_asked_for(void **state)
{
	static const struct {
		const char *quorum;
		bool first, second;
		unsigned newest; /* cosigned: the newest checkpoint, or else one of 8 beside it */
		int verdict;
		uint64_t anchored;
	} rows[] = {
		{ "none", false, false, 1, 0, 0 },
		{ "none", true, false, 1, 0, USUAL_ENTRIES },
		{ "w1", true, false, 1, 0, USUAL_ENTRIES },
		{ "w1", false, true, 1, 12, 0 },
		{ "both", true, false, 1, 12, 0 },
		{ "both", true, true, 1, 0, USUAL_ENTRIES },
		{ "both", true, true, 0, 0, 8 },
	};
	struct made m = usual(NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct verify_trust *trust = policy_trust(rows[i].quorum);
		unsigned size = rows[i].newest ? m.n : 8;
		char mem[4096], row[32];
		struct buf b = buf_init(mem, sizeof(mem));
		struct verify_report report;
		struct cht_str text;

		(void)snprintf(row, sizeof(row), "row %zu", i);
		check_row = row;
		write_made(&m);
		put_note_by(&b, &m, size, 7);
		text = (struct cht_str){ mem, 0 };
		text.len = (size_t)((const char *)memmem(mem, buf_len(&b), "\n\n", 2) + 1 - mem);
		if (rows[i].first)
			put_cosignature(&b, "w.example/1", 21, 1762348900, text);
		if (rows[i].second)
			put_cosignature(&b, "w.example/2", 22, 1762348950, text);
		(void)mkdir(made_path("ship"), 0755);
		write_bytes(rows[i].newest ? "ledger/checkpoint" : "ship/cosigned", mem,
			    buf_len(&b));
		report = verify_with(trust, &none);
		check_verdict(&report, rows[i].verdict);
		CHECK_INT(report.anchors.size, rows[i].anchored);
		if (rows[i].first && rows[i].second)
			CHECK_INT(report.anchors.time_s, 1762348950);
		verify_trust_free(trust);
	}
	made_free(&m);
}

static void test_a_false_cosignature_refuses_the_checkpoint(void **state)
{
	struct verify_trust *trust = policy_trust("none");
	struct made m = usual(NULL);
	char mem[4096];
	struct buf b = buf_init(mem, sizeof(mem));
	struct verify_report report;

	(void)state;
	write_made(&m);
	put_note_by(&b, &m, m.n, 7);
	put_cosignature(&b, "w.example/1", 21, 1762348900, STR("another text\n"));
	write_bytes("ledger/checkpoint", mem, buf_len(&b));
	report = verify_with(trust, &none);
	check_verdict(&report, 11);
	CHECK_INT(report.first.fault, VERIFY_CHECKPOINT);
	verify_trust_free(trust);
	made_free(&m);
}

/* A note of the first size entries of a ledger with lines of these witnesses under it. */
static size_t cosigned_note(char mem[4096], const struct made *of, unsigned size,
			    const char *const *names, const uint8_t *who)
{
	struct buf b = buf_init(mem, 4096);
	struct cht_str text = { mem, 0 };

	put_note_by(&b, of, size, 7);
	text.len = (size_t)((const char *)memmem(mem, buf_len(&b), "\n\n", 2) + 1 - mem);
	for (unsigned i = 0; i < 3 && names[i] != NULL; i++)
		put_cosignature(&b, names[i], who[i], 1762348900 + i, text);
	CHECK(!b.full);
	return buf_len(&b);
}

/* What does not make two witnesses of one, nor a witness of nobody. */
static const char w1[] = "w.example/1", w2[] = "w.example/2", w3[] = "w.example/3";
static const struct {
	const char *why, *quorum;
	const char *names[3];
	uint8_t who[3];
	unsigned size; /* of the note; USUAL_ENTRIES is the newest checkpoint, else beside
			  it */
	bool is_fork;
	int verdict;
	uint64_t anchored;
	enum verify_fault fault;
} lines[] = {
	{ "both", "both", { w1, w2 }, { 21, 22 }, 11, false, 0, 11, VERIFY_SOUND },
	{ "one, twice", "both", { w1, w1 }, { 21, 21 }, 11, false, 12, 0, VERIFY_SOUND },
	{ "one, by the other's name",
	  "both",
	  { w1, w2 },
	  { 21, 21 },
	  11,
	  false,
	  12,
	  0,
	  VERIFY_SOUND },
	{ "a stranger", "w1", { w3 }, { 23 }, 11, false, 12, 0, VERIFY_SOUND },
	{ "older", "both", { w1, w2 }, { 21, 22 }, 8, false, 0, 8, VERIFY_SOUND },
	{ "older, and one of them", "both", { w1 }, { 21 }, 8, false, 12, 0, VERIFY_SOUND },
	{ "of no entry", "both", { w1, w2 }, { 21, 22 }, 0, false, 12, 0, VERIFY_SOUND },
	{ "of another history", "both", { w1, w2 }, { 21, 22 }, 8, true, 11, 0, VERIFY_FORKED },
};

static void test_each_witness_counts_once_and_for_what_it_saw(void **state)
{
	struct made m = usual(NULL), fork = usual(NULL);

	(void)state;
	(void)mkdir(made_path("ship"), 0755);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct verify_trust *trust = policy_trust(lines[i].quorum);
		struct verify_report report;
		char mem[4096];
		size_t n = cosigned_note(mem, lines[i].is_fork ? &fork : &m, lines[i].size,
					 lines[i].names, lines[i].who);

		check_row = lines[i].why;
		write_made(&m);
		(void)unlink(made_path("ship/cosigned"));
		write_bytes(lines[i].size == m.n ? "ledger/checkpoint" : "ship/cosigned", mem, n);
		report = verify_with(trust, &none);
		check_verdict(&report, lines[i].verdict);
		CHECK_INT(report.first.fault, lines[i].fault);
		CHECK_INT(report.anchors.size, lines[i].anchored);
		CHECK_INT(report.anchors.is_anchored, lines[i].anchored > 0);
		verify_trust_free(trust);
	}
	(void)unlink(made_path("ship/cosigned"));
	made_free(&fork);
	made_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_quorum_is_asked_for),
		cmocka_unit_test(test_each_witness_counts_once_and_for_what_it_saw),
		cmocka_unit_test(test_a_false_cosignature_refuses_the_checkpoint),
	};

	return cmocka_run_group_tests_name("verify_witness", tests, setup_made, teardown_made);
}
