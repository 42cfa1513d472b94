/* SPDX-License-Identifier: Apache-2.0
 *
 * ledger_cmd.h - internal to cht ledger: what was asked for, and what its two actions share.
 *
 * cht writes no ledger and holds no key: cht-scribe makes a log, chtd ends one. What is done here
 * is to run them in order and to move directories between.
 */
#ifndef CLI_LEDGER_CMD_H
#define CLI_LEDGER_CMD_H

#include <sys/types.h>

#include "ledger/ledger.h"
#include "tlog/tlog.h"

enum { LEDGER_PATH_MAX = 4096 };

struct ledger_request {
	const char *action, *state;
	const char *name, *retain_age, *retain_bytes; /* null: not given; "none" is taken as such */
	const char *key_file, *reason, *config;
	bool json;
};

/* Whom a program is run as, and with which of our environment. */
struct ledger_child {
	uid_t uid; /* (uid_t)-1: as we are */
	gid_t gid;
	bool has_no_key; /* without the sources of a checkpoint key that the environment may have */
};

/* Runs the sibling program argv[0] to its end; its diagnostics are its own. Its exit status, 128
 * and more for a signal, or -1: it could not be run, which is said. */
int ledger_run(const char *const *argv, const struct ledger_child *child);

/* cht-scribe --init on state, with what the request says of a new log; the two others may be null.
 * As ledger_run. */
int ledger_run_init(const struct ledger_request *q, const char *state, const char *reason,
		    const char *predecessor, const struct ledger_child *child);

/* Who a log is. */
struct ledger_identity {
	struct tlog_vkey vkey;             /* its name is the origin */
	char digits[17];                   /* of the origin */
	char text[TLOG_NAME_MAX + 1 + 80]; /* the vkey as text */
};
/* From STATE/ledger/vkey. CHT_E_STATE, CHT_E_IO. */
int ledger_identity_read(struct ledger_identity *out, const char *state,
			 struct cht_err *err) CHT_CHECKED;

/* What is printed of a log that was made. */
struct ledger_told {
	const char *state;
	const struct ledger_identity *log;
	const char *key; /* where its key is, in words or as a path */
	const struct ledger_terms *terms;
	/* of a succession, else null */
	const char *reason, *past;
	bool is_closed;
};
void ledger_tell(const struct ledger_told *told, bool json);

/* The exit status of cht. */
int ledger_init_action(const struct ledger_request *q);
int ledger_succeed_action(const struct ledger_request *q);

#endif
