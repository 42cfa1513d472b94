/* SPDX-License-Identifier: Apache-2.0 */
#include "control/request.h"

#include <jansson.h>
#include <stdarg.h>
#include <stddef.h>
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
	return what == CONTROL_CELL ? "GET, HEAD, PUT, DELETE" : "GET, HEAD";
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
	else if (strcmp(method, "DELETE") == 0 && out->what == CONTROL_CELL)
		out->method = CONTROL_DELETE;
	else
		return control_refuse(error, 405, "bad_method", "here there are %s",
				      control_methods(out->what));
	return true;
}

/* ---- the body */

static struct cht_str text_of(const json_t *value)
{
	return json_is_string(value)
		       ? (struct cht_str){ json_string_value(value), json_string_length(value) }
		       : (struct cht_str){ "", 0 };
}

static void put(struct control_cell *out, size_t at, struct cht_str s)
{
	char *to = (char *)out + at;

	memcpy(to, s.ptr, s.len);
	to[s.len] = '\0';
}

static bool read_socket(const json_t *value, struct control_cell *out, size_t at)
{
	struct cht_str s = text_of(value);
	size_t suffix = at == offsetof(struct control_cell, base) ? strlen("_9001") : 0;

	if (s.len < 2 || s.len > CONTROL_PATH_MAX - suffix || s.ptr[0] != '/' ||
	    memchr(s.ptr, '\0', s.len) != NULL)
		return false;
	put(out, at, s);
	return true;
}

static bool read_attribution(const json_t *value, struct control_cell *out, size_t at)
{
	struct cht_str s = text_of(value);

	if (!value_is_attribution(s))
		return false;
	put(out, at, s);
	return true;
}

static bool read_id(const json_t *value, struct control_cell *out, size_t at)
{
	json_int_t id = json_integer_value(value);

	if (!json_is_integer(value) || id < 0 || id >= (json_int_t)UINT32_MAX)
		return false;
	*(int64_t *)((char *)out + at) = id;
	return true;
}

static bool read_cid(const json_t *value, struct control_cell *out, size_t at)
{
	json_int_t cid = json_integer_value(value);

	if (!json_is_integer(value) || cid < 0 || !value_is_cid((uint64_t)cid))
		return false;
	*(uint32_t *)((char *)out + at) = (uint32_t)cid;
	return true;
}

static bool read_mode(const json_t *value, struct control_cell *out, size_t at)
{
	uint64_t mode;

	if (!value_mode(text_of(value), &mode) || (mode & 0200) == 0 || mode > 0777)
		return false;
	*(uint32_t *)((char *)out + at) = (uint32_t)mode;
	return true;
}

#define MEMBER(member) #member, offsetof(struct control_cell, member)

static bool read_member(const char *name, const json_t *value, struct control_cell *out,
			struct control_error *error)
{
	static const char path[] = "an absolute path of at most 1,023 bytes, its suffix with it";
	static const char attribution[] = "1 to 128 of A-Z a-z 0-9 . _ : + / = -";
	static const char id[] = "a numeric user or group id";
	static const char cid[] = "a VM's CID, 3 to 4294967294, or 1, this host";
	static const struct {
		const char *name;
		size_t at;
		const char *expected;
		bool (*read)(const json_t *value, struct control_cell *out, size_t at);
	} members[] = {
		{ MEMBER(base), path, read_socket },
		{ MEMBER(path), path, read_socket },
		{ MEMBER(cid), cid, read_cid },
		{ MEMBER(run), attribution, read_attribution },
		{ MEMBER(spec), attribution, read_attribution },
		{ MEMBER(uid), id, read_id },
		{ MEMBER(owner), id, read_id },
		{ MEMBER(group), id, read_id },
		{ MEMBER(mode), "an octal mode such as \"0600\", writable by its owner",
		  read_mode },
	};

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		if (strcmp(name, members[i].name) != 0)
			continue;
		if (members[i].read(value, out, members[i].at))
			return true;
		return control_refuse(error, 400, "bad_request", "%s: expected %s", name,
				      members[i].expected);
	}
	return control_refuse(
		error, 400, "bad_request",
		"unknown member \"%.40s\": there are base, path, cid, run, spec, uid, "
		"owner, group, mode",
		name);
}

static bool read_object(json_t *object, struct control_cell *out, struct control_error *error)
{
	const char *name;
	json_t *value;

	if (!json_is_object(object))
		return control_refuse(error, 400, "bad_request", "expected a JSON object");
	json_object_foreach(object, name,
			    value) if (!read_member(name, value, out, error)) return false;
	if ((out->base[0] != '\0') + (out->path[0] != '\0') + (out->cid != 0) != 1)
		return control_refuse(error, 400, "bad_request",
				      "give one of base (the VMM's uds_path), path and cid");
	if (out->cid != 0 &&
	    (out->uid >= 0 || out->owner >= 0 || out->group >= 0 || out->mode != 0))
		return control_refuse(
			error, 400, "bad_request",
			"uid, owner, group and mode are of a socket file: a cell with "
			"a cid has none");
	return true;
}

bool control_read_body(struct cht_bytes body, struct control_cell *out, struct control_error *error)
{
	json_error_t why;
	json_t *object;
	bool is_good;

	memset(out, 0, sizeof(*out));
	out->uid = out->owner = out->group = -1;
	object = json_loadb((const char *)body.ptr, body.len, JSON_REJECT_DUPLICATES, &why);
	if (object == NULL)
		return control_refuse(error, 400, "bad_request", "no JSON: %s at byte %d", why.text,
				      why.position);
	is_good = read_object(object, out, error);
	json_decref(object);
	return is_good;
}
