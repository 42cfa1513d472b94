/* SPDX-License-Identifier: Apache-2.0
 *
 * listener.h - the host end of a cell's channel: a Unix socket bound before the VM boots.
 *
 * Nothing here blocks and nothing here owns a thread or a loop: every object hands out its
 * descriptor, to be polled for reading by whatever loop the caller has. An over-limit
 * connection is accepted and closed at once; a connection is never half-closed: some VMMs
 * treat that as a full close, and a listener that does not accept can freeze a VM.
 */
#ifndef CHT_LISTENER_H
#define CHT_LISTENER_H

#include <cht/err.h>
#include <cht/stamp.h>
#include <cht/wire.h>

CHT_BEGIN_DECLS

struct cht_listener;   /* opaque */
struct cht_connection; /* opaque */

struct cht_listener_options {
	const char *base;         /* the VMM's vsock uds_path: binds <base>_9001 */
	const char *path;         /* or this path exactly; one of the two */
	uint32_t mode;            /* permission bits from birth; 0 = 0600 */
	int64_t uid, gid;         /* owner from birth; -1 = ours */
	int64_t expected_uid;     /* SO_PEERCRED uid that may connect; -1 = any */
	unsigned max_connections; /* 0 = 64 */
	bool replace;             /* remove a stale socket that nobody listens on */
};

/* Everything absent: any field may then be set. */
#define CHT_LISTENER_OPTIONS_INIT                                                                  \
	{                                                                                          \
		.uid = -1, .gid = -1, .expected_uid = -1                                           \
	}

/* Writes "<base>_9001" and a NUL to out. Returns its length, or CHT_E_RANGE if it does not fit
 * in cap. */
CHT_API int cht_socket_path(const char *base, char *out, size_t cap) CHT_CHECKED;

/* True when <base>_9001 cannot be connected to by a VMM that uses this base as it stands: more
 * than 102 bytes (sockaddr_un has 108, the suffix and a NUL take 6). Binding still works. */
CHT_API bool cht_base_is_too_long(const char *base);

/* Binds and listens (backlog 1,024) before returning, so that whoever connects after is
 * answered. Paths longer than a sockaddr are bound relative to their directory. CHT_E_BIND says
 * what and how to mend it: a socket that somebody serves is never removed; a stale one only
 * with .replace. CHT_E_NOMEM, CHT_E_IO. */
CHT_API int cht_listener_bind(struct cht_listener **out, const struct cht_listener_options *options,
			      struct cht_err *err) CHT_CHECKED;

/* Closes, unlinks the socket if it is still the one that was made, frees; null is fine. Free its
 * connections first. */
CHT_API void cht_listener_free(struct cht_listener *listener);

/* Borrowed; poll it for reading. */
CHT_API int cht_listener_fd(const struct cht_listener *listener);

/* Takes one waiting connection. 1: *out is it, free it before the listener. 0: none is waiting.
 * CHT_E_LIMIT: one was accepted and closed because of the limit, or out of descriptors.
 * CHT_E_PEER: one was closed because of its uid. After either, call again. CHT_E_IO,
 * CHT_E_NOMEM. */
CHT_API int cht_accept(struct cht_listener *listener, struct cht_connection **out,
		       struct cht_err *err) CHT_CHECKED;

/* The descriptor to poll for reading; the connection keeps it. */
CHT_API int cht_connection_fd(const struct cht_connection *connection);

/* CLOCK_MONOTONIC at which a frame now in its middle has stalled; UINT64_MAX between frames. Call
 * a receive function then, even though nothing can be read. */
CHT_API uint64_t cht_connection_deadline(const struct cht_connection *connection);

/* Closes and frees; null is fine. */
CHT_API void cht_connection_free(struct cht_connection *connection);

enum cht_received {
	CHT_RECEIVED_NOTHING = 0, /* would block: poll */
	CHT_RECEIVED_FRAME = 1,   /* a declaration */
	CHT_RECEIVED_REFUSED = 2, /* a body that does not decode; framing is sound, go on */
	CHT_RECEIVED_EOF = 3      /* closed at a frame boundary; free the connection */
};

/* Reads at most one frame; call again until CHT_RECEIVED_NOTHING, because one read may have taken
 * several. Returns an enum cht_received, or: CHT_E_WIRE, a length of 0 or above
 * CHT_FRAME_MAX_BYTES, an end inside a frame, or 30 s in the middle of one (the text in err says
 * which): the channel cannot be trusted further, free the connection; CHT_E_IO.
 * *out borrows from the connection until the next call on it; *why is set on
 * CHT_RECEIVED_REFUSED. now_ns is CLOCK_MONOTONIC. */
CHT_API int cht_recv_declaration(struct cht_connection *connection, uint64_t now_ns,
				 struct cht_declaration *out, struct cht_wire_fault *why,
				 struct cht_err *err) CHT_CHECKED;

/* The same, stamped by cell: on CHT_RECEIVED_FRAME *out is valid until the next call on the
 * connection or the cell. On CHT_RECEIVED_REFUSED *err says why: CHT_E_WIRE, or CHT_E_VERSION with
 * the version in .value. The cell also counts what was refused, and that the connection was opened
 * and ended (cht_cell_next); give one connection to one cell. */
CHT_API int cht_recv_stamped(struct cht_connection *connection, struct cht_cell *cell,
			     const struct cht_now *now, const struct cht_stamped **out,
			     struct cht_err *err) CHT_CHECKED;

CHT_END_DECLS

#endif
