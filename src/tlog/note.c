/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "base/text.h"
#include "tlog/line.h"
#include "tlog/tlog.h"

#define DASH "\xe2\x80\x94 " /* U+2014 and a space begin a signature line */

static int fault(size_t *at, size_t where)
{
	if (at != NULL)
		*at = where;
	return CHT_E_PARSE;
}

/* The bytes of id and signature; 5 is the least, as Go's reader has it. */
static bool read_blob(struct cht_str text, struct tlog_signature *out, size_t *at)
{
	uint8_t blob[TLOG_KEY_ID_BYTES + sizeof(out->bytes)];
	size_t len;

	if (!base64_is_valid(text, &len, at))
		return false;
	*at = text.len;
	if (len <= TLOG_KEY_ID_BYTES)
		return false;
	out->len = len <= sizeof(blob) ? len - TLOG_KEY_ID_BYTES : 0;
	if (len > sizeof(blob))
		text.len = 8; /* six bytes: the id is among them */
	if (!read_base64(text, blob, sizeof(blob), &len))
		return false;
	memcpy(out->id, blob, TLOG_KEY_ID_BYTES);
	memcpy(out->bytes, blob + TLOG_KEY_ID_BYTES, out->len);
	return true;
}

/* A signature line; *at is moved by the offset in it of the first offending byte. */
static bool read_signature(struct cht_str line, struct tlog_signature *out, size_t *at)
{
	const struct cht_str dash = STR_INIT(DASH);
	size_t i = 0, space;
	const char *end;
	bool ok;

	while (i < dash.len && i < line.len && line.ptr[i] == dash.ptr[i])
		i++;
	*at += i;
	if (i < dash.len)
		return false;
	line = (struct cht_str){ line.ptr + i, line.len - i };
	end = memchr(line.ptr, ' ', line.len);
	space = end != NULL ? (size_t)(end - line.ptr) : line.len;
	out->name = (struct cht_str){ line.ptr, space };
	ok = line_is_key_name(out->name, &i);
	*at += i;
	if (!ok || end == NULL)
		return false;
	line = (struct cht_str){ end + 1, line.len - space - 1 };
	ok = read_blob(line, out, &i);
	*at += 1 + i;
	return ok;
}

int tlog_note_read(struct cht_str note, struct tlog_note *out, size_t *at)
{
	struct tlog_note got;
	struct cht_str line;
	size_t i, begin;

	if (note.len > TLOG_NOTE_MAX_BYTES)
		return fault(at, TLOG_NOTE_MAX_BYTES);
	i = line_clean_prefix(note);
	if (i < note.len)
		return fault(at, i);
	/* The last blank line parts text and signatures. */
	for (i = note.len; i >= 2 && memcmp(note.ptr + i - 2, "\n\n", 2) != 0;)
		i--;
	if (i < 2 || i == note.len)
		return fault(at, note.len);
	got.text = (struct cht_str){ note.ptr, i - 1 };
	for (got.n_sigs = 0; i < note.len; got.n_sigs++) {
		begin = i;
		if (!line_next(note, &i, &line))
			return fault(at, note.len);
		if (got.n_sigs == TLOG_SIGNATURES_MAX)
			return fault(at, begin);
		if (!read_signature(line, &got.sigs[got.n_sigs], &begin))
			return fault(at, begin);
	}
	*out = got;
	return 0;
}

void tlog_note_put_signature(struct buf *b, const struct tlog_vkey *vkey, const uint8_t *sig,
			     size_t sig_len)
{
	uint8_t blob[TLOG_KEY_ID_BYTES + 8 + TLOG_SIGNATURE_BYTES];

	if (sig_len > sizeof(blob) - TLOG_KEY_ID_BYTES) {
		b->full = true;
		return;
	}
	memcpy(blob, vkey->id, TLOG_KEY_ID_BYTES);
	memcpy(blob + TLOG_KEY_ID_BYTES, sig, sig_len);
	buf_put_lit(b, DASH);
	buf_put_str(b, str_of(vkey->name));
	buf_put_byte(b, ' ');
	put_base64(b, blob, TLOG_KEY_ID_BYTES + sig_len);
	buf_put_byte(b, '\n');
}

void tlog_cosigned_put(struct buf *b, uint64_t time_s, struct cht_str text)
{
	buf_put_lit(b, "cosignature/v1\ntime ");
	put_u64(b, time_s);
	buf_put_byte(b, '\n');
	buf_put_str(b, text);
}
