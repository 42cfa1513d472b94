/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking into what was scanned: members of data, an id, and the envelope around an event.
 */
#include "event/event.h"

#include "base/bytes.h"
#include "event/in.h"

/* Ends of tokens in text that event_scan took; never beyond the end in any other. */
static size_t string_end(struct cht_str s, size_t at)
{
	for (at++; at < s.len && s.ptr[at] != '"'; at++)
		if (s.ptr[at] == '\\')
			at++;
	return at < s.len ? at + 1 : s.len;
}

static size_t value_end(struct cht_str s, size_t at)
{
	unsigned depth = 0;

	while (at < s.len) {
		char c = s.ptr[at];

		if (c == '"') {
			at = string_end(s, at);
		} else if (c == '{' || c == '[') {
			depth++;
			at++;
		} else if (c == '}' || c == ']' || c == ',') {
			if (depth == 0)
				return at;
			depth -= c != ',';
			at++;
		} else {
			at++;
		}
		if (depth == 0 && at < s.len && (s.ptr[at] == ',' || s.ptr[at] == '}'))
			return at;
	}
	return s.len;
}

bool event_data_find(struct cht_str data, const char *path, struct cht_str *value)
{
	struct cht_str rest = str_of(path);
	size_t at = 1; /* past a brace: at a key, or at the closing brace */

	while (at < data.len && data.ptr[at] == '"') {
		size_t end = string_end(data, at);
		struct cht_str key = { data.ptr + at + 1, end - at - 2 };
		size_t from = end + 1, to = value_end(data, from);

		if (end <= at + 1 || from > data.len)
			return false;
		if (str_eq(rest, key)) {
			*value = (struct cht_str){ data.ptr + from, to - from };
			return true;
		}
		/* A key may have dots itself: "run.opened" in counts. */
		if (str_starts(rest, key) && rest.ptr[key.len] == '.' && from < data.len &&
		    data.ptr[from] == '{') {
			rest = (struct cht_str){ rest.ptr + key.len + 1, rest.len - key.len - 1 };
			at = from + 1;
			continue;
		}
		at = to < data.len && data.ptr[to] == ',' ? to + 1 : data.len;
	}
	return false;
}

bool event_data_u64(struct cht_str data, const char *path, uint64_t *value)
{
	struct cht_str text;

	if (!event_data_find(data, path, &text))
		return false;
	if (text.len >= 2 && text.ptr[0] == '"')
		text = (struct cht_str){ text.ptr + 1, text.len - 2 };
	return read_u64(text, UINT64_MAX, value);
}

bool event_list_next(struct cht_str *rest, struct cht_str *value)
{
	size_t at = rest->len > 0 && (rest->ptr[0] == '[' || rest->ptr[0] == ','), end;

	if (at >= rest->len || rest->ptr[at] == ']')
		return false;
	end = value_end(*rest, at);
	*value = (struct cht_str){ rest->ptr + at, end - at };
	*rest = (struct cht_str){ rest->ptr + end, rest->len - end };
	return true;
}

bool event_id_read(struct cht_str id, struct run_bits *bits, uint64_t *sequence)
{
	static const struct cht_str prefix = STR_INIT("urn:cellos:event:");
	static const uint8_t groups[] = { 8, 4, 4, 4, 12 };
	uint64_t parts[sizeof(groups)];
	struct cht_str rest = { id.ptr + prefix.len, id.len - prefix.len };

	if (id.len != prefix.len + UUID_LEN || !str_starts(id, prefix))
		return false;
	for (size_t g = 0; g < sizeof(groups); g++) {
		if (g > 0 && *rest.ptr++ != '-')
			return false;
		parts[g] = 0;
		for (unsigned i = 0; i < groups[g]; i++) {
			char c = *rest.ptr++;

			if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
				return false;
			parts[g] = parts[g] << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
		}
	}
	if (parts[2] >> 12 != 8 || parts[3] >> 14 != 2)
		return false;
	*sequence = parts[0] << 16 | parts[1];
	*bits = (struct run_bits){ parts[2] & 0xfff, (parts[3] & 0x3fff) << 48 | parts[4] };
	return true;
}

/* The last place where the members after the event can begin: a quote inside a string has a
 * backslash before it, so these bytes stand in none. */
static const uint8_t *find_tail(struct cht_bytes bytes)
{
	static const char tail[] = ",\"signerKid\":";
	const size_t len = sizeof(tail) - 1;

	for (size_t at = bytes.len < len ? 0 : bytes.len - len + 1; at-- > 0;)
		if (bytes.ptr[at] == ',' && memcmp(bytes.ptr + at, tail, len) == 0)
			return bytes.ptr + at;
	return NULL;
}

static bool comma_follows(const struct in *in)
{
	return !in->bad && in->at < in->end && *in->at == ',';
}

int envelope_scan(struct cht_bytes bytes, struct envelope_view *out, size_t *at)
{
	struct in in = { bytes.ptr, bytes.ptr + bytes.len, false };
	const uint8_t *tail = find_tail(bytes), *event;
	struct envelope_view view;

	in_lit(&in, "{\"event\":{");
	event = in.at - 1;
	if (!in.bad && tail == NULL)
		in_fail(&in, in.end);
	if (!in.bad && (tail <= event || tail[-1] != '}'))
		in_fail(&in, tail);
	if (!in.bad) {
		view.event = (struct cht_bytes){ event, (size_t)(tail - event) };
		in.at = tail;
	}
	in_lit(&in, ",\"signerKid\":");
	view.kid = in_string(&in);
	in_lit(&in, ",\"algorithm\":");
	view.algorithm = in_string(&in);
	in_lit(&in, ",\"signature\":");
	view.signature = in_string(&in);
	if (comma_follows(&in) && (size_t)(in.end - in.at) > 5 && in.at[5] == 'B') {
		in_lit(&in, ",\"notBefore\":");
		(void)in_string(&in);
	}
	if (comma_follows(&in)) {
		in_lit(&in, ",\"notAfter\":");
		(void)in_string(&in);
	}
	in_lit(&in, "}");
	if (!in.bad && in.at != in.end)
		in_fail(&in, in.at);
	if (in.bad) {
		*at = (size_t)(in.at - bytes.ptr);
		return CHT_E_PARSE;
	}
	*out = view;
	return 0;
}
