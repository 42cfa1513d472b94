/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked over the control socket, done to the cells. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "control/control.h"
#include "daemon/cells.h"
#include "daemon/hub.h"
#include "daemon/moves.h"
#include "daemon/slots.h"

_Static_assert((size_t)CONTROL_RECEIPT_MAX >= (size_t)HANDOFF_RECEIPT_MAX,
	       "a receipt must fit its answer");

static const char *const states[] = {
	[SLOT_BINDING] = "opening",  [SLOT_BOUND] = "opening",      [SLOT_OPENING] = "opening",
	[SLOT_OPEN] = "open",        [SLOT_UNBINDING] = "draining", [SLOT_DRAINING] = "draining",
	[SLOT_PROBING] = "draining", [SLOT_FLUSHED] = "draining",   [SLOT_SEALING] = "sealing",
	[SLOT_SEALED] = "sealed",    [SLOT_FREE] = "free",
};

/* Who waits for a cell to come is not who waits for it to go. */
static control_ticket ticket_of(const struct line *line, uint32_t i, unsigned what)
{
	return (uint64_t)line->slots[i].gen << 32 | (uint64_t)i << 2 | what;
}

/* What a clock that was read before says of what was heard since is: now. */
static uint64_t silent_ns(const struct line *line, const struct cht_cell *cell)
{
	uint64_t heard = cell->silence.heard_ns, now = line->now.monotonic_ns;

	return cell->is_silent && now > heard ? now - heard : 0;
}

static void view(const struct line *line, const struct slot *slot, struct control_view *out)
{
	const struct cht_cell *cell = &slot->cell;

	*out = (struct control_view){
		.id = str_of(slot->reg.id),
		.run = str_of(cell->run.run_id),
		.spec = str_of(cell->run.spec),
		.socket = cell->channel,
		.state = str_of(states[slot->state]),
		.condition = str_of(cell_state_name((enum cell_state)cell->state)),
		.index = cell->run.first_index,
		.sequence = cell->run.sequence,
		.connections = slot->n_conns,
		.received = cell->frames.received,
		.stored = cell->frames.stored,
		.heartbeats = cell->frames.heartbeats,
		.refused = cell->frames.refused,
		.dropped = cell->frames.dropped,
		.is_silent = cell->is_silent,
		.silent_ns = silent_ns(line, cell),
	};
}

/* A view: texts are the request's. */
static struct placed placed_of_request(const struct control_request *request)
{
	const struct control_cell *asked = &request->cell;

	return (struct placed){ .id = request->id,
				.run = asked->run,
				.spec = asked->spec,
				.base = asked->base[0] != '\0' ? asked->base : NULL,
				.path = asked->path[0] != '\0' ? asked->path : NULL,
				.cid = asked->cid,
				.uid = asked->uid,
				.owner = asked->owner,
				.group = asked->group,
				.mode = asked->mode };
}

/* Whether this is how the cell is registered already. A run that is not named is any. */
static bool is_same(const struct slot *slot, const struct control_request *request)
{
	const struct placed asked = placed_of_request(request);
	const struct run *run = &slot->cell.run;

	return placed_is_same_place(&slot->reg, &asked) &&
	       (asked.run[0] == '\0' || strcmp(run->run_id, asked.run) == 0) &&
	       strcmp(run->spec, asked.spec[0] != '\0' ? asked.spec : "unspecified") == 0;
}

/* Why a cell could not be registered, for its client; false when it concerns all of us. */
static bool explain(int code, const struct cht_err *why, struct control_error *error)
{
	/* It is no matter of the path: the host is short of something. */
	if (why->sys == EMFILE || why->sys == ENFILE || why->sys == ENOBUFS || why->sys == ENOMEM)
		return !control_refuse(error, 503, "full", "%s", why->text);
	switch (code) {
	case CHT_E_BIND:
	case CHT_E_CONFIG:
	case CHT_E_RANGE:
		(void)control_refuse(error, 422, "cannot_bind", "%s", why->text);
		return true;
	case CHT_E_LIMIT: (void)control_refuse(error, 503, "full", "%s", why->text); return true;
	case CHT_E_FULL:
		(void)control_refuse(error, 503, "ledger_full", "%s", why->text);
		return true;
	default:
		(void)control_refuse(error, 500, "failed", "%s", why->text);
		return code != CHT_E_PEER && code != CHT_E_STATE;
	}
}

static void refuse(struct line *line, const struct cht_err *why, struct control_error *error)
{
	if (explain(why->code, why, error))
		return;
	line->hub_status = why->code;
	line->hub_err = *why;
}

static bool add(struct line *line, const struct control_request *request,
		struct control_answer *answer, uint32_t *i)
{
	const struct placed reg = placed_of_request(request);
	struct cht_err why = { 0 };
	int r;

	if (!limits_fit(line->conf, &request->limits, &answer->error))
		return false;
	if (cells_channel_is_taken(line, &reg))
		return control_refuse(&answer->error, 409, "socket_taken",
				      "another cell has this %s: see GET /cells",
				      reg.cid != 0 ? "CID" : "socket");
	r = moves_register(line, &reg, request, i, &why);
	if (r < 0)
		refuse(line, &why, &answer->error);
	return r == 0;
}

static bool is_same_listener(const struct slot *slot, int fd)
{
	int ours = slot->listen_fd >= 0 ? slot->listen_fd : slot->registration.passed_fd;
	uint64_t cookie = store_cookie(fd);

	return cookie != 0 && cookie == store_cookie(ours);
}

static bool put(struct line *line, const struct control_request *request,
		struct control_answer *answer, control_ticket *ticket)
{
	uint32_t i = ids_find(&line->ids, request->id);
	const struct slot *slot;

	if (i == IDS_NONE) {
		if (!add(line, request, answer, &i))
			return true;
		*ticket = ticket_of(line, i, TICKET_OPENED);
		return false;
	}
	slot = &line->slots[i];
	if (slot->is_undone) {
		(void)control_refuse(&answer->error, 503, "busy",
				     "a registration that failed is still being undone: ask again "
				     "in a moment");
		return true;
	}
	if (!(slot_is_open(slot) || slot_is_coming(slot)) || slot->is_retired ||
	    (request->method == CONTROL_PASS && !is_same_listener(slot, request->passed_fd)) ||
	    !is_same(slot, request) || !registration_is_same(&slot->registration, request)) {
		(void)control_refuse(&answer->error, 409, "differs",
				     slot->is_retired ? "the cell is on its way out: wait for the "
							"end of its DELETE"
						      : "the cell is registered otherwise: see "
							"GET /cells/%s, or DELETE it first",
				     request->id);
		return true;
	}
	*ticket = ticket_of(line, i, TICKET_OPENED);
	view(line, slot, &answer->view);
	return slot->state == SLOT_OPEN;
}

static bool on_cell(void *context, const struct control_request *request,
		    struct control_answer *answer, control_ticket *ticket)
{
	struct line *line = context;
	uint32_t i;

	if (request->method == CONTROL_PUT || request->method == CONTROL_PASS)
		return put(line, request, answer, ticket);
	i = ids_find(&line->ids, request->id);
	/* One that failed to come has no end that could be waited for. */
	if (i == IDS_NONE || line->slots[i].is_undone) {
		(void)control_refuse(&answer->error, 404, "no_such_cell",
				     "no cell %s is registered: see GET /cells", request->id);
		return true;
	}
	if (request->method == CONTROL_GET) {
		view(line, &line->slots[i], &answer->view);
		answer->view.registered =
			(struct cht_str){ line->slots[i].registration.stated,
					  line->slots[i].registration.stated_len };
		return true;
	}
	if (request->method == CONTROL_PATCH)
		return !stating_take(line, i, request, &answer->error, ticket);
	if (request->stated_len > 0 && !stating_emit(line, i, request, &answer->error))
		return true;
	moves_retire(line, i);
	*ticket = ticket_of(line, i, TICKET_SEALED);
	return false;
}

void hub_tell_opened(struct line *line, uint32_t i, struct cht_str receipt)
{
	struct control_answer answer = { .status = 201 };

	view(line, &line->slots[i], &answer.view);
	answer.view.receipt = receipt;
	if (line->control != NULL)
		control_tell(line->control, ticket_of(line, i, TICKET_OPENED), &answer);
	if (line->passing != NULL)
		passing_tell(line->passing, ticket_of(line, i, TICKET_OPENED), &answer);
}

void hub_tell_failed(struct line *line, uint32_t i, const struct cht_err *why)
{
	struct control_answer answer = { .status = 0 };

	refuse(line, why, &answer.error);
	if (line->passing != NULL)
		passing_tell(line->passing, ticket_of(line, i, TICKET_OPENED), &answer);
	if (line->control == NULL)
		return;
	control_tell(line->control, ticket_of(line, i, TICKET_OPENED), &answer);
	control_tell(line->control, ticket_of(line, i, TICKET_SEALED), &answer);
}

void hub_tell_sealed(struct line *line, uint32_t i, struct cht_str receipt)
{
	const struct frame_counts *frames = &line->slots[i].cell.frames;
	struct control_answer answer = { .status = 200 };

	view(line, &line->slots[i], &answer.view);
	answer.view.receipt = receipt;
	answer.view.is_sealed = true;
	answer.view.sealed_index = line->slots[i].sealed_index;
	line->gone.received += frames->received;
	line->gone.stored += frames->stored;
	line->gone.heartbeats += frames->heartbeats;
	line->gone.refused += frames->refused;
	line->gone.dropped += frames->dropped;
	if (line->control != NULL)
		control_tell(line->control, ticket_of(line, i, TICKET_SEALED), &answer);
}

/* It may have gone meanwhile: then what was stated of it is durable all the same. */
void hub_tell_stated(struct line *line, control_ticket ticket, const struct stated *stated)
{
	const struct slot *slot = &line->slots[stated->slot];
	struct control_answer answer = { .status = 200 };

	if (slot->gen == stated->gen && slot->state != SLOT_FREE)
		view(line, slot, &answer.view);
	else
		(void)control_refuse(&answer.error, 404, "no_such_cell",
				     "it is stated, and the cell is gone meanwhile");
	answer.view.is_stated = true;
	answer.view.stated_index = stated->index;
	if (line->control != NULL)
		control_tell(line->control, ticket, &answer);
}

static bool next_cell(void *context, const char *after, struct control_view *out)
{
	struct line *line = context;
	uint32_t i = sorted_after(&line->by_id, after);

	if (i == IDS_NONE)
		return false;
	view(line, &line->slots[i], out);
	return true;
}

static bool is_paused(void *context)
{
	const struct line *line = context;

	return line->disk_full;
}

static void read_metrics(void *context, struct control_metrics *out)
{
	const struct line *line = context;

	*out = (struct control_metrics){
		.cells = line->n_cells,
		.received = line->gone.received,
		.stored = line->gone.stored,
		.heartbeats = line->gone.heartbeats,
		.refused = line->gone.refused,
		.dropped = line->gone.dropped,
		.readings = line->readings,
		.failed_readings = line->failed_readings,
		.entries = line->base_index + ring_durable_count(&line->ring),
		.is_paused = line->disk_full,
	};
	for (uint32_t i = 0; i < line->slots_used; i++) {
		const struct slot *slot = &line->slots[i];

		if (slot->state == SLOT_FREE)
			continue;
		out->connections += slot->n_conns;
		out->received += slot->cell.frames.received;
		out->stored += slot->cell.frames.stored;
		out->heartbeats += slot->cell.frames.heartbeats;
		out->refused += slot->cell.frames.refused;
		out->dropped += slot->cell.frames.dropped;
	}
}

/* Whom names mean is asked while files can still be read. By default root and we write, and who can
 * connect reads. */
int hub_prepare(struct line *line, struct cht_err *err)
{
	int r = control_access_read(&line->writers, line->conf->writers, err);

	if (r == 0)
		r = control_access_read(&line->readers, line->conf->readers, err);
	line->readers.is_anybody = line->conf->readers == NULL;
	if (line->conf->writers == NULL) {
		line->writers.who[0].id = geteuid();
		line->writers.n = 1;
	}
	return r;
}

int hub_open(struct line *line, struct cht_err *err)
{
	const struct control_handler handler = { .context = line,
						 .writers = line->writers,
						 .readers = line->readers,
						 .clients_max = line->n_clients,
						 .on_cell = on_cell,
						 .next_cell = next_cell,
						 .is_paused = is_paused,
						 .read_metrics = read_metrics };
	int r;

	if (line->control_fd < 0)
		return 0;
	r = control_open(&line->control, line->control_fd, &handler, err);
	line->control_fd = -1;
	if (r == 0)
		r = loop_add(&line->loop, control_fd(line->control), FD_CONTROL, 0, 0, err);
	if (r < 0 || line->register_fd < 0)
		return r;
	r = passing_open(&line->passing, line->register_fd, &handler, err);
	line->register_fd = -1;
	if (r == 0)
		r = loop_add(&line->loop, passing_fd(line->passing), FD_CONTROL, 1, 0, err);
	return r;
}

void hub_close(struct line *line)
{
	if (line->control != NULL)
		loop_remove(&line->loop, control_fd(line->control), FD_CONTROL);
	control_close(line->control);
	line->control = NULL;
	if (line->passing != NULL)
		loop_remove(&line->loop, passing_fd(line->passing), FD_CONTROL);
	passing_close(line->passing);
	line->passing = NULL;
}

uint64_t hub_deadline(const struct line *line)
{
	uint64_t at = line->control != NULL ? control_deadline(line->control) : UINT64_MAX;
	uint64_t passing = line->passing != NULL ? passing_deadline(line->passing) : UINT64_MAX;

	return passing < at ? passing : at;
}

int hub_turn(struct line *line, bool is_ready, struct cht_err *err)
{
	if (line->control != NULL)
		stating_tell(line);
	if (line->control == NULL || (!is_ready && hub_deadline(line) > line->now.monotonic_ns))
		return 0;
	control_run(line->control);
	if (line->passing != NULL)
		passing_run(line->passing);
	if (line->hub_status < 0)
		*err = line->hub_err;
	return line->hub_status;
}
