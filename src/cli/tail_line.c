/* SPDX-License-Identifier: Apache-2.0
 *
 * What is shown of an event is a table: paths in data by the type's short name. Only the guest
 * events share one row, because a detail means the same in each of them.
 */
#include "cli/tail_line.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/visible.h"

enum { TIME_WIDTH = 12, CELL_WIDTH_MIN = 8, CELL_WIDTH_MAX = 24, TYPE_WIDTH = 27, PATHS_MAX = 8 };

/* What stands in a word without quotes, beside letters, digits and what is beyond ASCII. */
#define VALUE_PLAIN "._/:+@%,*~^#!?&;()[]{}<>|$'`\\-"
#define COMM_PLAIN  "._/:+@%-"

static const char type_prefix[] = "dev.cellos.events.cell.observability.v1.";

static const struct shown {
	const char *name;
	bool is_bad_news;
	const char *paths[PATHS_MAX + 1]; /* "?" before one: left out when it is 0 */
} rows[] = {
	{ "run.opened", false, { "socket", "expectedUid" } },
	{ "run.resumed", true, { "cause", "socket", "from", "to" } },
	{ "run.continued",
	  true,
	  { "from.origin", "from.lastSequence", "socket", "lostFrom", "lostTo" } },
	{ "run.stated", false, { "stated", "by.uid", "by.pid" } },
	{ "guest.declaration_unwitnessed",
	  true,
	  { "claim", "verdict", "count", "from", "to", "bytesReceived", "bytesSent" } },
	{ "guest.traffic_undeclared", true, { "packetsOut", "packetsIn", "agentHeard" } },
	{ "cell.witnessed", false, { "claims", "?undeclaredPacketsOut" } },
	{ "cell.evidence_bundle",
	  false,
	  { "cellDestroyedEventRef", "references", "residueClass" } },
	{ "run.sealed",
	  false,
	  { "reason", "lastSequence", "frames.received", "frames.stored", "?frames.heartbeats",
	    "?frames.refused", "?frames.dropped", "?pausedMs" } },
	{ "channel.opened", false, { "connection", "open", "peer.pid", "peer.uid" } },
	{ "channel.closed",
	  false,
	  { "connection", "open", "count", "frames", "bytes", "reasons" } },
	{ "channel.unclaimed", true, { "count", "cid" } },
	{ "frames.refused", true, { "count", "faults", "first.fault", "first.at" } },
	{ "guest.attribution_forged", true, { "count", "connection", "keys" } },
	{ "guest.telemetry.dropped",
	  true,
	  { "?inGuest", "?onTheWay", "?late", "?overQuota", "?noSpace" } },
	{ "guest.agent_silenced",
	  true,
	  { "basis", "elapsedMs", "keepaliveWindowMs", "episode", "?pausedMs" } },
	{ "guest.agent_resumed", false, { "silentMs", "episode" } },
	{ "cell.state_changed", false, { "from", "to", "basis", "?epoch" } },
	{ "host.started", false, { "version", "previous", "cells", "nextIndex", "kernel" } },
	{ "host.stopped", false, { "reason", "cells" } },
	{ "host.reloaded", false, { "changed", "kept", "cellsAdded", "cellsRemoved" } },
	{ "log.opened", false, { "origin", "reason", "retention", "predecessor.origin" } },
	{ "log.closed", true, { "reason", "successor.origin" } },
	{ "ledger.alive", false, { "nextIndex" } },
	{ "ledger.pruned", true, { "minIndex" } },
	{ "clock.stepped", true, { "stepNs" } },
	{ "ledger.recovered", true, { "kept", "cutBytes", "unprotected" } },
};

static const char *const guest_details[] = {
	"exe",      "exeRaw",   "path",     "pathRaw",    "mask",         "destAddr",
	"destPort", "protocol", "exitCode", "exitSignal", "capability",   "syscall",
	"commRaw",  "ppid",     "uid",      "gid",        "agentVersion", "heartbeatIntervalMs",
	"reason",
};

static struct cht_str last_component(const char *path)
{
	const char *dot = strrchr(path, '.');

	return str_of(dot != NULL ? dot + 1 : path);
}

/* A word that cannot be taken for more than one: as it is, or in quotes. */
static void put_word(struct buf *b, struct cht_str json, const char *plain)
{
	static char text[8 * CHT_DETAIL_MAX_BYTES];
	struct buf word = buf_init(text, sizeof(text));
	bool is_plain;

	put_visible_json(&word, json);
	is_plain = buf_len(&word) > 0;
	for (const uint8_t *p = word.start; p < word.at && is_plain; p++)
		is_plain = *p >= 0x80 || isalnum(*p) || strchr(plain, *p) != NULL;
	if (is_plain || json.ptr[0] != '"') {
		buf_put(b, word.start, buf_len(&word));
		return;
	}
	buf_put_byte(b, '"');
	for (const uint8_t *p = word.start; p < word.at; p++) {
		if (*p == '"')
			buf_put_byte(b, '\\');
		buf_put_byte(b, *p);
	}
	buf_put_byte(b, '"');
}

static void put_value(struct buf *b, struct cht_str data, const char *path)
{
	bool is_optional = path[0] == '?';
	struct cht_str value;

	path += is_optional;
	if (!event_data_find(data, path, &value) || (is_optional && str_eq(value, STR("0"))))
		return;
	buf_put_byte(b, ' ');
	buf_put_str(b, last_component(path));
	buf_put_byte(b, '=');
	put_word(b, value, VALUE_PLAIN);
}

/* The text between key and the next quote; moves *in behind it. A quote inside a string has a
 * backslash before it, so that no string can hold such a key. */
static bool take_text(struct cht_str *in, struct cht_str key, struct cht_str *out)
{
	const char *at = memmem(in->ptr, in->len, key.ptr, key.len), *end;

	if (at == NULL)
		return false;
	at += key.len;
	end = memchr(at, '"', in->len - (size_t)(at - in->ptr));
	if (end == NULL)
		return false;
	*out = (struct cht_str){ at, (size_t)(end - at) };
	in->len -= (size_t)(end - in->ptr);
	in->ptr = end;
	return true;
}

/* What an agent.hello covers, without how and why: "process.spawned:active". */
static void put_coverage(struct buf *b, struct cht_str data)
{
	const char *separator = " coverage=";
	struct cht_str list, source, state;

	if (!event_data_find(data, "guest.coverage", &list))
		return;
	while (take_text(&list, STR("\"source\":\""), &source) &&
	       take_text(&list, STR("\"state\":\""), &state)) {
		buf_put_str(b, str_of(separator));
		put_visible(b, source);
		buf_put_byte(b, ':');
		put_visible(b, state);
		separator = ",";
	}
}

static void put_guest(struct buf *b, struct cht_str data)
{
	struct cht_str value;

	buf_put_byte(b, ' ');
	if (event_data_find(data, "guest.guestComm", &value))
		put_word(b, value, COMM_PLAIN);
	if (event_data_find(data, "guest.guestPid", &value)) {
		buf_put_byte(b, '[');
		put_visible_json(b, value);
		buf_put_byte(b, ']');
	}
	for (size_t i = 0; i < sizeof(guest_details) / sizeof(guest_details[0]); i++) {
		char path[32];

		(void)snprintf(path, sizeof(path), "guest.%s", guest_details[i]);
		put_value(b, data, path);
	}
	put_coverage(b, data);
}

static const struct shown *find_row(struct cht_str name)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (str_eq(str_of(rows[i].name), name))
			return &rows[i];
	return NULL;
}

/* A reading: why it failed, or what it read, as far as a line has room for it. */
static void put_reading(struct buf *b, struct cht_str data)
{
	enum { OUTPUT_MAX = 160 };
	struct cht_str output;

	put_value(b, data, "sampleError");
	if (!event_data_find(data, "output", &output))
		return;
	buf_put_byte(b, ' ');
	if (output.len <= OUTPUT_MAX) {
		put_visible(b, output);
		return;
	}
	output.len = utf8_valid_prefix((const uint8_t *)output.ptr, OUTPUT_MAX);
	put_visible(b, output);
	buf_put_lit(b, "\xe2\x80\xa6");
}

static void put_facts(struct buf *b, const struct event_view *event, const struct shown *row,
		      struct cht_str name)
{
	struct cht_str guest;

	if (row != NULL) {
		for (size_t i = 0; row->paths[i] != NULL; i++)
			put_value(b, event->data, row->paths[i]);
		return;
	}
	if (event->known != NULL && event_is_reading(event->known->kind)) {
		put_reading(b, event->data);
		return;
	}
	if (event_data_find(event->data, "guest", &guest)) {
		if (str_eq(name, STR("guest.declaration")))
			put_value(b, event->data, "guest.probeSource");
		put_guest(b, event->data);
		return;
	}
	buf_put_byte(b, ' ');
	put_visible(b, event->data);
}

/* "(host)" for what the host says of itself: no cell can have parentheses in its name. */
static struct cht_str cell_of(const struct event_view *event, struct cht_str name)
{
	if (event->known != NULL && event_is_reading(event->known->kind))
		return event->cell_id;
	if (str_starts(name, STR("host.")) || str_starts(name, STR("log.")) ||
	    str_starts(name, STR("ledger.")) || str_starts(name, STR("clock.")))
		return STR("(host)");
	return event->cell_id;
}

static const char *colour_of(const struct event_view *event)
{
	if (str_eq(event->provenance, STR("declared")))
		return cli_colour(CLI_YELLOW);
	if (str_eq(event->provenance, STR("observed")))
		return cli_colour(CLI_GREEN);
	return cli_colour(CLI_BLUE);
}

static void put_date(struct tail_lines *lines, struct cht_str time)
{
	size_t len = sizeof(lines->date) - 1;

	if (time.len < len || memcmp(lines->date, time.ptr, len) == 0)
		return;
	memcpy(lines->date, time.ptr, len);
	cli_printf("%s-- %s UTC%s\n", cli_colour(CLI_DIM), lines->date, cli_colour(CLI_PLAIN));
}

bool tail_scan(struct cht_bytes entry, struct event_view *out)
{
	static const char head[] = "{\"event\":";
	struct envelope_view envelope = { .event = entry };
	size_t at;

	if (entry.len >= sizeof(head) - 1 && memcmp(entry.ptr, head, sizeof(head) - 1) == 0 &&
	    envelope_scan(entry, &envelope, &at) < 0)
		return false;
	return event_scan(envelope.event, out, &at) == 0;
}

struct cht_str tail_name(const struct event_view *event)
{
	struct cht_str name = event->type;

	if (event->known != NULL)
		return str_of(event->known->name);
	if (str_starts(name, str_of(type_prefix))) {
		name.ptr += sizeof(type_prefix) - 1;
		name.len -= sizeof(type_prefix) - 1;
	}
	return name;
}

void tail_put_facts(struct buf *b, const struct event_view *event)
{
	struct cht_str name = tail_name(event);

	put_facts(b, event, find_row(name), name);
}

void tail_put_line(struct tail_lines *lines, const struct event_view *event)
{
	static char facts[4 * CHT_EVENT_MAX_BYTES];
	struct buf b = buf_init(facts, sizeof(facts));
	struct cht_str name = tail_name(event), cell, clock = { "", 0 };
	const struct shown *row = find_row(name);

	cell = cell_of(event, name);
	put_date(lines, event->time);
	if (lines->cell_width < CELL_WIDTH_MIN)
		lines->cell_width = CELL_WIDTH_MIN;
	if (cell.len > lines->cell_width)
		lines->cell_width = cell.len < CELL_WIDTH_MAX ? cell.len : CELL_WIDTH_MAX;
	if (event->time.len > sizeof(lines->date))
		clock = (struct cht_str){ event->time.ptr + sizeof(lines->date),
					  event->time.len - sizeof(lines->date) - 1 };
	put_facts(&b, event, row, name);
	cli_printf("%-*.*s  %-*.*s  %s%s%-*.*s%s ", TIME_WIDTH,
		   (int)(clock.len < TIME_WIDTH ? clock.len : TIME_WIDTH), clock.ptr,
		   (int)lines->cell_width, (int)cell.len, cell.ptr, colour_of(event),
		   row != NULL && row->is_bad_news ? cli_colour(CLI_BOLD) : "", TYPE_WIDTH,
		   (int)name.len, name.ptr, cli_colour(CLI_PLAIN));
	cli_put(b.start, buf_len(&b));
	cli_put("\n", 1);
}

void tail_put_unreadable(struct cht_bytes entry, uint64_t index)
{
	cli_printf("%sentry %llu: %zu bytes that are no event; cht verify says more%s\n",
		   cli_colour(CLI_RED), (unsigned long long)index, entry.len,
		   cli_colour(CLI_PLAIN));
}
