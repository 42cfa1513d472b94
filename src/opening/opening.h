/* SPDX-License-Identifier: Apache-2.0
 *
 * opening.h - what the line asks of the opener, and its answers: a few fixed messages over a
 * SOCK_SEQPACKET pair (docs/PROTOCOL.opener). Both sides have it; neither learns by it how the
 * other does anything.
 */
#ifndef OPENING_OPENING_H
#define OPENING_OPENING_H

#include <cht/err.h>

enum opening_kind {
	OPENING_READY = 1, /* an answer that was not asked for: the first */
	OPENING_BIND,
	OPENING_UNLINK,
	OPENING_ADOPT,
	OPENING_KEEP,
	OPENING_SETTLED,
	OPENING_FIFO,
	OPENING_READ,
	OPENING_CONF,
	OPENING_PIDFD,
	OPENING_OOM,
	OPENING_ROUTE,
	OPENING_NFT,
	OPENING_NFT_DUMP,
	OPENING_API,
	OPENING_N_KINDS
};

enum {
	OPENING_VERSION = 1,
	OPENING_PATH_MAX = 1023,
	/* Asked and not answered yet: so many fit a socket's buffer either way. */
	OPENING_ASKED_MAX = 16,
};

/* What a VMM may be asked. */
enum opening_api { OPENING_API_STATE, OPENING_API_CONFIG, OPENING_API_FLUSH, OPENING_N_APIS };

struct opening_request {
	uint32_t kind, version;
	uint64_t ticket; /* the line's own; comes back with the answer */
	union {
		struct {                     /* BIND */
			int64_t uid, gid;    /* owner; -1: the opener's own */
			uint32_t mode;       /* permission bits; 0: 0600 */
			uint16_t is_packets; /* 0: a stream; 1: SOCK_SEQPACKET */
			uint16_t goes;       /* 1: it goes with this line, whatever KEEP says */
		} make;
		struct { /* FIFO */
			int64_t uid, gid;
			uint32_t mode;
			uint32_t pipe_bytes; /* what it holds at least; 0: as the kernel has it */
		} fifo;
		struct { /* ADOPT */
			uint64_t dev, ino;
		} file;
		uint64_t made;  /* UNLINK: what the answer to a BIND said */
		uint64_t keep;  /* KEEP: 1, or 0 */
		uint64_t pid;   /* PIDFD; ROUTE, NFT: in whose network namespace, or 0 */
		uint64_t what;  /* API: enum opening_api */
		char family[8]; /* NFT_DUMP: "ip", "ip6", "inet", "arp", "bridge", "netdev" */
	};
	/* BIND, ADOPT, FIFO, READ, CONF, OOM, API. ROUTE, NFT: a network namespace's name, or "".
	 * NFT_DUMP: a table's. */
	char path[OPENING_PATH_MAX + 1];
};

struct opening_answer {
	uint32_t kind, version; /* of what was asked */
	uint64_t ticket;
	uint64_t made; /* BIND, ADOPT, FIFO: how it is named in an UNLINK; 0: nothing was made */
	uint64_t dev, ino; /* BIND, ADOPT, FIFO: of the file */
	uint64_t bytes;    /* FIFO: what it holds */
	int32_t code;      /* 0, or enum cht_code */
	int32_t sys;       /* errno, or 0 */
	char text[160];    /* below 0: for the operator */
};

/* Sends one. CHT_E_PEER, CHT_E_IO (also when there is no room now). fd -1: none. */
int opening_ask(int sock, const struct opening_request *request, int fd,
		struct cht_err *err) CHT_CHECKED;
int opening_reply(int sock, const struct opening_answer *answer, int fd,
		  struct cht_err *err) CHT_CHECKED;

/* Receives one of exactly the right size and version and of a kind that there is. 1: it is out.
 * 0: the other side ended. CHT_E_FULL: nothing waits (non-blocking socket). CHT_E_PEER, CHT_E_IO.
 * Texts in it are NUL-terminated. */
/* *fd: what came with it, the caller's; -1: nothing did. With a request of NFT_DUMP one does
 * (FD_LOST: this process has none left for it), with any other none. */
int opening_take_request(int sock, struct opening_request *out, int *fd,
			 struct cht_err *err) CHT_CHECKED;
/* *fd as above. A listener for which this process has no
 * descriptor left is an answer of CHT_E_LIMIT, EMFILE, that has its number all the same. */
int opening_take_answer(int sock, struct opening_answer *out, int *fd,
			struct cht_err *err) CHT_CHECKED;

#endif
