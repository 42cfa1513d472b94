/* SPDX-License-Identifier: Apache-2.0
 *
 * server.h - what the files of this module share: who is connected, and what he waits for. Private
 * to src/serve.
 *
 * libmicrohttpd owns the connections and is called from one loop. What must wait (a follower at the
 * end, a search through much that does not match) is suspended and resumed by the loop.
 */
#ifndef SERVE_SERVER_H
#define SERVE_SERVER_H

#include <microhttpd.h>

#include "serve/listen.h"
#include "serve/log.h"
#include "serve/request.h"

enum {
	/* Select takes descriptors below 1,024: a client has one, a stream two more. */
	SERVE_CLIENTS_MAX = 256,
	/* A stream has a reader's buffer of 256 KiB. The rest is for those who ask and go. */
	SERVE_STREAMS_MAX = 128,
	/* Bytes that a connection's request and the part of an answer under way may take. */
	SERVE_CONNECTION_BYTES = 32768,
	/* Without progress of an answer, and of a connection without a request. */
	SERVE_IDLE_S = 30,
	/* From the connection, or the last answer's end, to the next whole request. */
	SERVE_REQUEST_S = 10,
	/* For answers under way when the end was asked for. */
	SERVE_STOP_S = 2,
	/* Entries of a turn that match nothing, before others have theirs. */
	SERVE_SCAN_ENTRIES = 1024,
};

enum serve_state {
	CLIENT_FREE,    /* the slot is nobody's */
	CLIENT_ASKING,  /* no whole request yet; ends at since_ns + SERVE_REQUEST_S */
	CLIENT_TAKING,  /* an answer is on its way; libmicrohttpd ends it when nothing moves */
	CLIENT_WAITING, /* suspended until there is another checkpoint, or he leaves */
	CLIENT_TURN,    /* suspended until the loop's next turn */
	CLIENT_GONE,    /* he left while suspended, or must: the stream ends at its next call */
};

struct serve_stream;

struct serve_client {
	enum serve_state state;
	uint64_t since_ns;
	int fd; /* libmicrohttpd's */
	struct MHD_Connection *connection;
	struct serve_request request;
	int request_status; /* of serve_request_read */
	struct cht_err request_err;
};

struct server {
	struct serve_log log;
	struct serve_listener listener;
	struct MHD_Daemon *daemon;
	int signal_fd;
	bool is_stopping;
	unsigned n_clients, n_streams;
	struct serve_client clients[SERVE_CLIENTS_MAX];
};

/* ---- answer.c */

/* libmicrohttpd's callbacks; closure is the server. */
void *serve_on_target(void *closure, const char *target, struct MHD_Connection *connection);
enum MHD_Result serve_on_request(void *closure, struct MHD_Connection *connection, const char *url,
				 const char *method, const char *version, const char *upload,
				 size_t *upload_len, void **request_closure);

/* ---- events.c */

/* The answer to a request for events of the log as it is now; the stream goes with it. 0: *out.
 * CHT_E_CONFIG: pruned. CHT_E_RANGE: from is beyond the checkpoint. CHT_E_LIMIT: there are
 * SERVE_STREAMS_MAX. CHT_E_STATE, CHT_E_IO, CHT_E_NOMEM. */
int serve_events(struct server *server, struct serve_client *client, struct MHD_Response **out,
		 struct cht_err *err) CHT_CHECKED;

#endif
