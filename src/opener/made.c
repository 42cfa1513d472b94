/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "base/err.h"
#include "opener/opener.h"

bool made_is_full(const struct made *made)
{
	return made->free_one == 0 && made->used == OPENER_MADE_MAX;
}

uint64_t made_add(struct made *made, const struct channel_socket *socket)
{
	uint32_t i = made->free_one > 0 ? made->free_one - 1 : made->used++;
	struct made_one *one = &made->list[i];

	made->free_one = made->free_one > 0 ? one->next : 0;
	one->socket = *socket;
	one->gen++;
	return (uint64_t)one->gen << 32 | (i + 1);
}

static void unlink_one(struct made *made, uint32_t i)
{
	struct made_one *one = &made->list[i];

	channel_unbind(&one->socket);
	one->next = made->free_one;
	made->free_one = i + 1;
}

int made_unlink(struct made *made, uint64_t number, struct cht_err *err)
{
	uint32_t i = (uint32_t)number - 1;

	if (i >= made->used || made->list[i].gen != number >> 32 || made->list[i].socket.dir_fd < 0)
		return cht_fail(err, CHT_E_STATE, 0, "nothing was made under this number");
	unlink_one(made, i);
	return 0;
}

void made_unlink_all(struct made *made)
{
	for (uint32_t i = 0; i < made->used; i++)
		if (made->list[i].socket.dir_fd >= 0)
			unlink_one(made, i);
}
