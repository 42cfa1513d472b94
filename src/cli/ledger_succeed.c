/* SPDX-License-Identifier: Apache-2.0
 *
 * A succession is a row of steps, each durable before the next; what has been done is told by what
 * is there, so that one that was killed is finished by running it again:
 *
 *	STATE/next/past         the old log's digits: a succession has begun
 *	STATE/next/{ledger,scribe}   the new log, made by cht-scribe --init
 *	the old log is flagged closed, where its key works: chtd --close-for
 *	STATE/past/DIGITS/ledger     from here on nothing is made any more, only moved:
 *	STATE/past/DIGITS/scribe, then next/ledger and next/scribe to STATE
 *	it is told; then STATE/next goes, as done by one rename
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/ledger_cmd.h"
#include "sign/sign.h"

enum {
	DIGITS = 16,
	STATUS_DAMAGED = 11,
	STATUS_CONFIG = 78,
	LOCK_TRIES = 100,
	LOCK_RETRY_MS = 20,
	NOTE_MODE = 0644, /* of what the log's owner reads and root may have written */
};

struct succession {
	const struct ledger_request *q;
	int state_fd, next_fd, past_fd, log_lock_fd;
	struct ledger_child child;
	char next[LEDGER_PATH_MAX];
	char past[LEDGER_PATH_MAX]; /* STATE/past/DIGITS */
	char digits[DIGITS + 1];
	bool is_moving; /* the old log has gone to past */
	bool is_closed;
	struct ledger_state old; /* generation 0: it could not be read */
	struct ledger_state new;
	struct ledger_identity log;
};

static bool is_there(int dir_fd, const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int join(char out[LEDGER_PATH_MAX], const char *a, const char *b, struct cht_err *err)
{
	int n = snprintf(out, LEDGER_PATH_MAX, "%s/%s", a, b);

	if (n < 0 || n >= LEDGER_PATH_MAX)
		return cht_fail(err, CHT_E_RANGE, ENAMETOOLONG, "the path of %s", b);
	return 0;
}

/* Only one at a time; and as whoever owns the log, or the line could not go on with the new one. */
static int enter(struct succession *s, struct cht_err *err)
{
	const char *owned = "ledger";
	struct stat st;

	s->state_fd = fd_open_dir(AT_FDCWD, s->q->state, err);
	if (s->state_fd < 0)
		return s->state_fd;
	if (flock(s->state_fd, LOCK_EX | LOCK_NB) < 0)
		return cht_fail(err, CHT_E_STATE, errno == EWOULDBLOCK ? 0 : errno,
				"another cht ledger succeed is at work in %s", s->q->state);
	if (!is_there(s->state_fd, owned))
		owned = "next/ledger";
	if (fstatat(s->state_fd, owned, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return cht_fail(err, CHT_E_CONFIG, 0,
				"there is no log in %s; cht ledger init makes one", s->q->state);
	s->child = (struct ledger_child){ .uid = (uid_t)-1 };
	if (geteuid() == st.st_uid)
		return 0;
	if (geteuid() != 0)
		return cht_fail(err, CHT_E_CONFIG, 0,
				"%s/ledger belongs to user %u: run it as that user, or as root",
				s->q->state, st.st_uid);
	s->child.uid = st.st_uid;
	s->child.gid = st.st_gid;
	return 0;
}

/* A directory of the log's owner. */
static int make_dir(const struct succession *s, int dir_fd, const char *name, struct cht_err *err)
{
	int fd = fd_make_dir(dir_fd, name, 0750, err);

	if (fd >= 0 && s->child.uid != (uid_t)-1 && fchown(fd, s->child.uid, s->child.gid) < 0) {
		fd_close(&fd);
		return cht_fail(err, CHT_E_IO, errno, "give %s to user %u", name, s->child.uid);
	}
	return fd;
}

/* The old log's digits, for the name of its place; drawn where its origin cannot be read. */
static int choose_digits(const struct succession *s, uint8_t out[DIGITS], struct cht_err *err)
{
	char line[LEDGER_ORIGIN_MAX + 2];
	struct buf b = buf_init(out, DIGITS);
	uint8_t random[DIGITS / 2];
	ssize_t n = fd_read_file(s->state_fd, "ledger/origin", line, sizeof(line), NULL);
	size_t len = 0;
	int r;

	if (n > DIGITS + 1 && line[n - 1] == '\n' &&
	    read_hex((struct cht_str){ line + n - 1 - DIGITS, DIGITS }, random, sizeof(random),
		     &len)) {
		put_hex(&b, random, sizeof(random));
		return 0;
	}
	r = fd_random(random, sizeof(random), err);
	if (r == 0)
		put_hex(&b, random, sizeof(random));
	return r;
}

/* STATE/next and the digits in it: made, or found. */
static int begin(struct succession *s, struct cht_err *err)
{
	uint8_t digits[DIGITS], random[DIGITS / 2];
	size_t len;
	int r;

	s->next_fd = make_dir(s, s->state_fd, "next", err);
	if (s->next_fd < 0)
		return s->next_fd;
	if (!is_there(s->next_fd, "past")) {
		r = choose_digits(s, digits, err);
		if (r == 0)
			r = fd_replace_file(s->next_fd, "past", NOTE_MODE,
					    (struct cht_bytes){ digits, DIGITS }, err);
		if (r < 0)
			return r;
	}
	if (fd_read_file(s->next_fd, "past", s->digits, DIGITS, err) != DIGITS ||
	    !read_hex((struct cht_str){ s->digits, DIGITS }, random, sizeof(random), &len))
		return cht_fail(err, CHT_E_STATE, 0, "%s/past holds no 16 digits", s->next);
	s->digits[DIGITS] = '\0';
	return 0;
}

static int name_past(struct succession *s, struct cht_err *err)
{
	int n = snprintf(s->past, sizeof(s->past), "%s/past/%s", s->q->state, s->digits);
	char moved[sizeof("past//ledger") + DIGITS];

	if (n < 0 || (size_t)n >= sizeof(s->past))
		return cht_fail(err, CHT_E_RANGE, ENAMETOOLONG, "the path of past");
	(void)snprintf(moved, sizeof(moved), "past/%s/ledger", s->digits);
	s->is_moving = is_there(s->state_fd, moved);
	return 0;
}

/* Nobody writes the old log; a scribe whose line was killed may be about to end. */
static int lock_log(struct succession *s, struct cht_err *err)
{
	fd_close(&s->log_lock_fd);
	s->log_lock_fd = openat(s->state_fd, "ledger/lock", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (s->log_lock_fd < 0 && errno == ENOENT)
		return 0; /* there was never a writer, or the file is lost */
	if (s->log_lock_fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "open ledger/lock");
	for (int n = 0; flock(s->log_lock_fd, LOCK_EX | LOCK_NB) < 0; n++) {
		if (n == LOCK_TRIES)
			return cht_fail(err, CHT_E_STATE, 0, "chtd is at work in %s: stop it first",
					s->q->state);
		(void)poll(NULL, 0, LOCK_RETRY_MS);
	}
	return 0;
}

/* A key has one log in its life. */
static int check_key(const struct succession *s, const uint8_t public_key[TLOG_PUBLIC_BYTES],
		     struct cht_err *err)
{
	struct ledger_identity old;

	if (ledger_identity_read(&old, s->q->state, NULL) < 0)
		return 0;
	for (size_t i = 0; i < TLOG_PUBLIC_BYTES; i++)
		if (old.vkey.public_key[i] != public_key[i])
			return 0;
	return cht_fail(err, CHT_E_KEY, 0,
			"that is the key of the log that ends: the new one needs a key of its own");
}

static int check_key_file(const struct succession *s, struct cht_err *err)
{
	struct sign_key_info info;
	int r;

	if (s->q->key_file == NULL)
		return 0;
	r = sign_key_inspect(s->q->key_file, &info, err);
	return r < 0 ? r : check_key(s, info.public_key, err);
}

/* What the request leaves open is as it was. */
static void inherit(const struct succession *s, struct ledger_request *q, char text[3][80])
{
	const struct ledger_terms *terms = &s->old.terms;
	struct ledger_identity old;
	char *slash;

	if (q->name == NULL && ledger_identity_read(&old, q->state, NULL) == 0 &&
	    strlen(old.vkey.name) - DIGITS - 1 <= LEDGER_NAME_MAX) {
		(void)snprintf(text[0], 80, "%.79s", old.vkey.name);
		slash = strrchr(text[0], '/');
		if (slash != NULL)
			*slash = '\0';
		q->name = text[0];
	}
	if (q->retain_age == NULL && terms->retain_age_s > 0) {
		(void)snprintf(text[1], 80, "%llus", (unsigned long long)terms->retain_age_s);
		q->retain_age = text[1];
	}
	if (q->retain_bytes == NULL && terms->retain_bytes > 0) {
		(void)snprintf(text[2], 80, "%llu", (unsigned long long)terms->retain_bytes);
		q->retain_bytes = text[2];
	}
}

static int run_init(const struct succession *s, const char *predecessor, struct cht_err *err)
{
	struct ledger_request q = *s->q;
	struct ledger_child child = s->child;
	char text[3][80];

	/* Without --key-file a key is drawn: those in the environment are the old log's. */
	child.has_no_key = true;
	inherit(s, &q, text);
	if (ledger_run_init(&q, s->next, q.reason, predecessor, &child) != 0)
		return cht_fail(err, CHT_E_PEER, 0, "the new log could not be made in %s", s->next);
	return 0;
}

static int make_new(struct succession *s, struct cht_err *err)
{
	int r = ledger_exists(s->next, err);

	/* The old log's last events have a reason, too. */
	if (r > 0 && s->old.is_closed) {
		r = ledger_state_look(s->next, &s->new, err);
		if (r == 0 && strcmp(s->new.terms.reason, s->q->reason) != 0)
			r = cht_fail(err, CHT_E_STATE, 0,
				     "the log has ended with --reason %s: finish it so",
				     s->new.terms.reason);
	}
	if (r >= 0)
		r = check_key_file(s, err);
	if (r == 0)
		r = run_init(s, NULL, err);
	if (r == 0)
		r = ledger_identity_read(&s->log, s->next, err);
	return r == 0 ? check_key(s, s->log.vkey.public_key, err) : r;
}

/* Its last events name the successor. Of a compromised key it is not known that it is at hand. */
static int close_old(struct succession *s, struct cht_err *err)
{
	const char *argv[10] = { "chtd",      "--state",        s->q->state, "--close-for",
				 s->log.text, "--close-reason", s->q->reason };
	bool must = strcmp(s->q->reason, "rotation") == 0 || strcmp(s->q->reason, "format") == 0;
	int status;

	s->is_closed = s->old.is_closed;
	if (s->is_closed || (!must && strcmp(s->q->reason, "compromise") != 0))
		return 0;
	if (s->q->config != NULL) {
		argv[7] = "--config";
		argv[8] = s->q->config;
	}
	status = ledger_run(argv, &s->child);
	if (status == 0) {
		s->is_closed = true;
		return ledger_state_look(s->q->state, &s->old, err);
	}
	if (!must && (status == STATUS_CONFIG || status == STATUS_DAMAGED)) {
		diag(DIAG_WARNING, "the old log gets no last events: its key is not at hand, or it "
				   "is damaged");
		return 0;
	}
	return cht_fail(err, CHT_E_PEER, 0,
			"chtd could not end the old log (status %d): run this again, or with "
			"--reason damage or lost-state where it can never be opened",
			status);
}

static bool is_checkpoint(struct cht_str text, uint64_t *size)
{
	struct tlog_checkpoint checkpoint;
	struct tlog_note note;

	if (text.len > LEDGER_NOTE_MAX || tlog_note_read(text, &note, NULL) < 0 ||
	    tlog_checkpoint_read(note.text, &checkpoint, NULL) < 0)
		return false;
	*size = checkpoint.size;
	return true;
}

/* The old log's newest note, as the file has it or, when that is older, as the scribe's state. */
static int hand_over_note(struct succession *s, struct cht_err *err)
{
	char mem[LEDGER_NOTE_MAX], path[LEDGER_PATH_MAX];
	struct cht_str in_file = { mem, 0 }, in_state = str_of(s->old.note), newest;
	uint64_t file_size = 0, state_size = 0;
	ssize_t n = fd_read_file(s->state_fd, "ledger/checkpoint", mem, sizeof(mem), NULL);
	bool has_file, has_state = is_checkpoint(in_state, &state_size);
	int r;

	in_file.len = n > 0 ? (size_t)n : 0;
	has_file = is_checkpoint(in_file, &file_size);
	if (!has_file && !has_state)
		return 0;
	newest = has_file && (!has_state || file_size >= state_size) ? in_file : in_state;
	r = fd_replace_file(s->next_fd, "predecessor", NOTE_MODE,
			    (struct cht_bytes){ (const uint8_t *)newest.ptr, newest.len }, err);
	if (r == 0)
		r = join(path, s->next, "predecessor", err);
	return r == 0 ? run_init(s, path, err) : r;
}

static int prepare(struct succession *s, struct cht_err *err)
{
	int r = lock_log(s, err);

	if (r == 0 && ledger_state_look(s->q->state, &s->old, NULL) < 0)
		s->old = (struct ledger_state){ 0 };
	if (r == 0)
		r = make_new(s, err);
	fd_close(&s->log_lock_fd); /* chtd's scribe takes it */
	if (r == 0)
		r = close_old(s, err);
	if (r == 0)
		r = lock_log(s, err);
	return r == 0 ? hand_over_note(s, err) : r;
}

/* Never onto what is there. */
static int move(int from_fd, const char *name, int to_fd, struct cht_err *err)
{
	if (renameat2(from_fd, name, to_fd, name, RENAME_NOREPLACE) < 0)
		return cht_fail(err, CHT_E_IO, errno, "move %s", name);
	if (fsync(to_fd) < 0 || fsync(from_fd) < 0)
		return cht_fail(err, CHT_E_IO, errno, "sync the move of %s", name);
	return 0;
}

static int open_past(struct succession *s, struct cht_err *err)
{
	int top_fd = make_dir(s, s->state_fd, "past", err);

	if (top_fd < 0)
		return top_fd;
	s->past_fd = make_dir(s, top_fd, s->digits, err);
	fd_close(&top_fd);
	return s->past_fd < 0 ? s->past_fd : 0;
}

static int change_places(struct succession *s, struct cht_err *err)
{
	int r = open_past(s, err);

	/* As long as the new log waits, what stands in STATE is the old one's. */
	if (r == 0 && is_there(s->next_fd, "ledger")) {
		if (is_there(s->state_fd, "ledger"))
			r = move(s->state_fd, "ledger", s->past_fd, err);
		if (r == 0 && is_there(s->state_fd, "scribe"))
			r = move(s->state_fd, "scribe", s->past_fd, err);
		if (r == 0)
			r = move(s->next_fd, "ledger", s->state_fd, err);
	}
	if (r == 0 && is_there(s->next_fd, "scribe"))
		r = move(s->next_fd, "scribe", s->state_fd, err);
	return r;
}

/* What is left of a succession that is over and was told. */
static void sweep(const struct succession *s)
{
	(void)unlinkat(s->state_fd, "next.done/predecessor", 0);
	(void)unlinkat(s->state_fd, "next.done/past", 0);
	(void)unlinkat(s->state_fd, "next.done/cache", AT_REMOVEDIR); /* readers have STATE's */
	(void)unlinkat(s->state_fd, "next.done", AT_REMOVEDIR);
}

static int end(const struct succession *s, struct cht_err *err)
{
	if (renameat2(s->state_fd, "next", s->state_fd, "next.done", RENAME_NOREPLACE) < 0 ||
	    fsync(s->state_fd) < 0)
		return cht_fail(err, CHT_E_IO, errno, "remove %s", s->next);
	sweep(s);
	return 0;
}

static int succeed(struct succession *s, struct cht_err *err)
{
	int r = join(s->next, s->q->state, "next", err);

	if (r == 0)
		r = enter(s, err);
	if (r < 0)
		return r;
	sweep(s);
	if (!is_there(s->state_fd, "next"))
		r = lock_log(s, err); /* before anything is made */
	if (r == 0)
		r = begin(s, err);
	if (r == 0)
		r = name_past(s, err);
	if (r == 0 && !s->is_moving)
		r = prepare(s, err);
	if (r == 0)
		r = change_places(s, err);
	if (r == 0)
		r = ledger_identity_read(&s->log, s->q->state, err);
	if (r == 0)
		r = ledger_state_look(s->q->state, &s->new, err);
	if (r == 0 && ledger_state_look(s->past, &s->old, NULL) == 0)
		s->is_closed = s->old.is_closed;
	return r;
}

static void tell(const struct succession *s)
{
	char key[LEDGER_PATH_MAX];
	struct ledger_told told = { .state = s->q->state,
				    .log = &s->log,
				    .key = s->q->key_file,
				    .terms = &s->new.terms,
				    .reason = s->new.terms.reason,
				    .past = s->past,
				    .is_closed = s->is_closed };

	(void)snprintf(key, sizeof(key), "%s/scribe/key.pem", s->q->state);
	if (told.key == NULL)
		told.key = key;
	ledger_tell(&told, s->q->json);
	cli_flush();
}

int ledger_succeed_action(const struct ledger_request *q)
{
	static struct succession s;
	struct cht_err err = { 0 };
	int r;

	s = (struct succession){
		.q = q, .state_fd = -1, .next_fd = -1, .past_fd = -1, .log_lock_fd = -1
	};
	r = succeed(&s, &err);
	if (r == 0) {
		tell(&s);
		r = end(&s, &err);
	}
	fd_close(&s.log_lock_fd);
	fd_close(&s.past_fd);
	fd_close(&s.next_fd);
	fd_close(&s.state_fd);
	if (r < 0)
		diag_err(&err);
	return r < 0 ? CLI_FAILED : CLI_OK;
}
