/* SPDX-License-Identifier: Apache-2.0
 *
 * sample_bundle.h - evidence bundles: usual, least and most.
 */
#ifndef TESTS_SAMPLE_BUNDLE_H
#define TESTS_SAMPLE_BUNDLE_H

#include "base/buf.h"
#include "base/bytes.h"
#include "cell/bundle.h"

struct sample_bundle {
	struct bundle_seen seen;
	char lifecycle[BUNDLE_LIFECYCLE_MAX + 1], exception[2052];
};

#define SAMPLE_DESTROYED                                                                           \
	"{\"id\":\"urn:x:9\",\"time\":\"2025-11-05T13:20:00Z\",\"type\":\"cell.v1.destroyed\"}"

/* A bundle as large as one can be. */
static void sample_most_bundle(struct sample_bundle *x, struct facts_bundle *f)
{
	struct buf b = buf_init(x->lifecycle, sizeof(x->lifecycle) - 1);
	struct buf text = buf_init(x->exception, sizeof(x->exception));
	enum { ONE = 256 + 27 };

	while ((size_t)(b.end - b.at) > ONE) {
		buf_put_str(&b, buf_len(&b) > 0 ? STR(",") : STR(""));
		buf_put_lit(&b, "{\"id\":\"");
		for (int i = 0; i < 128; i++)
			buf_put_lit(&b, "\\\\");
		buf_put_lit(&b, "\",\"type\":\"spawned\"}");
	}
	f->lifecycle = (struct cht_str){ x->lifecycle, buf_len(&b) };
	buf_put_byte(&text, '"');
	for (int i = 0; i < 1024; i++)
		buf_put_lit(&text, "\\\\");
	buf_put_byte(&text, '"');
	f->residue_class = STR("\"documented_exception\"");
	f->residue_exception = (struct cht_str){ x->exception, buf_len(&text) };
	f->omitted = UINT64_MAX;
	memset(&x->seen, 0, sizeof(x->seen));
	for (unsigned i = 0; i < BUNDLE_REFS_MAX; i++)
		bundle_note(&x->seen, EV_GUEST_NET_CONNECT_ATTEMPTED, UINT64_C(0xffffffffff00) + i);
}

static void sample_bundle(struct sample_bundle *x, struct facts_bundle *f, bool is_least,
			  bool is_most)
{
	*f = (struct facts_bundle){ .destroyed = STR(SAMPLE_DESTROYED),
				    .lifecycle = STR(SAMPLE_DESTROYED),
				    .seen = &x->seen };
	if (is_least)
		return;
	f->lifecycle =
		STR("{\"id\":\"a\",\"type\":\"cell.v1.started\"},"
		    "{\"id\":\"b\",\"type\":\"cell.command.v1.completed\"}," SAMPLE_DESTROYED);
	f->residue_class = STR("\"none\"");
	bundle_note(&x->seen, EV_GUEST_PROCESS_SPAWNED, 3);
	bundle_note(&x->seen, EV_CHANNEL_OPENED, 4);
	bundle_note(&x->seen, EV_PROBE_CGROUP, 5);
	bundle_note(&x->seen, EV_GUEST_AGENT_SILENCED, 6);
	if (is_most)
		sample_most_bundle(x, f);
}

#endif
