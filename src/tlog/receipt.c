/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "base/text.h"
#include "tlog/line.h"
#include "tlog/tlog.h"

#define FIRST_LINE "c2sp.org/tlog-proof@v1"

void tlog_receipt_put(struct buf *b, uint64_t index, const struct tlog_proof *proof,
		      struct cht_str note)
{
	buf_put_lit(b, FIRST_LINE "\nindex ");
	put_u64(b, index);
	buf_put_byte(b, '\n');
	for (unsigned i = 0; i < proof->n; i++) {
		put_base64(b, proof->hash[i].b, TLOG_HASH_BYTES);
		buf_put_byte(b, '\n');
	}
	buf_put_byte(b, '\n');
	buf_put_str(b, note);
}

/* A text, the place of the next line, and that of the first fault. */
struct reader {
	struct cht_str text;
	size_t next, fault;
};

/* The next line, its newline not included, and where it begins. */
static bool take_line(struct reader *in, struct cht_str *line, size_t *begin)
{
	*begin = in->next;
	in->fault = in->text.len;
	return line_next(in->text, &in->next, line);
}

/* How much of two texts is the same from the start on. */
static size_t common(struct cht_str a, struct cht_str b)
{
	size_t n = 0;

	while (n < a.len && n < b.len && a.ptr[n] == b.ptr[n])
		n++;
	return n;
}

static bool read_index(struct reader *in, struct cht_str line, size_t begin, uint64_t *index)
{
	const struct cht_str word = STR_INIT("index ");
	size_t n = common(line, word);

	in->fault = begin + n;
	return n == word.len &&
	       read_u64((struct cht_str){ line.ptr + n, line.len - n }, TLOG_SIZE_MAX - 1, index);
}

/* The extra line if there is one; then the line that the index stands in. */
static bool read_extra(struct reader *in, struct cht_str *line, size_t *begin,
		       struct cht_str *extra)
{
	const struct cht_str word = STR_INIT("extra ");
	size_t len, at = 0;

	*extra = (struct cht_str){ line->ptr, 0 };
	if (!str_starts(*line, word))
		return true;
	*extra = (struct cht_str){ line->ptr + word.len, line->len - word.len };
	/* An empty one would be a second spelling of none. */
	if (extra->len == 0 || !base64_is_valid(*extra, &len, &at)) {
		in->fault = *begin + word.len + at;
		return false;
	}
	return take_line(in, line, begin);
}

/* The hashes, to the empty line behind them. */
static bool read_proof(struct reader *in, struct tlog_proof *out)
{
	struct cht_str line;
	size_t begin, at = 0;

	out->n = 0;
	for (;;) {
		if (!take_line(in, &line, &begin))
			return false;
		if (line.len == 0)
			return true;
		in->fault = begin;
		if (out->n == TLOG_PROOF_MAX)
			return false;
		if (!line_read_hash(line, &out->hash[out->n], &at)) {
			in->fault = begin + at;
			return false;
		}
		out->n++;
	}
}

static bool read_receipt(struct reader *in, struct tlog_receipt *out)
{
	struct cht_str line;
	size_t begin, n;

	if (!take_line(in, &line, &begin))
		return false;
	n = common(line, STR(FIRST_LINE));
	in->fault = n;
	if (n < line.len || n < STR(FIRST_LINE).len)
		return false;
	if (!take_line(in, &line, &begin) || !read_extra(in, &line, &begin, &out->extra) ||
	    !read_index(in, line, begin, &out->index) || !read_proof(in, &out->proof))
		return false;
	in->fault = in->text.len;
	out->note = (struct cht_str){ in->text.ptr + in->next, in->text.len - in->next };
	return out->note.len > 0;
}

int tlog_receipt_read(struct cht_str text, struct tlog_receipt *out, size_t *at)
{
	struct reader in = { .text = text };
	struct tlog_receipt got;

	if (!read_receipt(&in, &got)) {
		if (at != NULL)
			*at = in.fault;
		return CHT_E_PARSE;
	}
	*out = got;
	return 0;
}
