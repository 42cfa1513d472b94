/* SPDX-License-Identifier: Apache-2.0
 *
 * Retention: whole segments, the oldest first, only by the terms that log.opened states
 * (docs/PROTOCOL.ledger section 7). hashes/ stays, so that the tree and every proof stay.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/limits.h"
#include "ledger/files.h"
#include "ledger/ledger.h"
#include "ledger/segment.h"
#include "ledger/state.h"

static int stat_segment(const struct ledger *ledger, uint64_t first, struct stat *out,
			struct cht_err *err)
{
	char name[SEGMENT_NAME_LEN + 1];

	segment_name(name, first);
	if (fstatat(ledger->entries_fd, name, out, AT_SYMLINK_NOFOLLOW) < 0)
		return cht_fail(err, CHT_E_IO, errno, "stat segment %s", name);
	return 0;
}

/* Bytes of all segments from first on, the last one as far as it is written. */
static int count_bytes(const struct ledger *ledger, uint64_t first, uint64_t *bytes,
		       struct cht_err *err)
{
	*bytes = ledger->tail.bytes;
	for (; first < ledger->tail.first; first += SEGMENT_ENTRIES) {
		struct stat st;
		int r = stat_segment(ledger, first, &st, err);

		if (r < 0)
			return r;
		*bytes += (uint64_t)st.st_size;
	}
	return 0;
}

static bool is_held(const struct ledger *ledger)
{
	return faccessat(ledger->state_fd, "hold", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int ledger_prunable(struct ledger *ledger, uint64_t now_s, uint64_t *index, struct cht_err *err)
{
	const struct ledger_terms *terms = &ledger->state.terms;
	uint64_t at = ledger->state.min_index, left = 0;
	int r = 0;

	*index = at;
	if ((terms->retain_age_s == 0 && terms->retain_bytes == 0) || is_held(ledger))
		return 0;
	if (terms->retain_bytes > 0)
		r = count_bytes(ledger, at, &left, err);
	while (r == 0 && at < ledger->tail.first) {
		struct stat st;
		bool is_old, is_much;

		r = stat_segment(ledger, at, &st, err);
		if (r < 0)
			break;
		is_old = terms->retain_age_s > 0 && (uint64_t)st.st_mtime < now_s &&
			 now_s - (uint64_t)st.st_mtime > terms->retain_age_s;
		is_much = terms->retain_bytes > 0 && left > terms->retain_bytes;
		if (!is_old && !is_much)
			break;
		left -= (uint64_t)st.st_size;
		at += SEGMENT_ENTRIES;
	}
	if (r == 0)
		*index = at;
	return r;
}

int ledger_prune(struct ledger *ledger, uint64_t index, struct cht_err *err)
{
	uint64_t first = ledger->state.min_index;
	int r;

	ledger->state.min_index = index;
	r = state_write(ledger->slots_fd, &ledger->state, err);
	if (r < 0) {
		ledger->state.min_index = first;
		ledger->is_broken = ledger->is_broken || r == CHT_E_IO;
		return r;
	}
	for (; r == 0 && first < index; first += SEGMENT_ENTRIES)
		r = segment_remove(ledger->entries_fd, first, err);
	return r;
}
