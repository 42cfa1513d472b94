/* SPDX-License-Identifier: Apache-2.0
 *
 * Where in a frame a number stands is found by encoding two that differ in each of its bytes,
 * so that nothing here depends on how the encoder lays out a map.
 */
#include "cli/synth.h"

#include <string.h>

#include "base/bytes.h"
#include "base/err.h"

enum { HELLO_SOURCE_MAX = 32 }; /* in a coverage entry */

#define PATTERN_A UINT64_C(0x5555555555555555)
#define PATTERN_B UINT64_C(0xaaaaaaaaaaaaaaaa)

/* Largest value of a CBOR integer by the width of its argument; width 0 is in the head. */
static const uint64_t width_max[SYNTH_WIDTHS] = { 23, UINT8_MAX, UINT16_MAX, UINT32_MAX,
						  UINT64_MAX };

static unsigned width_of(uint64_t v)
{
	unsigned w = 0;

	while (v > width_max[w])
		w++;
	return w;
}

static void store(uint8_t *p, unsigned width, uint64_t v)
{
	switch (width) {
	case 2: be16_store(p, (uint16_t)v); break;
	case 3: be32_store(p, (uint32_t)v); break;
	case 4: be64_store(p, v); break;
	default: *p = (uint8_t)v; break;
	}
}

static int insert(uint8_t *frame, int len, size_t cap, size_t at, struct cht_bytes more)
{
	if (cap - (size_t)len < more.len)
		return CHT_E_FULL;
	memmove(frame + at + more.len, frame + at, (size_t)len - at);
	memcpy(frame + at, more.ptr, more.len);
	len += (int)more.len;
	le32_store(frame, (uint32_t)len - CHT_FRAME_HEAD_BYTES);
	return len;
}

/* content_version 255 stands as 18 ff and becomes 19 01 00. */
static int make_next_major(uint8_t *frame, int len, size_t cap)
{
	static const char key[] = "content_version";
	static const uint8_t one[] = { 0x01 };
	uint8_t *at = memmem(frame, (size_t)len, key, sizeof(key) - 1);

	if (at == NULL)
		return CHT_E_RANGE;
	at += sizeof(key) - 1;
	at[0] = 0x19;
	at[1] = 0x00;
	return insert(frame, len, cap, (size_t)(at + 1 - frame), (struct cht_bytes){ one, 1 });
}

/* Two more pairs at the end of the map, which has fewer than 22. */
static int make_forged(uint8_t *frame, int len, size_t cap)
{
	static const uint8_t pairs[] = "\x67"
				       "cell_id"
				       "\x66"
				       "victim"
				       "\x65"
				       "runId"
				       "\x66"
				       "forged";

	frame[CHT_FRAME_HEAD_BYTES] = (uint8_t)(frame[CHT_FRAME_HEAD_BYTES] + 2);
	return insert(frame, len, cap, (size_t)len, (struct cht_bytes){ pairs, sizeof(pairs) - 1 });
}

static int add_hello(struct cht_declaration *d, struct cht_str source, uint8_t *mem, size_t cap)
{
	const struct cht_coverage coverage = { .source = source.len <= HELLO_SOURCE_MAX
								 ? source
								 : STR("synthetic"),
					       .state = STR("active"),
					       .mechanism = STR("synthetic") };
	int n = cht_coverage_encode(&coverage, 1, mem, cap);

	if (n < 0)
		return n;
	d->source_text = str_of(cht_source_name(CHT_SOURCE_AGENT_HELLO));
	d->details = 1u << CHT_DETAIL_AGENT_VERSION | 1u << CHT_DETAIL_COVERAGE |
		     1u << CHT_DETAIL_HEARTBEAT_INTERVAL_MS;
	d->detail[CHT_DETAIL_AGENT_VERSION].text = STR("cht-send " CHT_VERSION);
	d->detail[CHT_DETAIL_COVERAGE].raw = (struct cht_bytes){ mem, (size_t)n };
	d->detail[CHT_DETAIL_HEARTBEAT_INTERVAL_MS].num = 0;
	return 0;
}

int synth_build(const struct synth_options *options, enum synth_kind kind,
		const struct synth_numbers *numbers, uint8_t *out, size_t cap)
{
	struct cht_declaration d = { .content_version = kind == SYNTH_VERSION ? 0xff : 1,
				     .pid = options->pid,
				     .monotonic_ns = numbers->mono,
				     .source_text = options->source,
				     .comm = options->comm };
	uint8_t coverage[2 * CHT_TEXT_MAX_BYTES];
	int n = 0;

	if (kind == SYNTH_UNKNOWN)
		d.source_text = STR("synthetic.unknown");
	if (kind == SYNTH_HELLO)
		n = add_hello(&d, options->source, coverage, sizeof(coverage));
	if (n < 0)
		return n;
	if (options->has_seq) {
		d.extensions = CHT_EXT_AGENT_BOOT | CHT_EXT_AGENT_SEQ | CHT_EXT_AGENT_DROPPED;
		d.agent_boot = numbers->boot;
		d.agent_seq = numbers->seq;
	}
	n = cht_encode(&d, out, cap);
	if (n < 0)
		return n;
	if (kind == SYNTH_BAD_CBOR)
		out[CHT_FRAME_HEAD_BYTES] = 0xff;
	if (kind == SYNTH_VERSION)
		return make_next_major(out, n, cap);
	return kind == SYNTH_FORGED ? make_forged(out, n, cap) : n;
}

/* First byte in which two builds of one length differ. */
static uint16_t first_difference(const uint8_t *a, const uint8_t *b, size_t n)
{
	size_t i = 0;

	while (i < n && a[i] == b[i])
		i++;
	return (uint16_t)i;
}

static int make_template(const struct synth_options *options, enum synth_kind kind, unsigned width,
			 struct synth_template *t)
{
	struct synth_numbers a = { PATTERN_A, PATTERN_A, PATTERN_A & width_max[width] };
	struct synth_numbers mono = a, boot = a, seq = a;
	uint8_t other[SYNTH_FRAME_MAX];
	int n;

	mono.mono = boot.boot = PATTERN_B;
	seq.seq = PATTERN_B & width_max[width];
	if (width == 0) {
		a.seq = mono.seq = boot.seq = 1;
		seq.seq = 2;
	}
	n = synth_build(options, kind, &a, t->bytes, sizeof(t->bytes));
	if (n < 0)
		return n;
	t->len = (uint16_t)n;
	if (synth_build(options, kind, &mono, other, sizeof(other)) != n)
		return CHT_E_RANGE;
	t->mono_at = first_difference(t->bytes, other, t->len);
	if (!options->has_seq)
		return 0;
	if (synth_build(options, kind, &boot, other, sizeof(other)) != n)
		return CHT_E_RANGE;
	t->boot_at = first_difference(t->bytes, other, t->len);
	if (synth_build(options, kind, &seq, other, sizeof(other)) != n)
		return CHT_E_RANGE;
	t->seq_at = first_difference(t->bytes, other, t->len);
	return 0;
}

int synth_init(struct synth *s, const struct synth_options *options, struct cht_err *err)
{
	s->has_seq = options->has_seq;
	for (unsigned kind = 0; kind < SYNTH_N_KINDS; kind++)
		for (unsigned w = 0; w < SYNTH_WIDTHS; w++) {
			int r = make_template(options, (enum synth_kind)kind, w,
					      &s->templates[kind][w]);

			if (r < 0)
				return cht_fail(err, CHT_E_RANGE, 0,
						"source and comm are UTF-8 text of at most %d "
						"bytes",
						CHT_TEXT_MAX_BYTES);
		}
	return 0;
}

size_t synth_put(const struct synth *s, enum synth_kind kind, const struct synth_numbers *numbers,
		 uint8_t *out)
{
	unsigned width = s->has_seq ? width_of(numbers->seq) : 0;
	const struct synth_template *t = &s->templates[kind][width];

	memcpy(out, t->bytes, t->len);
	be64_store(out + t->mono_at, numbers->mono);
	if (s->has_seq) {
		be64_store(out + t->boot_at, numbers->boot);
		store(out + t->seq_at, width, numbers->seq);
	}
	return t->len;
}
