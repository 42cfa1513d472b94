/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/text.h"
#include "cli/ask.h"
#include "cli/doctor.h"

enum { PROC_PATH = 64, PROC_TEXT = 4096, ANSWER_LIMIT_S = 5 };

/* ---- who runs */

/* Reads /proc/PID/LEAF; its length, or 0. */
static size_t read_proc(pid_t pid, const char *leaf, char *out, size_t cap)
{
	char path[PROC_PATH];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, leaf);
	n = fd_read_file(AT_FDCWD, path, out, cap, NULL);
	return n > 0 ? (size_t)n : 0;
}

static bool is_named(pid_t pid, const char *name)
{
	char comm[32];
	size_t n = read_proc(pid, "comm", comm, sizeof(comm));

	return n == strlen(name) + 1 && memcmp(comm, name, n - 1) == 0;
}

/* The parent in the text of stat: after the name in parentheses and the state. */
static pid_t parent_of(pid_t pid)
{
	char text[PROC_TEXT];
	size_t n = read_proc(pid, "stat", text, sizeof(text)), len = 0;
	const char *at = n > 0 ? memrchr(text, ')', n) : NULL;
	uint64_t v;

	if (at == NULL || at + 4 >= text + n)
		return 0;
	at += 4;
	while (at + len < text + n && at[len] != ' ')
		len++;
	return read_u64((struct cht_str){ at, len }, INT32_MAX, &v) ? (pid_t)v : 0;
}

static void take(struct doctor_process *p, pid_t pid)
{
	char path[PROC_PATH];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	if (stat(path, &st) == 0)
		*p = (struct doctor_process){ .pid = pid, .uid = st.st_uid };
}

/* The only process of this name, or the only one whose parent is this one, if that is not 0. */
static void find_one(struct doctor_process *p, const char *name, pid_t parent)
{
	DIR *dir = opendir("/proc");
	const struct dirent *e;
	unsigned n = 0, n_children = 0;
	pid_t one = 0, child = 0;
	uint64_t pid;

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		if (!read_u64(str_of(e->d_name), INT32_MAX, &pid) || !is_named((pid_t)pid, name))
			continue;
		n++;
		one = (pid_t)pid;
		if (parent != 0 && parent_of((pid_t)pid) == parent) {
			n_children++;
			child = (pid_t)pid;
		}
	}
	if (dir != NULL)
		(void)closedir(dir);
	if (n_children == 1)
		take(p, child);
	else if (n == 1)
		take(p, one);
}

/* Who listens there, as the kernel has it. */
static pid_t listener_of(const char *socket)
{
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);
	int fd = ask_connect(socket, NULL);

	if (fd < 0)
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		peer.pid = 0;
	fd_close(&fd);
	return peer.pid;
}

void doctor_find(struct doctor *d)
{
	pid_t listener = d->socket != NULL ? listener_of(d->socket) : 0;

	/* cht-opener may have made it, for the chtd that started it. */
	if (listener > 0 && is_named(listener, "cht-opener"))
		listener = parent_of(listener);
	if (listener > 0 && is_named(listener, "chtd"))
		take(&d->line, listener);
	else
		find_one(&d->line, "chtd", 0);
	if (d->line.pid == 0)
		return;
	find_one(&d->scribe, "cht-scribe", d->line.pid);
	find_one(&d->opener, "cht-opener", d->line.pid);
}

DOCTOR_CHECK(separation)
{
	return judge_separation(&d->line, &d->scribe, &d->opener, text);
}

/* ---- what it may open */

DOCTOR_CHECK(descriptors)
{
	uint64_t most = d->conf.n_cells, limit = 0;
	char mem[PROC_TEXT];
	size_t n = d->line.pid != 0 ? read_proc(d->line.pid, "limits", mem, sizeof(mem)) : 0;
	bool is_its = n > 0 && limits_read_files((struct cht_str){ mem, n }, &limit);
	struct rlimit ours;

	if (!is_its && getrlimit(RLIMIT_NOFILE, &ours) == 0)
		limit = ours.rlim_max;
	if (d->socket != NULL && d->conf.cells_max > most)
		most = d->conf.cells_max;
	put_u64(text, limit);
	buf_put_str(text, is_its ? STR(" open files for chtd") : STR(" open files for this shell"));
	buf_put_lit(text, "; ");
	put_u64(text, most);
	buf_put_str(text, most == 1 ? STR(" cell takes ") : STR(" cells take "));
	put_u64(text, descriptors_for(most));
	return judge_descriptors(limit, d->conf.n_cells, most);
}

/* ---- the control socket */

static enum doctor_verdict put_answer(const struct doctor *d, struct buf *text)
{
	struct ask_reply reply;
	struct cht_err err = { 0 };
	const char *version = NULL;
	bool is_same = false;

	ask_limit(ANSWER_LIMIT_S);
	if (ask_json(d->socket, "GET", "/version", NULL, &reply, &err) == 0)
		version = json_string_value(json_object_get(reply.json, "version"));
	if (version != NULL) {
		is_same = strcmp(version, CHT_VERSION) == 0;
		buf_put_lit(text, ", chtd ");
		buf_put_str(text, str_of(version));
		buf_put_str(text, is_same ? STR(" answers")
					  : STR(" answers, and this is cht " CHT_VERSION));
	} else {
		buf_put_lit(text, "; ");
		buf_put_str(text, str_of(err.text));
	}
	ask_done(&reply);
	return is_same ? DOCTOR_OK : DOCTOR_WARN;
}

DOCTOR_CHECK(control)
{
	struct stat st;
	enum doctor_verdict answer;

	if (d->socket == NULL) {
		buf_put_lit(text, "none is configured");
		return DOCTOR_OK;
	}
	if (stat(d->socket, &st) < 0) {
		doctor_put_errno(text, d->socket);
		buf_put_lit(text, "; chtd does not run, or has no control socket there");
		return DOCTOR_WARN;
	}
	doctor_put_mode(text, d->socket, &st);
	buf_put_lit(text, ", group ");
	put_u64(text, st.st_gid);
	answer = put_answer(d, text);
	if ((st.st_mode & 02) == 0)
		return answer;
	buf_put_lit(text, "; every user of this host may connect");
	return DOCTOR_FAIL;
}
