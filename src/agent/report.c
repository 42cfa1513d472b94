/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/report.h"

#include <assert.h>

#include "base/bytes.h"

static struct cht_declaration declaration(const struct report *r, enum cht_source source,
					  struct queue_mark mark, uint64_t at_ns)
{
	return (struct cht_declaration){
		.source = source,
		.content_version = 2,
		.source_text = str_of(cht_source_name(source)),
		.monotonic_ns = at_ns,
		.extensions = CHT_EXT_AGENT_BOOT | CHT_EXT_AGENT_SEQ | CHT_EXT_AGENT_DROPPED,
		.agent_boot = r->boot,
		.agent_seq = mark.seq,
		.agent_dropped = mark.dropped,
	};
}

static void set_num(struct cht_declaration *d, enum cht_detail key, uint64_t v)
{
	d->details |= 1u << key;
	d->detail[key].num = v;
}

static void set_text(struct cht_declaration *d, enum cht_detail key, struct cht_str s)
{
	d->details |= 1u << key;
	d->detail[key].text = s;
}

static void set_raw(struct cht_declaration *d, enum cht_detail key, struct cht_bytes raw)
{
	d->details |= 1u << key;
	d->detail[key].raw = raw;
}

static void set_comm(struct report *r, struct cht_declaration *d, struct cht_bytes comm)
{
	struct buf scratch = buf_init(r->comm_text, sizeof(r->comm_text));

	if (!name_text(comm, &scratch, &d->comm))
		set_raw(d, CHT_DETAIL_COMM_RAW, comm);
}

static void set_path(struct report *r, struct cht_declaration *d, struct cht_bytes path,
		     enum cht_detail text_key, enum cht_detail raw_key)
{
	struct buf scratch = buf_init(r->path_text, sizeof(r->path_text));
	struct cht_str text;

	if (path.len == 0)
		return;
	if (!name_text(path, &scratch, &text))
		set_raw(d, raw_key, path);
	set_text(d, text_key, text);
}

/* The next event: numbered, encoded, queued or dropped. */
static void put_event(struct report *r, struct cht_declaration *d)
{
	int n;

	r->now.seq++;
	d->agent_seq = r->now.seq;
	d->agent_dropped = r->now.dropped;
	n = cht_encode(d, r->frame, sizeof(r->frame));
	/* Every text was made to fit; were one not to, it would count as dropped. */
	assert(n > 0);
	if (n <= 0 || !queue_put(&r->queue, (struct cht_bytes){ r->frame, (size_t)n }, r->now))
		r->now.dropped++;
}

static void set_proc(struct report *r, struct cht_declaration *d, const struct proc *p,
		     struct cht_bytes exe)
{
	d->pid = p->pid;
	set_num(d, CHT_DETAIL_PPID, p->ppid);
	if (p->flags & PROC_IDS) {
		set_num(d, CHT_DETAIL_UID, p->uid);
		set_num(d, CHT_DETAIL_GID, p->gid);
	}
	set_comm(r, d, proc_comm(p));
	set_path(r, d, exe, CHT_DETAIL_EXE, CHT_DETAIL_EXE_RAW);
}

void report_spawned(struct report *r, const struct proc *p, struct cht_bytes exe, uint64_t at_ns)
{
	struct cht_declaration d = declaration(r, CHT_SOURCE_PROCESS_SPAWNED, r->now, at_ns);

	set_proc(r, &d, p, exe);
	put_event(r, &d);
}

void report_exited(struct report *r, const struct proc *p, struct cht_bytes exe,
		   struct ending ending, uint64_t at_ns)
{
	struct cht_declaration d = declaration(r, CHT_SOURCE_PROCESS_EXITED, r->now, at_ns);
	uint32_t signal = ending.wait_code & 0x7f;

	set_proc(r, &d, p, exe);
	if (ending.is_known && signal != 0)
		set_num(&d, CHT_DETAIL_EXIT_SIGNAL, signal);
	else if (ending.is_known)
		set_num(&d, CHT_DETAIL_EXIT_CODE, ending.wait_code >> 8 & 0xff);
	put_event(r, &d);
}

void report_file(struct report *r, struct cht_bytes path, uint32_t mask, uint64_t at_ns)
{
	struct cht_declaration d = declaration(r, CHT_SOURCE_FS_INOTIFY_FIRED, r->now, at_ns);

	set_path(r, &d, path, CHT_DETAIL_PATH, CHT_DETAIL_PATH_RAW);
	set_num(&d, CHT_DETAIL_MASK, mask);
	put_event(r, &d);
}

void report_lost(struct report *r, uint64_t n)
{
	r->now.seq += n;
	r->now.dropped += n;
}

void report_coverage(struct report *r, enum coverage_kind kind, enum coverage_state state,
		     const char *mechanism, const char *reason)
{
	struct coverage *c = &r->sees[kind];
	struct buf b = buf_init(c->reason, sizeof(c->reason) - 1);
	struct cht_str text = str_of(reason);

	if (text.len >= sizeof(c->reason))
		text.len = sizeof(c->reason) - 1;
	buf_put_str(&b, text);
	c->reason[text.len] = '\0';
	c->state = state;
	c->mechanism = mechanism;
	r->coverage_changed = true;
}

static const enum cht_source kind_sources[N_SEES] = {
	[SEES_SPAWNED] = CHT_SOURCE_PROCESS_SPAWNED,
	[SEES_EXITED] = CHT_SOURCE_PROCESS_EXITED,
	[SEES_FILES] = CHT_SOURCE_FS_INOTIFY_FIRED,
	[SEES_CAPABILITIES] = CHT_SOURCE_CAPABILITY_DENIED,
	[SEES_CONNECTS] = CHT_SOURCE_NET_CONNECT_ATTEMPTED,
};

static const char *const state_names[] = {
	[COVERAGE_ABSENT] = "absent",
	[COVERAGE_DEGRADED] = "degraded",
	[COVERAGE_ACTIVE] = "active",
};

enum { COVERAGE_BYTES_MAX = N_SEES * (COVERAGE_TEXT_MAX + 64) };
_Static_assert(COVERAGE_BYTES_MAX + 512 <= REPORT_CONTROL_MAX, "a hello fits");

static void set_hello(struct report *r, struct cht_declaration *d, uint8_t *room, size_t cap)
{
	struct cht_coverage entries[N_SEES];
	int n;

	for (int i = 0; i < N_SEES; i++)
		entries[i] = (struct cht_coverage){
			.source = str_of(cht_source_name(kind_sources[i])),
			.state = str_of(state_names[r->sees[i].state]),
			.mechanism = str_of(r->sees[i].mechanism),
			.reason = str_of(r->sees[i].reason),
		};
	n = cht_coverage_encode(entries, N_SEES, room, cap);
	assert(n > 0);
	if (n > 0)
		set_raw(d, CHT_DETAIL_COVERAGE, (struct cht_bytes){ room, (size_t)n });
	set_text(d, CHT_DETAIL_AGENT_VERSION, STR(CHT_VERSION));
	set_num(d, CHT_DETAIL_HEARTBEAT_INTERVAL_MS, r->heartbeat_ms);
	r->coverage_changed = false;
}

static const enum cht_source control_sources[] = {
	[REPORT_HELLO] = CHT_SOURCE_AGENT_HELLO,
	[REPORT_HEARTBEAT] = CHT_SOURCE_AGENT_HEARTBEAT,
	[REPORT_BYE] = CHT_SOURCE_AGENT_BYE,
};

size_t report_control(struct report *r, enum report_control kind, const char *reason,
		      uint64_t now_ns, uint8_t out[REPORT_CONTROL_MAX])
{
	struct queue_mark here = queue_position(&r->queue, r->now);
	struct cht_declaration d = declaration(r, control_sources[kind], here, now_ns);
	uint8_t coverage[COVERAGE_BYTES_MAX];
	int n;

	d.pid = r->pid;
	set_comm(r, &d, (struct cht_bytes){ (const uint8_t *)r->comm, strlen(r->comm) });
	if (kind == REPORT_HELLO)
		set_hello(r, &d, coverage, sizeof(coverage));
	else if (kind == REPORT_BYE)
		set_text(&d, CHT_DETAIL_REASON, str_of(reason));
	n = cht_encode(&d, out, REPORT_CONTROL_MAX);
	assert(n > 0);
	return n > 0 ? (size_t)n : 0;
}

void report_give_up(struct report *r)
{
	r->now.dropped += r->queue.n;
	r->queue.n = 0;
	r->queue.used = 0;
	r->queue.head_sent = 0;
}
