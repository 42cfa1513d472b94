/* SPDX-License-Identifier: Apache-2.0
 *
 * samples.h - stamped values of every kind, three of each: usual, least and most.
 */
#ifndef TESTS_SAMPLES_H
#define TESTS_SAMPLES_H

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "event/event.h"
#include "sample_bundle.h"
#include "sample_readings.h"

enum sample_size { SAMPLE_USUAL, SAMPLE_LEAST, SAMPLE_MOST, SAMPLE_SIZES };

struct sample {
	struct run run;
	struct run_names names;
	uint64_t counts[EV_N_KINDS];
	struct cht_declaration guest;
	struct cht_stamped s;
	struct cht_reading reading;
	uint8_t coverage[CHT_DETAIL_MAX_BYTES];
	char control[CHT_DETAIL_MAX_BYTES]; /* nothing but U+0001 */
	char socket[1024];
	char stated[8193], opened[8193];
	struct sample_bundle bundle;
};

static const struct cht_str sample_texts[] = {
	[CHT_DETAIL_AGENT_VERSION] = STR_INIT("0.1.0"),
	[CHT_DETAIL_CAPABILITY] = STR_INIT("CAP_NET_RAW"),
	[CHT_DETAIL_COMM_RAW] = STR_INIT("bad\xff"),
	[CHT_DETAIL_DEST_ADDR] = STR_INIT("2001:db8::1"),
	[CHT_DETAIL_EXE] = STR_INIT("/usr/bin/quo\"te\\ \xe6\x97\xa5\t"),
	[CHT_DETAIL_EXE_RAW] = STR_INIT("/bin/\xc3\x28"),
	[CHT_DETAIL_PATH] = STR_INIT("/etc/passwd"),
	[CHT_DETAIL_PATH_RAW] = STR_INIT("/tmp/\xfe"),
	[CHT_DETAIL_PROTOCOL] = STR_INIT("tcp"),
	[CHT_DETAIL_REASON] = STR_INIT("told to stop"),
	[CHT_N_DETAILS - 1] = STR_INIT(""),
};

static void sample_fill(char *out, size_t len, char with)
{
	memset(out, with, len);
	out[len] = '\0';
}

static void sample_run(struct sample *x, enum sample_size size)
{
	struct run *r = &x->run;
	struct run_names *n = &x->names;

	r->bits = (struct run_bits){ 0x234, UINT64_C(0x123456789abcdef0) };
	memcpy(n->cell_id, "cell-abc", 9);
	memcpy(n->run_id, "run-6ba7b810-9dad-11d1-80b4-00c04fd430c8", 41);
	memcpy(n->spec, "sha256:deadbeef", 16);
	r->cell_id = n->cell_id;
	r->run_id = n->run_id;
	r->spec = n->spec;
	r->counts = x->counts;
	r->sequence = 7;
	r->first_index = 42;
	r->counts[EV_RUN_OPENED] = 1;
	r->counts[EV_GUEST_PROCESS_SPAWNED] = 5;
	r->counts[EV_RUN_SEALED] = 1;
	if (size == SAMPLE_LEAST) {
		r->bits = (struct run_bits){ 0, 0 };
		sample_fill(n->cell_id, 1, 'c');
		sample_fill(n->run_id, 1, 'r');
		sample_fill(n->spec, 1, 's');
		memset(x->counts, 0, sizeof(x->counts));
		r->first_index = 0;
	} else if (size == SAMPLE_MOST) {
		r->bits = (struct run_bits){ 0xfff, (UINT64_C(1) << 62) - 1 };
		sample_fill(n->cell_id,
			    x->s.kind < EV_HOST_STARTED || event_is_reading(x->s.kind)
				    ? CHT_CELL_ID_MAX
				    : sizeof(n->cell_id) - 1,
			    'c');
		sample_fill(n->run_id, sizeof(n->run_id) - 1, 'r');
		sample_fill(n->spec, sizeof(n->spec) - 1, 's');
		memset(x->counts, 0xff, sizeof(x->counts));
		r->first_index = UINT64_MAX;
		r->is_continued = true;
	}
}

static void sample_coverage(struct sample *x, enum sample_size size)
{
	static const struct cht_coverage two[] = {
		{ STR_INIT("process.spawned"), STR_INIT("active"), STR_INIT("proc-connector"),
		  STR_INIT("") },
		{ STR_INIT("capability.denied"), STR_INIT("absent"), STR_INIT(""),
		  STR_INIT("no audit") },
	};
	struct cht_coverage many[CHT_COVERAGE_MAX];
	const struct cht_coverage *entries = two;
	size_t n = size == SAMPLE_USUAL ? 2 : 0;
	int len;

	if (size == SAMPLE_MOST) {
		for (n = 0; n < CHT_COVERAGE_MAX; n++)
			many[n] = (struct cht_coverage){ { x->control, 64 },
							 STR("degraded"),
							 { x->control, 32 },
							 { x->control, 64 } };
		entries = many;
	}
	len = cht_coverage_encode(entries, n, x->coverage, sizeof(x->coverage));
	if (len < 0)
		abort();
	x->guest.detail[CHT_DETAIL_COVERAGE].raw = (struct cht_bytes){ x->coverage, (size_t)len };
	x->guest.details |= 1u << CHT_DETAIL_COVERAGE;
}

/* All details at once: more than an agent sends, exactly what a guest may. */
static void sample_details(struct sample *x, enum sample_size size)
{
	struct cht_declaration *d = &x->guest;

	for (unsigned i = 0; i < CHT_N_DETAILS; i++) {
		const struct cht_detail_info *info = cht_detail_info((enum cht_detail)i);
		size_t most = info->max < 600 ? (size_t)info->max : 600;
		struct cht_str text = sample_texts[i];

		if (info->kind == CHT_KIND_COVERAGE)
			continue;
		d->details |= 1u << i;
		if (size != SAMPLE_USUAL)
			text = (struct cht_str){ x->control, size == SAMPLE_MOST ? most : 0 };
		if (info->kind == CHT_KIND_UINT)
			d->detail[i].num = size == SAMPLE_MOST ? info->max : 0;
		else if (info->kind == CHT_KIND_TEXT)
			d->detail[i].text = text;
		else
			d->detail[i].raw =
				(struct cht_bytes){ (const uint8_t *)text.ptr, text.len };
	}
	sample_coverage(x, size);
}

static void sample_guest(struct sample *x, enum sample_size size)
{
	struct cht_declaration *d = &x->guest;
	struct cht_stamped *s = &x->s;
	unsigned source = s->kind == EV_GUEST_AGENT_BYE     ? CHT_SOURCE_AGENT_BYE
			  : s->kind == EV_GUEST_AGENT_HELLO ? CHT_SOURCE_AGENT_HELLO
			  : s->kind == EV_GUEST_DECLARATION
				  ? CHT_SOURCE_OTHER
				  : s->kind - EV_GUEST_PROCESS_SPAWNED + 1;

	d->source = (enum cht_source)source;
	d->content_version = 1;
	d->source_text = str_of(cht_source_name(d->source));
	if (s->kind == EV_GUEST_DECLARATION)
		d->source_text = STR("some.\"other\"");
	d->comm = STR("workload");
	s->guest = d;
	if (size == SAMPLE_LEAST) {
		d->comm = STR("");
		s->frame = (struct cht_frame_facts){ 1, 0, 1, UINT32_MAX };
		return;
	}
	d->pid = 4242;
	d->monotonic_ns = UINT64_C(9007199254740993);
	d->extensions = CHT_EXT_AGENT_BOOT | CHT_EXT_AGENT_SEQ | CHT_EXT_AGENT_DROPPED;
	d->agent_boot = UINT64_C(0x00ab00000000cdef);
	d->agent_seq = 12345;
	s->frame = (struct cht_frame_facts){ 3, 0, 118, 1000 };
	sample_details(x, size);
	if (size == SAMPLE_USUAL)
		return;
	if (s->kind == EV_GUEST_DECLARATION)
		d->source_text = (struct cht_str){ x->control, CHT_TEXT_MAX_BYTES };
	d->comm = (struct cht_str){ x->control, CHT_TEXT_MAX_BYTES };
	d->pid = UINT32_MAX;
	d->monotonic_ns = d->agent_boot = d->agent_seq = d->agent_dropped = UINT64_MAX;
	s->frame = (struct cht_frame_facts){ UINT64_MAX, UINT32_MAX, CHT_FRAME_MAX_BYTES,
					     UINT32_MAX - 1 };
	s->stale = true;
}

#define SAMPLE_VKEY                                                                                \
	"cht.example/0123456789abcdef+0a1b2c3d+AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB"
#define SAMPLE_NOTE                                                                                \
	"cht.example/00000000000000ff\n42\nAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n\n"       \
	"\xe2\x80\x94 cht.example/00000000000000ff ChscPQEB\n"

static void sample_reloaded(struct cht_stamped *s, bool least)
{
	struct facts_host_reloaded *f = &s->facts.host_reloaded;

	f->changed = least ? STR("") : STR("limits.stall silence.boot_window");
	f->kept = least ? STR("") : STR("daemon.state");
	f->configuration =
		STR("sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
}

static void sample_log_opened(struct sample *x, enum sample_size size)
{
	struct facts_log_opened *f = &x->s.facts.log_opened;

	f->origin = STR("cht.example/0123456789abcdef");
	f->vkey = STR(SAMPLE_VKEY);
	f->reason = STR("init");
	f->predecessor = (struct predecessor){ .size = 0 };
	if (size == SAMPLE_LEAST)
		return;
	f->reason = STR("lost-state");
	f->predecessor.origin = STR("cht.example/00000000000000ff");
	f->predecessor.size = size == SAMPLE_MOST ? UINT64_MAX : 42;
	f->predecessor.note = STR(SAMPLE_NOTE);
}

#define SAMPLE_STATED                                                                              \
	"{\"exitCode\":-1,\"lifecycle\":[{\"id\":\"urn:x:1\",\"time\":\"2025-11-05T13:20:00Z\","   \
	"\"type\":\"cell.destroyed\"}],\"limits\":{\"connections\":1,\"connectsPerSecond\":1,"     \
	"\"framesBurst\":1,\"framesPerSecond\":1,\"ledgerBytes\":65536,\"partialBlocks\":16},"     \
	"\"residueClass\":\"documented_exception\",\"residueException\":\"\\\"x\\\"\","            \
	"\"state\":\"paused\"}"

#define SAMPLE_OPENED                                                                              \
	"{\"authorised\":[\"guest.process.spawned\",\"host.cgroup\"],\"correlation\":{"            \
	"\"correlationId\":"                                                                       \
	"\"c\",\"externalJobId\":\"j\",\"externalRunId\":\"r\",\"labels\":{\"a/b\":\"1\"},"        \
	"\"platform\":\"ci\",\"tenantId\":\"t\"},\"keepaliveWindowMs\":500,\"limits\":{"           \
	"\"connections\":1},"                                                                      \
	"\"probes\":{\"cgroup\":{\"cgroupLeaf\":\"/sys/fs/cgroup/"                                 \
	"a\"},\"fc_metrics\":{\"endpoint\":\"/run/m\",\"fifo\":\"/run/m\"},"                       \
	"\"nftables\":{\"family\":\"inet\",\"table\":\"f\"},\"tap_link\":{\"iface\":"              \
	"\"tap0\"},"                                                                               \
	"\"vmm_proc\":{}},\"specId\":\"spec/"                                                      \
	"1\",\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"              \
	"01\","                                                                                    \
	"\"vmmPid\":7}"

/* As long as a request can make it, or nearly. */
static void sample_stated(struct sample *x)
{
	struct buf b = buf_init(x->stated, sizeof(x->stated) - 1);
	char name[257];

	memset(name, 'n', sizeof(name));
	buf_put_lit(&b, "{\"lifecycle\":[");
	for (int i = 0; i < 16; i++) {
		buf_put_str(&b, i > 0 ? STR(",{\"id\":\"") : STR("{\"id\":\""));
		buf_put(&b, name, 256);
		buf_put_lit(&b, "\",\"type\":\"");
		buf_put(&b, name, 128);
		buf_put_lit(&b, "\"}");
	}
	buf_put_lit(&b, "]}");
	x->stated[buf_len(&b)] = '\0';
	b = buf_init(x->opened, sizeof(x->opened) - 1);
	buf_put_lit(&b, "{\"probes\":{\"cgroup\":{\"cgroupLeaf\":\"");
	for (int i = 0; i < 1023; i++)
		buf_put_lit(&b, "\\\"");
	buf_put_lit(&b, "\"}}}");
	x->opened[buf_len(&b)] = '\0';
}

static void sample_opened(struct sample *x, enum sample_size size)
{
	struct facts_opened *f = &x->s.facts.opened;
	bool least = size == SAMPLE_LEAST;

	f->socket = size == SAMPLE_MOST ? str_of(x->socket) : STR("/run/vm/v.sock_9001");
	f->expected_uid = least ? -1 : (int64_t)UINT32_MAX;
	f->is_stated = !least;
	f->stated.text = size == SAMPLE_MOST ? str_of(x->opened) : STR(SAMPLE_OPENED);
}

static struct witnesses sample_witnesses(enum sample_size size)
{
	struct witnesses w = { .open = size == SAMPLE_MOST ? UINT32_MAX : 1, .is_heard = true };

	if (size == SAMPLE_LEAST)
		return (struct witnesses){ .open = 0 };
	w.told = TOLD_SNAPSHOTTING;
	for (int i = 0; i < N_WITNESSES; i++)
		w.said[i] = (uint8_t)(SAID_RUNS + i);
	return w;
}

static void sample_state(struct cht_stamped *s, enum sample_size size)
{
	struct facts_state_changed *f = &s->facts.state_changed;
	bool least = size == SAMPLE_LEAST;

	if (s->kind == EV_GUEST_AGENT_SILENCED) {
		s->facts.silenced.basis = least ? STR("never-heard") : STR("heartbeat");
		s->facts.silenced.witnesses = sample_witnesses(size);
		s->facts.silenced.witnesses.is_heard = false;
		return;
	}
	f->from = least ? CELL_EXPECTED : CELL_STARVED;
	f->to = least ? CELL_LIVE : CELL_RESTORED;
	f->basis = least ? STATE_BY_FRAME : STATE_BY_STATEMENT;
	f->witnesses = sample_witnesses(size);
}

static void sample_claim(struct cht_stamped *s, bool least)
{
	if (s->kind == EV_GUEST_TRAFFIC_UNDECLARED) {
		s->facts.undeclared.is_heard = least;
		return;
	}
	s->facts.unwitnessed.claim = least ? CLAIM_BYTES : CLAIM_CONNECT;
	s->facts.unwitnessed.verdict = least ? VERDICT_UNWITNESSED : VERDICT_CONTRADICTED;
}

/* Of a run that goes on. */
static struct cht_str sample_channel(struct sample *x, enum sample_size size)
{
	if (size == SAMPLE_LEAST)
		return STR("");
	return size == SAMPLE_MOST ? str_of(x->socket) : STR("vsock:3");
}

/* Numbers are set by their bytes, then what is text or has a meaning. */
static struct cht_str sample_stated_text(const struct sample *x, enum sample_size size)
{
	if (size == SAMPLE_LEAST)
		return STR("{\"exitCode\":0}");
	return size == SAMPLE_USUAL ? STR(SAMPLE_STATED) : str_of(x->stated);
}

static void sample_evidence(struct sample *x, enum sample_size size)
{
	struct facts_bundle *f = &x->s.facts.bundle;

	sample_bundle(&x->bundle, f, size == SAMPLE_LEAST, size == SAMPLE_MOST);
	f->counts = x->counts;
	f->vkey = STR(SAMPLE_VKEY);
	f->spec_id = size == SAMPLE_LEAST ? STR("") : STR("\"spec/1\"");
	x->run.is_continued = false; /* then it would have fewer references */
}

static void sample_facts(struct sample *x, enum sample_size size)
{
	bool least = size == SAMPLE_LEAST;
	struct cht_stamped *s = &x->s;

	memset(&s->facts, size == SAMPLE_MOST ? 0xff : least ? 0 : 0x01, sizeof(s->facts));
	switch ((int)s->kind) {
	case EV_RUN_OPENED: sample_opened(x, size); break;
	case EV_RUN_CONTINUED:
		s->facts.run_continued.origin = STR("cht.example/0123456789abcdef");
		s->facts.run_continued.socket = sample_channel(x, size);
		break;
	case EV_RUN_STATED: s->facts.stated.text = sample_stated_text(x, size); break;
	case EV_RUN_RESUMED:
		s->facts.run_resumed.cause = STR("unclean restart");
		s->facts.run_resumed.socket = sample_channel(x, size);
		break;
	case EV_CHANNEL_OPENED:
		s->facts.channel_opened.peer_uid = least ? UINT32_MAX : UINT32_MAX - 1;
		break;
	case EV_RUN_SEALED: s->facts.sealed.reason = STR("requested"); break;
	case EV_FRAMES_REFUSED:
		s->facts.refused.first = CHT_FAULT_COVERAGE;
		s->facts.refused.faults[CHT_FAULT_NONE] = 0;
		break;
	case EV_GUEST_ATTRIBUTION_FORGED:
		s->facts.forged.keys = size == SAMPLE_MOST ? (1u << CHT_N_FORGED) - 1 : 1;
		break;
	case EV_GUEST_AGENT_SILENCED:
	case EV_CELL_STATE_CHANGED: sample_state(s, size); break;
	case EV_CELL_EVIDENCE_BUNDLE: sample_evidence(x, size); break;
	case EV_GUEST_DECLARATION_UNWITNESSED:
	case EV_GUEST_TRAFFIC_UNDECLARED: sample_claim(s, least); break;
	case EV_HOST_STARTED:
		s->facts.host_started.version = STR("0.1.0");
		s->facts.host_started.boot_id = STR("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
		s->facts.host_started.kernel = STR("6.1.0-\xff-amd64"); /* not UTF-8 */
		s->facts.host_started.lockdown = least ? STR("off") : STR("kill");
		s->facts.host_started.landlock = least ? 0 : 1000;
		s->facts.host_started.previous = least ? STR("none") : STR("unclean");
		s->facts.host_started.adjust.freq_ppb = least ? 0 : INT64_MIN;
		s->facts.host_started.table_lost = !least;
		break;
	case EV_HOST_STOPPED: s->facts.host_stopped.reason = STR("SIGTERM"); break;
	case EV_HOST_RELOADED: sample_reloaded(s, least); break;
	case EV_LOG_OPENED: sample_log_opened(x, size); break;
	case EV_LOG_CLOSED:
		s->facts.log_closed.reason = STR("rotation");
		s->facts.log_closed.successor = STR("cht.example/fedcba9876543210");
		s->facts.log_closed.successor_vkey = STR(SAMPLE_VKEY);
		break;
	case EV_LEDGER_ALIVE:
		s->facts.alive.boot_id = STR("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
		break;
	case EV_CLOCK_STEPPED:
		s->facts.clock_stepped.step_ns = least ? INT64_MIN : 100000001;
		break;
	case EV_LEDGER_RECOVERED:
		s->facts.recovered.from = 0;
		s->facts.recovered.to = least ? 0 : 9;
		break;
	}
}

static void sample_reading(struct sample *x, enum sample_size size)
{
	bool least = size == SAMPLE_LEAST;
	static const char *const inputs[CHT_N_PROBES] = {
		[CHT_PROBE_FC_METRICS] = SAMPLE_FC_INPUTS,
		[CHT_PROBE_CGROUP] = SAMPLE_CGROUP_INPUTS,
		[CHT_PROBE_NFTABLES] = SAMPLE_NFT_INPUTS,
		[CHT_PROBE_TAP_LINK] = SAMPLE_TAP_INPUTS,
		[CHT_PROBE_VMM_PROC] = SAMPLE_VMM_INPUTS,
	};
	static const char *const outputs[CHT_N_PROBES] = {
		[CHT_PROBE_FC_METRICS] = SAMPLE_FC_OUTPUT,
		[CHT_PROBE_CGROUP] = SAMPLE_CGROUP_OUTPUT,
		[CHT_PROBE_NFTABLES] = SAMPLE_NFT_OUTPUT,
		[CHT_PROBE_TAP_LINK] = SAMPLE_TAP_OUTPUT,
		[CHT_PROBE_VMM_PROC] = SAMPLE_VMM_OUTPUT,
	};
	struct cht_reading *r = &x->reading;

	r->kind = (enum cht_probe_kind)(x->s.kind - EV_PROBE_FC_METRICS);
	r->sampled_ns = least ? 0 : INT64_C(1762348800123456789);
	r->inputs = str_of(inputs[r->kind]);
	r->output = str_of(outputs[r->kind]);
	x->s.facts.reading = r;
	if (size == SAMPLE_USUAL)
		return;
	/* At least a failure; at most a failure beside all that there is. */
	r->error = STR("not_found");
	r->error_text = STR("memory.events: No such file or directory");
	if (least)
		r->output = STR("");
}

/* Free it with free(). */
static struct sample *sample_make(enum event_kind kind, enum sample_size size)
{
	struct sample *x = calloc(1, sizeof(*x));

	if (x == NULL)
		abort();
	memset(x->control, 1, sizeof(x->control));
	sample_stated(x);
	sample_fill(x->socket, sizeof(x->socket) - 1, 1);
	x->s = (struct cht_stamped){ .kind = kind, .run = &x->run, .sequence = 7 };
	sample_run(x, size);
	x->s.at = (struct cht_now){ INT64_C(1762348800123456789), 5, UINT64_C(86400000000001) };
	if (size == SAMPLE_LEAST) {
		x->s.sequence = 1;
		x->s.at = (struct cht_now){ 0, 0, 0 };
	} else if (size == SAMPLE_MOST) {
		x->s.sequence = (UINT64_C(1) << 48) - 1;
		x->s.at = (struct cht_now){ INT64_MAX, UINT64_MAX, UINT64_MAX };
	}
	if (event_is_declaration(kind))
		sample_guest(x, size);
	else if (event_is_reading(kind))
		sample_reading(x, size);
	else
		sample_facts(x, size);
	return x;
}

#endif
