/* SPDX-License-Identifier: Apache-2.0
 *
 * stating.h - what an orchestrator states of a cell: checked requests in, run.stated and what
 * follows from it out. Its answer is given by the hub.
 */
#ifndef DAEMON_STATING_H
#define DAEMON_STATING_H

#include "conf/conf.h"
#include "control/control.h"

struct line;

/* What rules one cell; its ledger quota is its run's. */
struct cell_limits {
	uint32_t connects_per_s, frames_per_s, frames_burst;
	uint16_t connections, partial_blocks;
};

/* What was asked for a cell beside .reg; zero: it is of the configuration. */
struct registration {
	bool is_asked;  /* over the control socket */
	bool is_passed; /* with its listener, which was made elsewhere */
	struct control_peer by;
	char *stated; /* as run.opened has it; null: nothing */
	size_t stated_len;
	uint64_t keepalive_window_ns, ledger_bytes; /* 0: as configured */
	uint32_t vmm_pid;                           /* 0: unknown */
	int passed_fd; /* its listener, until it is bound; -1: none was passed in */
};

/* Whose statement is not durable yet. */
struct stated {
	uint32_t slot, gen;
	uint64_t index;   /* of its run.stated */
	uint64_t awaited; /* entries of the ring */
};
struct stating {
	struct stated *waiting; /* a place for each client, used in turn */
	uint64_t told, next;    /* those between them wait */
};

/* Who is told what, in the low bits of a ticket. */
enum { TICKET_OPENED, TICKET_SEALED, TICKET_STATED };

/* The configuration has others than those: cells follow where theirs is still the one that was
 * configured. */
void stating_follow(struct line *line, const struct cell_limits *was, uint64_t was_ledger_bytes);

struct cell_limits limits_of_conf(const struct conf *conf);

/* Whether a cell may have them; false: *error says why not. */
bool limits_fit(const struct conf *conf, const struct control_limits *stated,
		struct control_error *error);

/* Of a place that was taken: its registration, and limits, that fit. CHT_E_NOMEM. */
int registration_take(struct line *line, uint32_t i, const struct control_request *request,
		      struct cht_err *err) CHT_CHECKED;
void registration_free(struct registration *registration);
/* Whether what was stated then is what is stated now. */
bool registration_is_same(const struct registration *registration,
			  const struct control_request *request);
/* What run.opened says of it; false: nothing. */
bool registration_facts(const struct registration *registration, struct facts_stated *out);

/* Places for those who wait. CHT_E_NOMEM. */
int stating_open(struct line *line, struct cht_err *err) CHT_CHECKED;
/* Safe before stating_open. */
void stating_close(struct line *line);
/* Records what a request states; an error of the line is in line->hub_status. False: *error says
 * why not. */
bool stating_emit(struct line *line, uint32_t i, const struct control_request *request,
		  struct control_error *error);
/* The same, and does it; *ticket: who is told when it is durable. */
bool stating_take(struct line *line, uint32_t i, const struct control_request *request,
		  struct control_error *error, control_ticket *ticket);
static inline bool stating_has_waiting(const struct stating *stating)
{
	return stating->told != stating->next;
}
/* Tells those whose statements are durable. */
void stating_tell(struct line *line);

#endif
