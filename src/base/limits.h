/* SPDX-License-Identifier: Apache-2.0
 *
 * limits.h - every bound of the host side, with its reason and its configuration key.
 * Bounds of the wire format stand in <cht/wire.h>.
 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

#include <stdint.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

/* Per cell. */
enum {
	/* A VMM of our kind offers 1,023; an agent needs one, a reconnect a second. [limits]
	 * connections */
	LIMIT_CONNECTIONS = 64,
	/* A guest that loops connect and close costs an accept each time. [limits]
	 * connects_per_second */
	LIMIT_CONNECTS_PER_S = 50,
	/* Ten times what a busy build makes. [limits] frames_per_second, frames_burst */
	LIMIT_FRAMES_PER_S = 10000,
	LIMIT_FRAMES_BURST = 50000,
	/* 128 KiB: two frames of the largest size, or 32 connections in the middle of one.
	 * [limits] partial_blocks */
	LIMIT_PARTIAL_BLOCKS = 32,
	PARTIAL_BLOCK_BYTES = 4096,
	/* Bodies that do not decode in a minute on one connection before it is closed. */
	LIMIT_REFUSED_PER_MINUTE = 64,
};

/* The least and the most that may be asked for, in [limits] and of one cell over the control
 * socket. */
enum {
	/* All that such a VMM offers. */
	LIMIT_CONNECTIONS_MOST = 1023,
	/* One a microsecond: the line accepts far fewer. */
	LIMIT_CONNECTS_PER_S_MOST = 1000000,
	/* One a nanosecond, in which they are counted. */
	LIMIT_FRAMES_PER_S_MOST = 1000000000,
	LIMIT_FRAMES_BURST_MOST = 1000000000,
	/* One frame of the largest size; and 4 MiB of memory for one cell. */
	LIMIT_PARTIAL_BLOCKS_LEAST = 16,
	LIMIT_PARTIAL_BLOCKS_MOST = 1024,
	/* The body of one frame of the largest size. */
	LIMIT_LEDGER_BYTES_LEAST = 65536,
	/* Between two readings of a probe, in ms: more often is polling; and a day. */
	LIMIT_PROBE_MS_LEAST = 100,
	LIMIT_PROBE_MS_MOST = 86400000,
	/* The kernel's own. */
	LIMIT_PID_MOST = 1 << 22,
};
/* A day: later than that, nobody waits for what is told. [limits] stall, [silence], and of one cell
 * its keep-alive window. */
#define LIMIT_WINDOW_MOST_NS (86400 * NS_PER_S)

/* Ledger bytes of one run. [limits] ledger_bytes_per_run */
#define LIMIT_LEDGER_BYTES_PER_RUN (UINT64_C(1) << 30)
/* A frame must be whole this long after its first byte; what we did not read of it does not count.
 * [limits] stall */
#define LIMIT_STALL_NS (30 * NS_PER_S)
/* One event a second, cell and kind, for what a guest can provoke. */
#define LIMIT_PROVOKED_EVENT_NS NS_PER_S
/* Traffic that nobody declared goes on as long as it does: one event a minute. */
#define LIMIT_UNDECLARED_EVENT_NS (60 * NS_PER_S)
/* Over the ledger quota: one gap event a minute. */
#define LIMIT_QUOTA_EVENT_NS (60 * NS_PER_S)
/* Between two readings of a probe that is not asked for otherwise; and of one whose source calls.
 */
#define LIMIT_PROBE_NS     (10 * NS_PER_S)
#define LIMIT_PROBE_GAP_NS NS_PER_S
/* From registration to the first frame. [limits] boot_window */
#define LIMIT_BOOT_WINDOW_NS (60 * NS_PER_S)
/* So often the host says that it is there: what a clock or a host did in between has these bounds.
 */
#define LIMIT_ALIVE_NS (60 * NS_PER_S)
/* On SIGTERM, for what the kernel already holds. */
#define LIMIT_DRAIN_NS (5 * NS_PER_S)

enum {
	/* accept is prompt, but a full backlog freezes a whole VM: as many as it can open. */
	LISTEN_BACKLOG = 1024,
	/* Frames, some microseconds' work, after which the time of receipt is read anew. */
	CLOCK_FRAMES = 16,
	/* Connections taken from one listener before the next one's turn. */
	ACCEPTS_PER_TURN = 64,
	/* From the one listener of all cells by CID: a VM that floods it must not fill the backlog
	 * before the others' connections were looked at. */
	VSOCK_ACCEPTS_PER_TURN = 256,
	/* Frames of all connections before the loop looks again who connects and who asks: some
	 * milliseconds' work at most. */
	TURN_FRAMES = 1024,
	/* One receive buffer serves all connections; what it can hold is one connection's turn:
	 * some 200 of the shortest frames that decode. */
	RECEIVE_BYTES = 16384,
	/* Cells of one daemon, registered at a time. */
	CELLS_MAX = 16384,
	/* Directories below which one opener may reach. [opener] roots */
	OPENER_ROOTS_MAX = 32,
	/* A netlink socket's queue: a link's changes between two readings, some 4 KiB each. */
	NETLINK_RECEIVE_BYTES = 131072,
	/* The two sockets of control. */
	OPENER_ALSO_MAX = 2,
	/* What one opener made that bears a name: a socket and a FIFO of each cell, and chtd's own
	 * sockets. */
	OPENER_MADE_MAX = 2 * CELLS_MAX + 16,
	/* VMMs that are asked at a time, each for a second at most. */
	OPENER_API_MAX = 8,
	/* Descriptors of the line that are neither a cell's nor a connection's; and a cell's: its
	 * listener. Each has room for a connection beside. */
	LINE_FDS = 64,
	LINE_FDS_PER_CELL = 1,
	/* What the line can run ahead of the disk. */
	RING_BYTES = 2 << 20,
	/* A commit is due at whichever comes first. */
	COMMIT_ENTRIES = 4096,
	COMMIT_BYTES = 1 << 20,
	SEGMENT_ENTRIES = 65536,
	/* A new scribe waits so long for the old one's lock. */
	LOCK_WAIT_S = 10,
};
#define COMMIT_INTERVAL_NS (10 * NS_PER_MS)

#endif
