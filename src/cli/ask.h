/* SPDX-License-Identifier: Apache-2.0
 *
 * ask.h - a question to chtd's control socket, and the answer (docs/PROTOCOL.control).
 *
 * One request on a connection of its own, answered up to its end: so much of HTTP/1.1 is a few
 * lines, and an HTTP library would be loaded by all who only read a ledger.
 */
#ifndef CLI_ASK_H
#define CLI_ASK_H

#include <cht/err.h>
#include <jansson.h>

/* Where chtd listens as a service. */
#define ASK_SOCKET "/run/chtd/control"

struct ask_reply {
	unsigned status;
	char *text; /* the body, NUL-terminated */
	size_t len;
	json_t *json; /* the same taken apart; null when it is no JSON */
};

/* Connects, and asks nothing: the caller's descriptor, which does not block. CHT_E_PEER: nobody is
 * there. CHT_E_RANGE, CHT_E_IO. */
int ask_connect(const char *socket, struct cht_err *err) CHT_CHECKED;

/* method and target as in the request; body null: none. Waits as long as chtd does, for what waits
 * for the disk. CHT_E_PEER: nobody is there, or what came is no answer; the text says which.
 * CHT_E_RANGE, CHT_E_IO, CHT_E_NOMEM. *reply is the caller's, for ask_done, whatever the result. */
int ask(const char *socket, const char *method, const char *target, const char *body,
	struct ask_reply *reply, struct cht_err *err) CHT_CHECKED;
void ask_done(struct ask_reply *reply);

/* From here on an answer is waited for so long at most, then it is CHT_E_PEER; 0: for ever. */
void ask_limit(unsigned seconds);
/* The control socket that is meant where no option says it: CHT_CONTROL, else ASK_SOCKET. */
const char *ask_socket(void);

/* As ask, for answers that are an object or a list: one above 299 is an error with chtd's own
 * sentence, CHT_E_STATE. */
int ask_json(const char *socket, const char *method, const char *target, const char *body,
	     struct ask_reply *reply, struct cht_err *err) CHT_CHECKED;

#endif
