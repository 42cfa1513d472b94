/* SPDX-License-Identifier: Apache-2.0
 *
 * verify.h - libcht-verify: is a ledger as it was signed, is all of it there, from where was it
 * seen; and is one event in it. For auditors and supervisors; it needs neither a daemon nor libcht.
 *
 * Authority comes from verifier keys that the caller gives, and from nothing that stands beside the
 * ledger. Nothing is written or repaired. What must be given and is null is CHT_E_RANGE;
 * out-parameters are written on success alone. Functions may be called from several threads, each
 * with a report of its own; a trust is not changed by verifying.
 */
#ifndef CHT_VERIFY_H
#define CHT_VERIFY_H

#include <cht/err.h>

CHT_BEGIN_DECLS

/* Whom to believe. */
struct cht_trust;

/* Nobody yet. event_keys and hmac_keys: files that map a key id to base64url, of public Ed25519
 * keys and of HMAC keys of signed events, for ledgers whose entries are envelopes; null: none, and
 * then the log's own signature vouches for them. CHT_E_IO, CHT_E_PARSE, CHT_E_KEY, CHT_E_NOMEM. The
 * caller frees. */
CHT_API int cht_trust_new(struct cht_trust **out, const char *event_keys, const char *hmac_keys,
			  struct cht_err *err) CHT_CHECKED;
CHT_API void cht_trust_free(struct cht_trust *trust);
/* Believes checkpoints of this verifier key, "name+id+key". CHT_E_PARSE, CHT_E_KEY, CHT_E_LIMIT. */
CHT_API int cht_trust_add_vkey(struct cht_trust *trust, struct cht_str vkey,
			       struct cht_err *err) CHT_CHECKED;
/* Believes those of the logs in a C2SP tlog-policy, and asks for its quorum of witnesses. The text
 * is copied. CHT_E_PARSE, CHT_E_KEY, CHT_E_CONFIG (a second one), CHT_E_NOMEM. */
CHT_API int cht_trust_add_policy(struct cht_trust *trust, struct cht_str policy,
				 struct cht_err *err) CHT_CHECKED;

/* The first that applies; also the exit status of `cht verify`. */
enum cht_verdict {
	CHT_VERDICT_CLEAN = 0,
	CHT_VERDICT_INCOMPLETE = 10,  /* something is missing, and the ledger says so */
	CHT_VERDICT_DAMAGED = 11,     /* it is not what was signed */
	CHT_VERDICT_CANNOT_TELL = 12, /* an input is missing: a key, a quorum, entries */
};

/* Zero-initialise, set struct_size to sizeof, and what is wanted. */
struct cht_verify_options {
	size_t struct_size;
	const char *run_id; /* judge the completeness of this run alone; null: of all */
	const char *since;  /* a file with checkpoints, or a tlog-proof, that were kept elsewhere */
	uint64_t fresh_seconds; /* the newest sign of life is no older; 0: not asked */
	unsigned jobs;          /* threads; 0: as many as processors are online */
	bool allow_unbounded;   /* agents that do not number their events are no loss */
	bool require_envelopes; /* an entry that is no envelope is damage */
	bool integrity_only;    /* hashes and signatures of the log alone: no event is read */
	/* Now and then: entries gone through, of how many; 0: not known. Null: not called. */
	void (*progress)(void *context, uint64_t entries, uint64_t of);
	void *context;
};

/* Set struct_size to sizeof; the rest is filled. Texts are NUL-terminated, and those from the
 * ledger may hold anything that UTF-8 can: escape them before you show them. */
struct cht_verify_report {
	size_t struct_size;
	enum cht_verdict verdict, integrity, completeness;
	char cannot_tell[160]; /* what is missing to tell; "": nothing */

	/* The checkpoint that was verified; origin "": there is none. */
	char origin[129], key[145]; /* key: "<name>+<id>" of the one that signed, if known */
	bool is_authentic;          /* signed by a key of the trust */
	uint64_t size;
	uint8_t root[32];

	uint64_t entries, bytes;                     /* what is there */
	uint64_t left_out;                           /* entries of which only hashes are there */
	uint64_t above_entries, above_bytes;         /* above the checkpoint: covered by nothing */
	uint64_t findings;                           /* what is wrong */
	char fault[24], fault_file[80], detail[160]; /* the first of it: as in cht-verify(1) */
	char fault_meaning[160];                     /* the attack that it looks like */
	uint64_t fault_index, fault_entries;         /* from this entry on, how many may be meant */
	uint64_t fault_file_offset, fault_entry_offset;
	char fault_run_id[129];

	/* Completeness: of the run that was asked for, or of all. */
	uint64_t events, runs_opened, runs_sealed, runs_open;
	uint64_t lost_guest_to_host, lost_host_to_log, uncounted;

	/* Vantage. */
	uint64_t declared, observed, derived; /* by guests, by the host */
	uint64_t stated;                      /* by the orchestrator */
	bool is_anchored;                     /* else a rollback cannot be excluded */
	unsigned witnesses;                   /* whose cosignatures hold */
	uint64_t anchored_size;
	uint64_t anchored_time; /* seconds since 1970, by the newest witness; 0: none */
};

/* Verifies what is at path: a state directory or the ledger in it, also while it is written, a
 * bundle, or a directory of tiles. options may be null. 0 whatever the verdict is; CHT_E_CONFIG:
 * nothing of the kind is there; CHT_E_VERSION; CHT_E_VERIFY, CHT_E_PARSE: what options->since
 * names is not of this log, or is no checkpoint; CHT_E_IO, CHT_E_NOMEM, CHT_E_LIMIT; CHT_E_RANGE:
 * a struct_size is not set. */
CHT_API int cht_verify(const char *path, const struct cht_trust *trust,
		       const struct cht_verify_options *options, struct cht_verify_report *report,
		       struct cht_err *err) CHT_CHECKED;

/* A signed checkpoint, held against the trust. */
struct cht_checkpoint {
	char origin[129];
	uint64_t size;
	uint8_t root[32];
	unsigned witnesses;    /* of the policy, whose cosignatures hold */
	uint64_t witness_time; /* of the newest, seconds since 1970; 0: none */
};

/* 0: a key of the trust signed this checkpoint, each known line in it holds, and the policy's
 * quorum, where there is one, is met. CHT_E_PARSE, CHT_E_VERIFY; the text says which. */
CHT_API int cht_checkpoint_verify(struct cht_str note, const struct cht_trust *trust,
				  struct cht_checkpoint *out, struct cht_err *err) CHT_CHECKED;

/* 0: entry, its exact bytes, stands at *index in the log whose checkpoint is in proof, a C2SP
 * tlog-proof as `cht prove` and the replies of chtd give it; and that checkpoint holds as above.
 * CHT_E_PARSE, CHT_E_VERIFY. index and checkpoint may be null. */
CHT_API int cht_proof_verify(struct cht_str proof, struct cht_bytes entry,
			     const struct cht_trust *trust, uint64_t *index,
			     struct cht_checkpoint *checkpoint, struct cht_err *err) CHT_CHECKED;

CHT_END_DECLS

#endif
