/* SPDX-License-Identifier: Apache-2.0
 *
 * HMAC goes through EVP_MAC here and not through src/sign's own composition, so that a fault in
 * one shows in the other.
 */
#include "verify/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/text.h"

enum {
	KEY_FILE_MAX = 1 << 20,
	HMAC_BYTES = 32,
	HMAC_KEY_MAX = 4096,
};

static bool is_kid(const char *kid)
{
	size_t n = strlen(kid);

	return n > 0 && n <= VERIFY_KID_MAX;
}

/* Decodes text into guarded memory of key. */
static int decode_key(struct trust_key *key, struct cht_str text, const char *path,
		      struct cht_err *err)
{
	size_t max = key->is_hmac ? HMAC_KEY_MAX : crypto_sign_PUBLICKEYBYTES;

	key->bytes = sodium_malloc(max);
	if (key->bytes == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no guarded memory for a key");
	if (!read_base64url(text, true, key->bytes, max, &key->len))
		return cht_fail(err, CHT_E_KEY, 0,
				"%s: key %s is not base64url of at most %zu bytes", path, key->kid,
				max);
	if (key->is_hmac && key->len == 0)
		return cht_fail(err, CHT_E_KEY, 0, "%s: key %s decodes to nothing", path, key->kid);
	if (!key->is_hmac && key->len != max)
		return cht_fail(err, CHT_E_KEY, 0, "%s: key %s has %zu bytes; a public key has %zu",
				path, key->kid, key->len, max);
	/* Under a point of small order, signatures of any text can be made without a secret. */
	if (!key->is_hmac && crypto_core_ed25519_is_valid_point(key->bytes) != 1)
		return cht_fail(err, CHT_E_KEY, 0,
				"%s: key %s is no sound Ed25519 public key (small order, or not "
				"canonical)",
				path, key->kid);
	return 0;
}

static int add_keys(struct verify_trust *trust, json_t *object, bool is_hmac, const char *path,
		    struct cht_err *err)
{
	size_t n = trust->n + json_object_size(object);
	struct trust_key *keys = reallocarray(trust->keys, n + 1, sizeof(*keys));
	const char *kid;
	json_t *value;
	int r = 0;

	if (keys == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for keys");
	trust->keys = keys;
	json_object_foreach(object, kid, value)
	{
		struct trust_key *key = &keys[trust->n];
		struct cht_str text = { json_string_value(value), json_string_length(value) };

		if (!is_kid(kid) || !json_is_string(value))
			return cht_fail(err, CHT_E_PARSE, 0,
					"%s: each member is a key id of 1 to %d bytes and a text",
					path, VERIFY_KID_MAX);
		*key = (struct trust_key){ .is_hmac = is_hmac };
		memcpy(key->kid, kid, strlen(kid));
		trust->n++;
		r = decode_key(key, text, path, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The file's text, guarded; *exposed when others may read it. */
static ssize_t read_keys_file(const char *path, char *text, bool *exposed, struct cht_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "open key file %s", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		n = cht_fail(err, CHT_E_IO, 0, "key file %s is not a regular file", path);
	else
		n = fd_read_all(fd, text, KEY_FILE_MAX, err);
	if (n >= 0)
		*exposed = (st.st_mode & (S_IRGRP | S_IROTH)) != 0;
	fd_close(&fd);
	return n;
}

static int load_file(struct verify_trust *trust, const char *path, bool is_hmac,
		     struct cht_err *err)
{
	char *text = sodium_malloc(KEY_FILE_MAX);
	json_error_t why;
	json_t *object = NULL;
	bool exposed = false;
	ssize_t n;
	int r;

	if (text == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for a key file");
	n = read_keys_file(path, text, &exposed, err);
	r = n < 0 ? (int)n : 0;
	if (r == 0)
		object = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, &why);
	/* The parser's own message may quote the file: only the place is told. */
	if (r == 0 && object == NULL)
		r = cht_fail_value(err, CHT_E_PARSE, (uint32_t)why.line,
				   "%s: line %d, column %d: not JSON, or a key id twice", path,
				   why.line, why.column);
	else if (r == 0 && !json_is_object(object))
		r = cht_fail(err, CHT_E_PARSE, 0, "%s: not an object of key ids", path);
	if (r == 0)
		r = add_keys(trust, object, is_hmac, path, err);
	trust->is_exposed = trust->is_exposed || (is_hmac && exposed);
	json_decref(object);
	sodium_free(text);
	return r;
}

int verify_trust_load(struct verify_trust **out, const char *ed25519_path, const char *hmac_path,
		      struct cht_err *err)
{
	struct verify_trust *trust;
	int r = 0;

	if (sodium_init() < 0)
		return cht_fail(err, CHT_E_UNSUPPORTED, 0, "libsodium does not start");
	trust = calloc(1, sizeof(*trust));
	if (trust == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for keys");
	trust->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	if (trust->mac == NULL)
		r = cht_fail(err, CHT_E_UNSUPPORTED, 0, "no HMAC in the library");
	if (r == 0 && ed25519_path != NULL)
		r = load_file(trust, ed25519_path, false, err);
	if (r == 0 && hmac_path != NULL)
		r = load_file(trust, hmac_path, true, err);
	if (r < 0)
		verify_trust_free(trust);
	else
		*out = trust;
	return r;
}

void verify_trust_free(struct verify_trust *trust)
{
	if (trust == NULL)
		return;
	for (size_t i = 0; i < trust->n; i++)
		sodium_free(trust->keys[i].bytes);
	EVP_MAC_free(trust->mac);
	free(trust->keys);
	free(trust->policy);
	free(trust->policy_text);
	free(trust);
}

int trust_desk_init(struct trust_desk *desk, const struct verify_trust *trust, struct cht_err *err)
{
	*desk = (struct trust_desk){ .mac_ctx = EVP_MAC_CTX_new(trust->mac),
				     .sorted = malloc(CHT_EVENT_MAX_BYTES) };
	if (desk->mac_ctx != NULL && desk->sorted != NULL)
		return 0;
	trust_desk_fini(desk);
	return cht_fail(err, CHT_E_NOMEM, 0, "no memory to check signatures");
}

void trust_desk_fini(struct trust_desk *desk)
{
	EVP_MAC_CTX_free(desk->mac_ctx);
	free(desk->sorted);
	*desk = (struct trust_desk){ 0 };
}

size_t verify_trust_count(const struct verify_trust *trust)
{
	return trust->n;
}

bool verify_trust_is_exposed(const struct verify_trust *trust)
{
	return trust->is_exposed;
}

static bool hmac_holds(const struct trust_desk *desk, const struct trust_key *key,
		       struct cht_bytes payload, const uint8_t *signature)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string("digest", digest, 0),
				OSSL_PARAM_construct_end() };
	uint8_t mac[HMAC_BYTES];
	size_t n = 0;

	return EVP_MAC_init(desk->mac_ctx, key->bytes, key->len, params) == 1 &&
	       EVP_MAC_update(desk->mac_ctx, payload.ptr, payload.len) == 1 &&
	       EVP_MAC_final(desk->mac_ctx, mac, &n, sizeof(mac)) == 1 && n == sizeof(mac) &&
	       sodium_memcmp(mac, signature, sizeof(mac)) == 0;
}

static bool holds(const struct trust_desk *desk, const struct trust_key *key,
		  struct cht_bytes payload, const uint8_t *signature)
{
	if (key->is_hmac)
		return hmac_holds(desk, key, payload, signature);
	return crypto_sign_verify_detached(signature, payload.ptr, payload.len, key->bytes) == 0;
}

/* The key with this id for this algorithm; *elsewhere when the id is known, but for the other. */
static const struct trust_key *find_key(const struct verify_trust *trust,
					const struct envelope_view *envelope, bool *elsewhere)
{
	bool is_hmac = str_eq(envelope->algorithm, STR("hmac-sha256"));
	bool is_ed25519 = str_eq(envelope->algorithm, STR("ed25519"));

	*elsewhere = false;
	for (size_t i = 0; i < trust->n; i++) {
		const struct trust_key *key = &trust->keys[i];

		if (!str_eq(str_of(key->kid), envelope->kid))
			continue;
		if (key->is_hmac ? is_hmac : is_ed25519)
			return key;
		*elsewhere = true;
	}
	return NULL;
}

enum trust_answer trust_check(const struct verify_trust *trust, const struct trust_desk *desk,
			      const struct envelope_view *envelope)
{
	bool elsewhere;
	const struct trust_key *key = find_key(trust, envelope, &elsewhere);
	uint8_t signature[crypto_sign_BYTES];
	struct event_view view;
	size_t n = 0, at;

	if (key == NULL)
		return elsewhere ? TRUST_WRONG_ALGORITHM : TRUST_UNKNOWN_KEY;
	if (!read_base64url(envelope->signature, false, signature, sizeof(signature), &n) ||
	    n != (key->is_hmac ? (size_t)HMAC_BYTES : sizeof(signature)))
		return TRUST_BROKEN;
	if (holds(desk, key, envelope->event, signature))
		return TRUST_HOLDS;
	if (event_scan(envelope->event, &view, &at) < 0)
		return TRUST_BROKEN;
	n = trust_sort(envelope->event, &view, desk->sorted, CHT_EVENT_MAX_BYTES);
	if (n > 0 && holds(desk, key, (struct cht_bytes){ desk->sorted, n }, signature))
		return TRUST_HOLDS;
	return TRUST_BROKEN;
}

/* A text between two marks, the second taken from the end of region. */
static bool between(struct cht_str region, struct cht_str first, struct cht_str second,
		    struct cht_str *out)
{
	const char *end;

	if (!str_starts(region, first))
		return false;
	out->ptr = region.ptr + first.len;
	end = memmem(out->ptr, region.len - first.len, second.ptr, second.len);
	if (end == NULL)
		return false;
	out->len = (size_t)(end - out->ptr);
	return true;
}

static void put_quoted(struct buf *b, struct cht_str key, struct cht_str value)
{
	buf_put_str(b, key);
	buf_put_str(b, value);
	buf_put_byte(b, '"');
}

size_t trust_sort(struct cht_bytes event, const struct event_view *view, uint8_t *out, size_t cap)
{
	const char *data_end = view->data.ptr + view->data.len;
	const char *end = (const char *)event.ptr + event.len;
	struct cht_str rest = { data_end, (size_t)(end - data_end) }, time, traceparent;
	struct cht_str mark = STR(",\"traceparent\":");
	struct buf b = buf_init(out, cap);

	if (!between(rest, STR(",\"time\":"), mark, &time))
		return 0;
	traceparent.ptr = time.ptr + time.len + mark.len;
	traceparent.len = (size_t)(end - traceparent.ptr) - 1; /* the closing brace */
	buf_put_lit(&b, "{\"data\":");
	buf_put_str(&b, view->data);
	put_quoted(&b, STR(",\"datacontenttype\":\"application/json\",\"id\":\""), view->id);
	put_quoted(&b, STR(",\"source\":\""), view->source);
	buf_put_lit(&b, ",\"specversion\":\"1.0\",\"time\":");
	buf_put_str(&b, time);
	buf_put_str(&b, mark);
	buf_put_str(&b, traceparent);
	put_quoted(&b, STR(",\"type\":\""), view->type);
	buf_put_byte(&b, '}');
	return b.full ? 0 : buf_len(&b);
}
