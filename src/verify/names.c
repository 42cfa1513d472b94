/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/verify.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"

static const struct {
	const char *name, *meaning;
} faults[VERIFY_N_FAULTS] = {
	[VERIFY_SOUND] = { "sound", "nothing is wrong" },
	[VERIFY_CHECKPOINT] = { "checkpoint", "the checkpoint's text or signature was changed" },
	[VERIFY_OTHER_KEY] = { "other-key", "the log was made anew and signed with another key" },
	[VERIFY_CHANGED] = { "changed", "a byte of the entry was changed" },
	[VERIFY_REMOVED] = { "removed", "entries were removed from the middle" },
	[VERIFY_INSERTED] = { "inserted", "an entry was put in between" },
	[VERIFY_CUT] = { "cut", "entries were cut off at the end" },
	[VERIFY_MISSING] = { "missing", "a file of entries was removed" },
	[VERIFY_HEAD_MISSING] = { "head-missing", "the first entries were removed, and no pruning "
						  "declared it" },
	[VERIFY_HASHES] = { "hashes", "a stored hash was changed; the entries are as they were "
				      "signed" },
	[VERIFY_ROOT] = { "root", "entries and hashes were changed together" },
	[VERIFY_BUNDLE] = { "bundle", "the bundle's text was changed or cut" },
	[VERIFY_APPENDED] = { "appended", "entries were put behind the end while the host had "
					  "stopped" },
	[VERIFY_HISTORY] = { "history", "a kept checkpoint was changed" },
	[VERIFY_ROLLED_BACK] = { "rolled-back",
				 "the log was cut back to an older state of itself" },
	[VERIFY_FORKED] = { "forked", "two histories were signed with the true key" },
	[VERIFY_RECEIPT] = { "receipt", "the entry is not the one that the proof was given for" },
	[VERIFY_NOT_OPENED] = { "not-opened", "the beginning was replaced, or it is another log" },
	[VERIFY_AFTER_CLOSED] = { "after-closed", "a closed log was written on" },
	[VERIFY_FRAMING] = { "framing", "bytes of the file were overwritten, cut out or put in" },
	[VERIFY_NOT_AN_EVENT] = { "not-an-event", "a byte of the entry was changed" },
	[VERIFY_BAD_SIGNATURE] = { "bad-signature",
				   "the entry was changed after it was signed, or signed with "
				   "another key" },
	[VERIFY_WRONG_ALGORITHM] = { "wrong-algorithm",
				     "a key id was put under another algorithm, to be checked with "
				     "the wrong kind of key" },
	[VERIFY_UNCOVERED] = { "uncovered", "the envelope was extended after it was signed" },
	[VERIFY_STRIPPED] = { "stripped",
			      "the envelope was taken off, or the entry was put in without a key" },
	[VERIFY_UNSIGNED] = { "unsigned", "the entry is unsigned, and signatures are required" },
	[VERIFY_NO_RUN] = { "no-run", "the entry was not written by the host's line" },
	[VERIFY_BAD_ID] = { "bad-id", "the sequence or the id was changed" },
	[VERIFY_HOLE] = { "hole", "an entry was removed" },
	[VERIFY_REPEAT] = { "repeat", "an entry was put in once more" },
	[VERIFY_SWAPPED] = { "swapped", "entries were put in another order" },
	[VERIFY_MOVED] = { "moved",
			   "entries before it were removed or put in, or a run was copied" },
	[VERIFY_CONTRADICTION] = { "contradiction", "events of the run were removed or put in, or "
						    "its seal is false" },
};

static const struct {
	const char *name, *text;
} losses[VERIFY_N_LOSSES] = {
	[VERIFY_LOSS_IN_GUEST] = { "inGuest", "dropped in the guest" },
	[VERIFY_LOSS_ON_THE_WAY] = { "onTheWay", "lost on the way" },
	[VERIFY_LOSS_REFUSED] = { "refused", "frames refused" },
	[VERIFY_LOSS_OVER_QUOTA] = { "overQuota", "dropped over the run's quota" },
	[VERIFY_LOSS_NO_SPACE] = { "noSpace", "dropped for want of space" },
	[VERIFY_LOSS_HOLES] = { "declaredHoles", "numbers declared lost" },
	[VERIFY_LOSS_UNCLEAN_STOP] = { "uncleanStops", "unclean stops, each a loss without bound" },
	[VERIFY_LOSS_CUT] = { "cut", "torn entries cut off" },
	[VERIFY_LOSS_PRUNED] = { "pruned", "numbers of runs whose beginning was pruned" },
};

static void put_tile(struct buf *b, bool is_entries, unsigned level, uint64_t hash)
{
	struct tlog_tile tile = { .is_entries = is_entries,
				  .level = level,
				  .n = hash / TLOG_TILE_WIDTH,
				  .width = TLOG_TILE_WIDTH };

	tlog_tile_put_path(b, &tile);
}

static void put_place(struct buf *b, enum verify_form form, const struct verify_place *place)
{
	bool is_tiles = form == VERIFY_OF_TILES;
	unsigned level = (unsigned)(place->file_first % TLOG_LEVELS);
	char digits[32];
	int n;

	switch (place->part) {
	case VERIFY_IN_CHECKPOINT: buf_put_lit(b, "checkpoint"); break;
	case VERIFY_IN_HISTORY: buf_put_lit(b, "checkpoints"); break;
	case VERIFY_IN_BUNDLE: buf_put_lit(b, "bundle"); break;
	case VERIFY_IN_HASHES:
		if (is_tiles) {
			put_tile(b, false, level, place->index >> level * TLOG_TILE_BITS);
			break;
		}
		buf_put_lit(b, "hashes/");
		put_u64(b, level);
		break;
	case VERIFY_IN_ENTRIES:
		if (is_tiles) {
			put_tile(b, true, 0, place->index);
			break;
		}
		n = snprintf(digits, sizeof(digits), "%020" PRIu64, place->file_first);
		buf_put_lit(b, "entries/");
		buf_put(b, digits, (size_t)n);
		break;
	}
}

void verify_place_name(enum verify_form form, const struct verify_place *place,
		       char out[VERIFY_PLACE_MAX])
{
	struct buf b = buf_init(out, VERIFY_PLACE_MAX - 1);

	put_place(&b, form, place);
	out[buf_len(&b)] = '\0';
}

const char *verify_fault_name(enum verify_fault fault)
{
	return faults[fault].name;
}

const char *verify_fault_meaning(enum verify_fault fault)
{
	return faults[fault].meaning;
}

const char *verify_loss_name(enum verify_loss loss)
{
	return losses[loss].name;
}

const char *verify_loss_text(enum verify_loss loss)
{
	return losses[loss].text;
}
