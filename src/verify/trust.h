/* SPDX-License-Identifier: Apache-2.0
 *
 * trust.h - keys of envelopes by id, and whether an envelope holds under them; keys of logs;
 * private to src/verify.
 */
#ifndef VERIFY_TRUST_H
#define VERIFY_TRUST_H

#include "tlog/tlog.h"
#include "verify/verify.h"

struct trust_key {
	char kid[VERIFY_KID_MAX + 1];
	bool is_hmac;
	uint8_t *bytes; /* guarded memory */
	size_t len;
};

struct verify_trust {
	struct trust_key *keys; /* of envelopes */
	size_t n;
	bool is_exposed;
	void *mac; /* EVP_MAC */
	/* Of logs: those given by themselves, and a policy with its text. */
	struct tlog_vkey logs[VERIFY_VKEYS_MAX];
	size_t n_logs;
	struct tlog_policy *policy;
	char *policy_text;
};

/* What checking needs to write to: one for each thread. */
struct trust_desk {
	void *mac_ctx;   /* EVP_MAC_CTX */
	uint8_t *sorted; /* CHT_EVENT_MAX_BYTES */
};

/* CHT_E_NOMEM. */
int trust_desk_init(struct trust_desk *desk, const struct verify_trust *trust,
		    struct cht_err *err) CHT_CHECKED;
void trust_desk_fini(struct trust_desk *desk);

/* The nth key of a log, from 0 on, given by itself or in the policy; null: there are no more. */
const struct tlog_vkey *trust_log(const struct verify_trust *trust, size_t n);

enum trust_answer { TRUST_HOLDS, TRUST_UNKNOWN_KEY, TRUST_WRONG_ALGORITHM, TRUST_BROKEN };

/* Whether the envelope's signature is of its event, as it stands or with all members sorted, by
 * the key with its id and algorithm. */
enum trust_answer trust_check(const struct verify_trust *trust, const struct trust_desk *desk,
			      const struct envelope_view *envelope);

/* The event with its eight members sorted by name, into out[0..cap). view must come from
 * event_scan of event. Returns the length, 0 when it does not fit or is no such event. */
size_t trust_sort(struct cht_bytes event, const struct event_view *view, uint8_t *out, size_t cap);

#endif
