/* SPDX-License-Identifier: Apache-2.0
 *
 * Not OpenSSL's reader: it leaves the key's text and its seed in the ordinary heap (ADR 17). All
 * that is done here is done in place, in the caller's guarded memory.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/text.h"
#include "sign/signer.h"

#define BEGIN "-----BEGIN PRIVATE KEY-----"
#define END   "-----END PRIVATE KEY-----"

enum { DER_INTEGER = 0x02, DER_OCTETS = 0x04, DER_OID = 0x06, DER_SEQUENCE = 0x30 };

/* What follows the first line that is word, or null. */
static uint8_t *behind_line(uint8_t *p, size_t len, const char *word)
{
	size_t n = strlen(word);

	for (size_t at = 0; len - at >= n; at++) {
		struct cht_str rest = { (const char *)p + at, len - at };
		bool begins = at == 0 || p[at - 1] == '\n';

		if (begins && str_starts(rest, str_of(word)) &&
		    (at + n == len || strchr(" \t\r\n", p[at + n]) != NULL))
			return p + at + n;
	}
	return NULL;
}

/* Moves what is no blank to the front; returns how much that is. */
static size_t close_up(uint8_t *p, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		if (p[i] != ' ' && p[i] != '\t' && p[i] != '\r' && p[i] != '\n')
			p[n++] = p[i];
	return n;
}

/* The content of one DER element at the front of *in, which is moved behind it. */
static bool take(struct cht_bytes *in, uint8_t tag, struct cht_bytes *content)
{
	size_t head = 2, len;

	if (in->len < head || in->ptr[0] != tag)
		return false;
	len = in->ptr[1];
	if (len > 0x80) { /* that many bytes of length follow, and no more than needed */
		size_t n = len - 0x80;

		if (n > 2 || in->len - head < n || in->ptr[head] == 0)
			return false;
		len = n == 1 ? in->ptr[head] : be16_load(in->ptr + head);
		if (len < (n == 1 ? 0x80u : 0x100u))
			return false;
		head += n;
	} else if (len == 0x80) {
		return false;
	}
	if (in->len - head < len)
		return false;
	*content = (struct cht_bytes){ in->ptr + head, len };
	in->ptr += head + len;
	in->len -= head + len;
	return true;
}

/* PrivateKeyInfo of RFC 5208, or OneAsymmetricKey of RFC 5958, whose attributes and public key may
 * follow and are not looked at. CHT_E_UNSUPPORTED: of another kind of key. */
static int seed_in(struct cht_bytes der, struct cht_bytes *seed)
{
	const struct cht_str ed25519 = STR("\x2b\x65\x70"); /* 1.3.101.112 */
	struct cht_bytes info, version, algorithm, oid, key;

	if (!take(&der, DER_SEQUENCE, &info) || der.len > 0 ||
	    !take(&info, DER_INTEGER, &version) || version.len != 1 || version.ptr[0] > 1 ||
	    !take(&info, DER_SEQUENCE, &algorithm) || !take(&algorithm, DER_OID, &oid) ||
	    !take(&info, DER_OCTETS, &key))
		return CHT_E_PARSE;
	if (!str_eq((struct cht_str){ (const char *)oid.ptr, oid.len }, ed25519))
		return CHT_E_UNSUPPORTED;
	if (algorithm.len > 0 || !take(&key, DER_OCTETS, seed) || key.len > 0 ||
	    seed->len != SIGN_SEED_BYTES)
		return CHT_E_PARSE;
	return 0;
}

int key_file_seed(uint8_t *mem, size_t len, const char *path, struct cht_err *err)
{
	uint8_t *text = behind_line(mem, len, BEGIN), *end = NULL;
	struct cht_bytes seed;
	size_t n = 0;
	int r = CHT_E_PARSE;

	if (text != NULL)
		end = behind_line(text, len - (size_t)(text - mem), END);
	if (end != NULL)
		n = close_up(text, (size_t)(end - text) - strlen(END));
	/* Four characters are read before their three bytes are written. */
	if (n > 0 && read_base64((struct cht_str){ (char *)text, n }, text, n, &n))
		r = seed_in((struct cht_bytes){ text, n }, &seed);
	if (r == CHT_E_UNSUPPORTED)
		return cht_fail(err, CHT_E_KEY, 0, "the key in %s is not an Ed25519 key", path);
	if (r < 0)
		return cht_fail(err, CHT_E_KEY, 0,
				"%s holds no PKCS#8 private key in PEM without a passphrase", path);
	memmove(mem, seed.ptr, SIGN_SEED_BYTES);
	return 0;
}
