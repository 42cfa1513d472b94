/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/locate.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/text.h"
#include "cli/runs.h"
#include "cli/tail_line.h"

#define URN "urn:cellos:event:"

enum { ID_MAX = 1024 };

/* The first entry from first to before end whose event has this id. 1, 0: there is none. */
static int scan_for(struct follow *f, struct cht_str id, uint64_t first, uint64_t end,
		    struct cht_err *err)
{
	struct tlog_source hashes = ledger_view_hashes(&f->view);
	struct event_view event;
	struct cht_bytes entry;
	int r = ledger_reader_goto(&f->reader, &hashes, first, err);

	if (r == CHT_E_STATE)
		r = ledger_reader_seek(&f->reader, first, err);
	while (r >= 0 && f->reader.next < end && (r = follow_look(f, &entry, err)) == 1)
		/* Most entries do not have these bytes anywhere. */
		if (memmem(entry.ptr, entry.len, id.ptr, id.len) != NULL &&
		    tail_scan(entry, &event) && str_eq(event.id, id))
			return 1;
	return r < 0 ? r : 0;
}

/* Where its run is known to stand, then everywhere. */
static int find_id(struct follow *f, struct cht_str id, struct cht_err *err)
{
	struct runs runs = { 0 };
	struct run_span span;
	struct run_bits bits;
	uint64_t sequence;
	int r = 0;

	if (f->view.size == 0)
		return 0;
	if (event_id_read(id, &bits, &sequence))
		r = runs_load(&runs, f, err);
	if (r == 1)
		r = runs_find_bits(&runs, &bits, &span)
			    ? scan_for(f, id, span.first, span.last + 1, err)
			    : 0;
	runs_free(&runs);
	return r == 0 ? scan_for(f, id, 0, f->view.size, err) : r;
}

/* What was sought and not found may be in what is damaged: that is said, once. CHT_E_IO. */
static int look_for_damage(struct follow *f, struct cht_err *err)
{
	struct cht_bytes entry;
	int r = f->is_faulty ? 0 : ledger_reader_seek(&f->reader, 0, err);

	while (r >= 0 && !f->is_faulty && (r = follow_next(f, &entry, err)) == 1)
		continue;
	return r < 0 ? r : 0;
}

int locate(struct follow *f, const char *what, struct cht_bytes *entry, struct cht_err *err)
{
	char id[ID_MAX];
	uint64_t index;
	int r;

	if (read_u64(str_of(what), UINT64_MAX, &index))
		return follow_get(f, index, entry, err);
	if (strncmp(what, URN, sizeof(URN) - 1) == 0)
		r = snprintf(id, sizeof(id), "%s", what);
	else
		r = snprintf(id, sizeof(id), URN "%s", what);
	if (r < 0 || (size_t)r >= sizeof(id))
		return cht_fail(err, CHT_E_CONFIG, 0, "no index and no id of an event");
	r = find_id(f, str_of(id), err);
	if (r == 0) {
		r = look_for_damage(f, err);
		if (r == 0)
			r = cht_fail(err, CHT_E_CONFIG, 0,
				     "no event%s has the id '%s' under the newest checkpoint",
				     f->is_faulty ? " that can be read" : "", id);
	}
	return r < 0 ? r : follow_get(f, f->reader.next - 1, entry, err);
}
