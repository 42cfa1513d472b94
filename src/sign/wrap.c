/* SPDX-License-Identifier: Apache-2.0
 *
 * The envelope's text is fixed but for event, key id and signature, so it is written without a
 * JSON writer: the signer keeps the part between event and signature ready.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/text.h"
#include "sign/sign.h"
#include "sign/signer.h"

#define OPENING "{\"specversion\":\"1.0\","

static const char prefix[] = "{\"event\":";

_Static_assert(sizeof(prefix) - 1 == ENVELOPE_PREFIX_BYTES, "the header states the length");
_Static_assert(ENVELOPE_PREFIX_BYTES + SIGN_TAIL_MAX + SIGN_SIGNATURE_MAX * 4 / 3 + 4 <=
		       CHT_ENVELOPE_OVERHEAD_MAX,
	       "the stated overhead holds");
_Static_assert(CHT_EVENT_MAX_BYTES + CHT_ENVELOPE_OVERHEAD_MAX <= CHT_ENTRY_MAX_BYTES,
	       "the largest event fits an entry in its envelope");

int sign_wrap(struct cht_signer *signer, uint8_t *mem, size_t event_len, size_t cap)
{
	struct cht_bytes payload = { mem + ENVELOPE_PREFIX_BYTES, event_len };
	uint8_t signature[SIGN_SIGNATURE_MAX];
	struct buf b;
	int n;

	if (event_len > CHT_EVENT_MAX_BYTES || cap < ENVELOPE_PREFIX_BYTES ||
	    cap - ENVELOPE_PREFIX_BYTES < event_len)
		return CHT_E_FULL;
	if (!str_starts((struct cht_str){ (const char *)payload.ptr, event_len }, STR(OPENING)) ||
	    payload.ptr[event_len - 1] != '}')
		return CHT_E_PARSE;
	if (signer->order == CHT_ORDER_SORTED) {
		n = sorted_payload(signer, payload, &payload);
		if (n < 0)
			return n;
	}
	n = signer_sign(signer, payload, signature);
	if (n < 0)
		return n;
	b = buf_init(mem, cap);
	buf_put(&b, prefix, ENVELOPE_PREFIX_BYTES);
	b.at += event_len;
	buf_put(&b, signer->tail, signer->tail_len);
	put_base64url(&b, signature, (size_t)n);
	buf_put_lit(&b, "\"}");
	return b.full ? CHT_E_FULL : (int)buf_len(&b);
}

int cht_sign_event(struct cht_signer *signer, struct cht_bytes event, uint8_t *out, size_t cap)
{
	if (cap < ENVELOPE_PREFIX_BYTES || cap - ENVELOPE_PREFIX_BYTES < event.len)
		return CHT_E_FULL;
	memmove(out + ENVELOPE_PREFIX_BYTES, event.ptr, event.len);
	return sign_wrap(signer, out, event.len, cap);
}
