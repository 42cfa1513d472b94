/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a frame body: whatever decodes renders in both shapes to bytes that the scanner
 * takes, with the attribution of the run and never that of the frame, within the bound that
 * holds for every event.
 */
#include <string.h>

#include "base/bytes.h"
#include "event/event.h"
#include "fuzz.h"

static const struct run run = {
	.cell_id = "cell-abc",
	.run_id = "run-xyz",
	.spec = "sha256:deadbeef",
	.bits = { 0x234, UINT64_C(0x123456789abcdef0) },
};

static void check_shape(const struct cht_stamped *s, enum cht_shape shape)
{
	const struct cht_event_options options = { .shape = shape };
	static uint8_t mem[CHT_EVENT_MAX_BYTES], exact[CHT_EVENT_MAX_BYTES];
	int n = cht_event_render(s, &options, mem, sizeof(mem));
	struct event_view v;
	uint64_t number = 0;
	size_t at;

	HOLDS(n > 0);
	HOLDS(event_scan((struct cht_bytes){ mem, (size_t)n }, &v, &at) == 0);
	HOLDS(v.known == &event_types[s->kind] && v.sequence == s->sequence);
	HOLDS(str_eq(v.cell_id, STR("cell-abc")) && str_eq(v.run_id, STR("run-xyz")));
	HOLDS(str_eq(v.spec, STR("sha256:deadbeef")) && str_eq(v.provenance, STR("declared")));
	HOLDS(event_data_u64(v.data, "guest.guestPid", &number) && number == s->guest->pid);
	HOLDS(event_data_u64(v.data, "guest.guestMonotonicNs", &number));
	HOLDS(number == s->guest->monotonic_ns);
	/* Where there is room for just this. */
	HOLDS(cht_event_render(s, &options, exact, (size_t)n) == n);
	HOLDS(memcmp(mem, exact, (size_t)n) == 0);
	HOLDS(cht_event_render(s, &options, exact, (size_t)n - 1) == CHT_E_FULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cht_declaration declaration;
	struct cht_stamped s = { .run = &run, .sequence = 7, .guest = &declaration };

	if (size == 0 || size > CHT_FRAME_MAX_BYTES ||
	    cht_decode(data, size, &declaration, NULL) < 0)
		return 0;
	s.at = (struct cht_now){ INT64_C(1762348800123456789), 5, 6 };
	s.frame = (struct cht_frame_facts){ 1, 0, (uint32_t)size, 1000 };
	for (unsigned k = EV_GUEST_PROCESS_SPAWNED; k <= EV_GUEST_AGENT_BYE; k++) {
		s.kind = (enum event_kind)k;
		s.stale = k % 2 == 0;
		check_shape(&s, CHT_SHAPE_FULL);
		check_shape(&s, CHT_SHAPE_RUST);
	}
	return 0;
}
