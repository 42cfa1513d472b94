/* SPDX-License-Identifier: Apache-2.0
 *
 * scribe_util.h - the real cht-scribe with this process as its line.
 */
#ifndef TESTS_SCRIBE_UTIL_H
#define TESTS_SCRIBE_UTIL_H

#include "ledger_util.h"

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "handoff/handoff.h"
#include "handoff/ring.h"

enum { WAIT_MS = 30000, ARGS_MAX = 16 };

struct line {
	pid_t pid;
	int sock;
	struct ring ring;
	uint64_t base; /* READY.next_index */
};

/* The ledger of ledger_util, with its key where the scribe looks for it last. */
static void put_key(void)
{
	int fd = open(path_of("scribe/key.pem"), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	CHECK_INT(fd_write_all(fd, test_key_pem, sizeof(test_key_pem) - 1, NULL), 0);
	fd_close(&fd);
}

static int __attribute__((unused)) setup_scribe(void **state)
{
	if (setup_ledger(state) != 0)
		return -1;
	put_key();
	return 0;
}

static bool is_readable(int fd, int wait_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, wait_ms) == 1;
}

/* Starts cht-scribe with these arguments beside --state and --line-fd; its stderr goes to err_fd
 * unless that is -1. */
static void start_scribe(struct line *line, int err_fd, const char *const *args, unsigned n_args)
{
	const char *bin = getenv("CHT_BIN");
	int pair[2];

	CHECK(bin != NULL);
	CHECK_INT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	*line = (struct line){ .ring = RING_NULL, .sock = pair[0] };
	line->pid = fork();
	CHECK(line->pid >= 0);
	if (line->pid == 0) {
		char path[512], fd[16];
		const char *argv[ARGS_MAX] = { path, "--state", scratch, "--line-fd", fd };

		for (unsigned i = 0; i < n_args; i++)
			argv[5 + i] = args[i];
		snprintf(fd, sizeof(fd), "%d", fcntl(pair[1], F_DUPFD, 3));
		snprintf(path, sizeof(path), "%s/cht-scribe", bin);
		if (err_fd >= 0)
			(void)dup2(err_fd, STDERR_FILENO);
		(void)execv(path, (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	fd_close(&pair[1]);
}

static void send_ring(struct line *line)
{
	const struct handoff_msg msg = { .kind = HANDOFF_RING };
	int fds[3];

	CHECK_INT(ring_create(&line->ring, NULL), 0);
	fds[0] = line->ring.mem_fd;
	fds[1] = line->ring.ready_fd;
	fds[2] = line->ring.durable_fd;
	CHECK_INT(handoff_send(line->sock, &msg, fds, 3, NULL), 0);
}

static struct handoff_msg hear(struct line *line, enum handoff_kind kind)
{
	struct handoff_msg msg = { 0 };

	CHECK(is_readable(line->sock, WAIT_MS));
	CHECK_INT(handoff_recv(line->sock, &msg, NULL, 0, NULL), 1);
	if (msg.kind != kind && msg.kind == HANDOFF_FAILED)
		fprintf(stderr, "cht-scribe: %s\n", msg.failed.text);
	CHECK_INT(msg.kind, kind);
	return msg;
}

static void await_ready(struct line *line)
{
	line->base = hear(line, HANDOFF_READY).ready.next_index;
}

static void __attribute__((unused)) start_line(struct line *line)
{
	start_scribe(line, -1, NULL, 0);
	send_ring(line);
	await_ready(line);
}

/* False when the ring is full. */
static bool put_entry(struct line *line, const uint8_t *bytes, size_t len)
{
	uint8_t *place = ring_reserve(&line->ring, len);

	if (place == NULL)
		return false;
	memcpy(place, bytes, len);
	ring_publish(&line->ring, len);
	return true;
}

/* Puts the entry that has the next index, as ledger_util knows them. */
static bool put_next(struct line *line)
{
	uint64_t i = line->base + ring_put_count(&line->ring);
	uint8_t bytes[42];

	entry_fill(bytes, i);
	return put_entry(line, bytes + 2, entry_len(i));
}

/* Puts n entries, waiting for room, and waits until all are durable. */
static void __attribute__((unused)) put_all(struct line *line, unsigned n)
{
	while (n > 0) {
		if (put_next(line)) {
			n--;
			continue;
		}
		ring_clear(line->ring.durable_fd);
		if (ring_await_room(&line->ring, 42))
			CHECK(is_readable(line->ring.durable_fd, WAIT_MS));
	}
	while (ring_durable_count(&line->ring) < ring_put_count(&line->ring)) {
		CHECK(is_readable(line->ring.durable_fd, WAIT_MS));
		ring_clear(line->ring.durable_fd);
	}
}

/* Exit status, or 1000 + the signal. */
static int await_exit(struct line *line)
{
	int status;

	CHECK_INT(waitpid(line->pid, &status, 0), line->pid);
	ring_close(&line->ring);
	fd_close(&line->sock);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* Ends the line in good order. */
static int __attribute__((unused)) end_line(struct line *line)
{
	fd_close(&line->sock);
	return await_exit(line);
}

#endif
