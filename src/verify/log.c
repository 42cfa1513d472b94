/* SPDX-License-Identifier: Apache-2.0
 *
 * Events of the log itself. They stand under the same signature as all others: what they say of
 * origin, key and pruning is as good as the key.
 */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "verify/walk.h"

static bool is_kind(const struct event_view *view, enum event_kind kind)
{
	return view->known != NULL && view->known->kind == kind;
}

/* Whether a member is this text; escapes are not undone, and neither text has any. */
static bool is_text(const struct event_view *view, const char *path, const char *text)
{
	struct cht_str value;

	return event_data_find(view->data, path, &value) && value.len == strlen(text) + 2 &&
	       memcmp(value.ptr + 1, text, value.len - 2) == 0;
}

static void check_opened(struct walk *walk, const struct event_view *view)
{
	const struct verify_signed *own = &walk->report->checkpoint;
	struct cht_str vkey;

	if (walk->at.index != 0) {
		walk_fault(walk, VERIFY_NOT_OPENED, 0, NULL, "log.opened stands at entry %" PRIu64,
			   walk->at.index);
		return;
	}
	if (own->origin[0] != '\0' && !is_text(view, "origin", own->origin))
		walk_fault(walk, VERIFY_NOT_OPENED, 0, NULL,
			   "log.opened is of another origin than the checkpoint");
	else if (own->key[0] != '\0' &&
		 (!event_data_find(view->data, "vkey", &vkey) ||
		  !str_starts((struct cht_str){ vkey.ptr + 1, vkey.len - 1 }, str_of(own->key))))
		walk_fault(walk, VERIFY_NOT_OPENED, 0, NULL,
			   "log.opened names another key than the one that signs");
}

/* Text without quotes; what has an escape or does not fit is left out. */
static void copy_text(const struct event_view *view, const char *path, char *out, size_t cap)
{
	struct cht_str value;

	if (!event_data_find(view->data, path, &value) || value.len < 2 || value.len - 2 >= cap ||
	    memchr(value.ptr, '\\', value.len) != NULL)
		return;
	memcpy(out, value.ptr + 1, value.len - 2);
	out[value.len - 2] = '\0';
}

static void note_predecessor(struct verify_report *report, const struct event_view *view)
{
	copy_text(view, "predecessor.origin", report->predecessor, sizeof(report->predecessor));
	(void)event_data_u64(view->data, "predecessor.size", &report->predecessor_size);
}

static void note_pruned(struct verify_report *report, const struct event_view *view)
{
	uint64_t index;

	if (is_kind(view, EV_LEDGER_PRUNED) && event_data_u64(view->data, "minIndex", &index) &&
	    index > report->pruned_below)
		report->pruned_below = index;
}

void log_pruned(struct walk *walk, struct cht_bytes entry)
{
	struct cht_str text = { (const char *)entry.ptr, entry.len };
	struct envelope_view envelope;
	struct cht_bytes event = entry;
	struct event_view view;
	size_t at;

	/* Most entries do not have these bytes anywhere. */
	if (memmem(entry.ptr, entry.len, "ledger.pruned", sizeof("ledger.pruned") - 1) == NULL)
		return;
	if (str_starts(text, STR("{\"event\":"))) {
		if (envelope_scan(entry, &envelope, &at) < 0)
			return;
		event = envelope.event;
	}
	if (event_scan(event, &view, &at) == 0)
		note_pruned(walk->report, &view);
}

void log_event(struct walk *walk, const struct event_view *view)
{
	struct verify_report *report = walk->report;
	uint64_t index;

	if (is_kind(view, EV_LOG_OPENED)) {
		check_opened(walk, view);
		note_predecessor(report, view);
	} else if (walk->at.index == 0 && report->checkpoint.by != VERIFY_NOT_SIGNED) {
		walk_fault(walk, VERIFY_NOT_OPENED, 0, NULL, "the first entry is no log.opened");
	}
	if (walk->has_closed && !is_kind(view, EV_HOST_STOPPED))
		walk_fault(walk, VERIFY_AFTER_CLOSED, 0, NULL, "an event behind log.closed");
	if (is_kind(view, EV_LOG_CLOSED))
		walk->has_closed = report->is_closed = true;
	note_pruned(report, view);
	if (is_kind(view, EV_LEDGER_ALIVE) && event_data_u64(view->data, "nextIndex", &index) &&
	    index > walk->at.index)
		walk_fault(walk, VERIFY_MOVED, 0, NULL,
			   "written when there were %" PRIu64 " entries, stands at %" PRIu64, index,
			   walk->at.index);
}
