/* SPDX-License-Identifier: Apache-2.0 */
/* A FIFO that is there already is another's, or an earlier line's: it is read, and left. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/diag.h"
#include "base/err.h"
#include "base/fd.h"
#include "opener/opener.h"

/* *was_there: it was not made now. */
static int make_fifo(struct made_one *one, mode_t mode, int *fd, bool *was_there,
		     struct cht_err *err)
{
	struct stat st;
	int place, r;

	*was_there = mknodat(one->dir_fd, one->name, S_IFIFO | mode, 0) < 0;
	if (*was_there && errno != EEXIST)
		return cht_fail(err, CHT_E_BIND, errno, "make the FIFO %s", one->name);
	place = look_at_place(one->dir_fd, one->name, &st, err);
	if (place < 0)
		return place;
	if (S_ISFIFO(st.st_mode))
		r = open_place(place, O_RDONLY, fd, err);
	else
		r = cht_fail(err, CHT_E_BIND, EEXIST, "it is no FIFO: %s", one->name);
	fd_close(&place);
	one->dev = st.st_dev;
	one->ino = st.st_ino;
	return r;
}

/* What it holds. A user's FIFOs are kept small by the kernel once they hold much together: they
 * work all the same, and lose lines sooner. */
static uint32_t size_fifo(struct opener *opener, int fd, uint32_t bytes)
{
	int got;

	if (bytes > 0 && fcntl(fd, F_SETPIPE_SZ, (int)bytes) < 0 && !opener->said_small) {
		opener->said_small = true;
		diag(DIAG_WARNING,
		     "a FIFO of %u bytes was refused (%s): raise fs.pipe-user-pages-soft, or "
		     "fs.pipe-max-size",
		     bytes, diag_errno(errno));
	}
	got = fcntl(fd, F_GETPIPE_SZ);
	return got > 0 ? (uint32_t)got : 0;
}

int do_fifo(struct opener *opener, const struct opening_request *request,
	    struct opening_answer *answer, int *fd, struct cht_err *err)
{
	struct made_one one = { .dir_fd = -1 };
	bool was_there = false;
	struct owner we;
	int r;

	if (!is_id(request->fifo.uid) || !is_id(request->fifo.gid) ||
	    (request->fifo.mode & ~0777u) != 0 || request->fifo.pipe_bytes > INT32_MAX)
		return cht_fail(err, CHT_E_RANGE, 0, "mode, owner or size of a FIFO");
	r = made_place(opener, request->path, &one, err);
	if (r < 0)
		return r;
	one.type = S_IFIFO;
	one.uid = request->fifo.uid;
	one.gid = request->fifo.gid;
	r = owner_enter(&we, one.uid, one.gid, err);
	if (r == 0) {
		r = make_fifo(&one, request->fifo.mode != 0 ? request->fifo.mode : 0600, fd,
			      &was_there, err);
		owner_leave(&we);
	} else {
		was_there = true;
	}
	if (was_there)
		fd_close(&one.dir_fd);
	else
		made_take(opener, &one, answer);
	answer->dev = one.dev;
	answer->ino = one.ino;
	if (r == 0)
		answer->bytes = size_fifo(opener, *fd, request->fifo.pipe_bytes);
	if (r < 0 && answer->made != 0)
		(void)!made_unlink(opener->made, answer->made, NULL);
	if (r < 0)
		answer->made = answer->dev = answer->ino = 0;
	return r;
}
