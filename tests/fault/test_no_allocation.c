/* SPDX-License-Identifier: Apache-2.0
 *
 * The path of a frame, from the bytes of a stream to the bytes of an event, with an allocator that
 * aborts: 100,000 frames of every source, good, refused, forged and missing, in reads of any size.
 */
#include <malloc.h>

#include "check.h"

#include "cell/cell.h"
#include "event/event.h"
#include "wire/framer.h"

void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);

/* Volatile: a compiler knows that malloc reads no variable of ours. */
static volatile bool armed;
static volatile unsigned called;

static void note(void)
{
	if (armed)
		called = called + 1;
}

void *__wrap_malloc(size_t n)
{
	note();
	return __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	note();
	return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	note();
	return __real_realloc(p, n);
}

void __wrap_free(void *p)
{
	note();
	__real_free(p);
}

enum { FRAMES = 100000, STREAM_BYTES = 1 << 20, BLOCKS = LIMIT_PARTIAL_BLOCKS };

static uint8_t stream[STREAM_BYTES], event[CHT_EVENT_MAX_BYTES];
static uint8_t scratch[CHT_FRAME_HEAD_BYTES + CHT_FRAME_MAX_BYTES];
static struct frame_block blocks[BLOCKS];
static struct cht_cell cell;
static struct run_names names;
static struct cell_met met;
static struct cht_now now = { 1, 1, 1 };
static uint64_t events[EV_N_KINDS], refused;

/* xorshift64: the same run each time. */
static uint64_t dice = UINT64_C(0x9e3779b97f4a7c15);

static unsigned roll(unsigned sides)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (unsigned)(dice % sides);
}

/* The next frame of a talkative guest: its length. */
static size_t put_frame(uint8_t *at, size_t cap, uint64_t *seq)
{
	static char path[4000];
	enum cht_source source = (enum cht_source)roll(CHT_N_SOURCES);
	struct cht_declaration d = {
		.content_version = 1,
		.source_text =
			str_of(source == CHT_SOURCE_OTHER ? "a.\"b\"" : cht_source_name(source)),
		.comm = STR("comm\n\xc3\xa9"),
		.pid = roll(100000),
		.extensions = CHT_EXT_AGENT_BOOT | CHT_EXT_AGENT_SEQ | CHT_EXT_AGENT_DROPPED,
		.agent_boot = 1 + roll(2),
		.agent_seq = *seq += roll(20) == 0 ? 2 : 1,
		.agent_dropped = *seq / 100,
	};
	int n;

	if (roll(50) == 0) { /* large enough to lie in several blocks */
		memset(path, 0x01, sizeof(path));
		d.details = 1u << CHT_DETAIL_PATH | 1u << CHT_DETAIL_EXE;
		d.detail[CHT_DETAIL_PATH].text = (struct cht_str){ path, sizeof(path) };
		d.detail[CHT_DETAIL_EXE].text = (struct cht_str){ path, sizeof(path) };
	}
	n = cht_encode(&d, at, cap);
	CHECK(n > 0);
	if (roll(40) == 0)
		at[CHT_FRAME_HEAD_BYTES] = 0x80; /* no map */
	return (size_t)n;
}

static void emit(const struct cht_stamped *stamped)
{
	static struct event_renderer renderer;
	struct buf b = buf_init(event, sizeof(event));

	event_render(&renderer, stamped, CHT_SHAPE_FULL, &b);
	if (b.full)
		abort();
	events[stamped->kind]++;
	cell_note_stored(&cell, buf_len(&b));
}

static void take(struct cht_bytes body)
{
	struct cht_frame_facts facts = { .connection = 1, .frame_bytes = (uint32_t)body.len };
	struct cht_declaration d;
	struct cht_wire_fault why;
	struct cht_stamped s;

	if (cht_decode(body.ptr, body.len, &d, &why) < 0) {
		refused++;
		cell_note_refused(&cell, &facts, &why);
		return;
	}
	if (roll(30) == 0)
		d.forged = 1;
	cell_note_frame(&cell, &d, &facts, &now);
	while (cell_next(&cell, &now, &s))
		emit(&s);
	if (cell_stamp(&cell, &d, &facts, &now, &s))
		emit(&s);
}

/* Feeds the stream in reads of any size; returns how many frames it held. */
static unsigned feed(struct framer *f, struct frame_pool *pool, size_t len)
{
	struct frame_quota quota = { .max = BLOCKS };
	unsigned frames = 0;
	size_t at = 0;

	while (at < len) {
		size_t n = roll(4) == 0 ? 1 + roll(12) : 1 + roll(20000);
		size_t room = framer_room(f, pool, &quota);
		struct cht_bytes in = { stream + at, n < room ? n : room }, body;
		int r;

		if (in.len > len - at)
			in.len = len - at;
		at += in.len;
		now.monotonic_ns += roll(3) == 0 ? 100 * NS_PER_MS : 0;
		while ((r = framer_next(f, pool, &quota, &in, now.monotonic_ns, &body)) == 1) {
			take(body);
			frames++;
		}
		if (r < 0)
			abort();
	}
	return frames;
}

static void test_a_hundred_thousand_frames_call_no_allocator(void **state)
{
	struct cell_options options = {
		.cell_id = STR("cell-1"), .ledger_quota = 1 << 26, .names = &names, .met = &met
	};
	struct framer framer = { .first = NULL };
	struct frame_pool pool;
	struct mallinfo2 before, after;
	unsigned frames = 0;
	uint64_t seq = 0;

	(void)state;
	CHECK_INT(cell_init(&cell, &options, &now, NULL), 0);
	frame_pool_init(&pool, blocks, BLOCKS, scratch);
	while (frames < FRAMES) {
		size_t len = 0;

		while (len < STREAM_BYTES - 16384)
			len += put_frame(stream + len, STREAM_BYTES - len, &seq);
		before = mallinfo2();
		armed = true;
		frames += feed(&framer, &pool, len);
		armed = false;
		after = mallinfo2();
		/* Nor the C library for itself, where no wrap reaches. */
		CHECK(before.uordblks == after.uordblks && before.fordblks == after.fordblks);
	}
	CHECK_INT(called, 0);
	check_row = "it was the whole path, with everything on it";
	CHECK(cell.frames.received == frames);
	CHECK(cell.frames.refused == refused && refused > 0);
	CHECK(cell.frames.heartbeats > 0 && cell.frames.dropped > 0);
	for (int kind = EV_FRAMES_REFUSED; kind <= EV_GUEST_AGENT_HELLO; kind++)
		CHECK(events[kind] > 0);
	CHECK(events[EV_GUEST_TELEMETRY_DROPPED] > 0 && events[EV_GUEST_ATTRIBUTION_FORGED] > 0);
}

static void test_the_wrap_would_show_one(void **state)
{
	void *volatile p;

	(void)state;
	called = 0;
	armed = true;
	p = malloc(1);
	free(p);
	armed = false;
	CHECK_INT(called, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_hundred_thousand_frames_call_no_allocator),
		cmocka_unit_test(test_the_wrap_would_show_one),
	};

	return cmocka_run_group_tests_name("no_allocation", tests, NULL, NULL);
}
