/* SPDX-License-Identifier: Apache-2.0
 *
 * A refused frame cannot be taken for a good one by forgetting to ask.
 */
#include <cht/wire.h>

int decode(const uint8_t *body, size_t len, struct cht_declaration *out);

int decode(const uint8_t *body, size_t len, struct cht_declaration *out)
{
#ifdef MUST_FAIL
	cht_decode(body, len, out, NULL);
	return 0;
#else
	return cht_decode(body, len, out, NULL);
#endif
}
