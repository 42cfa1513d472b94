/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a note, as a checkpoint and as a verifier key: what is refused is refused within
 * the input, and what is taken is written again byte for byte.
 */
#include "tlog_text.h"

static uint8_t mem[TLOG_NOTE_MAX_BYTES];

static void check_checkpoint(struct cht_str text)
{
	struct buf b = buf_init(mem, sizeof(mem));
	struct tlog_checkpoint c;
	size_t at = SIZE_MAX;

	if (text.len > sizeof(mem))
		return;
	if (tlog_checkpoint_read(text, &c, &at) < 0) {
		HOLDS(at <= text.len);
		return;
	}
	within(text, c.origin);
	within(text, c.extension);
	HOLDS(c.origin.len > 0 && c.size <= TLOG_SIZE_MAX);
	tlog_checkpoint_put(&b, c.origin, c.size, &c.root);
	buf_put_str(&b, c.extension);
	same_text(&b, text);
}

/* The note from its parts; not with a signature too long to be kept. */
static void check_note(struct cht_str all, const struct tlog_note *note)
{
	struct buf b = buf_init(mem, sizeof(mem));
	struct tlog_vkey key = { .type = TLOG_ED25519 };

	HOLDS(note->n_sigs >= 1 && note->n_sigs <= TLOG_SIGNATURES_MAX);
	within(all, note->text);
	HOLDS(note->text.len > 0 && note->text.ptr == all.ptr);
	buf_put_str(&b, note->text);
	buf_put_lit(&b, "\n");
	for (unsigned i = 0; i < note->n_sigs; i++) {
		const struct tlog_signature *sig = &note->sigs[i];

		within(all, sig->name);
		HOLDS(sig->name.len > 0 && sig->len <= sizeof(sig->bytes));
		if (sig->len == 0 || !tlog_is_name(sig->name))
			return;
		memcpy(key.name, sig->name.ptr, sig->name.len);
		key.name[sig->name.len] = '\0';
		memcpy(key.id, sig->id, sizeof(key.id));
		tlog_note_put_signature(&b, &key, sig->bytes, sig->len);
	}
	same_text(&b, all);
}

static void check_vkey(struct cht_str text)
{
	struct buf b = buf_init(mem, sizeof(mem));
	struct tlog_vkey key, again;
	const char *why = NULL;

	if (!tlog_vkey_read(text, &key, &why)) {
		HOLDS(why != NULL);
		return;
	}
	tlog_vkey_put(&b, &key);
	same_text(&b, text);
	HOLDS(tlog_vkey_make(&again, str_of(key.name), key.type, key.public_key));
	HOLDS(tlog_vkey_eq(&key, &again) && memcmp(key.id, again.id, sizeof(key.id)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct cht_str all = { (const char *)bytes, len };
	struct tlog_note note;
	size_t at = SIZE_MAX;

	check_checkpoint(all);
	check_vkey(all);
	if (tlog_note_read(all, &note, &at) < 0) {
		HOLDS(at <= len);
		return 0;
	}
	check_note(all, &note);
	check_checkpoint(note.text);
	return 0;
}
