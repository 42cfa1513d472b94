/* SPDX-License-Identifier: Apache-2.0
 *
 * verify.h - a stored ledger and the keys that one trusts go in; answers come out: is it as it was
 * written (integrity), is all of it there (completeness), from where was it seen (vantage).
 *
 * A ledger in use, a bundle and a directory of tiles are read alike. Authority comes from keys of
 * logs that the caller gives and from nothing that stands beside the ledger; nothing is repaired.
 * This module is linked into cht and libcht-verify alone (src/LAYERS). Memory is bounded by the
 * runs that are open at once: VERIFY_OPEN_RUNS_MAX of them, about 700 bytes each.
 */
#ifndef VERIFY_VERIFY_H
#define VERIFY_VERIFY_H

#include "event/event.h"
#include "tlog/tlog.h"

enum {
	VERIFY_OPEN_RUNS_MAX = 1 << 18,
	VERIFY_LISTED_MAX = 16, /* open runs and signers named in a report; all are counted */
	VERIFY_KID_MAX = 128,
	VERIFY_CELL_MAX = CHT_CELL_ID_MAX * 2,
	VERIFY_VKEYS_MAX = 16, /* given by themselves; a policy has its own bounds */
	VERIFY_PLACE_MAX = 80, /* bytes of a place's name */
};

/* Whom to believe. */
struct verify_trust;

/* Either path may be null: JSON objects that map a key id to base64url, of an Ed25519 public key
 * or of an HMAC key. CHT_E_IO, CHT_E_PARSE (no such object, or a name twice), CHT_E_KEY (a wrong
 * length, or a point that no honest key can be: of small order or not canonical). Texts never
 * hold key bytes. The caller frees. */
int verify_trust_load(struct verify_trust **out, const char *ed25519_path, const char *hmac_path,
		      struct cht_err *err) CHT_CHECKED;
void verify_trust_free(struct verify_trust *trust);
/* Also believes checkpoints of this verifier key, one LF behind it allowed; and those of the logs
 * of a C2SP tlog-policy, whose quorum of witnesses then is asked for. CHT_E_PARSE, CHT_E_KEY,
 * CHT_E_LIMIT, CHT_E_CONFIG (a second policy), CHT_E_NOMEM. */
int verify_trust_add_vkey(struct verify_trust *trust, struct cht_str text,
			  struct cht_err *err) CHT_CHECKED;
int verify_trust_add_policy(struct verify_trust *trust, struct cht_str text,
			    struct cht_err *err) CHT_CHECKED;
/* How many keys of envelopes there are. */
size_t verify_trust_count(const struct verify_trust *trust);
/* True when the file with HMAC keys can be read by others, who then could sign. */
bool verify_trust_is_exposed(const struct verify_trust *trust);

/* What is wrong. Each makes the verdict VERIFY_DAMAGED. */
enum verify_fault {
	VERIFY_SOUND,
	/* The signed tree and what is stored do not agree. */
	VERIFY_CHECKPOINT,   /* no checkpoint, or its signature does not hold */
	VERIFY_OTHER_KEY,    /* signed in the name of this log by a key that is not trusted */
	VERIFY_CHANGED,      /* the entry is not the one that was signed */
	VERIFY_REMOVED,      /* signed entries are not there, those behind them moved up */
	VERIFY_INSERTED,     /* unsigned entries stand between signed ones */
	VERIFY_CUT,          /* the entries end before the checkpoint's size */
	VERIFY_MISSING,      /* entries in the middle are not there */
	VERIFY_HEAD_MISSING, /* the first entries are not there, and no pruning declared it */
	VERIFY_HASHES,       /* a stored hash is not that of its entries */
	VERIFY_ROOT,         /* entries and hashes agree with each other and not with the root */
	VERIFY_BUNDLE,       /* text that no bundle has */
	VERIFY_APPENDED,     /* entries above the checkpoint of a ledger that had stopped */
	/* What was signed or remembered before does not agree with what is signed now. */
	VERIFY_HISTORY,     /* a kept checkpoint is not as it was signed */
	VERIFY_ROLLED_BACK, /* a larger checkpoint was seen before */
	VERIFY_FORKED,      /* another tree of the same size was signed */
	VERIFY_RECEIPT,     /* a remembered proof is not of the entry at its index */
	/* Entries as such. */
	VERIFY_FRAMING,         /* no entry can stand here */
	VERIFY_NOT_OPENED,      /* the log does not begin with its own log.opened */
	VERIFY_AFTER_CLOSED,    /* something follows log.closed */
	VERIFY_NOT_AN_EVENT,    /* bytes that our renderer never writes */
	VERIFY_BAD_SIGNATURE,   /* the signature is not of these bytes and this key */
	VERIFY_WRONG_ALGORITHM, /* a known key id under an algorithm that is not its own */
	VERIFY_UNCOVERED,       /* envelope members that no signature covers */
	VERIFY_STRIPPED,        /* unsigned among signed */
	VERIFY_UNSIGNED,        /* unsigned, and signatures were required */
	VERIFY_NO_RUN,          /* an event that belongs to no run */
	VERIFY_BAD_ID,          /* id, sequence and run do not agree */
	VERIFY_HOLE,            /* a number is missing and nobody declared it */
	VERIFY_REPEAT,          /* a number that was there already */
	VERIFY_SWAPPED,         /* the missing number comes later */
	VERIFY_MOVED,           /* an event that states its index stands at another */
	VERIFY_CONTRADICTION,   /* what a run.sealed counts is not what is stored */
	VERIFY_N_FAULTS
};

/* The fault in a word ("bad-signature"), and the attack that it looks like in a sentence. */
const char *verify_fault_name(enum verify_fault fault);
const char *verify_fault_meaning(enum verify_fault fault);

enum verify_form { VERIFY_OF_LEDGER, VERIFY_OF_BUNDLE, VERIFY_OF_TILES };
enum verify_part {
	VERIFY_IN_ENTRIES,
	VERIFY_IN_HASHES,
	VERIFY_IN_CHECKPOINT, /* the newest; also what is about the log as a whole */
	VERIFY_IN_HISTORY,    /* checkpoints */
	VERIFY_IN_BUNDLE,
};

/* Where something stands. */
struct verify_place {
	enum verify_part part;
	uint64_t index;        /* of the entry; of the first one that a hash is of */
	uint64_t n;            /* entries that may be meant, from index on; 0 and 1: this one */
	uint64_t file_first;   /* entries: first index of the file; hashes: the level */
	uint64_t file_offset;  /* of the entry's length, its line, or the hash */
	uint64_t entry_offset; /* of the byte at fault in the entry's bytes; 0: the whole entry */
};

/* The file: "entries/<20 digits>", "hashes/0", "tile/entries/000", "checkpoint"; NUL-terminated. */
void verify_place_name(enum verify_form form, const struct verify_place *place,
		       char out[VERIFY_PLACE_MAX]);

struct verify_finding {
	enum verify_fault fault;
	struct verify_place at;
	char run_id[CHT_ATTRIBUTION_MAX + 1]; /* "" when it could not be read */
	char detail[160];                     /* "sequence 7 follows 5" */
};

/* What was lost, by where and why. */
enum verify_loss {
	VERIFY_LOSS_IN_GUEST,     /* guest to host: the agent did not send it */
	VERIFY_LOSS_ON_THE_WAY,   /* numbers that never came, without those that came late */
	VERIFY_LOSS_REFUSED,      /* frames that did not decode */
	VERIFY_LOSS_OVER_QUOTA,   /* host to log: the run's quota was used up */
	VERIFY_LOSS_NO_SPACE,     /* the disk was full, and whoever asked for that chose to drop */
	VERIFY_LOSS_HOLES,        /* numbers that a run.resumed declared lost */
	VERIFY_LOSS_UNCLEAN_STOP, /* stops without host.stopped; not bounded */
	VERIFY_LOSS_CUT,          /* torn entries that a recovery cut off */
	VERIFY_LOSS_PRUNED,       /* numbers of runs whose beginning was pruned, as was declared */
	VERIFY_N_LOSSES
};

/* "in-guest"; and for people: "dropped in the guest". */
const char *verify_loss_name(enum verify_loss loss);
const char *verify_loss_text(enum verify_loss loss);
/* The first three are lost between guest and host, the others between host and log. */
static inline bool verify_loss_is_of_guest(enum verify_loss loss)
{
	return loss <= VERIFY_LOSS_REFUSED;
}

/* Declared by guests; VERIFY_STATED: by the orchestrator, run.stated. */
enum verify_provenance {
	VERIFY_DECLARED,
	VERIFY_OBSERVED,
	VERIFY_DERIVED,
	VERIFY_STATED,
	VERIFY_N_PROVENANCES
};

/* Sums over a ledger, or over one run. */
struct verify_sums {
	uint64_t events;
	uint64_t losses[VERIFY_N_LOSSES];
	uint64_t late;      /* came after they were told lost; may be of an earlier sum */
	uint64_t made_good; /* of these, of the same run's losses on the way in this sum */
	uint64_t uncounted; /* declarations of agents that do not number their events */
	uint64_t provenances[VERIFY_N_PROVENANCES], other_provenance;
	uint64_t runs_opened, runs_sealed, runs_unsealed;
	uint64_t silences, resumed, forged;
	uint64_t readings, failed_readings; /* of the host's own sources */
	/* What runs came to that ended with their verdicts: by enum verdict, of both claims; and
	 * packets while nothing had been declared. connects: declarations of one, judged or not. */
	uint64_t verdicts[N_VERDICTS], undeclared_out, connects;
	uint64_t received, stored, heartbeats, refused, dropped; /* of sealed runs' frames */
};

/* Entries that name this key: whose signatures hold, or for which there is no key. */
struct verify_signer {
	char kid[VERIFY_KID_MAX + 1];
	bool is_hmac, is_known;
	uint64_t entries;
};

struct verify_open_run {
	char run_id[CHT_ATTRIBUTION_MAX + 1], cell_id[VERIFY_CELL_MAX + 1];
	uint64_t first_index, last_sequence;
};

enum verify_verdict {
	VERIFY_CLEAN = 0,
	VERIFY_INCOMPLETE = 10,
	VERIFY_DAMAGED = 11,
	VERIFY_CANNOT_TELL = 12,
};

/* On whose word the newest checkpoint is believed. */
enum verify_authority {
	VERIFY_NOT_SIGNED, /* there is none, or it does not hold */
	VERIFY_NO_KEY,     /* no key that signed it is known */
	VERIFY_BY_HINT,    /* the key that stands beside it: consistent, not authenticated */
	VERIFY_BY_KEY,     /* a key that the caller trusts */
};

struct verify_signed {
	enum verify_authority by;
	char origin[TLOG_NAME_MAX + 1];
	uint64_t size;
	struct tlog_hash root;
	char key[TLOG_NAME_MAX + 16]; /* "<name>+<hex id>" of the key; "": none */
};

/* How a ledger that is not written to was left, as the scribe's state says, when it can be read. */
enum verify_end { VERIFY_END_UNKNOWN, VERIFY_END_CLEAN, VERIFY_END_UNCLEAN };

/* What stands above the checkpoint, and is covered by no signature. */
struct verify_above {
	uint64_t entries, bytes; /* whole ones, as far as hashes tell */
	bool has_hashes;         /* or a part of one */
	bool is_in_use;          /* somebody has the writer's lock */
	bool has_newer;          /* a newer checkpoint came meanwhile, and covers some of it */
	enum verify_end end;
	uint64_t state_size; /* entries that the scribe's state covers; 0: not known */
};

/* What remembered checkpoints and witnesses say of the log. */
struct verify_anchors {
	uint64_t remembered;  /* checkpoints given by the caller */
	uint64_t compared;    /* of these and the kept ones, found to be of this tree */
	uint64_t kept;        /* in the file `checkpoints` */
	bool is_anchored;     /* by a remembered checkpoint or by witnesses */
	uint64_t size;        /* up to which */
	uint64_t time_s;      /* of the newest cosignature that holds; 0: none */
	unsigned n_witnesses; /* whose cosignatures hold */
	bool is_quorum_asked, is_quorum_met;
	uint64_t quorum_size; /* largest size for which it is met */
	bool is_incomparable; /* a remembered one is of a size that a bundle cannot be compared at
			       */
	bool is_fresh_asked, is_fresh;
};

struct verify_report {
	enum verify_verdict verdict;
	enum verify_verdict integrity;    /* CLEAN, DAMAGED or CANNOT_TELL */
	enum verify_verdict completeness; /* CLEAN, INCOMPLETE, or CANNOT_TELL */
	const char *why_cannot_tell;      /* null when nothing is missing */

	enum verify_form form;
	bool by_hash_alone;
	struct verify_signed checkpoint;
	struct verify_above above;
	struct verify_anchors anchors;
	char bundle_run[CHT_ATTRIBUTION_MAX + 1]; /* of which a bundle is; "": of all */

	uint64_t first_index, entries, bytes; /* what is there */
	uint64_t left_out;                    /* entries of which only hashes are there */
	uint64_t pruned_below; /* the highest minIndex that a ledger.pruned declares */
	uint64_t authenticated, unknown_key, unsigned_entries; /* envelopes */
	bool envelopes_unchecked; /* no key was given, and the checkpoint vouches for all */
	uint64_t unnumbered;      /* events without a sequence: holes cannot be seen */
	uint64_t torn_bytes; /* after the last whole entry, where no checkpoint tells the size */
	uint64_t n_findings;
	struct verify_finding first; /* the one with the lowest index */

	struct verify_sums all, run; /* run: of options.run_id alone */
	uint64_t unprotected;        /* entries that stood unprotected between stop and restart */
	uint64_t host_starts;
	bool host_runs_on;                   /* the last host.started has no host.stopped yet */
	bool is_closed;                      /* by a log.closed */
	char predecessor[TLOG_NAME_MAX + 1]; /* the log that this one goes on from; "": none */
	uint64_t predecessor_size;
	char first_time[RFC3339_NS_LEN + 1], last_time[RFC3339_NS_LEN + 1];

	struct verify_signer signers[VERIFY_LISTED_MAX];
	size_t n_signers; /* distinct key ids, at most VERIFY_LISTED_MAX + 1 (then there are more)
			   */
	struct verify_open_run
		unsealed[VERIFY_LISTED_MAX]; /* by first index; sums count them all */
	uint64_t coverage_active, coverage_degraded, coverage_absent; /* as agents said */
};

/* An event as it is gone through; views hold until the call returns. */
struct verify_event {
	uint64_t index;
	struct cht_bytes entry; /* of which it is, an envelope or the event itself */
	const struct tlog_hash *leaf;
	const struct event_view *event;
};

struct verify_options {
	const char *run_id;   /* judge the completeness of this run alone; null: of all, or of a
			       * bundle's run */
	bool allow_unbounded; /* agents that do not count are no loss */
	bool require_signed;  /* an unsigned entry is damage, not merely doubt */
	bool by_hash_alone;   /* integrity by the tree alone: no event is read */
	unsigned jobs;        /* threads; 0: as many as processors are online */
	const char *since;    /* a file with remembered checkpoints or a tlog-proof; null: none */
	uint64_t fresh_s;     /* the newest sign of life is no farther than this from now_s; 0: not
				 asked */
	uint64_t now_s;       /* CLOCK_REALTIME */
	/* Now and then: entries gone through, of how many; 0: not known. May be null. */
	void (*progress)(void *context, uint64_t entries, uint64_t of);
	void *context;
	/* Each event, in the order of the indexes, as soon as it was looked at; what is wrong with
	 * the log is known at the end alone. An index that is not above the last begins anew. May
	 * be null. */
	void (*on_event)(void *context, const struct verify_event *event);
	void *on_event_context;
};

/* Reads what is at path (a state directory, a ledger, a bundle, or tiles) and fills *report. 0
 * whatever the verdict is; CHT_E_CONFIG: there is nothing of ours; CHT_E_VERSION: a bundle of
 * another version; CHT_E_VERIFY, CHT_E_PARSE: what options.since names is not of this log, or is no
 * checkpoint; CHT_E_IO; CHT_E_NOMEM; CHT_E_LIMIT: more runs open than VERIFY_OPEN_RUNS_MAX. */
int verify_path(const char *path, const struct verify_trust *trust,
		const struct verify_options *options, struct verify_report *report,
		struct cht_err *err) CHT_CHECKED;

#endif
