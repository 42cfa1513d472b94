/* SPDX-License-Identifier: Apache-2.0
 *
 * The public face: libcht-verify. A trust is a verify_trust under another name; a report is copied
 * out, as far as the caller's struct reaches.
 */
#include <cht/verify.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/err.h"
#include "base/limits.h"
#include "verify/note.h"
#include "verify/trust.h"
#include "verify/walk.h"

_Static_assert((int)CHT_VERDICT_INCOMPLETE == (int)VERIFY_INCOMPLETE &&
		       (int)CHT_VERDICT_DAMAGED == (int)VERIFY_DAMAGED &&
		       (int)CHT_VERDICT_CANNOT_TELL == (int)VERIFY_CANNOT_TELL,
	       "one numbering");

static struct verify_trust *inner(struct cht_trust *trust)
{
	return (struct verify_trust *)trust;
}

static int is_missing(const char *what, struct cht_err *err)
{
	return cht_fail(err, CHT_E_RANGE, 0, "no %s was given", what);
}

static const struct verify_trust *inner_const(const struct cht_trust *trust)
{
	return (const struct verify_trust *)trust;
}

int cht_trust_new(struct cht_trust **out, const char *event_keys, const char *hmac_keys,
		  struct cht_err *err)
{
	struct verify_trust *trust;
	int r = verify_trust_load(&trust, event_keys, hmac_keys, err);

	if (r == 0)
		*out = (struct cht_trust *)trust;
	return r;
}

void cht_trust_free(struct cht_trust *trust)
{
	verify_trust_free(inner(trust));
}

int cht_trust_add_vkey(struct cht_trust *trust, struct cht_str vkey, struct cht_err *err)
{
	return trust != NULL ? verify_trust_add_vkey(inner(trust), vkey, err)
			     : is_missing("trust", err);
}

int cht_trust_add_policy(struct cht_trust *trust, struct cht_str policy, struct cht_err *err)
{
	return trust != NULL ? verify_trust_add_policy(inner(trust), policy, err)
			     : is_missing("trust", err);
}

/* Cut where it does not fit, which no text of ours does. */
static void copy(char *out, size_t cap, const char *text)
{
	size_t n = text != NULL ? strnlen(text, cap - 1) : 0;

	if (n > 0)
		memcpy(out, text, n);
	out[n] = '\0';
}
#define COPY(out, text) copy((out), sizeof(out), (text))

static void copy_finding(struct cht_verify_report *out, const struct verify_report *in)
{
	const struct verify_finding *f = &in->first;

	out->findings = in->n_findings;
	if (in->n_findings == 0)
		return;
	COPY(out->fault, verify_fault_name(f->fault));
	COPY(out->fault_meaning, verify_fault_meaning(f->fault));
	COPY(out->detail, f->detail);
	COPY(out->fault_run_id, f->run_id);
	verify_place_name(in->form, &f->at, out->fault_file);
	out->fault_index = f->at.index;
	out->fault_entries = f->at.n > 1 ? f->at.n : 1;
	out->fault_file_offset = f->at.file_offset;
	out->fault_entry_offset = f->at.entry_offset;
}

static void copy_sums(struct cht_verify_report *out, const struct verify_sums *in)
{
	out->events = in->events;
	out->runs_opened = in->runs_opened;
	out->runs_sealed = in->runs_sealed;
	out->runs_open = in->runs_unsealed;
	out->uncounted = in->uncounted;
	for (unsigned i = 0; i < VERIFY_N_LOSSES; i++) {
		uint64_t *lost = verify_loss_is_of_guest((enum verify_loss)i)
					 ? &out->lost_guest_to_host
					 : &out->lost_host_to_log;

		*lost = u64_sum(*lost, in->losses[i]);
	}
	out->declared = in->provenances[VERIFY_DECLARED];
	out->observed = in->provenances[VERIFY_OBSERVED];
	out->derived = in->provenances[VERIFY_DERIVED];
	out->stated = in->provenances[VERIFY_STATED];
}

static void copy_report(struct cht_verify_report *out, const struct verify_report *in, bool of_run)
{
	const struct verify_signed *signed_by = &in->checkpoint;

	out->verdict = (enum cht_verdict)in->verdict;
	out->integrity = (enum cht_verdict)in->integrity;
	out->completeness = (enum cht_verdict)in->completeness;
	COPY(out->cannot_tell, in->why_cannot_tell);
	COPY(out->origin, signed_by->origin);
	COPY(out->key, signed_by->key);
	out->is_authentic = signed_by->by == VERIFY_BY_KEY;
	out->size = signed_by->size;
	memcpy(out->root, signed_by->root.b, sizeof(out->root));
	out->entries = in->entries;
	out->bytes = in->bytes;
	out->left_out = in->left_out;
	out->above_entries = in->above.entries;
	out->above_bytes = in->above.bytes;
	copy_finding(out, in);
	copy_sums(out, of_run || in->bundle_run[0] != '\0' ? &in->run : &in->all);
	out->is_anchored = in->anchors.is_anchored;
	out->witnesses = in->anchors.n_witnesses;
	out->anchored_size = in->anchors.size;
	out->anchored_time = in->anchors.time_s;
}

/* As far as the caller's struct reaches; false: it says nothing. */
static bool read_options(struct verify_options *out, const struct cht_verify_options *options)
{
	struct cht_verify_options o = { 0 };
	struct cht_now now;

	clk_read(&now);
	*out = (struct verify_options){ .now_s = (uint64_t)now.realtime_ns / NS_PER_S };
	if (options == NULL)
		return true;
	if (options->struct_size < sizeof(options->struct_size))
		return false;
	memcpy(&o, options, options->struct_size < sizeof(o) ? options->struct_size : sizeof(o));
	out->run_id = o.run_id;
	out->since = o.since;
	out->fresh_s = o.fresh_seconds;
	out->jobs = o.jobs;
	out->allow_unbounded = o.allow_unbounded;
	out->require_signed = o.require_envelopes;
	out->by_hash_alone = o.integrity_only;
	out->progress = o.progress;
	out->context = o.context;
	return true;
}

int cht_verify(const char *path, const struct cht_trust *trust,
	       const struct cht_verify_options *options, struct cht_verify_report *report,
	       struct cht_err *err)
{
	struct cht_verify_report out = { .struct_size = report != NULL ? report->struct_size : 0 };
	struct verify_options own;
	struct verify_report *in;
	int r;

	if (path == NULL || trust == NULL || report == NULL)
		return is_missing(path == NULL ? "path" : trust == NULL ? "trust" : "report", err);
	if (!read_options(&own, options) || report->struct_size < sizeof(report->struct_size))
		return cht_fail(err, CHT_E_RANGE, 0, "struct_size is not set");
	in = malloc(sizeof(*in));
	if (in == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for a report");
	r = verify_path(path, inner_const(trust), &own, in, err);
	if (r == 0) {
		copy_report(&out, in, own.run_id != NULL);
		memcpy(report, &out,
		       report->struct_size < sizeof(out) ? report->struct_size : sizeof(out));
	}
	free(in);
	return r;
}

/* Each key of this origin; 0 when one signed and none is false. */
static int check_log(const struct verify_checkpoint *c, const struct verify_trust *trust,
		     struct cht_err *err)
{
	const struct tlog_vkey *key;
	bool is_signed = false;

	for (size_t i = 0; (key = trust_log(trust, i)) != NULL; i++) {
		enum verify_note answer = verify_note_signature(&c->note, key, NULL);

		if (answer == VERIFY_NOTE_BROKEN)
			return cht_fail(err, CHT_E_VERIFY, 0,
					"the checkpoint's signature does not hold");
		is_signed = is_signed || (answer == VERIFY_NOTE_HOLDS &&
					  str_eq(c->at.origin, str_of(key->name)));
	}
	return is_signed ? 0
			 : cht_fail(err, CHT_E_VERIFY, 0,
				    "the checkpoint is not signed by a key that is trusted");
}

static int check_witnesses(const struct verify_checkpoint *c, const struct tlog_policy *policy,
			   struct cht_checkpoint *out, struct cht_err *err)
{
	bool has[TLOG_POLICY_WITNESSES_MAX] = { false };

	for (unsigned i = 0; policy != NULL && i < policy->n_witnesses; i++) {
		uint64_t time_s;
		enum verify_note answer =
			verify_note_signature(&c->note, &policy->witnesses[i].vkey, &time_s);

		if (answer == VERIFY_NOTE_BROKEN)
			return cht_fail(err, CHT_E_VERIFY, 0, "a cosignature does not hold");
		has[i] = answer == VERIFY_NOTE_HOLDS;
		out->witnesses += has[i];
		if (has[i] && time_s > out->witness_time)
			out->witness_time = time_s;
	}
	if (policy != NULL && policy->quorum >= 0 && !tlog_policy_is_met(policy, has))
		return cht_fail(err, CHT_E_VERIFY, 0, "the policy's quorum is not met");
	return 0;
}

int cht_checkpoint_verify(struct cht_str note, const struct cht_trust *trust,
			  struct cht_checkpoint *out, struct cht_err *err)
{
	struct cht_checkpoint got = { 0 };
	struct verify_checkpoint c;
	int r;

	if (trust == NULL)
		return is_missing("trust", err);
	r = verify_checkpoint_read(note, NULL, &c, err);
	if (r == 0)
		r = check_log(&c, inner_const(trust), err);
	if (r == 0)
		r = check_witnesses(&c, inner_const(trust)->policy, &got, err);
	if (r < 0)
		return r;
	memcpy(got.origin, c.at.origin.ptr, c.at.origin.len);
	got.size = c.at.size;
	memcpy(got.root, c.at.root.b, sizeof(got.root));
	*out = got;
	return 0;
}

int cht_proof_verify(struct cht_str proof, struct cht_bytes entry, const struct cht_trust *trust,
		     uint64_t *index, struct cht_checkpoint *checkpoint, struct cht_err *err)
{
	struct cht_checkpoint got;
	struct tlog_receipt receipt;
	struct tlog_hash leaf, root;
	size_t at = 0;
	int r;

	if (trust == NULL)
		return is_missing("trust", err);
	if (tlog_receipt_read(proof, &receipt, &at) < 0)
		return cht_fail_value(err, CHT_E_PARSE, (uint32_t)at,
				      "no tlog-proof: byte %zu is not as it must be", at);
	r = cht_checkpoint_verify(receipt.note, trust, &got, err);
	if (r < 0)
		return r;
	tlog_leaf(entry, &leaf);
	if (tlog_inclusion_root(receipt.index, got.size, &leaf, &receipt.proof, &root) < 0 ||
	    memcmp(root.b, got.root, sizeof(got.root)) != 0)
		return cht_fail(err, CHT_E_VERIFY, 0,
				"the proof does not lead from this entry to the checkpoint's root");
	if (index != NULL)
		*index = receipt.index;
	if (checkpoint != NULL)
		*checkpoint = got;
	return 0;
}
