/* SPDX-License-Identifier: Apache-2.0
 *
 * step.h - whether the wall clock was set: readings go in, facts of clock.stepped come out.
 *
 * CLOCK_REALTIME and CLOCK_BOOTTIME are slewed alike, and both go on while the host sleeps: how
 * far they are apart changes only when one of them is set, and CLOCK_BOOTTIME cannot be. Pure.
 */
#ifndef CELL_STEP_H
#define CELL_STEP_H

#include "cell/stamped.h"

/* A smaller distance is not told; the next one adds to it. */
#define STEP_TOLD_NS INT64_C(100000000)

/* CLOCK_REALTIME, and CLOCK_BOOTTIME before and after it was read. */
struct step_reading {
	int64_t realtime_ns;
	uint64_t boot_before_ns, boot_after_ns;
};

struct step_watch {
	int64_t apart_ns;        /* REALTIME less BOOTTIME, as told last or at the beginning */
	uint64_t steady_boot_ns; /* when it was last seen so */
};

void step_watch_init(struct step_watch *watch, const struct step_reading *reading);
/* A look at clocks that were read anyway: whether they may be more than STEP_TOLD_NS off, which
 * is true too when we were kept from the processor between one and the other. */
bool step_watch_is_off(struct step_watch *watch, const struct cht_now *now);
/* Whether they are off for certain, wherever between its two ends the reading was: then *out says
 * so, and the watch goes on from there. */
bool step_watch_judge(struct step_watch *watch, const struct step_reading *reading,
		      struct facts_clock_stepped *out);

#endif
