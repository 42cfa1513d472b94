/* SPDX-License-Identifier: Apache-2.0
 *
 * What a guest declared, in both shapes: the hot path. Room is made sure of once, from the
 * lengths of the texts; after that, literals, fields and digits are stored without a check.
 */
#include "event/render.h"

#include "base/bytes.h"

#define HEAD "{\"specversion\":\"1.0\",\"id\":\""

/* From the end of the id to the first value in data, by kind. All rows are copied at one fixed
 * length, which is faster than at their own. */
enum { KIND_TEXT_MAX = 176 };

struct kind_text {
	char text[KIND_TEXT_MAX];
	size_t len;
};

#define KIND_TEXT(name)                                                                            \
	"\",\"source\":\"" CHT_SOURCE_GUEST_URI "\",\"type\":\"" CHT_GUEST_TYPE_PREFIX name        \
	"\",\"datacontenttype\":\"application/json\",\"data\":{\"cellId\":\""
#define ROW(kind, name)                                                                            \
	[(kind)-EV_GUEST_PROCESS_SPAWNED] = { KIND_TEXT(name), sizeof(KIND_TEXT(name)) - 1 }

static const struct kind_text kind_texts[] = {
	ROW(EV_GUEST_PROCESS_SPAWNED, "process_spawned"),
	ROW(EV_GUEST_PROCESS_EXITED, "process_exited"),
	ROW(EV_GUEST_CAPABILITY_DENIED, "capability_denied"),
	ROW(EV_GUEST_FS_INOTIFY_FIRED, "fs_inotify_fired"),
	ROW(EV_GUEST_NET_CONNECT_ATTEMPTED, "net_connect_attempted"),
	ROW(EV_GUEST_DECLARATION, "declaration"),
	ROW(EV_GUEST_AGENT_HELLO, "agent_hello"),
	ROW(EV_GUEST_AGENT_BYE, "agent_bye"),
};

/* "key": of each detail. enum cht_detail is in the order of these, which is that of sorted keys,
 * so that bits are written from the lowest up. */
struct detail_key {
	char text[24];
	uint8_t len;
	uint8_t kind; /* enum cht_detail_kind */
};

#define KEY(name, kind)                                                                            \
	{                                                                                          \
		"\"" name "\":", sizeof("\"" name "\":") - 1, kind                                 \
	}

static const struct detail_key detail_keys[CHT_N_DETAILS] = {
	[CHT_DETAIL_AGENT_VERSION] = KEY("agentVersion", CHT_KIND_TEXT),
	[CHT_DETAIL_CAPABILITY] = KEY("capability", CHT_KIND_TEXT),
	[CHT_DETAIL_COMM_RAW] = KEY("commRaw", CHT_KIND_BYTES),
	[CHT_DETAIL_COVERAGE] = KEY("coverage", CHT_KIND_COVERAGE),
	[CHT_DETAIL_DEST_ADDR] = KEY("destAddr", CHT_KIND_TEXT),
	[CHT_DETAIL_DEST_PORT] = KEY("destPort", CHT_KIND_UINT),
	[CHT_DETAIL_EXE] = KEY("exe", CHT_KIND_TEXT),
	[CHT_DETAIL_EXE_RAW] = KEY("exeRaw", CHT_KIND_BYTES),
	[CHT_DETAIL_EXIT_CODE] = KEY("exitCode", CHT_KIND_UINT),
	[CHT_DETAIL_EXIT_SIGNAL] = KEY("exitSignal", CHT_KIND_UINT),
	[CHT_DETAIL_GID] = KEY("gid", CHT_KIND_UINT),
	[CHT_DETAIL_HEARTBEAT_INTERVAL_MS] = KEY("heartbeatIntervalMs", CHT_KIND_UINT),
	[CHT_DETAIL_MASK] = KEY("mask", CHT_KIND_UINT),
	[CHT_DETAIL_PATH] = KEY("path", CHT_KIND_TEXT),
	[CHT_DETAIL_PATH_RAW] = KEY("pathRaw", CHT_KIND_BYTES),
	[CHT_DETAIL_PPID] = KEY("ppid", CHT_KIND_UINT),
	[CHT_DETAIL_PROTOCOL] = KEY("protocol", CHT_KIND_TEXT),
	[CHT_DETAIL_REASON] = KEY("reason", CHT_KIND_TEXT),
	[CHT_DETAIL_SYSCALL] = KEY("syscall", CHT_KIND_UINT),
	[CHT_DETAIL_UID] = KEY("uid", CHT_KIND_UINT),
};

/* Details whose keys sort before guestComm, up to probeSource, and after it. */
enum {
	DETAILS_ALL = (1 << CHT_N_DETAILS) - 1,
	DETAILS_FIRST = (1 << CHT_DETAIL_HEARTBEAT_INTERVAL_MS) - 1,
	DETAILS_MIDDLE = ((1 << CHT_DETAIL_PROTOCOL) - 1) & ~DETAILS_FIRST,
	DETAILS_LAST = DETAILS_ALL & ~DETAILS_FIRST & ~DETAILS_MIDDLE,
};

_Static_assert(RENDER_FIXED_MAX + 3 * OUT_ESCAPE_MAX * CHT_TEXT_MAX_BYTES +
			       OUT_ESCAPE_MAX * CHT_DETAIL_MAX_BYTES +
			       CHT_N_DETAILS * (RENDER_DETAIL_MAX + OUT_SLACK) +
			       CHT_COVERAGE_MAX * RENDER_COVERAGE_MAX <=
		       CHT_EVENT_MAX_BYTES,
	       "the worst event that a frame can give must fit");

/* SIZE_MAX for a length that no frame can give. */
static size_t detail_bound(enum cht_detail detail, const union cht_detail_value *value)
{
	size_t len = 0, most = RENDER_DETAIL_MAX + OUT_SLACK;

	switch ((enum cht_detail_kind)detail_keys[detail].kind) {
	case CHT_KIND_UINT: break;
	case CHT_KIND_TEXT: len = value->text.len; break;
	case CHT_KIND_BYTES: len = value->raw.len; break;
	case CHT_KIND_COVERAGE:
		len = value->raw.len;
		most += (size_t)CHT_COVERAGE_MAX * RENDER_COVERAGE_MAX;
		break;
	}
	return len <= CHT_DETAIL_MAX_BYTES ? most + OUT_ESCAPE_MAX * len : SIZE_MAX;
}

size_t render_guest_bound(const struct cht_stamped *s)
{
	const struct cht_declaration *d = s->guest;
	size_t texts = d->comm.len + 2 * d->source_text.len, details = 0;

	if (d->comm.len > CHT_TEXT_MAX_BYTES || d->source_text.len > CHT_TEXT_MAX_BYTES)
		return SIZE_MAX;
	for (uint32_t bits = d->details & DETAILS_ALL; bits != 0; bits &= bits - 1) {
		enum cht_detail i = (enum cht_detail)__builtin_ctz(bits);
		size_t bound = detail_bound(i, &d->detail[i]);

		if (bound == SIZE_MAX)
			return SIZE_MAX;
		details += bound;
	}
	return RENDER_FIXED_MAX + OUT_ESCAPE_MAX * texts + details;
}

static uint8_t *put_member(uint8_t *p, const char *key, size_t key_len, struct cht_str text)
{
	memcpy(p, key, key_len);
	p = out_text(p + key_len, text);
	*p = '"';
	return p + 1;
}

#define put_text_member(p, key, text) put_member((p), key, sizeof(key) - 1, (text))

/* An empty mechanism or reason says nothing and is left out. */
static uint8_t *put_coverage(uint8_t *p, struct cht_bytes coverage)
{
	struct cht_coverage entry;
	size_t at = 0;

	*p++ = '[';
	for (unsigned n = 0; n < CHT_COVERAGE_MAX && cht_coverage_next(coverage, &at, &entry);
	     n++) {
		if (n > 0)
			*p++ = ',';
		*p++ = '{';
		if (entry.mechanism.len > 0) {
			p = put_text_member(p, "\"mechanism\":\"", entry.mechanism);
			*p++ = ',';
		}
		if (entry.reason.len > 0) {
			p = put_text_member(p, "\"reason\":\"", entry.reason);
			*p++ = ',';
		}
		p = put_text_member(p, "\"source\":\"", entry.source);
		p = put_text_member(p, ",\"state\":\"", entry.state);
		*p++ = '}';
	}
	*p = ']';
	return p + 1;
}

static uint8_t *put_detail(uint8_t *p, const struct cht_declaration *d, enum cht_detail detail)
{
	const union cht_detail_value *value = &d->detail[detail];
	const struct detail_key *key = &detail_keys[detail];

	memcpy(p, key->text, sizeof(key->text));
	p += key->len;
	switch ((enum cht_detail_kind)key->kind) {
	case CHT_KIND_UINT: return out_u64(p, value->num);
	case CHT_KIND_TEXT: return put_text_member(p, "\"", value->text);
	case CHT_KIND_BYTES: p = out_hex(out_lit(p, "\""), value->raw); return out_lit(p, "\"");
	case CHT_KIND_COVERAGE: break;
	}
	return put_coverage(p, value->raw);
}

/* Each with a comma after it. */
static uint8_t *put_details_before(uint8_t *p, const struct cht_declaration *d, uint32_t which)
{
	for (uint32_t bits = d->details & which; bits != 0; bits &= bits - 1) {
		p = put_detail(p, d, (enum cht_detail)__builtin_ctz(bits));
		*p++ = ',';
	}
	return p;
}

/* Each with a comma before it. */
static uint8_t *put_details_after(uint8_t *p, const struct cht_declaration *d, uint32_t which)
{
	for (uint32_t bits = d->details & which; bits != 0; bits &= bits - 1) {
		*p++ = ',';
		p = put_detail(p, d, (enum cht_detail)__builtin_ctz(bits));
	}
	return p;
}

static uint8_t *put_channel(uint8_t *p, const struct cht_stamped *s)
{
	const struct cht_declaration *d = s->guest;

	p = out_lit(p, "\",\"channel\":{");
	if ((d->extensions & CHT_EXT_AGENT_BOOT) != 0) {
		p = out_hex64(out_lit(p, "\"agentBoot\":\""), d->agent_boot);
		p = out_lit(p, "\",");
	}
	if ((d->extensions & CHT_EXT_AGENT_DROPPED) != 0) {
		p = out_u64(out_lit(p, "\"agentDropped\":\""), d->agent_dropped);
		p = out_lit(p, "\",");
	}
	if ((d->extensions & CHT_EXT_AGENT_SEQ) != 0) {
		p = out_u64(out_lit(p, "\"agentSeq\":\""), d->agent_seq);
		p = out_lit(p, "\",");
	}
	p = out_u64(out_lit(p, "\"connection\":"), s->frame.connection);
	p = out_u64(out_lit(p, ",\"epoch\":"), s->frame.epoch);
	return s->stale ? out_lit(p, ",\"stale\":true},\"guest\":{")
			: out_lit(p, ",\"stale\":false},\"guest\":{");
}

/* The members of guest that both shapes have, up to the value of probeSource. */
static uint8_t *put_guest(uint8_t *p, const struct cht_declaration *d, uint32_t between)
{
	p = put_text_member(p, "\"guestComm\":\"", d->comm);
	p = out_u64(out_lit(p, ",\"guestMonotonicNs\":"), d->monotonic_ns);
	p = out_u64(out_lit(p, ",\"guestPid\":"), d->pid);
	*p++ = ',';
	p = put_details_before(p, d, between);
	return put_text_member(p, "\"probeSource\":\"", d->source_text);
}

static uint8_t *put_inputs(uint8_t *p, const struct cht_frame_facts *frame)
{
	p = out_u64(out_lit(p, "\"},\"inputs\":{\"connection\":"), frame->connection);
	p = out_u64(out_lit(p, ",\"frameBytes\":"), frame->frame_bytes);
	if (frame->peer_uid != UINT32_MAX)
		p = out_u64(out_lit(p, ",\"peerUid\":"), frame->peer_uid);
	return out_lit(p, "},\"output\":{\"declaredBy\":\"guest\",\"stampedBy\":\"host\"},"
			  "\"probeSource\":\"guest.");
}

uint8_t *render_guest(uint8_t *p, struct event_renderer *r, const struct cht_stamped *s)
{
	const struct kind_text *kind = &kind_texts[s->kind - EV_GUEST_PROCESS_SPAWNED];
	const struct cht_declaration *d = s->guest;
	const struct run *run = s->run;
	size_t cell_len = strlen(run->cell_id), run_len = strlen(run->run_id),
	       spec_len = strlen(run->spec);
	uint8_t *time;

	p = render_id(out_lit(p, HEAD), run, s->sequence);
	memcpy(p, kind->text, KIND_TEXT_MAX);
	p = out_field(p + kind->len, run->cell_id, cell_len);
	p = put_channel(p, s);
	p = put_details_before(p, d, DETAILS_FIRST);
	p = put_guest(p, d, DETAILS_MIDDLE);
	p = put_details_after(p, d, DETAILS_LAST);
	p = out_field(out_lit(p, "},\"host\":{\"cellId\":\""), run->cell_id, cell_len);
	p = out_u64(out_lit(p, "\",\"hostBootNs\":\""), s->at.boottime_ns);
	time = out_lit(p, "\",\"hostReceivedAt\":\"");
	p = render_time_ns(time, r, s->at.realtime_ns);
	p = out_field(out_lit(p, "\",\"runId\":\""), run->run_id, run_len);
	p = out_field(out_lit(p, "\",\"specSignatureHash\":\""), run->spec, spec_len);
	p = put_inputs(p, &s->frame);
	p = out_text(p, d->source_text);
	p = out_lit(p, "\",\"provenance\":\"declared\",\"runId\":\"");
	p = out_field(p, run->run_id, run_len);
	p = out_u64(out_lit(p, "\",\"sequence\":"), s->sequence);
	p = out_field(out_lit(p, ",\"specSignatureHash\":\""), run->spec, spec_len);
	p = out_lit(p, "\"},\"time\":\"");
	memcpy(p, time, RFC3339_NS_LEN);
	return out_lit(p + RFC3339_NS_LEN, "\",\"traceparent\":null}");
}

size_t render_rust_bound(const struct cht_stamped *s, const struct rust_names *names)
{
	const struct cht_declaration *d = s->guest;

	if (d->comm.len > CHT_TEXT_MAX_BYTES || d->source_text.len > CHT_TEXT_MAX_BYTES)
		return SIZE_MAX;
	return RENDER_FIXED_MAX +
	       OUT_ESCAPE_MAX * (d->comm.len + d->source_text.len + names->id.len +
				 names->source.len + names->type.len);
}

uint8_t *render_rust(uint8_t *p, struct event_renderer *r, const struct cht_stamped *s,
		     const struct rust_names *names)
{
	const struct event_type *row = &event_types[s->kind];
	const struct run *run = s->run;
	uint8_t *time;

	p = out_lit(p, HEAD);
	p = names->id.len > 0 ? out_text(p, names->id) : render_id(p, run, s->sequence);
	p = put_text_member(p, "\",\"source\":\"",
			    names->source.len > 0 ? names->source : str_of(row->source));
	p = put_text_member(p, ",\"type\":\"",
			    names->type.len > 0 ? names->type : str_of(row->type));
	p = out_lit(p, ",\"datacontenttype\":\"application/json\",\"data\":{\"guest\":{");
	p = put_guest(p, s->guest, 0);
	p = out_lit(p, "},\"host\":{\"cellId\":\"");
	p = out_field(p, run->cell_id, strlen(run->cell_id));
	time = out_lit(p, "\",\"hostReceivedAt\":\"");
	p = render_time_s(time, r, s->at.realtime_ns);
	p = out_lit(p, "\",\"runId\":\"");
	p = out_field(p, run->run_id, strlen(run->run_id));
	p = out_lit(p, "\",\"specSignatureHash\":\"");
	p = out_field(p, run->spec, strlen(run->spec));
	p = out_lit(p, "\"},\"provenance\":\"declared\"},\"time\":\"");
	memcpy(p, time, RFC3339_S_LEN);
	return out_lit(p + RFC3339_S_LEN, "\",\"traceparent\":null}");
}
