/* SPDX-License-Identifier: Apache-2.0
 *
 * reply.h - the bytes of an answer: JSON, or Prometheus text. Pure; b->full when it did not fit.
 */
#ifndef CONTROL_REPLY_H
#define CONTROL_REPLY_H

#include "base/buf.h"
#include "control/control.h"

/* More than any cell takes: a path of 1,023 bytes, each escaped; a receipt, its newlines escaped;
 * and the rest. */
enum {
	CONTROL_VIEW_MAX = 6 * CONTROL_PATH_MAX + 2 * CONTROL_RECEIPT_MAX + CONTROL_BODY_MAX + 1024
};

void reply_put_view(struct buf *b, const struct control_view *view);
void reply_put_error(struct buf *b, const struct control_error *error);
void reply_put_metrics(struct buf *b, const struct control_metrics *metrics);
void reply_put_version(struct buf *b);

#endif
