/* SPDX-License-Identifier: Apache-2.0
 *
 * The payload of CHT_ORDER_SORTED is the event with its eight members in the order of their
 * names. `data` is sorted already, so the values are moved as they stand. The cut between
 * members follows strings and nesting only; whether a value is canonical is event_scan's matter.
 */
#include "base/bytes.h"
#include "sign/signer.h"

enum member { SPECVERSION, ID, SOURCE, TYPE, DATACONTENTTYPE, DATA, TIME, TRACEPARENT, N_MEMBERS };

static const char *const names[N_MEMBERS] = {
	[SPECVERSION] = "\"specversion\":",
	[ID] = "\"id\":",
	[SOURCE] = "\"source\":",
	[TYPE] = "\"type\":",
	[DATACONTENTTYPE] = "\"datacontenttype\":",
	[DATA] = "\"data\":",
	[TIME] = "\"time\":",
	[TRACEPARENT] = "\"traceparent\":",
};

static const enum member by_name[N_MEMBERS] = { DATA, DATACONTENTTYPE, ID,  SOURCE, SPECVERSION,
						TIME, TRACEPARENT,     TYPE };

/* What is left to read. */
struct rest {
	const char *at, *end;
};

static bool take(struct rest *in, struct cht_str text)
{
	if (!str_starts((struct cht_str){ in->at, (size_t)(in->end - in->at) }, text))
		return false;
	in->at += text.len;
	return true;
}

/* From a quote to past its partner. */
static bool skip_string(struct rest *in)
{
	for (in->at++; in->at < in->end; in->at++) {
		if (*in->at == '"') {
			in->at++;
			return true;
		}
		if (*in->at == '\\' && ++in->at == in->end)
			return false;
	}
	return false;
}

/* A value: to the comma or brace that ends it. */
static bool skip_value(struct rest *in)
{
	size_t depth = 0;
	const char *start = in->at;

	while (in->at < in->end) {
		char c = *in->at;

		if (c == '"') {
			if (!skip_string(in))
				return false;
			continue;
		}
		if (depth == 0 && (c == ',' || c == '}'))
			break;
		if (c == '{' || c == '[')
			depth++;
		else if ((c == '}' || c == ']') && depth-- == 0)
			return false;
		in->at++;
	}
	return depth == 0 && in->at > start && in->at < in->end;
}

static bool split(struct cht_bytes event, struct cht_str values[N_MEMBERS])
{
	struct rest in = { (const char *)event.ptr, (const char *)event.ptr + event.len };

	for (size_t i = 0; i < N_MEMBERS; i++) {
		if (!take(&in, i == 0 ? STR("{") : STR(",")) || !take(&in, str_of(names[i])))
			return false;
		values[i].ptr = in.at;
		if (!skip_value(&in))
			return false;
		values[i].len = (size_t)(in.at - values[i].ptr);
	}
	return take(&in, STR("}")) && in.at == in.end;
}

int sorted_payload(struct cht_signer *signer, struct cht_bytes event, struct cht_bytes *payload)
{
	struct buf b = buf_init(signer->sorted, CHT_EVENT_MAX_BYTES);
	struct cht_str values[N_MEMBERS];

	if (!split(event, values))
		return CHT_E_PARSE;
	for (size_t i = 0; i < N_MEMBERS; i++) {
		buf_put_byte(&b, i == 0 ? '{' : ',');
		buf_put_str(&b, str_of(names[by_name[i]]));
		buf_put_str(&b, values[by_name[i]]);
	}
	buf_put_byte(&b, '}');
	if (b.full)
		return CHT_E_FULL;
	*payload = buf_bytes(&b);
	return 0;
}
