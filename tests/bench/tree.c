/* SPDX-License-Identifier: Apache-2.0
 *
 * tree - what a longer log costs: appending a batch, an inclusion proof from the files, opening for
 * writing; at 10^3 to 10^6 entries (10^7 with an argument). Each size is measured in turns of all
 * sizes, and the median counts. Prints a JSON object a line.
 *
 * usage: tree DIR [ROUNDS [MAX_POWER]]
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/fd.h"
#include "base/limits.h"
#include "ledger/ledger.h"
#include "ledger/read.h"

enum {
	ENTRY_BYTES = 1000,
	BATCH = 4096 / 4,
	BATCHES = 4,
	PROOFS = 200,
	POWERS_MAX = 8,
	ROUNDS_MAX = 99
};

static uint8_t batch[BATCH * (2 + ENTRY_BYTES)];
static struct tlog_hash leaves[BATCH];
static const uint8_t public_key[TLOG_PUBLIC_BYTES] = { 1 };

static bool is_ours(void *context, struct cht_str note)
{
	(void)context;
	(void)note;
	return true;
}

static const struct ledger_trust trust = { public_key, is_ours, NULL };

static void die(const char *what, const struct cht_err *err)
{
	(void)fprintf(stderr, "tree: %s: %s\n", what, err->text);
	_exit(1);
}

static void publish(struct ledger *ledger)
{
	static const uint8_t signature[TLOG_SIGNATURE_BYTES];
	char note[LEDGER_NOTE_MAX + 1];
	struct buf b = buf_init(note, LEDGER_NOTE_MAX);
	struct tlog_hash root;
	struct cht_err err = { 0 };

	tlog_tree_root(&ledger->tree, &root);
	tlog_checkpoint_put(&b, str_of(ledger->origin), ledger->tree.size, &root);
	buf_put_byte(&b, '\n');
	tlog_note_put_signature(&b, &ledger->key, signature, sizeof(signature));
	note[buf_len(&b)] = '\0';
	if (ledger_sync(ledger, &err) < 0 || ledger_publish(ledger, str_of(note), &err) < 0)
		die("publish", &err);
}

/* Hashes and writes n <= BATCH entries, all of one commit. */
static void append(struct ledger *ledger, unsigned n)
{
	struct cht_err err = { 0 };

	for (unsigned i = 0; i < n; i++)
		tlog_leaf((struct cht_bytes){ batch + (size_t)i * (2 + ENTRY_BYTES) + 2,
					      ENTRY_BYTES },
			  &leaves[i]);
	if (ledger_write(ledger, (struct cht_bytes){ batch, (size_t)n * (2 + ENTRY_BYTES) }, leaves,
			 n, &err) < 0)
		die("write", &err);
	publish(ledger);
}

static void open_it(struct ledger *ledger, const char *state)
{
	struct ledger_recovery found;
	struct cht_err err = { 0 };

	if (ledger_open(ledger, state, &trust, &found, &err) < 0)
		die("open", &err);
}

static void make(const char *state, uint64_t n)
{
	const struct ledger_terms terms = { .reason = "init" };
	static struct ledger ledger;
	struct cht_err err = { 0 };

	if (ledger_init(state, "bench", &terms, public_key, &err) < 0)
		die("init", &err);
	open_it(&ledger, state);
	while (ledger.tree.size < n)
		append(&ledger,
		       n - ledger.tree.size < BATCH ? (unsigned)(n - ledger.tree.size) : BATCH);
	ledger_close(&ledger);
}

/* Processor nanoseconds an entry; the log grows by BATCHES * BATCH, which is cut by nobody. */
static double cost_of_append(struct ledger *ledger)
{
	uint64_t begin = clk_process_ns();

	for (int i = 0; i < BATCHES; i++)
		append(ledger, BATCH);
	return (double)(clk_process_ns() - begin) / (BATCHES * BATCH);
}

static double cost_of_proof(const char *state, uint64_t n)
{
	static struct ledger_view view;
	struct tlog_source source;
	struct tlog_proof proof;
	struct cht_err err = { 0 };
	uint64_t begin, index = 1;

	if (ledger_view_open(&view, state, &err) < 0)
		die("view", &err);
	source = ledger_view_hashes(&view);
	begin = clk_process_ns();
	for (int i = 0; i < PROOFS; i++) {
		index = (index * UINT64_C(6364136223846793005) + 1442695040888963407) % n;
		if (tlog_inclusion_prove(&source, index, n, &proof) < 0)
			die("prove", &err);
	}
	begin = clk_process_ns() - begin;
	ledger_view_close(&view);
	return (double)begin / PROOFS;
}

/* Bytes that this process has read by system calls. */
static uint64_t bytes_read(void)
{
	char text[512] = { 0 }, *at;

	if (fd_read_file(AT_FDCWD, "/proc/self/io", text, sizeof(text) - 1, NULL) < 0)
		return 0;
	at = strstr(text, "rchar: ");
	return at != NULL ? strtoull(at + 7, NULL, 10) : 0;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, int n)
{
	qsort(values, (size_t)n, sizeof(*values), by_value);
	return values[n / 2];
}

struct figures {
	double append[ROUNDS_MAX], proof[ROUNDS_MAX], start[ROUNDS_MAX];
	uint64_t read;
};

static void measure(const char *dir, int power, uint64_t n, int round, struct figures *out)
{
	static struct ledger ledger;
	char state[512];
	uint64_t begin, read;

	(void)snprintf(state, sizeof(state), "%s/%d", dir, power);
	read = bytes_read();
	begin = clk_process_ns();
	open_it(&ledger, state);
	out->start[round] = (double)(clk_process_ns() - begin);
	out->read = bytes_read() - read;
	out->append[round] = cost_of_append(&ledger);
	ledger_close(&ledger);
	out->proof[round] = cost_of_proof(state, n);
}

int main(int argc, char **argv)
{
	static struct figures figures[POWERS_MAX];
	int rounds = argc > 2 ? atoi(argv[2]) : 5, top = argc > 3 ? atoi(argv[3]) : 6;
	uint64_t n = 1000;

	if (argc < 2 || rounds < 1 || rounds > ROUNDS_MAX || top > POWERS_MAX)
		return 2;
	for (unsigned i = 0; i < BATCH; i++) {
		uint8_t *at = batch + (size_t)i * (2 + ENTRY_BYTES);

		be16_store(at, ENTRY_BYTES);
		memset(at + 2, 'a' + (int)(i % 26), ENTRY_BYTES);
	}
	for (int power = 3; power <= top; power++, n *= 10) {
		char state[512];

		(void)snprintf(state, sizeof(state), "%s/%d", argv[1], power);
		make(state, n);
	}
	for (int round = 0; round < rounds; round++) {
		n = 1000;
		for (int power = 3; power <= top; power++, n *= 10)
			measure(argv[1], power, n, round, &figures[power - 1]);
	}
	n = 1000;
	for (int power = 3; power <= top; power++, n *= 10) {
		struct figures *f = &figures[power - 1];

		(void)printf("{\"entries\": %" PRIu64 ", \"appendNs\": %.0f, \"proofNs\": %.0f, "
			     "\"startUs\": %.0f, \"startReads\": %" PRIu64 "}\n",
			     n, median(f->append, rounds), median(f->proof, rounds),
			     median(f->start, rounds) / 1000, f->read);
	}
	return 0;
}
