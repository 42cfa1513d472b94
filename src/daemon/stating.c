/* SPDX-License-Identifier: Apache-2.0 */
/* What an orchestrator states of a cell: recorded as its statement, then done. Who stated it waits
 * until that is durable, in a line with all others, because there is one ledger. */
#include "daemon/stating.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "daemon/cells.h"
#include "daemon/emit.h"
#include "daemon/evidence.h"
#include "daemon/hub.h"
#include "daemon/slots.h"
#include "daemon/witness.h"

/* ---- limits of one cell */

struct cell_limits limits_of_conf(const struct conf *conf)
{
	return (struct cell_limits){ .connects_per_s = (uint32_t)conf->connects_per_s,
				     .frames_per_s = (uint32_t)conf->frames_per_s,
				     .frames_burst = (uint32_t)conf->frames_burst,
				     .connections = (uint16_t)conf->connections,
				     .partial_blocks = (uint16_t)conf->partial_blocks };
}

/* What a cell may hold of what all share was budgeted at the start. */
bool limits_fit(const struct conf *conf, const struct control_limits *stated,
		struct control_error *error)
{
	if (stated->connections > conf->connections)
		return control_refuse(error, 422, "over_limit",
				      "limits: there are at most %llu connections of a cell: see "
				      "[limits] connections",
				      (unsigned long long)conf->connections);
	if (stated->partial_blocks > conf->partial_blocks)
		return control_refuse(error, 422, "over_limit",
				      "limits: there are at most %llu partialBlocks of a cell: see "
				      "[limits] partial_blocks",
				      (unsigned long long)conf->partial_blocks);
	return true;
}

static void take_limits(struct cell_limits *limits, const struct control_limits *stated)
{
	if (stated->connects_per_s != 0)
		limits->connects_per_s = (uint32_t)stated->connects_per_s;
	if (stated->frames_per_s != 0)
		limits->frames_per_s = (uint32_t)stated->frames_per_s;
	if (stated->frames_burst != 0)
		limits->frames_burst = (uint32_t)stated->frames_burst;
	if (stated->connections != 0)
		limits->connections = (uint16_t)stated->connections;
	if (stated->partial_blocks != 0)
		limits->partial_blocks = (uint16_t)stated->partial_blocks;
}

/* Whether any is stated but the quota, which is the run's. */
static bool has_limits(const struct control_limits *stated)
{
	return stated->connects_per_s != 0 || stated->frames_per_s != 0 ||
	       stated->frames_burst != 0 || stated->connections != 0 || stated->partial_blocks != 0;
}

/* From now on, and with full budgets: one that waits because it was over its rate is read again. */
static void set_limits(struct line *line, uint32_t i, const struct cell_limits *limits)
{
	struct slot *slot = &line->slots[i];
	uint64_t now = line->now.monotonic_ns;

	slot->limits = *limits;
	slot->quota.max = limits->partial_blocks;
	if (!slot->cell.is_met)
		return; /* full when somebody connects */
	cells_fill_budgets(line, slot);
	if (slot->paused_until_ns != 0) {
		slot->paused_until_ns = now;
		deadlines_set(&line->deadlines, i, now);
	}
	cells_after_turn(line, i, 0);
}

static void follow(uint32_t *value, uint32_t was, uint32_t is)
{
	if (*value == was)
		*value = is;
}

static void follow_short(uint16_t *value, uint16_t was, uint16_t is)
{
	if (*value == was)
		*value = is;
}

void stating_follow(struct line *line, const struct cell_limits *was, uint64_t was_ledger_bytes)
{
	const struct cell_limits is = limits_of_conf(line->conf);

	for (uint32_t i = 0; i < line->slots_used; i++) {
		struct slot *slot = &line->slots[i];
		struct cell_limits limits = slot->limits;

		if (slot->state == SLOT_FREE)
			continue;
		follow(&limits.connects_per_s, was->connects_per_s, is.connects_per_s);
		follow(&limits.frames_per_s, was->frames_per_s, is.frames_per_s);
		follow(&limits.frames_burst, was->frames_burst, is.frames_burst);
		follow_short(&limits.connections, was->connections, is.connections);
		follow_short(&limits.partial_blocks, was->partial_blocks, is.partial_blocks);
		if (slot->cell.ledger_quota == was_ledger_bytes)
			slot->cell.ledger_quota = line->conf->ledger_bytes_per_run;
		if (memcmp(&limits, &slot->limits, sizeof(limits)) != 0)
			set_limits(line, i, &limits);
		kept_note_cell(line, i);
	}
}

/* ---- registration */

int registration_take(struct line *line, uint32_t i, const struct control_request *request,
		      struct cht_err *err)
{
	struct slot *slot = &line->slots[i];
	struct registration *r = &slot->registration;

	r->is_asked = true;
	r->by = request->by;
	r->keepalive_window_ns = request->keepalive_window_ms * NS_PER_MS;
	r->ledger_bytes = request->limits.ledger_bytes;
	r->vmm_pid = request->vmm_pid;
	r->is_passed = request->method == CONTROL_PASS;
	if (r->is_passed)
		r->passed_fd = fcntl(request->passed_fd, F_DUPFD_CLOEXEC, 0);
	if (r->is_passed && r->passed_fd < 0)
		return cht_fail(err, CHT_E_LIMIT, errno, "keep the listener");
	take_limits(&slot->limits, &request->limits);
	slot->quota.max = slot->limits.partial_blocks;
	if (request->stated_len == 0)
		return 0;
	r->stated = malloc(request->stated_len);
	if (r->stated == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for what is stated of the cell");
	memcpy(r->stated, request->stated, request->stated_len);
	r->stated_len = request->stated_len;
	return 0;
}

void registration_free(struct registration *registration)
{
	free(registration->stated);
	fd_close(&registration->passed_fd);
	*registration = (struct registration){ .passed_fd = -1 };
}

bool registration_is_same(const struct registration *registration,
			  const struct control_request *request)
{
	return registration->stated_len == request->stated_len &&
	       (request->stated_len == 0 ||
		memcmp(registration->stated, request->stated, request->stated_len) == 0);
}

bool registration_facts(const struct registration *registration, struct facts_stated *out)
{
	*out = (struct facts_stated){ .pid = registration->by.pid,
				      .uid = registration->by.uid,
				      .gid = registration->by.gid,
				      .text = { registration->stated, registration->stated_len } };
	return registration->is_asked;
}

/* ---- statements */

static control_ticket ticket_of(uint64_t serial)
{
	return serial << 2 | TICKET_STATED;
}

int stating_open(struct line *line, struct cht_err *err)
{
	if (line->n_clients == 0)
		return 0;
	line->stating.waiting = calloc(line->n_clients, sizeof(*line->stating.waiting));
	if (line->stating.waiting == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for the control socket's clients");
	return 0;
}

void stating_close(struct line *line)
{
	free(line->stating.waiting);
	line->stating.waiting = NULL;
}

/* A client asks one thing at a time, so there is always a place. */
static control_ticket wait_for_disk(struct line *line, uint32_t i, uint64_t index)
{
	struct stating *s = &line->stating;

	s->waiting[s->next % line->n_clients] =
		(struct stated){ .slot = i,
				 .gen = line->slots[i].gen,
				 .index = index,
				 .awaited = ring_put_count(&line->ring) };
	return ticket_of(s->next++);
}

bool stating_emit(struct line *line, uint32_t i, const struct control_request *request,
		  struct control_error *error)
{
	const struct facts_stated facts = { .pid = request->by.pid,
					    .uid = request->by.uid,
					    .gid = request->by.gid,
					    .text = { request->stated, request->stated_len } };
	struct slot *slot = &line->slots[i];
	struct cht_stamped stamped;
	struct cht_err why = { 0 };

	if (slot_is_coming(slot))
		return control_refuse(error, 409, "differs",
				      "the cell is on its way in: wait for the answer to its PUT");
	if (slot->is_retired || !slot_is_open(slot))
		return control_refuse(error, 409, "differs",
				      "the cell is on its way out: nothing more is said of it");
	if (line_may_emit(line, &why) < 0)
		return control_refuse(error, 503, "ledger_full", "%s", why.text);
	cell_stamp_stated(&slot->cell, &facts, &line->now, &stamped);
	line->hub_status = line_emit(line, slot, &stamped, &line->hub_err);
	evidence_note_stated(line, i, facts.text);
	return true;
}

bool stating_take(struct line *line, uint32_t i, const struct control_request *request,
		  struct control_error *error, control_ticket *ticket)
{
	struct slot *slot = &line->slots[i];
	struct cell_limits limits = slot->limits;
	uint64_t index = line_next_index(line);

	if (!limits_fit(line->conf, &request->limits, error) ||
	    !stating_emit(line, i, request, error))
		return false;
	take_limits(&limits, &request->limits);
	if (has_limits(&request->limits))
		set_limits(line, i, &limits);
	if (request->limits.ledger_bytes != 0)
		slot->cell.ledger_quota = request->limits.ledger_bytes;
	if (request->told != TOLD_NOTHING)
		witness_told(line, i, request->told);
	kept_note_cell(line, i);
	*ticket = wait_for_disk(line, i, index);
	return true;
}

void stating_tell(struct line *line)
{
	struct stating *s = &line->stating;

	while (stating_has_waiting(s)) {
		const struct stated *one = &s->waiting[s->told % line->n_clients];

		if (ring_durable_count(&line->ring) < one->awaited)
			break;
		hub_tell_stated(line, ticket_of(s->told), one);
		s->told++;
	}
}
