/* SPDX-License-Identifier: Apache-2.0
 *
 * line.h - the line: frames come in over the cells' sockets, finished events go out into the
 * ring. Single-threaded; one turn of the loop reads at most RECEIVE_BYTES of each connection.
 *
 * line.c    the turn
 * emit.c    the one way out, and waiting for it
 * slots.c   the places of cells: memory and descriptors
 * moves.c   cells that come and go
 * hub.c     what is asked over the control socket
 * stating.c what is stated there of a cell
 * cells.c   accept, limits, deadlines
 * witness.c what is known of a VM beside its frames
 * probes.c  readings of the host's own sources; watches.c which a cell has
 * conns.c   connections: one's turn, from bytes to events
 * start.c   the scribe, the sockets
 * asked.c   signals
 * reload.c  the configuration, read again
 * closed.c  what this process may still do
 * opener.c  what is asked of the opener: sockets by path
 * host.c    what the host says of itself and its ledger
 * agents.c  what agents' numbers said, for the next process
 * store.c   descriptors that the service manager keeps
 * kept.c    what the next process needs to go on with connections; kept_cells.c and
 *           kept_conns.c take it
 * evidence.c  what a run's evidence bundle refers to
 * runs.c    runs of an earlier process, and those that begin
 * vsock.c   the one listener of cells that are known by a CID
 * stop.c    draining, sealing, the last event
 */
#ifndef DAEMON_LINE_H
#define DAEMON_LINE_H

#include "base/ids.h"
#include "base/notify.h"
#include "cell/cell.h"
#include "cell/step.h"
#include "channel/channel.h"
#include "conf/conf.h"
#include "control/passing.h"
#include "daemon/budget.h"
#include "daemon/child.h"
#include "daemon/conn.h"
#include "daemon/deadlines.h"
#include "daemon/kept.h"
#include "daemon/loop.h"
#include "daemon/reload.h"
#include "daemon/sorted.h"
#include "daemon/stating.h"
#include "daemon/store.h"
#include "daemon/table.h"
#include "daemon/vsock.h"
#include "event/event.h"
#include "handoff/handoff.h"
#include "handoff/ring.h"
#include "lockdown/lockdown.h"
#include "opening/opening.h"
#include "wire/framer.h"

#define NOBODY UINT32_MAX

struct evidence;

/* So long may we not read, because the ring is full or nobody lets us run, before the silence
 * clocks stand still. */
#define PAUSE_AFTER_NS (100 * NS_PER_MS)

enum { BOOT_ID_MAX = 40 };

/* Blocks of the longest body. */
enum { FRAME_BLOCKS = (CHT_FRAME_MAX_BYTES + PARTIAL_BLOCK_BYTES - 1) / PARTIAL_BLOCK_BYTES };

/* What was told of lost frames in events that may not be durable yet. */
struct telling {
	struct losses losses;
	uint64_t sequence;   /* of the newest */
	uint64_t durable_at; /* entries of the ring */
};

/* Where a registered cell is between its coming and its going. */
enum slot_state {
	SLOT_FREE,
	SLOT_BINDING,   /* its socket is asked for, or is to be */
	SLOT_BOUND,     /* it is there; the run is not begun, and nobody is accepted */
	SLOT_OPENING,   /* run.opened is not durable yet */
	SLOT_OPEN,      /* registered: its VM may boot */
	SLOT_UNBINDING, /* to go: its socket's name is to be removed */
	SLOT_DRAINING,  /* what the kernel holds of it is read */
	SLOT_PROBING,   /* nobody is connected; its probes are read once more */
	SLOT_FLUSHED,   /* all is told, and not durable yet */
	SLOT_SEALING,   /* run.sealed is not durable yet */
	SLOT_SEALED,    /* it is */
};

/* A cell as it was registered: struct conf_cell, in as much memory as it needs. */
struct placed {
	const char *id, *run, *spec; /* run and spec as asked: empty when they were not given */
	const char *base, *path;     /* one of them, or cid */
	const char *probes;          /* as configured; null: as registered, or none */
	uint64_t cid;
	int64_t uid, owner, group;
	uint32_t mode;
};

struct slot {
	struct placed reg;
	struct registration registration;
	char *texts; /* of reg and cell */
	enum slot_state state;
	uint32_t gen, next; /* tells it from its last tenant; next free, or next that moves */
	uint64_t awaited;   /* entries of the ring: durable, the state may change */
	uint64_t until_ns;  /* draining: no longer than that */
	uint64_t sealed_index;
	bool is_retired; /* it is to go */
	bool is_moving;  /* it is in line.moving */
	bool is_proving; /* opening or sealing: durable, and its receipt is asked for */
	bool is_asked;   /* binding or unbinding: the opener has not answered yet */
	bool is_undone;  /* unbinding: its run was never begun, so that it has none to seal */
	struct cht_cell cell;
	int listen_fd;     /* -1: none */
	uint64_t made;     /* the opener's number of its socket; 0: none */
	uint64_t dev, ino; /* of the socket's file */
	int left_fd;       /* its listener, of an earlier process, to be adopted; -1 */
	struct cell_limits limits;
	struct frame_quota quota;
	uint32_t conns; /* first of its connections, or NOBODY */
	uint32_t n_conns;
	int vmm_fd;              /* pidfd; -1: not watched */
	struct watches *watches; /* its probes; null: it has none */
	int table_slot;
	uint16_t kept_name;
	bool is_static;            /* of the configuration */
	bool is_unlisted;          /* it was; and is to go for that */
	uint64_t paused_until_ns;  /* over its frame budget: not read before; 0 = read */
	uint64_t paused_at_ns;     /* since then, by the line's reading time */
	uint64_t unread_ns;        /* of the line's reading time, not the cell's */
	bool blocks_short;         /* a connection waits for blocks of this cell */
	uint32_t finishing;        /* one that may finish its frame on blocks beyond; or NOBODY */
	uint64_t only_silence;     /* of all that a bundle refers to there was this one; 0 */
	struct evidence *evidence; /* what was stated of its end; null: nothing */
	bool has_finished;         /* it has, or has gone: another may */
	bool is_deaf;              /* accept failed: its listener rests */
};

/* What a place needs beside it once somebody connected to its cell. Zeroed before. */
struct slot_met {
	struct cell_met cell;
	struct telling telling;
	struct budget frame_budget, connect_budget;
};

/* The scribe's wish to remove old entries: asked, then agreed to by an event of ours that is to be
 * durable before the answer. */
struct pruning {
	bool is_asked;
	uint64_t asked;     /* segments below may go, by the policy */
	uint64_t min_index; /* agreed to last, by whichever process */
	uint64_t told_at;   /* durable entries of the ring when it may be answered; 0: nothing to */
};

/* An answer of the opener that the start waits for. */
struct awaited {
	bool is_asked;
	struct opening_answer answer;
	int fd;
};

struct line {
	const struct conf *conf;
	struct loop loop;
	struct ring ring;
	struct child scribe, opener;
	unsigned n_asked; /* of the opener, and not answered */
	int control_fd;   /* the control socket's listener, until it is served; -1: none */
	struct awaited awaited;
	int register_fd; /* the other one's */
	struct notify notify;
	uint64_t told_put, told_ns;     /* entries of the ring at the last sign of life, and when */
	struct lockdown_state lockdown; /* its mode is asked for before line_open */
	struct table table;
	struct event_renderer renderer;
	struct run host;
	struct run_names host_names;
	char boot_id[BOOT_ID_MAX];
	struct step_watch clock;
	uint64_t next_alive_ns;
	struct pruning pruning;
	struct handoff_msg ledger; /* what the scribe said of the log */
	struct predecessor predecessor;
	uint64_t base_index; /* ledger index of the ring's first entry */

	struct slot *slots;
	uint8_t *met; /* MET_BYTES a slot: pages that come when somebody connects to its cell */
	struct bundle_seen *seen; /* one a slot: pages that come with an event */
	uint32_t n_clients;       /* of the control socket: as many as have a descriptor */
	uint32_t n_slots, slots_used, free_slot; /* capacity; ever used; first free */
	uint32_t n_cells;                        /* registered */
	struct ids ids, sockets;                 /* their places by id, and by channel */
	struct sorted by_id;                     /* the same places, in order */
	struct vsock vsock;
	uint32_t moving;    /* first whose state waits to change */
	unsigned n_proving; /* receipts asked for */
	struct conn *conns;
	uint32_t n_conns, conns_used, free_conn; /* capacity; ever used; first free */
	uint32_t conns_open, vmms_watched;
	uint32_t probes_asked, probes_waiting; /* of the opener; that could not ask it yet */
	uint64_t readings, failed_readings;    /* emitted since the start */
	uint32_t probe_fds;                    /* descriptors that they may hold */
	uint32_t probes_at;                    /* whose turn it is among these */
	uint32_t n_spare;                      /* descriptors for both */
	uint32_t give_up_at;                   /* whose VMM is no longer watched first */
	uint32_t partial;                      /* connections in the middle of a frame */
	struct control *control;               /* null: nobody may ask */
	struct passing *passing;               /* null: no listener is passed in */
	struct stating stating;
	struct reload reload;
	struct control_access writers, readers;
	struct frame_counts gone; /* of runs that were sealed since the start */
	int hub_status;           /* below 0: a request failed by what concerns us all */
	struct cht_err hub_err;
	struct deadlines deadlines;
	struct store store;
	struct kept kept;
	struct frame_pool pool;
	void *pool_mem;
	size_t pool_bytes, conns_bytes;
	struct channel_spare spare;
	uint8_t *receive; /* RECEIVE_BYTES */
	struct epoll_event
		ready[LOOP_EVENTS]; /* connections found ready, and how far they were read */
	int n_ready, ready_at;

	struct cht_now now; /* read once a turn, and again after CLOCK_FRAMES in it */
	uint64_t unclocked; /* frames and reads since */
	uint64_t next_sweep_ns, full_since_ns;
	uint64_t unread_ns;       /* so long in all was the ring full */
	uint64_t listen_again_ns; /* until then */
	uint64_t next_complaint_ns;
	uint64_t reads_unjudged; /* turns of connections since deadlines were judged */
	uint32_t n_deaf;         /* listeners that rest */
	bool is_full;            /* the ring had no room: no connection is read */
	bool is_paused;          /* for so long that silence clocks stand still */
	bool disk_full;          /* the scribe waits for space */
	bool is_dropping;        /* the connection whose turn it is has no room: on_full = drop */
	bool is_short;           /* of room, but read: what cells have to say waits */
	bool is_ready;           /* every cell listens and has its run */
	bool opener_is_gone;     /* ended, and not by our doing */
	bool vmms_told;          /* that they do not suffice */
	int stop_signal;         /* 0: go on */
	uint64_t space_until_ns; /* told to stop: so long may space come back */
	int scribe_status;       /* what its last word said; -1: none */
};

#define LINE_NULL                                                                                  \
	{                                                                                          \
		.loop = LOOP_NULL, .ring = RING_NULL, .scribe = CHILD_NULL, .opener = CHILD_NULL,  \
		.control_fd = -1, .register_fd = -1, .table = TABLE_NULL, .vsock = VSOCK_NULL,     \
		.spare = { -1 }, .store = STORE_NULL, .kept = KEPT_NULL, .scribe_status = -1,      \
		.notify = NOTIFY_NULL                                                              \
	}

/* start.c: starts the scribe, learns what is stored, declares what earlier runs lost, binds
 * every cell; when it returns 0, every run.opened is durable and every socket listens. When the
 * log is to end, runs are left alone. */
int line_open(struct line *line, const struct conf *conf, int secrets_fd,
	      struct cht_err *err) CHT_CHECKED;
/* closed.c: no more than the list of calls, and no path;
 * line->lockdown says what it came to. CHT_E_IO, CHT_E_UNSUPPORTED, CHT_E_NOMEM. */
int line_lock_down(struct line *line, struct cht_err *err) CHT_CHECKED;
/* Closes and unlinks everything; the scribe has ended when it returns, unless a signal said not
 * to wait for it: then it stores what it has by itself. Safe on LINE_NULL. */
void line_close(struct line *line);
/* line.c: turns until a signal (0) or until the scribe is gone (CHT_E_PEER). */
int line_run(struct line *line, struct cht_err *err) CHT_CHECKED;
/* stop.c: the end of the log instead of line_run and line_stop: runs stay as they are. */
int line_end_log(struct line *line, struct cht_err *err) CHT_CHECKED;
/* The end in good order: 0, or as line_await_durable. */
int line_stop(struct line *line, struct cht_err *err) CHT_CHECKED;

#endif
