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
#include "control/member.h"

struct member {
	const char *name;
	unsigned methods; /* bit per enum control_method */
	bool is_stated;   /* stands in .stated, and is recorded */
	size_t at;
	const char *expected;
	member_read_fn read;
};

static void put(struct control_request *out, size_t at, struct cht_str s)
{
	char *to = (char *)out + at;

	memcpy(to, s.ptr, s.len);
	to[s.len] = '\0';
}

/* ---- of a registration */

static bool read_socket(const json_t *value, struct control_request *out, size_t at)
{
	struct cht_str s = member_text(value);
	size_t suffix = at == offsetof(struct control_request, cell.base) ? strlen("_9001") : 0;

	if (s.len < 2 || s.len > CONTROL_PATH_MAX - suffix || s.ptr[0] != '/' ||
	    memchr(s.ptr, '\0', s.len) != NULL)
		return false;
	put(out, at, s);
	return true;
}

static bool read_attribution(const json_t *value, struct control_request *out, size_t at)
{
	struct cht_str s = member_text(value);

	if (!value_is_attribution(s))
		return false;
	put(out, at, s);
	return true;
}

static bool read_cell_id(const json_t *value, struct control_request *out, size_t at)
{
	struct cht_str s = member_text(value);

	(void)at;
	if (!value_is_cell_id(s))
		return false;
	put(out, offsetof(struct control_request, id), s);
	return true;
}

static bool read_id(const json_t *value, struct control_request *out, size_t at)
{
	if (!member_is_integer(value, 0, (json_int_t)UINT32_MAX - 1))
		return false;
	*(int64_t *)((char *)out + at) = json_integer_value(value);
	return true;
}

static bool read_cid(const json_t *value, struct control_request *out, size_t at)
{
	if (!member_is_integer(value, 0, UINT32_MAX) ||
	    !value_is_cid((uint64_t)json_integer_value(value)))
		return false;
	*(uint32_t *)((char *)out + at) = (uint32_t)json_integer_value(value);
	return true;
}

static bool read_mode(const json_t *value, struct control_request *out, size_t at)
{
	uint64_t mode;

	if (!value_mode(member_text(value), &mode) || (mode & 0200) == 0 || mode > 0777)
		return false;
	*(uint32_t *)((char *)out + at) = (uint32_t)mode;
	return true;
}

/* ---- the body */

#define PUT           (1u << CONTROL_PUT)
#define PATCH         (1u << CONTROL_PATCH)
#define DELETE        (1u << CONTROL_DELETE)
#define PASS          (1u << CONTROL_PASS)
#define MEMBER(named) #named, PUT, false, offsetof(struct control_request, cell.named)
#define SHARED(named) #named, PUT | PASS, false, offsetof(struct control_request, cell.named)

static const char a_path[] = "an absolute path of at most 1,023 bytes, its suffix with it";
static const char attribution[] = "1 to 128 of A-Z a-z 0-9 . _ : + / = -";
static const char a_cid[] = "a VM's CID, 3 to 4294967294, or 1, this host";
static const char an_id[] = "a numeric user or group id";

static const struct member members[] = {
	{ "id", PASS, false, 0, "1 to 64 of A-Z a-z 0-9 . _ -", read_cell_id },
	{ MEMBER(base), a_path, read_socket },
	{ MEMBER(path), a_path, read_socket },
	{ MEMBER(cid), a_cid, read_cid },
	{ SHARED(run), attribution, read_attribution },
	{ SHARED(spec), attribution, read_attribution },
	{ SHARED(uid), an_id, read_id },
	{ MEMBER(owner), an_id, read_id },
	{ MEMBER(group), an_id, read_id },
	{ MEMBER(mode), "an octal mode such as \"0600\", writable by its owner", read_mode },
	{ "specId", PUT | PASS, true, 0, attribution, member_spec_id },
	{ "state", PATCH, true, 0, "paused, resumed, snapshotting or restored", member_state },
	{ "limits", PUT | PASS | PATCH, true, 0,
	  "an object of connections, connectsPerSecond, framesPerSecond, framesBurst, "
	  "partialBlocks, ledgerBytes, within their bounds",
	  member_limits },
	{ "keepaliveWindowMs", PUT | PASS, true, 0, "1 to 86400000", member_keepalive },
	{ "vmmPid", PUT | PASS, true, 0, "a process id", member_vmm_pid },
	{ "probes", PUT | PASS, true, 0,
	  "an object of fc_metrics {fifo|file, endpoint?, apiSocket?, flush?}, cgroup "
	  "{cgroupLeaf}, "
	  "nftables {family, table, netns?}, tap_link {iface, netns?}, vmm_proc {}, each with "
	  "intervalMs?",
	  member_probes },
	{ "authorised", PUT | PASS, true, 0,
	  "a list of 1 to 16 probe sources such as \"guest.process.spawned\" or \"host.cgroup\"",
	  member_authorised },
	{ "correlation", PUT | PASS, true, 0,
	  "an object of platform, externalRunId, externalJobId, tenantId, correlationId and "
	  "labels, "
	  "of 2,048 bytes in all",
	  member_correlation },
	{ "traceparent", PUT | PASS, true, 0, "00-<32 hex digits>-<16>-<2>, the first two not 0",
	  member_traceparent },
	{ "lifecycle", PATCH, true, 0,
	  "a list of 1 to 16 {\"type\",\"id\"}, with \"time\" or without it", member_lifecycle },
	{ "exitCode", PATCH, true, 0, "an integer of 32 bits", member_exit_code },
	{ "residueClass", DELETE, true, 0, "none or documented_exception", member_residue },
	{ "residueException", DELETE, true, 0, "1 to 1,024 bytes, no control characters",
	  member_exception },
};

enum { N_MEMBERS = sizeof(members) / sizeof(members[0]) };

static bool refuse_unknown(const char *name, unsigned method, struct control_error *error)
{
	char known[200];
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
	if (out->method == CONTROL_PASS && out->id[0] == '\0')
		return control_refuse(error, 400, "bad_request", "give the id of the cell");
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
	out->keepalive_window_ms = out->vmm_pid = 0;
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
