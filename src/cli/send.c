/* SPDX-License-Identifier: Apache-2.0
 *
 * One thread, edge-triggered epoll. A batch of frames is made in one shared buffer and written
 * at once; only what the kernel did not take is kept, with its connection.
 */
#include "cli/sender.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"

const char *const send_fault_names[SEND_N_FAULTS] = {
	[FAULT_BAD_CBOR] = "bad-cbor",
	[FAULT_VERSION] = "version",
	[FAULT_FORGED] = "forged",
	[FAULT_UNKNOWN_SOURCE] = "unknown-source",
	[FAULT_GAP] = "gap",
	[FAULT_BAD_LENGTH] = "bad-length",
	[FAULT_ZERO_LENGTH] = "zero-length",
	[FAULT_TRUNCATE] = "truncate",
	[FAULT_STALL] = "stall",
	[FAULT_FLOOD_CONNECT] = "flood-connect",
};

/* What epoll says is ready: the number of a connection, or one of these. */
#define REF_SIGNAL UINT32_MAX
#define REF_STDIN  (UINT32_MAX - 1)

enum { EVENTS = 64, TURNS_BETWEEN_POLLS = 256, SPARE_DESCRIPTORS = 64 };

static int watch(struct sender *s, int fd, uint32_t events, uint32_t ref, struct cht_err *err)
{
	struct epoll_event event = { .events = events, .data.u32 = ref };

	if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return cht_fail(err, CHT_E_IO, errno, "watch a descriptor");
	return 0;
}

static int take_signals(struct sender *s, struct cht_err *err)
{
	s->signal_fd = fd_stop_signals(err);
	return s->signal_fd < 0 ? s->signal_fd : watch(s, s->signal_fd, EPOLLIN, REF_SIGNAL, err);
}

static int raise_descriptors(uint64_t connections, struct cht_err *err)
{
	uint64_t want = connections + SPARE_DESCRIPTORS;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return cht_fail(err, CHT_E_IO, errno, "getrlimit");
	if (limit.rlim_cur >= want)
		return 0;
	if (limit.rlim_max < want)
		return cht_fail(err, CHT_E_LIMIT, 0,
				"%llu connections need %llu descriptors; ulimit -Hn says %llu",
				(unsigned long long)connections, (unsigned long long)want,
				(unsigned long long)limit.rlim_max);
	limit.rlim_cur = want;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return cht_fail(err, CHT_E_IO, errno, "setrlimit");
	return 0;
}

static int flood(struct sender *s, const struct target *target, struct cht_err *err)
{
	for (uint64_t i = 0; i < s->options->faults[FAULT_FLOOD_CONNECT]; i++) {
		int fd = target_connect(target, err);

		if (fd < 0)
			return fd;
		fd_close(&fd);
		s->result.faults[FAULT_FLOOD_CONNECT]++;
	}
	return 0;
}

/* Which fault ends connection i: those asked for one after the other, then none. */
static enum send_fault ending_of(const struct send_options *o, uint64_t i)
{
	for (unsigned f = FAULT_BAD_LENGTH; fault_is_ending(f); f++) {
		if (i < o->faults[f])
			return (enum send_fault)f;
		i -= o->faults[f];
	}
	return SEND_N_FAULTS;
}

static int connect_all(struct sender *s, const struct target *target, struct cht_err *err)
{
	const struct send_options *o = s->options;

	for (uint64_t i = 0; i < o->connections; i++) {
		struct conn *c = &s->conns[i];
		int r;

		c->fd = target_connect(target, err);
		if (c->fd < 0)
			return c->fd;
		c->ending = ending_of(o, i);
		c->ended = c->ending == SEND_N_FAULTS;
		c->greeted = !o->has_hello;
		c->left = o->frames / o->connections + (i < o->frames % o->connections);
		r = fd_random(&c->boot, sizeof(c->boot), err);
		if (r == 0)
			r = watch(s, c->fd, EPOLLOUT | EPOLLRDHUP | EPOLLET, (uint32_t)i, err);
		if (r < 0)
			return r;
		c->boot |= SYNTH_WIDE_MIN;
		s->result.connections++;
		s->live++;
	}
	return 0;
}

int send_new(struct sender **out, const struct target *target, const struct send_options *options,
	     struct cht_err *err)
{
	struct sender *s = calloc(1, sizeof(*s));
	int r;

	if (s == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory");
	s->options = options;
	s->epoll_fd = s->signal_fd = -1;
	s->conns = calloc(options->connections + 1, sizeof(*s->conns));
	s->batch = malloc((options->batch + 1) * SYNTH_FRAME_MAX);
	for (uint64_t i = 0; s->conns != NULL && i < options->connections; i++)
		s->conns[i].fd = -1;
	for (unsigned f = 0; fault_is_inside(f); f++) {
		s->faults_left[f] = options->faults[f];
		s->faults_inside += options->faults[f];
	}
	s->fault_credit = options->frames / 2;
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->conns == NULL || s->batch == NULL)
		r = cht_fail(err, CHT_E_NOMEM, 0, "no memory");
	else if (s->epoll_fd < 0)
		r = cht_fail(err, CHT_E_IO, errno, "epoll");
	else
		r = synth_init(&s->synth, &options->synth, err);
	if (r == 0)
		r = raise_descriptors(options->connections, err);
	if (r == 0)
		r = connect_all(s, target, err);
	if (r == 0)
		r = flood(s, target, err);
	if (r == 0)
		r = take_signals(s, err);
	if (r < 0)
		send_free(s);
	else
		*out = s;
	return r;
}

void send_free(struct sender *s)
{
	if (s == NULL)
		return;
	for (uint64_t i = 0; s->conns != NULL && i < s->options->connections; i++) {
		fd_close(&s->conns[i].fd);
		free(s->conns[i].pending);
	}
	fd_close(&s->signal_fd);
	fd_close(&s->epoll_fd);
	free(s->conns);
	free(s->batch);
	free(s);
}

/* The receiver closed: what it took of the batch in hand counts, the rest is unsent. */
static void lose(struct sender *s, struct conn *c)
{
	uint64_t taken = 0;

	if (!conn_is_through(c)) {
		s->live--;
		s->result.closed_early++;
		taken = c->pending != NULL ? conn_taken_frames(c) : 0;
		if (taken > 0) {
			s->result.hellos += c->hellos;
			s->result.frames += taken - c->hellos;
		}
		c->left = 0;
		c->ended = c->greeted = true;
	}
	free(c->pending);
	c->pending = NULL;
	fd_close(&c->fd);
}

static void finish(struct sender *s, struct conn *c)
{
	s->live--;
	if (c->ending == FAULT_TRUNCATE || (!s->options->holds && c->ending != FAULT_STALL))
		fd_close(&c->fd);
}

static int keep(struct conn *c, const uint8_t *batch, size_t len, size_t taken)
{
	c->pending = malloc(len);
	if (c->pending == NULL)
		return CHT_E_NOMEM;
	memcpy(c->pending, batch, len);
	c->len = len;
	c->at = taken;
	return 0;
}

/* Writes what is pending, else a new batch. */
static int turn(struct sender *s, struct conn *c, uint64_t budget, struct cht_err *err)
{
	const uint8_t *bytes = c->pending != NULL ? c->pending : s->batch;
	size_t at = c->pending != NULL ? c->at : 0;
	size_t len = c->pending != NULL ? c->len : conn_make_batch(s, c, budget);
	ssize_t w;

	do
		w = send(c->fd, bytes + at, len - at, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (w < 0 && errno == EINTR);
	if (w < 0 && errno == EAGAIN)
		c->blocked = true;
	if (w < 0 && errno != EAGAIN && errno != EPIPE && errno != ECONNRESET && errno != ENOTCONN)
		return cht_fail(err, CHT_E_IO, errno, "send");
	if (w < 0 && errno != EAGAIN) {
		if (c->pending == NULL && keep(c, s->batch, len, 0) < 0)
			return cht_fail(err, CHT_E_NOMEM, 0, "no memory");
		lose(s, c);
		return 0;
	}
	at += w > 0 ? (size_t)w : 0;
	s->result.bytes += w > 0 ? (size_t)w : 0;
	if (at < len && c->pending == NULL && keep(c, s->batch, len, at) < 0)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory");
	c->at = at;
	if (at < len)
		return 0;
	s->result.frames += c->n;
	s->result.hellos += c->hellos;
	free(c->pending);
	c->pending = NULL;
	if (conn_is_through(c))
		finish(s, c);
	return 0;
}

static void on_conn(struct sender *s, struct conn *c, uint32_t events)
{
	c->blocked = false;
	if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0 && c->fd >= 0)
		lose(s, c);
}

/* Looks at what is ready, waiting at most timeout_ms (-1: for ever). */
static int poll_once(struct sender *s, int timeout_ms, struct cht_err *err)
{
	struct epoll_event events[EVENTS];
	char ignored[4096];
	int n = epoll_wait(s->epoll_fd, events, EVENTS, timeout_ms);

	if (n < 0 && errno != EINTR)
		return cht_fail(err, CHT_E_IO, errno, "epoll_wait");
	for (int i = 0; i < n; i++) {
		uint32_t ref = events[i].data.u32;

		if (ref == REF_SIGNAL)
			s->stopped = true;
		else if (ref == REF_STDIN)
			s->stopped = read(STDIN_FILENO, ignored, sizeof(ignored)) <= 0;
		else
			on_conn(s, &s->conns[ref], events[i].events);
		if (s->stopped)
			break;
	}
	return 0;
}

/* How long to wait until the rate allows n more frames; 0: not at all. */
static int wait_for_rate(const struct sender *s, uint64_t n, uint64_t start_ns)
{
	uint64_t rate = s->options->rate, elapsed, due;

	if (rate == 0 || n == 0)
		return 0;
	elapsed = clk_monotonic_ns() - start_ns;
	due = elapsed / NS_PER_S * rate + elapsed % NS_PER_S * rate / NS_PER_S;
	if (s->made + n <= due + 1)
		return 0;
	return (int)((s->made + n - due - 1) * 1000 / rate) + 1;
}

/* One turn for each connection that can be written; stops early to wait for the rate. Sets
 * *moved unless all are blocked. */
static int round_of_turns(struct sender *s, uint64_t start_ns, bool *moved, struct cht_err *err)
{
	int r = 0;

	*moved = false;
	for (uint64_t i = 0; i < s->options->connections && r == 0 && !s->stopped; i++) {
		struct conn *c = &s->conns[s->cursor];
		uint64_t n = s->options->batch < c->left ? s->options->batch : c->left;

		if (c->fd >= 0 && !c->blocked && !conn_is_through(c)) {
			int wait_ms = c->pending == NULL ? wait_for_rate(s, n, start_ns) : 0;

			*moved = true;
			if (wait_ms > 0)
				return poll_once(s, wait_ms, err);
			r = turn(s, c, n, err);
		}
		s->cursor = (s->cursor + 1) % s->options->connections;
		if (r == 0 && ++s->turns % TURNS_BETWEEN_POLLS == 0)
			r = poll_once(s, 0, err);
	}
	return r;
}

int send_run(struct sender *s, struct send_result *out, struct cht_err *err)
{
	uint64_t start_ns = clk_monotonic_ns();
	int r = 0;

	s->mono = start_ns > SYNTH_WIDE_MIN ? start_ns : SYNTH_WIDE_MIN;
	while (r == 0 && s->live > 0 && !s->stopped) {
		bool moved;

		r = round_of_turns(s, start_ns, &moved, err);
		if (r == 0 && !moved)
			r = poll_once(s, -1, err);
	}
	s->result.elapsed_ns = clk_monotonic_ns() - start_ns;
	s->result.unsent = s->options->frames - s->result.frames;
	*out = s->result;
	return r;
}

static bool has_open(const struct sender *s)
{
	for (uint64_t i = 0; i < s->options->connections; i++)
		if (s->conns[i].fd >= 0)
			return true;
	return false;
}

int send_hold(struct sender *s, struct cht_err *err)
{
	int r = 0;

	/* A file or /dev/null cannot be waited for: it is at its end already. */
	if (watch(s, STDIN_FILENO, EPOLLIN | EPOLLHUP, REF_STDIN, err) < 0)
		return err->sys == EPERM ? 0 : CHT_E_IO;
	while (r == 0 && !s->stopped && has_open(s))
		r = poll_once(s, -1, err);
	return r;
}
