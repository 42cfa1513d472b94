/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/user.h"
#include "handoff/handoff.h"
#include "scribe/scribe.h"

/* A name that says little is better than a ledger that is not made. */
static void host_name(char out[LEDGER_NAME_MAX + 1])
{
	char host[256] = { 0 };
	size_t n = 0;

	if (gethostname(host, sizeof(host) - 1) < 0 || host[0] == '\0')
		memcpy(host, "host", sizeof("host"));
	for (const char *p = host; *p != '\0' && n < LEDGER_NAME_MAX; p++, n++) {
		out[n] = *p;
		if (*p >= 'A' && *p <= 'Z')
			out[n] = (char)(*p | 0x20);
		else if (!((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '.'))
			out[n] = '-';
	}
	out[n] = '\0';
}

/* What the new log is begun with. The predecessor's note is checked by nobody here: it is quoted.
 */
static int read_terms(struct ledger_terms *out, const struct scribe_options *options,
		      struct cht_err *err)
{
	struct ledger_terms terms = { .retain_age_s = options->retain_age_s,
				      .retain_bytes = options->retain_bytes };
	const char *reason = options->reason != NULL ? options->reason : "init";
	ssize_t n;

	if (strlen(reason) > LEDGER_REASON_MAX)
		return cht_fail(err, CHT_E_CONFIG, 0, "--reason is too long");
	memcpy(terms.reason, reason, strlen(reason));
	if (options->predecessor != NULL) {
		n = fd_read_file(AT_FDCWD, options->predecessor, terms.predecessor, LEDGER_NOTE_MAX,
				 err);
		if (n < 0)
			return (int)n;
	}
	*out = terms;
	return 0;
}

static int init(struct scribe *scribe, const struct scribe_options *options, struct cht_err *err)
{
	uint8_t public_key[SIGN_LOG_PUBLIC_BYTES];
	struct ledger_terms terms;
	char host[LEDGER_NAME_MAX + 1];
	int r = read_terms(&terms, options, err);

	if (r < 0)
		return r;
	host_name(host);
	sign_log_key_public(scribe->log_key, public_key);
	r = ledger_init(options->state, options->name != NULL ? options->name : host, &terms,
			public_key, err);
	/* A successor is made before its predecessor can end, and its terms are known after. */
	if (r == 0 && options->reason != NULL)
		r = ledger_set_terms(options->state, &terms, err);
	return r;
}

static int open_ledger(struct scribe *scribe, const struct scribe_options *options,
		       struct ledger_recovery *found, struct cht_err *err)
{
	uint8_t public_key[SIGN_LOG_PUBLIC_BYTES];
	const struct ledger_trust trust = { public_key, checkpoint_is_ours, scribe };
	int r;

	sign_log_key_public(scribe->log_key, public_key);
	r = ledger_open(&scribe->ledger, options->state, &trust, found, err);
	if (r == 0)
		flush_open(&scribe->ledger.flush);
	return r;
}

/* What recovery kept is covered before anybody hears of it; a lost `checkpoint` is put back. */
static int publish_first(struct scribe *scribe, struct cht_err *err)
{
	struct ledger *ledger = &scribe->ledger;
	char note[LEDGER_NOTE_MAX + 1];
	int r = 0;

	if (ledger_is_unpublished(ledger)) {
		r = checkpoint_compose(scribe, note, err);
		if (r == 0)
			r = ledger_publish(ledger, str_of(note), err);
	}
	if (r == 0)
		ledger_keep_note(ledger);
	return r;
}

/* 1: the ring is here. 0: the line ended without a word. */
static int receive_ring(struct scribe *scribe, struct cht_err *err)
{
	struct pollfd p = { .fd = scribe->line_fd, .events = POLLIN };
	struct handoff_msg msg;
	int fds[3], r;

	do {
		(void)poll(&p, 1, -1);
		r = handoff_recv(scribe->line_fd, &msg, fds, 3, err);
	} while (r == CHT_E_FULL);
	if (r <= 0)
		return r;
	r = ring_attach(&scribe->ring, fds[0], fds[1], fds[2], err);
	if (r < 0)
		return r;
	if (msg.kind != HANDOFF_RING)
		return cht_fail(err, CHT_E_PEER, 0, "the line's first word was not its ring");
	return 1;
}

static int tell_ready(struct scribe *scribe, const struct ledger_recovery *found,
		      struct cht_err *err)
{
	const struct ledger *ledger = &scribe->ledger;
	const struct ledger_terms *terms = &ledger->state.terms;
	struct handoff_msg msg = { .kind = HANDOFF_READY,
				   .ready = { .next_index = found->kept,
					      .recovered_from = found->covered,
					      .cut_bytes = found->cut_bytes,
					      .was_clean = found->was_clean,
					      .is_new = found->is_new,
					      .min_index = ledger->state.min_index,
					      .retain_age_s = terms->retain_age_s,
					      .retain_bytes = terms->retain_bytes } };
	int r;

	_Static_assert(sizeof(msg.ready.origin) == sizeof(ledger->origin), "one origin");
	_Static_assert(sizeof(msg.ready.vkey) == sizeof(ledger->vkey), "one key");
	_Static_assert(sizeof(msg.ready.reason) == sizeof(terms->reason), "one reason");
	_Static_assert(sizeof(msg.ready.predecessor) == sizeof(terms->predecessor), "one note");
	memcpy(msg.ready.origin, ledger->origin, sizeof(msg.ready.origin));
	memcpy(msg.ready.vkey, ledger->vkey, sizeof(msg.ready.vkey));
	memcpy(msg.ready.reason, terms->reason, sizeof(msg.ready.reason));
	memcpy(msg.ready.predecessor, terms->predecessor, sizeof(msg.ready.predecessor));
	r = handoff_send(scribe->line_fd, &msg, NULL, 0, err);
	/* A line that is gone by now may have left entries all the same. */
	return r == CHT_E_PEER ? 0 : r;
}

static int own(int fd, struct cht_err *err)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return cht_fail(err, CHT_E_CONFIG, 0, "--line-fd %d is not open", fd);
	return 0;
}

/* The files that are known by now, and those that will be: below the two directories. */
static int lock_down(const struct scribe_options *options, struct cht_err *err)
{
	char ledger[PATH_MAX], own[PATH_MAX];
	const struct lockdown_path paths[] = {
		{ .path = options->state, .rights = LOCKDOWN_LIST },
		{ .path = ledger, .rights = LOCKDOWN_STORE },
		{ .path = own, .rights = LOCKDOWN_STORE },
		{ .path = "/etc/machine-id", .rights = LOCKDOWN_READ },
	};
	const struct lockdown asked = { .mode = options->lockdown,
					.program = LOCKDOWN_SCRIBE,
					.paths = paths,
					.n_paths = sizeof(paths) / sizeof(paths[0]) };
	struct lockdown_state state;
	int n = snprintf(ledger, sizeof(ledger), "%s/ledger", options->state);
	int m = snprintf(own, sizeof(own), "%s/scribe", options->state);

	if (n < 0 || n >= PATH_MAX || m < 0 || m >= PATH_MAX)
		return cht_fail(err, CHT_E_CONFIG, ENAMETOOLONG, "--state");
	return lockdown_enter(&asked, &state, err);
}

/* One line in a life: the next one's scribe is another process, with its own look at the ledger.
 * Whoever else connects is closed. */
static int accept_line(struct scribe *scribe, const struct scribe_options *options,
		       struct cht_err *err)
{
	int64_t uid;

	for (;;) {
		int r, fd = accept4(options->listen_fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0)
			return cht_fail(err, CHT_E_IO, errno, "accept the line");
		r = user_of_peer(fd, &uid, err);
		if (r == 0 && uid == options->line_uid) {
			scribe->line_fd = fd;
			return 0;
		}
		fd_close(&fd);
		if (r < 0)
			return r;
		diag(DIAG_WARNING, "user %lld connected and was closed: the line is user %lld",
		     (long long)uid, (long long)options->line_uid);
	}
}

/* Keys first, so that they are out of the environment at once; but whatever fails, the line is
 * heard out, or its first message would fail in its place. */
static int prepare(struct scribe *scribe, const struct scribe_options *options, struct cht_err *err)
{
	struct cht_err other;
	int heard, r = keys_load(&scribe->signer, options, err);

	if (r == 0)
		r = options->init ? log_key_make(&scribe->log_key, options, scribe->signer, err)
				  : log_key_load(&scribe->log_key, options, scribe->signer, err);
	if (r == 0 && options->init)
		r = init(scribe, options, err);
	/* Before anything is heard of the line, which may have met a guest in a life before. */
	if (r == 0)
		r = lock_down(options, err);
	if (options->line_fd < 0 && options->listen_fd < 0)
		return r < 0 ? r : 1;
	scribe->line_fd = options->line_fd;
	notify_manager(&scribe->notify, "READY=1\nSTATUS=Waiting for chtd");
	heard = scribe->line_fd >= 0 ? 0 : accept_line(scribe, options, &other);
	if (heard == 0)
		heard = own(scribe->line_fd, &other);
	if (heard == 0)
		heard = receive_ring(scribe, &other);
	if (r == 0 && heard < 0 && err != NULL)
		*err = other;
	return r < 0 ? r : heard < 0 ? heard : heard == 0;
}

int scribe_open(struct scribe *scribe, const struct scribe_options *options, struct cht_err *err)
{
	struct ledger_recovery found;
	int r = prepare(scribe, options, err);

	scribe->pause_on_full = options->pause_on_full;
	scribe->state = options->state;
	if (r == 0)
		r = batch_init(&scribe->batch, scribe->signer != NULL, err);
	if (r == 0)
		r = open_ledger(scribe, options, &found, err);
	if (r == 0)
		r = publish_first(scribe, err);
	if (r == 0)
		r = tell_ready(scribe, &found, err);
	return r;
}

void scribe_close(struct scribe *scribe)
{
	cht_signer_free(scribe->signer);
	scribe->signer = NULL;
	sign_log_key_free(scribe->log_key);
	scribe->log_key = NULL;
	batch_fini(&scribe->batch);
	if (scribe->has_view)
		ledger_view_close(&scribe->view);
	scribe->has_view = false;
	ring_close(&scribe->ring);
	ledger_close(&scribe->ledger);
}
