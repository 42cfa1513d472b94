/* SPDX-License-Identifier: Apache-2.0
 *
 * lockdown.h - what a program of ours can still do once everything is open: the calls on its list
 * (calls_*.def), the directories that it names, no privilege. In comes what it still needs; out
 * comes what the kernel could give. Nothing here is ever taken back.
 */
#ifndef LOCKDOWN_LOCKDOWN_H
#define LOCKDOWN_LOCKDOWN_H

#include <cht/err.h>

/* KILL: what is not allowed ends the process, or fails. LOG, for tests with instruments that need
 * more than the program: a call that is not on the list is made, and told to the kernel's audit;
 * nothing else is taken away. OFF: nothing is. */
enum lockdown_mode { LOCKDOWN_KILL, LOCKDOWN_LOG, LOCKDOWN_OFF };

/* LOG in a build with a sanitizer or coverage counters, else KILL. */
enum lockdown_mode lockdown_default_mode(void);
/* "kill", "log", "off"; false: another word. */
bool lockdown_read_mode(const char *text, enum lockdown_mode *out);
const char *lockdown_mode_name(enum lockdown_mode mode);

/* Whose list of calls. */
enum lockdown_program { LOCKDOWN_LINE, LOCKDOWN_SCRIBE, LOCKDOWN_OPENER };

/* Of what is below a directory, bits. */
enum lockdown_rights {
	LOCKDOWN_LIST = 1,    /* names */
	LOCKDOWN_READ = 2,    /* files; the path may be one itself */
	LOCKDOWN_STORE = 4,   /* make and open files and directories, rename and unlink files */
	LOCKDOWN_SOCKETS = 8, /* make sockets; unlink */
	LOCKDOWN_FIFOS = 16,  /* make FIFOs and read from them; unlink */
	LOCKDOWN_WRITE = 32,  /* write into files that are there */
};

struct lockdown_path {
	const char *path; /* null: dir_fd; one that is not there gives nothing */
	int dir_fd;       /* -1: none */
	unsigned rights;  /* enum lockdown_rights */
};

struct lockdown {
	enum lockdown_mode mode;
	enum lockdown_program program;
	const struct lockdown_path *paths;
	unsigned n_paths;
	uint64_t keep; /* capabilities by their bits; all others go */
};

/* What came of it. */
struct lockdown_state {
	enum lockdown_mode mode;
	int landlock; /* the kernel's version of it; 0: it has none, or it is not wanted */
};

/* First thing in main: no core, no debugger of the same user, no privileges by execve, whatever
 * the mode. CHT_E_IO. */
int lockdown_begin(struct cht_err *err) CHT_CHECKED;

/* Once all is open, and before there is a second thread or a byte of a stranger. CHT_E_IO, and
 * CHT_E_UNSUPPORTED: the kernel has no seccomp. Without Landlock it goes on: state says so. */
int lockdown_enter(const struct lockdown *asked, struct lockdown_state *state,
		   struct cht_err *err) CHT_CHECKED;

#endif
