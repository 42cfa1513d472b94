/* SPDX-License-Identifier: Apache-2.0 */
/* One table of members: which request has each, what it takes, who reads it. What is not a matter
 * of the socket or of names is a statement: it is checked here, and then kept as text in the one
 * form that an event has for it. */
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/text.h"
#include "cell/value.h"
#include "control/request.h"

enum {
	ID_MAX = 256,
	TIME_MAX = 30, /* with nine decimals */
	TYPE_MAX = 128,
	EXCEPTION_MAX = 1024,
	LIFECYCLE_MAX = 16,
	BOUND_PARTIAL_BLOCKS = 16, /* of one frame of the largest size */
};

struct member {
	const char *name;
	unsigned methods; /* bit per enum control_method */
	bool is_stated;   /* stands in .stated, and is recorded */
	size_t at;
	const char *expected;
	bool (*read)(const json_t *value, struct control_request *out, size_t at);
};

static struct cht_str text_of(const json_t *value)
{
	return json_is_string(value)
		       ? (struct cht_str){ json_string_value(value), json_string_length(value) }
		       : (struct cht_str){ "", 0 };
}

static void put(struct control_request *out, size_t at, struct cht_str s)
{
	char *to = (char *)out + at;

	memcpy(to, s.ptr, s.len);
	to[s.len] = '\0';
}

/* UTF-8 it is already. Without control characters there is one way only to escape it. */
static bool is_plain(struct cht_str s, size_t most)
{
	for (size_t i = 0; i < s.len; i++)
		if ((uint8_t)s.ptr[i] < ' ')
			return false;
	return s.len > 0 && s.len <= most;
}

static bool is_integer(const json_t *value, json_int_t least, json_int_t most)
{
	json_int_t v = json_integer_value(value);

	return json_is_integer(value) && v >= least && v <= most;
}

/* ---- of a registration */

static bool read_socket(const json_t *value, struct control_request *out, size_t at)
{
	struct cht_str s = text_of(value);
	size_t suffix = at == offsetof(struct control_request, cell.base) ? strlen("_9001") : 0;

	if (s.len < 2 || s.len > CONTROL_PATH_MAX - suffix || s.ptr[0] != '/' ||
	    memchr(s.ptr, '\0', s.len) != NULL)
		return false;
	put(out, at, s);
	return true;
}

static bool read_attribution(const json_t *value, struct control_request *out, size_t at)
{
	struct cht_str s = text_of(value);

	if (!value_is_attribution(s))
		return false;
	put(out, at, s);
	return true;
}

static bool read_id(const json_t *value, struct control_request *out, size_t at)
{
	if (!is_integer(value, 0, (json_int_t)UINT32_MAX - 1))
		return false;
	*(int64_t *)((char *)out + at) = json_integer_value(value);
	return true;
}

static bool read_cid(const json_t *value, struct control_request *out, size_t at)
{
	if (!is_integer(value, 0, UINT32_MAX) || !value_is_cid((uint64_t)json_integer_value(value)))
		return false;
	*(uint32_t *)((char *)out + at) = (uint32_t)json_integer_value(value);
	return true;
}

static bool read_mode(const json_t *value, struct control_request *out, size_t at)
{
	uint64_t mode;

	if (!value_mode(text_of(value), &mode) || (mode & 0200) == 0 || mode > 0777)
		return false;
	*(uint32_t *)((char *)out + at) = (uint32_t)mode;
	return true;
}

/* ---- of a statement */

static bool read_state(const json_t *value, struct control_request *out, size_t at)
{
	static const char *const names[] = { [TOLD_PAUSED] = "paused",
					     [TOLD_RESUMED] = "resumed",
					     [TOLD_SNAPSHOTTING] = "snapshotting",
					     [TOLD_RESTORED] = "restored" };
	struct cht_str s = text_of(value);

	(void)at;
	for (unsigned i = TOLD_PAUSED; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_eq(s, str_of(names[i]))) {
			out->told = (enum cell_told)i;
			return true;
		}
	return false;
}

#define LIMIT(name, member, least, most)                                                           \
	{                                                                                          \
		name, offsetof(struct control_limits, member), least, most                         \
	}

static bool read_limits(const json_t *value, struct control_request *out, size_t at)
{
	static const struct {
		const char *name;
		size_t at;
		json_int_t least, most;
	} limits[] = {
		LIMIT("connections", connections, 1, 1023),
		LIMIT("connectsPerSecond", connects_per_s, 1, 1000000),
		LIMIT("framesPerSecond", frames_per_s, 1, 1000000000),
		LIMIT("framesBurst", frames_burst, 1, 1000000000),
		LIMIT("partialBlocks", partial_blocks, BOUND_PARTIAL_BLOCKS, 1024),
		LIMIT("ledgerBytes", ledger_bytes, 65536, INT64_MAX),
	};
	size_t n = 0;

	(void)at;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		const json_t *one = json_object_get(value, limits[i].name);

		if (one == NULL)
			continue;
		if (!is_integer(one, limits[i].least, limits[i].most))
			return false;
		*(uint64_t *)((char *)&out->limits + limits[i].at) =
			(uint64_t)json_integer_value(one);
		n++;
	}
	return n > 0 && n == json_object_size(value);
}

static bool is_digits(const char *s, size_t n)
{
	return strspn(s, "0123456789") >= n;
}

/* 2025-11-05T13:20:00Z, with up to nine decimals. */
static bool is_time(struct cht_str s)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd";
	size_t n = sizeof(form) - 1, decimals;

	if (s.len < n + 1 || s.len > TIME_MAX || s.ptr[s.len - 1] != 'Z')
		return false;
	for (size_t i = 0; i < n; i++)
		if (form[i] == 'd' ? !is_digits(s.ptr + i, 1) : s.ptr[i] != form[i])
			return false;
	if (s.len == n + 1)
		return true;
	decimals = s.len - n - 2;
	return s.ptr[n] == '.' && decimals > 0 && is_digits(s.ptr + n + 1, decimals);
}

static bool is_type(struct cht_str s)
{
	return s.len <= TYPE_MAX && value_is_attribution(s) && memchr(s.ptr, '+', s.len) == NULL &&
	       memchr(s.ptr, '/', s.len) == NULL && memchr(s.ptr, '=', s.len) == NULL;
}

static bool is_lifecycle_event(const json_t *value)
{
	const json_t *time = json_object_get(value, "time");

	return json_object_size(value) == (time != NULL ? 3 : 2) &&
	       is_type(text_of(json_object_get(value, "type"))) &&
	       is_plain(text_of(json_object_get(value, "id")), ID_MAX) &&
	       (time == NULL || is_time(text_of(time)));
}

static bool read_lifecycle(const json_t *value, struct control_request *out, size_t at)
{
	size_t n = json_array_size(value);

	(void)out;
	(void)at;
	for (size_t i = 0; i < n; i++)
		if (!is_lifecycle_event(json_array_get(value, i)))
			return false;
	return n > 0 && n <= LIFECYCLE_MAX;
}

static bool read_exit_code(const json_t *value, struct control_request *out, size_t at)
{
	(void)out;
	(void)at;
	return is_integer(value, INT32_MIN, INT32_MAX);
}

static bool read_residue(const json_t *value, struct control_request *out, size_t at)
{
	struct cht_str s = text_of(value);

	(void)at;
	out->is_exception = str_eq(s, STR("documented_exception"));
	return out->is_exception || str_eq(s, STR("none"));
}

static bool read_exception(const json_t *value, struct control_request *out, size_t at)
{
	(void)at;
	out->has_exception = true;
	return is_plain(text_of(value), EXCEPTION_MAX);
}

/* ---- the body */

#define PUT           (1u << CONTROL_PUT)
#define PATCH         (1u << CONTROL_PATCH)
#define DELETE        (1u << CONTROL_DELETE)
#define MEMBER(named) #named, PUT, false, offsetof(struct control_request, cell.named)

static const char a_path[] = "an absolute path of at most 1,023 bytes, its suffix with it";
static const char attribution[] = "1 to 128 of A-Z a-z 0-9 . _ : + / = -";
static const char a_cid[] = "a VM's CID, 3 to 4294967294, or 1, this host";
static const char an_id[] = "a numeric user or group id";

static const struct member members[] = {
	{ MEMBER(base), a_path, read_socket },
	{ MEMBER(path), a_path, read_socket },
	{ MEMBER(cid), a_cid, read_cid },
	{ MEMBER(run), attribution, read_attribution },
	{ MEMBER(spec), attribution, read_attribution },
	{ MEMBER(uid), an_id, read_id },
	{ MEMBER(owner), an_id, read_id },
	{ MEMBER(group), an_id, read_id },
	{ MEMBER(mode), "an octal mode such as \"0600\", writable by its owner", read_mode },
	{ "state", PATCH, true, 0, "paused, resumed, snapshotting or restored", read_state },
	{ "limits", PATCH, true, 0,
	  "an object of connections, connectsPerSecond, framesPerSecond, framesBurst, "
	  "partialBlocks, ledgerBytes, within their bounds",
	  read_limits },
	{ "lifecycle", PATCH, true, 0,
	  "a list of 1 to 16 {\"type\",\"id\"}, with \"time\" or without it", read_lifecycle },
	{ "exitCode", PATCH, true, 0, "an integer of 32 bits", read_exit_code },
	{ "residueClass", DELETE, true, 0, "none or documented_exception", read_residue },
	{ "residueException", DELETE, true, 0, "1 to 1,024 bytes, no control characters",
	  read_exception },
};

enum { N_MEMBERS = sizeof(members) / sizeof(members[0]) };

static bool refuse_unknown(const char *name, unsigned method, struct control_error *error)
{
	char known[160];
	struct buf b = buf_init(known, sizeof(known) - 1);

	for (size_t i = 0; i < N_MEMBERS; i++)
		if ((members[i].methods & method) != 0) {
			buf_put_str(&b, buf_len(&b) > 0 ? STR(", ") : STR(""));
			buf_put_str(&b, str_of(members[i].name));
		}
	known[buf_len(&b)] = '\0';
	return control_refuse(error, 400, "bad_request", "unknown member \"%.40s\": there are %s",
			      name, known);
}

static bool read_member(const char *name, const json_t *value, struct control_request *out,
			struct control_error *error)
{
	unsigned method = 1u << out->method;

	for (size_t i = 0; i < N_MEMBERS; i++) {
		if (strcmp(name, members[i].name) != 0 || (members[i].methods & method) == 0)
			continue;
		if (members[i].read(value, out, members[i].at))
			return true;
		return control_refuse(error, 400, "bad_request", "%s: expected %s", name,
				      members[i].expected);
	}
	return refuse_unknown(name, method, error);
}

static bool check_cell(const struct control_cell *cell, struct control_error *error)
{
	if ((cell->base[0] != '\0') + (cell->path[0] != '\0') + (cell->cid != 0) != 1)
		return control_refuse(error, 400, "bad_request",
				      "give one of base (the VMM's uds_path), path and cid");
	if (cell->cid != 0 &&
	    (cell->uid >= 0 || cell->owner >= 0 || cell->group >= 0 || cell->mode != 0))
		return control_refuse(error, 400, "bad_request",
				      "uid, owner, group and mode are of a socket file: a cell "
				      "with a cid has none");
	return true;
}

/* What only the whole can show. */
static bool check_whole(const struct control_request *out, size_t n, struct control_error *error)
{
	if (out->method == CONTROL_PUT && !check_cell(&out->cell, error))
		return false;
	if (out->method == CONTROL_PATCH && n == 0)
		return control_refuse(error, 400, "bad_request", "nothing is stated");
	if (out->has_exception && !out->is_exception)
		return control_refuse(error, 400, "bad_request",
				      "residueException: only with residueClass "
				      "documented_exception");
	return true;
}

static bool read_object(json_t *object, struct control_request *out, struct control_error *error)
{
	const char *name;
	json_t *value;

	if (!json_is_object(object))
		return control_refuse(error, 400, "bad_request", "expected a JSON object");
	json_object_foreach(object, name,
			    value) if (!read_member(name, value, out, error)) return false;
	return check_whole(out, json_object_size(object), error);
}

/* Canonical, because texts have no control characters, numbers no fraction, and members are
 * sorted. It is no longer than the body. */
static void keep_stated(json_t *object, struct control_request *out)
{
	for (size_t i = 0; i < N_MEMBERS; i++)
		if (!members[i].is_stated)
			(void)json_object_del(object, members[i].name);
	if (json_object_size(object) > 0)
		out->stated_len = json_dumpb(object, out->stated, sizeof(out->stated),
					     JSON_COMPACT | JSON_SORT_KEYS);
}

bool control_read_body(struct cht_bytes body, struct control_request *out,
		       struct control_error *error)
{
	json_error_t why;
	json_t *object;
	bool is_good;

	out->cell = (struct control_cell){ .uid = -1, .owner = -1, .group = -1 };
	out->told = TOLD_NOTHING;
	out->limits = (struct control_limits){ 0 };
	out->is_exception = out->has_exception = false;
	out->stated_len = 0;
	if (body.len == 0 && out->method == CONTROL_DELETE)
		return true;
	object = json_loadb((const char *)body.ptr, body.len, JSON_REJECT_DUPLICATES, &why);
	if (object == NULL)
		return control_refuse(error, 400, "bad_request", "no JSON: %s at byte %d", why.text,
				      why.position);
	is_good = read_object(object, out, error);
	if (is_good)
		keep_stated(object, out);
	json_decref(object);
	return is_good;
}
