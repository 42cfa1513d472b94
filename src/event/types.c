/* SPDX-License-Identifier: Apache-2.0 */
#include "event/event.h"

#include "base/bytes.h"

#define PREFIX "dev.cellos.events.cell.observability.v1."

/* What one frame declared; what the host saw; what it concluded. */
#define DECLARED(kind, name)                                                                       \
	[kind] = { kind,                                                                           \
		   name,                                                                           \
		   sizeof(name) - 1,                                                               \
		   PREFIX name,                                                                    \
		   CHT_SOURCE_GUEST_URI,                                                           \
		   CHT_PROVENANCE_DECLARED,                                                        \
		   NULL,                                                                           \
		   NULL }
#define HOST(kind, name, provenance, noticed_by, inputs)                                           \
	[kind] = {                                                                                 \
		kind,       name,  sizeof(name) - 1, PREFIX name, CHT_SOURCE_HOST_URI, provenance, \
		noticed_by, inputs                                                                 \
	}

/* One that others named, as it is there. */
#define BUNDLE_NAME "cell.evidence_bundle"
#define BUNDLE_TYPE "dev.cellos.events.cell.evidence_bundle.v1.emitted"

#define READING(kind, name)                                                                        \
	[kind] = { kind,                                                                           \
		   "host." name,                                                                   \
		   sizeof("host." name) - 1,                                                       \
		   CHT_PROBE_TYPE_PREFIX name,                                                     \
		   CHT_SOURCE_PROBES_URI,                                                          \
		   "observed",                                                                     \
		   "host." name,                                                                   \
		   NULL }

const struct event_type event_types[EV_N_KINDS] = {
	HOST(EV_RUN_OPENED, "run.opened", "observed", "host.run", "[\"registration\"]"),
	HOST(EV_RUN_RESUMED, "run.resumed", "derived", "host.run",
	     "[\"run_table\",\"ledger\",\"registration\"]"),
	HOST(EV_RUN_CONTINUED, "run.continued", "derived", "host.run",
	     "[\"run_table\",\"predecessor\",\"registration\"]"),
	HOST(EV_RUN_STATED, "run.stated", CHT_PROVENANCE_DECLARED, "host.control",
	     "[\"request\",\"so_peercred\"]"),
	HOST(EV_RUN_SEALED, "run.sealed", "derived", "host.run", "[\"events\",\"frames\"]"),
	HOST(EV_CHANNEL_OPENED, "channel.opened", "observed", "host.channel",
	     "[\"accept\",\"so_peercred\"]"),
	HOST(EV_CHANNEL_CLOSED, "channel.closed", "observed", "host.channel",
	     "[\"accept\",\"read\"]"),
	HOST(EV_FRAMES_REFUSED, "frames.refused", "observed", "host.wire", "[\"frames\"]"),
	DECLARED(EV_GUEST_PROCESS_SPAWNED, "guest.process_spawned"),
	DECLARED(EV_GUEST_PROCESS_EXITED, "guest.process_exited"),
	DECLARED(EV_GUEST_CAPABILITY_DENIED, "guest.capability_denied"),
	DECLARED(EV_GUEST_FS_INOTIFY_FIRED, "guest.fs_inotify_fired"),
	DECLARED(EV_GUEST_NET_CONNECT_ATTEMPTED, "guest.net_connect_attempted"),
	DECLARED(EV_GUEST_DECLARATION, "guest.declaration"),
	DECLARED(EV_GUEST_AGENT_HELLO, "guest.agent_hello"),
	DECLARED(EV_GUEST_AGENT_BYE, "guest.agent_bye"),
	HOST(EV_GUEST_ATTRIBUTION_FORGED, "guest.attribution_forged", "observed", "host.wire",
	     "[\"frames\"]"),
	HOST(EV_GUEST_TELEMETRY_DROPPED, "guest.telemetry.dropped", "derived", "host.gap",
	     "[\"agent_boot\",\"agent_seq\",\"agent_dropped\",\"ledger_quota\",\"ledger_space\"]"),
	HOST(EV_GUEST_AGENT_SILENCED, "guest.agent_silenced", "derived", "host.silence",
	     "[\"frames\",\"connections\",\"statements\",\"witnesses\",\"clock_monotonic\"]"),
	HOST(EV_GUEST_AGENT_RESUMED, "guest.agent_resumed", "derived", "host.silence",
	     "[\"frames\",\"clock_monotonic\"]"),
	HOST(EV_CELL_STATE_CHANGED, "cell.state_changed", "derived", "host.silence",
	     "[\"frames\",\"connections\",\"statements\",\"witnesses\",\"clock_monotonic\"]"),
	HOST(EV_GUEST_DECLARATION_UNWITNESSED, "guest.declaration_unwitnessed", "derived",
	     "host.witness", "[\"declarations\",\"readings\"]"),
	HOST(EV_GUEST_TRAFFIC_UNDECLARED, "guest.traffic_undeclared", "derived", "host.witness",
	     "[\"declarations\",\"readings\"]"),
	HOST(EV_CELL_WITNESSED, "cell.witnessed", "derived", "host.witness",
	     "[\"declarations\",\"readings\"]"),
	[EV_CELL_EVIDENCE_BUNDLE] = { EV_CELL_EVIDENCE_BUNDLE, BUNDLE_NAME, sizeof(BUNDLE_NAME) - 1,
				      BUNDLE_TYPE, CHT_SOURCE_HOST_URI, "derived", "host.run",
				      "[\"events\",\"statements\"]" },
	HOST(EV_HOST_STARTED, "host.started", "observed", "host.line",
	     "[\"boot_id\",\"uname\",\"adjtimex\",\"run_table\",\"ledger\"]"),
	HOST(EV_HOST_STOPPED, "host.stopped", "observed", "host.line", "[\"signal\"]"),
	HOST(EV_LOG_OPENED, "log.opened", "observed", "host.ledger", "[\"ledger\"]"),
	HOST(EV_LOG_CLOSED, "log.closed", "observed", "host.ledger", "[\"request\"]"),
	HOST(EV_LEDGER_RECOVERED, "ledger.recovered", "observed", "host.ledger", "[\"ledger\"]"),
	HOST(EV_LEDGER_ALIVE, "ledger.alive", "observed", "host.ledger",
	     "[\"boot_id\",\"adjtimex\",\"ledger\"]"),
	HOST(EV_LEDGER_PRUNED, "ledger.pruned", "derived", "host.ledger",
	     "[\"retention\",\"open_runs\"]"),
	HOST(EV_CLOCK_STEPPED, "clock.stepped", "derived", "host.clock",
	     "[\"clock_realtime\",\"clock_boottime\"]"),
	HOST(EV_CHANNEL_UNCLAIMED, "channel.unclaimed", "observed", "host.channel", "[\"accept\"]"),
	HOST(EV_HOST_RELOADED, "host.reloaded", "observed", "host.line",
	     "[\"signal\",\"configuration\"]"),
	READING(EV_PROBE_FC_METRICS, "fc_metrics"),
	READING(EV_PROBE_CGROUP, "cgroup"),
	READING(EV_PROBE_NFTABLES, "nftables"),
	READING(EV_PROBE_TAP_LINK, "tap_link"),
	READING(EV_PROBE_VMM_PROC, "vmm_proc"),
};

/* What a type is called for short: what stands behind the prefix of its family. */
static struct cht_str short_name(struct cht_str type)
{
	static const struct cht_str ours = STR_INIT(PREFIX);
	static const struct cht_str readings = STR_INIT(CHT_PROBE_TYPE_PREFIX);

	if (str_starts(type, ours))
		return (struct cht_str){ type.ptr + ours.len, type.len - ours.len };
	if (str_starts(type, readings))
		return (struct cht_str){ type.ptr + readings.len, type.len - readings.len };
	if (str_eq(type, STR(BUNDLE_TYPE)))
		return STR(BUNDLE_NAME);
	return STR("");
}

static bool is_reading(struct cht_str type)
{
	return str_starts(type, STR(CHT_PROBE_TYPE_PREFIX));
}

const struct event_type *event_type_find(struct cht_str type)
{
	struct cht_str name = short_name(type);
	size_t skip = is_reading(type) ? sizeof("host.") - 1 : 0;

	for (size_t i = 0; i < EV_N_KINDS; i++) {
		const struct event_type *row = &event_types[i];

		if (name.len > 0 && name.len + skip == row->name_len &&
		    memcmp(name.ptr, row->name + skip, name.len) == 0 &&
		    is_reading(str_of(row->type)) == (skip > 0))
			return str_eq(type, str_of(row->type)) ? row : NULL;
	}
	return NULL;
}

/* name is a dotted prefix of whole, or all of it. */
static bool is_below(struct cht_str whole, struct cht_str name)
{
	return str_starts(whole, name) &&
	       (whole.len == name.len || name.len == 0 || whole.ptr[name.len] == '.' ||
		name.ptr[name.len - 1] == '.');
}

bool event_type_is_below(struct cht_str type, struct cht_str name)
{
	static const struct cht_str host = STR_INIT("host.");
	struct cht_str shorter = short_name(type);

	if (is_below(type, name))
		return true;
	if (!is_reading(type))
		return shorter.len > 0 && is_below(shorter, name);
	/* "host.cgroup", and all of "host". */
	if (str_eq(name, STR("host")) || str_eq(name, host))
		return true;
	return str_starts(name, host) &&
	       is_below(shorter, (struct cht_str){ name.ptr + host.len, name.len - host.len });
}

const char *cell_state_name(enum cell_state state)
{
	static const char *const names[CELL_N_STATES] = {
		[CELL_EXPECTED] = "expected", [CELL_LIVE] = "live",
		[CELL_IDLE] = "idle",         [CELL_STARVED] = "starved",
		[CELL_PAUSED] = "paused",     [CELL_RESTORED] = "restored",
		[CELL_SILENT] = "silent",     [CELL_HUNG] = "hung",
		[CELL_GONE] = "gone",
	};

	return names[state];
}

const char *close_reason_name(enum close_reason reason)
{
	static const char *const names[CLOSE_N_REASONS] = {
		[CLOSE_CLEAN] = "clean",           [CLOSE_IN_LENGTH] = "in_length",
		[CLOSE_IN_BODY] = "in_body",       [CLOSE_BAD_LENGTH] = "bad_length",
		[CLOSE_STALLED] = "stalled",       [CLOSE_REFUSALS] = "refusals",
		[CLOSE_READ_ERROR] = "read_error", [CLOSE_OVER_LIMIT] = "over_limit",
		[CLOSE_OVER_RATE] = "over_rate",   [CLOSE_NO_DESCRIPTOR] = "no_descriptor",
		[CLOSE_WRONG_UID] = "wrong_uid",   [CLOSE_HOST_STOPS] = "host_stops",
	};

	return names[reason];
}
