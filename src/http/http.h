/* SPDX-License-Identifier: Apache-2.0
 *
 * http.h - what those who serve by libmicrohttpd do alike: a connection's own place in the program,
 * its descriptor, and a target that stays as it came. Requests and answers are the server's.
 */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include <microhttpd.h>

/* What MHD_OPTION_NOTIFY_CONNECTION put into the connection's place, borrowed; null: it had none
 * for it. */
void *http_client_of(struct MHD_Connection *connection);

/* The connection's descriptor, the library's. */
int http_fd_of(struct MHD_Connection *connection);

/* For MHD_OPTION_UNESCAPE_CALLBACK: what is in a target is for the reader of requests alone. */
size_t http_leave_escaped(void *closure, struct MHD_Connection *connection, char *text);

/* For the answer to a HEAD whose body would have no known length: the connection ends behind it.
 * libmicrohttpd 0.9.75 sends the chunk that ends a body although none is sent, and a client would
 * take it for the beginning of the next answer. */
void http_end_behind(struct MHD_Response *response);

#endif
