/* SPDX-License-Identifier: Apache-2.0
 *
 * passing.h - the other control socket: a listener that a client made, and what a PUT says of its
 * cell, in one message; one message is the answer (docs/PROTOCOL.control). Sequenced packets; what
 * a request does is for the same handler to say.
 */
#ifndef CONTROL_PASSING_H
#define CONTROL_PASSING_H

#include "control/control.h"

enum { PASSING_CLIENTS_MAX = 16 };

struct passing;

/* Serves a listener of SOCK_SEQPACKET, which is taken, whatever the result. *handler is copied;
 * on_cell alone is asked. CHT_E_NOMEM, CHT_E_IO. */
int passing_open(struct passing **out, int fd, const struct control_handler *handler,
		 struct cht_err *err) CHT_CHECKED;
/* Those who wait are told that we stop. Safe on NULL. */
void passing_close(struct passing *p);

/* Readable when passing_run has something to do; otherwise it has at that time, monotonic;
 * UINT64_MAX: never. */
int passing_fd(const struct passing *p);
uint64_t passing_deadline(const struct passing *p);
void passing_run(struct passing *p);
/* As control_tell. */
void passing_tell(struct passing *p, control_ticket ticket, const struct control_answer *answer);

#endif
