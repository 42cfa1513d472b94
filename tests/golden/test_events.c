/* SPDX-License-Identifier: Apache-2.0
 *
 * The fields of each event that another implementation signed, rendered in its shape, are the
 * bytes that it signed.
 */
#include <jansson.h>

#include "check.h"

#include "base/text.h"
#include "event/event.h"

enum { LINE_MAX_BYTES = 16384, N_VECTORS = 16 };

static const char *text_at(const json_t *object, const char *a, const char *b)
{
	const json_t *value = json_object_get(object, a);

	if (b != NULL)
		value = json_object_get(value, b);
	assert_non_null(json_string_value(value));
	return json_string_value(value);
}

/* From the line itself: the JSON library reads no number above 2^63 - 1. */
static uint64_t number_in(const char *line, const char *key)
{
	char quoted[64];
	const char *p;
	uint64_t v = 0;

	snprintf(quoted, sizeof(quoted), "\"%s\":", key);
	p = strstr(line, quoted);
	assert_non_null(p);
	p += strlen(quoted);
	CHECK(read_u64((struct cht_str){ p, strspn(p, "0123456789") }, UINT64_MAX, &v));
	return v;
}

static void copy(char *out, size_t cap, const char *text)
{
	assert_true(strlen(text) < cap);
	memcpy(out, text, strlen(text) + 1);
}

static void check_line(const char *line, const json_t *vector)
{
	const json_t *event = json_object_get(json_object_get(vector, "envelope"), "event");
	const json_t *data = json_object_get(event, "data");
	const char *payload = text_at(vector, "signingPayloadHex", NULL);
	struct cht_event_options options = { .shape = CHT_SHAPE_RUST };
	struct run_names names;
	struct run run = {
		.sequence = 1, .cell_id = names.cell_id, .run_id = names.run_id, .spec = names.spec
	};
	struct cht_declaration d = { .pid = (uint32_t)number_in(line, "guestPid") };
	struct cht_stamped s = { .run = &run, .guest = &d };
	uint8_t want[LINE_MAX_BYTES], *got = malloc(CHT_EVENT_MAX_BYTES);
	size_t len;
	int n;

	assert_non_null(got);
	s.kind = event_type_find(str_of(text_at(event, "type", NULL)))->kind;
	d.monotonic_ns = number_in(line, "guestMonotonicNs");
	d.comm = str_of(text_at(data, "guest", "guestComm"));
	d.source_text = str_of(text_at(data, "guest", "probeSource"));
	copy(names.cell_id, sizeof(names.cell_id), text_at(data, "host", "cellId"));
	copy(names.run_id, sizeof(names.run_id), text_at(data, "host", "runId"));
	copy(names.spec, sizeof(names.spec), text_at(data, "host", "specSignatureHash"));
	CHECK(read_rfc3339(str_of(text_at(event, "time", NULL)), &s.at.realtime_ns));
	s.at.realtime_ns += 999999999; /* it is cut, not rounded */
	options.id = str_of(text_at(event, "id", NULL));
	options.source = str_of(text_at(event, "source", NULL));
	CHECK(read_hex(str_of(payload), want, sizeof(want), &len));
	n = cht_event_render(&s, &options, got, CHT_EVENT_MAX_BYTES);
	check_row = options.id.ptr;
	CHECK(n > 0);
	CHECK_STRS(((struct cht_str){ (char *)got, (size_t)n }),
		   ((struct cht_str){ (char *)want, len }));
	options.type = str_of(text_at(event, "type", NULL));
	CHECK_INT(cht_event_render(&s, &options, got, CHT_EVENT_MAX_BYTES), n);
	CHECK(memcmp(got, want, len) == 0);
	free(got);
}

static void test_each_signed_payload_is_rendered_from_its_fields(void **state)
{
	const char *root = getenv("CHT_SOURCE_ROOT");
	char path[1024], line[LINE_MAX_BYTES];
	unsigned n = 0;
	FILE *file;

	(void)state;
	snprintf(path, sizeof(path), "%s/tests/golden/envelopes.jsonl", root != NULL ? root : ".");
	file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		json_t *vector = json_loads(line, JSON_DECODE_INT_AS_REAL, NULL);

		assert_non_null(vector);
		check_line(line, vector);
		json_decref(vector);
		n++;
	}
	fclose(file);
	CHECK_INT(n, N_VECTORS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_signed_payload_is_rendered_from_its_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
