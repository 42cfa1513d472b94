/* SPDX-License-Identifier: Apache-2.0 */
/* The table of what can be asked. Each request checks all that it uses: nothing about a message is
 * known but its size and its kind. */
#include <fcntl.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fd.h"
#include "opener/opener.h"

/* Fills what goes with the answer: *fd, answer->made. */
typedef int (*request_fn)(struct opener *opener, const struct opening_request *request,
			  struct opening_answer *answer, int *fd, struct cht_err *err);

int made_place(struct opener *opener, const char *path, struct made_one *one, struct cht_err *err)
{
	const char *name;
	int dir_fd;

	if (made_is_full(opener->made))
		return cht_fail(err, CHT_E_LIMIT, 0, "cht-opener has %d sockets, as many as it can",
				OPENER_MADE_MAX);
	dir_fd = roots_find(&opener->roots, path, &name, err);
	if (dir_fd < 0)
		return dir_fd;
	*one = (struct made_one){ .dir_fd = dir_fd, .type = S_IFSOCK };
	if (strlen(name) >= sizeof(one->name)) {
		fd_close(&one->dir_fd);
		return cht_fail(err, CHT_E_BIND, 0, "a socket's name has 1 to %zu bytes: %s",
				sizeof(one->name) - 1, name);
	}
	memcpy(one->name, name, strlen(name) + 1);
	return 0;
}

void made_take(struct opener *opener, const struct made_one *one, struct opening_answer *answer)
{
	answer->dev = one->dev;
	answer->ino = one->ino;
	answer->made = made_add(opener->made, one);
}

static int do_bind(struct opener *opener, const struct opening_request *request,
		   struct opening_answer *answer, int *fd, struct cht_err *err)
{
	struct cht_listener_options options = CHT_LISTENER_OPTIONS_INIT;
	struct channel_socket made = CHANNEL_SOCKET_NULL;
	struct made_one one = { .dir_fd = -1 };
	struct owner we;
	int r;

	if (!is_id(request->make.uid) || !is_id(request->make.gid) ||
	    (request->make.mode & ~0777u) != 0 || request->make.goes > 1 ||
	    request->make.is_packets > 1)
		return cht_fail(err, CHT_E_RANGE, 0, "mode or owner of a socket");
	r = made_place(opener, request->path, &one, err);
	if (r < 0)
		return r;
	options.mode = request->make.mode;
	options.uid = request->make.uid;
	options.gid = request->make.gid;
	options.replace = opener->options->replace;
	r = owner_enter(&we, options.uid, options.gid, err);
	if (r < 0) {
		fd_close(&one.dir_fd);
		return r;
	}
	r = request->make.is_packets != 0
		    ? channel_bind_packets_at(&made, one.dir_fd, one.name, &options, err)
		    : channel_bind_at(&made, one.dir_fd, one.name, &options, err);
	owner_leave(&we);
	if (r < 0)
		return r;
	one.uid = options.uid;
	one.gid = options.gid;
	one.goes = request->make.goes == 1;
	one.dev = made.dev;
	one.ino = made.ino;
	*fd = made.fd;
	made_take(opener, &one, answer);
	return 0;
}

static int do_unlink(struct opener *opener, const struct opening_request *request,
		     struct opening_answer *answer, int *fd, struct cht_err *err)
{
	(void)answer;
	(void)fd;
	return made_unlink(opener->made, request->made, err);
}

/* Before a guest is met: later a line could have others' sockets removed by it. */
static int do_adopt(struct opener *opener, const struct opening_request *request,
		    struct opening_answer *answer, int *fd, struct cht_err *err)
{
	struct made_one one = { .dir_fd = -1 };
	struct stat st;
	int r;

	(void)fd;
	if (opener->is_settled)
		return cht_fail(err, CHT_E_STATE, 0, "the line has settled: too late to adopt");
	r = made_place(opener, request->path, &one, err);
	if (r < 0)
		return r;
	if (fstatat(one.dir_fd, one.name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISSOCK(st.st_mode) ||
	    st.st_dev != request->file.dev || st.st_ino != request->file.ino) {
		fd_close(&one.dir_fd);
		return cht_fail(err, CHT_E_BIND, 0, "it is not that socket any more: %s",
				request->path);
	}
	one.dev = st.st_dev;
	one.ino = st.st_ino;
	one.uid = st.st_uid == (uid_t)setfsuid((uid_t)-1) ? -1 : (int64_t)st.st_uid;
	one.gid = st.st_gid;
	made_take(opener, &one, answer);
	return 0;
}

static int do_keep(struct opener *opener, const struct opening_request *request,
		   struct opening_answer *answer, int *fd, struct cht_err *err)
{
	(void)answer;
	(void)fd;
	if (request->keep > 1)
		return cht_fail(err, CHT_E_RANGE, 0, "keep is 0 or 1");
	opener->keeps = request->keep == 1;
	return 0;
}

static int do_settled(struct opener *opener, const struct opening_request *request,
		      struct opening_answer *answer, int *fd, struct cht_err *err)
{
	(void)request;
	(void)answer;
	(void)fd;
	(void)err;
	opener->is_settled = true;
	return 0;
}

static const request_fn table[OPENING_N_KINDS] = {
	[OPENING_BIND] = do_bind,         [OPENING_UNLINK] = do_unlink,
	[OPENING_ADOPT] = do_adopt,       [OPENING_KEEP] = do_keep,
	[OPENING_SETTLED] = do_settled,   [OPENING_FIFO] = do_fifo,
	[OPENING_READ] = do_read,         [OPENING_CONF] = do_conf,
	[OPENING_PIDFD] = do_pidfd,       [OPENING_OOM] = do_oom,
	[OPENING_ROUTE] = do_route,       [OPENING_NFT] = do_nft,
	[OPENING_NFT_DUMP] = do_nft_dump, [OPENING_API] = do_api,
};

bool requests_do(struct opener *opener, const struct opening_request *request,
		 struct opening_answer *answer, int *fd)
{
	struct cht_err err = { 0 };
	int r;

	*answer = (struct opening_answer){ .kind = request->kind, .ticket = request->ticket };
	r = table[request->kind](opener, request, answer, fd, &err);
	if (r >= 0)
		return r != OPENER_LATER;
	answer->code = r;
	answer->sys = err.sys;
	_Static_assert(sizeof(answer->text) == sizeof(err.text), "one text");
	memcpy(answer->text, err.text, sizeof(err.text));
	return true;
}
