/* SPDX-License-Identifier: Apache-2.0
 *
 * filter.h - which events of a ledger are asked for.
 */
#ifndef CLI_FILTER_H
#define CLI_FILTER_H

#include "cli/cli.h"
#include "event/event.h"

enum { WHERE_MAX = 16 };

struct filter {
	const char *cell, *run, *type;
	bool has_after;
	int64_t after_ns;
	unsigned n_where;
	struct where {
		const struct where_key *key;
		struct cht_str value; /* as given */
		struct cht_str json;  /* as a string in JSON */
	} where[WHERE_MAX];
};

/* The first options of a command that filters: its own begin at FILTER_OPTIONS_END. */
enum { OPT_CELL, OPT_RUN, OPT_TYPE, OPT_AFTER, OPT_WHERE, FILTER_OPTIONS_END };
#define FILTER_OPTIONS                                                                             \
	[OPT_CELL] = { "cell", 0, true }, [OPT_RUN] = { "run", 0, true },                          \
	[OPT_TYPE] = { "type", 0, true }, [OPT_AFTER] = { "after", 0, true },                      \
	[OPT_WHERE] = { "where", 0, true }

/* Takes the value of one of these, the one that cli_next returned. What is wrong with it is a
 * usage error of args. False: it is none of these. */
bool filter_option(struct filter *filter, struct cli_args *args, int option);

/* "2026-11-25T03:00:00Z", with a fraction or +01:00 if need be; "2026-11-25"; or how long before
 * now: "90s", "5m", "2h", "7d". False: none of these. */
bool filter_time(struct cht_str text, int64_t now_ns, int64_t *out);

bool filter_is_empty(const struct filter *filter);
bool filter_matches(const struct filter *filter, const struct event_view *event);
/* As filter_matches of an entry, *event taken apart; one that is no event (*is_event) matches
 * nothing but an empty filter. */
bool filter_takes(const struct filter *filter, struct cht_bytes entry, struct event_view *event,
		  bool *is_event);

#endif
