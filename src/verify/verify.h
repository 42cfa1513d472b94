/* SPDX-License-Identifier: Apache-2.0
 *
 * verify.h - a stored ledger and the keys that one trusts go in; answers come out: is it as it was
 * written (integrity), is all of it there (completeness), from where was it seen (vantage).
 *
 * Nothing in the ledger is believed before its signature is checked, and nothing is repaired. This
 * module is linked into cht alone (src/LAYERS). Memory is bounded by the runs that are open at
 * once: VERIFY_OPEN_RUNS_MAX of them, about 700 bytes each.
 */
#ifndef VERIFY_VERIFY_H
#define VERIFY_VERIFY_H

#include "event/event.h"

enum {
	VERIFY_OPEN_RUNS_MAX = 1 << 18,
	VERIFY_LISTED_MAX = 16, /* open runs and signers named in a report; all are counted */
	VERIFY_KID_MAX = 128,
	VERIFY_CELL_MAX = CHT_CELL_ID_MAX * 2,
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
/* How many keys there are. */
size_t verify_trust_count(const struct verify_trust *trust);
/* True when the file with HMAC keys can be read by others, who then could sign. */
bool verify_trust_is_exposed(const struct verify_trust *trust);

/* What is wrong with an entry. Each makes the verdict VERIFY_DAMAGED. */
enum verify_fault {
	VERIFY_SOUND,
	VERIFY_FRAMING,         /* no entry can stand here */
	VERIFY_HEAD_MISSING,    /* the first entries are not there */
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

/* Where something stands. */
struct verify_place {
	uint64_t index;        /* of the entry */
	uint64_t file_first;   /* its file is entries/<20 digits of this> */
	uint64_t file_offset;  /* of its length prefix in the file */
	uint64_t entry_offset; /* of the byte at fault in the entry's bytes; 0: the whole entry */
};

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
	VERIFY_LOSS_HOLES,        /* numbers that a run.resumed declared lost */
	VERIFY_LOSS_UNCLEAN_STOP, /* stops without host.stopped; not bounded */
	VERIFY_LOSS_CUT,          /* torn entries that a recovery cut off */
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

enum verify_provenance { VERIFY_DECLARED, VERIFY_OBSERVED, VERIFY_DERIVED, VERIFY_N_PROVENANCES };

/* Sums over a ledger, or over one run. */
struct verify_sums {
	uint64_t events;
	uint64_t losses[VERIFY_N_LOSSES];
	uint64_t late;      /* came after they were told lost; may be of an earlier sum */
	uint64_t uncounted; /* declarations of agents that do not number their events */
	uint64_t provenances[VERIFY_N_PROVENANCES], other_provenance;
	uint64_t runs_opened, runs_sealed, runs_unsealed;
	uint64_t silences, resumed, forged;
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

struct verify_report {
	enum verify_verdict verdict;
	enum verify_verdict integrity;    /* CLEAN, DAMAGED or CANNOT_TELL */
	enum verify_verdict completeness; /* CLEAN, INCOMPLETE, or CANNOT_TELL */
	const char *why_cannot_tell;      /* null when nothing is missing */

	uint64_t first_index, entries, bytes;
	uint64_t authenticated, unknown_key, unsigned_entries;
	uint64_t unnumbered; /* events without a sequence: holes cannot be seen */
	uint64_t torn_bytes; /* after the last whole entry: a ledger in use, or one that was cut */
	uint64_t n_findings;
	struct verify_finding first; /* the one with the lowest index */

	struct verify_sums all, run; /* run: of options.run_id alone */
	uint64_t unprotected;        /* entries that stood unprotected between stop and restart */
	uint64_t host_starts;
	bool host_runs_on; /* the last host.started has no host.stopped yet */
	char first_time[RFC3339_NS_LEN + 1], last_time[RFC3339_NS_LEN + 1];

	struct verify_signer signers[VERIFY_LISTED_MAX];
	size_t n_signers; /* distinct key ids, at most VERIFY_LISTED_MAX + 1 (then there are more)
			   */
	struct verify_open_run
		unsealed[VERIFY_LISTED_MAX]; /* by first index; sums count them all */
	uint64_t coverage_active, coverage_degraded, coverage_absent; /* as agents said */
};

struct verify_options {
	const char *run_id;   /* judge the completeness of this run alone; null: of all */
	bool allow_unbounded; /* agents that do not count are no loss */
	bool require_signed;  /* an unsigned entry is damage, not merely doubt */
	void (*progress)(void *context, uint64_t entries); /* after every 1,024; may be null */
	void *context;
};

/* Reads all of the ledger in dir (STATE or STATE/ledger) and fills *report. 0 whatever the verdict
 * is; CHT_E_CONFIG: there is no ledger; CHT_E_IO; CHT_E_NOMEM; CHT_E_LIMIT: more runs open than
 * VERIFY_OPEN_RUNS_MAX. */
int verify_ledger(const char *dir, const struct verify_trust *trust,
		  const struct verify_options *options, struct verify_report *report,
		  struct cht_err *err) CHT_CHECKED;

#endif
