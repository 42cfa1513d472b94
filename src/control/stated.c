/* SPDX-License-Identifier: Apache-2.0 */
/* Members that state something: checked whole, because what they say is recorded as it stands. */
#include "control/member.h"

#include <stddef.h>
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "cell/value.h"

enum {
	ID_MAX = 256,
	TIME_MAX = 30, /* with nine decimals */
	TYPE_MAX = 128,
	EXCEPTION_MAX = 1024,
	LIFECYCLE_MAX = 16,
};

bool member_state(const json_t *value, struct control_request *out, size_t at)
{
	static const char *const names[] = { [TOLD_PAUSED] = "paused",
					     [TOLD_RESUMED] = "resumed",
					     [TOLD_SNAPSHOTTING] = "snapshotting",
					     [TOLD_RESTORED] = "restored" };
	struct cht_str s = member_text(value);

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

bool member_limits(const json_t *value, struct control_request *out, size_t at)
{
	static const struct {
		const char *name;
		size_t at;
		json_int_t least, most;
	} limits[] = {
		LIMIT("connections", connections, 1, LIMIT_CONNECTIONS_MOST),
		LIMIT("connectsPerSecond", connects_per_s, 1, LIMIT_CONNECTS_PER_S_MOST),
		LIMIT("framesPerSecond", frames_per_s, 1, LIMIT_FRAMES_PER_S_MOST),
		LIMIT("framesBurst", frames_burst, 1, LIMIT_FRAMES_BURST_MOST),
		LIMIT("partialBlocks", partial_blocks, LIMIT_PARTIAL_BLOCKS_LEAST,
		      LIMIT_PARTIAL_BLOCKS_MOST),
		LIMIT("ledgerBytes", ledger_bytes, LIMIT_LEDGER_BYTES_LEAST, INT64_MAX),
	};
	size_t n = 0;

	(void)at;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		const json_t *one = json_object_get(value, limits[i].name);

		if (one == NULL)
			continue;
		if (!member_is_integer(one, limits[i].least, limits[i].most))
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
	       is_type(member_text(json_object_get(value, "type"))) &&
	       member_is_plain(member_text(json_object_get(value, "id")), ID_MAX) &&
	       (time == NULL || is_time(member_text(time)));
}

bool member_lifecycle(const json_t *value, struct control_request *out, size_t at)
{
	size_t n = json_array_size(value);

	(void)out;
	(void)at;
	for (size_t i = 0; i < n; i++)
		if (!is_lifecycle_event(json_array_get(value, i)))
			return false;
	return n > 0 && n <= LIFECYCLE_MAX;
}

bool member_exit_code(const json_t *value, struct control_request *out, size_t at)
{
	(void)out;
	(void)at;
	return member_is_integer(value, INT32_MIN, INT32_MAX);
}

bool member_residue(const json_t *value, struct control_request *out, size_t at)
{
	struct cht_str s = member_text(value);

	(void)at;
	out->is_exception = str_eq(s, STR("documented_exception"));
	return out->is_exception || str_eq(s, STR("none"));
}

bool member_exception(const json_t *value, struct control_request *out, size_t at)
{
	(void)at;
	out->has_exception = true;
	return member_is_plain(member_text(value), EXCEPTION_MAX);
}
