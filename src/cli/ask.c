/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/text.h"
#include "cli/target.h"

enum { HEAD_MAX = 1024, ANSWER_MAX = 64 << 20, PATH_LEN_MAX = 4096 };

static unsigned limit_s;

void ask_limit(unsigned seconds)
{
	limit_s = seconds;
}

const char *ask_socket(void)
{
	const char *path = getenv("CHT_CONTROL");

	return path != NULL && *path != '\0' ? path : ASK_SOCKET;
}

int ask_connect(const char *socket, struct cht_err *err)
{
	char text[PATH_LEN_MAX + 8];
	struct target target;
	int fd, n = snprintf(text, sizeof(text), "unix:%s", socket);

	if (n < 0 || (size_t)n >= sizeof(text))
		return cht_fail(err, CHT_E_RANGE, 0, "the control socket's path is too long");
	fd = target_open(&target, text, err);
	if (fd == 0)
		fd = target_connect(&target, err);
	target_close(&target);
	return fd;
}

static int open_socket(const char *socket, struct cht_err *err)
{
	struct timeval limit = { .tv_sec = (time_t)limit_s };
	int fd = ask_connect(socket, err), flags;

	if (fd < 0)
		return fd;
	flags = fcntl(fd, F_GETFL);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 || flags < 0 ||
	    fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0) {
		fd_close(&fd);
		return cht_fail(err, CHT_E_IO, errno, "wait for an answer");
	}
	return fd;
}

static int send_request(int fd, const char *method, const char *target, const char *body,
			struct cht_err *err)
{
	char head[HEAD_MAX];
	size_t len = body != NULL ? strlen(body) : 0;
	int r, n = snprintf(head, sizeof(head),
			    "%s %s HTTP/1.1\r\nHost: chtd\r\nConnection: close\r\n"
			    "Content-Length: %zu\r\n\r\n",
			    method, target, len);

	if (n < 0 || (size_t)n >= sizeof(head))
		return cht_fail(err, CHT_E_RANGE, 0, "the request is too long");
	r = fd_write_all(fd, head, (size_t)n, err);
	if (r == 0 && len > 0)
		r = fd_write_all(fd, body, len, err);
	/* It may have been answered before it was whole. */
	return r == CHT_E_IO && err->sys == EPIPE ? 0 : r;
}

static int make_room(struct ask_reply *reply, size_t *cap, struct cht_err *err)
{
	char *grown;

	if (reply->len + 1 < *cap)
		return 0;
	if (*cap >= ANSWER_MAX)
		return cht_fail(err, CHT_E_PEER, 0, "the answer is too long to be chtd's");
	*cap = *cap == 0 ? 65536 : 2 * *cap;
	grown = realloc(reply->text, *cap);
	if (grown == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for the answer");
	reply->text = grown;
	return 0;
}

static int read_to_end(int fd, struct ask_reply *reply, struct cht_err *err)
{
	size_t cap = 0;
	int r = 0;

	while (r == 0) {
		ssize_t n;

		r = make_room(reply, &cap, err);
		if (r < 0)
			break;
		n = read(fd, reply->text + reply->len, cap - reply->len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			r = cht_fail(err, CHT_E_PEER, 0, "no answer came within %u s", limit_s);
		else if (n < 0 && errno != ECONNRESET)
			r = cht_fail(err, CHT_E_IO, errno, "read the answer");
		if (n <= 0)
			break;
		reply->len += (size_t)n;
	}
	if (reply->text != NULL)
		reply->text[reply->len] = '\0';
	return r;
}

/* The line with a chunk's size, which ends at the number of bytes returned; 0: it is none. */
static size_t chunk_size(const char *line, size_t *size)
{
	size_t n = 0, at = 0;

	for (; n < ANSWER_MAX; at++) {
		const char *digits = "0123456789abcdef", *digit;

		digit = line[at] != '\0' ? strchr(digits, line[at] | 0x20) : NULL;
		if (digit == NULL)
			break;
		n = n << 4 | (size_t)(digit - digits);
	}
	*size = n;
	return at > 0 && line[at] == '\r' && line[at + 1] == '\n' ? at + 2 : 0;
}

/* Takes the sizes out of a body that came in chunks; false when it is none, or not whole. */
static bool join_chunks(struct ask_reply *reply)
{
	const char *from = reply->text, *end = reply->text + reply->len;
	size_t size, head;

	reply->len = 0;
	while ((head = chunk_size(from, &size)) > 0) {
		from += head;
		if (size == 0) {
			reply->text[reply->len] = '\0';
			return true;
		}
		if ((size_t)(end - from) < 2 || size > (size_t)(end - from) - 2)
			break;
		memmove(reply->text + reply->len, from, size);
		reply->len += size;
		from += size + 2;
	}
	return false;
}

/* Takes the head off. */
static int take_apart(struct ask_reply *reply, struct cht_err *err)
{
	static const char version[] = "HTTP/1.1 ", chunked[] = "Transfer-Encoding: chunked";
	const char *body = reply->len > 0 ? strstr(reply->text, "\r\n\r\n") : NULL;
	bool is_chunked;
	uint64_t status;

	if (body == NULL || strncmp(reply->text, version, strlen(version)) != 0 ||
	    !read_u64((struct cht_str){ reply->text + strlen(version), 3 }, 599, &status))
		return cht_fail(err, CHT_E_PEER, 0,
				"no answer came: chtd ended meanwhile, or something else listens "
				"there");
	body += strlen("\r\n\r\n");
	is_chunked =
		memmem(reply->text, (size_t)(body - reply->text), chunked, strlen(chunked)) != NULL;
	reply->status = (unsigned)status;
	reply->len -= (size_t)(body - reply->text);
	memmove(reply->text, body, reply->len + 1);
	if (is_chunked && !join_chunks(reply))
		return cht_fail(err, CHT_E_PEER, 0, "the answer ended before it was whole");
	reply->json = json_loadb(reply->text, reply->len, JSON_REJECT_DUPLICATES, NULL);
	return 0;
}

int ask(const char *socket, const char *method, const char *target, const char *body,
	struct ask_reply *reply, struct cht_err *err)
{
	int fd = open_socket(socket, err), r;

	*reply = (struct ask_reply){ .status = 0 };
	if (fd < 0)
		return fd;
	r = send_request(fd, method, target, body, err);
	if (r == 0)
		r = read_to_end(fd, reply, err);
	fd_close(&fd);
	return r < 0 ? r : take_apart(reply, err);
}

void ask_done(struct ask_reply *reply)
{
	json_decref(reply->json);
	free(reply->text);
	*reply = (struct ask_reply){ .status = 0 };
}

int ask_json(const char *socket, const char *method, const char *target, const char *body,
	     struct ask_reply *reply, struct cht_err *err)
{
	int r = ask(socket, method, target, body, reply, err);
	const char *sentence;

	if (r < 0)
		return r;
	sentence = json_string_value(json_object_get(reply->json, "message"));
	if (reply->status > 299)
		return cht_fail(err, CHT_E_STATE, 0, "%s",
				sentence != NULL ? sentence : "chtd refused, without a reason");
	return reply->json != NULL ? 0 : cht_fail(err, CHT_E_PEER, 0, "the answer is not chtd's");
}
