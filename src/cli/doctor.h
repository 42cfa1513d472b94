/* SPDX-License-Identifier: Apache-2.0
 *
 * doctor.h - whether this host is fit for chtd: one table of checks, each of which looks, judges
 * and says what it found. Nothing is changed; a file without a name is made where writing is
 * measured.
 *
 * doctor.c         the table, and what several checks say
 * doctor_kernel.c  what the kernel offers and how it is set
 * doctor_files.c   configuration, directories, keys, sockets
 * doctor_run.c     what runs: control socket, users, descriptors
 * doctor_judge.c   from numbers to verdicts: pure
 */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include <sys/stat.h>
#include <sys/types.h>

#include "base/buf.h"
#include "conf/conf.h"

enum doctor_verdict { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

/* A process of ours that runs. */
struct doctor_process {
	pid_t pid; /* 0: none was found */
	uid_t uid;
};

struct doctor {
	const char *file; /* of the configuration; null: none */
	const char *socket, *state;
	struct conf conf; /* what could be read of it */
	struct cht_err conf_err;
	int conf_status;
	struct doctor_process line, scribe, opener;
};

struct doctor_check {
	const char *name;
	/* Puts what it found into text: one line, of any bytes that a path may have. */
	enum doctor_verdict (*run)(const struct doctor *d, struct buf *text);
	const char *fix; /* said unless it is ok */
};

enum { DOCTOR_N_CHECKS = 20, DOCTOR_TEXT_MAX = 8192 };
extern const struct doctor_check doctor_checks[DOCTOR_N_CHECKS];

/* doctor.c: "WHAT: " and what errno means. */
void doctor_put_errno(struct buf *text, const char *what);
/* "PATH: mode 0750, user 0". */
void doctor_put_mode(struct buf *text, const char *path, const struct stat *st);

/* doctor_run.c: finds chtd by who listens on d->socket, or as the only one of its name, and the
 * others as its children, or as the only ones of theirs. */
void doctor_find(struct doctor *d);

#define DOCTOR_CHECK(name)                                                                         \
	enum doctor_verdict doctor_##name(const struct doctor *d, struct buf *text)
DOCTOR_CHECK(config);
DOCTOR_CHECK(programs);
DOCTOR_CHECK(state);
DOCTOR_CHECK(space);
DOCTOR_CHECK(sync);
DOCTOR_CHECK(keys);
DOCTOR_CHECK(sockets);
DOCTOR_CHECK(paths);
DOCTOR_CHECK(control);
DOCTOR_CHECK(separation);
DOCTOR_CHECK(descriptors);
DOCTOR_CHECK(clock);
DOCTOR_CHECK(landlock);
DOCTOR_CHECK(seccomp);
DOCTOR_CHECK(memfd);
DOCTOR_CHECK(openat2);
DOCTOR_CHECK(pidfd);
DOCTOR_CHECK(vsock);
DOCTOR_CHECK(backlog);
DOCTOR_CHECK(pipes);

/* doctor_judge.c */

/* Free space of the ledger's disk. */
enum doctor_verdict judge_space(uint64_t free, uint64_t all);
/* The median of what one sync takes. */
enum doctor_verdict judge_sync(uint64_t ns);
/* Mode and owner of a key file. The scribe refuses one that others may use. */
enum doctor_verdict judge_key(mode_t mode);
/* A directory that nobody else may write to. */
enum doctor_verdict judge_directory(mode_t mode);
/* Limits of open files: for the configured cells it must do, for as many as may come it should. */
enum doctor_verdict judge_descriptors(uint64_t limit, uint64_t configured, uint64_t most);
uint64_t descriptors_for(uint64_t cells);
/* Who is who: line and scribe of different users, neither of them root. Reasons into text. */
enum doctor_verdict judge_separation(const struct doctor_process *line,
				     const struct doctor_process *scribe,
				     const struct doctor_process *opener, struct buf *text);
/* The hard limit of open files in the text of /proc/PID/limits; false: it is not there. */
bool limits_read_files(struct cht_str text, uint64_t *hard);

#endif
