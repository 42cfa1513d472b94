/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"
#include "probe/procstat.h"
#include "probe/vmm_proc.h"

/* A reading under way. */
struct look {
	struct vmm *v;
	struct probe_room *room;
	struct cht_reading *out;
	struct proc_stat stat;           /* of the process */
	char state;                      /* the worst of its threads' */
	bool is_stopped;                 /* all of them are */
	unsigned n_vcpus, n_vcpus_known; /* known: they were read before */
	uint64_t vcpu_guest, wait_ns;    /* sums over threads */
	bool has_sched;
	/* What grew since the reading before: of its vCPUs, where they can be told. */
	struct vmm_times all, vcpus;
	unsigned n_kept, n_vcpus_kept; /* of those that were to run then and are now, and did not */
	bool has_before;
};

/* False: it cannot be read. */
static bool read_file(struct look *l, struct probe_file *f, struct cht_bytes *text)
{
	int n = f->fd >= 0 ? probe_file_read(f, l->room->scratch, sizeof(l->room->scratch)) : -1;

	*text = (struct cht_bytes){ l->room->scratch, n > 0 ? (size_t)n : 0 };
	return n >= 0;
}

static uint64_t grown(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

static void add(struct vmm_times *sum, const struct vmm_times *from, const struct vmm_times *to)
{
	sum->run_ns = u64_sum(sum->run_ns, grown(from->run_ns, to->run_ns));
	sum->wait_ns = u64_sum(sum->wait_ns, grown(from->wait_ns, to->wait_ns));
	sum->ticks = u64_sum(sum->ticks, grown(from->ticks, to->ticks));
	sum->guest = u64_sum(sum->guest, grown(from->guest, to->guest));
}

static bool is_stop(char state)
{
	return state == 'T' || state == 't';
}

/* One that ended meanwhile is no failure: the process has others, which are listed anew. */
static void fail_file(struct look *l, const struct probe_file *f, int code, const char *what)
{
	if (code == 0 && (f->sys == ESRCH || f->sys == ENOENT))
		l->v->is_stale = true;
	else
		reading_fail(l->out, l->room, code != 0 ? code : f->code, code != 0 ? 0 : f->sys,
			     what);
}

static void read_sched(struct look *l, struct vmm_task *t, struct vmm_times *now)
{
	struct cht_bytes text;

	if (!read_file(l, &t->sched, &text)) {
		fail_file(l, &t->sched, 0, "schedstat of a thread");
		return;
	}
	if (!proc_sched_read(text, &now->run_ns, &now->wait_ns)) {
		fail_file(l, &t->sched, CHT_E_PARSE, "schedstat of a thread");
		return;
	}
	l->has_sched = true;
	l->wait_ns = u64_sum(l->wait_ns, now->wait_ns);
}

/* The kernel counts a wait when it is over. */
static void note_kept(struct look *l, const struct vmm_task *t, const struct vmm_times *now,
		      bool is_ready)
{
	if (!is_ready || !t->was_ready || now->run_ns != t->before.run_ns ||
	    now->ticks != t->before.ticks)
		return;
	l->n_kept++;
	l->n_vcpus_kept += t->is_vcpu;
}

static void read_task(struct look *l, struct vmm_task *t)
{
	struct vmm_times now = { .run_ns = 0 };
	struct proc_stat s;
	struct cht_bytes text;

	if (!read_file(l, &t->stat, &text)) {
		fail_file(l, &t->stat, 0, "stat of a thread");
		return;
	}
	if (!proc_stat_read(text, &s)) {
		fail_file(l, &t->stat, CHT_E_PARSE, "stat of a thread");
		return;
	}
	now.ticks = u64_sum(s.user, s.system);
	now.guest = s.guest;
	/* A thread is named after it began. */
	t->is_vcpu = proc_is_vcpu(s.comm);
	l->state = proc_worst(l->state, s.state);
	l->is_stopped = l->is_stopped && is_stop(s.state);
	l->n_vcpus += t->is_vcpu;
	if (t->is_vcpu)
		l->vcpu_guest = u64_sum(l->vcpu_guest, s.guest);
	read_sched(l, t, &now);
	if (t->has_before) {
		add(&l->all, &t->before, &now);
		if (t->is_vcpu)
			add(&l->vcpus, &t->before, &now);
		l->n_vcpus_known += t->is_vcpu;
		note_kept(l, t, &now, s.state == 'R');
	}
	t->was_ready = s.state == 'R';
	t->before = now;
	t->has_before = true;
}

/* Its last thread has ended; of one whose first has, others may go on. */
static bool is_dead(const struct proc_stat *s)
{
	return (s->state == 'Z' || s->state == 'X' || s->state == 'x') && s->threads <= 1;
}

static enum cht_probe_says judge(const struct look *l, uint64_t elapsed_ns)
{
	enum { A_TENTH = 10 };
	bool has_vcpus = l->n_vcpus_known > 0;
	const struct vmm_times *t = has_vcpus ? &l->vcpus : &l->all;
	bool ran = t->run_ns > 0 || t->ticks > 0 || t->guest > 0;
	bool is_kept =
		(has_vcpus ? l->n_vcpus_kept : l->n_kept) > 0 && elapsed_ns >= NS_PER_S / A_TENTH;

	if (is_dead(&l->stat))
		return CHT_PROBE_SAYS_GONE;
	if (l->is_stopped)
		return CHT_PROBE_SAYS_STILL;
	if (!l->has_before)
		return CHT_PROBE_SAYS_NOTHING;
	if (t->wait_ns > t->run_ns && t->wait_ns >= elapsed_ns / A_TENTH)
		return CHT_PROBE_SAYS_STARVED;
	if (ran)
		return CHT_PROBE_SAYS_RUNS;
	return is_kept ? CHT_PROBE_SAYS_STARVED : CHT_PROBE_SAYS_STILL;
}

static void put(struct buf *b, const char *name, uint64_t v)
{
	buf_put_str(b, str_of(name));
	put_u64(b, v);
}

static void put_output(struct buf *b, const struct look *l)
{
	uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK), page = (uint64_t)sysconf(_SC_PAGESIZE);
	const struct proc_stat *s = &l->stat;

	put(b, "{\"guestTimeMs\":", proc_ms(s->guest, hz));
	put(b, ",\"rssBytes\":", s->pages > UINT64_MAX / page ? UINT64_MAX : s->pages * page);
	if (l->has_sched)
		put(b, ",\"runDelayMs\":", l->wait_ns / NS_PER_MS);
	put(b, ",\"startTicks\":", s->start);
	buf_put_lit(b, ",\"state\":");
	json_put_str(b, (struct cht_str){ &l->state, 1 });
	put(b, ",\"systemTimeMs\":", proc_ms(s->system, hz));
	put(b, ",\"threads\":", s->threads);
	put(b, ",\"userTimeMs\":", proc_ms(s->user, hz));
	if (l->n_vcpus > 0) {
		put(b, ",\"vcpus\":{\"count\":", l->n_vcpus);
		put(b, ",\"guestTimeMs\":", proc_ms(l->vcpu_guest, hz));
		buf_put_byte(b, '}');
	}
	buf_put_byte(b, '}');
}

static void end(struct look *l)
{
	l->v->is_ended = true;
	l->out->says = CHT_PROBE_SAYS_GONE;
	reading_fail_named(l->out, l->room, "gone", "the process has ended");
}

/* False: there is nothing to be said but what l->out says. */
static bool read_process(struct look *l)
{
	struct vmm *v = l->v;
	struct cht_bytes text;
	bool was_begun = v->is_begun;

	if (v->is_ended) {
		end(l);
		return false;
	}
	if (!read_file(l, &v->stat, &text)) {
		if (v->stat.sys == ESRCH || (was_begun && v->stat.sys == ENOENT))
			end(l);
		else
			reading_fail(l->out, l->room, v->stat.code, v->stat.sys, "stat");
		return false;
	}
	if (!proc_stat_read(text, &l->stat)) {
		reading_fail(l->out, l->room, CHT_E_PARSE, 0, "stat");
		return false;
	}
	/* Another process has its number by now. */
	if (was_begun && l->stat.start != v->start) {
		end(l);
		return false;
	}
	v->start = l->stat.start;
	v->is_begun = true;
	return true;
}

static void read_tasks(struct look *l)
{
	struct vmm *v = l->v;

	if (v->n_tasks == 0 && v->list.fd < 0)
		reading_fail(l->out, l->room, v->list.code, v->list.sys, "task");
	for (unsigned i = 0; i < v->n_tasks; i++)
		read_task(l, &v->tasks[i]);
	if (l->stat.threads != v->n_threads)
		v->is_stale = true;
}

void vmm_read(struct vmm *v, const struct cht_now *now, struct probe_room *room,
	      struct cht_reading *out)
{
	struct look l = { .v = v, .room = room, .out = out };
	struct buf inputs = buf_init(room->inputs, sizeof(room->inputs));
	struct buf output = buf_init(room->output, sizeof(room->output));

	l.has_before = v->is_begun;
	if (read_process(&l)) {
		struct vmm_times times = { .ticks = u64_sum(l.stat.user, l.stat.system),
					   .guest = l.stat.guest };

		l.state = l.stat.state;
		l.is_stopped = is_stop(l.stat.state);
		read_tasks(&l);
		if (l.has_before)
			add(&l.all, &v->before, &times);
		out->says = judge(&l, grown(v->before_ns, now->monotonic_ns));
		v->before = times;
		v->before_ns = now->monotonic_ns;
		v->is_ended = is_dead(&l.stat);
		put_output(&output, &l);
	}
	put(&inputs, "{\"pid\":", v->pid);
	put(&inputs, ",\"procfs\":\"/proc/", v->pid);
	buf_put_lit(&inputs, "\"}");
	out->inputs = (struct cht_str){ (char *)room->inputs, buf_len(&inputs) };
	out->output = (struct cht_str){ (char *)room->output, buf_len(&output) };
}
