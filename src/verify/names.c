/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/verify.h"

static const struct {
	const char *name, *meaning;
} faults[VERIFY_N_FAULTS] = {
	[VERIFY_SOUND] = { "sound", "nothing is wrong" },
	[VERIFY_FRAMING] = { "framing", "bytes of the file were overwritten, cut out or put in" },
	[VERIFY_HEAD_MISSING] = { "head-missing", "the first entries were removed" },
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
	[VERIFY_LOSS_HOLES] = { "declaredHoles", "numbers declared lost" },
	[VERIFY_LOSS_UNCLEAN_STOP] = { "uncleanStops", "unclean stops, each a loss without bound" },
	[VERIFY_LOSS_CUT] = { "cut", "torn entries cut off" },
};

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
