/* SPDX-License-Identifier: Apache-2.0
 *
 * Names and forms are those of stored events: 64-bit counters as decimal strings, agentBoot in
 * 16 hex digits, raw bytes in hex.
 */
#include "base/bytes.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/decode.h"

/* Room for the escaped texts of the largest frame and what stands around them. */
static char line[8 * (CHT_DETAIL_MAX_BYTES + 2 * CHT_TEXT_MAX_BYTES + 1024)];

static void put_key(struct buf *b, const char *key)
{
	buf_put_byte(b, ',');
	json_put_str(b, str_of(key));
	buf_put_byte(b, ':');
}

static void put_coverage(struct buf *b, struct cht_bytes coverage)
{
	const char *separator = "";
	struct cht_coverage c;
	size_t at = 0;

	buf_put_byte(b, '[');
	while (cht_coverage_next(coverage, &at, &c)) {
		buf_put_str(b, str_of(separator));
		buf_put_lit(b, "{\"mechanism\":");
		json_put_str(b, c.mechanism);
		buf_put_lit(b, ",\"reason\":");
		json_put_str(b, c.reason);
		buf_put_lit(b, ",\"source\":");
		json_put_str(b, c.source);
		buf_put_lit(b, ",\"state\":");
		json_put_str(b, c.state);
		buf_put_byte(b, '}');
		separator = ",";
	}
	buf_put_byte(b, ']');
}

static void put_detail(struct buf *b, const struct cht_detail_info *info,
		       const union cht_detail_value *v)
{
	switch (info->kind) {
	case CHT_KIND_UINT: put_u64(b, v->num); break;
	case CHT_KIND_TEXT: json_put_str(b, v->text); break;
	case CHT_KIND_BYTES:
		buf_put_byte(b, '"');
		put_hex(b, v->raw.ptr, v->raw.len);
		buf_put_byte(b, '"');
		break;
	case CHT_KIND_COVERAGE: put_coverage(b, v->raw); break;
	}
}

static void put_details(struct buf *b, const struct cht_declaration *g)
{
	const char *separator = "";

	put_key(b, "details");
	buf_put_byte(b, '{');
	for (unsigned i = 0; i < CHT_N_DETAILS; i++) {
		const struct cht_detail_info *info = cht_detail_info((enum cht_detail)i);

		if ((g->details & 1u << i) == 0 || info == NULL)
			continue;
		buf_put_str(b, str_of(separator));
		json_put_str(b, str_of(info->json));
		buf_put_byte(b, ':');
		put_detail(b, info, &g->detail[i]);
		separator = ",";
	}
	buf_put_byte(b, '}');
}

static void put_extensions(struct buf *b, const struct cht_declaration *g)
{
	if (g->extensions & CHT_EXT_AGENT_BOOT) {
		buf_put_lit(b, ",\"agentBoot\":\"");
		put_hex_u64(b, g->agent_boot, 16);
		buf_put_byte(b, '"');
	}
	if (g->extensions & CHT_EXT_AGENT_SEQ) {
		buf_put_lit(b, ",\"agentSeq\":\"");
		put_u64(b, g->agent_seq);
		buf_put_byte(b, '"');
	}
	if (g->extensions & CHT_EXT_AGENT_DROPPED) {
		buf_put_lit(b, ",\"agentDropped\":\"");
		put_u64(b, g->agent_dropped);
		buf_put_byte(b, '"');
	}
}

static void put_forged(struct buf *b, uint16_t forged)
{
	const char *separator = "";

	put_key(b, "forged");
	buf_put_byte(b, '[');
	for (unsigned i = 0; i < CHT_N_FORGED; i++) {
		if ((forged & 1u << i) == 0)
			continue;
		buf_put_str(b, str_of(separator));
		json_put_str(b, str_of(cht_forged_name((enum cht_forged)i)));
		separator = ",";
	}
	buf_put_byte(b, ']');
}

static void put_declaration(struct buf *b, const struct cht_declaration *g)
{
	buf_put_lit(b, ",\"contentVersion\":");
	put_u64(b, g->content_version);
	buf_put_lit(b, ",\"probeSource\":");
	json_put_str(b, g->source_text);
	buf_put_lit(b, ",\"guestPid\":");
	put_u64(b, g->pid);
	buf_put_lit(b, ",\"guestComm\":");
	json_put_str(b, g->comm);
	buf_put_lit(b, ",\"guestMonotonicNs\":");
	put_u64(b, g->monotonic_ns);
	put_extensions(b, g);
	if (g->details != 0)
		put_details(b, g);
	if (g->forged != 0)
		put_forged(b, g->forged);
}

static void put_fault(struct buf *b, const struct decoded *d)
{
	put_key(b, "fault");
	json_put_str(b, str_of(d->fault));
	put_key(b, "at");
	put_u64(b, d->at);
	if (d->version != 0) {
		put_key(b, "version");
		put_u64(b, d->version);
	}
	put_key(b, "why");
	json_put_str(b, str_of(decode_fault_words(d->fault)));
}

void decode_print_json(const struct decoded *d)
{
	struct buf b = buf_init(line, sizeof(line));

	buf_put_lit(&b, "{\"frame\":");
	put_u64(&b, d->number);
	buf_put_lit(&b, ",\"offset\":");
	put_u64(&b, d->offset);
	buf_put_lit(&b, ",\"bytes\":");
	put_u64(&b, d->claimed);
	if (d->fault != NULL)
		put_fault(&b, d);
	else
		put_declaration(&b, &d->declaration);
	buf_put_lit(&b, "}\n");
	cli_put(b.start, buf_len(&b));
}
