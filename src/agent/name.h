/* SPDX-License-Identifier: Apache-2.0
 *
 * name.h - names as the kernel has them (any bytes but NUL) in, text for a frame out.
 */
#ifndef AGENT_NAME_H
#define AGENT_NAME_H

#include "base/buf.h"

enum { COMM_MAX = 15, PATH_BYTES_MAX = 4095, PATH_TEXT_MAX = 3072 };

/* True: the name is UTF-8 and *text borrows from it. False: *text, in scratch, has U+FFFD for
 * each byte that is in no valid sequence, cut after a whole character when scratch is full; the
 * caller then sends the exact bytes beside it. */
bool name_text(struct cht_bytes name, struct buf *scratch, struct cht_str *text);

#endif
