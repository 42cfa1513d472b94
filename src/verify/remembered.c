/* SPDX-License-Identifier: Apache-2.0
 *
 * What else was signed of the log: by the caller's memory, by witnesses, by the ledger itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "verify/anchors.h"
#include "verify/kept.h"

bool notes_next(struct cht_str *rest, struct cht_str *note)
{
	const char *blank = NULL, *end, *lines;
	size_t left;

	if (rest->len > 0)
		blank = memmem(rest->ptr, rest->len, "\n\n", 2);
	if (blank == NULL)
		return false;
	lines = blank + 2;
	left = rest->len - (size_t)(lines - rest->ptr);
	end = memmem(lines, left, "\n\n", 2);
	if (end == NULL && (left == 0 || lines[left - 1] != '\n'))
		return false;
	note->ptr = rest->ptr;
	note->len = end != NULL ? (size_t)(end + 1 - rest->ptr) : rest->len;
	left = note->len + (end != NULL);
	rest->ptr += left;
	rest->len -= left;
	return true;
}

/* Witnesses of the policy, and none else: who they are is the caller's to say. */
static void count_witnesses(const struct anchors *a, const struct tlog_note *note,
			    struct anchor *out)
{
	const struct tlog_policy *policy = a->trust->policy;
	bool has[TLOG_POLICY_WITNESSES_MAX] = { false };

	for (unsigned i = 0; policy != NULL && i < policy->n_witnesses; i++) {
		uint64_t time_s;

		has[i] = verify_note_signature(note, &policy->witnesses[i].vkey, &time_s) ==
			 VERIFY_NOTE_HOLDS;
		out->n_witnesses += has[i];
		if (has[i] && time_s > out->time_s)
			out->time_s = time_s;
	}
	out->is_met = policy != NULL && tlog_policy_is_met(policy, has);
}

/* A known witness whose line does not hold refuses the note. */
static bool is_refused(const struct anchors *a, const struct tlog_note *note)
{
	const struct tlog_policy *policy = a->trust->policy;

	for (unsigned i = 0; policy != NULL && i < policy->n_witnesses; i++)
		if (verify_note_signature(note, &policy->witnesses[i].vkey, NULL) ==
		    VERIFY_NOTE_BROKEN)
			return true;
	return false;
}

static int add(struct anchors *a, enum anchor_from from, const struct verify_checkpoint *c,
	       struct cht_err *err)
{
	struct anchor *list = reallocarray(a->list, a->n + 1, sizeof(*list));
	struct anchor one = { .from = from, .size = c->at.size, .root = c->at.root };

	if (list == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for checkpoints");
	a->list = list;
	count_witnesses(a, &c->note, &one);
	list[a->n++] = one;
	return 0;
}

/* Whether the log signed it: by the key that signed the newest checkpoint, or, where there is none
 * any more, by one that the caller trusts, if any. */
static bool is_by_log(const struct anchors *a, const struct verify_checkpoint *c)
{
	bool is_checked = a->has_key;
	const struct tlog_vkey *key;

	if (a->has_key)
		return verify_note_signature(&c->note, &a->key, NULL) == VERIFY_NOTE_HOLDS;
	for (size_t i = 0; !a->has_note && (key = trust_log(a->trust, i)) != NULL; i++) {
		is_checked = true;
		if (str_eq(c->at.origin, str_of(key->name)) &&
		    verify_note_signature(&c->note, key, NULL) == VERIFY_NOTE_HOLDS)
			return true;
	}
	return !is_checked;
}

static int add_remembered(struct anchors *a, struct cht_str note, struct cht_err *err)
{
	const struct verify_signed *own = &a->report->checkpoint;
	struct verify_checkpoint c;
	struct cht_err why = { 0 };
	int r = verify_checkpoint_read(note, NULL, &c, &why);

	if (r < 0)
		return cht_fail(err, r, 0, "the remembered checkpoint: %.100s", why.text);
	if (own->origin[0] != '\0' && !str_eq(c.at.origin, str_of(own->origin)))
		return cht_fail(err, CHT_E_VERIFY, 0,
				"the remembered checkpoint is of the log %.*s, this is %s",
				(int)(c.at.origin.len < 48 ? c.at.origin.len : 48), c.at.origin.ptr,
				own->origin);
	if (!is_by_log(a, &c))
		return cht_fail(err, CHT_E_VERIFY, 0,
				"the remembered checkpoint is not signed by the key of the log");
	if (is_refused(a, &c.note))
		return cht_fail(err, CHT_E_VERIFY, 0,
				"a cosignature of the remembered checkpoint does not hold");
	if (a->n >= ANCHORS_SINCE_MAX)
		return cht_fail(err, CHT_E_LIMIT, 0, "more than %d remembered checkpoints",
				ANCHORS_SINCE_MAX);
	a->report->anchors.remembered++;
	return add(a, ANCHOR_SINCE, &c, err);
}

static int add_receipt(struct anchors *a, struct cht_str text, struct cht_err *err)
{
	struct tlog_checkpoint checkpoint;
	struct tlog_receipt receipt;
	struct tlog_note note;
	size_t at = 0;
	int r;

	if (tlog_receipt_read(text, &receipt, &at) < 0)
		return cht_fail_value(err, CHT_E_PARSE, (uint32_t)at,
				      "no tlog-proof: byte %zu is not as it must be", at);
	r = add_remembered(a, receipt.note, err);
	if (r < 0)
		return r;
	if (tlog_note_read(receipt.note, &note, &at) < 0 ||
	    tlog_checkpoint_read(note.text, &checkpoint, &at) < 0)
		return CHT_E_PARSE; /* it was read just before */
	a->has_receipt = true;
	a->receipt_index = receipt.index;
	a->proof = receipt.proof;
	a->receipt_root = checkpoint.root;
	a->receipt_size = checkpoint.size;
	return 0;
}

/* A file of the caller, who may name it by a link or give a pipe. */
static int read_caller_file(const char *path, struct cht_str *out, struct cht_err *err)
{
	int fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	char *text;
	ssize_t n;

	if (fd < 0)
		return cht_fail(err, errno == ENOENT ? CHT_E_CONFIG : CHT_E_IO, errno, "open %s",
				path);
	text = malloc(ANCHORS_TEXT_MAX);
	if (text == NULL) {
		fd_close(&fd);
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for %s", path);
	}
	n = fd_read_all(fd, text, ANCHORS_TEXT_MAX, err);
	fd_close(&fd);
	if (n < 0) {
		free(text);
		return (int)n;
	}
	*out = (struct cht_str){ text, (size_t)n };
	return 0;
}

/* One proof, or checkpoints. */
static int load_since(struct anchors *a, const char *path, struct cht_err *err)
{
	struct cht_str text = { NULL, 0 }, rest, note;
	int r = read_caller_file(path, &text, err);

	if (r != 0)
		return r;
	rest = text;
	if (str_starts(text, STR("c2sp.org/tlog-proof@"))) {
		r = add_receipt(a, text, err);
	} else {
		for (r = 0; r == 0 && notes_next(&rest, &note);)
			r = add_remembered(a, note, err);
		if (r == 0 && (rest.len > 0 || a->report->anchors.remembered == 0))
			r = cht_fail(err, CHT_E_PARSE, 0, "%s holds no whole checkpoint%s", path,
				     a->report->anchors.remembered > 0 ? " at its end" : "");
	}
	free((void *)(uintptr_t)text.ptr);
	return r;
}

/* What cht-ship stored of witnesses: a help, never an authority, so what does not hold is passed
 * over. */
static int load_cosigned(struct anchors *a, const struct source *source, struct cht_err *err)
{
	struct cht_str text = { NULL, 0 }, rest, note;
	struct verify_checkpoint c;
	int r = 0;

	if (a->trust->policy == NULL || source->form != VERIFY_OF_LEDGER || !a->has_key ||
	    source_read_text(source->dir_fd, "../ship/cosigned", ANCHORS_TEXT_MAX, &text, NULL) <=
		    0)
		return 0;
	rest = text;
	for (unsigned n = 0; r == 0 && n < ANCHORS_COSIGNED_MAX && notes_next(&rest, &note); n++)
		if (verify_checkpoint_read(note, &a->key, &c, NULL) == 0 && !is_refused(a, &c.note))
			r = add(a, ANCHOR_COSIGNED, &c, err);
	free((void *)(uintptr_t)text.ptr);
	return r;
}

static int by_size(const void *x, const void *y)
{
	const struct anchor *a = x, *b = y;

	return (a->size > b->size) - (a->size < b->size);
}

int anchors_load(struct anchors *anchors, const struct source *source, const char *since,
		 struct cht_err *err)
{
	struct verify_checkpoint c;
	int r = 0;

	if (since != NULL)
		r = load_since(anchors, since, err);
	if (r == 0)
		r = load_cosigned(anchors, source, err);
	if (r == 0 && anchors->has_key &&
	    verify_checkpoint_read(source->note, &anchors->key, &c, NULL) == 0) {
		if (is_refused(anchors, &c.note))
			anchors_fault(anchors->report, VERIFY_CHECKPOINT, 0,
				      "a witness's cosignature of the checkpoint does not hold");
		r = add(anchors, ANCHOR_NEWEST, &c, err);
	}
	if (r < 0)
		return r;
	if (anchors->n > 0)
		qsort(anchors->list, anchors->n, sizeof(*anchors->list), by_size);
	if (source->form == VERIFY_OF_LEDGER)
		r = kept_open(&anchors->kept, source->dir_fd, err);
	return r < 0 ? r : kept_next(anchors, err);
}
