/* SPDX-License-Identifier: Apache-2.0
 *
 * kept.h - the file `checkpoints`: read note by note, in a window, in the order of their sizes;
 * private to src/verify.
 */
#ifndef VERIFY_KEPT_H
#define VERIFY_KEPT_H

#include "verify/anchors.h"

/* Where the file is there. CHT_E_NOMEM, CHT_E_IO. */
int kept_open(struct kept *kept, int dir_fd, struct cht_err *err) CHT_CHECKED;
void kept_close(struct kept *kept);
/* The next one, if there is one: kept.has_next. One that the log's key did not sign, or that is
 * smaller than the one before, is a finding, and the last. CHT_E_IO. */
int kept_next(struct anchors *anchors, struct cht_err *err) CHT_CHECKED;
/* The next one is of a larger tree than the newest checkpoint: a finding. */
void kept_is_larger(struct anchors *anchors);

#endif
