/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/diag.h"
#include "cli/cli.h"
#include "cli/ledger_cmd.h"

/* The source that cht-scribe takes, in its order. */
static void name_key(char out[LEDGER_PATH_MAX], const struct ledger_request *q)
{
	const char *credentials = getenv("CREDENTIALS_DIRECTORY");

	if (q->key_file != NULL) {
		(void)snprintf(out, LEDGER_PATH_MAX, "%s", q->key_file);
		return;
	}
	if (credentials != NULL && *credentials != '\0') {
		(void)snprintf(out, LEDGER_PATH_MAX, "%s/cht.log-key", credentials);
		if (access(out, F_OK) == 0)
			return;
	}
	if (getenv("CELLOS_HOST_TELEMETRY_LOG_ED25519_SK") != NULL)
		(void)snprintf(out, LEDGER_PATH_MAX, "CELLOS_HOST_TELEMETRY_LOG_ED25519_SK");
	else
		(void)snprintf(out, LEDGER_PATH_MAX, "%s/scribe/key.pem", q->state);
}

int ledger_init_action(const struct ledger_request *q)
{
	static const struct ledger_child as_we_are = { .uid = (uid_t)-1 };
	static struct ledger_state state;
	char key[LEDGER_PATH_MAX];
	struct ledger_identity log;
	struct ledger_told told = { .state = q->state, .log = &log, .key = key };
	struct cht_err err = { 0 };
	int r = ledger_exists(q->state, &err);

	if (r > 0) {
		diag(DIAG_ERROR,
		     "%s has a log already; cht ledger succeed begins another in its place",
		     q->state);
		return CLI_FAILED;
	}
	if (r == 0 && ledger_run_init(q, q->state, NULL, NULL, &as_we_are) != 0)
		return CLI_FAILED; /* which it has said */
	if (r == 0)
		r = ledger_identity_read(&log, q->state, &err);
	if (r == 0)
		r = ledger_state_look(q->state, &state, &err);
	if (r < 0) {
		diag_err(&err);
		return CLI_FAILED;
	}
	name_key(key, q);
	told.terms = &state.terms;
	ledger_tell(&told, q->json);
	return CLI_OK;
}
