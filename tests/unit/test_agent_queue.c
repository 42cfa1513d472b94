/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/queue.h"
#include "check.h"

static struct queue q;
static uint8_t out[4 * QUEUE_BYTES];

static int reset(void **state)
{
	(void)state;
	memset(&q, 0, sizeof(q));
	return 0;
}

/* A frame of len bytes that all say n. */
static bool put(uint8_t n, size_t len)
{
	static uint8_t bytes[QUEUE_BYTES + 1];

	memset(bytes, n, len);
	return queue_put(&q, (struct cht_bytes){ bytes, len }, (struct queue_mark){ n, 0 });
}

/* Copies the unsent bytes out. */
static size_t peek(bool head_only)
{
	struct iovec spans[2];
	int n = queue_spans(&q, head_only, spans);
	size_t len = 0;

	for (int i = 0; i < n; i++) {
		memcpy(out + len, spans[i].iov_base, spans[i].iov_len);
		len += spans[i].iov_len;
	}
	return len;
}

static void test_an_empty_queue_has_no_span(void **state)
{
	struct iovec spans[2];

	(void)state;
	CHECK_INT(queue_spans(&q, false, spans), 0);
	CHECK(queue_is_between(&q));
}

static void test_frames_leave_in_order_at_every_cut(void **state)
{
	(void)state;
	for (size_t cut = 1; cut <= 12; cut++) {
		uint32_t frames = 0;

		reset(NULL);
		CHECK(put(1, 3) && put(2, 4) && put(3, 5));
		CHECK_INT(peek(false), 12);
		CHECK(memcmp(out, "\1\1\1\2\2\2\2\3\3\3\3\3", 12) == 0);
		for (size_t sent = 0; sent < 12; sent += cut) {
			size_t n = sent + cut < 12 ? cut : 12 - sent;

			CHECK_INT(peek(false), 12 - sent);
			frames += queue_advance(&q, n);
		}
		CHECK_INT(frames, 3);
		CHECK_INT(q.n, 0);
		CHECK_INT(q.used, 0);
	}
}

static void test_a_half_sent_frame_goes_again_whole(void **state)
{
	(void)state;
	CHECK(put(1, 3) && put(2, 4));
	CHECK_INT(queue_advance(&q, 5), 1);
	CHECK(!queue_is_between(&q));
	CHECK_INT(peek(true), 2);
	queue_rewind(&q);
	CHECK(queue_is_between(&q));
	CHECK_INT(peek(true), 4);
	CHECK_INT(peek(false), 4);
	CHECK_INT(out[0], 2);
	CHECK_INT(queue_advance(&q, 4), 1);
}

static void test_what_does_not_fit_changes_nothing(void **state)
{
	(void)state;
	CHECK(!put(1, 0));
	CHECK(!put(1, QUEUE_BYTES + 1));
	CHECK(put(1, QUEUE_BYTES - 10));
	CHECK(!put(2, 11));
	CHECK(put(3, 10));
	CHECK(!put(4, 1));
	CHECK_INT(q.n, 2);
	CHECK_INT(peek(false), QUEUE_BYTES);
	CHECK_INT(out[QUEUE_BYTES - 11], 1);
	CHECK_INT(out[QUEUE_BYTES - 1], 3);
	/* The sent part of a frame still takes room: it may have to go again. */
	CHECK_INT(queue_advance(&q, QUEUE_BYTES - 20), 0);
	CHECK(!put(5, 1));
}

static void test_the_number_of_frames_is_bounded_too(void **state)
{
	(void)state;
	for (unsigned i = 0; i < QUEUE_FRAMES; i++)
		CHECK(put(7, 1));
	CHECK(!put(8, 1));
	CHECK_INT(queue_advance(&q, 1), 1);
	CHECK(put(8, 1));
}

static void test_frames_wrap_around_the_ring(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		size_t len = 1 + i * 37 % 900;

		CHECK(put((uint8_t)i, len));
		if (i % 2 == 0)
			continue;
		CHECK_INT(peek(true), 1 + (i - 1) * 37 % 900);
		for (size_t at = 0; at < 1 + (i - 1) * 37 % 900; at++)
			CHECK_INT(out[at], (uint8_t)(i - 1));
		CHECK_INT(queue_advance(&q, peek(false)), 2);
	}
}

static void test_the_position_never_steps_back(void **state)
{
	const struct queue_mark now = { 9, 4 };

	(void)state;
	CHECK_INT(queue_position(&q, now).seq, 9);
	CHECK(put(1, 3) && put(5, 3));
	CHECK_INT(queue_position(&q, now).seq, 0);
	CHECK_INT(queue_advance(&q, 3), 1);
	CHECK_INT(queue_position(&q, now).seq, 1);
	CHECK_INT(queue_advance(&q, 3), 1);
	CHECK_INT(queue_position(&q, now).seq, 9);
	CHECK_INT(queue_position(&q, now).dropped, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_an_empty_queue_has_no_span, reset),
		cmocka_unit_test_setup(test_frames_leave_in_order_at_every_cut, reset),
		cmocka_unit_test_setup(test_a_half_sent_frame_goes_again_whole, reset),
		cmocka_unit_test_setup(test_what_does_not_fit_changes_nothing, reset),
		cmocka_unit_test_setup(test_the_number_of_frames_is_bounded_too, reset),
		cmocka_unit_test_setup(test_frames_wrap_around_the_ring, reset),
		cmocka_unit_test_setup(test_the_position_never_steps_back, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
