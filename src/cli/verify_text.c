/* SPDX-License-Identifier: Apache-2.0
 *
 * The three answers, each with what it rests on. Texts from the ledger are printed only as far
 * as the scanner took them, with what a terminal would obey made visible.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/say.h"
#include "cli/verify_report.h"

static void heading(const char *name, enum verify_verdict verdict, const char *answer)
{
	enum cli_colour colour = verdict == VERIFY_CLEAN     ? CLI_GREEN
				 : verdict == VERIFY_DAMAGED ? CLI_RED
							     : CLI_YELLOW;

	cli_printf("\n%s%-15s%s %s%s%s\n", cli_colour(CLI_BOLD), name, cli_colour(CLI_PLAIN),
		   cli_colour(colour), answer, cli_colour(CLI_PLAIN));
}

static void finding(const struct verify_report *r)
{
	const struct verify_finding *f = &r->first;
	bool is_whole = f->at.part == VERIFY_IN_CHECKPOINT || f->at.part == VERIFY_IN_HISTORY;
	char file[VERIFY_PLACE_MAX];

	verify_place_name(r->form, &f->at, file);
	if (!is_whole && f->at.n > 1)
		cli_printf("  entries       %s to %s, in %s at byte %s\n", say_number(f->at.index),
			   say_number(f->at.index + f->at.n - 1), file,
			   say_number(f->at.file_offset));
	else if (!is_whole)
		cli_printf("  entry         %s, in %s at byte %s\n", say_number(f->at.index), file,
			   say_number(f->at.file_offset));
	else
		cli_printf("  in            %s\n", file);
	if (f->at.entry_offset > 0)
		cli_printf("                at fault from byte %s of the entry on\n",
			   say_number(f->at.entry_offset));
	cli_printf("  what          %s: %s\n", verify_fault_name(f->fault), say_shown(f->detail));
	if (f->run_id[0] != '\0')
		cli_printf("  run           %s\n", say_shown(f->run_id));
	cli_printf("  looks like    %s\n", verify_fault_meaning(f->fault));
	if (r->n_findings > 1)
		cli_printf("  and           %s more %s\n", say_number(r->n_findings - 1),
			   say_plural(r->n_findings - 1, "finding", "findings"));
}

static const char *authority(enum verify_authority by)
{
	switch (by) {
	case VERIFY_NOT_SIGNED: return "which does not hold";
	case VERIFY_NO_KEY: return "by a key that was not given";
	case VERIFY_BY_HINT: return "by the key beside it, which proves nothing";
	case VERIFY_BY_KEY: return "by a key that is trusted";
	}
	return "";
}

static void checkpoint(const struct verify_report *r)
{
	const struct verify_signed *c = &r->checkpoint;

	if (c->origin[0] == '\0') {
		cli_printf("  checkpoint    none\n");
		return;
	}
	cli_printf("  checkpoint    %s entries of %s\n", say_number(c->size), say_shown(c->origin));
	cli_printf("  signed        %s%s%s\n", authority(c->by), c->key[0] != '\0' ? ": " : "",
		   say_shown(c->key));
}

static void above(const struct verify_report *r)
{
	const struct verify_above *a = &r->above;

	if (a->bytes == 0 && !a->has_hashes)
		return;
	cli_printf("  above it      %s whole %s, %s %s: not yet covered%s\n",
		   say_number(a->entries), say_plural(a->entries, "entry", "entries"),
		   say_number(a->bytes), say_plural(a->bytes, "byte", "bytes"),
		   a->is_in_use   ? "; the ledger is in use"
		   : a->has_newer ? "; a newer checkpoint came meanwhile"
				  : ", and nobody writes");
}

static void envelopes(const struct verify_report *r)
{
	for (size_t i = 0; i < r->n_signers && i < VERIFY_LISTED_MAX; i++)
		cli_printf("  envelopes of  %s (%s): %s %s%s\n", say_shown(r->signers[i].kid),
			   r->signers[i].is_hmac ? "HMAC-SHA256" : "Ed25519",
			   say_number(r->signers[i].entries),
			   say_plural(r->signers[i].entries, "entry", "entries"),
			   r->signers[i].is_known   ? ""
			   : r->envelopes_unchecked ? ", not checked"
						    : ", a key that was not given");
	if (r->n_signers > VERIFY_LISTED_MAX)
		cli_printf("                and others\n");
	if (r->unsigned_entries > 0 && r->unsigned_entries < r->entries)
		cli_printf("  no envelope   %s %s\n", say_number(r->unsigned_entries),
			   say_plural(r->unsigned_entries, "entry", "entries"));
}

static void integrity(const struct verify_report *r)
{
	if (r->integrity == VERIFY_DAMAGED)
		heading("integrity", r->integrity, "DAMAGED: this is not what was signed");
	else if (r->integrity == VERIFY_CANNOT_TELL)
		heading("integrity", r->integrity, "cannot tell");
	else
		heading("integrity", r->integrity, "sound: every entry is as it was signed");
	if (r->n_findings > 0)
		finding(r);
	if (r->why_cannot_tell != NULL)
		cli_printf("  missing       %s\n", r->why_cannot_tell);
	checkpoint(r);
	if (r->pruned_below > 0 && r->left_out > 0)
		cli_printf("  pruned        entries below %s, as the log declares\n",
			   say_number(r->pruned_below));
	if (r->left_out > 0)
		cli_printf("  left out      %s %s, of which the hashes are there\n",
			   say_number(r->left_out), say_plural(r->left_out, "entry", "entries"));
	above(r);
	envelopes(r);
	if (r->torn_bytes > 0)
		cli_printf("  tail          %s %s of an unfinished entry\n",
			   say_number(r->torn_bytes), say_plural(r->torn_bytes, "byte", "bytes"));
}

/* The causes of one way, in one line. */
static void losses(const struct verify_sums *sums, bool of_guest)
{
	bool any = false;

	cli_printf("  %s", of_guest ? "guest to host" : "host to log  ");
	for (unsigned i = 0; i < VERIFY_N_LOSSES; i++) {
		uint64_t n = sums->losses[i];

		if (verify_loss_is_of_guest((enum verify_loss)i) != of_guest || n == 0)
			continue;
		cli_printf("%s%s %s", any ? ", " : " ", say_number(n),
			   verify_loss_text((enum verify_loss)i));
		if (i == VERIFY_LOSS_ON_THE_WAY && sums->late > 0)
			cli_printf(" (%s came late)", say_number(sums->late));
		any = true;
	}
	if (of_guest && sums->uncounted > 0) {
		cli_printf("%s%s of agents that do not count theirs", any ? ", " : " ",
			   say_number(sums->uncounted));
		any = true;
	}
	cli_printf("%s\n", any ? "" : " nothing lost");
}

static void runs(const struct verify_report *r, const struct verify_sums *sums)
{
	cli_printf("  runs          %s opened, %s sealed, %s open\n", say_number(sums->runs_opened),
		   say_number(sums->runs_sealed), say_number(sums->runs_unsealed));
	if (sums != &r->all)
		return;
	for (uint64_t i = 0; i < sums->runs_unsealed && i < VERIFY_LISTED_MAX; i++)
		cli_printf("    open        %s (cell %s) since entry %s, last sequence %s\n",
			   say_shown(r->unsealed[i].run_id), say_shown(r->unsealed[i].cell_id),
			   say_number(r->unsealed[i].first_index),
			   say_number(r->unsealed[i].last_sequence));
	if (sums->runs_unsealed > VERIFY_LISTED_MAX)
		cli_printf("    and         %s more\n",
			   say_number(sums->runs_unsealed - VERIFY_LISTED_MAX));
}

static void completeness(const struct verify_report *r, const char *run)
{
	const struct verify_sums *sums = run != NULL ? &r->run : &r->all;

	if (r->by_hash_alone) {
		heading("completeness", VERIFY_CANNOT_TELL, "not looked at");
		return;
	}
	if (r->completeness == VERIFY_CLEAN)
		heading("completeness", r->completeness, "complete: nothing is missing");
	else if (r->completeness == VERIFY_INCOMPLETE)
		heading("completeness", r->completeness, "INCOMPLETE, and it says so");
	else
		heading("completeness", r->completeness, "cannot tell");
	if (run != NULL)
		cli_printf("  of run        %s\n", say_shown(run));
	losses(sums, true);
	losses(sums, false);
	runs(r, sums);
	if (sums->runs_sealed > 0)
		cli_printf(
			"  sealed frames %s received = %s stored + %s heartbeats + %s refused + %s "
			"dropped\n",
			say_number(sums->received), say_number(sums->stored),
			say_number(sums->heartbeats), say_number(sums->refused),
			say_number(sums->dropped));
}

static void anchors(const struct verify_report *r)
{
	const struct verify_anchors *a = &r->anchors;
	char text[RFC3339_S_LEN + 1] = { 0 };
	struct buf b = buf_init(text, RFC3339_S_LEN);
	struct rfc3339_cache cache = { 0 };

	if (a->kept > 0)
		cli_printf("  kept          %s checkpoints since its beginning\n",
			   say_number(a->kept));
	if (!a->is_anchored) {
		cli_printf("  not anchored  rollback cannot be excluded\n");
		return;
	}
	cli_printf("  anchored      up to %s %s", say_number(a->size),
		   say_plural(a->size, "entry", "entries"));
	if (a->remembered > 0)
		cli_printf(", by what you remember");
	if (a->time_s > 0) {
		put_rfc3339_s(&b, &cache, (int64_t)a->time_s * 1000000000);
		cli_printf(", by %u %s at %s", a->n_witnesses,
			   say_plural(a->n_witnesses, "witness", "witnesses"), text);
	}
	cli_printf("\n");
}

/* What the host's own sources had to say of what guests declared. */
static void witnesses(const struct verify_sums *sums)
{
	if (sums->readings == 0 && sums->connects == 0)
		return;
	cli_printf("  witnesses     %s %s of the host's sources, %s failed\n",
		   say_number(sums->readings), say_plural(sums->readings, "reading", "readings"),
		   say_number(sums->failed_readings));
	cli_printf("  claims        %s witnessed, %s unwitnessed, %s contradicted, %s without a "
		   "witness\n",
		   say_number(sums->verdicts[VERDICT_WITNESSED]),
		   say_number(sums->verdicts[VERDICT_UNWITNESSED]),
		   say_number(sums->verdicts[VERDICT_CONTRADICTED]),
		   say_number(sums->verdicts[VERDICT_NO_WITNESS]));
	if (sums->undeclared_out > 0)
		cli_printf("                %s %s left while no connect had been declared\n",
			   say_number(sums->undeclared_out),
			   say_plural(sums->undeclared_out, "packet", "packets"));
}

static void vantage(const struct verify_report *r, const char *run)
{
	const struct verify_sums *sums = run != NULL ? &r->run : &r->all;

	heading("vantage", VERIFY_CLEAN, "from where it was seen");
	if (r->by_hash_alone) {
		anchors(r);
		return;
	}
	cli_printf("  events        %s declared by guests, %s observed, %s derived by the host\n",
		   say_number(sums->provenances[VERIFY_DECLARED]),
		   say_number(sums->provenances[VERIFY_OBSERVED]),
		   say_number(sums->provenances[VERIFY_DERIVED]));
	if (sums->provenances[VERIFY_STATED] > 0)
		cli_printf("                %s stated by the orchestrator\n",
			   say_number(sums->provenances[VERIFY_STATED]));
	cli_printf("  agents say    %s sources active, %s degraded, %s absent\n",
		   say_number(r->coverage_active), say_number(r->coverage_degraded),
		   say_number(r->coverage_absent));
	witnesses(sums);
	cli_printf("  silence       %s %s, %s ended\n", say_number(sums->silences),
		   say_plural(sums->silences, "episode", "episodes"), say_number(sums->resumed));
	if (sums->forged > 0)
		cli_printf("  forged        %s %s of frames that claimed another's name\n",
			   say_number(sums->forged), say_plural(sums->forged, "report", "reports"));
	cli_printf("  host          %s %s%s\n", say_number(r->host_starts),
		   say_plural(r->host_starts, "start", "starts"),
		   r->host_runs_on ? "; it had not stopped where the ledger ends" : "");
	if (r->predecessor[0] != '\0')
		cli_printf("  goes on from  %s, %s %s\n", say_shown(r->predecessor),
			   say_number(r->predecessor_size),
			   say_plural(r->predecessor_size, "entry", "entries"));
	if (r->is_closed)
		cli_printf("  closed        another log goes on from here\n");
	if (r->unprotected > 0)
		cli_printf("  unprotected   %s %s between a stop and the restart\n",
			   say_number(r->unprotected),
			   say_plural(r->unprotected, "entry", "entries"));
	anchors(r);
}

const char *verdict_name(enum verify_verdict verdict)
{
	switch (verdict) {
	case VERIFY_CLEAN: return "clean";
	case VERIFY_INCOMPLETE: return "incomplete";
	case VERIFY_DAMAGED: return "damaged";
	case VERIFY_CANNOT_TELL: return "cannot-tell";
	}
	return "unknown";
}

void verify_print_text(const struct verify_report *r, const char *dir, const char *run)
{
	enum cli_colour colour = r->verdict == VERIFY_CLEAN     ? CLI_GREEN
				 : r->verdict == VERIFY_DAMAGED ? CLI_RED
								: CLI_YELLOW;

	cli_printf("%s: %s %s", dir, say_number(r->entries),
		   say_plural(r->entries, "entry", "entries"));
	if (r->first_time[0] != '\0')
		cli_printf(", %.19sZ to %.19sZ by the host's clock", say_shown(r->first_time),
			   say_shown(r->last_time));
	cli_printf("\n");
	integrity(r);
	completeness(r, run);
	vantage(r, run);
	cli_printf("\n%sverdict%s         %s%d %s%s\n", cli_colour(CLI_BOLD), cli_colour(CLI_PLAIN),
		   cli_colour(colour), (int)r->verdict, verdict_name(r->verdict),
		   cli_colour(CLI_PLAIN));
}
