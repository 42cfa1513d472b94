/* SPDX-License-Identifier: Apache-2.0 */
#include "scribe_util.h"

#include "tlog/tlog.h"

static void ask_receipt(struct line *line, uint64_t index)
{
	const struct handoff_msg ask = { .kind = HANDOFF_RECEIPT, .receipt = { .index = index } };

	CHECK_INT(handoff_send(line->sock, &ask, NULL, 0, NULL), 0);
}

static void test_a_receipt_is_of_what_is_durable_alone(void **state)
{
	struct handoff_msg msg;
	struct line line;
	char head[64];

	(void)state;
	start_line(&line);
	for (unsigned n = 1; n <= 300; n += 23) {
		struct tlog_hash leaf, root;
		struct tlog_receipt receipt;
		struct tlog_note note;
		struct tlog_checkpoint checkpoint;
		uint8_t entry[42];
		size_t at;

		put_all(&line, 23);
		ask_receipt(&line, n);
		msg = hear(&line, HANDOFF_RECEIPT);
		CHECK_INT(msg.receipt.index, n);
		snprintf(head, sizeof(head), "c2sp.org/tlog-proof@v1\nindex %u\n", n);
		CHECK(strncmp(msg.receipt.text, head, strlen(head)) == 0);
		CHECK_INT(tlog_receipt_read(str_of(msg.receipt.text), &receipt, &at), 0);
		CHECK_INT(tlog_note_read(receipt.note, &note, &at), 0);
		CHECK_INT(tlog_checkpoint_read(note.text, &checkpoint, &at), 0);
		entry_fill(entry, n);
		tlog_leaf((struct cht_bytes){ entry + 2, entry_len(n) }, &leaf);
		CHECK_INT(tlog_inclusion_root(n, checkpoint.size, &leaf, &receipt.proof, &root), 0);
		CHECK(tlog_hash_eq(&root, &checkpoint.root));
	}
	ask_receipt(&line, count_ledger());
	msg = hear(&line, HANDOFF_FAILED);
	CHECK(strstr(msg.failed.text, "receipt of what is not stored") != NULL);
	CHECK_INT(await_exit(&line), 1);
}

/* It is not waited for: what it put before is stored all the same. */
static void test_a_line_that_asks_and_does_not_listen_ends_the_scribe(void **state)
{
	const struct handoff_msg ask = { .kind = HANDOFF_RECEIPT };
	struct line line;

	(void)state;
	start_line(&line);
	put_all(&line, 7);
	for (int i = 0; i < 500; i++)
		CHECK(put_next(&line));
	while (handoff_send(line.sock, &ask, NULL, 0, NULL) == 0) {
	}
	CHECK_INT(await_exit(&line), 1);
	CHECK_INT(count_ledger(), 507);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup_scribe, teardown_ledger)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_a_receipt_is_of_what_is_durable_alone),
		CASE(test_a_line_that_asks_and_does_not_listen_ends_the_scribe),
	};

	return cmocka_run_group_tests_name("scribe_receipt", tests, NULL, NULL);
}
