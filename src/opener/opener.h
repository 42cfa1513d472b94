/* SPDX-License-Identifier: Apache-2.0
 *
 * opener.h - the program that has paths and privilege, and meets no guest: requests of the line
 * in, descriptors out (docs/PROTOCOL.opener). It does what stands in the table of requests, below
 * the roots that it was started with, and nothing else: a line that was taken over asks anything.
 *
 * options.c   the command line
 * roots.c     from a path to its directory, without a way out
 * made.c      what was made and is to be unlinked
 * owner.c     doing a thing as somebody else
 * requests.c  the table; sockets
 * files.c     files, processes
 * fifo.c      FIFOs
 * api.c       questions to API sockets, which are answered in their time
 * cgroup.c    word of a v1 cgroup that is out of memory
 * nets.c      netlink sockets, in other network namespaces too
 * serve.c     one line after the other
 */
#ifndef OPENER_OPENER_H
#define OPENER_OPENER_H

#include <cht/err.h>
#include <poll.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "base/notify.h"
#include "channel/channel.h"
#include "exchange/exchange.h"
#include "lockdown/lockdown.h"
#include "opening/opening.h"

struct opener_options {
	const char *roots[OPENER_ROOTS_MAX], *reads[OPENER_ROOTS_MAX], *confs[OPENER_ROOTS_MAX];
	const char *apis[OPENER_ROOTS_MAX];
	unsigned n_roots, n_reads, n_confs, n_apis;
	const char *also[OPENER_ALSO_MAX]; /* sockets that may be anywhere */
	unsigned n_also;
	bool replace;
	bool flush;       /* VMMs may be told to write their metrics */
	int line_fd;      /* the one line; -1: those that connect to listen_fd */
	int listen_fd;    /* -1: none */
	int64_t line_uid; /* that may connect */
	enum lockdown_mode lockdown;
};

/* 0: go on. 1: help or version was printed, nothing more to do. CHT_E_PARSE: usage, said on
 * stderr. CHT_E_IO: stdout. */
int options_parse(struct opener_options *out, int argc, char **argv) CHT_CHECKED;

/* Directories below which requests may reach. */
struct roots {
	struct root {
		const char *path; /* borrowed; without a slash at its end: "" is / */
		size_t len;
		const char *only; /* of all that is below it, this name; null: everything */
		int fd;
	} list[OPENER_ROOTS_MAX + OPENER_ALSO_MAX]; /* and cgroups, of what is read */
	unsigned n;
	const char *key; /* where they are configured */
};

/* Opens them; roots->key is set. CHT_E_CONFIG: one is not absolute, or not there. On failure too:
 * roots_close. */
int roots_open(struct roots *roots, const char *const *paths, unsigned n,
	       struct cht_err *err) CHT_CHECKED;
/* The directory of one path more, for that path alone. As roots_open. */
int roots_also(struct roots *roots, const char *path, struct cht_err *err) CHT_CHECKED;
/* One more, where it is there. */
void roots_if_there(struct roots *roots, const char *path);
/* One more that is a directory, or else as roots_also. */
int roots_conf(struct roots *roots, const char *path, struct cht_err *err) CHT_CHECKED;
void roots_close(struct roots *roots);
/* The directory of an absolute path, O_PATH and close-on-exec, and the name in it (a view into
 * path). CHT_E_BIND says why there is none: not below a root, "..", a link on the way. */
int roots_find(const struct roots *roots, const char *path, const char **name,
	       struct cht_err *err) CHT_CHECKED;

/* Who we were. */
struct owner {
	uint32_t uid, gid, effective;
	bool is_other;
};

/* From here to owner_leave the file system takes us for this user and group (-1: our own group),
 * who has no capability there; uid -1: for ourselves, whatever gid is. CHT_E_BIND: we may not;
 * CHT_E_IO. On failure we are who we were. */
int owner_enter(struct owner *was, int64_t uid, int64_t gid, struct cht_err *err) CHT_CHECKED;
void owner_leave(const struct owner *was);

/* What was made for the line and bears its name. */
struct made {
	struct made_one {
		int dir_fd; /* -1: free */
		char name[sizeof(((struct channel_socket *)0)->name)];
		uint64_t dev, ino;
		int64_t uid; /* who made it, and removes it; -1: ourselves */
		int64_t gid;
		uint32_t type; /* S_IFSOCK, S_IFIFO */
		bool goes;     /* with this line, whatever it keeps */
		uint32_t gen, next;
	} list[OPENER_MADE_MAX];
	uint32_t used, free_one; /* as many were ever used; first free + 1, or 0 */
};

/* Takes what stands in one; returns its number, never 0. The table is not full. */
uint64_t made_add(struct made *made, const struct made_one *one);
bool made_is_full(const struct made *made);
/* Unlinks it. CHT_E_STATE: there is none of this number. */
int made_unlink(struct made *made, uint64_t number, struct cht_err *err) CHT_CHECKED;
/* Of all that is left; FIFOs stay. */
void made_unlink_all(struct made *made);
/* The names stay, for whoever comes next, but for those that go with this line. */
void made_leave_all(struct made *made);

/* A question that is not answered yet. */
struct asked_api {
	bool is_used;
	uint64_t ticket;
	struct exchange x;
};

struct opener {
	const struct opener_options *options;
	int signal_fd;                          /* readable: stop */
	struct roots roots, reads, confs, apis; /* for what is made; read; configuration; asked */
	struct notify notify;
	struct made *made;
	bool is_lost; /* it could not come back to its network namespace: it ends */
	/* Of the line that is served: */
	bool said_small; /* FIFOs are smaller than asked for */
	struct asked_api asked[OPENER_API_MAX];
	bool is_settled; /* it has what another had, and meets guests */
	bool keeps;      /* when it goes, the names stay */
};

/* fifo.c, files.c: each as the table has it (requests.c) */
int do_fifo(struct opener *opener, const struct opening_request *request,
	    struct opening_answer *answer, int *fd, struct cht_err *err) CHT_CHECKED;
int do_read(struct opener *opener, const struct opening_request *request,
	    struct opening_answer *answer, int *fd, struct cht_err *err) CHT_CHECKED;
int do_conf(struct opener *opener, const struct opening_request *request,
	    struct opening_answer *answer, int *fd, struct cht_err *err) CHT_CHECKED;
int do_pidfd(struct opener *opener, const struct opening_request *request,
	     struct opening_answer *answer, int *fd, struct cht_err *err) CHT_CHECKED;
/* nets.c: the same */
int do_route(struct opener *opener, const struct opening_request *request,
	     struct opening_answer *answer, int *fd, struct cht_err *err) CHT_CHECKED;
int do_nft(struct opener *opener, const struct opening_request *request,
	   struct opening_answer *answer, int *fd, struct cht_err *err) CHT_CHECKED;
int do_nft_dump(struct opener *opener, const struct opening_request *request,
		struct opening_answer *answer, int *fd, struct cht_err *err) CHT_CHECKED;

/* A plain file that has this one name, opened with flags: a second name could be of a file that its
 * maker may not open. */
int open_plain(int dir_fd, const char *name, int flags, int *fd, struct cht_err *err) CHT_CHECKED;

/* What stands under name, as a place (O_PATH), and the place opened with flags; *fd. */
int look_at_place(int dir_fd, const char *name, struct stat *st, struct cht_err *err) CHT_CHECKED;
int open_place(int place_fd, int flags, int *fd, struct cht_err *err) CHT_CHECKED;

/* api.c: OPENER_LATER: it is under way. */
enum { OPENER_LATER = 1 };
int do_api(struct opener *opener, const struct opening_request *request,
	   struct opening_answer *answer, int *fd, struct cht_err *err) CHT_CHECKED;
/* What is to be polled for those under way; returns how many, and lowers *until_ns to when the
 * first has had its time. */
unsigned api_watch(const struct opener *opener, struct pollfd fds[OPENER_API_MAX],
		   uint64_t *until_ns);
/* Goes on with all of them, and answers those that have ended. As opening_reply. */
int api_turn(struct opener *opener, int line_sock, struct cht_err *err) CHT_CHECKED;
void api_close(struct opener *opener);

/* cgroup.c */
int do_oom(struct opener *opener, const struct opening_request *request,
	   struct opening_answer *answer, int *fd, struct cht_err *err) CHT_CHECKED;

/* Whether somebody may have this id; -1: it is not said. */
static inline bool is_id(int64_t id)
{
	return id >= -1 && id < UINT32_MAX;
}
/* For what is to be made at a path: its directory, which *one has from here on, and name. As
 * roots_find; CHT_E_LIMIT: no more can be remembered. */
int made_place(struct opener *opener, const char *path, struct made_one *one,
	       struct cht_err *err) CHT_CHECKED;
/* Takes it into opener->made and tells of it. */
void made_take(struct opener *opener, const struct made_one *one, struct opening_answer *answer);

/* Does what is asked and says how it went. *fd: what came with the request, which is taken, or -1;
 * then what goes with the answer and is the caller's to close, or -1.
 * False: it is under way, and api_turn answers it. */
bool requests_do(struct opener *opener, const struct opening_request *request,
		 struct opening_answer *answer, int *fd);

/* Serves the line at the other end of options->line_fd until its end or a signal (0), or every
 * line that comes to options->listen_fd, one after the other, until a signal (0). What was made
 * for a line is unlinked when it is gone. CHT_E_PEER: it broke the protocol, or does not read.
 * CHT_E_IO. */
int serve(struct opener *opener, struct cht_err *err) CHT_CHECKED;

#endif
