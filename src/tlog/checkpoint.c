/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "tlog/line.h"
#include "tlog/tlog.h"

void tlog_checkpoint_put(struct buf *b, struct cht_str origin, uint64_t size,
			 const struct tlog_hash *root)
{
	buf_put_str(b, origin);
	buf_put_byte(b, '\n');
	put_u64(b, size);
	buf_put_byte(b, '\n');
	put_base64(b, root->b, TLOG_HASH_BYTES);
	buf_put_byte(b, '\n');
}

static int fault(size_t *at, size_t where)
{
	if (at != NULL)
		*at = where;
	return CHT_E_PARSE;
}

int tlog_checkpoint_read(struct cht_str text, struct tlog_checkpoint *out, size_t *at)
{
	size_t i = line_clean_prefix(text), begin, in_line;
	struct tlog_checkpoint got;
	struct cht_str line;

	if (i < text.len)
		return fault(at, i);
	i = 0;
	if (!line_next(text, &i, &got.origin))
		return fault(at, text.len);
	if (got.origin.len == 0)
		return fault(at, 0);
	begin = i;
	if (!line_next(text, &i, &line))
		return fault(at, text.len);
	if (!read_u64(line, TLOG_SIZE_MAX, &got.size))
		return fault(at, begin);
	begin = i;
	if (!line_next(text, &i, &line))
		return fault(at, text.len);
	if (!line_read_hash(line, &got.root, &in_line))
		return fault(at, begin + in_line);
	got.extension = (struct cht_str){ text.ptr + i, text.len - i };
	while (i < text.len) {
		begin = i;
		if (!line_next(text, &i, &line))
			return fault(at, text.len);
		if (line.len == 0)
			return fault(at, begin);
	}
	*out = got;
	return 0;
}
