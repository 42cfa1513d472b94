/* SPDX-License-Identifier: Apache-2.0
 *
 * What a configuration names and only this host can say: users and groups.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/text.h"
#include "base/user.h"
#include "cell/value.h"
#include "conf/conf.h"

static int check_peers(const char *key, const char *list, struct cht_err *err)
{
	struct cht_str left = list != NULL ? str_of(list) : STR(""), who;
	struct cht_err why = { 0 };
	unsigned n = 0;
	bool is_group;

	for (; value_next_peer(&left, &who, &is_group); n++) {
		char name[VALUE_PEER_MAX + 1] = "";
		int64_t id;
		int r;

		memcpy(name, who.ptr, who.len);
		r = is_group ? user_find_group(name, &id, &why) : user_find(name, &id, &why);
		if (r < 0)
			return cht_fail(err, r, 0, "[control] %s: %s", key, why.text);
	}
	if (n > VALUE_PEERS_MAX)
		return cht_fail(err, CHT_E_CONFIG, 0,
				"[control] %s: expected at most %d users and groups: name a group",
				key, VALUE_PEERS_MAX);
	return 0;
}

static int check_user(const char *option, const char *user, struct cht_err *err)
{
	struct cht_err why = { 0 };
	int64_t uid;

	return user == NULL || user_find(user, &uid, &why) == 0
		       ? 0
		       : cht_fail(err, CHT_E_CONFIG, 0, "%s: %s", option, why.text);
}

int conf_check_names(const struct conf *conf, struct cht_err *err)
{
	int r = check_peers("writers", conf->writers, err);

	if (r == 0)
		r = check_peers("readers", conf->readers, err);
	if (r == 0)
		r = check_user("--scribe-user", conf->scribe_user, err);
	return r < 0 ? r : check_user("--opener-user", conf->opener_user, err);
}
