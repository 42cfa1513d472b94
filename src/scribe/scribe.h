/* SPDX-License-Identifier: Apache-2.0
 *
 * scribe.h - the program that stores: opaque events from the ring in, durable entries out, and
 * back to the line how far they are durable. It alone holds the keys, of checkpoints and of
 * envelopes; it signs checkpoints of its own composing and events, never interprets one, and talks
 * to nobody but the line.
 *
 * open.c        everything before the first entry
 * batch.c       entries from the ring, wrapped and hashed
 * run.c         the loop: when to write, sync, publish, wait
 * checkpoint.c  the note over what is written
 * receipt.c     proofs for those who wait for an entry
 * retain.c      what the retention policy lets go
 */
#ifndef SCRIBE_SCRIBE_H
#define SCRIBE_SCRIBE_H

#include <cht/sign.h>

#include "base/notify.h"
#include "handoff/handoff.h"
#include "handoff/ring.h"
#include "ledger/ledger.h"
#include "ledger/read.h"
#include "lockdown/lockdown.h"
#include "sign/sign.h"

enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_DAMAGED = 11,
	EXIT_STOPPED = 74,
	EXIT_CONFIG = 78
};

struct scribe_options {
	const char *state;
	const char *name; /* null: from the host's name */
	bool init;
	bool pause_on_full;
	enum lockdown_mode lockdown;
	int line_fd, env_fd;          /* -1: none */
	int listen_fd;                /* where the line will connect; -1: none */
	int64_t line_uid;             /* with it: whose the line is */
	enum cht_algorithm algorithm; /* of --sign-key-file; CHT_ALGORITHM_OFF: none given */
	const char *kid, *key_file;
	enum cht_signing_order order;
	const char *log_key_file; /* null: from elsewhere (PROTOCOL.ledger section 9) */
	/* With init, of a log that is begun: */
	uint64_t retain_age_s, retain_bytes; /* 0: no bound */
	const char *reason;                  /* a word of PROTOCOL.ledger section 8; null: "init" */
	const char *predecessor;             /* a file with its last note; null: none */
};

/* 0: go on. 1: help or version was printed, nothing more to do. CHT_E_PARSE: usage, said on
 * stderr. CHT_E_IO: stdout. */
int options_parse(struct scribe_options *out, int argc, char **argv) CHT_CHECKED;

/* No file that others could read; signals of a terminal or a service manager are left to the line,
 * whose end is this program's end. CHT_E_IO. */
int leave_signals(struct cht_err *err) CHT_CHECKED;

/* The signer that options and environment ask for, or null; the environment is the pipe
 * options->env_fd where given (closed afterwards). Secrets in this process's own environment
 * are overwritten in place, whatever the result. CHT_E_CONFIG; CHT_E_KEY, also for a key file
 * that cannot be read; CHT_E_IO. */
int keys_load(struct cht_signer **out, const struct scribe_options *options,
	      struct cht_err *err) CHT_CHECKED;

/* The checkpoint key, from the first of its sources that is there (PROTOCOL.ledger section 9). Call
 * it after keys_load, which has taken the environment; signer is what that gave, or null.
 * CHT_E_CONFIG: no source has a key. CHT_E_KEY: one cannot be used, or is signer's; the text says
 * which source, and what to do. CHT_E_IO. */
int log_key_load(struct sign_log_key **out, const struct scribe_options *options,
		 const struct cht_signer *signer, struct cht_err *err) CHT_CHECKED;
/* The same for a log that is begun: where no source has a key, draws one and writes it to
 * STATE/scribe/key.pem, with STATE (0750) and STATE/scribe (0700) where they are absent; it is
 * durable then. A key that is there already is taken: an interrupted beginning is done again. Where
 * STATE has a log it is log_key_load. CHT_E_STATE: STATE/next waits to take this place. */
int log_key_make(struct sign_log_key **out, const struct scribe_options *options,
		 const struct cht_signer *signer, struct cht_err *err) CHT_CHECKED;

/* Entries on their way from the ring to a commit. */
struct batch {
	uint8_t *out; /* entries as they will stand in the ledger */
	size_t len;
	unsigned n;
	uint64_t due_ns;          /* when n > 0 */
	uint8_t *raw;             /* one take, before it is wrapped; null without a signer */
	struct tlog_hash *leaves; /* of the n entries */
};

/* Allocates the buffers. CHT_E_NOMEM. */
int batch_init(struct batch *batch, bool is_signed, struct cht_err *err) CHT_CHECKED;
void batch_fini(struct batch *batch);
/* Moves entries from the ring until it is empty or the batch is full. signer may be null. On
 * CHT_E_PEER or CHT_E_SIGN the batch holds what stood before the fault, and is to be
 * committed. */
int batch_fill(struct batch *batch, struct ring *ring, struct cht_signer *signer,
	       struct cht_err *err) CHT_CHECKED;
bool batch_is_full(const struct batch *batch);

/* Where a commit is on its way to the disk. It is all that was written when its sync began; what is
 * written meanwhile is the next one's. */
enum scribe_stage {
	STAGE_SETTLED,    /* nothing is under way */
	STAGE_SYNCING,    /* the syncs of entries and hashes are begun */
	STAGE_PUBLISHING, /* so are state and note */
};

struct scribe {
	struct ring ring;
	struct ledger ledger;
	struct batch batch;
	struct cht_signer *signer;
	struct sign_log_key *log_key;
	int line_fd; /* of the options, or one that was accepted */
	struct notify notify;
	bool pause_on_full;
	bool is_line_gone;
	uint64_t closes_with; /* entry of the ring that closes the log; 0: none does */
	enum scribe_stage stage;
	uint64_t n_written, n_under_way, n_durable; /* entries of the ring */
	size_t ahead_bytes;        /* written since the sync that is under way began */
	uint64_t note_kept_ns;     /* when the newest note went to `checkpoints` */
	uint64_t considered_first; /* the tail's segment when retention was looked at */
	uint64_t considered_ns;
	uint64_t proposed;       /* HANDOFF_PRUNE that is not done with; 0: none */
	uint64_t agreed;         /* the line's answer, until nothing is under way; 0: none */
	const char *state;       /* borrowed from the options */
	struct ledger_view view; /* when the first receipt was asked for */
	bool has_view;
};

#define SCRIBE_NULL                                                                                \
	{                                                                                          \
		.ring = RING_NULL, .ledger = LEDGER_NULL, .line_fd = -1, .notify = NOTIFY_NULL     \
	}

/* Everything before the first entry: keys, ledger, ring, buffers; tells the line READY. 0; 1:
 * nothing more to do (only --init was asked for, or the line left before it began); errors as
 * of the calls in it. */
int scribe_open(struct scribe *scribe, const struct scribe_options *options,
		struct cht_err *err) CHT_CHECKED;
/* Until the line ends and all is committed: then the clean mark, and 0. CHT_E_FULL and, with
 * a broken ledger, CHT_E_IO: writing failed. CHT_E_PEER, CHT_E_SIGN, CHT_E_IO. */
int scribe_run(struct scribe *scribe, struct cht_err *err) CHT_CHECKED;
void scribe_close(struct scribe *scribe);

/* checkpoint.c */

/* The signed note over what was synced, into out[0..LEDGER_NOTE_MAX]. CHT_E_SIGN. */
int checkpoint_compose(const struct scribe *scribe, char out[LEDGER_NOTE_MAX + 1],
		       struct cht_err *err) CHT_CHECKED;
/* A ledger_is_ours_fn: whether this scribe's key signed exactly this note. */
bool checkpoint_is_ours(void *scribe, struct cht_str note);

/* receipt.c */

/* Sends the line a receipt of entry index, or an empty one, which is said on stderr. CHT_E_PEER: it
 * asked for what is not durable. CHT_E_IO. */
int receipt_give(struct scribe *scribe, uint64_t index, struct cht_err *err) CHT_CHECKED;

/* retain.c */

/* After a publication: proposes to the line what the policy lets go, when a segment was filled
 * since, or an hour passed. CHT_E_IO. */
int retain_consider(struct scribe *scribe, struct cht_err *err) CHT_CHECKED;
/* The line's answer. CHT_E_PEER: it agreed to what nobody proposed. */
int retain_on_answer(struct scribe *scribe, uint64_t index, struct cht_err *err) CHT_CHECKED;
/* Does what was agreed, unless a state is on its way to the disk: then call it when it has arrived.
 * CHT_E_IO, CHT_E_FULL. */
int retain_apply(struct scribe *scribe, struct cht_err *err) CHT_CHECKED;

#endif
