/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http.h"

#include <string.h>

void *http_client_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info != NULL ? info->socket_context : NULL;
}

int http_fd_of(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

size_t http_leave_escaped(void *closure, struct MHD_Connection *connection, char *text)
{
	(void)closure;
	(void)connection;
	return strlen(text);
}

void http_end_behind(struct MHD_Response *response)
{
	if (response != NULL)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
}
