/* SPDX-License-Identifier: Apache-2.0 */
#include "control/access.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/text.h"
#include "cell/value.h"

static bool find_id(const char *name, bool is_group, uint64_t *id)
{
	const struct passwd *user;
	const struct group *group;

	if (read_u64(str_of(name), UINT32_MAX - 1, id))
		return true;
	if (is_group) {
		group = getgrnam(name);
		*id = group != NULL ? group->gr_gid : 0;
		return group != NULL;
	}
	user = getpwnam(name);
	*id = user != NULL ? user->pw_uid : 0;
	return user != NULL;
}

int control_access_read(struct control_access *out, const char *list, struct cht_err *err)
{
	struct cht_str left = list != NULL ? str_of(list) : STR(""), who;
	struct control_access access = { .n = 0 };
	bool is_group;

	while (value_next_peer(&left, &who, &is_group)) {
		char name[64] = "";
		uint64_t id;

		memcpy(name, who.ptr, who.len < sizeof(name) ? who.len : sizeof(name) - 1);
		if (access.n == ACCESS_MAX)
			return cht_fail(err, CHT_E_CONFIG, 0,
					"[control] names at most %d users and groups: name a group",
					ACCESS_MAX);
		if (!find_id(name, is_group, &id))
			return cht_fail(err, CHT_E_CONFIG, 0,
					"[control] this host has no %s \"%s\": make it, or give a "
					"number",
					is_group ? "group" : "user", name);
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
