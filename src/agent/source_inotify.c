/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/source_inotify.h"

#include <errno.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "base/fd.h"
#include "base/limits.h"

/* What the published agent watches for. */
enum { MASK = IN_MODIFY | IN_CREATE | IN_DELETE | IN_ATTRIB };
#define RETRY_NS NS_PER_S

static const char mechanism[] = "inotify";

static void state_coverage(struct files *f, int error)
{
	char why[COVERAGE_TEXT_MAX] = "";
	enum coverage_state state = COVERAGE_ACTIVE;

	if (f->overflowed) {
		state = COVERAGE_DEGRADED;
		(void)snprintf(why, sizeof(why), "the kernel's queue overflowed");
	} else if (f->n_missing > 0) {
		state = f->n_missing < f->n ? COVERAGE_DEGRADED : COVERAGE_ABSENT;
		(void)snprintf(why, sizeof(why), "%u of %u paths cannot be watched: %s",
			       f->n_missing, f->n, diag_errno(error));
	}
	report_coverage(f->report, SEES_FILES, state, mechanism, why);
}

/* Tries what is not watched. Says so when that number changes. */
static void watch_missing(struct files *f, uint64_t now_ns)
{
	unsigned was = f->n_missing;
	int error = 0;

	f->n_missing = 0;
	for (unsigned i = 0; i < f->n; i++) {
		if (f->watch[i] < 0)
			f->watch[i] = inotify_add_watch(f->fd, f->path[i], MASK);
		if (f->watch[i] >= 0)
			continue;
		error = errno;
		f->n_missing++;
	}
	f->retry_at_ns = f->n_missing > 0 ? now_ns + RETRY_NS : UINT64_MAX;
	if (f->n_missing != was)
		state_coverage(f, error);
}

void files_open(struct files *f, const char *const *paths, unsigned n, struct report *report)
{
	*f = (struct files){ .fd = -1, .n = n, .retry_at_ns = UINT64_MAX, .report = report };
	if (n == 0) {
		report_coverage(report, SEES_FILES, COVERAGE_ABSENT, "", "no path was declared");
		return;
	}
	f->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (f->fd < 0) {
		report_coverage(report, SEES_FILES, COVERAGE_ABSENT, mechanism, diag_errno(errno));
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		f->path[i] = paths[i];
		f->watch[i] = -1;
	}
	f->n_missing = n + 1; /* no number that a count can have: the first is always said */
	watch_missing(f, 0);
}

static int index_of(const struct files *f, int watch)
{
	for (unsigned i = 0; i < f->n; i++)
		if (f->watch[i] == watch)
			return (int)i;
	return -1;
}

static void tell(struct files *f, unsigned i, struct cht_str name, uint32_t mask, uint64_t now_ns)
{
	uint8_t mem[PATH_BYTES_MAX];
	struct buf path = buf_init(mem, sizeof(mem));
	struct cht_str dir = str_of(f->path[i]);

	buf_put_str(&path, dir);
	if (name.len > 0 && dir.len > 0 && dir.ptr[dir.len - 1] != '/')
		buf_put_byte(&path, '/');
	buf_put_str(&path, name);
	report_file(f->report, buf_bytes(&path), mask, now_ns);
}

static void on_event(struct files *f, const struct inotify_event *e, struct cht_str name,
		     uint64_t now_ns)
{
	int i = index_of(f, e->wd);

	if ((e->mask & IN_Q_OVERFLOW) != 0) {
		report_lost(f->report, 1); /* how many more, the kernel does not say */
		f->overflowed = true;
		state_coverage(f, 0);
		return;
	}
	if (i < 0)
		return;
	if ((e->mask & MASK) != 0)
		tell(f, (unsigned)i, name, e->mask, now_ns);
	if ((e->mask & IN_IGNORED) != 0) {
		/* Gone, or replaced by another file: that one is then watched at once. */
		f->watch[i] = -1;
		watch_missing(f, now_ns);
	}
}

void files_on_ready(struct files *f, uint64_t now_ns)
{
	_Alignas(struct inotify_event) char bytes[8192];
	ssize_t n = read(f->fd, bytes, sizeof(bytes));

	for (ssize_t at = 0; n - at >= (ssize_t)sizeof(struct inotify_event);) {
		struct inotify_event e;
		struct cht_str name;

		memcpy(&e, bytes + at, sizeof(e));
		at += (ssize_t)sizeof(e);
		name = (struct cht_str){ bytes + at, strnlen(bytes + at, e.len) };
		at += e.len;
		on_event(f, &e, name, now_ns);
	}
}

void files_turn(struct files *f, uint64_t now_ns)
{
	if (f->fd >= 0 && now_ns >= f->retry_at_ns)
		watch_missing(f, now_ns);
}

void files_close(struct files *f)
{
	fd_close(&f->fd);
}
