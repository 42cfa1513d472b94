/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "base/text.h"
#include "tlog/hash.h"
#include "tlog/line.h"
#include "tlog/tlog.h"

bool tlog_is_name(struct cht_str name)
{
	const uint8_t *p = (const uint8_t *)name.ptr;
	size_t at;

	if (name.len > TLOG_NAME_MAX || !line_is_key_name(name, &at))
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (p[i] < 0x20 || p[i] == 0x7f ||
		    (p[i] == 0xc2 && p[i + 1] < 0xa0)) /* U+0080 to U+009F */
			return false;
	return true;
}

bool tlog_vkey_make(struct tlog_vkey *out, struct cht_str name, enum tlog_key_type type,
		    const uint8_t public_key[TLOG_PUBLIC_BYTES])
{
	uint8_t middle[2] = { '\n', (uint8_t)type };
	const struct cht_bytes parts[] = {
		{ (const uint8_t *)name.ptr, name.len },
		{ middle, sizeof(middle) },
		{ public_key, TLOG_PUBLIC_BYTES },
	};
	struct tlog_hash hash;

	if (!tlog_is_name(name))
		return false;
	hash_plain(parts, 3, &hash);
	memset(out, 0, sizeof(*out));
	memcpy(out->name, name.ptr, name.len);
	memcpy(out->id, hash.b, TLOG_KEY_ID_BYTES);
	out->type = (uint8_t)type;
	memcpy(out->public_key, public_key, TLOG_PUBLIC_BYTES);
	return true;
}

void tlog_vkey_put(struct buf *b, const struct tlog_vkey *vkey)
{
	uint8_t key[1 + TLOG_PUBLIC_BYTES];

	key[0] = vkey->type;
	memcpy(key + 1, vkey->public_key, TLOG_PUBLIC_BYTES);
	buf_put_str(b, str_of(vkey->name));
	buf_put_byte(b, '+');
	put_hex(b, vkey->id, TLOG_KEY_ID_BYTES);
	buf_put_byte(b, '+');
	put_base64(b, key, sizeof(key));
}

/* Cuts text at its first '+'. False: there is none. */
static bool cut(struct cht_str *text, struct cht_str *before)
{
	const char *plus = text->len > 0 ? memchr(text->ptr, '+', text->len) : NULL;

	if (plus == NULL)
		return false;
	*before = (struct cht_str){ text->ptr, (size_t)(plus - text->ptr) };
	*text = (struct cht_str){ plus + 1, text->len - before->len - 1 };
	return true;
}

/* Lower case alone, so that a key has one text. */
static bool read_id(struct cht_str hex, uint8_t id[TLOG_KEY_ID_BYTES])
{
	size_t len;

	for (size_t i = 0; i < hex.len; i++)
		if (hex.ptr[i] >= 'A' && hex.ptr[i] <= 'F')
			return false;
	return read_hex(hex, id, TLOG_KEY_ID_BYTES, &len) && len == TLOG_KEY_ID_BYTES;
}

/* What is wrong with text, or null and *out filled. */
static const char *read_vkey(struct cht_str text, struct tlog_vkey *out)
{
	uint8_t id[TLOG_KEY_ID_BYTES], key[1 + TLOG_PUBLIC_BYTES];
	struct cht_str name, hex;
	struct tlog_vkey got;
	size_t len;

	if (!cut(&text, &name) || !cut(&text, &hex))
		return "it is not of the form name+id+key";
	if (!tlog_is_name(name))
		return "its name is empty, longer than 128 bytes, or has spaces";
	if (!read_id(hex, id))
		return "its id is not 8 digits of lower-case hex";
	if (!base64_is_valid(text, &len, &(size_t){ 0 }))
		return "its key is not base64";
	if (len == 0 || !read_base64(text, key, sizeof(key), &len) || len != sizeof(key) ||
	    (key[0] != TLOG_ED25519 && key[0] != TLOG_ED25519_COSIGN))
		return "its key is of a type other than Ed25519 (01, or 04 of a witness)";
	if (!tlog_vkey_make(&got, name, key[0], key + 1) || memcmp(got.id, id, sizeof(id)) != 0)
		return "its id is not that of its name and key: a part was changed";
	*out = got;
	return NULL;
}

bool tlog_vkey_read(struct cht_str text, struct tlog_vkey *out, const char **why)
{
	const char *fault = read_vkey(text, out);

	if (fault != NULL && why != NULL)
		*why = fault;
	return fault == NULL;
}

bool tlog_vkey_eq(const struct tlog_vkey *a, const struct tlog_vkey *b)
{
	return str_eq(str_of(a->name), str_of(b->name)) && a->type == b->type &&
	       memcmp(a->public_key, b->public_key, TLOG_PUBLIC_BYTES) == 0;
}
