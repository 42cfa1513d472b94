/* SPDX-License-Identifier: Apache-2.0
 *
 * handoff.h - what line and scribe say to each other beside the ring, over a SOCK_SEQPACKET
 * pair: a few fixed messages, each of one size (docs/PROTOCOL.ledger, "Line and scribe").
 *
 * line -> scribe  HANDOFF_RING    once, first, with three descriptors: memfd, ready, durable
 * scribe -> line  HANDOFF_READY   once, after recovery: what is stored, what was cut, whose log
 * scribe -> line  HANDOFF_STATE   writing has paused for want of space, or goes on
 * scribe -> line  HANDOFF_FAILED  the last word: exit status and text for the operator
 * scribe -> line  HANDOFF_PRUNE   by the retention policy, segments below an index may go
 * line -> scribe  HANDOFF_PRUNED  so many may, and the event that says so is durable
 * line -> scribe  HANDOFF_CLOSE   an event to come is the log's last: it has a successor
 * line -> scribe  HANDOFF_RECEIPT a receipt of a durable entry is asked for
 * scribe -> line  HANDOFF_RECEIPT that receipt
 *
 * The end of the line's side means: commit the ring, then exit 0.
 */
#ifndef HANDOFF_HANDOFF_H
#define HANDOFF_HANDOFF_H

#include <cht/err.h>

enum handoff_kind {
	HANDOFF_RING = 1,
	HANDOFF_READY,
	HANDOFF_STATE,
	HANDOFF_FAILED,
	HANDOFF_PRUNE,
	HANDOFF_PRUNED,
	HANDOFF_CLOSE,
	HANDOFF_RECEIPT,
};

enum {
	HANDOFF_VERSION = 1,
	HANDOFF_ORIGIN_MAX = 128,
	HANDOFF_VKEY_MAX = 255,
	HANDOFF_NOTE_MAX = 512,
	HANDOFF_REASON_MAX = 16,
	HANDOFF_RECEIPT_MAX = 4095,
	/* Asked for and not answered yet; more would not fit a socket's buffer. */
	HANDOFF_RECEIPTS_MAX = 8,
};

struct handoff_msg {
	uint32_t kind;    /* enum handoff_kind */
	uint32_t version; /* HANDOFF_VERSION */
	union {
		struct {
			uint64_t next_index;     /* entries stored; the first entry of the ring gets
						    this index */
			uint64_t recovered_from; /* first index not known committed at the last stop
						  */
			uint64_t cut_bytes;      /* torn tail that was cut off */
			uint32_t was_clean; /* 1: the last scribe ended in good order, or the ledger
					       is new */
			uint32_t is_new;    /* 1: nothing is stored yet; log.opened comes first */
			uint64_t min_index; /* entries below were pruned */
			/* retention policy of the log: 0 and 0, nothing is ever removed */
			uint64_t retain_age_s, retain_bytes;
			char origin[HANDOFF_ORIGIN_MAX + 1];
			char vkey[HANDOFF_VKEY_MAX + 1]; /* C2SP verifier key */
			char reason[HANDOFF_REASON_MAX +
				    1]; /* why the log was begun: "init", ... */
			char predecessor[HANDOFF_NOTE_MAX + 1]; /* its last note, or "" */
		} ready;
		struct {
			uint32_t paused; /* 1: waiting for space; 0: writing */
			int32_t sys;     /* errno of the failed write */
		} state;
		struct {
			int32_t exit_status;
			char text[160];
		} failed;
		struct {
			uint64_t min_index; /* HANDOFF_PRUNE: proposed; HANDOFF_PRUNED: agreed, or 0
					     */
		} prune;
		struct {
			uint64_t entries; /* of the ring: with this one durable the log is closed */
		} close;
		struct {
			uint64_t index; /* of the ledger */
			char text[HANDOFF_RECEIPT_MAX +
				  1]; /* C2SP tlog-proof; "": it cannot be given */
		} receipt;
	};
};

/* Sends one message; fds only with HANDOFF_RING. CHT_E_PEER, CHT_E_IO. */
int handoff_send(int sock, const struct handoff_msg *msg, const int *fds, unsigned n_fds,
		 struct cht_err *err) CHT_CHECKED;
/* Receives one of exactly the right size and version. 1: *msg is it. 0: the other side ended.
 * CHT_E_FULL: nothing waits (non-blocking socket). CHT_E_PEER, CHT_E_IO. Texts in it are
 * NUL-terminated by this call. */
int handoff_recv(int sock, struct handoff_msg *msg, int *fds, unsigned n_fds,
		 struct cht_err *err) CHT_CHECKED;

#endif
