/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "base/text.h"
#include "wire/cbor.h"
#include "wire/keys.h"

enum { ENTRY_TEXTS = 4 };

static bool state_is_known(struct cht_str state)
{
	return str_eq(state, STR("active")) || str_eq(state, STR("degraded")) ||
	       str_eq(state, STR("absent"));
}

static void read_entry(struct cbor *in, struct cht_coverage *entry)
{
	uint32_t at = cbor_at(in);

	if (cbor_array(in) != ENTRY_TEXTS)
		cbor_fail(in, CHT_FAULT_COVERAGE, at);
	entry->source = cbor_text(in, COVERAGE_SOURCE_MAX);
	at = cbor_at(in);
	entry->state = cbor_text(in, CHT_TEXT_MAX_BYTES);
	if (!state_is_known(entry->state))
		cbor_fail(in, CHT_FAULT_COVERAGE, at);
	entry->mechanism = cbor_text(in, COVERAGE_MECHANISM_MAX);
	entry->reason = cbor_text(in, COVERAGE_REASON_MAX);
}

void coverage_check(struct cbor *in)
{
	uint32_t at = cbor_at(in);
	uint64_t n = cbor_array(in);
	struct cht_coverage entry;

	if (n > CHT_COVERAGE_MAX)
		cbor_fail(in, CHT_FAULT_COVERAGE, at);
	for (; n > 0 && in->fault == CHT_FAULT_NONE; n--)
		read_entry(in, &entry);
}

bool cht_coverage_next(struct cht_bytes coverage, size_t *at, struct cht_coverage *out)
{
	struct cht_coverage entry;
	struct cbor in;

	if (*at >= coverage.len)
		return false;
	in = cbor_init(coverage.ptr + *at, coverage.len - *at);
	if (*at == 0)
		(void)cbor_array(&in);
	read_entry(&in, &entry);
	if (in.fault != CHT_FAULT_NONE)
		return false;
	*at = (size_t)(in.at - coverage.ptr);
	*out = entry;
	return true;
}

static bool fits(struct cht_str s, size_t max)
{
	return s.len <= max && utf8_is_valid((const uint8_t *)s.ptr, s.len);
}

static bool entry_fits(const struct cht_coverage *e)
{
	return fits(e->source, COVERAGE_SOURCE_MAX) && state_is_known(e->state) &&
	       fits(e->mechanism, COVERAGE_MECHANISM_MAX) && fits(e->reason, COVERAGE_REASON_MAX);
}

int cht_coverage_encode(const struct cht_coverage *entries, size_t n, uint8_t *out, size_t cap)
{
	struct buf b = buf_init(out, cap);

	if (n > CHT_COVERAGE_MAX)
		return CHT_E_RANGE;
	cbor_put_head(&b, CBOR_ARRAY, n);
	for (size_t i = 0; i < n; i++) {
		if (!entry_fits(&entries[i]))
			return CHT_E_RANGE;
		cbor_put_head(&b, CBOR_ARRAY, ENTRY_TEXTS);
		cbor_put_text(&b, entries[i].source);
		cbor_put_text(&b, entries[i].state);
		cbor_put_text(&b, entries[i].mechanism);
		cbor_put_text(&b, entries[i].reason);
	}
	return b.full ? CHT_E_FULL : (int)buf_len(&b);
}
