/* SPDX-License-Identifier: Apache-2.0 */
/* Which events there were is kept beside the places, in pages that come with the first event; what
 * an orchestrator stated is kept by itself, because few cells have it. A restart forgets both: the
 * bundle then says so, and without a destroyed event stated since there is none. */
#include "daemon/evidence.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bytes.h"
#include "base/err.h"
#include "cell/bundle.h"
#include "daemon/emit.h"
#include "daemon/slots.h"

static size_t bytes_of(const struct line *line)
{
	return (line->n_slots + 1) * sizeof(struct bundle_seen);
}

int evidence_open(struct line *line, struct cht_err *err)
{
	void *at = mmap(NULL, bytes_of(line), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for the evidence of %u cells",
				line->n_slots);
	line->seen = at;
	return 0;
}

static void drop(struct evidence *e)
{
	if (e == NULL)
		return;
	free(e->lifecycle);
	free(e->destroyed);
	free(e->residue);
	free(e);
}

void evidence_close(struct line *line)
{
	for (uint32_t i = 0; line->slots != NULL && i < line->slots_used; i++) {
		drop(line->slots[i].evidence);
		line->slots[i].evidence = NULL;
	}
	if (line->seen != NULL)
		(void)munmap(line->seen, bytes_of(line));
	line->seen = NULL;
}

void evidence_forget(struct line *line, uint32_t i)
{
	drop(line->slots[i].evidence);
	line->slots[i].evidence = NULL;
	if (line->seen != NULL && line->seen[i].n > 0)
		memset(&line->seen[i], 0, sizeof(line->seen[i]));
}

/* Of one that is no place, but was made to seal an earlier run, nothing is kept. */
static bool is_place(const struct slot *slot)
{
	return slot->gen > 0;
}

/* With what was put off. */
static struct bundle_seen *seen_of(struct line *line, struct slot *slot)
{
	struct bundle_seen *seen = &line->seen[slot - line->slots];

	if (slot->only_silence != 0)
		bundle_note(seen, EV_GUEST_AGENT_SILENCED, slot->only_silence);
	slot->only_silence = 0;
	return seen;
}

void evidence_note(struct line *line, struct slot *slot, const struct cht_stamped *stamped)
{
	if (!is_place(slot) || bundle_place(stamped->kind) == BUNDLE_N_KINDS)
		return;
	/* All that an idle cell ever has: it needs no page for that. */
	if (stamped->kind == EV_GUEST_AGENT_SILENCED && slot->only_silence == 0 &&
	    line->seen[slot - line->slots].n == 0)
		slot->only_silence = stamped->sequence;
	else
		bundle_note(seen_of(line, slot), stamped->kind, stamped->sequence);
}

/* ---- what is stated */

static struct evidence *evidence_of(struct slot *slot)
{
	if (slot->evidence == NULL)
		slot->evidence = calloc(1, sizeof(*slot->evidence));
	return slot->evidence;
}

static char *copy_of(struct cht_str s)
{
	char *copy = malloc(s.len);

	if (copy != NULL)
		memcpy(copy, s.ptr, s.len);
	return copy;
}

static void take_destroyed(struct evidence *e, struct cht_str event)
{
	char *copy = copy_of(event);

	if (copy == NULL)
		return;
	free(e->destroyed);
	e->destroyed = copy;
	e->destroyed_len = event.len;
}

/* Those that came first stay. */
static void take_event(struct evidence *e, struct cht_str event)
{
	size_t comma = e->lifecycle_len > 0;
	char *more = NULL;

	if (e->lifecycle_len + comma + event.len <= BUNDLE_LIFECYCLE_MAX)
		more = realloc(e->lifecycle, e->lifecycle_len + comma + event.len);
	if (more == NULL) {
		e->omitted++;
		return;
	}
	if (comma > 0)
		more[e->lifecycle_len] = ',';
	memcpy(more + e->lifecycle_len + comma, event.ptr, event.len);
	e->lifecycle = more;
	e->lifecycle_len += comma + event.len;
}

/* A type's last word tells what happened. The value has its quotes. */
static bool is_destroyed(struct cht_str event)
{
	static const struct cht_str word = STR_INIT("destroyed\"");
	struct cht_str type;

	return event_data_find(event, "type", &type) && type.len > word.len &&
	       memcmp(type.ptr + type.len - word.len, word.ptr, word.len) == 0 &&
	       strchr("._:-\"", type.ptr[type.len - word.len - 1]) != NULL;
}

void evidence_note_stated(struct line *line, uint32_t i, struct cht_str stated)
{
	struct cht_str list, event;
	struct evidence *e;
	bool has_list = event_data_find(stated, "lifecycle", &list);
	bool has_residue = event_data_find(stated, "residueClass", &event);

	if (!has_list && !has_residue)
		return;
	e = evidence_of(&line->slots[i]);
	if (e == NULL)
		return;
	while (has_list && event_list_next(&list, &event)) {
		if (is_destroyed(event))
			take_destroyed(e, event);
		take_event(e, event);
	}
	if (!has_residue)
		return;
	free(e->residue);
	e->residue = copy_of(stated);
	e->residue_len = e->residue != NULL ? stated.len : 0;
}

int evidence_emit(struct line *line, struct slot *slot, struct cht_err *err)
{
	const struct evidence *e = slot->evidence;
	uint64_t counts[EV_N_KINDS];
	struct cht_stamped stamped;
	struct facts_bundle facts;
	struct cht_str residue;

	if (!is_place(slot) || e == NULL || e->destroyed == NULL)
		return 0;
	table_counts(&line->table, slot->table_slot, counts);
	facts = (struct facts_bundle){ .destroyed = { e->destroyed, e->destroyed_len },
				       .lifecycle = { e->lifecycle, e->lifecycle_len },
				       .omitted = e->omitted,
				       .vkey = str_of(line->ledger.ready.vkey),
				       .seen = seen_of(line, slot),
				       .counts = counts };
	residue = (struct cht_str){ e->residue, e->residue_len };
	if (residue.len > 0) {
		(void)event_data_find(residue, "residueClass", &facts.residue_class);
		(void)event_data_find(residue, "residueException", &facts.residue_exception);
	}
	(void)event_data_find(
		(struct cht_str){ slot->registration.stated, slot->registration.stated_len },
		"specId", &facts.spec_id);
	cell_stamp_bundle(&slot->cell, &facts, &line->now, &stamped);
	return line_emit(line, slot, &stamped, err);
}
