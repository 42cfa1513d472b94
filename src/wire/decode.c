/* SPDX-License-Identifier: Apache-2.0
 *
 * One pass over the top map. A key that means nothing here is skipped, a key of attribution is
 * skipped and noted: that is how what a guest tries to smuggle in disappears.
 */
#include "base/bytes.h"
#include "wire/cbor.h"
#include "wire/keys.h"

struct decoder {
	struct cbor in;
	struct cht_declaration *out;
	uint32_t seen;         /* bit per enum wire_key below KEY_FORGED */
	uint32_t version;      /* of a version fault */
	uint32_t detail_bytes; /* encoded detail pairs so far */
};

/* The key that stands next. Text of an unknown one is checked as all text is. */
static enum wire_key read_key(struct decoder *d)
{
	struct cbor *in = &d->in;
	const uint8_t *head = in->at;
	struct cbor_head h = cbor_head(in);
	enum wire_key key = KEY_UNKNOWN;

	if (h.major == CBOR_TEXT && h.arg <= cbor_left(in))
		key = wire_key_find(in->at, (size_t)h.arg);
	if (key != KEY_UNKNOWN && in->fault == CHT_FAULT_NONE) {
		in->at += h.arg;
		return key;
	}
	if (in->fault == CHT_FAULT_NONE) {
		in->at = head;
		(void)cbor_text(in, SIZE_MAX);
	}
	return KEY_UNKNOWN;
}

static void read_version(struct decoder *d)
{
	uint32_t at = cbor_at(&d->in);
	uint64_t version = cbor_uint(&d->in, UINT16_MAX);

	d->out->content_version = (uint16_t)version;
	if (version >> 8 != CHT_WIRE_VERSION_MAJOR && d->in.fault == CHT_FAULT_NONE) {
		d->version = (uint32_t)version;
		cbor_fail(&d->in, CHT_FAULT_VERSION, at);
	}
}

static void read_detail(struct decoder *d, enum cht_detail detail, uint32_t key_at)
{
	const struct cht_detail_info *info = cht_detail_info(detail);
	union cht_detail_value *value = &d->out->detail[detail];
	struct cbor *in = &d->in;
	const uint8_t *head = in->at;

	switch (info->kind) {
	case CHT_KIND_UINT: value->num = cbor_uint(in, info->max); break;
	case CHT_KIND_TEXT: value->text = cbor_text(in, (size_t)info->max); break;
	case CHT_KIND_BYTES: value->raw = cbor_bytes(in, (size_t)info->max); break;
	case CHT_KIND_COVERAGE:
		coverage_check(in);
		value->raw = (struct cht_bytes){ head, (size_t)(in->at - head) };
		break;
	}
	d->detail_bytes += cbor_at(in) - key_at;
	if (d->detail_bytes > CHT_DETAIL_MAX_BYTES)
		cbor_fail(in, CHT_FAULT_DETAILS, key_at);
}

static void read_extension(struct decoder *d, enum wire_key key)
{
	uint64_t v = cbor_uint(&d->in, UINT64_MAX);

	if (key == KEY_EXTENSION)
		d->out->agent_boot = v;
	else if (key == KEY_EXTENSION + 1)
		d->out->agent_seq = v;
	else
		d->out->agent_dropped = v;
}

static void read_other(struct decoder *d, enum wire_key key, uint32_t key_at)
{
	if (key < KEY_DETAIL) {
		read_extension(d, key);
	} else if (key < KEY_FORGED) {
		read_detail(d, (enum cht_detail)(key - KEY_DETAIL), key_at);
	} else {
		if (key != KEY_UNKNOWN)
			d->out->forged |= (uint16_t)(1u << (key - KEY_FORGED));
		cbor_skip(&d->in, 1);
	}
}

static void read_pair(struct decoder *d)
{
	uint32_t key_at = cbor_at(&d->in);
	enum wire_key key = read_key(d);

	if (key < KEY_FORGED) {
		if (d->seen & 1u << key)
			cbor_fail(&d->in, CHT_FAULT_DUPLICATE, key_at);
		d->seen |= 1u << key;
	}
	if (key == KEY_CONTENT_VERSION)
		read_version(d);
	else if (key == KEY_PROBE_SOURCE)
		d->out->source_text = cbor_text(&d->in, CHT_TEXT_MAX_BYTES);
	else if (key == KEY_GUEST_PID)
		d->out->pid = (uint32_t)cbor_uint(&d->in, UINT32_MAX);
	else if (key == KEY_GUEST_COMM)
		d->out->comm = cbor_text(&d->in, CHT_TEXT_MAX_BYTES);
	else if (key == KEY_GUEST_MONOTONIC_NS)
		d->out->monotonic_ns = cbor_uint(&d->in, UINT64_MAX);
	else
		read_other(d, key, key_at);
}

static void read_map(struct decoder *d, size_t len)
{
	uint64_t pairs = cbor_map(&d->in);

	if (pairs > CHT_MAP_MAX_PAIRS)
		cbor_fail(&d->in, CHT_FAULT_PAIRS, 0);
	for (; pairs > 0 && d->in.fault == CHT_FAULT_NONE; pairs--)
		read_pair(d);
	if ((d->seen & KEYS_REQUIRED) != KEYS_REQUIRED)
		cbor_fail(&d->in, CHT_FAULT_MISSING, 0);
	cbor_end(&d->in);
	if (len > CHT_FRAME_MAX_BYTES)
		cbor_fail(&d->in, CHT_FAULT_TRAILING, CHT_FRAME_MAX_BYTES);
}

int cht_decode(const uint8_t *body, size_t len, struct cht_declaration *out,
	       struct cht_wire_fault *why)
{
	struct decoder d;

	/* Neither this nor *out is zeroed whole: most of both is never looked at. */
	d.in = cbor_init(body, len);
	d.out = out;
	d.seen = d.version = d.detail_bytes = 0;
	out->forged = 0;
	read_map(&d, len);
	if (d.in.fault != CHT_FAULT_NONE) {
		if (why != NULL)
			*why = (struct cht_wire_fault){ d.in.fault, d.in.fault_at, d.version };
		return d.in.fault == CHT_FAULT_VERSION ? CHT_E_VERSION : CHT_E_WIRE;
	}
	out->extensions = d.seen >> KEY_EXTENSION &
			  (CHT_EXT_AGENT_BOOT | CHT_EXT_AGENT_SEQ | CHT_EXT_AGENT_DROPPED);
	out->details = d.seen >> KEY_DETAIL;
	out->source = cht_source_find(out->source_text);
	return 0;
}
