/* SPDX-License-Identifier: Apache-2.0
 *
 * probe.h - the probes, apart from who opens things for them. A probe says what it wants opened or
 * done, one want at a time; somebody who has paths does it and gives it the descriptor, or the
 * error; then it is read. So the same probe is fed by libcht itself (give.c) and by the line, which
 * has no path and asks the opener.
 *
 *	probe_begin(p)				a reading is to be had
 *	while (probe_next_want(p, &want))	somebody does it, at once or later
 *		probe_give(p, fd, &err)
 *	probe_read(p, now, room, &reading)
 *
 * One probe has one file of its own; kinds.c is the table of them. Memory: a probe is one block,
 * from probe_new to probe_free.
 */
#ifndef PROBE_PROBE_H
#define PROBE_PROBE_H

#include <cht/probe.h>

#include "base/buf.h"

enum probe_want_kind {
	PROBE_WANT_FILE,     /* .path, a plain file, open for reading */
	PROBE_WANT_LIST,     /* .path, a directory of /proc, to be listed */
	PROBE_WANT_FIFO,     /* .path: make the FIFO if it is not there; its reading end */
	PROBE_WANT_ROUTE,    /* a NETLINK_ROUTE socket in .netns or .pid's namespace */
	PROBE_WANT_NFT,      /* a NETLINK_NETFILTER socket there */
	PROBE_WANT_NFT_DUMP, /* on that one, .fd: the dump of all rules of .family and .table is
				sent */
	PROBE_WANT_EVENTFD,  /* of a v1 cgroup's .path (memory.oom_control): armed */
	PROBE_WANT_API,      /* .path, an API socket: .request done; what came back, to be read */
	PROBE_WANT_PIDFD,    /* of .pid */
};

enum probe_api { PROBE_API_STATE, PROBE_API_CONFIG, PROBE_API_FLUSH };

struct probe_want {
	enum probe_want_kind kind;
	char path[CHT_PROBE_TEXT_MAX + 1];
	char netns[256];
	char family[8], table[256];
	uint32_t pid;
	enum probe_api request;
	int fd; /* PROBE_WANT_NFT_DUMP: the socket, which stays the probe's; else -1 */
};

/* What was done for a want. */
struct probe_given {
	int fd;         /* the probe's from now on; -1: none */
	int code;       /* 0, or enum cht_code */
	int sys;        /* errno, or 0 */
	uint32_t bytes; /* PROBE_WANT_FIFO: what it holds */
};

enum {
	/* A line of 128 KiB, and the 4,096 values that are found in it. */
	PROBE_SCRATCH_BYTES = 131072 + 98304,
	/* What a FIFO is to hold: twenty lines of metrics. */
	PROBE_FIFO_BYTES = 131072
};

/* Where a reading is written: one for all probes of a thread. */
struct probe_room {
	uint8_t inputs[CHT_PROBE_INPUTS_MAX_BYTES];
	uint8_t output[CHT_PROBE_OUTPUT_MAX_BYTES];
	char error_text[160];
	_Alignas(8) uint8_t scratch[PROBE_SCRATCH_BYTES]; /* what was read, before it is written */
};

/* What all of them begin with. */
struct probe {
	const struct probe_kind *kind;
	bool is_begun; /* a reading is under way */
};

struct probe_kind {
	enum cht_probe_kind kind;
	/* Checks and copies options; the block is the kind's own, and begins with struct probe. */
	int (*make)(struct probe **out, const struct cht_probe_options *options,
		    struct cht_err *err);
	void (*begin)(struct probe *p);
	bool (*next_want)(struct probe *p, struct probe_want *want);
	void (*give)(struct probe *p, const struct probe_given *given);
	int (*read)(struct probe *p, const struct cht_now *now, struct probe_room *room,
		    struct cht_reading *out);
	int (*fd)(const struct probe *p, short *events); /* null: none */
	void (*free)(struct probe *p);
};

/* A row each; null: this build has none. */
extern const struct probe_kind *const probe_kinds[CHT_N_PROBES];

/* Checks options and takes memory. CHT_E_RANGE, CHT_E_UNSUPPORTED, CHT_E_NOMEM. */
int probe_new(struct probe **out, const struct cht_probe_options *options,
	      struct cht_err *err) CHT_CHECKED;
/* A reading is to be had: what it needs is asked for next. */
void probe_begin(struct probe *p);
/* What it wants next; false: it can be read. The same want until it is given. */
bool probe_next_want(struct probe *p, struct probe_want *want);
/* It was done, or could not be: then fd is -1 and code says why. */
void probe_give(struct probe *p, const struct probe_given *given);
/* As cht_probe_read; without what could not be given. Views in *out are of *room and of *p. */
int probe_read(struct probe *p, const struct cht_now *now, struct probe_room *room,
	       struct cht_reading *out) CHT_CHECKED;
/* As cht_probe_fd. */
int probe_fd(const struct probe *p, short *events);
/* Closes and frees; null is fine. */
void probe_free(struct probe *p);

/* reading.c: what probes share in writing one. */

/* Begins *out: kind, time, and nothing else. */
void reading_init(struct cht_reading *out, enum cht_probe_kind kind, const struct cht_now *now);
/* The name of an errno or code: "not_found" for ENOENT, …; static. */
const char *reading_error_name(int code, int sys);
/* It failed: the name of an errno or code ("not_found" for ENOENT, …), and a sentence that names
 * what was looked at. The first failure of a reading stays. */
void reading_fail(struct cht_reading *out, struct probe_room *room, int code, int sys,
		  const char *what);
/* The same with a name of its own. */
void reading_fail_named(struct cht_reading *out, struct probe_room *room, const char *name,
			const char *text);

#endif
