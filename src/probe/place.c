/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/place.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "probe/kinds.h"

int place_take(struct probe_place *place, const struct cht_probe_options *options,
	       struct cht_err *err)
{
	int r = probe_take_text(place->name, sizeof(place->name), options->netns, "netns", true,
				err);

	if (r < 0)
		return r;
	if (strchr(place->name, '/') != NULL || strcmp(place->name, ".") == 0 ||
	    strcmp(place->name, "..") == 0)
		return cht_fail(err, CHT_E_RANGE, 0, "netns: a name in /run/netns, not %.80s",
				place->name);
	if (options->netns_pid > INT32_MAX || (options->netns_pid != 0 && place->name[0] != '\0'))
		return cht_fail(err, CHT_E_RANGE, 0,
				"netns_pid: a process, when no netns is named");
	place->pid = options->netns_pid;
	return 0;
}

bool place_may_be_another(const struct probe_place *place)
{
	return place->name[0] != '\0';
}

bool place_may_ask(const struct probe_place *place)
{
	return place->pid == 0 || !place->was_had;
}

void place_want(const struct probe_place *place, struct probe_want *want)
{
	_Static_assert(sizeof(want->netns) == sizeof(place->name), "one name");
	memcpy(want->netns, place->name, sizeof(want->netns));
	want->pid = place->pid;
}

void place_put(struct buf *b, const struct probe_place *place)
{
	if (place->name[0] != '\0')
		json_put_member(b, ",\"netns\":", str_of(place->name));
	if (place->pid == 0)
		return;
	buf_put_lit(b, ",\"netnsPid\":");
	put_u64(b, place->pid);
}

void place_fail(const struct probe_place *place, int code, int sys, const char *what,
		struct probe_room *room, struct cht_reading *out)
{
	char text[200], where[64] = "another network namespace";

	if (place->name[0] != '\0')
		(void)snprintf(where, sizeof(where), "network namespace %.40s", place->name);
	if (place->pid != 0)
		(void)snprintf(where, sizeof(where), "network namespace of process %u", place->pid);
	if (!place_may_ask(place))
		sys = ESRCH;
	if (place->name[0] == '\0' && place->pid == 0)
		(void)snprintf(text, sizeof(text), "%.60s", what);
	else if (sys == EPERM)
		(void)snprintf(text, sizeof(text), "%s: needs CAP_SYS_ADMIN%s", where,
			       place->pid != 0 ? " and, of another user's, CAP_SYS_PTRACE" : "");
	else
		(void)snprintf(text, sizeof(text), "%s", where);
	reading_fail(out, room, code, sys, text);
}
