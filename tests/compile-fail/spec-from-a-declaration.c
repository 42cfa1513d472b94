/* SPDX-License-Identifier: Apache-2.0
 *
 * Nor a specification.
 */
#include <cht/stamp.h>

size_t spec_length(const struct cht_declaration *declared, const struct cht_stamped *stamped);

size_t spec_length(const struct cht_declaration *declared, const struct cht_stamped *stamped)
{
	(void)declared;
	(void)stamped;
#ifdef MUST_FAIL
	return declared->spec_signature_hash.len;
#else
	return cht_stamped_spec_signature_hash(stamped).len;
#endif
}
