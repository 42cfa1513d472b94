/* SPDX-License-Identifier: Apache-2.0
 *
 * prove.h - proofs that entries are in a log, from whatever form of it is there: for who hands
 * entries on. Nothing is judged here: that a proof leads to the root is for the caller to see.
 */
#ifndef VERIFY_PROVE_H
#define VERIFY_PROVE_H

#include "tlog/tlog.h"

struct verify_proof {
	uint64_t index;
	bool is_there; /* false: what there is does not suffice for it */
	struct tlog_proof proof;
};

/* The checkpoint that they are under, and the verifier key beside it. */
struct verify_proven {
	char note[TLOG_NOTE_MAX_BYTES + 1];
	size_t note_len; /* 0: there is none, or it cannot be read; then no proof is there */
	char hint[TLOG_NAME_MAX + 128]; /* "": none */
	uint64_t size;
	struct tlog_hash root;
};

/* Proves entries proofs[].index, of which each is given once and in ascending order, under the
 * checkpoint at path, as verify_path takes it. A bundle is read once more for it; of anything else
 * a few hashes are. CHT_E_CONFIG, CHT_E_VERSION, CHT_E_IO, CHT_E_NOMEM. */
int verify_prove(const char *path, struct verify_proof *proofs, size_t n, struct verify_proven *out,
		 struct cht_err *err) CHT_CHECKED;

#endif
