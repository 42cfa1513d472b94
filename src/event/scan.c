/* SPDX-License-Identifier: Apache-2.0
 *
 * The renderer's inverse. One pass, no recursion: what is open stands in a small stack, with
 * the key last read at each level, which the next must exceed.
 */
#include "event/event.h"

#include "base/bytes.h"
#include "event/in.h"

struct level {
	struct cht_str key; /* last one read; ptr null: none yet */
	bool is_array;
};

struct scan {
	struct in in;
	struct event_view view;
	struct cht_str host_cell_id, host_run_id, host_spec;
	struct cht_str *want; /* where the value to come goes: a string */
	bool want_sequence, has_boot, has_seq;
	unsigned depth;
	struct level levels[EVENT_DEPTH_MAX];
};

static bool key_is_above(struct cht_str key, struct cht_str last)
{
	size_t common = key.len < last.len ? key.len : last.len;
	int order;

	if (last.ptr == NULL)
		return true;
	if (common > 0 && key.ptr[0] != last.ptr[0])
		return (uint8_t)key.ptr[0] > (uint8_t)last.ptr[0];
	order = memcmp(key.ptr, last.ptr, common);
	return order > 0 || (order == 0 && key.len > last.len);
}

/* Where in the view a member of data goes, or null. */
static struct cht_str *wanted_of(struct scan *s, struct cht_str key)
{
	switch (key.len) {
	case 5: return str_eq(key, STR("runId")) ? &s->view.run_id : NULL;
	case 6: return str_eq(key, STR("cellId")) ? &s->view.cell_id : NULL;
	case 10: return str_eq(key, STR("provenance")) ? &s->view.provenance : NULL;
	case 17: return str_eq(key, STR("specSignatureHash")) ? &s->view.spec : NULL;
	default: return NULL;
	}
}

static struct cht_str *host_wanted_of(struct scan *s, struct cht_str key)
{
	struct cht_str *want = wanted_of(s, key);

	return want == &s->view.run_id    ? &s->host_run_id
	       : want == &s->view.cell_id ? &s->host_cell_id
	       : want == &s->view.spec    ? &s->host_spec
					  : NULL;
}

/* A key and its colon. */
static void read_key(struct scan *s)
{
	struct level *level = &s->levels[s->depth - 1];
	const uint8_t *start = s->in.at;
	struct cht_str key = in_key(&s->in);

	in_lit(&s->in, ":");
	if (s->in.bad)
		return;
	if (!key_is_above(key, level->key)) {
		in_fail(&s->in, start);
		return;
	}
	level->key = key;
	if (s->depth == 1) {
		s->want = wanted_of(s, key);
		s->want_sequence = str_eq(key, STR("sequence"));
	} else if (s->depth == 2 && str_eq(s->levels[0].key, STR("host"))) {
		s->want = host_wanted_of(s, key);
	} else if (s->depth == 2 && str_eq(s->levels[0].key, STR("channel"))) {
		s->has_boot = s->has_boot || str_eq(key, STR("agentBoot"));
		s->has_seq = s->has_seq || str_eq(key, STR("agentSeq"));
	}
}

/* An opening brace or bracket; what follows is a key, a value, or the end of it. */
static void open_level(struct scan *s, bool is_array)
{
	if (s->depth == EVENT_DEPTH_MAX) {
		in_fail(&s->in, s->in.at);
		return;
	}
	s->in.at++;
	s->levels[s->depth++] = (struct level){ { NULL, 0 }, is_array };
}

static void read_sequence(struct scan *s)
{
	const uint8_t *start = s->in.at;
	struct cht_str number = in_number(&s->in);

	if (!s->in.bad &&
	    (!read_u64(number, UINT64_MAX, &s->view.sequence) || s->view.sequence == 0))
		in_fail(&s->in, start);
	s->want_sequence = false;
}

static bool is_reading(const struct scan *s)
{
	return str_starts(s->view.type, STR(CHT_PROBE_TYPE_PREFIX));
}

/* Inside what a VMM wrote, whose numbers stand as they came, and whose nulls. */
static bool is_foreign(const struct scan *s)
{
	return s->depth >= 2 && str_eq(s->levels[1].key, STR("metrics")) &&
	       str_eq(s->levels[0].key, STR("output")) &&
	       str_eq(s->view.type, STR(CHT_PROBE_TYPE_PREFIX "fc_metrics"));
}

static void read_scalar(struct scan *s)
{
	uint8_t c = s->in.at < s->in.end ? *s->in.at : 0;

	if (s->want_sequence) {
		read_sequence(s);
	} else if (c == '"') {
		struct cht_str text = in_string(&s->in);

		if (s->want != NULL)
			*s->want = text;
	} else if (s->want != NULL) {
		in_fail(&s->in, s->in.at); /* attribution is text */
	} else if (c == 't') {
		in_lit(&s->in, "true");
	} else if (c == 'f') {
		in_lit(&s->in, "false");
	} else if (c == 'n' && is_foreign(s)) {
		in_lit(&s->in, "null");
	} else if (is_foreign(s)) {
		(void)in_any_number(&s->in);
	} else {
		(void)in_number(&s->in);
	}
	s->want = NULL;
}

/* After a value: closes what ends here, and reads the key if a member follows. True when a
 * value is to come. */
static bool value_follows(struct scan *s)
{
	while (!s->in.bad && s->depth > 0) {
		struct level *level = &s->levels[s->depth - 1];
		uint8_t c = s->in.at < s->in.end ? *s->in.at : 0;

		if (c == ',') {
			s->in.at++;
			if (!level->is_array)
				read_key(s);
			return !s->in.bad;
		}
		if (c != (level->is_array ? ']' : '}')) {
			in_fail(&s->in, s->in.at);
			return false;
		}
		s->in.at++;
		s->depth--;
	}
	return false;
}

/* One value, whatever it is, from where the reader stands. */
static void read_value(struct scan *s)
{
	bool more = true;

	while (more && !s->in.bad) {
		uint8_t c = s->in.at < s->in.end ? *s->in.at : 0;

		if ((c != '{' && c != '[') || s->want != NULL || s->want_sequence) {
			read_scalar(s);
			more = value_follows(s);
			continue;
		}
		open_level(s, c == '[');
		if (s->in.bad || s->in.at == s->in.end)
			in_fail(&s->in, s->in.at);
		else if (*s->in.at == (c == '[' ? ']' : '}'))
			more = value_follows(s);
		else if (c == '{')
			read_key(s);
	}
}

static void read_data(struct scan *s)
{
	const uint8_t *start = s->in.at;

	if (s->in.bad || start == s->in.end || *start != '{') {
		in_fail(&s->in, start);
		return;
	}
	read_value(s);
	s->view.data = (struct cht_str){ (const char *)start, (size_t)(s->in.at - start) };
}

/* Of a reading in the Rust shape: milliseconds. */
static bool is_time_ms(struct cht_str s)
{
	enum { DECIMALS = 6, MS_LEN = RFC3339_NS_LEN - DECIMALS };
	char whole[RFC3339_NS_LEN + 1];
	int64_t ns;

	if (s.len != MS_LEN)
		return false;
	memcpy(whole, s.ptr, MS_LEN - 1);
	memcpy(whole + MS_LEN - 1, "000000Z", DECIMALS + 1);
	return s.ptr[MS_LEN - 1] == 'Z' &&
	       read_rfc3339((struct cht_str){ whole, RFC3339_NS_LEN }, &ns);
}

static void read_time(struct scan *s)
{
	const uint8_t *start = s->in.at;
	int64_t ns;

	s->view.time = in_string(&s->in);
	if (s->in.bad || read_rfc3339(s->view.time, &ns) ||
	    (is_reading(s) && is_time_ms(s->view.time)))
		return;
	in_fail(&s->in, start);
}

/* What a declaration in the Rust shape says elsewhere. */
static void fill_from_rust(struct scan *s)
{
	struct run_bits bits;

	if (s->view.cell_id.ptr == NULL)
		s->view.cell_id = s->host_cell_id;
	if (s->view.run_id.ptr == NULL)
		s->view.run_id = s->host_run_id;
	if (s->view.spec.ptr == NULL)
		s->view.spec = s->host_spec;
	if (s->view.sequence == 0)
		(void)event_id_read(s->view.id, &bits, &s->view.sequence);
}

int event_scan(struct cht_bytes bytes, struct event_view *out, size_t *at)
{
	struct scan s;

	s.in = (struct in){ bytes.ptr, bytes.ptr + bytes.len, false };
	s.view = (struct event_view){ .sequence = 0 };
	s.host_cell_id = s.host_run_id = s.host_spec = (struct cht_str){ NULL, 0 };
	s.want = NULL;
	s.want_sequence = s.has_boot = s.has_seq = false;
	s.depth = 0;
	in_lit(&s.in, "{\"specversion\":\"1.0\",\"id\":");
	s.view.id = in_string(&s.in);
	in_lit(&s.in, ",\"source\":");
	s.view.source = in_string(&s.in);
	in_lit(&s.in, ",\"type\":");
	s.view.type = in_string(&s.in);
	in_lit(&s.in, ",\"datacontenttype\":\"application/json\",\"data\":");
	read_data(&s);
	in_lit(&s.in, ",\"time\":");
	read_time(&s);
	in_lit(&s.in, ",\"traceparent\":null}");
	if (!s.in.bad && s.in.at != s.in.end)
		in_fail(&s.in, s.in.at);
	if (s.in.bad) {
		*at = (size_t)(s.in.at - bytes.ptr);
		return CHT_E_PARSE;
	}
	fill_from_rust(&s);
	s.view.known = event_type_find(s.view.type);
	s.view.is_numbered = s.has_boot && s.has_seq;
	*out = s.view;
	return 0;
}
