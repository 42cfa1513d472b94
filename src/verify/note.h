/* SPDX-License-Identifier: Apache-2.0
 *
 * note.h - whether a signed note holds under a key that one trusts.
 *
 * Ed25519 by libsodium, strictly: canonical scalars and points, none of small order. A line that
 * bears the key's name and id and does not hold refuses the whole note, as C2SP signed-note
 * demands; lines of other names or ids are not looked at. Pure; after sodium_init, which
 * verify_trust_load and verify_vkey_read call.
 */
#ifndef VERIFY_NOTE_H
#define VERIFY_NOTE_H

#include "tlog/tlog.h"

enum verify_note {
	VERIFY_NOTE_ABSENT, /* no line bears the key's name and id */
	VERIFY_NOTE_HOLDS,  /* at least one does, and each of these holds */
	VERIFY_NOTE_BROKEN, /* one does and does not hold: nothing in the note may be believed */
};

/* A verifier key of a log or a witness, one LF behind it allowed. CHT_E_PARSE, or CHT_E_KEY for a
 * point that no honest key can be (of small order, or not canonical); the text says why. */
int verify_vkey_read(struct cht_str text, struct tlog_vkey *out, struct cht_err *err) CHT_CHECKED;

/* Holds the note's lines of this key against its text. A key of TLOG_ED25519_COSIGN signs with a
 * time: *time_s, unless null, becomes the newest one when they hold, and 0 else. */
enum verify_note verify_note_signature(const struct tlog_note *note, const struct tlog_vkey *key,
				       uint64_t *time_s);

/* A checkpoint taken apart; views borrow from its text. */
struct verify_checkpoint {
	struct tlog_note note;
	struct tlog_checkpoint at; /* origin, size, root */
};

/* Takes a note apart and then the checkpoint in it, and holds it against key, whose name must be
 * its origin. Null key: signatures are not looked at. CHT_E_PARSE: no such text; CHT_E_VERIFY: the
 * log's signature is missing or does not hold, or it is another log. *out is filled on 0 alone. */
int verify_checkpoint_read(struct cht_str text, const struct tlog_vkey *key,
			   struct verify_checkpoint *out, struct cht_err *err) CHT_CHECKED;

#endif
