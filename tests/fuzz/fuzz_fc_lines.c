/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes through a pipe, in pieces as long as the first byte says: out come its lines, each
 * once, without the NULs before them and without empty ones, then what has no end, then the
 * writer's end. Where the first byte is even each byte stands for 1,024 of it, so that lines are
 * longer than there is room for.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "probe/fc_source.h"

enum { BYTES_MAX = 1 << 20 };

static uint8_t all[BYTES_MAX], room[FC_LINE_MAX];

/* The line from *at on as it should come; false: there is none. */
static bool expect(size_t len, size_t *at, struct cht_bytes *line, bool *is_whole)
{
	while (*at < len) {
		const uint8_t *end = memchr(all + *at, '\n', len - *at);
		size_t n = end != NULL ? (size_t)(end - all) - *at : len - *at, nuls = 0;

		while (nuls < n && all[*at + nuls] == 0)
			nuls++;
		*line = (struct cht_bytes){ all + *at + nuls, n - nuls };
		*is_whole = end != NULL;
		*at += n + (end != NULL);
		if (line->len > 0)
			return true;
	}
	return false;
}

static void check_line(int found, const struct fc_line *got, struct cht_bytes want, bool is_whole)
{
	uint8_t sha256[32];

	HOLDS(found == (!is_whole ? FC_CUT : want.len > FC_LINE_MAX ? FC_LONG : found));
	HOLDS(found == FC_LINE || found == FC_LONG || found == FC_CUT);
	HOLDS(digest_sha256(want, sha256, NULL) == 0);
	/* NULs before a long one may not all have been seen as such. */
	HOLDS(found == FC_LONG || got->bytes >= FC_LINE_MAX ||
	      (got->bytes == want.len && memcmp(got->sha256, sha256, 32) == 0));
	if (found == FC_LINE)
		HOLDS(got->len == want.len && memcmp(got->text, want.ptr, want.len) == 0);
}

/* All that comes now. */
static int take_all(struct fc_source *s, size_t len, size_t *at)
{
	struct fc_line line;
	struct cht_bytes want;
	bool is_whole;
	int found;

	while ((found = fc_source_next(s, room, &line)) != FC_NOTHING && found != FC_ENDED) {
		HOLDS(found > 0 && expect(len, at, &want, &is_whole));
		check_line(found, &line, want, is_whole);
	}
	return found;
}

static size_t spread(const uint8_t *data, size_t size, bool is_wide)
{
	size_t each = is_wide ? 1024 : 1;

	for (size_t i = 0; i < size; i++)
		memset(all + i * each, data[i], each);
	return size * each;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fc_source s;
	struct cht_bytes rest;
	size_t at = 0, len, piece, sent = 0;
	bool is_whole;
	int ends[2];

	if (size < 2 || size > BYTES_MAX / 1024)
		return 0;
	len = spread(data + 1, size - 1, data[0] % 2 == 0);
	piece = (size_t)(data[0] / 2 + 1) * (data[0] % 2 == 0 ? 500 : 1);
	HOLDS(pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0);
	fc_source_init(&s, true);
	fc_source_give(&s, ends[0], 0, 0, 65536);
	while (sent < len) {
		size_t n = len - sent < piece ? len - sent : piece;
		ssize_t w = write(ends[1], all + sent, n);

		HOLDS(w > 0);
		sent += (size_t)w;
		HOLDS(take_all(&s, sent, &at) == FC_NOTHING);
	}
	(void)close(ends[1]);
	HOLDS(take_all(&s, len, &at) == FC_ENDED);
	HOLDS(!expect(len, &at, &rest, &is_whole));
	HOLDS(s.kept == NULL && s.digest == NULL);
	fc_source_close(&s);
	return 0;
}
