/* SPDX-License-Identifier: Apache-2.0 */
/* Members that state something of a cell when it is registered. */
#include <string.h>

#include "asked/asked.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "cell/value.h"
#include "control/member.h"

enum {
	AUTHORISED_MAX = 16,
	NAME_MAX_LEN = 256,
	LABELS_MAX = 16,
	LABEL_NAME_MAX = 64,
	CORRELATION_MAX = 2048,
};

bool member_spec_id(const json_t *value, struct control_request *out, size_t at)
{
	(void)out;
	(void)at;
	return value_is_attribution(member_text(value));
}

bool member_keepalive(const json_t *value, struct control_request *out, size_t at)
{
	(void)at;
	if (!member_is_integer(value, 1, (json_int_t)(LIMIT_WINDOW_MOST_NS / NS_PER_MS)))
		return false;
	out->keepalive_window_ms = (uint32_t)json_integer_value(value);
	return true;
}

bool member_vmm_pid(const json_t *value, struct control_request *out, size_t at)
{
	(void)at;
	if (!member_is_integer(value, 1, LIMIT_PID_MOST))
		return false;
	out->vmm_pid = (uint32_t)json_integer_value(value);
	return true;
}

bool member_probes(const json_t *value, struct control_request *out, size_t at)
{
	struct probes_asked asked;

	(void)out;
	(void)at;
	return probes_asked_take(value, &asked);
}

/* As probeSource has it in data. */
static bool is_probe_source(struct cht_str s)
{
	static const struct cht_str guest = STR_INIT("guest."), host = STR_INIT("host.");
	enum cht_probe_kind kind;

	if (str_starts(s, host))
		return cht_probe_find(s, &kind);
	return str_starts(s, guest) &&
	       cht_source_is_known((struct cht_str){ s.ptr + guest.len, s.len - guest.len });
}

bool member_authorised(const json_t *value, struct control_request *out, size_t at)
{
	size_t n = json_array_size(value);

	(void)out;
	(void)at;
	for (size_t i = 0; i < n; i++)
		if (!is_probe_source(member_text(json_array_get(value, i))))
			return false;
	return n > 0 && n <= AUTHORISED_MAX;
}

static bool is_label_name(const char *name)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				  "0123456789._/-";
	size_t len = strlen(name);

	return len > 0 && len <= LABEL_NAME_MAX && strspn(name, set) == len;
}

static bool are_labels(const json_t *value)
{
	json_t *object = (json_t *)(uintptr_t)value, *label;
	size_t n = json_object_size(value);
	const char *name;

	json_object_foreach(object, name, label)
	{
		if (!is_label_name(name) || !member_is_plain(member_text(label), NAME_MAX_LEN))
			return false;
	}
	return n > 0 && n <= LABELS_MAX;
}

static bool is_correlation(const char *name, const json_t *value)
{
	static const char *const names[] = { "platform", "externalRunId", "externalJobId",
					     "tenantId", "correlationId" };

	if (strcmp(name, "labels") == 0)
		return are_labels(value);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return member_is_plain(member_text(value), NAME_MAX_LEN);
	return false;
}

bool member_correlation(const json_t *value, struct control_request *out, size_t at)
{
	json_t *object = (json_t *)(uintptr_t)value, *one;
	const char *name;

	(void)out;
	(void)at;
	json_object_foreach(object, name, one)
	{
		if (!is_correlation(name, one))
			return false;
	}
	return json_object_size(value) > 0 &&
	       json_dumpb(value, NULL, 0, JSON_COMPACT) <= CORRELATION_MAX;
}

/* n lower-case hex digits, not all of them 0. */
static bool is_hex(const char *s, size_t n)
{
	return strspn(s, "0123456789abcdef") >= n && strspn(s, "0") < n;
}

bool member_traceparent(const json_t *value, struct control_request *out, size_t at)
{
	static const char form[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
	struct cht_str s = member_text(value);

	(void)out;
	(void)at;
	return s.len == sizeof(form) - 1 && str_starts(s, STR("00-")) && is_hex(s.ptr + 3, 32) &&
	       s.ptr[35] == '-' && is_hex(s.ptr + 36, 16) && s.ptr[52] == '-' &&
	       strspn(s.ptr + 53, "0123456789abcdef") == 2;
}
