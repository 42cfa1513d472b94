/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a line of metrics, and as an answer of a VMM's API. A document that is taken is
 * written in a form that is taken again, and written the same; as a reading it is an event that the
 * scanner takes. An answer that is taken has its body inside of it.
 */
#include "fuzz.h"

#include <string.h>

#include "base/bytes.h"
#include "event/event.h"
#include "probe/fc_totals.h"
#include "probe/fc_vmm.h"

static const struct run run = { .cell_id = "cell-abc", .run_id = "run-xyz", .spec = "spec" };

static struct fc_value values[FC_DOC_VALUES_MAX];

static int parse(struct fc_doc *doc, uint8_t *text, size_t len)
{
	size_t at = 0;
	int r;

	*doc = (struct fc_doc){ .values = values, .cap = FC_DOC_VALUES_MAX };
	r = fc_doc_parse(doc, text, len, &at);
	HOLDS(r == 0 || r == CHT_E_PARSE || r == CHT_E_LIMIT);
	HOLDS(at <= len && doc->n <= doc->cap);
	return r;
}

static void check_event(struct cht_str document)
{
	static char output[CHT_PROBE_OUTPUT_MAX_BYTES];
	static uint8_t event[CHT_EVENT_MAX_BYTES];
	struct buf b = buf_init(output, sizeof(output));
	struct cht_reading reading = { .inputs = STR_INIT("{}") };
	struct cht_stamped s = { .kind = EV_PROBE_FC_METRICS, .run = &run, .sequence = 1 };
	struct event_view v;
	size_t at;
	int n;

	buf_put_lit(&b, "{\"metrics\":");
	buf_put_str(&b, document);
	buf_put_byte(&b, '}');
	if (b.full)
		return;
	reading.output = (struct cht_str){ output, buf_len(&b) };
	s.facts.reading = &reading;
	n = cht_event_render(&s, NULL, event, sizeof(event));
	HOLDS(n > 0);
	HOLDS(event_scan((struct cht_bytes){ event, (size_t)n }, &v, &at) == 0);
}

static void check_document(const uint8_t *bytes, size_t len)
{
	static uint8_t copy[65536], first[6 * 65536], again[6 * 65536], second[6 * 65536];
	struct fc_totals totals = { .sum = { 0 } };
	struct fc_line_facts facts;
	struct fc_doc doc;
	const char *which;
	struct buf b;
	size_t n;

	memcpy(copy, bytes, len);
	if (parse(&doc, copy, len) < 0)
		return;
	(void)!fc_totals_add(&totals, &doc, &facts, &which);
	b = buf_init(first, sizeof(first));
	fc_doc_put(&b, &doc, FC_DOC_TOP);
	HOLDS(!b.full);
	n = buf_len(&b);
	memcpy(again, first, n);
	HOLDS(parse(&doc, again, n) == 0);
	b = buf_init(second, sizeof(second));
	fc_doc_put(&b, &doc, FC_DOC_TOP);
	HOLDS(buf_len(&b) == n && memcmp(first, second, n) == 0);
	check_event((struct cht_str){ (char *)first, n });
}

static void check_answer(const uint8_t *bytes, size_t len)
{
	static uint8_t copy[65536];
	struct cht_bytes body = { NULL, 0 };
	struct fc_doc doc = { .values = values, .cap = FC_DOC_VALUES_MAX };
	struct fc_vmm vmm = { .has_config = false };
	unsigned status = 0;

	memcpy(copy, bytes, len);
	if (fc_http_parse((struct cht_bytes){ copy, len }, &status, &body) < 0)
		return;
	HOLDS(status >= 100 && status <= 599);
	HOLDS(body.ptr >= copy && body.len <= len && body.ptr + body.len == copy + len);
	(void)!fc_vmm_read_state(&vmm, &doc, copy + (body.ptr - copy), body.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 65536)
		return 0;
	check_document(data, size);
	check_answer(data, size);
	return 0;
}
