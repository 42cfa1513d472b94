/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the cache of runs, as they are and with a digest that holds: what is taken has no
 * span that cannot be, and comes back the same when it is written and read again.
 */
#include "fuzz.h"

#include "base/bytes.h"
#include "base/digest.h"
#include "cli/runs.h"

enum { HEAD_BYTES = 88, ORIGIN_AT = 56, DIGEST_BYTES = 32 };
#define ORIGIN STR("host/0011223344556677")

static void check_taken(struct cht_bytes bytes)
{
	struct tlog_hash root, root_again;
	struct runs runs, again;
	struct cht_bytes out;

	if (runs_read(bytes, ORIGIN, &runs, &root, NULL) < 0)
		return;
	HOLDS(runs.count <= (bytes.len - HEAD_BYTES - DIGEST_BYTES) / RUN_RECORD_BYTES);
	HOLDS(runs_write(&runs, ORIGIN, &root, &out, NULL) == 0);
	HOLDS(out.len <= bytes.len);
	HOLDS(runs_read(out, ORIGIN, &again, &root_again, NULL) == 0);
	HOLDS(again.n == runs.n && again.count == runs.count && tlog_hash_eq(&root, &root_again));
	for (size_t i = 0; i < runs.n_slots; i++) {
		const struct run_span *span = &runs.slots[i];
		struct run_span found;

		if (span->first > span->last)
			continue;
		HOLDS(span->last < runs.n);
		HOLDS(runs_find_bits(&again, &span->bits, &found));
		HOLDS(found.first <= span->first && found.last >= span->last);
	}
	free((void *)(uintptr_t)out.ptr);
	runs_free(&runs);
	runs_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const struct cht_str origin = ORIGIN;
	uint8_t *copy;

	check_taken((struct cht_bytes){ bytes, len });
	if (len < HEAD_BYTES)
		return 0;
	copy = malloc(len + DIGEST_BYTES);
	HOLDS(copy != NULL);
	memcpy(copy, bytes, len);
	HOLDS(digest_sha256((struct cht_bytes){ (const uint8_t *)origin.ptr, origin.len },
			    copy + ORIGIN_AT, NULL) == 0);
	HOLDS(digest_sha256((struct cht_bytes){ copy, len }, copy + len, NULL) == 0);
	check_taken((struct cht_bytes){ copy, len + DIGEST_BYTES });
	free(copy);
	return 0;
}
