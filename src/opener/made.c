/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "opener/opener.h"

bool made_is_full(const struct made *made)
{
	return made->free_one == 0 && made->used == OPENER_MADE_MAX;
}

uint64_t made_add(struct made *made, const struct made_one *one)
{
	uint32_t i = made->free_one > 0 ? made->free_one - 1 : made->used++;
	struct made_one *place = &made->list[i];
	uint32_t gen = place->gen + 1;

	made->free_one = made->free_one > 0 ? place->next : 0;
	*place = *one;
	place->gen = gen;
	return (uint64_t)gen << 32 | (i + 1);
}

static void forget(struct made *made, uint32_t i)
{
	fd_close(&made->list[i].dir_fd);
	made->list[i].next = made->free_one;
	made->free_one = i + 1;
}

static void unlink_one(struct made *made, uint32_t i)
{
	const struct made_one *one = &made->list[i];
	struct owner we;
	struct stat st;

	if (owner_enter(&we, one->uid, one->gid, NULL) < 0) {
		forget(made, i);
		return;
	}
	if (fstatat(one->dir_fd, one->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_dev == one->dev && st.st_ino == one->ino && (st.st_mode & S_IFMT) == one->type)
		(void)unlinkat(one->dir_fd, one->name, 0);
	owner_leave(&we);
	forget(made, i);
}

int made_unlink(struct made *made, uint64_t number, struct cht_err *err)
{
	uint32_t i = (uint32_t)number - 1;

	if (i >= made->used || made->list[i].gen != number >> 32 || made->list[i].dir_fd < 0)
		return cht_fail(err, CHT_E_STATE, 0, "nothing was made under this number");
	unlink_one(made, i);
	return 0;
}

/* A VMM opens its FIFO once: it would go on to write where no name leads, and the next line would
 * make another. */
static bool stays(const struct made_one *one)
{
	return one->type == S_IFIFO;
}

void made_unlink_all(struct made *made)
{
	for (uint32_t i = 0; i < made->used; i++) {
		if (made->list[i].dir_fd < 0)
			continue;
		if (stays(&made->list[i]))
			forget(made, i);
		else
			unlink_one(made, i);
	}
}

void made_leave_all(struct made *made)
{
	for (uint32_t i = 0; i < made->used; i++)
		if (made->list[i].dir_fd >= 0 && !made->list[i].goes)
			forget(made, i);
	made_unlink_all(made);
}
