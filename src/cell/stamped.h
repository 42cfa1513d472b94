/* SPDX-License-Identifier: Apache-2.0
 *
 * stamped.h - the values that become events: kind, run, sequence, time, and the facts of each
 * kind. Only src/cell makes them (ADR 3); src/event only reads them.
 */
#ifndef CELL_STAMPED_H
#define CELL_STAMPED_H

#include <cht/probe.h>

/* Every kind of event there is. src/event/types.c has one row for each. */
enum event_kind {
	EV_RUN_OPENED,
	EV_RUN_RESUMED,
	EV_RUN_CONTINUED,
	EV_RUN_STATED,
	EV_RUN_SEALED,
	EV_CHANNEL_OPENED,
	EV_CHANNEL_CLOSED,
	EV_FRAMES_REFUSED,
	EV_GUEST_PROCESS_SPAWNED,
	EV_GUEST_PROCESS_EXITED,
	EV_GUEST_CAPABILITY_DENIED,
	EV_GUEST_FS_INOTIFY_FIRED,
	EV_GUEST_NET_CONNECT_ATTEMPTED,
	EV_GUEST_DECLARATION,
	EV_GUEST_AGENT_HELLO,
	EV_GUEST_AGENT_BYE,
	EV_GUEST_ATTRIBUTION_FORGED,
	EV_GUEST_TELEMETRY_DROPPED,
	EV_GUEST_AGENT_SILENCED,
	EV_GUEST_AGENT_RESUMED,
	EV_CELL_STATE_CHANGED,
	EV_GUEST_DECLARATION_UNWITNESSED,
	EV_GUEST_TRAFFIC_UNDECLARED,
	EV_CELL_WITNESSED,
	EV_CELL_EVIDENCE_BUNDLE,
	EV_HOST_STARTED,
	EV_HOST_STOPPED,
	EV_LOG_OPENED,
	EV_LOG_CLOSED,
	EV_LEDGER_RECOVERED,
	EV_LEDGER_ALIVE,
	EV_LEDGER_PRUNED,
	EV_CLOCK_STEPPED,
	EV_CHANNEL_UNCLAIMED,
	EV_HOST_RELOADED,
	EV_PROBE_FC_METRICS, /* readings: in the order of enum cht_probe_kind */
	EV_PROBE_CGROUP,
	EV_PROBE_NFTABLES,
	EV_PROBE_TAP_LINK,
	EV_PROBE_VMM_PROC,
	EV_N_KINDS
};

/* Why a connection ended; names in src/event/types.c. */
enum close_reason {
	CLOSE_CLEAN,      /* end of stream at a frame boundary */
	CLOSE_IN_LENGTH,  /* end of stream inside a length */
	CLOSE_IN_BODY,    /* end of stream inside a body */
	CLOSE_BAD_LENGTH, /* length 0 or above 65,536 */
	CLOSE_STALLED,    /* 30 s in the middle of a frame */
	CLOSE_REFUSALS,   /* 64 bodies refused within a minute */
	CLOSE_READ_ERROR,
	CLOSE_OVER_LIMIT,    /* accepted and closed: too many connections */
	CLOSE_OVER_RATE,     /* accepted and closed: too many connects a second */
	CLOSE_NO_DESCRIPTOR, /* accepted and closed: EMFILE */
	CLOSE_WRONG_UID,     /* accepted and closed: peer uid is not the expected one */
	CLOSE_HOST_STOPS,    /* we stop or seal */
	CLOSE_N_REASONS
};

/* Where a cell is, as far as the host can tell: the table in state.c. */
enum cell_state {
	CELL_EXPECTED,
	CELL_LIVE,
	CELL_IDLE,
	CELL_STARVED,
	CELL_PAUSED,
	CELL_RESTORED,
	CELL_SILENT,
	CELL_HUNG,
	CELL_GONE,
	CELL_N_STATES
};

/* What an orchestrator states of a cell's VM. */
enum cell_told {
	TOLD_NOTHING, /* it has not yet */
	TOLD_PAUSED,
	TOLD_SNAPSHOTTING, /* paused, to be written to a file */
	TOLD_RESUMED,
	TOLD_RESTORED, /* it comes back from such a file: perhaps elsewhere, and earlier in its life
			*/
	N_TOLD
};

/* Whom the host can ask about a VM beside its frames and connections. */
enum witness {
	WITNESS_VCPU_EXITS,  /* the VMM's metrics: its vCPUs left the guest */
	WITNESS_CGROUP_CPU,  /* processor time and throttling of the VM's cgroup */
	WITNESS_VMM_TASKS,   /* processor time and waiting of the VMM's threads */
	WITNESS_VMM_PROCESS, /* its pidfd: SAID_RUNS while it lives, or SAID_GONE */
	N_WITNESSES
};

/* What it said, of the time since it was asked before. */
enum witness_said {
	SAID_NOTHING, /* there is none, or it can no longer be asked */
	SAID_RUNS,    /* the VM got on */
	SAID_STILL,   /* it did nothing */
	SAID_STARVED, /* it wanted the processor and was not given it: throttled, or waiting */
	SAID_GONE,    /* what was asked about has ended */
	N_SAID
};

/* Why a state changed. */
enum state_basis {
	STATE_BY_FRAME,
	STATE_BY_STATEMENT,
	STATE_BY_WINDOW,
	STATE_BY_WITNESS,
	STATE_N_BASES
};

/* What they all say, when something is concluded of a cell. */
struct witnesses {
	unsigned open; /* connections open now */
	bool is_heard; /* a good frame since the clock was begun anew, and within its window */
	uint8_t told;  /* enum cell_told: the newest statement */
	uint8_t said[N_WITNESSES]; /* enum witness_said: as cell_witness gives it */
};

/* 74 random bits of a run: they name it inside each event's UUIDv8 (RFC 9562 section 5.8). */
struct run_bits {
	uint16_t b; /* 12 bits: custom_b */
	uint64_t c; /* 62 bits: custom_c */
};

/* Room for the texts of any run. */
struct run_names {
	char cell_id[CHT_CELL_ID_MAX * 2 + 1]; /* the host's own run has an origin here */
	char run_id[CHT_ATTRIBUTION_MAX + 1];
	char spec[CHT_ATTRIBUTION_MAX + 1];
};

/* What all events of one run share. Text is the owner's memory, NUL-terminated, valid UTF-8, and
 * needs no escape in JSON but for an origin. */
struct run {
	const char *cell_id, *run_id, *spec;
	struct run_bits bits;
	uint64_t sequence;    /* last one given; 0 = none yet */
	uint64_t first_index; /* ledger index of its first event */
	/* The owner's, of EV_N_KINDS: events stamped, by kind; run.sealed counts itself. Null: they
	 * are counted elsewhere, and there for run.sealed. */
	uint64_t *counts;
	bool is_continued; /* run_continue: an earlier process stamped part of it */
};

/* Frames of a run, every one in exactly one of the last four. */
struct frame_counts {
	uint64_t received, stored, heartbeats, refused, dropped;
};

/* Times when we did not read a run's cell, as far as this process knows: not what one before it
 * had counted. */
struct pauses {
	uint64_t n, ns;
};

/* Facts by kind. Everything that is a count is of the window that the event closes. */
/* What the orchestrator said of the cell, and who that was. */
struct facts_stated {
	uint32_t pid, uid, gid; /* SO_PEERCRED at the connect */
	struct cht_str text;    /* one JSON object, in the canonical form of docs/EVENTS.md */
};
struct facts_opened {
	struct cht_str socket; /* path as bound, or "vsock:CID" */
	int64_t expected_uid;  /* -1: any */
	uint64_t keepalive_window_ns;
	uint64_t boot_window_ns;
	bool is_stated;             /* over the control socket, and not by our configuration */
	struct facts_stated stated; /* .text may be empty */
};
struct facts_run_resumed {
	struct cht_str cause;        /* "clean restart", "unclean restart" */
	uint64_t lost_from, lost_to; /* sequence numbers accepted and not stored; 0, 0 = none */
	struct cht_str socket; /* as in struct facts_opened, from now on; empty: it ends here */
};
struct facts_run_continued {
	struct cht_str origin;       /* of the log before this one */
	uint64_t last_sequence;      /* stored there */
	uint64_t lost_from, lost_to; /* as in struct facts_run_resumed */
	struct cht_str socket;       /* the same */
};
struct facts_sealed {
	struct cht_str reason; /* "requested", "host restarted", "superseded", "unregistered" */
	struct frame_counts frames;
	struct pauses pauses;
};
struct facts_channel_opened {
	uint64_t count, connection; /* the newest */
	uint32_t peer_pid, peer_uid, peer_gid;
	unsigned open; /* connections open now */
};
struct facts_channel_closed {
	uint64_t count, connection; /* the newest */
	uint64_t reasons[CLOSE_N_REASONS];
	uint64_t frames, bytes; /* of the connections closed, whole lives */
	unsigned open;
};
struct facts_refused {
	uint64_t count, connection; /* of the first */
	uint64_t faults[CHT_N_FAULTS];
	enum cht_fault first;
	uint32_t first_at, first_bytes;
};
struct facts_forged {
	uint64_t count, connection; /* frames; of the first */
	uint16_t keys;              /* bit per enum cht_forged */
};
struct facts_dropped {
	uint64_t in_guest;         /* the agent said it did not send them */
	uint64_t on_the_way;       /* numbers that neither came nor were said to be dropped */
	uint64_t late;             /* earlier "on the way" that came after all */
	uint64_t over_quota;       /* read, counted and dropped by us: ledger quota of the run */
	uint64_t no_space;         /* the same: the ledger's disk was full */
	uint64_t agent_boot;       /* of the newest gap */
	uint64_t from_seq, to_seq; /* newest gap's missing numbers; 0, 0 = none */
};
struct facts_silenced {
	uint64_t window_ns, elapsed_ns;
	struct cht_str basis; /* "never-heard" | "frames-only" | "heartbeat" */
	uint64_t episode;     /* from 1 */
	struct pauses pauses; /* of the run so far; their time is not in elapsed_ns */
	struct witnesses witnesses;
};
/* The newest change; .from is the state of the last event of this kind. */
struct facts_state_changed {
	enum cell_state from, to;
	enum state_basis basis;
	uint32_t count; /* changes since that event */
	uint32_t epoch;
	struct witnesses witnesses;
};

/* Events that an evidence bundle refers to: declarations, silences, readings. */
enum {
	BUNDLE_GUEST_KINDS = EV_GUEST_AGENT_BYE - EV_GUEST_PROCESS_SPAWNED + 2,
	BUNDLE_N_KINDS = BUNDLE_GUEST_KINDS + CHT_N_PROBES,
	BUNDLE_REFS_MAX = 128,       /* of one run, so that a bundle fits an entry */
	BUNDLE_LIFECYCLE_MAX = 6144, /* bytes of what is kept of an orchestrator's events */
	BUNDLE_KIND_SHIFT = 48,
};

/* Where a kind stands in struct bundle_seen; BUNDLE_N_KINDS: nowhere. */
static inline unsigned bundle_place(enum event_kind kind)
{
	if (kind >= EV_GUEST_PROCESS_SPAWNED && kind <= EV_GUEST_AGENT_BYE)
		return (unsigned)(kind - EV_GUEST_PROCESS_SPAWNED);
	if (kind == EV_GUEST_AGENT_SILENCED)
		return BUNDLE_GUEST_KINDS - 1;
	if (kind >= EV_PROBE_FC_METRICS && kind <= EV_PROBE_VMM_PROC)
		return BUNDLE_GUEST_KINDS + (unsigned)(kind - EV_PROBE_FC_METRICS);
	return BUNDLE_N_KINDS;
}
static inline uint64_t bundle_ref(enum event_kind kind, uint64_t sequence)
{
	return (uint64_t)kind << BUNDLE_KIND_SHIFT | sequence;
}

/* Of a run, as far as this process stamped it. Zero-initialise. */
struct bundle_seen {
	uint64_t n;                                           /* events of these kinds */
	uint64_t first[BUNDLE_N_KINDS], last[BUNDLE_N_KINDS]; /* sequences; 0: none */
	uint64_t refs[BUNDLE_REFS_MAX]; /* the first of all, as bundle_ref makes them */
};

struct facts_bundle {
	struct cht_str destroyed; /* the orchestrator's event, as JSON {id, time, type} */
	struct cht_str lifecycle; /* all of its events that are kept, with commas between */
	uint64_t omitted;         /* that are not */
	struct cht_str residue_class, residue_exception; /* JSON strings; empty: not stated */
	struct cht_str spec_id;                          /* the same, of the registration */
	struct cht_str vkey;                             /* of the log that it goes into */
	const struct bundle_seen *seen;
	const uint64_t *counts; /* by kind, of the whole run */
};
struct facts_agent_resumed {
	uint64_t episode, silent_ns; /* from the last good frame before to the first after */
};
/* What a guest says that can be held against what the host counts; and what comes of it. */
enum claim {
	CLAIM_CONNECT, /* net.connect_attempted: packets that left the VM */
	CLAIM_BYTES,   /* bytes of frames: what the VMM says it sent over vsock */
	N_CLAIMS
};
enum verdict {
	VERDICT_WITNESSED,    /* something was counted that fits it */
	VERDICT_UNWITNESSED,  /* nothing was, where something could have been */
	VERDICT_CONTRADICTED, /* it cannot be */
	VERDICT_NO_WITNESS,   /* nobody counted */
	N_VERDICTS
};
struct claim_counts {
	uint64_t n[N_CLAIMS][N_VERDICTS];
	uint64_t undeclared_out; /* packets, while no connect had been declared */
};
struct facts_unwitnessed {
	uint8_t claim, verdict;            /* enum claim, enum verdict */
	uint64_t count, first, last;       /* declarations; their numbers, 0 for CLAIM_BYTES */
	uint64_t reading_from, reading_to; /* numbers of the readings */
	uint64_t received, sent;           /* CLAIM_BYTES: by us; by the VMM, as it says */
};
struct facts_undeclared {
	uint64_t packets_out, packets_in;
	uint64_t reading_from, reading_to;
	bool is_heard; /* the agent was */
};
/* What adjtimex(2) says of the clock. */
struct clock_adjust {
	int64_t offset_ns, freq_ppb;
	int status;
};
struct facts_host_started {
	struct cht_str version, boot_id, kernel; /* boot_id: /proc/sys/kernel/random/boot_id */
	struct cht_str previous;                 /* "none", "clean", "unclean" */
	uint64_t cells, next_index;
	struct clock_adjust adjust;
	struct cht_str lockdown; /* "kill", "log", "off" */
	unsigned landlock;       /* the kernel's version that is in force; 0: none */
	bool table_lost;         /* the run table could not be used: earlier runs stay unsealed */
};
struct facts_host_stopped {
	struct cht_str reason; /* "SIGTERM", "SIGINT", "succession", "upgrade" */
	uint64_t cells;
};
/* A configuration that was read again. Lists are of names of keys, such as limits.stall, with
 * blanks between. */
struct facts_host_reloaded {
	struct cht_str changed;       /* what rules from now on */
	struct cht_str kept;          /* what differs, and needs a restart */
	struct cht_str configuration; /* "sha256:" and the digest of what was read */
	uint64_t cells_added, cells_removed;
	uint64_t cells_kept; /* are otherwise than it says, and stay so */
};
/* A log's last note: its first two lines, and all of it. note empty: there is none. */
struct predecessor {
	struct cht_str origin, note;
	uint64_t size;
};
struct facts_log_opened {
	struct cht_str origin, vkey;
	struct cht_str reason;               /* "init", or why the predecessor ended */
	uint64_t retain_age_s, retain_bytes; /* 0: no such bound */
	struct predecessor predecessor;
};
struct facts_log_closed {
	struct cht_str reason;
	struct cht_str successor, successor_vkey; /* its origin and key */
};
struct facts_recovered {
	uint64_t kept;     /* entries in the ledger */
	uint64_t from, to; /* indices unprotected between stop and restart; from == to: none */
	uint64_t cut_bytes;
};
struct facts_alive {
	struct cht_str boot_id;
	uint64_t next_index; /* entries that are durable */
	struct clock_adjust adjust;
};
struct facts_pruned {
	uint64_t min_index; /* what is below may go */
};
/* CLOCK_REALTIME less CLOCK_BOOTTIME: moves only when the clock is set. */
struct facts_clock_stepped {
	int64_t step_ns; /* after_ns - before_ns, at most INT64_MAX either way */
	int64_t before_ns, after_ns;
	uint64_t steady_boot_ns; /* CLOCK_BOOTTIME of the last reading that gave before_ns */
};
/* Connections of VMs that no cell stands for. */
struct facts_unclaimed {
	uint64_t count;
	uint32_t cid; /* of the newest */
};

struct cht_stamped {
	enum event_kind kind;
	const struct run *run;
	uint64_t sequence;
	struct cht_now at;
	/* EV_GUEST_* that one frame gave: the declaration and where it was read. */
	const struct cht_declaration *guest;
	struct cht_frame_facts frame;
	bool stale; /* frame of a connection opened in an earlier epoch */
	union {
		struct facts_opened opened;
		struct facts_run_resumed run_resumed;
		struct facts_run_continued run_continued;
		struct facts_stated stated;
		struct facts_sealed sealed;
		struct facts_channel_opened channel_opened;
		struct facts_channel_closed channel_closed;
		struct facts_refused refused;
		struct facts_forged forged;
		struct facts_dropped dropped;
		struct facts_silenced silenced;
		struct facts_agent_resumed agent_resumed;
		struct facts_state_changed state_changed;
		struct facts_bundle bundle;
		struct facts_host_started host_started;
		struct facts_host_stopped host_stopped;
		struct facts_host_reloaded host_reloaded;
		struct facts_log_opened log_opened;
		struct facts_log_closed log_closed;
		struct facts_recovered recovered;
		struct facts_alive alive;
		struct facts_pruned pruned;
		struct facts_clock_stepped clock_stepped;
		struct facts_unclaimed unclaimed;
		const struct cht_reading *reading;
		struct facts_unwitnessed unwitnessed;
		struct facts_undeclared undeclared;
		struct claim_counts witnessed;
	} facts;
};

#endif
