/* SPDX-License-Identifier: Apache-2.0
 *
 * One pass. Each entry is first judged as bytes (envelope, signature, form), then as an event of
 * a run (walk.c); what cannot be read as an event shows again as the hole that it leaves.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "ledger/read.h"
#include "verify/walk.h"

enum { PROGRESS_ENTRIES = 1024 };

static void count_signer(struct verify_report *report, const struct envelope_view *envelope,
			 bool is_known)
{
	bool is_hmac = str_eq(envelope->algorithm, STR("hmac-sha256"));
	struct verify_signer *s = report->signers;
	size_t i = 0, listed = report->n_signers;

	if (listed > VERIFY_LISTED_MAX)
		listed = VERIFY_LISTED_MAX;
	while (i < listed && !(s[i].is_hmac == is_hmac && s[i].is_known == is_known &&
			       str_eq(str_of(s[i].kid), envelope->kid)))
		i++;
	if (i == listed) {
		if (listed == VERIFY_LISTED_MAX || envelope->kid.len > VERIFY_KID_MAX) {
			report->n_signers = VERIFY_LISTED_MAX + 1;
			return;
		}
		s[i] = (struct verify_signer){ .is_hmac = is_hmac, .is_known = is_known };
		memcpy(s[i].kid, envelope->kid.ptr, envelope->kid.len);
		report->n_signers++;
	}
	s[i].entries++;
}

static void check_signature(struct walk *walk, const struct envelope_view *envelope,
			    struct cht_bytes entry)
{
	struct verify_report *report = walk->report;
	const char *signed_end = envelope->signature.ptr + envelope->signature.len + 2;
	size_t at = (size_t)(envelope->signature.ptr - (const char *)entry.ptr);
	enum trust_answer answer = trust_check(walk->trust, envelope);

	switch (answer) {
	case TRUST_HOLDS: report->authenticated++; break;
	case TRUST_UNKNOWN_KEY: report->unknown_key++; break;
	case TRUST_WRONG_ALGORITHM:
		walk_fault(walk, VERIFY_WRONG_ALGORITHM,
			   (size_t)(envelope->algorithm.ptr - (const char *)entry.ptr), NULL,
			   "key %.*s is not for %.*s", (int)envelope->kid.len, envelope->kid.ptr,
			   (int)envelope->algorithm.len, envelope->algorithm.ptr);
		break;
	case TRUST_BROKEN:
		walk_fault(walk, VERIFY_BAD_SIGNATURE, 0, NULL,
			   "the signature of key %.*s does not hold", (int)envelope->kid.len,
			   envelope->kid.ptr);
		break;
	}
	/* The scribe never writes notBefore or notAfter, and no signature would cover them. */
	if (signed_end != (const char *)entry.ptr + entry.len)
		walk_fault(walk, VERIFY_UNCOVERED, at + envelope->signature.len + 1, NULL,
			   "members after the signature");
	if (answer == TRUST_HOLDS || answer == TRUST_UNKNOWN_KEY)
		count_signer(report, envelope, answer == TRUST_HOLDS);
}

static bool is_envelope(struct cht_bytes entry)
{
	return str_starts((struct cht_str){ (const char *)entry.ptr, entry.len },
			  STR("{\"event\":"));
}

static void note_times(struct verify_report *report, struct cht_str time)
{
	if (time.len == 0 || time.len > RFC3339_NS_LEN)
		return;
	if (report->first_time[0] == '\0')
		memcpy(report->first_time, time.ptr, time.len);
	memset(report->last_time, 0, sizeof(report->last_time));
	memcpy(report->last_time, time.ptr, time.len);
}

static int walk_entry(struct walk *walk, struct cht_bytes entry, struct cht_err *err)
{
	struct cht_bytes event = entry;
	struct envelope_view envelope;
	struct event_view view;
	size_t at = 0;

	if (!is_envelope(entry)) {
		if (walk->report->unsigned_entries++ == 0)
			walk->first_unsigned = walk->at;
	} else if (envelope_scan(entry, &envelope, &at) < 0) {
		walk_fault(walk, VERIFY_NOT_AN_EVENT, at, NULL, "no envelope as we write it");
		return 0;
	} else {
		check_signature(walk, &envelope, entry);
		event = envelope.event;
	}
	if (event_scan(event, &view, &at) < 0) {
		walk_fault(walk, VERIFY_NOT_AN_EVENT, (size_t)(event.ptr - entry.ptr) + at, NULL,
			   "no event as we write it");
		return 0;
	}
	note_times(walk->report, view.time);
	return walk_event(walk, &view, err);
}

static int walk_entries(struct walk *walk, struct ledger_reader *reader, struct cht_err *err)
{
	struct verify_report *report = walk->report;
	struct cht_err why = { 0 };
	struct cht_bytes entry;
	int r;

	while ((r = ledger_next(reader, &entry, &why)) == 1) {
		walk->at = (struct verify_place){ reader->next - 1, reader->segment_first,
						  reader->offset - entry.len - 2, 0 };
		report->entries++;
		report->bytes += entry.len;
		r = walk_entry(walk, entry, err);
		if (r < 0)
			return r;
		if (walk->options->progress != NULL && report->entries % PROGRESS_ENTRIES == 0)
			walk->options->progress(walk->options->context, report->entries);
	}
	if (r == CHT_E_STATE) {
		walk->at = (struct verify_place){ reader->next, reader->segment_first,
						  reader->offset, 0 };
		walk_fault(walk, VERIFY_FRAMING, 0, NULL, "%s", why.text);
		return 0;
	}
	if (r < 0 && err != NULL)
		*err = why;
	if (r == 0)
		report->torn_bytes = ledger_reader_torn(reader);
	return r;
}

/* Unsigned entries are doubt where all are so, and damage where others are signed. */
static void judge_unsigned(struct walk *walk)
{
	struct verify_report *report = walk->report;
	bool is_mixed = report->unsigned_entries < report->entries;

	if (report->unsigned_entries == 0 || (!is_mixed && !walk->options->require_signed))
		return;
	if (report->n_findings == 0 || walk->first_unsigned.index <= report->first.at.index)
		report->first = (struct verify_finding){
			.fault = is_mixed ? VERIFY_STRIPPED : VERIFY_UNSIGNED,
			.at = walk->first_unsigned,
			.detail = "no envelope",
		};
	report->n_findings += report->unsigned_entries;
}

static void judge_integrity(struct verify_report *report, const struct verify_options *options,
			    size_t n_keys)
{
	const char *why = NULL;

	if (report->entries == 0)
		why = "the ledger is empty";
	else if (report->unsigned_entries > 0)
		why = "the entries are not signed: anybody could have written them";
	else if (report->unknown_key > 0)
		why = n_keys == 0 ? "no key was given to check the signatures with"
				  : "there is no key for some signatures";
	else if (report->unnumbered > 0)
		why = "some events have no sequence: what is missing cannot be seen";
	else if (options->run_id != NULL && report->run.events == 0)
		why = "no entry is of this run";
	report->why_cannot_tell = why;
	report->integrity = report->n_findings > 0 ? VERIFY_DAMAGED
			    : why != NULL          ? VERIFY_CANNOT_TELL
						   : VERIFY_CLEAN;
}

static void judge_completeness(struct verify_report *report, const struct verify_options *options)
{
	const struct verify_sums *sums = options->run_id != NULL ? &report->run : &report->all;
	uint64_t lost = 0;

	for (unsigned i = 0; i < VERIFY_N_LOSSES; i++)
		lost += sums->losses[i];
	/* What came late was told lost before, in this sum. */
	if (sums->late >= sums->losses[VERIFY_LOSS_ON_THE_WAY])
		lost -= sums->losses[VERIFY_LOSS_ON_THE_WAY];
	if (!options->allow_unbounded)
		lost += sums->uncounted;
	if (options->run_id != NULL)
		lost += sums->runs_unsealed;
	report->completeness = lost > 0 ? VERIFY_INCOMPLETE : VERIFY_CLEAN;
	if (report->unnumbered > 0 || sums->events == 0)
		report->completeness = VERIFY_CANNOT_TELL;
}

static void judge(struct walk *walk)
{
	struct verify_report *report = walk->report;

	judge_unsigned(walk);
	judge_integrity(report, walk->options, verify_trust_count(walk->trust));
	judge_completeness(report, walk->options);
	report->verdict = report->integrity;
	if (report->verdict == VERIFY_CLEAN)
		report->verdict = report->completeness;
}

int verify_ledger(const char *dir, const struct verify_trust *trust,
		  const struct verify_options *options, struct verify_report *report,
		  struct cht_err *err)
{
	struct ledger_reader reader = LEDGER_READER_NULL;
	struct walk walk = { .trust = trust, .options = options, .report = report };
	int r = ledger_reader_open(&reader, dir, err);

	if (r < 0)
		return r;
	*report = (struct verify_report){ .first_index = reader.next };
	r = run_table_init(&walk.runs, err);
	if (r == 0) {
		walk.at = (struct verify_place){ reader.next, reader.segment_first, 0, 0 };
		if (reader.next > 0)
			walk_fault(&walk, VERIFY_HEAD_MISSING, 0, NULL,
				   "the first entry is number %llu",
				   (unsigned long long)reader.next);
		r = walk_entries(&walk, &reader, err);
	}
	if (r == 0) {
		walk_end(&walk);
		judge(&walk);
	}
	run_table_fini(&walk.runs);
	ledger_reader_close(&reader);
	return r;
}
