/* SPDX-License-Identifier: Apache-2.0
 *
 * libcht's listener and connections over real sockets; the clock is invented.
 */
#include "channel_dir.h"

#include <cht/sign.h>

#include "base/limits.h"

#define START (100 * NS_PER_S)

static struct cht_listener *listener;
static struct cht_connection *connection;
static struct cht_cell *cell;
static struct cht_now now;
static int guest;

static int open_all(void **state)
{
	struct cht_listener_options where = CHT_LISTENER_OPTIONS_INIT;
	struct cht_cell_options who = { .cell_id = STR("cell-1") };
	struct cht_err err;

	(void)state;
	now = (struct cht_now){ 7, START, 8 };
	where.path = in_dir("lib");
	CHECK_INT(cht_listener_bind(&listener, &where, &err), 0);
	CHECK_INT(cht_cell_new(&cell, &who, &now, &err), 0);
	CHECK_INT(cht_accept(listener, &connection, &err), 0);
	guest = dial(where.path, 0);
	CHECK(guest >= 0);
	CHECK_INT(cht_accept(listener, &connection, &err), 1);
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	if (guest >= 0)
		close(guest);
	cht_connection_free(connection);
	cht_listener_free(listener);
	cht_cell_free(cell);
	return 0;
}

static size_t good_frame(uint8_t *out, size_t cap)
{
	struct cht_declaration d = { .content_version = 1,
				     .source_text = STR("process.spawned"),
				     .comm = STR("sh"),
				     .pid = 42,
				     .monotonic_ns = 5 };
	int n = cht_encode(&d, out, cap);

	CHECK(n > 0);
	return (size_t)n;
}

static void say(const void *bytes, size_t n)
{
	CHECK_INT(write(guest, bytes, n), n);
}

static int hear(const struct cht_stamped **s, struct cht_err *err)
{
	return cht_recv_stamped(connection, cell, &now, s, err);
}

static void test_each_frame_of_one_write_is_handed_out(void **state)
{
	uint8_t bytes[512];
	size_t n = good_frame(bytes, 256);
	const struct cht_stamped *s;
	struct cht_declaration d;
	struct cht_err err;

	(void)state;
	(void)good_frame(bytes + n, 256);
	say(bytes, 2 * n);
	CHECK_INT(hear(&s, &err), CHT_RECEIVED_FRAME);
	CHECK_STR(cht_stamped_cell_id(s), "cell-1");
	CHECK_INT(cht_stamped_sequence(s), 1);
	CHECK_INT(cht_stamped_received_realtime_ns(s), 7);
	CHECK_INT(cht_stamped_declaration(s)->pid, 42);
	CHECK_INT(hear(&s, &err), CHT_RECEIVED_FRAME);
	CHECK_INT(cht_stamped_sequence(s), 2);
	CHECK_INT(hear(&s, &err), CHT_RECEIVED_NOTHING);
	say(bytes, n);
	CHECK_INT(cht_recv_declaration(connection, START, &d, NULL, &err), CHT_RECEIVED_FRAME);
	CHECK_STR(d.source_text, "process.spawned");
}

static void test_a_frame_in_single_bytes_is_one(void **state)
{
	uint8_t bytes[256];
	size_t n = good_frame(bytes, sizeof(bytes));
	const struct cht_stamped *s;
	struct cht_err err;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		CHECK_INT(hear(&s, &err), CHT_RECEIVED_NOTHING);
		say(bytes + i, 1);
	}
	CHECK_INT(hear(&s, &err), CHT_RECEIVED_FRAME);
	CHECK_INT(hear(&s, &err), CHT_RECEIVED_NOTHING);
}

/* A frame of the largest size: unknown text fills it up. */
static size_t largest_frame(uint8_t *out)
{
	uint8_t *at = out + good_frame(out, 256);
	size_t fill = CHT_FRAME_HEAD_BYTES + CHT_FRAME_MAX_BYTES - (size_t)(at - out) - 2 - 3;

	out[CHT_FRAME_HEAD_BYTES]++; /* one pair more in the map */
	*at++ = 0x61;
	*at++ = 'x';
	*at++ = 0x79;
	be16_store(at, (uint16_t)fill);
	memset(at + 2, 'x', fill);
	le32_store(out, CHT_FRAME_MAX_BYTES);
	return CHT_FRAME_HEAD_BYTES + CHT_FRAME_MAX_BYTES;
}

static void test_the_largest_frame_comes_through_in_any_pieces(void **state)
{
	static uint8_t bytes[CHT_FRAME_HEAD_BYTES + CHT_FRAME_MAX_BYTES];
	size_t n = largest_frame(bytes);
	const struct cht_stamped *s;
	struct cht_err err = { .code = 0 };

	(void)state;
	for (size_t piece = 1000; piece < 40000; piece += 7777) {
		for (size_t at = 0; at < n; at += piece) {
			CHECK_INT(hear(&s, &err), CHT_RECEIVED_NOTHING);
			say(bytes + at, piece < n - at ? piece : n - at);
		}
		if (hear(&s, &err) != CHT_RECEIVED_FRAME)
			fprintf(stderr, "%zu: %s\n", piece, err.text);
		CHECK_STR(cht_stamped_declaration(s)->source_text, "process.spawned");
	}
}

static void test_a_refused_frame_is_told_and_the_next_is_read(void **state)
{
	static const uint8_t not_a_map[] = { 1, 0, 0, 0, 0x80 };
	uint8_t bytes[256];
	size_t n = good_frame(bytes, sizeof(bytes)), version = n;
	struct cht_declaration d;
	struct cht_wire_fault why;
	const struct cht_stamped *s;
	struct cht_err err;

	(void)state;
	say(not_a_map, sizeof(not_a_map));
	CHECK_INT(hear(&s, &err), CHT_RECEIVED_REFUSED);
	CHECK_INT(err.code, CHT_E_WIRE);
	CHECK(strstr(err.text, "type at byte 0") != NULL);
	say(not_a_map, sizeof(not_a_map));
	CHECK_INT(cht_recv_declaration(connection, START, &d, &why, &err), CHT_RECEIVED_REFUSED);
	CHECK_INT(why.fault, CHT_FAULT_TYPE);
	/* The value of content_version stands right after its key: 1 becomes a head of two bytes.
	 */
	for (size_t i = 0; i < n; i++)
		if (bytes[i] == 1 && memcmp(bytes + i - 15, "content_version", 15) == 0)
			version = i;
	CHECK(version < n);
	memmove(bytes + version + 3, bytes + version + 1, n - version - 1);
	bytes[version] = 0x19;
	be16_store(bytes + version + 1, 0x0102);
	le32_store(bytes, (uint32_t)(n - CHT_FRAME_HEAD_BYTES + 2));
	say(bytes, n + 2);
	CHECK_INT(hear(&s, &err), CHT_RECEIVED_REFUSED);
	CHECK_INT(err.code, CHT_E_VERSION);
	CHECK_INT(err.value, 0x0102);
	n = good_frame(bytes, sizeof(bytes));
	say(bytes, n);
	CHECK_INT(hear(&s, &err), CHT_RECEIVED_FRAME);
}

static void test_every_end_has_its_name(void **state)
{
	static const struct {
		const char *why;
		size_t cut; /* bytes of a good frame that come before the end */
		int want;
		const char *text;
	} rows[] = { { "between frames", 0, CHT_RECEIVED_EOF, "" },
		     { "inside a length", 1, CHT_E_WIRE, "inside a length" },
		     { "inside a length", 3, CHT_E_WIRE, "inside a length" },
		     { "at the body", 4, CHT_E_WIRE, "inside a frame" },
		     { "inside a body", 20, CHT_E_WIRE, "inside a frame" } };
	uint8_t bytes[256];
	const struct cht_stamped *s;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cht_err err = { .code = 0 };

		check_row = rows[i].why;
		if (i > 0)
			(void)open_all(state);
		(void)good_frame(bytes, sizeof(bytes));
		say(bytes, rows[i].cut);
		CHECK_INT(hear(&s, &err), CHT_RECEIVED_NOTHING);
		close(guest);
		guest = -1;
		CHECK_INT(hear(&s, &err), rows[i].want);
		CHECK(strstr(err.text, rows[i].text) != NULL);
		if (i + 1 < sizeof(rows) / sizeof(rows[0]))
			(void)close_all(state);
	}
}

static void test_a_length_that_cannot_be_ends_the_connection(void **state)
{
	static const uint32_t lengths[] = { 0, CHT_FRAME_MAX_BYTES + 1, UINT32_MAX };
	const struct cht_stamped *s;
	struct cht_err err;

	for (size_t i = 0; i < 3; i++) {
		uint8_t bytes[4];

		if (i > 0)
			(void)open_all(state);
		le32_store(bytes, lengths[i]);
		say(bytes, 4);
		CHECK_INT(hear(&s, &err), CHT_E_WIRE);
		CHECK(strstr(err.text, "65,536") != NULL);
		if (i < 2)
			(void)close_all(state);
	}
}

static void test_a_stall_is_told_at_its_deadline(void **state)
{
	const struct cht_stamped *s;
	struct cht_err err;
	uint8_t bytes[256];

	(void)state;
	CHECK(cht_connection_deadline(connection) == UINT64_MAX);
	(void)good_frame(bytes, sizeof(bytes));
	say(bytes, 10);
	CHECK_INT(hear(&s, &err), CHT_RECEIVED_NOTHING);
	CHECK(cht_connection_deadline(connection) == START + LIMIT_STALL_NS);
	now.monotonic_ns = START + LIMIT_STALL_NS - 1;
	CHECK_INT(hear(&s, &err), CHT_RECEIVED_NOTHING);
	now.monotonic_ns++;
	CHECK_INT(hear(&s, &err), CHT_E_WIRE);
	CHECK(strstr(err.text, "30 s") != NULL);
}

/* Reads an event's short name out of its bytes. */
static bool is_event(const struct cht_stamped *s, const char *name)
{
	static uint8_t out[CHT_EVENT_MAX_BYTES + 1];
	char type[96];
	int n = cht_stamp_and_sign(NULL, s, NULL, out, CHT_EVENT_MAX_BYTES);

	CHECK(n > 0);
	out[n] = '\0';
	(void)snprintf(type, sizeof(type), "observability.v1.%s\"", name);
	return strstr((const char *)out, type) != NULL;
}

static void test_the_cell_tells_of_its_connections(void **state)
{
	static const uint8_t not_a_map[] = { 1, 0, 0, 0, 0x80 };
	const struct cht_stamped *s;
	struct cht_err err;

	(void)state;
	say(not_a_map, sizeof(not_a_map));
	CHECK(cht_cell_deadline(cell) == START + 60 * NS_PER_S);
	CHECK_INT(hear(&s, &err), CHT_RECEIVED_REFUSED);
	CHECK_INT(cht_cell_deadline(cell), 0);
	CHECK(is_event(cht_cell_next(cell, &now), "channel.opened"));
	CHECK(is_event(cht_cell_next(cell, &now), "frames.refused"));
	CHECK(cht_cell_next(cell, &now) == NULL);
	close(guest);
	guest = -1;
	CHECK_INT(hear(&s, &err), CHT_RECEIVED_EOF);
	CHECK(is_event(cht_cell_next(cell, &now), "channel.closed"));
	CHECK(cht_cell_next(cell, &now) == NULL);
	now.monotonic_ns = cht_cell_deadline(cell);
	CHECK(is_event(cht_cell_next(cell, &now), "guest.agent_silenced"));
	CHECK(is_event(cht_cell_next(cell, &now), "cell.state_changed"));
	CHECK(cht_cell_next(cell, &now) == NULL);
	CHECK(cht_cell_deadline(cell) == UINT64_MAX);
}

static void test_over_the_limit_is_accepted_and_closed(void **state)
{
	struct cht_listener_options where = CHT_LISTENER_OPTIONS_INIT;
	struct cht_connection *first, *second;
	struct cht_listener *small;
	struct cht_err err;
	int a, b;
	char c;

	(void)state;
	where.path = in_dir("small");
	where.max_connections = 1;
	CHECK_INT(cht_listener_bind(&small, &where, &err), 0);
	a = dial(where.path, 0);
	b = dial(where.path, 0);
	CHECK_INT(cht_accept(small, &first, &err), 1);
	CHECK_INT(cht_accept(small, &second, &err), CHT_E_LIMIT);
	CHECK_INT(read(b, &c, 1), 0);
	check_row = "and there is room again";
	cht_connection_free(first);
	close(b);
	b = dial(where.path, 0);
	CHECK_INT(cht_accept(small, &first, &err), 1);
	cht_connection_free(first);
	close(a);
	close(b);
	cht_listener_free(small);
	check_row = "another user's is closed, too";
	where.expected_uid = (int64_t)getuid() + 1;
	CHECK_INT(cht_listener_bind(&small, &where, &err), 0);
	a = dial(where.path, 0);
	CHECK_INT(cht_accept(small, &first, &err), CHT_E_PEER);
	CHECK_INT(read(a, &c, 1), 0);
	close(a);
	cht_listener_free(small);
}

static void test_what_cannot_be_made_says_why(void **state)
{
	struct cht_listener_options where = CHT_LISTENER_OPTIONS_INIT;
	struct cht_cell_options who = { .cell_id = STR("no good") };
	struct cht_listener *none = NULL;
	struct cht_cell *no_cell = NULL;
	struct cht_err err;

	(void)state;
	where.path = in_dir("lib"); /* served by the listener of every test here */
	CHECK_INT(cht_listener_bind(&none, &where, &err), CHT_E_BIND);
	CHECK(none == NULL && err.text[0] != '\0');
	CHECK_INT(cht_cell_new(&no_cell, &who, &now, &err), CHT_E_RANGE);
	CHECK(no_cell == NULL && err.text[0] != '\0');
	cht_listener_free(NULL);
	cht_connection_free(NULL);
	cht_cell_free(NULL);
}

static void test_stamping_now_uses_the_hosts_clocks(void **state)
{
	struct cht_declaration d = { .source_text = STR("a.b") };
	struct cht_frame_facts facts = { .connection = 1 };
	struct cht_now before, after;
	int64_t at;

	(void)state;
	cht_now(&before);
	at = cht_stamped_received_realtime_ns(cht_stamp_now(cell, &d, &facts));
	cht_now(&after);
	CHECK(before.realtime_ns <= at && at <= after.realtime_ns);
	CHECK(before.monotonic_ns <= after.monotonic_ns && before.monotonic_ns > 0);
	CHECK(before.boottime_ns >= before.monotonic_ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_frame_of_one_write_is_handed_out,
						open_all, close_all),
		cmocka_unit_test_setup_teardown(test_a_frame_in_single_bytes_is_one, open_all,
						close_all),
		cmocka_unit_test_setup_teardown(test_the_largest_frame_comes_through_in_any_pieces,
						open_all, close_all),
		cmocka_unit_test_setup_teardown(test_a_refused_frame_is_told_and_the_next_is_read,
						open_all, close_all),
		cmocka_unit_test_setup_teardown(test_every_end_has_its_name, open_all, close_all),
		cmocka_unit_test_setup_teardown(test_a_length_that_cannot_be_ends_the_connection,
						open_all, close_all),
		cmocka_unit_test_setup_teardown(test_a_stall_is_told_at_its_deadline, open_all,
						close_all),
		cmocka_unit_test_setup_teardown(test_the_cell_tells_of_its_connections, open_all,
						close_all),
		cmocka_unit_test_setup_teardown(test_over_the_limit_is_accepted_and_closed,
						open_all, close_all),
		cmocka_unit_test_setup_teardown(test_what_cannot_be_made_says_why, open_all,
						close_all),
		cmocka_unit_test_setup_teardown(test_stamping_now_uses_the_hosts_clocks, open_all,
						close_all),
	};

	return cmocka_run_group_tests_name("lib_receive", tests, setup, teardown);
}
