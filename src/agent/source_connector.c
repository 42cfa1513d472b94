/* SPDX-License-Identifier: Apache-2.0
 *
 * A socket filter keeps what is needed (events of first threads), so that threads cannot fill
 * the buffer. Its price: the per-processor numbers in the messages then have holes that mean
 * nothing. What was lost is therefore read from the socket's own drop counter, which counts
 * exactly the messages that passed the filter and found no room (ADR 12).
 */
#include "agent/source_connector.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>

#include "base/clk.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"

enum {
	BUFFER_BYTES = 8 << 20, /* about 10,000 events: what a storm makes while we are not run */
	EVENTS_PER_TURN = 256,
	ACK_WAIT_MS = 500,
	OP_BYTES = NLMSG_HDRLEN + sizeof(struct cn_msg) + sizeof(uint32_t)
};

/* Where a field of a process event lies in a message. */
#define AT(field)                                                                                  \
	((uint32_t)(NLMSG_HDRLEN + sizeof(struct cn_msg) + offsetof(struct proc_event, field)))
/* Constants are compared in the byte order in which the filter loads a word. */
#define KIND(kind) __builtin_bswap32((uint32_t)(kind))
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the filter is written for little-endian machines"
#endif

static int set_filter(int fd)
{
	/* fork keeps a child that is a process; exec all; the others those of first threads. */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT(what)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, KIND(PROC_EVENT_NONE), 14, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, KIND(PROC_EVENT_EXEC), 13, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, KIND(PROC_EVENT_FORK), 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, KIND(PROC_EVENT_EXIT), 7, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, KIND(PROC_EVENT_UID), 6, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, KIND(PROC_EVENT_GID), 5, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, KIND(PROC_EVENT_COMM), 4, 9),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT(event_data.fork.child_pid)),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT(event_data.fork.child_tgid)),
		BPF_JUMP(BPF_JMP | BPF_JA, 3, 0, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT(event_data.exit.process_pid)),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT(event_data.exit.process_tgid)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static int send_op(int fd, enum proc_cn_mcast_op op, uint32_t token)
{
	const struct nlmsghdr nl = { .nlmsg_len = OP_BYTES, .nlmsg_type = NLMSG_DONE };
	const struct cn_msg cn = { .id = { .idx = CN_IDX_PROC, .val = CN_VAL_PROC },
				   .seq = token,
				   .ack = token,
				   .len = sizeof(uint32_t) };
	const uint32_t what = op;
	uint8_t msg[OP_BYTES];

	memcpy(msg, &nl, sizeof(nl));
	memcpy(msg + NLMSG_HDRLEN, &cn, sizeof(cn));
	memcpy(msg + NLMSG_HDRLEN + sizeof(cn), &what, sizeof(what));
	return send(fd, msg, sizeof(msg), 0) < 0 ? -1 : 0;
}

struct event {
	uint32_t ack; /* names the subscription that it answers */
	struct proc_event proc;
};

/* 1: *out is the next event; 0: none waits; -1: errno. Skips what the kernel did not send. */
static int next_event(int fd, struct event *out)
{
	for (;;) {
		_Alignas(8) uint8_t msg[1024];
		struct sockaddr_nl from = { 0 };
		socklen_t from_len = sizeof(from);
		struct cn_msg cn;
		const size_t proc_at = NLMSG_HDRLEN + sizeof(struct cn_msg);
		ssize_t n = recvfrom(fd, msg, sizeof(msg), MSG_DONTWAIT, (struct sockaddr *)&from,
				     &from_len);
		size_t len = n > 0 ? (size_t)n : 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		if (from.nl_pid != 0 || len < proc_at + offsetof(struct proc_event, event_data) + 8)
			continue;
		memcpy(&cn, msg + NLMSG_HDRLEN, sizeof(cn));
		if (cn.id.idx != CN_IDX_PROC)
			continue;
		*out = (struct event){ .ack = cn.ack };
		len -= proc_at;
		memcpy(&out->proc, msg + proc_at,
		       len < sizeof(out->proc) ? len : sizeof(out->proc));
		return 1;
	}
}

/* The kernel answers within the send. What else waits before the answer is older than the scan
 * of /proc that follows. The wait is bounded by the clock, not by messages: where we get no
 * answer, a listener elsewhere can have the kernel send us its events for ever. */
static int await_answer(int fd, uint32_t token, struct cht_err *err)
{
	const uint64_t until_ns = clk_monotonic_ns() + ACK_WAIT_MS * NS_PER_MS;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct event event;

	for (uint64_t now_ns = 0; now_ns < until_ns; now_ns = clk_monotonic_ns()) {
		int r = next_event(fd, &event);

		if (r < 0 && errno != ENOBUFS)
			return cht_fail(err, CHT_E_UNSUPPORTED, errno, "proc connector");
		if (r == 0)
			(void)poll(&p, 1, ACK_WAIT_MS);
		if (r <= 0 || event.proc.what != PROC_EVENT_NONE || event.ack != token + 1)
			continue;
		if (event.proc.event_data.ack.err != 0)
			return cht_fail(err, CHT_E_UNSUPPORTED, (int)event.proc.event_data.ack.err,
					"proc connector");
		return 0;
	}
	return cht_fail(err, CHT_E_UNSUPPORTED, 0,
			"proc connector: no answer (not the initial pid and user namespace, or the "
			"kernel has no CONFIG_PROC_EVENTS)");
}

/* Messages that passed the filter and found no room, in all. */
static uint32_t read_lost(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) < 0)
		return 0;
	return info[SK_MEMINFO_DROPS];
}

static int subscribe(int fd, uint32_t token, struct cht_err *err)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC };
	int bytes = BUFFER_BYTES;

	/* Without CAP_NET_ADMIN the smaller limit of the system holds. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (set_filter(fd) < 0 || bind(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 ||
	    send_op(fd, PROC_CN_MCAST_LISTEN, token) < 0)
		return cht_fail(err, CHT_E_UNSUPPORTED, errno, "proc connector");
	return await_answer(fd, token, err);
}

int connector_open(struct connector *c, struct lives *lives, struct execs *execs, uint32_t token,
		   struct cht_err *err)
{
	int r;

	*c = (struct connector){ .fd = -1, .lives = lives, .execs = execs };
	c->fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_CONNECTOR);
	if (c->fd < 0)
		return cht_fail(err, CHT_E_UNSUPPORTED, errno, "proc connector");
	r = subscribe(c->fd, token, err);
	if (r < 0) {
		fd_close(&c->fd);
		return r;
	}
	c->lost = read_lost(c->fd);
	return 0;
}

static void on_comm(struct lives *l, const struct comm_proc_event *e)
{
	size_t len = strnlen(e->comm, sizeof(e->comm));

	lives_on_comm(l, (uint32_t)e->process_tgid,
		      (struct cht_bytes){ (const uint8_t *)e->comm, len });
}

/* /proc first, which may be gone in a moment; fanotify's queue keeps. */
static void on_exec(struct connector *c, uint32_t pid, uint64_t at_ns)
{
	struct cht_bytes exe = lives_look(c->lives, pid);

	if (exe.len == 0)
		execs_on_ready(c->execs);
	lives_on_exec(c->lives, pid, exe.len > 0 ? exe : execs_path(c->execs, pid), at_ns);
	execs_forget(c->execs, pid);
}

static void on_event(struct connector *c, const struct proc_event *e)
{
	struct lives *l = c->lives;

	switch ((uint32_t)e->what) {
	case PROC_EVENT_FORK:
		lives_on_fork(l, (uint32_t)e->event_data.fork.child_tgid,
			      (uint32_t)e->event_data.fork.parent_tgid, e->timestamp_ns);
		break;
	case PROC_EVENT_EXEC:
		on_exec(c, (uint32_t)e->event_data.exec.process_tgid, e->timestamp_ns);
		break;
	case PROC_EVENT_EXIT:
		execs_forget(c->execs, (uint32_t)e->event_data.exit.process_tgid);
		lives_on_exit(l, (uint32_t)e->event_data.exit.process_tgid,
			      (uint32_t)e->event_data.exit.parent_tgid,
			      e->event_data.exit.exit_code, e->timestamp_ns);
		break;
	case PROC_EVENT_UID:
		lives_on_uid(l, (uint32_t)e->event_data.id.process_tgid, e->event_data.id.e.euid);
		break;
	case PROC_EVENT_GID:
		lives_on_gid(l, (uint32_t)e->event_data.id.process_tgid, e->event_data.id.e.egid);
		break;
	case PROC_EVENT_COMM: on_comm(l, &e->event_data.comm); break;
	default: break; /* the answer to a subscription */
	}
}

/* The buffer is empty again: count what it could not take, and look at /proc for what that was. */
static void repair(struct connector *c, uint64_t now_ns)
{
	static const char why[] = "the kernel's buffer overflowed: agent_dropped has how many";
	struct report *report = c->lives->report;
	uint32_t lost = read_lost(c->fd), n = lost - c->lost;

	c->overrun = false;
	c->lost = lost;
	report_lost(report, n > 0 ? n : 1);
	if (!c->told_overrun) {
		report_coverage(report, SEES_SPAWNED, COVERAGE_DEGRADED,
				report->sees[SEES_SPAWNED].mechanism, why);
		report_coverage(report, SEES_EXITED, COVERAGE_DEGRADED,
				report->sees[SEES_EXITED].mechanism, why);
	}
	c->told_overrun = true;
	(void)lives_scan(c->lives, LIVES_REPAIR, now_ns);
}

bool connector_on_ready(struct connector *c, uint64_t now_ns)
{
	struct event event;

	for (int i = 0; i < EVENTS_PER_TURN; i++) {
		int r = next_event(c->fd, &event);

		if (r > 0)
			on_event(c, &event.proc);
		else if (r < 0 && errno == ENOBUFS)
			c->overrun = true;
		else {
			execs_on_ready(c->execs);
			if (c->overrun)
				repair(c, now_ns);
			return false;
		}
	}
	return true;
}

void connector_close(struct connector *c)
{
	if (c->fd >= 0)
		(void)send_op(c->fd, PROC_CN_MCAST_IGNORE, 0);
	fd_close(&c->fd);
}
