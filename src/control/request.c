/* SPDX-License-Identifier: Apache-2.0 */
#include "control/request.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/text.h"
#include "cell/value.h"

bool control_refuse(struct control_error *error, unsigned status, const char *code,
		    const char *format, ...)
{
	va_list args;

	error->status = status;
	error->code = code;
	va_start(args, format);
	(void)vsnprintf(error->message, sizeof(error->message), format, args);
	va_end(args);
	/* What is quoted may have been cut anywhere. */
	error->message[utf8_valid_prefix((const uint8_t *)error->message, strlen(error->message))] =
		'\0';
	return false;
}

const char *control_methods(enum control_what what)
{
	return what == CONTROL_CELL ? "GET, HEAD, PUT, PATCH, DELETE" : "GET, HEAD";
}

static bool read_path(const char *target, struct control_request *out, struct control_error *error)
{
	static const struct {
		const char *path;
		enum control_what what;
	} paths[] = {
		{ "/version", CONTROL_VERSION }, { "/healthz", CONTROL_HEALTH },
		{ "/readyz", CONTROL_READY },    { "/metrics", CONTROL_METRICS },
		{ "/cells", CONTROL_CELLS },
	};
	struct cht_str id;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (strcmp(target, paths[i].path) == 0) {
			out->what = paths[i].what;
			return true;
		}
	if (strncmp(target, "/cells/", strlen("/cells/")) != 0)
		return control_refuse(error, 404, "not_found",
				      "there are /cells, /cells/{id}, /metrics, /healthz, /readyz "
				      "and /version");
	id = str_of(target + strlen("/cells/"));
	if (!value_is_cell_id(id))
		return control_refuse(error, 400, "bad_id",
				      "a cell's id is 1 to %d of A-Z a-z 0-9 . _ -",
				      CHT_CELL_ID_MAX);
	out->what = CONTROL_CELL;
	memcpy(out->id, id.ptr, id.len);
	out->id[id.len] = '\0';
	return true;
}

bool control_read_target(const char *method, const char *target, struct control_request *out,
			 struct control_error *error)
{
	memset(out, 0, sizeof(*out));
	if (!read_path(target, out, error))
		return false;
	if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
		out->method = CONTROL_GET;
	else if (strcmp(method, "PUT") == 0 && out->what == CONTROL_CELL)
		out->method = CONTROL_PUT;
	else if (strcmp(method, "PATCH") == 0 && out->what == CONTROL_CELL)
		out->method = CONTROL_PATCH;
	else if (strcmp(method, "DELETE") == 0 && out->what == CONTROL_CELL)
		out->method = CONTROL_DELETE;
	else
		return control_refuse(error, 405, "bad_method", "here there are %s",
				      control_methods(out->what));
	return true;
}
