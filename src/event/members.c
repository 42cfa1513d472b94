/* SPDX-License-Identifier: Apache-2.0 */
#include "event/members.h"

#include <assert.h>
#include <string.h>

#include "base/bytes.h"
#include "base/json.h"
#include "event/out.h"

static void put_text(struct buf *b, struct cht_str s)
{
	size_t most = s.len > SIZE_MAX / 8 ? SIZE_MAX : OUT_ESCAPE_MAX * s.len + OUT_SLACK;
	uint8_t *p = buf_room(b, most);

	if (p == NULL)
		return;
	*p++ = '"';
	p = out_text(p, s);
	*p++ = '"';
	b->at = p;
}

static void put_host(struct buf *b, const struct cht_stamped *s)
{
	struct members m = members_open(b, NULL);

	members_decimal(&m, "hostBootNs", s->at.boottime_ns);
	members_close(&m);
}

static void put_inputs(struct buf *b, const struct cht_stamped *s)
{
	struct members m = members_open(b, NULL);

	members_key(&m, "from");
	buf_put_str(b, str_of(event_types[s->kind].inputs));
	members_close(&m);
}

static void put_output(struct buf *b, const struct cht_stamped *s)
{
	/* Of what is declared only the orchestrator's is written member by member. */
	if (strcmp(event_types[s->kind].provenance, CHT_PROVENANCE_DECLARED) == 0)
		buf_put_lit(b, "{\"declaredBy\":\"orchestrator\",\"stampedBy\":\"host\"}");
	else
		buf_put_lit(b, "{\"stampedBy\":\"host\"}");
}

static void put_cell_id(struct buf *b, const struct cht_stamped *s)
{
	put_text(b, str_of(s->run->cell_id));
}

static void put_noticed_by(struct buf *b, const struct cht_stamped *s)
{
	put_text(b, str_of(event_types[s->kind].noticed_by));
}

static void put_provenance(struct buf *b, const struct cht_stamped *s)
{
	put_text(b, str_of(event_types[s->kind].provenance));
}

static void put_run_id(struct buf *b, const struct cht_stamped *s)
{
	put_text(b, str_of(s->run->run_id));
}

static void put_sequence(struct buf *b, const struct cht_stamped *s)
{
	put_u64(b, s->sequence);
}

static void put_spec(struct buf *b, const struct cht_stamped *s)
{
	put_text(b, str_of(s->run->spec));
}

/* What every event says, in ascending order of keys. */
static const struct {
	const char *key;
	void (*put)(struct buf *b, const struct cht_stamped *s);
} shared[] = {
	{ "cellId", put_cell_id },         { "host", put_host },
	{ "inputs", put_inputs },          { "output", put_output },
	{ "probeSource", put_noticed_by }, { "provenance", put_provenance },
	{ "runId", put_run_id },           { "sequence", put_sequence },
	{ "specSignatureHash", put_spec },
};

enum { N_SHARED = sizeof(shared) / sizeof(shared[0]) };

static void put_key(struct members *m, const char *key)
{
	assert(m->last == NULL || strcmp(m->last, key) < 0);
	if (m->last != NULL)
		buf_put_byte(m->b, ',');
	m->last = key;
	buf_put_byte(m->b, '"');
	buf_put_str(m->b, str_of(key));
	buf_put_lit(m->b, "\":");
}

/* Shared members with keys below this one; all that are left for null. */
static void put_shared(struct members *m, const char *below)
{
	while (m->common != NULL && m->next < N_SHARED &&
	       (below == NULL || strcmp(shared[m->next].key, below) < 0)) {
		put_key(m, shared[m->next].key);
		shared[m->next].put(m->b, m->common);
		m->next++;
	}
}

struct members members_open(struct buf *b, const struct cht_stamped *common)
{
	buf_put_byte(b, '{');
	return (struct members){ .b = b, .common = common, .next = 0, .last = NULL };
}

void members_key(struct members *m, const char *key)
{
	put_shared(m, key);
	put_key(m, key);
}

void members_u64(struct members *m, const char *key, uint64_t v)
{
	members_key(m, key);
	put_u64(m->b, v);
}

void members_i64(struct members *m, const char *key, int64_t v)
{
	members_key(m, key);
	put_i64(m->b, v);
}

void members_bool(struct members *m, const char *key, bool v)
{
	members_key(m, key);
	buf_put_str(m->b, v ? STR("true") : STR("false"));
}

void members_decimal(struct members *m, const char *key, uint64_t v)
{
	members_key(m, key);
	buf_put_byte(m->b, '"');
	put_u64(m->b, v);
	buf_put_byte(m->b, '"');
}

void members_text(struct members *m, const char *key, struct cht_str s)
{
	members_key(m, key);
	put_text(m->b, s);
}

void members_counts(struct members *m, const char *key, const uint64_t *counts, unsigned n,
		    const char *(*name)(unsigned))
{
	struct members inner;
	unsigned next;

	members_key(m, key);
	inner = members_open(m->b, NULL);
	do { /* the smallest name above the last one written: n is small */
		next = n;
		for (unsigned i = 0; i < n; i++)
			if (counts[i] > 0 &&
			    (inner.last == NULL || strcmp(name(i), inner.last) > 0) &&
			    (next == n || strcmp(name(i), name(next)) < 0))
				next = i;
		if (next < n)
			members_u64(&inner, name(next), counts[next]);
	} while (next < n);
	members_close(&inner);
}

void members_close(struct members *m)
{
	put_shared(m, NULL);
	buf_put_byte(m->b, '}');
}

void members_words(struct members *m, const char *key, struct cht_str words)
{
	bool is_first = true;

	members_key(m, key);
	buf_put_byte(m->b, '[');
	while (words.len > 0) {
		const char *blank = memchr(words.ptr, ' ', words.len);
		size_t n = blank != NULL ? (size_t)(blank - words.ptr) : words.len;
		size_t past = n + (blank != NULL);

		if (!is_first)
			buf_put_byte(m->b, ',');
		json_put_str(m->b, (struct cht_str){ words.ptr, n });
		is_first = false;
		words = (struct cht_str){ words.ptr + past, words.len - past };
	}
	buf_put_byte(m->b, ']');
}
