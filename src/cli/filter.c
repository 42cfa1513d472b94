/* SPDX-License-Identifier: Apache-2.0
 *
 * Values are compared as they stand in an event, where a string has one spelling; so a value that
 * is asked for is spelled the same way once, and nothing is undone per event.
 */
#include "cli/filter.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"
#include "cli/tail_line.h"

/* What a key of --where means: any of these members of data. */
struct where_key {
	const char *name;
	const char *paths[3];
};

static const struct where_key where_keys[] = {
	{ "pid", { "guest.guestPid" } },
	{ "comm", { "guest.guestComm" } },
	{ "exe", { "guest.exe" } },
	{ "address", { "guest.destAddr" } },
	{ "verdict", { "verdict", "basis" } },
};
enum { N_WHERE_KEYS = sizeof(where_keys) / sizeof(where_keys[0]) };

static const struct where_key *find_key(struct cht_str name)
{
	for (size_t i = 0; i < N_WHERE_KEYS; i++)
		if (str_eq(str_of(where_keys[i].name), name))
			return &where_keys[i];
	return NULL;
}

static void add_where(struct filter *filter, struct cli_args *args)
{
	const char *equals = strchr(args->value, '=');
	struct where *w = &filter->where[filter->n_where];
	struct buf b;
	uint8_t *mem;

	if (filter->n_where == WHERE_MAX) {
		(void)cli_usage_error(args, "--where at most %d times", WHERE_MAX);
		return;
	}
	if (equals != NULL)
		w->key = find_key((struct cht_str){ args->value, (size_t)(equals - args->value) });
	if (equals == NULL || w->key == NULL) {
		(void)cli_usage_error(args,
				      "--where takes KEY=VALUE with KEY one of pid, comm, exe, "
				      "address, verdict, not '%s'",
				      args->value);
		return;
	}
	w->value = str_of(equals + 1);
	if (!utf8_is_valid((const uint8_t *)w->value.ptr, w->value.len)) {
		(void)cli_usage_error(args, "the value of --where is not UTF-8");
		return;
	}
	mem = malloc(6 * w->value.len + 2);
	if (mem == NULL) {
		(void)cli_usage_error(args, "no memory");
		return;
	}
	b = buf_init(mem, 6 * w->value.len + 2);
	json_put_str(&b, w->value);
	w->json = (struct cht_str){ (const char *)mem, buf_len(&b) };
	filter->n_where++;
}

/* Two digits at p, at most max. */
static bool two_digits(const char *p, int max, int *out)
{
	if (!isdigit((unsigned char)p[0]) || !isdigit((unsigned char)p[1]))
		return false;
	*out = 10 * (p[0] - '0') + p[1] - '0';
	return *out <= max;
}

/* What stands behind the seconds: a fraction, and Z or an offset. */
static bool read_time_end(struct cht_str s, int64_t *ns)
{
	int64_t unit = 100000000;
	int hours, minutes;

	*ns = 0;
	if (s.len > 0 && s.ptr[0] == '.') {
		size_t n = 1;

		for (; n < s.len && n <= 9 && isdigit((unsigned char)s.ptr[n]); n++, unit /= 10)
			*ns += unit * (s.ptr[n] - '0');
		if (n == 1)
			return false;
		s = (struct cht_str){ s.ptr + n, s.len - n };
	}
	if (str_eq(s, STR("Z")))
		return true;
	if (s.len != 6 || (s.ptr[0] != '+' && s.ptr[0] != '-') || s.ptr[3] != ':' ||
	    !two_digits(s.ptr + 1, 23, &hours) || !two_digits(s.ptr + 4, 59, &minutes))
		return false;
	*ns += (s.ptr[0] == '+' ? -60 : 60) * (int64_t)NS_PER_S * (hours * 60 + minutes);
	return true;
}

bool filter_time(struct cht_str text, int64_t now_ns, int64_t *out)
{
	enum { DATE_LEN = 10, SECOND_LEN = 19 };
	char second[RFC3339_S_LEN] = "0000-00-00T00:00:00Z";
	int64_t at, rest = 0;
	uint64_t ago;

	if (read_duration(text, &ago)) {
		*out = ago < (uint64_t)now_ns ? now_ns - (int64_t)ago : 0;
		return true;
	}
	if (text.len != DATE_LEN && text.len <= SECOND_LEN)
		return false;
	memcpy(second, text.ptr, text.len == DATE_LEN ? DATE_LEN : SECOND_LEN);
	if (!read_rfc3339((struct cht_str){ second, sizeof(second) }, &at))
		return false;
	if (text.len != DATE_LEN &&
	    !read_time_end((struct cht_str){ text.ptr + SECOND_LEN, text.len - SECOND_LEN }, &rest))
		return false;
	if (__builtin_add_overflow(at, rest, &at))
		return false;
	*out = at;
	return true;
}

bool filter_option(struct filter *filter, struct cli_args *args, int option)
{
	struct cht_now now;

	switch (option) {
	case OPT_CELL: filter->cell = args->value; return true;
	case OPT_RUN: filter->run = args->value; return true;
	case OPT_TYPE: filter->type = args->value; return true;
	case OPT_WHERE: add_where(filter, args); return true;
	case OPT_AFTER: break;
	default: return false;
	}
	clk_read(&now);
	filter->has_after = true;
	if (!filter_time(str_of(args->value), now.realtime_ns, &filter->after_ns))
		(void)cli_usage_error(args,
				      "--after takes a time like 2026-11-25T03:00:00Z, a date, or "
				      "how long ago, like 90s, 5m, 2h, 7d; not '%s'",
				      args->value);
	return true;
}

bool filter_is_empty(const struct filter *filter)
{
	return filter->cell == NULL && filter->run == NULL && filter->type == NULL &&
	       !filter->has_after && filter->n_where == 0;
}

/* An address alone, or with its port: "10.0.0.1:443", "[::1]:443". */
static bool is_address(struct cht_str data, struct cht_str address, struct cht_str value)
{
	struct cht_str port;
	uint8_t mem[128];
	struct buf b = buf_init(mem, sizeof(mem));
	bool is_v6;

	if (address.len < 2 || !event_data_find(data, "guest.destPort", &port))
		return false;
	address = (struct cht_str){ address.ptr + 1, address.len - 2 };
	is_v6 = memchr(address.ptr, ':', address.len) != NULL;
	if (is_v6)
		buf_put_byte(&b, '[');
	buf_put_str(&b, address);
	if (is_v6)
		buf_put_byte(&b, ']');
	buf_put_byte(&b, ':');
	buf_put_str(&b, port);
	return !b.full && str_eq((struct cht_str){ (const char *)mem, buf_len(&b) }, value);
}

static bool where_matches(const struct where *w, struct cht_str data)
{
	struct cht_str found;

	for (size_t i = 0; w->key->paths[i] != NULL; i++) {
		if (!event_data_find(data, w->key->paths[i], &found))
			continue;
		if (str_eq(found, w->json) || (found.ptr[0] != '"' && str_eq(found, w->value)) ||
		    (strcmp(w->key->name, "address") == 0 && is_address(data, found, w->value)))
			return true;
	}
	return false;
}

bool filter_matches(const struct filter *filter, const struct event_view *event)
{
	int64_t at;

	if ((filter->cell != NULL && !str_eq(event->cell_id, str_of(filter->cell))) ||
	    (filter->run != NULL && !str_eq(event->run_id, str_of(filter->run))) ||
	    (filter->type != NULL && !event_type_is_below(event->type, str_of(filter->type))))
		return false;
	if (filter->has_after && (!read_rfc3339(event->time, &at) || at < filter->after_ns))
		return false;
	for (unsigned i = 0; i < filter->n_where; i++)
		if (!where_matches(&filter->where[i], event->data))
			return false;
	return true;
}

bool filter_takes(const struct filter *filter, struct cht_bytes entry, struct event_view *event,
		  bool *is_event)
{
	*is_event = tail_scan(entry, event);
	return *is_event ? filter_matches(filter, event) : filter_is_empty(filter);
}
