/* SPDX-License-Identifier: Apache-2.0
 *
 * verify_util.h - a small ledger of real events, in envelopes or not, that a test then tampers
 * with. Entries are kept in memory until they are written to files as the scribe would, under a
 * checkpoint of the log's key. A test that uses it links libsodium.
 */
#ifndef TESTS_VERIFY_UTIL_H
#define TESTS_VERIFY_UTIL_H

#include "check.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "cell/cell.h"
#include "event/event.h"
#include "sign/sign.h"
#include "tree_util.h"
#include "verify/verify.h"

enum { MADE_MAX = 64 };

/* The keys of tests/golden/keys.json: kid-ed and kid-hmac. */
#define TEST_SEED   "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"
#define TEST_PUBLIC "6kpsY-KcUgq-9VB7Ey7F-ZVHdq6-vnuSQh7qaRRG0iw"
#define TEST_MAC    "CwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCws"

struct made {
	struct cht_bytes entries[MADE_MAX];
	unsigned n;
	struct cht_signer *signer; /* null: bare events */
	struct event_renderer renderer;
	enum cht_shape shape;
	struct cht_now now;
	struct run host;
};

static char made_dir[] = "/dev/shm/cht-verify-XXXXXX";

static inline const char *made_path(const char *name)
{
	static char paths[4][256];
	static unsigned turn;
	char *p = paths[turn++ % 4];

	snprintf(p, sizeof(paths[0]), "%s/%s", made_dir, name);
	return p;
}

static inline void put_text(const char *name, const char *text)
{
	int fd = open(made_path(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	CHECK_INT(fd_write_all(fd, text, strlen(text), NULL), 0);
	fd_close(&fd);
}

static inline int setup_made(void **state)
{
	(void)state;
	if (access("/dev/shm", W_OK) != 0)
		memcpy(made_dir, "/tmp/cht-verify-XXXXXX", sizeof("/tmp/cht-verify-XXXXXX"));
	if (mkdtemp(made_dir) == NULL)
		return -1;
	put_text("keys.json", "{\"kid-ed\":\"" TEST_PUBLIC "\"}");
	put_text("hmac.json", "{\"kid-hmac\":\"" TEST_MAC "\"}");
	return 0;
}

static inline int teardown_made(void **state)
{
	(void)state;
	return nftw(made_dir, tree_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Off, HMAC or Ed25519 with the test keys, or with a key and id of one's own. */
static inline struct cht_signer *test_signer(enum cht_algorithm algorithm, const char *kid,
					     const char *secret)
{
	bool is_hmac = algorithm == CHT_ALGORITHM_HMAC_SHA256;
	struct sign_key key = { algorithm,
				kid != NULL ? kid
				: is_hmac   ? "kid-hmac"
					    : "kid-ed",
				"test" };
	struct cht_signer *signer = NULL;

	if (algorithm == CHT_ALGORITHM_OFF)
		return NULL;
	CHECK_INT(signer_from_base64url(&signer, &key,
					str_of(secret != NULL ? secret
					       : is_hmac      ? TEST_MAC
							      : TEST_SEED),
					NULL),
		  0);
	return signer;
}

static inline void made_free(struct made *m)
{
	for (unsigned i = 0; i < m->n; i++)
		free((void *)(uintptr_t)m->entries[i].ptr);
	cht_signer_free(m->signer);
	*m = (struct made){ 0 };
}

/* One more entry: a copy of these bytes. */
static inline void add_bytes(struct made *m, const void *bytes, size_t len)
{
	uint8_t *copy = malloc(len);

	assert_non_null(copy);
	CHECK(m->n < MADE_MAX);
	memcpy(copy, bytes, len);
	m->entries[m->n++] = (struct cht_bytes){ copy, len };
}

/* One more entry: the event rendered, and signed when there is a signer. */
static inline void add(struct made *m, const struct cht_stamped *s)
{
	uint8_t mem[CHT_ENTRY_MAX_BYTES];
	struct buf b = buf_init(mem + ENVELOPE_PREFIX_BYTES, CHT_EVENT_MAX_BYTES);
	enum cht_shape shape = s->guest != NULL ? m->shape : CHT_SHAPE_FULL;
	int n;

	event_render(&m->renderer, s, shape, &b);
	CHECK(!b.full);
	if (m->signer == NULL) {
		add_bytes(m, b.start, buf_len(&b));
		return;
	}
	n = sign_wrap(m->signer, mem, buf_len(&b), sizeof(mem));
	CHECK(n > 0);
	add_bytes(m, mem, (size_t)n);
}

static inline void tick(struct made *m)
{
	m->now.realtime_ns += 5000000000;
	m->now.monotonic_ns += 5000000000;
	m->now.boottime_ns += 5000000000;
}

/* The log's key, as a verifier has it. */
static inline const char *made_vkey(void)
{
	static char text[256];
	struct buf b = buf_init(text, sizeof(text) - 1);
	uint8_t secret[crypto_sign_SECRETKEYBYTES];
	struct tlog_vkey vkey;

	tree_key(7, TREE_ORIGIN, &vkey, secret);
	tlog_vkey_put(&b, &vkey);
	text[buf_len(&b)] = '\0';
	return text;
}

static inline void begin_host(struct made *m, struct cht_str origin)
{
	static struct run_names names[16]; /* of the newest */
	static unsigned n;

	CHECK_INT(run_init_host(&m->host, &names[n++ % 16], origin, STR(""), NULL), 0);
}

static inline void add_log_opened(struct made *m)
{
	struct cht_stamped s = { 0 };

	run_stamp(&m->host, EV_LOG_OPENED, &m->now, &s);
	s.facts.log_opened = (struct facts_log_opened){ .origin = STR(TREE_ORIGIN),
							.vkey = str_of(made_vkey()),
							.reason = STR("init") };
	add(m, &s);
}

static inline void add_host_started(struct made *m)
{
	struct cht_stamped s = { 0 };
	bool is_first = m->n == 0;

	begin_host(m, STR(TREE_ORIGIN));
	if (is_first)
		add_log_opened(m);
	run_stamp(&m->host, EV_HOST_STARTED, &m->now, &s);
	s.facts.host_started =
		(struct facts_host_started){ .version = STR("0"),
					     .boot_id = STR("b"),
					     .kernel = STR("k"),
					     .lockdown = STR("kill"),
					     .previous = is_first ? STR("none") : STR("clean"),
					     .next_index = m->n };
	add(m, &s);
	tick(m);
}

static inline void add_host_stopped(struct made *m)
{
	struct cht_stamped s = { 0 };

	run_stamp(&m->host, EV_HOST_STOPPED, &m->now, &s);
	s.facts.host_stopped.reason = STR("SIGTERM");
	add(m, &s);
}

static inline void add_run_opened(struct made *m, struct cht_cell *cell, const char *id)
{
	struct cell_options options = { .cell_id = STR("cell-1"),
					.run_id = str_of(id),
					.channel = STR("/run/x_9001"),
					.expected_uid = -1,
					/* No silence unless a test asks: time jumps here. */
					.keepalive_window_ns = UINT64_MAX / 4,
					.boot_window_ns = UINT64_MAX / 4 };
	/* Of the newest cells. */
	static struct {
		struct run_names names;
		struct cell_met met;
		uint64_t counts[EV_N_KINDS];
	} all[16], *one;
	static unsigned n;
	struct cht_stamped s = { 0 };

	one = &all[n++ % 16];
	memset(one, 0, sizeof(*one));
	options.names = &one->names;
	options.met = &one->met;
	CHECK_INT(cell_init(cell, &options, &m->now, NULL), 0);
	cell->run.counts = one->counts;
	/* As if it had been heard before: its first frame changes no state, and numbers stay. */
	cell->heard = true;
	cell->state = CELL_LIVE;
	cell->run.first_index = m->n;
	cell_stamp_opened(cell, NULL, &m->now, &s);
	add(m, &s);
	tick(m);
}

/* What came up beside the frame, then the frame: as the pipeline does it. */
static inline void add_frame(struct made *m, struct cht_cell *cell, uint64_t seq, uint64_t dropped)
{
	struct cht_declaration d = { .content_version = 1,
				     .source = CHT_SOURCE_PROCESS_SPAWNED,
				     .source_text = STR("process.spawned"),
				     .comm = STR("true"),
				     .pid = 7,
				     .agent_boot = 9,
				     .agent_seq = seq,
				     .agent_dropped = dropped };
	struct cht_frame_facts facts = { 1, 0, 100, 1000 };
	struct cht_stamped s = { 0 };

	if (seq > 0)
		d.extensions = CHT_EXT_AGENT_BOOT | CHT_EXT_AGENT_SEQ | CHT_EXT_AGENT_DROPPED;
	cell_note_frame(cell, &d, &facts, &m->now);
	while (cell_next(cell, &m->now, &s))
		add(m, &s);
	if (cell_stamp(cell, &d, &facts, &m->now, &s))
		add(m, &s);
	tick(m);
}

static inline void add_sealed(struct made *m, struct cht_cell *cell)
{
	struct cht_stamped s = { 0 };

	while (cell_flush(cell, &m->now, &s))
		add(m, &s);
	cell_stamp_sealed(cell, STR("requested"), &m->now, &s);
	add(m, &s);
	tick(m);
}

/* Eleven entries: 0 log.opened, 1 host.started, 2 run.opened, 3 to 8 six frames, 9 run.sealed,
 * 10 host.stopped. */
enum { USUAL_FRAMES = 6, USUAL_FIRST = 3, USUAL_SEALED = 9, USUAL_ENTRIES = 11 };

static inline struct made usual(struct cht_signer *signer)
{
	struct made m = { .signer = signer, .now = { 1762348800000000000, 1000, 1000 } };
	struct cht_cell *cell = calloc(1, sizeof(*cell));

	assert_non_null(cell);
	add_host_started(&m);
	add_run_opened(&m, cell, "run-1");
	for (unsigned i = 1; i <= USUAL_FRAMES; i++)
		add_frame(&m, cell, i, 0);
	add_sealed(&m, cell);
	add_host_stopped(&m);
	CHECK_INT(m.n, USUAL_ENTRIES);
	free(cell);
	return m;
}

static const char first_segment[] = "ledger/entries/00000000000000000000";

static inline void write_segment(const struct made *m, const char *name)
{
	int fd = open(made_path(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	uint8_t head[2];

	CHECK(fd >= 0);
	for (unsigned i = 0; i < m->n; i++) {
		be16_store(head, (uint16_t)m->entries[i].len);
		CHECK_INT(fd_write_all(fd, head, 2, NULL), 0);
		CHECK_INT(fd_write_all(fd, m->entries[i].ptr, m->entries[i].len, NULL), 0);
	}
	fd_close(&fd);
}

/* All that the scribe writes of these entries, in place of what was there. */
static inline void write_made(const struct made *m)
{
	(void)nftw(made_path("ledger"), tree_remove_one, 8, FTW_DEPTH | FTW_PHYS);
	tree_open(made_dir);
	for (unsigned i = 0; i < m->n; i++)
		tree_add(m->entries[i].ptr, m->entries[i].len);
	tree_publish();
	tree_close();
}

/* Where entry i's length stands in the first segment. */
static inline uint64_t offset_of(const struct made *m, unsigned i)
{
	uint64_t at = 0;

	for (unsigned k = 0; k < i; k++)
		at += 2 + m->entries[k].len;
	return at;
}

/* Of envelopes alone. */
static inline struct verify_trust *envelope_trust(bool ed25519, bool hmac)
{
	struct verify_trust *trust = NULL;
	struct cht_err err = { 0 };

	if (verify_trust_load(&trust, ed25519 ? made_path("keys.json") : NULL,
			      hmac ? made_path("hmac.json") : NULL, &err) != 0)
		fail_msg("%s", err.text);
	return trust;
}

/* And of the log. */
static inline struct verify_trust *test_trust(bool ed25519, bool hmac)
{
	struct verify_trust *trust = envelope_trust(ed25519, hmac);

	CHECK_INT(verify_trust_add_vkey(trust, str_of(made_vkey()), NULL), 0);
	return trust;
}

static inline struct verify_report verify_with(const struct verify_trust *trust,
					       const struct verify_options *options)
{
	struct verify_report report;
	struct cht_err err = { 0 };

	if (verify_path(made_dir, trust, options, &report, &err) != 0)
		fail_msg("[%s] %s", check_row, err.text);
	return report;
}

/* Writes the entries as the scribe does and verifies them with all keys: what is wrong then is what
 * the line did, or somebody who has the log's key. */
static inline struct verify_report verify_made(const struct made *m,
					       const struct verify_options *options)
{
	static const struct verify_options none;
	struct verify_trust *trust = test_trust(true, true);
	struct verify_report report;

	write_made(m);
	report = verify_with(trust, options != NULL ? options : &none);
	verify_trust_free(trust);
	return report;
}

/* For a look at what failed. */
static inline void check_verdict(const struct verify_report *report, int verdict)
{
	if ((int)report->verdict == verdict)
		return;
	fprintf(stderr,
		"[%s] verdict %d, not %d: %" PRIu64 " findings, first %s at %" PRIu64
		": %s; cannot tell: %s\n",
		check_row, (int)report->verdict, verdict, report->n_findings,
		verify_fault_name(report->first.fault), report->first.at.index,
		report->first.detail, report->why_cannot_tell ? report->why_cannot_tell : "");
	fail();
}

/* An entry less, or one more at that place. */
static inline void drop(struct made *m, unsigned i)
{
	free((void *)(uintptr_t)m->entries[i].ptr);
	memmove(m->entries + i, m->entries + i + 1, (m->n - i - 1) * sizeof(m->entries[0]));
	m->n--;
}

static inline void insert(struct made *m, unsigned i, const void *bytes, size_t len)
{
	struct cht_bytes added;

	add_bytes(m, bytes, len);
	added = m->entries[m->n - 1];
	memmove(m->entries + i + 1, m->entries + i, (m->n - 1 - i) * sizeof(m->entries[0]));
	m->entries[i] = added;
}

#endif
