/* SPDX-License-Identifier: Apache-2.0 */
/* The table of what can be asked. Each request checks all that it uses: nothing about a message is
 * known but its size and its kind. */
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "opener/opener.h"

/* Fills what goes with the answer: *fd, answer->made. */
typedef int (*request_fn)(struct opener *opener, const struct opening_request *request,
			  struct opening_answer *answer, int *fd, struct cht_err *err);

static bool is_id(int64_t id)
{
	return id >= -1 && id < UINT32_MAX;
}

static int do_bind(struct opener *opener, const struct opening_request *request,
		   struct opening_answer *answer, int *fd, struct cht_err *err)
{
	struct cht_listener_options options = CHT_LISTENER_OPTIONS_INIT;
	struct channel_socket made;
	const char *name;
	int dir_fd, r;

	if (!is_id(request->bind.uid) || !is_id(request->bind.gid) ||
	    (request->bind.mode & ~0777u) != 0)
		return cht_fail(err, CHT_E_RANGE, 0, "mode or owner of a socket");
	if (made_is_full(opener->made))
		return cht_fail(err, CHT_E_LIMIT, 0, "cht-opener has %d sockets, as many as it can",
				OPENER_MADE_MAX);
	dir_fd = roots_find(&opener->roots, request->bind.path, &name, err);
	if (dir_fd < 0)
		return dir_fd;
	options.mode = request->bind.mode;
	options.uid = request->bind.uid;
	options.gid = request->bind.gid;
	options.replace = opener->options->replace;
	r = channel_bind_at(&made, dir_fd, name, &options, err);
	if (r < 0)
		return r;
	*fd = made.fd;
	made.fd = -1;
	answer->made = made_add(opener->made, &made);
	return 0;
}

static int do_unlink(struct opener *opener, const struct opening_request *request,
		     struct opening_answer *answer, int *fd, struct cht_err *err)
{
	(void)answer;
	(void)fd;
	return made_unlink(opener->made, request->unlink.made, err);
}

static const request_fn table[OPENING_N_KINDS] = {
	[OPENING_BIND] = do_bind,
	[OPENING_UNLINK] = do_unlink,
};

void requests_do(struct opener *opener, const struct opening_request *request,
		 struct opening_answer *answer, int *fd)
{
	struct cht_err err = { 0 };
	int r;

	*fd = -1;
	*answer = (struct opening_answer){ .kind = request->kind, .ticket = request->ticket };
	r = table[request->kind](opener, request, answer, fd, &err);
	if (r == 0)
		return;
	answer->code = r;
	answer->sys = err.sys;
	_Static_assert(sizeof(answer->text) == sizeof(err.text), "one text");
	memcpy(answer->text, err.text, sizeof(err.text));
}
