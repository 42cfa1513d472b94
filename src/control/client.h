/* SPDX-License-Identifier: Apache-2.0
 *
 * client.h - what the files of this module share: who is connected, and what he waits for. Private
 * to src/control.
 */
#ifndef CONTROL_CLIENT_H
#define CONTROL_CLIENT_H

#include <microhttpd.h>

#include "control/control.h"
#include "control/reply.h"

enum client_state {
	CLIENT_FREE,
	CLIENT_ASKING,  /* no whole request yet */
	CLIENT_TAKING,  /* the answer is on its way */
	CLIENT_WAITING, /* suspended: it comes by control_tell */
	CLIENT_TOLD,    /* resumed: it is in .text */
};

/* How far a list of all cells is; what is to be sent next of it stands in .text. */
struct listing {
	struct control *control;
	char after[CHT_CELL_ID_MAX + 1]; /* the newest in it */
	size_t sent;                     /* of .text */
	bool has_some, is_whole;
};

struct client {
	enum client_state state;
	bool may_read, may_write, has_head, is_body_less; /* HEAD */
	uint64_t since_ns;
	struct MHD_Connection *connection;
	int fd;
	const char *target; /* where it stood; no longer to be read */
	size_t target_len;
	struct control_peer peer;
	control_ticket ticket;
	uint64_t asked; /* .n_asked, when it began to wait */
	struct control_request request;
	struct control_error error; /* status 0: the request is good so far */
	unsigned status;            /* of .text */
	size_t body_len, text_len;
	struct listing listing; /* of an answer that is the list of all cells */
	uint8_t body[CONTROL_BODY_MAX];
	char text[CONTROL_VIEW_MAX];
};

struct control {
	struct control_handler handler;
	struct MHD_Daemon *daemon;
	int fd; /* of libmicrohttpd's epoll set */
	bool is_stopping, is_due;
	uint64_t next_sweep_ns;
	unsigned n_waiting;
	uint64_t n_asked;
	struct client *clients[CONTROL_CLIENTS_MAX]; /* made when first needed */
};

/* ---- answer.c: MHD_NO ends the connection. */

/* Of a whole request: the answer, or the wait for it. */
enum MHD_Result client_answer(struct control *c, struct client *client);
/* The refusal in client->error. */
enum MHD_Result client_queue_error(struct client *client);
/* What client_write wrote. */
enum MHD_Result client_queue_told(struct client *client);
void client_write(struct client *client, const struct control_answer *answer);

#endif
