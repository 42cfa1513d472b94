/* SPDX-License-Identifier: Apache-2.0 */
/* What the line may still do when it meets a guest. As long as it binds sockets itself, it may do
 * so in the directories of its cells, and with a control socket anywhere: it cannot know where the
 * next cell will be. */
#include <linux/capability.h>
#include <stdlib.h>

#include "base/diag.h"
#include "base/err.h"
#include "daemon/line.h"

/* For a socket of another owner, in a directory of another owner. */
#define BINDING                                                                                    \
	(UINT64_C(1) << CAP_SETUID | UINT64_C(1) << CAP_SETGID | UINT64_C(1) << CAP_DAC_OVERRIDE | \
	 UINT64_C(1) << CAP_FOWNER)

static int enter(struct line *line, const struct lockdown_path *paths, unsigned n,
		 struct cht_err *err)
{
	const struct lockdown asked = { .mode = line->lockdown.mode,
					.program = LOCKDOWN_LINE,
					.paths = paths,
					.n_paths = n,
					.keep = BINDING };
	int r = lockdown_enter(&asked, &line->lockdown, err);

	if (r == 0 && line->lockdown.mode == LOCKDOWN_KILL && line->lockdown.landlock == 0)
		diag(DIAG_NOTICE, "this kernel has no Landlock (or not switched on): the user's "
				  "rights alone say which files can be reached");
	return r;
}

int line_lock_down(struct line *line, struct cht_err *err)
{
	static const struct lockdown_path anywhere = { .path = "/", .rights = LOCKDOWN_SOCKETS };
	struct lockdown_path *paths;
	int r;

	if (line->conf->control != NULL)
		return enter(line, &anywhere, 1, err);
	paths = calloc(line->slots_used + 1, sizeof(*paths));
	if (paths == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for the cells' directories");
	for (uint32_t i = 0; i < line->slots_used; i++)
		paths[i] = (struct lockdown_path){ .dir_fd = line->slots[i].socket.dir_fd,
						   .rights = LOCKDOWN_SOCKETS };
	r = enter(line, paths, line->slots_used, err);
	free(paths);
	return r;
}
