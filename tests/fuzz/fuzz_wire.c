/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a frame body. The offset of a fault lies within the input; what decodes encodes to
 * a frame that decodes to the same, and every such frame is its own encoding; no cut body decodes.
 * What the strict decoder takes, the receiver takes too and reads the same, but for what the strict
 * one lets pass: bytes after the map and long texts.
 */
#include <cht/wire.h>
#include <string.h>

#include "base/bytes.h"
#include "fuzz.h"

static bool bytes_same(struct cht_bytes a, struct cht_bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static bool coverage_same(struct cht_bytes a, struct cht_bytes b)
{
	size_t at_a = 0, at_b = 0;
	struct cht_coverage x, y;
	unsigned n = 0;

	for (; cht_coverage_next(a, &at_a, &x); n++)
		if (!cht_coverage_next(b, &at_b, &y) || !str_eq(x.source, y.source) ||
		    !str_eq(x.state, y.state) || !str_eq(x.mechanism, y.mechanism) ||
		    !str_eq(x.reason, y.reason))
			return false;
	return !cht_coverage_next(b, &at_b, &y) && n <= CHT_COVERAGE_MAX;
}

static bool detail_same(enum cht_detail i, const union cht_detail_value *a,
			const union cht_detail_value *b)
{
	switch (cht_detail_info(i)->kind) {
	case CHT_KIND_UINT: return a->num == b->num && a->num <= cht_detail_info(i)->max;
	case CHT_KIND_TEXT: return str_eq(a->text, b->text);
	case CHT_KIND_BYTES: return bytes_same(a->raw, b->raw);
	case CHT_KIND_COVERAGE: return coverage_same(a->raw, b->raw);
	}
	return false;
}

static void hold_same(const struct cht_declaration *a, const struct cht_declaration *b)
{
	HOLDS(a->source == b->source && str_eq(a->source_text, b->source_text));
	HOLDS(a->content_version == b->content_version);
	HOLDS(a->pid == b->pid && a->monotonic_ns == b->monotonic_ns);
	HOLDS(str_eq(a->comm, b->comm));
	HOLDS(a->extensions == b->extensions && a->details == b->details && b->forged == 0);
	if (a->extensions & CHT_EXT_AGENT_BOOT)
		HOLDS(a->agent_boot == b->agent_boot);
	if (a->extensions & CHT_EXT_AGENT_SEQ)
		HOLDS(a->agent_seq == b->agent_seq);
	if (a->extensions & CHT_EXT_AGENT_DROPPED)
		HOLDS(a->agent_dropped == b->agent_dropped);
	for (unsigned i = 0; i < CHT_N_DETAILS; i++)
		if (a->details & 1u << i)
			HOLDS(detail_same((enum cht_detail)i, &a->detail[i], &b->detail[i]));
}

static void hold_round_trip(const struct cht_declaration *first)
{
	static uint8_t frame[CHT_FRAME_HEAD_BYTES + CHT_FRAME_MAX_BYTES], again[sizeof(frame)];
	struct cht_declaration second;
	int n = cht_encode(first, frame, sizeof(frame));

	HOLDS(n > CHT_FRAME_HEAD_BYTES);
	HOLDS(le32_load(frame) == (uint32_t)n - CHT_FRAME_HEAD_BYTES);
	HOLDS(cht_decode(frame + CHT_FRAME_HEAD_BYTES, (size_t)n - CHT_FRAME_HEAD_BYTES, &second,
			 NULL) == 0);
	hold_same(first, &second);
	HOLDS(cht_encode(&second, again, (size_t)n) == n);
	HOLDS(memcmp(frame, again, (size_t)n) == 0);
}

/* A copy of exactly this size, so that a read past the cut is seen. */
static void hold_cut_is_refused(const uint8_t *data, size_t size)
{
	uint8_t *cut = malloc(size + (size == 0));
	struct cht_declaration d;
	struct cht_wire_fault why;

	HOLDS(cut != NULL);
	memcpy(cut, data, size);
	HOLDS(cht_decode(cut, size, &d, &why) == CHT_E_WIRE);
	HOLDS(why.fault == CHT_FAULT_TRUNCATED && why.at == size);
	free(cut);
}

static void hold_strict_is_stricter(const uint8_t *data, size_t size)
{
	struct cht_declaration strict, d;
	struct cht_wire_fault why;

	if (cht_guest_decode_body(data, size, &strict) != CHT_GUEST_OK)
		return;
	if (cht_decode(data, size, &d, &why) == 0)
		hold_same(&strict, &d);
	else
		HOLDS(why.fault == CHT_FAULT_TRAILING || why.fault == CHT_FAULT_TEXT_TOO_LONG);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cht_wire_fault why = { 0 };
	struct cht_declaration d;
	int r = cht_decode(data, size, &d, &why);

	hold_strict_is_stricter(data, size);
	if (r == 0) {
		hold_round_trip(&d);
		hold_cut_is_refused(data, size - 1);
		return 0;
	}
	HOLDS(r == (why.fault == CHT_FAULT_VERSION ? CHT_E_VERSION : CHT_E_WIRE));
	HOLDS(why.fault > CHT_FAULT_NONE && why.fault < CHT_N_FAULTS);
	HOLDS(why.at <= size);
	HOLDS(why.fault != CHT_FAULT_TRUNCATED || why.at == size);
	return 0;
}
