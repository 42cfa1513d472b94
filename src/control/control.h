/* SPDX-License-Identifier: Apache-2.0
 *
 * control.h - the control socket: requests of clients in, answers out, inside somebody's loop. What
 * a request does is for its handler to say; one whose answer waits for the disk holds up nobody
 * else (docs/PROTOCOL.control).
 *
 * access.c   who may do what
 * request.c, body.c  method, target and body to a struct: pure
 * reply.c    structs to the bytes of an answer: pure
 * answer.c   what a whole request is answered
 * control.c  connections, by libmicrohttpd (ADR 0021)
 */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include "base/limits.h"
#include "control/access.h"
#include "control/request.h"

/* What there is to say of a cell. Texts are the handler's, and hold while it answers. */
struct control_view {
	struct cht_str id, run, spec, socket, state, condition;
	uint64_t index, sequence, connections;
	uint64_t received, stored, heartbeats, refused, dropped;
	bool is_silent, is_sealed, is_stated;
	uint64_t silent_ns; /* since the last good frame, when it is silent */
	uint64_t sealed_index, stated_index;
	struct cht_str registered; /* what was stated then, a JSON object; empty: nothing */
	struct cht_str receipt;    /* of the event that was waited for; empty: none */
};

struct control_metrics {
	uint64_t cells, connections;
	uint64_t received, stored, heartbeats, refused, dropped;
	uint64_t readings, failed_readings; /* of the host's own sources */
	uint64_t entries;
	bool is_paused;
};

/* error.status 0: a view with this status, or none with 204. */
struct control_answer {
	struct control_error error;
	unsigned status;
	struct control_view view;
};

/* Whose answer waits: given by the handler, told of in control_tell. */
typedef uint64_t control_ticket;

enum { CONTROL_CLIENTS_MAX = 1024, CONTROL_RECEIPT_MAX = 4095 };

struct control_handler {
	void *context;
	struct control_access writers, readers; /* writers read too */
	uint32_t clients_max; /* connected at once, a descriptor each: 1 to CONTROL_CLIENTS_MAX */
	/* CONTROL_CELL: false, *ticket: the answer comes by control_tell. True: *answer is it. */
	bool (*on_cell)(void *context, const struct control_request *request,
			struct control_answer *answer, control_ticket *ticket);
	/* The cell whose id comes next behind that one, by bytes; the first behind "". False at the
	 * end. Others may come and go between two calls. */
	bool (*next_cell)(void *context, const char *after, struct control_view *view);
	/* Whether the ledger cannot be written now. */
	bool (*is_paused)(void *context);
	void (*read_metrics)(void *context, struct control_metrics *metrics);
};

struct control;

enum { CONTROL_SOCKET_MODE = 0660 };

/* Serves who connects to a listening Unix socket, which is taken, whatever the result. *handler is
 * copied. CHT_E_NOMEM, CHT_E_IO. */
int control_open(struct control **out, int listen_fd, const struct control_handler *handler,
		 struct cht_err *err) CHT_CHECKED;
/* Those who wait are told that we stop; the listener closes. Safe on NULL. */
void control_close(struct control *c);

/* Readable when control_run has something to do. */
int control_fd(const struct control *c);
/* When it has, whether or not that is readable: monotonic; UINT64_MAX: never. */
uint64_t control_deadline(const struct control *c);
void control_run(struct control *c);
/* The answer for all who wait with this ticket; they get it in a control_run to come. A created
 * cell is 201 for who asked first, 200 for the others. */
void control_tell(struct control *c, control_ticket ticket, const struct control_answer *answer);

#endif
