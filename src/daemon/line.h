/* SPDX-License-Identifier: Apache-2.0
 *
 * line.h - the line: frames come in over the cells' sockets, finished events go out into the
 * ring. Single-threaded; one turn of the loop reads at most RECEIVE_BYTES of each connection.
 *
 * line.c    the turn, and the one way out: line_emit
 * slots.c   the places of cells: memory and descriptors
 * moves.c   cells that come and go
 * hub.c     what is asked over the control socket
 * stating.c what is stated there of a cell
 * cells.c   accept, limits, deadlines
 * witness.c what is known of a VM beside its frames
 * conns.c   connections: one's turn, from bytes to events
 * start.c   the scribe, the sockets
 * asked.c   signals
 * closed.c  what this process may still do
 * opener.c  what is asked of the opener: sockets by path
 * host.c    what the host says of itself and its ledger
 * agents.c  what agents' numbers said, for the next process
 * store.c   descriptors that the service manager keeps
 * kept.c    what the next process needs to go on with connections; kept_take.c takes it
 * runs.c    runs of an earlier process, and those that begin
 * vsock.c   the one listener of cells that are known by a CID
 * stop.c    draining, sealing, the last event
 */
#ifndef DAEMON_LINE_H
#define DAEMON_LINE_H

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
#include "daemon/ids.h"
#include "daemon/kept.h"
#include "daemon/loop.h"
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
	SLOT_FLUSHED,   /* all is told, and not durable yet */
	SLOT_SEALING,   /* run.sealed is not durable yet */
	SLOT_SEALED,    /* it is */
};

/* A cell as it was registered: struct conf_cell, in as much memory as it needs. */
struct placed {
	const char *id, *run, *spec; /* run and spec as asked: empty when they were not given */
	const char *base, *path;     /* one of them, or cid */
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
	int vmm_fd; /* pidfd; -1: not watched */
	int table_slot;
	uint16_t kept_name;
	bool is_static;           /* of the configuration */
	uint64_t paused_until_ns; /* over its frame budget: not read before; 0 = read */
	uint64_t paused_at_ns;    /* since then, by the line's reading time */
	uint64_t unread_ns;       /* of the line's reading time, not the cell's */
	bool blocks_short;        /* a connection waits for blocks of this cell */
	uint32_t finishing;       /* one that may finish its frame on blocks beyond; or NOBODY */
	bool has_finished;        /* it has, or has gone: another may */
	bool is_deaf;             /* accept failed: its listener rests */
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
	uint32_t n_clients; /* of the control socket: as many as have a descriptor */
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
	uint32_t n_spare;        /* descriptors for both */
	uint32_t give_up_at;     /* whose VMM is no longer watched first */
	uint32_t partial;        /* connections in the middle of a frame */
	struct control *control; /* null: nobody may ask */
	struct passing *passing; /* null: no listener is passed in */
	struct stating stating;
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
/* closed.c: no more than the list of calls, the cells' directories and what binding there needs;
 * line->lockdown says what it came to. CHT_E_IO, CHT_E_UNSUPPORTED, CHT_E_NOMEM. */
int line_lock_down(struct line *line, struct cht_err *err) CHT_CHECKED;
/* Closes and unlinks everything; the scribe has ended when it returns, unless a signal said not
 * to wait for it: then it stores what it has by itself. Safe on LINE_NULL. */
void line_close(struct line *line);

/* host.c */
/* The first events of the host's own run: log.opened if the log is new, host.started, and what the
 * scribe recovered. found->lost: what the table has is of no use here. */
int host_tell_start(struct line *line, const struct table_found *found,
		    struct cht_err *err) CHT_CHECKED;
/* log.closed, for the successor that the options name. */
int host_tell_closed(struct line *line, struct cht_err *err) CHT_CHECKED;
/* The last one. */
int host_tell_stop(struct line *line, struct cht_str reason, struct cht_err *err) CHT_CHECKED;
/* clock.stepped when line->now shows that the wall clock was set and the ring has room. */
int host_watch_clock(struct line *line, struct cht_err *err) CHT_CHECKED;
/* With room in the ring: ledger.alive and channel.unclaimed when they are due, the next step of
 * pruning. */
int host_on_time(struct line *line, struct cht_err *err) CHT_CHECKED;
/* When host_on_time must be called next. */
uint64_t host_deadline(const struct line *line);

/* runs.c */
/* Every run that the table has goes on in its cell, or is sealed and leaves the table. */
int runs_settle(struct line *line, const struct table_found *found,
		struct cht_err *err) CHT_CHECKED;
/* Begins a run in every cell that has none. CHT_E_LIMIT when the run table is full, CHT_E_CONFIG.
 */
int runs_open(struct line *line, struct cht_err *err) CHT_CHECKED;
/* The same of one cell in two steps: what can be refused for itself, CHT_E_CONFIG, CHT_E_RANGE; and
 * its first event. */
int runs_init_one(struct line *line, uint32_t i, struct cht_err *err) CHT_CHECKED;
int runs_open_one(struct line *line, uint32_t i, struct cht_err *err) CHT_CHECKED;
/* run.sealed, the last word of a cell's run. As line_emit. */
int runs_seal(struct line *line, struct slot *slot, struct cht_str reason,
	      struct cht_err *err) CHT_CHECKED;

/* asked.c */
/* Takes a signal to stop: line->stop_signal. */
bool asked_stop(struct line *line);
/* SIGUSR2: to end so that the next process goes on where we stand. */
void asked_turn(struct line *line);

/* line.c: turns until a signal (0) or until the scribe is gone (CHT_E_PEER). */
int line_run(struct line *line, struct cht_err *err) CHT_CHECKED;
/* stop.c: the end of the log instead of line_run and line_stop: runs stay as they are. */
int line_end_log(struct line *line, struct cht_err *err) CHT_CHECKED;
/* The end in good order: 0, or as line_await_durable. */
int line_stop(struct line *line, struct cht_err *err) CHT_CHECKED;

/* Renders one stamped value of a cell (null: of the host) into the ring, after the run table
 * knows of it. Waits for room only at start and stop; on the path of a frame line_has_room was
 * asked before. CHT_E_PEER when the scribe is gone. */
int line_emit(struct line *line, struct slot *slot, const struct cht_stamped *stamped,
	      struct cht_err *err) CHT_CHECKED;
/* Whether all that one connection's turn can give rise to has room. */
bool line_has_room(struct line *line);
/* Whether guests are read although there is no room, because the disk is full and the operator
 * chose that what they send is then dropped. */
bool line_may_drop(const struct line *line);
/* Sleeps until the ring moved or the scribe spoke. CHT_E_STATE when a signal says not to wait: any
 * before we are ready, later the second one. CHT_E_FULL when the disk is full and we are to
 * stop, and no space came in time. */
int line_sleep(struct line *line, struct cht_err *err) CHT_CHECKED;
/* Waits until everything emitted is durable. As line_sleep; CHT_E_PEER. */
int line_await_durable(struct line *line, struct cht_err *err) CHT_CHECKED;
/* Reads what the scribe has to say; CHT_E_PEER when it is gone, with its last word as text. */
int line_hear_scribe(struct line *line, struct cht_err *err) CHT_CHECKED;
uint64_t line_next_index(const struct line *line);
/* Monotonic time without that during which the ring was full. */
uint64_t line_reading_ns(const struct line *line);

/* slots.c */
/* Memory for as many cells and connections as there can be. CHT_E_LIMIT, CHT_E_NOMEM. */
int slots_open(struct line *line, struct cht_err *err) CHT_CHECKED;
/* Safe before slots_open. */
void slots_free(struct line *line);
/* A place for a cell, in SLOT_BINDING; copies reg. CHT_E_LIMIT when all are taken. */
int slot_take(struct line *line, const struct placed *reg, uint32_t *i,
	      struct cht_err *err) CHT_CHECKED;
/* Of a cell without connections: its listener goes, its place is free. */
void slot_drop(struct line *line, uint32_t i);
/* Once its cell is made: each text of it and of its registration stands once, in memory of the
 * place. CHT_E_NOMEM. */
int slot_settle_texts(struct slot *slot, struct cht_err *err) CHT_CHECKED;
/* A view: texts are the conf_cell's. */
struct placed placed_of(const struct conf_cell *cell);
/* What its cell needs once somebody connected to it: zeroed. */
struct slot_met *slot_met(const struct line *line, uint32_t i);
/* Of a place whose cell is made: the cell's part comes first in it. */
static inline struct slot_met *met_of(const struct slot *slot)
{
	return (struct slot_met *)(void *)slot->cell.met;
}
/* Whether it has no run yet. */
static inline bool slot_is_coming(const struct slot *slot)
{
	return slot->state == SLOT_BINDING || slot->state == SLOT_BOUND;
}
/* Whether it is there to be told of: it has a run and is not on its way out. */
static inline bool slot_is_open(const struct slot *slot)
{
	return slot->state == SLOT_OPENING || slot->state == SLOT_OPEN;
}

/* moves.c */
/* A cell comes: its socket is asked for, then its run begins. When that is durable it is told of in
 * hub_tell_opened, or before in hub_tell_failed. CHT_E_FULL: the ledger has no room. CHT_E_LIMIT:
 * no place. CHT_E_CONFIG, CHT_E_RANGE: what it is. */
int moves_register(struct line *line, const struct placed *reg,
		   const struct control_request *request, uint32_t *i,
		   struct cht_err *err) CHT_CHECKED;
/* A cell goes: when its run is sealed it is told of in hub_tell_sealed. */
void moves_retire(struct line *line, uint32_t i);
/* What can be done now for those that come and go. CHT_E_PEER as line_emit. */
int moves_go_on(struct line *line, struct cht_err *err) CHT_CHECKED;
/* Whether there will be more to do at once. */
bool moves_have_work(const struct line *line);
/* A receipt that was asked for; text "": the scribe could not give it. */
void moves_on_receipt(struct line *line, uint64_t index, struct cht_str text);
/* The opener has answered. fd is taken; why->code below 0: there is no socket, and before we are
 * ready that is the result. */
int moves_on_bound(struct line *line, uint32_t i, int fd, struct cht_err *why) CHT_CHECKED;
void moves_on_unbound(struct line *line, uint32_t i);
/* All of it, and what was stated, waiting for the disk. As line_await_durable. */
int moves_finish(struct line *line, struct cht_err *err) CHT_CHECKED;

/* opener.c */
/* Starts it and waits until it is there. CHT_E_CONFIG: what it has been told. CHT_E_PEER. */
int opener_open(struct line *line, struct cht_err *err) CHT_CHECKED;
/* It unlinks what it made, and ends; waits for that unless a signal says not to. */
void opener_close(struct line *line);
/* Reads its answers. When it is gone we are to stop; before we are ready that is CHT_E_PEER. */
int opener_hear(struct line *line, struct cht_err *err) CHT_CHECKED;
/* Asks for a cell's socket, or for its end, unless that is asked for or too much is. What cannot be
 * asked any more is as if it were answered. CHT_E_PEER, CHT_E_IO. */
/* At the start, each waits for its answer. As opener_open; CHT_E_BIND.
 * The control sockets: line->control_fd, .register_fd. */
int opener_bind_control(struct line *line, struct cht_err *err) CHT_CHECKED;
/* A cell's socket of an earlier process, whose listener we have, if its file is still the one with
 * these numbers: it is ours to unlink. */
int opener_adopt(struct line *line, uint32_t i, uint64_t dev, uint64_t ino,
		 struct cht_err *err) CHT_CHECKED;
/* When we are gone, sockets keep their names: another process goes on with them; or not. */
int opener_keep(struct line *line, bool keep, struct cht_err *err) CHT_CHECKED;
/* No more is adopted: guests come. */
int opener_settle(struct line *line, struct cht_err *err) CHT_CHECKED;
int opener_ask_bind(struct line *line, uint32_t i, struct cht_err *err) CHT_CHECKED;
int opener_ask_unlink(struct line *line, uint32_t i, struct cht_err *err) CHT_CHECKED;

/* hub.c */
/* Before we are locked down, and before anything is written: who may do what. CHT_E_CONFIG. */
int hub_prepare(struct line *line, struct cht_err *err) CHT_CHECKED;
/* Listens, when the options say where. */
int hub_open(struct line *line, struct cht_err *err) CHT_CHECKED;
void hub_close(struct line *line);
/* Serves who asked. is_ready: the loop found FD_CONTROL ready. CHT_E_PEER as line_emit. */
int hub_turn(struct line *line, bool is_ready, struct cht_err *err) CHT_CHECKED;
/* When hub_turn must be called next. */
uint64_t hub_deadline(const struct line *line);
void hub_tell_opened(struct line *line, uint32_t i, struct cht_str receipt);
/* It could not come, and will be no more. CHT_E_PEER, CHT_E_STATE, CHT_E_IO: it concerns all. */
void hub_tell_failed(struct line *line, uint32_t i, const struct cht_err *why);
void hub_tell_sealed(struct line *line, uint32_t i, struct cht_str receipt);
void hub_tell_stated(struct line *line, control_ticket ticket, const struct stated *stated);

/* agents.c */
/* What the frame's agent has numbered, into the run table: after the frame is stamped, before its
 * event is emitted. */
void agents_note(struct line *line, const struct slot *slot, const struct cht_declaration *d);
/* What the run table has of a cell's run: what its agents told an earlier process. */
void agents_take_over(struct line *line, struct slot *slot);

/* cells.c */
/* What a cell's channel is called, NUL-terminated: its socket's path, or "vsock:" and its CID.
 * CHT_E_RANGE when it does not fit. */
int cells_channel(const struct placed *c, char *out, size_t cap) CHT_CHECKED;
/* Says what of a place will not work as its operator may expect. */
void cells_prepare(const struct line *line, uint32_t i);
/* Hears a bound socket from now on. */
int cells_listen(struct line *line, uint32_t i, struct cht_err *err) CHT_CHECKED;
/* Closes a listener, whose name is gone; or every one. */
void cells_close_listener(struct line *line, struct slot *slot);
void cells_close_listeners(struct line *line);
/* Those that are kept stay for the next process, with their names; the others go. */
void cells_leave_listeners(struct line *line);
/* Both its budgets, by its limits, are full. */
void cells_fill_budgets(const struct line *line, struct slot *slot);
/* Takes who waits, at most ACCEPTS_PER_TURN; true when there may be more. */
bool cells_on_accept(struct line *line, uint32_t i);
/* What channel_accept gave of a connection to cell i, and its result: lets it stay, or not. */
void cells_take(struct line *line, uint32_t i, int result, int fd, const struct channel_peer *peer);
/* A listener whose accept failed is not heard for a while, and who asks for it is told why. */
void cells_rest(struct line *line, int fd, enum fd_kind kind, const char *who, const char *why);
/* Hears the listeners again that rested long enough after a failed accept. */
void cells_listen_again(struct line *line);
/* Emits what a cell has to say at line->now. CHT_E_PEER as line_emit. */
int cells_emit_due(struct line *line, struct slot *slot, struct cht_err *err) CHT_CHECKED;
/* Takes a cell's next time into the heap when it comes earlier; what was moved later is found
 * out when the old time comes. */
void cells_hurry(struct line *line, uint32_t i);
/* After a connection's turn, or its end: run table, frame budget, blocks that came free. */
void cells_after_turn(struct line *line, uint32_t i, uint64_t n_frames);
/* Everything that is due at line->now: host events of cells, budgets, stalls. */
int cells_on_time(struct line *line, struct cht_err *err) CHT_CHECKED;
/* Puts into the run table what must survive us of a cell's frames. */
void cells_note_left(struct line *line, const struct slot *slot);
/* There is room again: every cell's next time counts again. */
void cells_note_room(struct line *line);
/* The same without the cell's own pauses: by it a frame stalls. */
uint64_t cells_reading_ns(const struct line *line, const struct slot *slot);
/* What is counted and not yet told, of all cells. */
int cells_flush(struct line *line, struct cht_err *err) CHT_CHECKED;
/* The same of one cell. */
int cells_flush_one(struct line *line, struct slot *slot, struct cht_err *err) CHT_CHECKED;
/* When cells_on_time must be called next. */
uint64_t cells_deadline(const struct line *line);
/* The cells are not being read since that time, or are again: their silence clocks stand still
 * meanwhile. */
void cells_note_paused(struct line *line, bool paused, uint64_t since_ns);

/* witness.c */
/* An orchestrator states something of a cell that is open (cell_note_told). */
void witness_told(struct line *line, uint32_t i, enum cell_told what);
/* Of a run that an earlier process began: what was said to that one. A cell that was restored and
 * not heard yet is expected now. */
void witness_take_over(struct line *line, struct slot *slot, const struct frames_left *left);
/* Watches the process that connected fd, or the one with this number, as the VMM of a cell that has
 * none yet; as long as there are descriptors for it. A process that is not there is not watched. */
void witness_meet(struct line *line, uint32_t i, int fd);
void witness_watch(struct line *line, uint32_t i, uint32_t pid);
/* The loop found FD_VMM ready, of the tenant gen. */
void witness_on_end(struct line *line, uint32_t i, uint32_t gen);
/* Makes room for a connection where descriptors are few: one VMM is no longer watched. False: there
 * is none. */
bool witness_give_up(struct line *line);
/* Its descriptor goes. */
void witness_drop(struct line *line, struct slot *slot);
/* We slept from before_ns, and were to be awake at due_ns (cell_note_late). */
void witness_late(struct line *line, uint64_t due_ns, uint64_t before_ns);

#endif
