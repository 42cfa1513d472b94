/* SPDX-License-Identifier: Apache-2.0 */
#include "control/access.h"

#include <string.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/text.h"
#include "base/user.h"
#include "cell/value.h"

int control_access_read(struct control_access *out, const char *list, struct cht_err *err)
{
	struct cht_str left = list != NULL ? str_of(list) : STR(""), who;
	struct control_access access = { .n = 0 };
	bool is_group;

	while (value_next_peer(&left, &who, &is_group)) {
		char name[VALUE_PEER_MAX + 1] = "";
		int64_t id;
		int r;

		memcpy(name, who.ptr, who.len);
		if (access.n == VALUE_PEERS_MAX)
			return cht_fail(err, CHT_E_CONFIG, 0,
					"[control] names at most %d users and groups: name a group",
					VALUE_PEERS_MAX);
		r = is_group ? user_find_group(name, &id, err) : user_find(name, &id, err);
		if (r < 0)
			return r;
		access.who[access.n].id = (uint32_t)id;
		access.who[access.n++].is_group = is_group;
	}
	if (left.len > 0)
		return cht_fail(
			err, CHT_E_CONFIG, 0,
			"[control] expected users and @groups with commas between, not \"%s\"",
			list);
	*out = access;
	return 0;
}

bool control_peer_read(int fd, struct control_peer *out)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	*out = (struct control_peer){ (uint32_t)peer.pid, peer.uid, peer.gid };
	return true;
}

static bool is_in(const gid_t *groups, size_t n, uint32_t id)
{
	for (size_t i = 0; i < n; i++)
		if (groups[i] == id)
			return true;
	return false;
}

bool control_access_has(const struct control_access *access, const struct control_peer *peer,
			int fd)
{
	gid_t groups[ACCESS_GROUPS_MAX];
	socklen_t len = sizeof(groups);
	size_t n;

	if (access->is_anybody || peer->uid == 0)
		return true;
	/* Of who has more than fit only the first counts: that can but refuse. */
	n = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == 0 ? len / sizeof(groups[0])
									 : 0;
	for (unsigned i = 0; i < access->n; i++) {
		uint32_t id = access->who[i].id;

		if (access->who[i].is_group ? peer->gid == id || is_in(groups, n, id)
					    : peer->uid == id)
			return true;
	}
	return false;
}
