/* SPDX-License-Identifier: Apache-2.0
 *
 * micro - each part beside the bare loop of a library over the same bytes, in turns: nothing
 * absolute is judged, a ratio of two loops that ran beside each other is.
 *
 * usage: micro [ROUNDS]    one JSON line a row: what, beside, ratios and nanoseconds
 */
#include <openssl/evp.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/text.h"
#include "cell/cell.h"
#include "daemon/deadlines.h"
#include "event/event.h"
#include "sign/sign.h"
#include "wire/framer.h"

enum { REARMED_CELLS = 10000 };
enum { HASHED_BYTES = 700, ROUNDS_MAX = 101, STREAM_BYTES = 60000 };

static struct {
	EVP_MD *md;
	EVP_MD_CTX *md_ctx;
	EVP_MAC_CTX *mac_ctx;
	uint8_t text[HASHED_BYTES];
	uint8_t frame[256];
	struct cht_bytes body;
	struct cht_declaration declaration;
	struct cht_cell cell;
	struct cht_frame_facts facts;
	struct cht_now now;
	struct cht_stamped stamped;
	struct event_renderer renderer;
	uint8_t event[CHT_EVENT_MAX_BYTES];
	size_t event_len;
	uint8_t out[CHT_ENTRY_MAX_BYTES];
	struct cht_signer *hmac, *ed25519;
	uint8_t secret_key[crypto_sign_SECRETKEYBYTES];
	uint8_t stream[STREAM_BYTES + 256], copy[STREAM_BYTES + 256];
	size_t stream_len;
	unsigned stream_frames;
	struct frame_pool pool;
	struct frame_block blocks[LIMIT_PARTIAL_BLOCKS];
	uint8_t scratch[CHT_FRAME_HEAD_BYTES + CHT_FRAME_MAX_BYTES];
	struct cht_cell cells[REARMED_CELLS];
	struct deadlines deadlines;
	struct cht_now at;
	uint64_t n_rearmed, n_framed;
	int pair[2];
	unsigned queued; /* frames in it */
} b;

/* Results that a compiler must believe are used. */
static volatile uint64_t sink;

static void hash(const uint8_t *bytes, size_t n)
{
	uint8_t digest[32];
	unsigned len;

	if (EVP_DigestInit_ex(b.md_ctx, b.md, NULL) != 1 ||
	    EVP_DigestUpdate(b.md_ctx, bytes, n) != 1 ||
	    EVP_DigestFinal_ex(b.md_ctx, digest, &len) != 1)
		abort();
	sink += digest[0];
}

static void run_sha256_700(void)
{
	hash(b.text, sizeof(b.text));
}

static void run_sha256_event(void)
{
	hash(b.event, b.event_len);
}

static void run_decode(void)
{
	struct cht_declaration d;

	if (cht_decode(b.body.ptr, b.body.len, &d, NULL) != 0)
		abort();
	sink += d.pid;
}

static void run_encode(void)
{
	int n = cht_encode(&b.declaration, b.out, sizeof(b.out));

	if (n < 0)
		abort();
	sink += b.out[9];
}

static void render(enum cht_shape shape)
{
	struct buf out = buf_init(b.out, sizeof(b.out));

	b.stamped.at.realtime_ns += 1000;
	b.stamped.at.boottime_ns += 1000;
	b.stamped.sequence++;
	event_render(&b.renderer, &b.stamped, shape, &out);
	sink += buf_len(&out);
}

static void run_render_full(void)
{
	render(CHT_SHAPE_FULL);
}

static void run_render_rust(void)
{
	render(CHT_SHAPE_RUST);
}

static void run_decode_stamp_render(void)
{
	struct cht_declaration d;
	struct cht_stamped stamped;
	struct buf out = buf_init(b.out, sizeof(b.out));

	if (cht_decode(b.body.ptr, b.body.len, &d, NULL) != 0)
		abort();
	b.now.realtime_ns += 1000;
	cell_note_frame(&b.cell, &d, &b.facts, &b.now);
	if (!cell_stamp(&b.cell, &d, &b.facts, &b.now, &stamped))
		abort();
	event_render(&b.renderer, &stamped, CHT_SHAPE_FULL, &out);
	sink += buf_len(&out);
}

/* A frame of one of 10,000 cells, each heard once a second: what it costs that somebody would
 * notice if it did not come. As the line does it, with what is due at its time. */
static void run_rearm(void)
{
	uint32_t i = (uint32_t)(b.n_rearmed++ % REARMED_CELLS);
	struct cht_stamped stamped;

	b.at.monotonic_ns += NS_PER_S / REARMED_CELLS;
	cht_silence_heard(&b.cells[i].silence, b.at.monotonic_ns);
	if (b.cells[i].next_ns < b.deadlines.at_ns[i])
		abort();
	while (b.deadlines.at_ns[i = deadlines_first(&b.deadlines)] <= b.at.monotonic_ns) {
		if (cell_next(&b.cells[i], &b.at, &stamped))
			abort();
		deadlines_set(&b.deadlines, i, cell_deadline(&b.cells[i]));
	}
}

/* A frame as the line takes it when each comes by itself, up to the ring. */
static void run_frame(void)
{
	struct cht_cell *cell = &b.cells[b.n_framed++ % REARMED_CELLS];
	size_t n = CHT_FRAME_HEAD_BYTES + b.body.len;
	struct buf out = buf_init(b.out, sizeof(b.out));
	struct cht_stamped stamped;
	struct cht_declaration d;

	if (b.queued == 0) {
		b.queued = b.stream_frames;
		if (write(b.pair[0], b.stream, b.stream_len) != (ssize_t)b.stream_len)
			abort();
	}
	b.queued--;
	if (read(b.pair[1], b.copy, n) != (ssize_t)n ||
	    cht_decode(b.copy + CHT_FRAME_HEAD_BYTES, n - CHT_FRAME_HEAD_BYTES, &d, NULL) != 0)
		abort();
	cell_note_frame(cell, &d, &b.facts, &b.at);
	if (!cell_stamp(cell, &d, &b.facts, &b.at, &stamped))
		abort();
	event_render(&b.renderer, &stamped, CHT_SHAPE_FULL, &out);
	sink += buf_len(&out);
}

static void run_scan(void)
{
	struct event_view view;
	size_t at;

	if (event_scan((struct cht_bytes){ b.event, b.event_len }, &view, &at) != 0)
		abort();
	sink += view.sequence;
}

static void run_hmac_bare(void)
{
	uint8_t tag[32];
	size_t len;

	if (EVP_MAC_init(b.mac_ctx, NULL, 0, NULL) != 1 ||
	    EVP_MAC_update(b.mac_ctx, b.event, b.event_len) != 1 ||
	    EVP_MAC_final(b.mac_ctx, tag, &len, sizeof(tag)) != 1)
		abort();
	sink += tag[0];
}

static void wrap(struct cht_signer *signer)
{
	int n = sign_wrap(signer, b.out, b.event_len, sizeof(b.out));

	if (n < 0)
		abort();
	sink += (uint64_t)n;
}

static void run_hmac_envelope(void)
{
	memcpy(b.out + ENVELOPE_PREFIX_BYTES, b.event, b.event_len);
	wrap(b.hmac);
}

static void run_ed25519_bare(void)
{
	uint8_t signature[crypto_sign_BYTES];

	(void)crypto_sign_detached(signature, NULL, b.event, b.event_len, b.secret_key);
	sink += signature[0];
}

static void run_ed25519_envelope(void)
{
	memcpy(b.out + ENVELOPE_PREFIX_BYTES, b.event, b.event_len);
	wrap(b.ed25519);
}

static void run_append(void)
{
	memcpy(b.copy, b.stream, b.stream_len);
	sink += b.copy[b.stream_len / 2];
}

static void run_framing(void)
{
	struct frame_quota quota = { .max = LIMIT_PARTIAL_BLOCKS };
	struct framer f = { .have = 0 };
	unsigned n = 0;

	for (size_t at = 0; at < b.stream_len;) {
		size_t some = b.stream_len - at < RECEIVE_BYTES ? b.stream_len - at : RECEIVE_BYTES;
		struct cht_bytes in = { b.stream + at, some }, body;

		while (framer_next(&f, &b.pool, &quota, &in, 1, &body) == 1) {
			n++;
			sink += body.ptr[0];
		}
		at += some;
	}
	if (n != b.stream_frames)
		abort();
}

static const struct row {
	const char *what, *beside;
	void (*ours)(void), (*limit)(void);
} rows[] = {
	{ "decode the five-key frame", "SHA-256 of 700 bytes", run_decode, run_sha256_700 },
	{ "encode it", "SHA-256 of 700 bytes", run_encode, run_sha256_700 },
	{ "render an event, full", "SHA-256 of 700 bytes", run_render_full, run_sha256_700 },
	{ "render an event, rust", "SHA-256 of 700 bytes", run_render_rust, run_sha256_700 },
	{ "decode, stamp and render", "SHA-256 of 700 bytes", run_decode_stamp_render,
	  run_sha256_700 },
	{ "re-arm a deadline", "read, decode, stamp, render", run_rearm, run_frame },
	{ "scan an event", "SHA-256 of the event", run_scan, run_sha256_event },
	{ "HMAC envelope", "bare EVP_MAC of the event", run_hmac_envelope, run_hmac_bare },
	{ "Ed25519 envelope", "bare crypto_sign_detached", run_ed25519_envelope, run_ed25519_bare },
	{ "frame 60,000 bytes", "memcpy of them", run_framing, run_append },
};

/* Nanoseconds a call, over about 20 ms. */
static double time_of(void (*run)(void), uint64_t *calls)
{
	uint64_t start, took;

	if (*calls == 0) {
		*calls = 1;
		do {
			*calls *= 2;
			start = clk_monotonic_ns();
			for (uint64_t i = 0; i < *calls; i++)
				run();
			took = clk_monotonic_ns() - start;
		} while (took < 20000000);
	}
	start = clk_monotonic_ns();
	for (uint64_t i = 0; i < *calls; i++)
		run();
	return (double)(clk_monotonic_ns() - start) / (double)*calls;
}

static int by_value(const void *a, const void *z)
{
	double x = *(const double *)a, y = *(const double *)z;

	return (x > y) - (x < y);
}

static double median(double *v, unsigned n)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[n / 2];
}

static void print_row(const struct row *row, unsigned rounds)
{
	double ratio[ROUNDS_MAX] = { 0 }, ours[ROUNDS_MAX] = { 0 }, limit[ROUNDS_MAX] = { 0 };
	double middle;
	uint64_t n_ours = 0, n_limit = 0;

	for (unsigned i = 0; i < rounds; i++) {
		limit[i] = time_of(row->limit, &n_limit);
		ours[i] = time_of(row->ours, &n_ours);
		ratio[i] = ours[i] / limit[i];
	}
	middle = median(ratio, rounds);
	printf("{\"what\":\"%s\",\"beside\":\"%s\",\"ratio\":%.3f,\"ratioMin\":%.3f,\"ratioMax\":%."
	       "3f,"
	       "\"ns\":%.1f,\"besideNs\":%.1f}\n",
	       row->what, row->beside, middle, ratio[0], ratio[rounds - 1], median(ours, rounds),
	       median(limit, rounds));
	(void)fflush(stdout);
}

static int make_frame(void)
{
	const struct cht_declaration d = { .content_version = 1,
					   .source_text = STR("process.spawned"),
					   .pid = 4242,
					   .comm = STR("workload"),
					   .monotonic_ns = UINT64_C(123456789000000) };
	int n = cht_encode(&d, b.frame, sizeof(b.frame));

	if (n < 0)
		return -1;
	b.declaration = d;
	b.body = (struct cht_bytes){ b.frame + CHT_FRAME_HEAD_BYTES,
				     (size_t)n - CHT_FRAME_HEAD_BYTES };
	while (b.stream_len + (size_t)n <= STREAM_BYTES) {
		memcpy(b.stream + b.stream_len, b.frame, (size_t)n);
		b.stream_len += (size_t)n;
		b.stream_frames++;
	}
	return 0;
}

static int make_event(void)
{
	static struct run_names names;
	static struct cell_met met;
	const struct cell_options options = {
		.cell_id = STR("cell-0001"),
		.run_id = STR("run-0f8fad5b-d9cb-469f-a165-70867728950e"),
		.spec = STR("sha256:deadbeefdeadbeefdeadbeefdeadbeef"),
		.expected_uid = -1,
		.names = &names,
		.met = &met
	};
	struct buf out = buf_init(b.event, sizeof(b.event));
	struct cht_err err;

	clk_read(&b.now);
	if (cell_init(&b.cell, &options, &b.now, &err) != 0)
		return -1;
	b.facts = (struct cht_frame_facts){ .connection = 1, .frame_bytes = (uint32_t)b.body.len };
	if (cht_decode(b.body.ptr, b.body.len, &b.declaration, NULL) != 0 ||
	    !cell_stamp(&b.cell, &b.declaration, &b.facts, &b.now, &b.stamped))
		return -1;
	event_render(&b.renderer, &b.stamped, CHT_SHAPE_FULL, &out);
	b.event_len = buf_len(&out);
	memset(b.text, 'x', sizeof(b.text));
	frame_pool_init(&b.pool, b.blocks, LIMIT_PARTIAL_BLOCKS, b.scratch);
	return out.full ? -1 : 0;
}

/* All were heard a while ago, one after the other. */
static int make_cells(void)
{
	static struct run_names names;
	static struct cell_met met; /* none of them needs it */
	const struct cell_options options = {
		.cell_id = STR("c"), .run_id = STR("r"), .names = &names, .met = &met
	};
	struct cht_stamped stamped;
	struct cht_err err;

	clk_read(&b.at);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, b.pair) != 0 ||
	    deadlines_open(&b.deadlines, REARMED_CELLS, &err) != 0)
		return -1;
	for (uint32_t i = 0; i < REARMED_CELLS; i++) {
		b.at.monotonic_ns += NS_PER_S / REARMED_CELLS;
		if (cell_init(&b.cells[i], &options, &b.at, &err) != 0)
			return -1;
		cell_note_frame(&b.cells[i], &b.declaration, &b.facts, &b.at);
		while (cell_next(&b.cells[i], &b.at, &stamped))
			sink += stamped.sequence;
		deadlines_set(&b.deadlines, i, cell_deadline(&b.cells[i]));
	}
	return 0;
}

static const char *get_hmac(void *context, const char *name)
{
	const char *last = strrchr(name, '_');

	(void)context;
	if (strcmp(last, "_ALG") == 0)
		return "hmac-sha256";
	if (strcmp(last, "_KID") == 0)
		return "bench";
	return strstr(name, "HMAC") != NULL ? "CwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCws" : NULL;
}

static const char *get_ed25519(void *context, const char *name)
{
	if (strstr(name, "HMAC") != NULL)
		return NULL;
	if (strstr(name, "_SK") != NULL)
		return "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
	return strstr(name, "_ALG") != NULL ? "ed25519" : get_hmac(context, name);
}

static int make_keys(void)
{
	uint8_t public_key[crypto_sign_PUBLICKEYBYTES], seed[crypto_sign_SEEDBYTES];
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	char digest[] = "SHA256";
	OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string("digest", digest, 0),
				OSSL_PARAM_construct_end() };
	struct cht_err err;

	memset(seed, 7, sizeof(seed));
	if (sodium_init() < 0 || crypto_sign_seed_keypair(public_key, b.secret_key, seed) != 0)
		return -1;
	b.md = EVP_MD_fetch(NULL, "SHA256", NULL);
	b.md_ctx = EVP_MD_CTX_new();
	b.mac_ctx = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;
	if (b.md == NULL || b.md_ctx == NULL || b.mac_ctx == NULL ||
	    EVP_MAC_init(b.mac_ctx, seed, sizeof(seed), params) != 1)
		return -1;
	EVP_MAC_free(mac);
	if (signer_from_getenv(&b.hmac, get_hmac, NULL, &err) != 0 ||
	    signer_from_getenv(&b.ed25519, get_ed25519, NULL, &err) != 0) {
		(void)fprintf(stderr, "micro: %s\n", err.text);
		return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t rounds = 7;

	if (argc > 2 || (argc == 2 && !read_u64(str_of(argv[1]), ROUNDS_MAX, &rounds)) ||
	    rounds == 0) {
		(void)fputs("usage: micro [ROUNDS]\n", stderr);
		return 2;
	}
	if (make_frame() != 0 || make_event() != 0 || make_cells() != 0 || make_keys() != 0) {
		(void)fputs("micro: cannot be set up\n", stderr);
		return 1;
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		print_row(&rows[i], (unsigned)rounds);
	deadlines_close(&b.deadlines);
	(void)close(b.pair[0]);
	(void)close(b.pair[1]);
	cht_signer_free(b.hmac);
	cht_signer_free(b.ed25519);
	return 0;
}
