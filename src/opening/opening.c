/* SPDX-License-Identifier: Apache-2.0 */
#include "opening/opening.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/fd.h"

int opening_ask(int sock, const struct opening_request *request, int fd, struct cht_err *err)
{
	struct opening_request copy = *request;

	copy.version = OPENING_VERSION;
	return fd_send_msg(sock, (struct cht_bytes){ (const uint8_t *)&copy, sizeof(copy) }, &fd,
			   fd >= 0 ? 1 : 0, err);
}

int opening_reply(int sock, const struct opening_answer *answer, int fd, struct cht_err *err)
{
	struct opening_answer copy = *answer;

	copy.version = OPENING_VERSION;
	return fd_send_msg(sock, (struct cht_bytes){ (const uint8_t *)&copy, sizeof(copy) }, &fd,
			   fd >= 0 ? 1 : 0, err);
}

int opening_take_request(int sock, struct opening_request *out, int *fd, struct cht_err *err)
{
	struct opening_request got;
	int with = -1;
	ssize_t n = fd_recv_msg_opt(sock, &got, sizeof(got), &with, err);

	if (n <= 0)
		return (int)n;
	if ((size_t)n != sizeof(got) || got.version != OPENING_VERSION ||
	    got.kind <= OPENING_READY || got.kind >= OPENING_N_KINDS ||
	    (with != -1) != (got.kind == OPENING_NFT_DUMP)) {
		fd_close(&with);
		return cht_fail(err, CHT_E_PEER, 0,
				"a request to the opener has a wrong size, kind or version, or a "
				"descriptor too many or few");
	}
	*fd = with;
	got.path[OPENING_PATH_MAX] = '\0';
	*out = got;
	return 1;
}

/* What an answer of code 0 brings. */
enum { FD = 1, NUMBER = 2 };
static const uint8_t brings[OPENING_N_KINDS] = {
	[OPENING_BIND] = FD | NUMBER, [OPENING_ADOPT] = NUMBER, [OPENING_FIFO] = FD,
	[OPENING_READ] = FD,          [OPENING_CONF] = FD,      [OPENING_PIDFD] = FD,
	[OPENING_OOM] = FD,           [OPENING_ROUTE] = FD,     [OPENING_NFT] = FD,
	[OPENING_API] = FD,
};

/* It brings that and nothing else; of a FIFO that was there already no number. */
static bool is_whole(const struct opening_answer *answer, int fd)
{
	unsigned has = (fd >= 0 || fd == FD_LOST ? FD : 0u) | (answer->made != 0 ? NUMBER : 0u);

	if (answer->kind == OPENING_FIFO && answer->code == 0)
		has &= ~(unsigned)NUMBER;
	return answer->version == OPENING_VERSION && answer->kind >= OPENING_READY &&
	       answer->kind < OPENING_N_KINDS && answer->code <= 0 &&
	       has == (answer->code == 0 ? brings[answer->kind] : 0u);
}

/* The name is made, and can be unlinked; but this process has no descriptor left for what listens.
 */
static void lose(struct opening_answer *answer)
{
	struct cht_err why = { 0 };

	answer->code = cht_fail(&why, CHT_E_LIMIT, EMFILE, "what the opener sent");
	answer->sys = EMFILE;
	_Static_assert(sizeof(answer->text) == sizeof(why.text), "one text");
	memcpy(answer->text, why.text, sizeof(why.text));
}

int opening_take_answer(int sock, struct opening_answer *out, int *fd, struct cht_err *err)
{
	struct opening_answer got;
	int with = -1;
	ssize_t n = fd_recv_msg_opt(sock, &got, sizeof(got), &with, err);

	if (n <= 0)
		return (int)n;
	if ((size_t)n != sizeof(got) || !is_whole(&got, with)) {
		fd_close(&with);
		return cht_fail(err, CHT_E_PEER, 0,
				"an answer of the opener has a wrong size, kind or version");
	}
	got.text[sizeof(got.text) - 1] = '\0';
	*fd = with >= 0 ? with : -1;
	if (with == FD_LOST)
		lose(&got);
	*out = got;
	return 1;
}
