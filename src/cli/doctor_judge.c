/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/text.h"
#include "cli/doctor.h"

#define MIB (UINT64_C(1) << 20)

enum doctor_verdict judge_space(uint64_t free, uint64_t all)
{
	if (free < 64 * MIB)
		return DOCTOR_FAIL;
	return free < 1024 * MIB || free < all / 20 ? DOCTOR_WARN : DOCTOR_OK;
}

enum doctor_verdict judge_sync(uint64_t ns)
{
	if (ns > NS_PER_S)
		return DOCTOR_FAIL;
	return ns > COMMIT_INTERVAL_NS ? DOCTOR_WARN : DOCTOR_OK;
}

enum doctor_verdict judge_key(mode_t mode)
{
	return (mode & 077) != 0 ? DOCTOR_FAIL : DOCTOR_OK;
}

enum doctor_verdict judge_directory(mode_t mode)
{
	return (mode & 022) != 0 ? DOCTOR_FAIL : DOCTOR_OK;
}

uint64_t descriptors_for(uint64_t cells)
{
	return LINE_FDS + (LINE_FDS_PER_CELL + 1) * cells;
}

enum doctor_verdict judge_descriptors(uint64_t limit, uint64_t configured, uint64_t most)
{
	if (limit < descriptors_for(configured))
		return DOCTOR_FAIL;
	return limit < descriptors_for(most) ? DOCTOR_WARN : DOCTOR_OK;
}

static void put_process(struct buf *b, const char *name, const struct doctor_process *p)
{
	buf_put_str(b, str_of(name));
	if (p->pid == 0) {
		buf_put_lit(b, " is not found");
		return;
	}
	buf_put_lit(b, " is user ");
	put_u64(b, p->uid);
}

enum doctor_verdict judge_separation(const struct doctor_process *line,
				     const struct doctor_process *scribe,
				     const struct doctor_process *opener, struct buf *text)
{
	enum doctor_verdict verdict = DOCTOR_OK;

	if (line->pid == 0) {
		buf_put_lit(text, "chtd does not run, or more than one does: not looked at");
		return DOCTOR_OK;
	}
	put_process(text, "chtd", line);
	put_process(text, ", cht-scribe", scribe);
	put_process(text, ", cht-opener", opener);
	if (scribe->pid != 0 && scribe->uid == line->uid) {
		buf_put_lit(text, "; who takes chtd over can read the key and change the ledger");
		verdict = DOCTOR_WARN;
	}
	if (opener->pid != 0 && opener->uid == line->uid) {
		buf_put_lit(text, "; who takes chtd over has the opener's paths too");
		verdict = DOCTOR_WARN;
	}
	if (line->uid == 0) {
		buf_put_lit(text, "; chtd, which meets the guests, is root");
		verdict = DOCTOR_WARN;
	}
	return verdict;
}

bool limits_read_files(struct cht_str text, uint64_t *hard)
{
	static const char label[] = "Max open files";
	const char *at = memmem(text.ptr, text.len, label, sizeof(label) - 1);
	const char *end = text.ptr + text.len;
	struct cht_str word = { NULL, 0 };

	if (at == NULL)
		return false;
	at += sizeof(label) - 1;
	for (int i = 0; i < 2; i++) {
		while (at < end && *at == ' ')
			at++;
		word.ptr = at;
		while (at < end && *at != ' ' && *at != '\n')
			at++;
		word.len = (size_t)(at - word.ptr);
	}
	if (str_eq(word, STR("unlimited"))) {
		*hard = UINT64_MAX;
		return true;
	}
	return read_u64(word, UINT64_MAX, hard);
}
