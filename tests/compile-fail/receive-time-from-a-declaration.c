/* SPDX-License-Identifier: Apache-2.0
 *
 * When a frame was received is for the host to say: a declaration has the guest's clock alone.
 */
#include <cht/stamp.h>

int64_t received(const struct cht_declaration *declared, const struct cht_stamped *stamped);

int64_t received(const struct cht_declaration *declared, const struct cht_stamped *stamped)
{
	(void)declared;
	(void)stamped;
#ifdef MUST_FAIL
	return declared->host_received_at;
#else
	return cht_stamped_received_realtime_ns(stamped);
#endif
}
