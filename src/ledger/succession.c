/* SPDX-License-Identifier: Apache-2.0
 *
 * A successor must be there before its predecessor can name it, and the predecessor's last note is
 * there only after that: so the successor's terms are set again while that log is still empty.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "ledger/files.h"
#include "ledger/ledger.h"
#include "ledger/state.h"

/* STATE/scribe/state, or a negative code. */
static int open_slots(const char *state, int flags, struct cht_err *err)
{
	int state_fd = fd_open_dir(AT_FDCWD, state, err), scribe_fd, fd = -1;

	if (state_fd < 0)
		return state_fd;
	scribe_fd = openat(state_fd, "scribe", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (scribe_fd >= 0)
		fd = openat(scribe_fd, "state", flags | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		fd = cht_fail(err, errno == ENOENT ? CHT_E_STATE : CHT_E_IO, errno,
			      "open %s/scribe/state", state);
	fd_close(&scribe_fd);
	fd_close(&state_fd);
	return fd;
}

int ledger_state_look(const char *state, struct ledger_state *out, struct cht_err *err)
{
	int fd = open_slots(state, O_RDONLY, err), r;

	if (fd < 0)
		return fd;
	r = state_read(fd, out, err);
	fd_close(&fd);
	return r;
}

static int set_locked(const char *state, const struct ledger_terms *terms, struct cht_err *err)
{
	struct ledger_state now;
	int fd = open_slots(state, O_RDWR, err), r;

	if (fd < 0)
		return fd;
	r = state_read(fd, &now, err);
	if (r == 0 && (now.tree.size > 0 || now.note[0] != '\0'))
		r = cht_fail(err, CHT_E_STATE, 0, "the log in %s has begun: its terms are fixed",
			     state);
	if (r == 0) {
		now.terms = *terms;
		r = state_write(fd, &now, err);
	}
	fd_close(&fd);
	return r;
}

int ledger_set_terms(const char *state, const struct ledger_terms *terms, struct cht_err *err)
{
	int dir_fd, lock_fd, r, state_fd = fd_open_dir(AT_FDCWD, state, err);

	if (state_fd < 0)
		return state_fd;
	dir_fd = fd_open_dir(state_fd, "ledger", err);
	fd_close(&state_fd);
	if (dir_fd < 0)
		return dir_fd;
	lock_fd = lock_take(dir_fd, err);
	fd_close(&dir_fd);
	if (lock_fd < 0)
		return lock_fd;
	r = set_locked(state, terms, err);
	fd_close(&lock_fd);
	return r;
}
