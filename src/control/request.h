/* SPDX-License-Identifier: Apache-2.0
 *
 * request.h - what a client of the control socket asks for: method, target and body in, one checked
 * struct out (docs/PROTOCOL.control, "Requests"). Pure.
 *
 * request.c  method and target
 * body.c     the body; stated.c, opened.c what its members state
 */
#ifndef CONTROL_REQUEST_H
#define CONTROL_REQUEST_H

#include <cht/err.h>
#include <cht/stamp.h>

#include "cell/cell.h"

enum {
	CONTROL_BODY_MAX = 8192,
	CONTROL_TARGET_MAX = 256,
	CONTROL_PATH_MAX = CELL_CHANNEL_MAX,
};

enum control_what {
	CONTROL_VERSION,
	CONTROL_HEALTH,
	CONTROL_READY,
	CONTROL_METRICS,
	CONTROL_CELLS,
	CONTROL_CELL,
};

/* CONTROL_PASS: a PUT by a message with a listener. */
enum control_method { CONTROL_GET, CONTROL_PUT, CONTROL_PATCH, CONTROL_DELETE, CONTROL_PASS };

/* Of one cell; 0: not stated. */
struct control_limits {
	uint64_t connections, connects_per_s, frames_per_s, frames_burst;
	uint64_t partial_blocks, ledger_bytes;
};

/* Who is at the other end: SO_PEERCRED at the connect. */
struct control_peer {
	uint32_t pid, uid, gid;
};

/* A cell as it is to be registered; texts are empty when they are not given. */
struct control_cell {
	char base[CONTROL_PATH_MAX + 1], path[CONTROL_PATH_MAX + 1];
	uint32_t cid; /* one of the three; 0: not given */
	char run[CHT_ATTRIBUTION_MAX + 1], spec[CHT_ATTRIBUTION_MAX + 1];
	int64_t uid, owner, group; /* -1: not given */
	uint32_t mode;             /* 0: not given */
};

struct control_request {
	enum control_method method;
	enum control_what what;
	char id[CHT_CELL_ID_MAX + 1];
	struct control_peer by;
	int passed_fd; /* of a CONTROL_PASS: borrowed; .cell.path is its name */
	/* From the body. */
	struct control_cell cell; /* of a PUT */
	enum cell_told told;
	struct control_limits limits;
	uint32_t keepalive_window_ms, vmm_pid; /* 0: not given */
	bool is_exception, has_exception;      /* of what is left of the cell */
	size_t stated_len;                     /* 0: nothing is stated */
	char stated[CONTROL_BODY_MAX];         /* one JSON object, in the form that an event has */
};

/* An answer's first line and the error behind it: status 0 is no error. */
struct control_error {
	unsigned status;
	const char *code; /* stable */
	char message[256];
};

/* Takes method and target apart. False: *error says why, and what could be read stands in *out.
 * HEAD is GET. */
bool control_read_target(const char *method, const char *target, struct control_request *out,
			 struct control_error *error);
/* The body of a PUT, a PATCH, a DELETE, or a CONTROL_PASS: out->method says which. False: *error
 * says why. Allocates while it runs. */
bool control_read_body(struct cht_bytes body, struct control_request *out,
		       struct control_error *error) CHT_CHECKED;

/* Fills an error; returns false, for the caller to hand on. */
bool control_refuse(struct control_error *error, unsigned status, const char *code,
		    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The methods that a thing has, for Allow. */
const char *control_methods(enum control_what what);

#endif
