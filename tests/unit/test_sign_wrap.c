/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <sodium.h>

#include "base/buf.h"
#include "base/text.h"
#include "sign/sign.h"
#include "sign/signer.h"

#include "check.h"

#define EVENT(data)                                                                                \
	"{\"specversion\":\"1.0\",\"id\":\"i\",\"source\":\"s\",\"type\":\"t\","                   \
	"\"datacontenttype\":\"application/json\",\"data\":" data                                  \
	",\"time\":\"2025-11-05T13:20:00Z\",\"traceparent\":null}"

/* Every call of the allocator in this program and its libraries is counted. Not under
 * AddressSanitizer, which brings its own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__has_feature)
#define HAS_COUNTER 0
static size_t n_allocations;
#else
#define HAS_COUNTER 1
static size_t n_allocations;
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
void *malloc(size_t n)
{
	n_allocations++;
	return __libc_malloc(n);
}
void *calloc(size_t n, size_t size)
{
	n_allocations++;
	return __libc_calloc(n, size);
}
void *realloc(void *p, size_t n)
{
	n_allocations++;
	return __libc_realloc(p, n);
}
#endif

static struct cht_bytes bytes_of(const char *text)
{
	return (struct cht_bytes){ (const uint8_t *)text, strlen(text) };
}

static struct cht_signer *signer(enum cht_algorithm algorithm, size_t key_len)
{
	struct sign_key key = { algorithm, "kid", "test" };
	struct cht_signer *s = NULL;
	uint8_t secret[256];

	for (size_t i = 0; i < sizeof(secret); i++)
		secret[i] = (uint8_t)(i * 7 + 1);
	CHECK_INT(signer_new(&s, &key, (struct cht_bytes){ secret, key_len }, NULL), 0);
	return s;
}

static void test_hmac_is_openssls_for_every_key_length(void **state)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
	char digest[] = "SHA256";
	OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string("digest", digest, 0),
				OSSL_PARAM_construct_end() };
	uint8_t secret[256], message[300], want[32], got[64];

	(void)state;
	for (size_t i = 0; i < sizeof(secret); i++)
		secret[i] = (uint8_t)(i * 7 + 1);
	memset(message, 'm', sizeof(message));
	for (size_t key_len = 1; key_len <= 200; key_len++) {
		struct cht_signer *s = signer(CHT_ALGORITHM_HMAC_SHA256, key_len);
		size_t n = 0, len = key_len * 3 / 2;

		CHECK_INT(EVP_MAC_init(ctx, secret, key_len, params), 1);
		CHECK_INT(EVP_MAC_update(ctx, message, len), 1);
		CHECK_INT(EVP_MAC_final(ctx, want, &n, sizeof(want)), 1);
		for (int again = 0; again < 2; again++) {
			CHECK_INT(signer_sign(s, (struct cht_bytes){ message, len }, got), 32);
			CHECK(sodium_memcmp(got, want, 32) == 0);
		}
		cht_signer_free(s);
	}
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
}

static void test_what_is_no_event_is_refused(void **state)
{
	static const struct {
		const char *event;
		int any, sorted;
	} rows[] = {
		{ EVENT("{}"), 0, 0 },
		{ EVENT("{\"a\":\"},\\\"{\"}"), 0, 0 },
		{ EVENT("{\"a\":[{\"b\":[]},1]}"), 0, 0 },
		{ "", CHT_E_PARSE, CHT_E_PARSE },
		{ "{}", CHT_E_PARSE, CHT_E_PARSE },
		{ "{\"specversion\":\"1.0\",", CHT_E_PARSE, CHT_E_PARSE },
		{ "{\"specversion\":\"1.1\",\"id\":\"i\"}", CHT_E_PARSE, CHT_E_PARSE },
		{ "cht key id", CHT_E_PARSE, CHT_E_PARSE },
		{ EVENT("{}") " ", CHT_E_PARSE, CHT_E_PARSE },
		{ EVENT("{}") "}", 0, CHT_E_PARSE },
		{ EVENT("{"), 0, CHT_E_PARSE },
		{ EVENT("}"), 0, CHT_E_PARSE },
		{ EVENT("[}"), 0, 0 }, /* event_scan judges the inside */
		{ EVENT(""), 0, CHT_E_PARSE },
		{ EVENT("\"open"), 0, CHT_E_PARSE },
		{ EVENT("{},\"x\":1"), 0, CHT_E_PARSE },
		{ "{\"specversion\":\"1.0\",\"id\":\"i\"}", 0, CHT_E_PARSE },
	};
	struct cht_signer *s = signer(CHT_ALGORITHM_ED25519, 32);
	uint8_t out[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cht_bytes event = bytes_of(rows[i].event);
		int r;

		check_row = rows[i].event;
		cht_signer_set_order(s, CHT_ORDER_STRUCT);
		r = cht_sign_event(s, event, out, sizeof(out));
		CHECK_INT(r < 0 ? r : 0, rows[i].any);
		cht_signer_set_order(s, CHT_ORDER_SORTED);
		r = cht_sign_event(s, event, out, sizeof(out));
		CHECK_INT(r < 0 ? r : 0, rows[i].sorted);
	}
	cht_signer_free(s);
}

static void test_every_prefix_is_refused(void **state)
{
	static const char event[] = EVENT("{\"a\":{\"b\":\"c\\\\\"},\"d\":[1,2]}");
	struct cht_signer *s = signer(CHT_ALGORITHM_HMAC_SHA256, 32);
	uint8_t out[1024];

	(void)state;
	cht_signer_set_order(s, CHT_ORDER_SORTED);
	for (size_t cut = 0; cut < sizeof(event) - 1; cut++) {
		uint8_t *exact = malloc(cut + (cut == 0));

		assert_non_null(exact);
		memcpy(exact, event, cut);
		CHECK_INT(cht_sign_event(s, (struct cht_bytes){ exact, cut }, out, sizeof(out)),
			  CHT_E_PARSE);
		free(exact);
	}
	cht_signer_free(s);
}

static void test_wrapping_stays_in_its_room(void **state)
{
	static const char event[] = EVENT("{}");
	struct cht_signer *s = signer(CHT_ALGORITHM_ED25519, 32);
	uint8_t mem[1024], whole[1024];
	int n;

	(void)state;
	n = cht_sign_event(s, bytes_of(event), whole, sizeof(whole));
	CHECK(n > 0);
	for (size_t cap = 0; cap <= (size_t)n; cap++) {
		uint8_t *exact = malloc(cap + (cap == 0));

		assert_non_null(exact);
		if (cap < ENVELOPE_PREFIX_BYTES + sizeof(event) - 1) {
			CHECK_INT(cht_sign_event(s, bytes_of(event), exact, cap), CHT_E_FULL);
		} else {
			memcpy(exact + ENVELOPE_PREFIX_BYTES, event, sizeof(event) - 1);
			CHECK_INT(sign_wrap(s, exact, sizeof(event) - 1, cap),
				  cap < (size_t)n ? CHT_E_FULL : n);
		}
		free(exact);
	}
	memcpy(mem, event, sizeof(event) - 1);
	check_row = "out may be where the event is";
	CHECK_INT(cht_sign_event(s, (struct cht_bytes){ mem, sizeof(event) - 1 }, mem, sizeof(mem)),
		  n);
	CHECK(memcmp(mem, whole, (size_t)n) == 0);
	cht_signer_free(s);
}

static void test_the_largest_event_fits_and_one_more_byte_does_not(void **state)
{
	static uint8_t event[CHT_EVENT_MAX_BYTES + 1], out[CHT_ENTRY_MAX_BYTES];
	static const char head[] =
		"{\"specversion\":\"1.0\",\"id\":\"i\",\"source\":\"s\",\"type\":\"t\","
		"\"datacontenttype\":\"application/json\",\"data\":{\"a\":\"";
	static const char tail[] = "\"},\"time\":null,\"traceparent\":null}";
	struct cht_signer *s = signer(CHT_ALGORITHM_ED25519, 32);

	(void)state;
	memset(event, 'x', sizeof(event));
	memcpy(event, head, sizeof(head) - 1);
	for (size_t over = 0; over < 2; over++) {
		size_t len = CHT_EVENT_MAX_BYTES + over;

		memcpy(event + len - (sizeof(tail) - 1), tail, sizeof(tail) - 1);
		for (int order = CHT_ORDER_STRUCT; order <= CHT_ORDER_SORTED; order++) {
			int r;

			cht_signer_set_order(s, (enum cht_signing_order)order);
			r = cht_sign_event(s, (struct cht_bytes){ event, len }, out, sizeof(out));
			CHECK(over ? r == CHT_E_FULL
				   : r > 0 && r <= (int)len + CHT_ENVELOPE_OVERHEAD_MAX);
		}
	}
	cht_signer_free(s);
}

static void test_signing_calls_no_allocator(void **state)
{
	static const char event[] = EVENT("{\"a\":1}");
	uint8_t out[1024];

	(void)state;
	if (!HAS_COUNTER)
		skip();
	for (int algorithm = CHT_ALGORITHM_HMAC_SHA256; algorithm <= CHT_ALGORITHM_ED25519;
	     algorithm++) {
		struct cht_signer *s = signer((enum cht_algorithm)algorithm, 32);

		for (int order = CHT_ORDER_STRUCT; order <= CHT_ORDER_SORTED; order++) {
			size_t before = n_allocations;

			cht_signer_set_order(s, (enum cht_signing_order)order);
			for (int i = 0; i < 100; i++)
				CHECK(cht_sign_event(s, bytes_of(event), out, sizeof(out)) > 0);
			CHECK_INT(n_allocations - before, 0);
		}
		CHECK(n_allocations > 0);
		cht_signer_free(s);
	}
}

static void test_every_bit_of_the_event_counts(void **state)
{
	static const char text[] = EVENT("{\"a\":1}");
	struct cht_signer *s = signer(CHT_ALGORITHM_ED25519, 32);
	uint8_t event[sizeof(text) - 1], signature[64], public_key[32];

	(void)state;
	memcpy(event, text, sizeof(event));
	CHECK_INT(crypto_sign_ed25519_sk_to_pk(public_key, s->secret->ed25519), 0);
	CHECK_INT(signer_sign(s, (struct cht_bytes){ event, sizeof(event) }, signature), 64);
	CHECK_INT(crypto_sign_verify_detached(signature, event, sizeof(event), public_key), 0);
	for (size_t bit = 0; bit < sizeof(event) * 8; bit++) {
		event[bit / 8] ^= (uint8_t)(1u << bit % 8);
		CHECK(crypto_sign_verify_detached(signature, event, sizeof(event), public_key) !=
		      0);
		event[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	cht_signer_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hmac_is_openssls_for_every_key_length),
		cmocka_unit_test(test_what_is_no_event_is_refused),
		cmocka_unit_test(test_every_prefix_is_refused),
		cmocka_unit_test(test_wrapping_stays_in_its_room),
		cmocka_unit_test(test_the_largest_event_fits_and_one_more_byte_does_not),
		cmocka_unit_test(test_signing_calls_no_allocator),
		cmocka_unit_test(test_every_bit_of_the_event_counts),
	};

	return cmocka_run_group_tests_name("sign_wrap", tests, NULL, NULL);
}
