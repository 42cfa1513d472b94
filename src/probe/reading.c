/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "probe/probe.h"

void reading_init(struct cht_reading *out, enum cht_probe_kind kind, const struct cht_now *now)
{
	*out = (struct cht_reading){ .kind = kind, .sampled_ns = now->realtime_ns };
}

const char *reading_error_name(int code, int sys)
{
	switch (sys) {
	case ENOENT:
	case ENOTDIR: return "not_found";
	case EACCES:
	case EPERM: return "forbidden";
	case ENODEV:
	case ESRCH:
	case ENXIO: return "gone";
	case EOPNOTSUPP:
	case ENOSYS:
	case EPROTONOSUPPORT: return "unsupported";
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOBUFS: return "no_resources";
	case EAGAIN:
	case ETIMEDOUT: return "no_answer";
	default: break;
	}
	switch (code) {
	case CHT_E_PARSE: return "malformed";
	case CHT_E_LIMIT: return "too_large";
	case CHT_E_UNSUPPORTED: return "unsupported";
	case CHT_E_BIND: return "refused";
	default: return "io";
	}
}

void reading_fail_named(struct cht_reading *out, struct probe_room *room, const char *name,
			const char *text)
{
	if (out->error.len > 0)
		return;
	(void)snprintf(room->error_text, sizeof(room->error_text), "%s", text);
	out->error = str_of(name);
	out->error_text = str_of(room->error_text);
}

void reading_fail(struct cht_reading *out, struct probe_room *room, int code, int sys,
		  const char *what)
{
	char text[sizeof(room->error_text)];

	(void)snprintf(text, sizeof(text), "%.100s%s%s", what, sys != 0 ? ": " : "",
		       sys != 0 ? diag_errno(sys) : "");
	reading_fail_named(out, room, reading_error_name(code, sys), text);
}
