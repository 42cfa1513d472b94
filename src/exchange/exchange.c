/* SPDX-License-Identifier: Apache-2.0 */
/* Firecracker keeps a connection alive, so its answer's end is told by its length. It drops one of
 * which our half is closed, maybe before it read the question: nothing is shut down before the
 * answer is here. */
#include "exchange/exchange.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/text.h"

#define FLUSH_BODY "{\"action_type\":\"FlushMetrics\"}"

/* What is sent, to the byte. */
static const struct cht_str questions[EXCHANGE_N_WHATS] = {
	[EXCHANGE_STATE] = STR_INIT("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
	[EXCHANGE_CONFIG] = STR_INIT("GET /vm/config HTTP/1.1\r\nHost: localhost\r\n\r\n"),
	[EXCHANGE_FLUSH] = STR_INIT("PUT /actions HTTP/1.1\r\nHost: localhost\r\n"
				    "Content-Type: application/json\r\n"
				    "Content-Length: 30\r\n\r\n" FLUSH_BODY),
};
_Static_assert(sizeof(FLUSH_BODY) - 1 == 30, "its length stands in the question");

static int send_question(struct exchange *x, enum exchange_what what, struct cht_err *err)
{
	const struct cht_str q = questions[what];
	ssize_t n = send(x->sock, q.ptr, q.len, MSG_NOSIGNAL);

	if (n == (ssize_t)q.len)
		return 0;
	return cht_fail(err, CHT_E_IO, n < 0 ? errno : EAGAIN, "send to the API socket");
}

int exchange_begin(struct exchange *x, int place_fd, enum exchange_what what, uint64_t now_ns,
		   struct cht_err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int r = 0;

	*x = (struct exchange)EXCHANGE_NULL;
	x->until_ns = now_ns + EXCHANGE_MS * NS_PER_MS;
	x->whole = UINT64_MAX;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", place_fd);
	x->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (x->sock < 0)
		r = cht_fail(err, CHT_E_IO, errno, "socket");
	else if (connect(x->sock, (const struct sockaddr *)&address, sizeof(address)) < 0)
		r = cht_fail(err, CHT_E_IO, errno, "connect to the API socket");
	else
		r = send_question(x, what, err);
	if (r == 0) {
		x->memory = memfd_create("api-answer", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		if (x->memory < 0)
			r = cht_fail(err, CHT_E_IO, errno, "memory for an answer");
	}
	if (r < 0)
		exchange_close(x);
	return r;
}

/* One line of the head, without its end; *at moves behind it. */
static struct cht_str take_line(const char *head, size_t *at)
{
	const char *start = head + *at, *end = strstr(start, "\r\n");

	*at += (size_t)(end - start) + 2;
	return (struct cht_str){ start, (size_t)(end - start) };
}

/* The head is whole, and NUL-terminated: how long the body is. */
static int read_head(struct exchange *x, struct cht_err *err)
{
	static const char name[] = "content-length:";
	size_t at = 0;
	uint64_t length = UINT64_MAX;
	struct cht_str line = take_line(x->head, &at);
	bool is_bare = line.len >= 12 && memcmp(line.ptr + 9, "204", 3) == 0;

	while ((line = take_line(x->head, &at)).len > 0) {
		if (line.len < sizeof(name) - 1 ||
		    strncasecmp(line.ptr, name, sizeof(name) - 1) != 0)
			continue;
		line.ptr += sizeof(name) - 1;
		line.len -= sizeof(name) - 1;
		while (line.len > 0 && (*line.ptr == ' ' || *line.ptr == '\t')) {
			line.ptr++;
			line.len--;
		}
		if (length != UINT64_MAX || !read_u64(line, EXCHANGE_ANSWER_MAX, &length))
			return cht_fail(err, CHT_E_LIMIT, 0, "an answer of the VMM is too long");
	}
	x->has_head = true;
	if (length == UINT64_MAX && is_bare)
		length = 0;
	x->ends_with_peer = length == UINT64_MAX;
	x->whole = x->ends_with_peer ? UINT64_MAX : at + length;
	return 0;
}

/* More of the answer, which looks for the end of its head. What follows it may be any bytes. */
static int look_at(struct exchange *x, const char *bytes, size_t n, struct cht_err *err)
{
	size_t room = sizeof(x->head) - 1 - x->head_len;
	size_t taken = n < room ? n : room;
	const char *end;

	if (x->has_head)
		return 0;
	memcpy(x->head + x->head_len, bytes, taken);
	x->head_len += taken;
	x->head[x->head_len] = '\0';
	end = memmem(x->head, x->head_len, "\r\n\r\n", 4);
	if (memchr(x->head, '\0', end != NULL ? (size_t)(end - x->head) : x->head_len) != NULL ||
	    (end == NULL && x->head_len == sizeof(x->head) - 1))
		return cht_fail(err, CHT_E_PEER, 0, "an answer of the VMM has no head");
	return end != NULL ? read_head(x, err) : 0;
}

static int take_bytes(struct exchange *x, const char *bytes, size_t n, struct cht_err *err)
{
	int r = look_at(x, bytes, n, err);

	if (r < 0)
		return r;
	if (x->bytes + n > EXCHANGE_ANSWER_MAX || x->bytes + n > x->whole)
		return cht_fail(err, CHT_E_LIMIT, 0, "an answer of the VMM is too long");
	r = fd_write_all(x->memory, bytes, n, err);
	if (r == 0)
		x->bytes += n;
	return r;
}

static int on_end(const struct exchange *x, struct cht_err *err)
{
	if (x->has_head && x->ends_with_peer)
		return 1;
	return cht_fail(err, CHT_E_PEER, 0, "the VMM ended its answer early");
}

int exchange_step(struct exchange *x, uint64_t now_ns, struct cht_err *err)
{
	enum { PIECE = 4096, PIECES = 8 };
	char bytes[PIECE];

	for (unsigned i = 0; i < PIECES && x->bytes < x->whole; i++) {
		ssize_t n = read(x->sock, bytes, sizeof(bytes));
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return cht_fail(err, CHT_E_IO, errno, "read from the API socket");
		if (n == 0)
			return on_end(x, err);
		r = take_bytes(x, bytes, (size_t)n, err);
		if (r < 0)
			return r;
	}
	if (x->bytes == x->whole)
		return 1;
	if (now_ns < x->until_ns)
		return 0;
	return cht_fail(err, CHT_E_IO, ETIMEDOUT, "the VMM does not answer");
}

int exchange_take(struct exchange *x)
{
	int fd = x->memory;

	(void)fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	(void)lseek(fd, 0, SEEK_SET);
	x->memory = -1;
	exchange_close(x);
	return fd;
}

void exchange_close(struct exchange *x)
{
	fd_close(&x->sock);
	fd_close(&x->memory);
}
