/* SPDX-License-Identifier: Apache-2.0
 *
 * A block is read with one pread where its entries are about as long as those before: reading
 * farther would copy twice, and less would ask twice.
 */
#include "verify/source_entries.h"

#include <errno.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"

enum { FIRST_BYTES = 1 << 16 };

_Static_assert(BLOCK_BYTES >= CHT_ENTRY_MAX_BYTES + ENTRIES_LENGTH_BYTES, "a block takes an entry");

ssize_t entries_pread(int fd, void *out, size_t n, uint64_t at, struct cht_err *err)
{
	uint8_t *p = out;
	size_t have = 0;

	while (have < n) {
		ssize_t r = pread(fd, p + have, n - have, (off_t)(at + have));

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return cht_fail(err, CHT_E_IO, errno, "read");
		if (r == 0)
			break;
		have += (size_t)r;
	}
	return (ssize_t)have;
}

/* Takes whole entries out of block->bytes from *at on. */
static enum entries_end take(struct entries *entries, unsigned want, struct block *block,
			     size_t *at)
{
	while (block->n < want) {
		size_t left = block->len - *at, len;

		if (left < ENTRIES_LENGTH_BYTES)
			return left == 0 ? ENTRIES_END : ENTRIES_TORN;
		len = be16_load(block->bytes + *at);
		if (len == 0 || len > CHT_ENTRY_MAX_BYTES)
			return ENTRIES_BAD;
		if (left - ENTRIES_LENGTH_BYTES < len)
			return ENTRIES_TORN;
		block->item[block->n++] = (struct block_item){
			.at = (uint32_t)(*at + ENTRIES_LENGTH_BYTES),
			.len = (uint32_t)len,
			.offset = entries->offset + *at,
		};
		*at += ENTRIES_LENGTH_BYTES + len;
	}
	return ENTRIES_MORE;
}

int entries_fill(struct entries *entries, unsigned want, struct block *block, struct cht_err *err)
{
	size_t ask = entries->usual > 0 ? entries->usual + entries->usual / 8 : FIRST_BYTES, at = 0;
	enum entries_end end = ENTRIES_END;
	ssize_t n;

	block->n = 0;
	block->len = 0;
	do {
		if (ask > BLOCK_BYTES - block->len)
			ask = BLOCK_BYTES - block->len;
		n = entries_pread(entries->fd, block->bytes + block->len, ask,
				  entries->offset + block->len, err);
		if (n < 0)
			return (int)n;
		block->len += (size_t)n;
		end = take(entries, want, block, &at);
	} while (end != ENTRIES_MORE && end != ENTRIES_BAD && (size_t)n == ask &&
		 block->len < BLOCK_BYTES);
	block->len = at;
	if (block->n == 0)
		return (int)end;
	if (block->n == BLOCK_ENTRIES_MAX || at > entries->usual)
		entries->usual = at;
	entries->offset += at;
	return ENTRIES_MORE;
}
