/* SPDX-License-Identifier: Apache-2.0 */
#include <cht/sign.h>

#include "sign/sign.h"

int cht_stamp_and_sign(struct cht_signer *signer, const struct cht_stamped *stamped,
		       const struct cht_event_options *options, uint8_t *out, size_t cap)
{
	int r;

	if (signer == NULL)
		return cht_event_render(stamped, options, out, cap);
	if (cap < ENVELOPE_PREFIX_BYTES)
		return CHT_E_FULL;
	/* Rendered where it will stand in its envelope: nothing is copied. */
	r = cht_event_render(stamped, options, out + ENVELOPE_PREFIX_BYTES,
			     cap - ENVELOPE_PREFIX_BYTES);
	return r < 0 ? r : sign_wrap(signer, out, (size_t)r, cap);
}
