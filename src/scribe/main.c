/* SPDX-License-Identifier: Apache-2.0 */
#include "base/diag.h"
#include "handoff/handoff.h"
#include "scribe/scribe.h"

#include <string.h>

static int status_of(int code, const struct scribe *scribe)
{
	if (scribe->ledger.is_broken || code == CHT_E_FULL)
		return EXIT_STOPPED;
	switch (code) {
	case CHT_E_STATE: return EXIT_DAMAGED;
	case CHT_E_CONFIG:
	case CHT_E_KEY: return EXIT_CONFIG;
	case CHT_E_PARSE: return EXIT_USAGE;
	default: return code < 0 ? EXIT_FAILED : EXIT_OK;
	}
}

/* The last word: the line's to print. Where no line hears it, stderr has it. */
static void tell_failed(int line_fd, int status, const struct cht_err *err)
{
	struct handoff_msg msg = { .kind = HANDOFF_FAILED, .failed = { .exit_status = status } };

	_Static_assert(sizeof(msg.failed.text) == sizeof(err->text), "one text");
	memcpy(msg.failed.text, err->text, sizeof(msg.failed.text));
	if (line_fd < 0 || handoff_send(line_fd, &msg, NULL, 0, NULL) < 0)
		diag_err(err);
}

int main(int argc, char **argv)
{
	struct scribe scribe = SCRIBE_NULL;
	struct scribe_options options;
	struct cht_err err = { 0 };
	int r, status;

	diag_init("cht-scribe", DIAG_NOTICE);
	r = options_parse(&options, argc, argv);
	if (r != 0)
		return status_of(r, &scribe);
	r = lockdown_begin(&err);
	if (r == 0)
		r = leave_signals(&err);
	notify_open(&scribe.notify);
	if (r == 0)
		r = scribe_open(&scribe, &options, &err);
	if (r == 0)
		r = scribe_run(&scribe, &err);
	status = status_of(r, &scribe);
	if (r < 0)
		tell_failed(scribe.line_fd, status, &err);
	scribe_close(&scribe);
	notify_close(&scribe.notify);
	return status;
}
