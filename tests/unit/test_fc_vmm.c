/* SPDX-License-Identifier: Apache-2.0
 *
 * What a VMM answers: exactly one answer is taken, and of its state what can be shown.
 */
#include "check.h"

#include "probe/fc_vmm.h"

#define HEAD "HTTP/1.1 200 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n"
#define BODY                                                                                       \
	"{\"id\":\"pre\",\"state\":\"Not "                                                         \
	"started\",\"vmm_version\":\"1.16.1\",\"app_name\":\"Firecracker\"}"

static struct cht_bytes bytes_of(const char *text)
{
	return (struct cht_bytes){ (const uint8_t *)text, strlen(text) };
}

static void test_exactly_one_answer_is_taken(void **state)
{
	static const struct {
		const char *text;
		int r;
		unsigned status;
		const char *body;
	} rows[] = {
		{ HEAD "Content-Length: 2\r\n\r\n{}", 0, 200, "{}" },
		{ HEAD "content-length:2\r\n\r\n{}", 0, 200, "{}" },
		{ "HTTP/1.1 204 \r\nServer: x\r\n\r\n", 0, 204, "" },
		{ "HTTP/1.1 503\r\nServer: x\r\n\r\n{\"error\":\"\n\"}", 0, 503,
		  "{\"error\":\"\n\"}" },
		{ "HTTP/1.1 400 Bad\r\nContent-Length: 1\r\n\r\nx", 0, 400, "x" },
		{ "", CHT_E_PARSE, 0, NULL },
		{ "HTTP/1.1 200 ", CHT_E_PARSE, 0, NULL },
		{ "HTTP/1.1 200 \r\n", CHT_E_PARSE, 0, NULL },
		{ HEAD "Content-Length: 2\r\n\r\n{", CHT_E_PARSE, 0, NULL },
		{ HEAD "Content-Length: 2\r\n\r\n{}x", CHT_E_PARSE, 0, NULL },
		{ HEAD "Content-Length: -2\r\n\r\n{}", CHT_E_PARSE, 0, NULL },
		{ HEAD "Content-Length: 02\r\n\r\n{}", CHT_E_PARSE, 0, NULL },
		{ HEAD "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", CHT_E_PARSE, 0, NULL },
		{ HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", CHT_E_PARSE, 0,
		  NULL },
		{ HEAD "\r\n{}", CHT_E_PARSE, 0, NULL },
		{ HEAD "no colon\r\nContent-Length: 2\r\n\r\n{}", CHT_E_PARSE, 0, NULL },
		{ HEAD "Content-Length: 2\n\n{}", CHT_E_PARSE, 0, NULL },
		{ "HTTP/2 200 \r\nContent-Length: 2\r\n\r\n{}", CHT_E_PARSE, 0, NULL },
		{ "HTTP/1.1 2000\r\nContent-Length: 2\r\n\r\n{}", CHT_E_PARSE, 0, NULL },
		{ "HTTP/1.1 099 \r\nContent-Length: 2\r\n\r\n{}", CHT_E_PARSE, 0, NULL },
		{ "HTTP/1.1 204 \r\n\r\n{}", CHT_E_PARSE, 0, NULL },
		{ BODY, CHT_E_PARSE, 0, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cht_bytes body = { NULL, 0 };
		unsigned status = 0;

		check_row = rows[i].text;
		CHECK_INT(fc_http_parse(bytes_of(rows[i].text), &status, &body), rows[i].r);
		if (rows[i].r < 0)
			continue;
		CHECK_INT(status, rows[i].status);
		CHECK_STR(((struct cht_str){ (const char *)body.ptr, body.len }), rows[i].body);
	}
}

static void test_of_a_state_what_can_be_shown(void **state)
{
	static const struct {
		const char *body, *shown;
		bool is_booted;
	} rows[] = {
		{ BODY, "{\"id\":\"pre\",\"state\":\"Not started\",\"version\":\"1.16.1\"}",
		  false },
		{ "{\"state\":\"Running\"}", "{\"state\":\"Running\"}", true },
		{ "{\"state\":\"Paused\",\"id\":7}", "{\"state\":\"Paused\"}", true },
		{ "{\"state\":\"x\\ny\",\"id\":\"\xc3\xa9\"}", "{}", false },
		{ "{\"state\":\"123456789012345678901234567890123\"}", "{}", false },
		{ "{}", "{}", false },
		{ "[]", NULL, false },
		{ "{\"state\":\"a\",\"state\":\"b\"}", NULL, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fc_value values[16];
		struct fc_doc doc = { .values = values, .cap = 16 };
		struct fc_vmm vmm = { .has_config = false };
		uint8_t copy[128], out[256];
		struct buf b = buf_init(out, sizeof(out));

		check_row = rows[i].body;
		memcpy(copy, rows[i].body, strlen(rows[i].body));
		CHECK_INT(fc_vmm_read_state(&vmm, &doc, copy, strlen(rows[i].body)),
			  rows[i].shown != NULL ? 0 : CHT_E_PARSE);
		CHECK_INT(fc_vmm_is_booted(&vmm), rows[i].is_booted);
		fc_vmm_put(&b, &vmm);
		CHECK_STR(((struct cht_str){ (char *)out, buf_len(&b) }),
			  rows[i].shown != NULL ? rows[i].shown : "{}");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exactly_one_answer_is_taken),
		cmocka_unit_test(test_of_a_state_what_can_be_shown),
	};

	return cmocka_run_group_tests_name("fc_vmm", tests, NULL, NULL);
}
