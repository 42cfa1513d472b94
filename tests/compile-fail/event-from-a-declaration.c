/* SPDX-License-Identifier: Apache-2.0
 *
 * Nothing becomes an event unstamped.
 */
#include <cht/event.h>

int render(const struct cht_declaration *declared, const struct cht_stamped *stamped, uint8_t *out);

int render(const struct cht_declaration *declared, const struct cht_stamped *stamped, uint8_t *out)
{
	(void)declared;
	(void)stamped;
#ifdef MUST_FAIL
	return cht_event_render(declared, NULL, out, CHT_EVENT_MAX_BYTES);
#else
	return cht_event_render(stamped, NULL, out, CHT_EVENT_MAX_BYTES);
#endif
}
