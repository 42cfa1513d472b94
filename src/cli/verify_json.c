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

	cli_printf(",\"findings\":%" PRIu64 ",\"first\":", r->n_findings);
	if (r->n_findings == 0) {
		cli_printf("null");
		return;
	}
	cli_printf("{\"fault\":\"%s\",\"index\":%" PRIu64 ",\"file\":\"entries/%020" PRIu64
		   "\",\"fileOffset\":%" PRIu64 ",\"entryOffset\":%" PRIu64,
		   verify_fault_name(f->fault), f->at.index, f->at.file_first, f->at.file_offset,
		   f->at.entry_offset);
	put_key_text(",\"runId\":", f->run_id);
	put_key_text(",\"detail\":", f->detail);
	put_key_text(",\"looksLike\":", verify_fault_meaning(f->fault));
	cli_printf("}");
}

static void put_integrity(const struct verify_report *r)
{
	cli_printf(",\"integrity\":{\"answer\":\"%s\"", verdict_name(r->integrity));
	put_finding(r);
	if (r->why_cannot_tell != NULL)
		put_key_text(",\"missing\":", r->why_cannot_tell);
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

	cli_printf(",\"vantage\":{\"declared\":%" PRIu64 ",\"observed\":%" PRIu64
		   ",\"derived\":%" PRIu64 ",\"other\":%" PRIu64,
		   sums->provenances[VERIFY_DECLARED], sums->provenances[VERIFY_OBSERVED],
		   sums->provenances[VERIFY_DERIVED], sums->other_provenance);
	cli_printf(",\"coverage\":{\"active\":%" PRIu64 ",\"degraded\":%" PRIu64
		   ",\"absent\":%" PRIu64 "}",
		   r->coverage_active, r->coverage_degraded, r->coverage_absent);
	cli_printf(",\"silences\":%" PRIu64 ",\"resumed\":%" PRIu64 ",\"forged\":%" PRIu64,
		   sums->silences, sums->resumed, sums->forged);
	cli_printf(",\"hostStarts\":%" PRIu64 ",\"hostRunsOn\":%s,\"unprotected\":%" PRIu64
		   ",\"anchored\":false}",
		   r->host_starts, r->host_runs_on ? "true" : "false", r->unprotected);
}

void verify_print_json(const struct verify_report *r, const char *dir, const char *run)
{
	put_key_text("{\"ledger\":", dir);
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
	cli_printf("}\n");
}
