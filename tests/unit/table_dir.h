/* SPDX-License-Identifier: Apache-2.0
 *
 * table_dir.h - a directory with a run table, and runs to put in it.
 */
#ifndef TESTS_TABLE_DIR_H
#define TESTS_TABLE_DIR_H

#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "cell/cell.h"
#include "daemon/table.h"

static const char boot[] = "11111111-2222-3333-4444-555555555555";
static const char __attribute__((unused)) other_boot[] = "99999999-2222-3333-4444-555555555555";

static char dir[64];
static int dirfd_;

static int set_up(void **state)
{
	(void)state;
	memcpy(dir, "/tmp/cht-table.XXXXXX", 22);
	if (mkdtemp(dir) == NULL)
		return -1;
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dirfd_ < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)unlinkat(dirfd_, "table", 0);
	fd_close(&dirfd_);
	return rmdir(dir);
}

static void must_open(struct table *t, const char *boot_id, struct table_found *found)
{
	struct cht_err err = { 0 };

	if (table_open(t, dirfd_, boot_id, found, &err) < 0)
		fail_msg("%s", err.text);
}

static struct run must_run(const char *cell)
{
	struct cht_err err = { 0 };
	static struct run_names names[8];
	static unsigned n;
	struct run run;

	CHECK_INT(run_init(&run, &names[n++ % 8], str_of(cell), STR(""), STR(""), &err), 0);
	return run;
}

static int must_add(struct table *t, const struct run *run)
{
	struct cht_err err = { 0 };
	int slot = table_add(t, run, &err);

	if (slot < 0)
		fail_msg("%s", err.text);
	return slot;
}

/* Stamps n events of the run at indices from *index on. */
static void note(struct table *t, int slot, struct run *run, uint64_t n, uint64_t *index)
{
	for (uint64_t i = 0; i < n; i++) {
		run->sequence++;
		table_note(t, slot, run, EV_GUEST_PROCESS_SPAWNED, (*index)++);
	}
}

/* The whole file. */
static uint8_t *snapshot(size_t *len)
{
	int fd = openat(dirfd_, "table", O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t *bytes;

	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	*len = (size_t)st.st_size;
	bytes = malloc(*len);
	CHECK(bytes != NULL && pread(fd, bytes, *len, 0) == st.st_size);
	fd_close(&fd);
	return bytes;
}

#endif
