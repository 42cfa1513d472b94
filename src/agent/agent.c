/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/err.h"
#include "base/fd.h"

#define SCAN_NS  (100 * NS_PER_MS) /* as often as the published agent */
#define LEAVE_NS (2 * NS_PER_S)

/* More turns of the connector than its buffer holds events for. */
enum { LEAVE_TURNS = 200 };

enum { FD_SIGNALS, FD_CONNECTOR, FD_MOUNTS, FD_FILES, FD_LINK, N_FDS };

static int open_signals(struct agent *a, struct cht_err *err)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	(void)sigaction(SIGPIPE, &ignore, NULL);
	(void)sigaction(SIGHUP, &ignore, NULL);
	a->signals = fd_stop_signals(err);
	return a->signals < 0 ? a->signals : 0;
}

static void see_processes(struct report *r, enum coverage_state state, const char *mechanism,
			  const char *reason)
{
	report_coverage(r, SEES_SPAWNED, state, mechanism, reason);
	report_coverage(r, SEES_EXITED, state, mechanism, reason);
}

/* The connector works. It tells no names: those are in /proc, and the paths in fanotify too. */
static void use_connector(struct agent *a, uint64_t now_ns)
{
	struct report *r = &a->report;

	a->scan_at_ns = UINT64_MAX;
	see_processes(r, COVERAGE_ACTIVE, "proc-connector", NULL);
	if (execs_open(&a->execs))
		report_coverage(r, SEES_SPAWNED, COVERAGE_ACTIVE, "proc-connector, fanotify", NULL);
	else
		report_coverage(
			r, SEES_SPAWNED, COVERAGE_DEGRADED, "proc-connector",
			"no fanotify: a program that ends at once is told without its path");
	if (!lives_scan(&a->lives, LIVES_SEED, now_ns))
		see_processes(r, COVERAGE_DEGRADED, "proc-connector",
			      "/proc could not be read when the agent started: names are missing");
}

/* Compares /proc in place of the connector. It may come only later, when an init mounts it
 * after starting us: what runs then is learnt first, and not told. */
static void scan_proc(struct agent *a, uint64_t now_ns)
{
	enum lives_scan how = a->polls ? LIVES_POLL : LIVES_SEED;
	bool could = lives_scan(&a->lives, how, now_ns);

	a->scan_at_ns = now_ns + SCAN_NS;
	if (could && !a->polls)
		see_processes(&a->report, COVERAGE_DEGRADED, "proc-poll", a->why_polled.text);
	a->polls = a->polls || could;
}

/* The connector where it answers; else /proc, and the reason stands in the hello. */
static void open_processes(struct agent *a, uint32_t token, uint64_t now_ns)
{
	lives_init(&a->lives, &a->report);
	if (connector_open(&a->connector, &a->lives, &a->execs, token, &a->why_polled) == 0) {
		use_connector(a, now_ns);
		return;
	}
	see_processes(&a->report, COVERAGE_ABSENT, "", a->why_polled.text);
	scan_proc(a, now_ns);
}

/* A guest short of memory should lose its workload before its witness. */
static void refuse_oom(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	/* Not permitted: then the next best, to be killed like anyone. */
	if (fd_write_all(fd, "-1000", 5, NULL) < 0)
		errno = 0;
	fd_close(&fd);
}

int agent_open(struct agent *a, const struct options *options, struct cht_err *err)
{
	uint64_t random[3], now_ns = clk_monotonic_ns();
	struct report *r = &a->report;
	int e;

	a->signals = a->connector.fd = a->files.fd = a->outbox.link.fd = -1;
	a->execs.fd = a->execs.mounts = -1;
	e = fd_random(random, sizeof(random), err);
	if (e == 0)
		e = link_open(&a->outbox.link, &options->address, random[1], err);
	if (e == 0)
		e = open_signals(a, err);
	if (e < 0)
		return e;
	r->boot = random[0];
	r->pid = (uint32_t)getpid();
	r->heartbeat_ms = options->heartbeat_ms;
	(void)prctl(PR_GET_NAME, r->comm);
	refuse_oom();
	open_processes(a, (uint32_t)random[2], now_ns);
	files_open(&a->files, options->watch, options->n_watch, r);
	report_coverage(r, SEES_CAPABILITIES, COVERAGE_ABSENT, "",
			"this agent has no source for it");
	report_coverage(r, SEES_CONNECTS, COVERAGE_ABSENT, "", "this agent has no source for it");
	a->heartbeat_at_ns = options->heartbeat_ms > 0 ? now_ns : UINT64_MAX;
	a->leave_by_ns = UINT64_MAX;
	return 0;
}

static bool is_leaving(const struct agent *a)
{
	return a->leave_by_ns != UINT64_MAX;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Milliseconds until something is due, rounded up; -1 for never. */
static int poll_timeout(const struct agent *a, uint64_t now_ns)
{
	uint64_t due = earlier(link_deadline(&a->outbox.link), a->leave_by_ns), ms;

	if (!is_leaving(a)) {
		due = earlier(due, earlier(a->scan_at_ns, a->heartbeat_at_ns));
		due = earlier(due, earlier(a->lives.tell_at_ns, a->files.retry_at_ns));
		if (a->busy)
			return 0;
	}
	if (due == UINT64_MAX)
		return -1;
	if (due <= now_ns)
		return 0;
	ms = (due - now_ns + NS_PER_MS - 1) / NS_PER_MS;
	return ms < INT32_MAX ? (int)ms : INT32_MAX;
}

static void read_sources(struct agent *a, const struct pollfd *fds, uint64_t now_ns)
{
	if (fds[FD_MOUNTS].revents != 0)
		execs_on_mounts(&a->execs);
	if (a->connector.fd >= 0 && (fds[FD_CONNECTOR].revents != 0 || a->busy))
		a->busy = connector_on_ready(&a->connector, now_ns);
	if (fds[FD_FILES].revents != 0)
		files_on_ready(&a->files, now_ns);
}

static void do_due(struct agent *a, uint64_t now_ns)
{
	if (now_ns >= a->scan_at_ns)
		scan_proc(a, now_ns);
	lives_tick(&a->lives, now_ns);
	files_turn(&a->files, now_ns);
	if (now_ns >= a->heartbeat_at_ns) {
		a->outbox.wants_heartbeat = link_is_up(&a->outbox.link);
		execs_on_ready(&a->execs); /* failed execs alone would fill its queue */
		a->heartbeat_at_ns = now_ns + a->report.heartbeat_ms * NS_PER_MS;
	}
}

/* The last look at the sources; then only the queue and the bye are left to do. */
static void leave(struct agent *a, int signal, uint64_t now_ns)
{
	a->outbox.bye = signal == SIGINT ? "SIGINT" : "SIGTERM";
	a->leave_by_ns = now_ns + LEAVE_NS;
	a->busy = a->connector.fd >= 0;
	for (int turns = 0; a->busy && turns < LEAVE_TURNS; turns++) {
		a->busy = connector_on_ready(&a->connector, now_ns);
		outbox_turn(&a->outbox, &a->report, now_ns);
	}
	if (a->connector.fd < 0)
		scan_proc(a, now_ns);
	if (a->files.fd >= 0)
		files_on_ready(&a->files, now_ns);
	a->busy = false;
}

static void read_signal(struct agent *a, uint64_t now_ns)
{
	struct signalfd_siginfo info;

	if (read(a->signals, &info, sizeof(info)) == sizeof(info) && !is_leaving(a))
		leave(a, (int)info.ssi_signo, now_ns);
}

int agent_run(struct agent *a, struct cht_err *err)
{
	uint64_t now_ns = clk_monotonic_ns();

	while (!(is_leaving(a) && (now_ns >= a->leave_by_ns || outbox_is_done(&a->outbox)))) {
		bool leaving = is_leaving(a);
		struct pollfd fds[N_FDS] = {
			[FD_SIGNALS] = { .fd = a->signals, .events = POLLIN },
			[FD_CONNECTOR] = { .fd = leaving ? -1 : a->connector.fd, .events = POLLIN },
			[FD_MOUNTS] = { .fd = leaving ? -1 : a->execs.mounts, .events = POLLPRI },
			[FD_FILES] = { .fd = leaving ? -1 : a->files.fd, .events = POLLIN },
			[FD_LINK] = { .fd = a->outbox.link.fd,
				      .events = link_events(&a->outbox.link) },
		};

		if (poll(fds, N_FDS, poll_timeout(a, now_ns)) < 0 && errno != EINTR)
			return cht_fail(err, CHT_E_IO, errno, "poll");
		now_ns = clk_monotonic_ns();
		link_on_event(&a->outbox.link, fds[FD_LINK].revents, now_ns);
		if (!leaving) {
			read_sources(a, fds, now_ns);
			do_due(a, now_ns);
		}
		if (fds[FD_SIGNALS].revents != 0)
			read_signal(a, now_ns);
		outbox_turn(&a->outbox, &a->report, now_ns);
	}
	report_give_up(&a->report);
	return 0;
}

void agent_close(struct agent *a)
{
	connector_close(&a->connector);
	execs_close(&a->execs);
	files_close(&a->files);
	link_close(&a->outbox.link);
	fd_close(&a->signals);
}
