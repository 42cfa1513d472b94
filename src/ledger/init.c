/* SPDX-License-Identifier: Apache-2.0
 *
 * The origin is written last and by rename: a ledger exists when its origin does, so an
 * interrupted init is simply done again. Levels and slots are made here, so that writing never
 * makes one.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/text.h"
#include "ledger/files.h"
#include "ledger/segment.h"
#include "ledger/state.h"

enum { ORIGIN_RANDOM = 8 };

/* "<name>/<16 random hex>", without LF. */
static int draw_origin(struct buf *b, const char *name, struct cht_err *err)
{
	uint8_t random[ORIGIN_RANDOM];
	int r = fd_random(random, sizeof(random), err);

	if (r < 0)
		return r;
	buf_put_str(b, str_of(name));
	buf_put_byte(b, '/');
	put_hex(b, random, sizeof(random));
	return 0;
}

/* vkey, then origin: who sees the origin finds everything. */
static int write_identity(int dir_fd, const char *name, const uint8_t public_key[TLOG_PUBLIC_BYTES],
			  struct cht_err *err)
{
	uint8_t mem[LEDGER_ORIGIN_MAX], text[LEDGER_VKEY_MAX + 1];
	struct buf origin = buf_init(mem, sizeof(mem)), b = buf_init(text, sizeof(text));
	struct tlog_vkey vkey;
	int r = draw_origin(&origin, name, err);

	if (r < 0)
		return r;
	if (!tlog_vkey_make(&vkey, (struct cht_str){ (char *)mem, buf_len(&origin) }, TLOG_ED25519,
			    public_key))
		return cht_fail(err, CHT_E_CONFIG, 0, "%s cannot be the name of a key", name);
	tlog_vkey_put(&b, &vkey);
	buf_put_byte(&b, '\n');
	buf_put_byte(&origin, '\n');
	r = fd_replace_file(dir_fd, "vkey", LEDGER_FILE_MODE, buf_bytes(&b), err);
	if (r == 0)
		r = fd_replace_file(dir_fd, "origin", LEDGER_FILE_MODE, buf_bytes(&origin), err);
	return r;
}

static int init_levels(int dir_fd, struct cht_err *err)
{
	int hashes_fd = fd_make_dir(dir_fd, "hashes", LEDGER_DIR_MODE, err), r = 0;

	if (hashes_fd < 0)
		return hashes_fd;
	for (unsigned level = 0; level < TLOG_LEVELS && r == 0; level++) {
		int fd = level_open(hashes_fd, level, O_CREAT, err);

		r = fd < 0 ? fd : 0;
		fd_close(&fd);
	}
	if (r == 0 && fsync(hashes_fd) < 0)
		r = cht_fail(err, CHT_E_IO, errno, "sync hashes/");
	fd_close(&hashes_fd);
	return r;
}

/* Both slots are written once, so that they have their blocks. */
static int init_state(int scribe_fd, const struct ledger_terms *terms, struct cht_err *err)
{
	struct ledger_state state = { .terms = *terms };
	int fd, r = machine_id_read(state.machine_id, err);

	if (r < 0)
		return r;
	fd = openat(scribe_fd, "state", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "create STATE/scribe/state");
	for (int i = 0; i < STATE_SLOTS && r == 0; i++)
		r = state_write(fd, &state, err);
	if (r == 0 && fsync(scribe_fd) < 0)
		r = cht_fail(err, CHT_E_IO, errno, "sync STATE/scribe");
	fd_close(&fd);
	return r;
}

static int init_entries(int dir_fd, struct cht_err *err)
{
	int entries_fd = fd_make_dir(dir_fd, "entries", LEDGER_DIR_MODE, err);
	struct segment_list list;
	int r;

	if (entries_fd < 0)
		return entries_fd;
	r = segment_list(entries_fd, &list, err);
	if (r == 0 && list.n > 0)
		r = cht_fail(err, CHT_E_STATE, 0,
			     "ledger damaged: there are entries but no origin; " SUCCEED_HINT);
	fd_close(&entries_fd);
	return r;
}

/* What readers may keep there is believed by nobody. */
static int init_cache(int state_fd, struct cht_err *err)
{
	int fd = fd_make_dir(state_fd, "cache", CACHE_DIR_MODE, err);

	if (fd < 0)
		return fd;
	/* The umask is the scribe's own affair. */
	if (fchmod(fd, CACHE_DIR_MODE) < 0) {
		int sys = errno;

		fd_close(&fd);
		return cht_fail(err, CHT_E_IO, sys, "open STATE/cache to its group");
	}
	fd_close(&fd);
	return 0;
}

struct beginning {
	const char *name;
	const struct ledger_terms *terms;
	const uint8_t *public_key;
};

/* Two that begin at once: the lock lets one in, and the other then finds it done. */
static int init_locked(int state_fd, int dir_fd, const struct beginning *new, struct cht_err *err)
{
	char origin[LEDGER_ORIGIN_MAX + 1];
	int lock_fd = lock_take(dir_fd, err), scribe_fd, r;

	if (lock_fd < 0)
		return lock_fd;
	r = origin_read(dir_fd, origin, err);
	if (r == 0) {
		scribe_fd = fd_make_dir(state_fd, "scribe", SCRIBE_DIR_MODE, err);
		r = scribe_fd < 0 ? scribe_fd : init_cache(state_fd, err);
		if (r == 0)
			r = init_entries(dir_fd, err);
		if (r == 0)
			r = init_levels(dir_fd, err);
		if (r == 0)
			r = init_state(scribe_fd, new->terms, err);
		if (r == 0)
			r = write_identity(dir_fd, new->name, new->public_key, err);
		fd_close(&scribe_fd);
	}
	fd_close(&lock_fd);
	return r < 0 ? r : 0;
}

int ledger_init(const char *state, const char *name, const struct ledger_terms *terms,
		const uint8_t public_key[TLOG_PUBLIC_BYTES], struct cht_err *err)
{
	const struct beginning new = { name, terms, public_key };
	char origin[LEDGER_ORIGIN_MAX + 1];
	int state_fd, dir_fd, r;

	if (!name_is_valid(str_of(name)))
		return cht_fail(err, CHT_E_CONFIG, 0,
				"a ledger's name is 1 to %d of a-z 0-9 . and -", LEDGER_NAME_MAX);
	state_fd = fd_make_dir(AT_FDCWD, state, LEDGER_DIR_MODE, err);
	if (state_fd < 0)
		return state_fd;
	dir_fd = fd_make_dir(state_fd, "ledger", LEDGER_DIR_MODE, err);
	r = dir_fd < 0 ? dir_fd : origin_read(dir_fd, origin, err);
	if (r == 0)
		r = init_locked(state_fd, dir_fd, &new, err);
	fd_close(&dir_fd);
	fd_close(&state_fd);
	return r < 0 ? r : 0;
}

int ledger_exists(const char *state, struct cht_err *err)
{
	char origin[LEDGER_ORIGIN_MAX + 1];
	struct cht_err why = { 0 };
	int state_fd = fd_open_dir(AT_FDCWD, state, &why), dir_fd = -1, r;

	if (state_fd >= 0)
		dir_fd = fd_open_dir(state_fd, "ledger", &why);
	fd_close(&state_fd);
	if (dir_fd < 0)
		return why.sys == ENOENT
			       ? 0
			       : cht_fail(err, CHT_E_IO, why.sys, "open the ledger in %s", state);
	r = origin_read(dir_fd, origin, err);
	fd_close(&dir_fd);
	return r;
}
