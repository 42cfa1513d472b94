/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/verify_report.h"

enum { TEXT_MAX = 512 };

/* A text with its quotes; what is not UTF-8 is cut off. */
static void put_text(const char *text)
{
	char mem[6 * TEXT_MAX + 2];
	struct buf b = buf_init(mem, sizeof(mem));
	size_t n = strlen(text);

	if (n > TEXT_MAX)
		n = TEXT_MAX;
	json_put_str(&b, (struct cht_str){ text, utf8_valid_prefix((const uint8_t *)text, n) });
	cli_put(mem, buf_len(&b));
}

static void put_key_text(const char *before, const char *text)
{
	cli_put_str(str_of(before));
	put_text(text);
}

static void put_finding(const struct verify_report *r)
{
	const struct verify_finding *f = &r->first;
	char file[VERIFY_PLACE_MAX];

	cli_printf(",\"findings\":%" PRIu64 ",\"first\":", r->n_findings);
	if (r->n_findings == 0) {
		cli_printf("null");
		return;
	}
	verify_place_name(r->form, &f->at, file);
	cli_printf("{\"fault\":\"%s\",\"index\":%" PRIu64 ",\"entries\":%" PRIu64
		   ",\"file\":\"%s\",\"fileOffset\":%" PRIu64 ",\"entryOffset\":%" PRIu64,
		   verify_fault_name(f->fault), f->at.index, f->at.n > 1 ? f->at.n : 1, file,
		   f->at.file_offset, f->at.entry_offset);
	put_key_text(",\"runId\":", f->run_id);
	put_key_text(",\"detail\":", f->detail);
	put_key_text(",\"looksLike\":", verify_fault_meaning(f->fault));
	cli_printf("}");
}

static void put_checkpoint(const struct verify_report *r)
{
	static const char *const by[] = { [VERIFY_NOT_SIGNED] = "none",
					  [VERIFY_NO_KEY] = "unknown-key",
					  [VERIFY_BY_HINT] = "hint",
					  [VERIFY_BY_KEY] = "trusted-key" };
	const struct verify_signed *c = &r->checkpoint;
	char root[64] = { 0 };
	struct buf b = buf_init(root, sizeof(root) - 1);

	put_base64(&b, c->root.b, sizeof(c->root.b));
	cli_printf(",\"checkpoint\":");
	if (c->origin[0] == '\0') {
		cli_printf("null");
		return;
	}
	put_key_text("{\"origin\":", c->origin);
	cli_printf(",\"size\":%" PRIu64 ",\"root\":\"%s\",\"signed\":\"%s\"", c->size, root,
		   by[c->by]);
	put_key_text(",\"key\":", c->key);
	cli_printf("}");
}

static void put_above(const struct verify_report *r)
{
	static const char *const ends[] = { [VERIFY_END_UNKNOWN] = "unknown",
					    [VERIFY_END_CLEAN] = "clean",
					    [VERIFY_END_UNCLEAN] = "unclean" };
	const struct verify_above *a = &r->above;

	cli_printf(",\"above\":{\"entries\":%" PRIu64 ",\"bytes\":%" PRIu64
		   ",\"inUse\":%s,\"newer\":%s,\"end\":\"%s\"}",
		   a->entries, a->bytes, a->is_in_use ? "true" : "false",
		   a->has_newer ? "true" : "false", ends[a->end]);
}

static void put_anchors(const struct verify_report *r)
{
	const struct verify_anchors *a = &r->anchors;

	cli_printf(",\"anchored\":%s,\"anchors\":{\"size\":%" PRIu64 ",\"timeSeconds\":%" PRIu64
		   ",\"witnesses\":%u,\"remembered\":%" PRIu64 ",\"kept\":%" PRIu64
		   ",\"compared\":%" PRIu64,
		   a->is_anchored ? "true" : "false", a->size, a->time_s, a->n_witnesses,
		   a->remembered, a->kept, a->compared);
	if (a->is_quorum_asked)
		cli_printf(",\"quorum\":%s,\"quorumSize\":%" PRIu64,
			   a->is_quorum_met ? "true" : "false", a->quorum_size);
	if (a->is_fresh_asked)
		cli_printf(",\"fresh\":%s", a->is_fresh ? "true" : "false");
	cli_printf("}");
}

static void put_integrity(const struct verify_report *r)
{
	cli_printf(",\"integrity\":{\"answer\":\"%s\"", verdict_name(r->integrity));
	put_finding(r);
	if (r->why_cannot_tell != NULL)
		put_key_text(",\"missing\":", r->why_cannot_tell);
	put_checkpoint(r);
	put_above(r);
	cli_printf(",\"leftOut\":%" PRIu64 ",\"prunedBelow\":%" PRIu64, r->left_out,
		   r->pruned_below);
	cli_printf(",\"authenticated\":%" PRIu64 ",\"unknownKey\":%" PRIu64 ",\"unsigned\":%" PRIu64
		   ",\"tornBytes\":%" PRIu64 ",\"signers\":[",
		   r->authenticated, r->unknown_key, r->unsigned_entries, r->torn_bytes);
	for (size_t i = 0; i < r->n_signers && i < VERIFY_LISTED_MAX; i++) {
		put_key_text(i > 0 ? ",{\"kid\":" : "{\"kid\":", r->signers[i].kid);
		cli_printf(",\"algorithm\":\"%s\",\"known\":%s,\"entries\":%" PRIu64 "}",
			   r->signers[i].is_hmac ? "hmac-sha256" : "ed25519",
			   r->signers[i].is_known ? "true" : "false", r->signers[i].entries);
	}
	cli_printf("]}");
}

static void put_losses(const struct verify_sums *sums, bool of_guest)
{
	bool any = false;

	cli_printf(",\"%s\":{", of_guest ? "guestToHost" : "hostToLog");
	for (unsigned i = 0; i < VERIFY_N_LOSSES; i++) {
		if (verify_loss_is_of_guest((enum verify_loss)i) != of_guest)
			continue;
		cli_printf("%s\"%s\":%" PRIu64, any ? "," : "",
			   verify_loss_name((enum verify_loss)i), sums->losses[i]);
		any = true;
	}
	if (of_guest)
		cli_printf(",\"late\":%" PRIu64 ",\"uncounted\":%" PRIu64, sums->late,
			   sums->uncounted);
	cli_printf("}");
}

static void put_open_runs(const struct verify_report *r)
{
	cli_printf(",\"openRuns\":[");
	for (uint64_t i = 0; i < r->all.runs_unsealed && i < VERIFY_LISTED_MAX; i++) {
		put_key_text(i > 0 ? ",{\"runId\":" : "{\"runId\":", r->unsealed[i].run_id);
		put_key_text(",\"cellId\":", r->unsealed[i].cell_id);
		cli_printf(",\"firstIndex\":%" PRIu64 ",\"lastSequence\":%" PRIu64 "}",
			   r->unsealed[i].first_index, r->unsealed[i].last_sequence);
	}
	cli_printf("]");
}

static void put_completeness(const struct verify_report *r, const char *run)
{
	const struct verify_sums *sums = run != NULL ? &r->run : &r->all;

	cli_printf(",\"completeness\":{\"answer\":\"%s\"", verdict_name(r->completeness));
	if (run != NULL)
		put_key_text(",\"runId\":", run);
	cli_printf(",\"events\":%" PRIu64, sums->events);
	put_losses(sums, true);
	put_losses(sums, false);
	cli_printf(",\"runs\":{\"opened\":%" PRIu64 ",\"sealed\":%" PRIu64 ",\"open\":%" PRIu64 "}",
		   sums->runs_opened, sums->runs_sealed, sums->runs_unsealed);
	put_open_runs(r);
	cli_printf(",\"sealedFrames\":{\"received\":%" PRIu64 ",\"stored\":%" PRIu64
		   ",\"heartbeats\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"dropped\":%" PRIu64 "}}",
		   sums->received, sums->stored, sums->heartbeats, sums->refused, sums->dropped);
}

static void put_vantage(const struct verify_report *r, const char *run)
{
	const struct verify_sums *sums = run != NULL ? &r->run : &r->all;

	cli_printf(",\"vantage\":{\"declared\":%" PRIu64 ",\"stated\":%" PRIu64
		   ",\"observed\":%" PRIu64 ",\"derived\":%" PRIu64 ",\"other\":%" PRIu64,
		   sums->provenances[VERIFY_DECLARED], sums->provenances[VERIFY_STATED],
		   sums->provenances[VERIFY_OBSERVED], sums->provenances[VERIFY_DERIVED],
		   sums->other_provenance);
	cli_printf(",\"coverage\":{\"active\":%" PRIu64 ",\"degraded\":%" PRIu64
		   ",\"absent\":%" PRIu64 "}",
		   r->coverage_active, r->coverage_degraded, r->coverage_absent);
	cli_printf(",\"readings\":%" PRIu64 ",\"failedReadings\":%" PRIu64
		   ",\"claims\":{\"witnessed\":%" PRIu64 ",\"unwitnessed\":%" PRIu64
		   ",\"contradicted\":%" PRIu64 ",\"noWitness\":%" PRIu64
		   ",\"undeclaredPacketsOut\":%" PRIu64 "}",
		   sums->readings, sums->failed_readings, sums->verdicts[VERDICT_WITNESSED],
		   sums->verdicts[VERDICT_UNWITNESSED], sums->verdicts[VERDICT_CONTRADICTED],
		   sums->verdicts[VERDICT_NO_WITNESS], sums->undeclared_out);
	cli_printf(",\"silences\":%" PRIu64 ",\"resumed\":%" PRIu64 ",\"forged\":%" PRIu64,
		   sums->silences, sums->resumed, sums->forged);
	cli_printf(",\"hostStarts\":%" PRIu64
		   ",\"hostRunsOn\":%s,\"closed\":%s,\"unprotected\":%" PRIu64,
		   r->host_starts, r->host_runs_on ? "true" : "false",
		   r->is_closed ? "true" : "false", r->unprotected);
	if (r->predecessor[0] != '\0') {
		put_key_text(",\"predecessor\":{\"origin\":", r->predecessor);
		cli_printf(",\"size\":%" PRIu64 "}", r->predecessor_size);
	}
	put_anchors(r);
	cli_printf("}");
}

void verify_put_json(const struct verify_report *r, const char *dir, const char *run)
{
	static const char *const forms[] = { [VERIFY_OF_LEDGER] = "ledger",
					     [VERIFY_OF_BUNDLE] = "bundle",
					     [VERIFY_OF_TILES] = "tiles" };

	put_key_text("{\"ledger\":", dir);
	cli_printf(",\"form\":\"%s\",\"integrityOnly\":%s", forms[r->form],
		   r->by_hash_alone ? "true" : "false");
	cli_printf(",\"verdict\":%d,\"answer\":\"%s\",\"entries\":%" PRIu64
		   ",\"firstIndex\":%" PRIu64,
		   (int)r->verdict, verdict_name(r->verdict), r->entries, r->first_index);
	if (r->first_time[0] != '\0') {
		put_key_text(",\"firstTime\":", r->first_time);
		put_key_text(",\"lastTime\":", r->last_time);
	}
	put_integrity(r);
	put_completeness(r, run);
	put_vantage(r, run);
	cli_printf("}");
}

void verify_print_json(const struct verify_report *r, const char *dir, const char *run)
{
	verify_put_json(r, dir, run);
	cli_printf("\n");
}
