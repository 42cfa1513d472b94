/* SPDX-License-Identifier: Apache-2.0
 *
 * handoff.h - what line and scribe say to each other beside the ring, over a SOCK_SEQPACKET
 * pair: four fixed messages, each of one size (docs/PROTOCOL.ledger, "Line and scribe").
 *
 * line -> scribe  HANDOFF_RING    once, first, with three descriptors: memfd, ready, durable
 * scribe -> line  HANDOFF_READY   once, after recovery: what is stored, what was cut
 * scribe -> line  HANDOFF_STATE   writing has paused for want of space, or goes on
 * scribe -> line  HANDOFF_FAILED  the last word: exit status and text for the operator
 * The end of the line's side means: commit the ring, then exit 0.
 */
#ifndef HANDOFF_HANDOFF_H
#define HANDOFF_HANDOFF_H

#include <cht/err.h>

enum handoff_kind { HANDOFF_RING = 1, HANDOFF_READY, HANDOFF_STATE, HANDOFF_FAILED };

enum { HANDOFF_VERSION = 1, HANDOFF_ORIGIN_MAX = 128 };

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
			uint32_t is_new;    /* 1: made just now */
			char origin[HANDOFF_ORIGIN_MAX + 1];
		} ready;
		struct {
			uint32_t paused; /* 1: waiting for space; 0: writing */
			int32_t sys;     /* errno of the failed write */
		} state;
		struct {
			int32_t exit_status;
			char text[160];
		} failed;
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
