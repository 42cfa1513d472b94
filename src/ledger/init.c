/* SPDX-License-Identifier: Apache-2.0
 *
 * The origin is written last and by rename: a ledger exists when its origin does, so an
 * interrupted init is simply done again.
 */
#include <fcntl.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/text.h"
#include "ledger/files.h"
#include "ledger/segment.h"

enum { ORIGIN_RANDOM = 8 };

static bool is_name(struct cht_str name)
{
	if (name.len < 1 || name.len > LEDGER_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (strchr("abcdefghijklmnopqrstuvwxyz0123456789.-", name.ptr[i]) == NULL)
			return false;
	return true;
}

static int write_origin(int dir_fd, const char *name, struct cht_err *err)
{
	uint8_t mem[LEDGER_ORIGIN_MAX], random[ORIGIN_RANDOM];
	struct buf b = buf_init(mem, sizeof(mem));
	int r = fd_random(random, sizeof(random), err);

	if (r < 0)
		return r;
	buf_put_str(&b, str_of(name));
	buf_put_byte(&b, '/');
	put_hex(&b, random, sizeof(random));
	buf_put_byte(&b, '\n');
	return fd_replace_file(dir_fd, "origin", LEDGER_FILE_MODE, buf_bytes(&b), err);
}

static int init_entries(int dir_fd, const char *name, struct cht_err *err)
{
	int entries_fd = fd_make_dir(dir_fd, "entries", LEDGER_DIR_MODE, err);
	struct segment_list list;
	int r;

	if (entries_fd < 0)
		return entries_fd;
	r = segment_list(entries_fd, &list, err);
	if (r == 0 && list.n > 0)
		r = cht_fail(err, CHT_E_STATE, 0,
			     "ledger damaged: there are entries but no origin");
	if (r == 0)
		r = write_origin(dir_fd, name, err);
	fd_close(&entries_fd);
	return r;
}

/* Two that begin at once: the lock lets one in, and the other then finds it done. */
static int init_locked(int dir_fd, const char *name, struct cht_err *err)
{
	char origin[LEDGER_ORIGIN_MAX + 1];
	int lock_fd, r = origin_read(dir_fd, origin, err);

	if (r != 0)
		return r < 0 ? r : 0;
	lock_fd = lock_take(dir_fd, err);
	if (lock_fd < 0)
		return lock_fd;
	r = origin_read(dir_fd, origin, err);
	if (r == 0)
		r = init_entries(dir_fd, name, err);
	fd_close(&lock_fd);
	return r < 0 ? r : 0;
}

int ledger_init(const char *state, const char *name, struct cht_err *err)
{
	int state_fd, dir_fd, r;

	if (!is_name(str_of(name)))
		return cht_fail(err, CHT_E_CONFIG, 0,
				"a ledger's name is 1 to %d of a-z 0-9 . and -", LEDGER_NAME_MAX);
	state_fd = fd_make_dir(AT_FDCWD, state, LEDGER_DIR_MODE, err);
	if (state_fd < 0)
		return state_fd;
	dir_fd = fd_make_dir(state_fd, "ledger", LEDGER_DIR_MODE, err);
	r = dir_fd < 0 ? dir_fd : init_locked(dir_fd, name, err);
	fd_close(&dir_fd);
	fd_close(&state_fd);
	return r;
}
