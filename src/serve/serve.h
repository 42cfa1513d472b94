/* SPDX-License-Identifier: Apache-2.0
 *
 * serve.h - a ledger over HTTP, to be read and nothing else: its checkpoint, its C2SP tlog-tiles
 * paths and its events (cht-serve(1)). Everything given out was held against the newest checkpoint
 * first; who signed that is for the reader to ask. Holds no key, writes no file but its socket,
 * asks nobody who he is: it listens on a Unix socket or on this machine's own addresses alone.
 *
 * A process of its own with one thread (ADR 0018): serve_run blocks signals and returns at SIGTERM
 * or SIGINT.
 */
#ifndef SERVE_SERVE_H
#define SERVE_SERVE_H

#include <cht/err.h>

struct serve_options {
	const char *dir;    /* STATE or STATE/ledger */
	const char *socket; /* path of a Unix socket, mode 0660; or */
	const char *listen; /* "127.0.0.1:PORT", "[::1]:PORT"; port 0: any free one */
	bool replace;       /* remove a socket that nobody serves */
	int ready_fd;       /* a newline is written to it when requests are taken; -1: none */
};

/* Serves until a signal ends it, and says by diag where, and what does not hold of the ledger
 * meanwhile. 0: ended by a signal. CHT_E_CONFIG: no ledger there, or an address that is not
 * allowed. CHT_E_BIND: the socket. CHT_E_STATE: the ledger is damaged, or was replaced by another
 * one. CHT_E_IO, CHT_E_NOMEM. */
int serve_run(const struct serve_options *options, struct cht_err *err) CHT_CHECKED;

#endif
