/* SPDX-License-Identifier: Apache-2.0 */
/* What the line may still do when it meets a guest: no path, no privilege. The opener has both. */
#include "base/diag.h"
#include "daemon/line.h"

int line_lock_down(struct line *line, struct cht_err *err)
{
	const struct lockdown asked = { .mode = line->lockdown.mode, .program = LOCKDOWN_LINE };
	int r = lockdown_enter(&asked, &line->lockdown, err);

	if (r == 0 && line->lockdown.mode == LOCKDOWN_KILL && line->lockdown.landlock == 0)
		diag(DIAG_NOTICE, "this kernel has no Landlock (or not switched on): the user's "
				  "rights alone say which files can be reached");
	return r;
}
