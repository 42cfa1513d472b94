/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/step.h"

static int64_t less(int64_t a, int64_t b)
{
	int64_t d;

	if (!__builtin_sub_overflow(a, b, &d))
		return d;
	return a < b ? INT64_MIN : INT64_MAX;
}

static int64_t signed_ns(uint64_t ns)
{
	return ns > INT64_MAX ? INT64_MAX : (int64_t)ns;
}

/* The step that brings the two clocks as far apart as this reading shows, or 0. */
static int64_t certain_step(const struct step_watch *watch, const struct step_reading *r)
{
	int64_t least = less(less(r->realtime_ns, signed_ns(r->boot_after_ns)), watch->apart_ns);
	int64_t most = less(less(r->realtime_ns, signed_ns(r->boot_before_ns)), watch->apart_ns);

	if (least > STEP_TOLD_NS)
		return least;
	return most < -STEP_TOLD_NS ? most : 0;
}

void step_watch_init(struct step_watch *watch, const struct step_reading *reading)
{
	watch->apart_ns = less(reading->realtime_ns, signed_ns(reading->boot_before_ns));
	watch->steady_boot_ns = reading->boot_before_ns;
}

bool step_watch_is_off(struct step_watch *watch, const struct cht_now *now)
{
	struct step_reading at_once = { now->realtime_ns, now->boottime_ns, now->boottime_ns };

	if (certain_step(watch, &at_once) != 0)
		return true;
	watch->steady_boot_ns = now->boottime_ns;
	return false;
}

bool step_watch_judge(struct step_watch *watch, const struct step_reading *reading,
		      struct facts_clock_stepped *out)
{
	int64_t step = certain_step(watch, reading), before = watch->apart_ns;

	if (step == 0)
		return false;
	watch->apart_ns = less(reading->realtime_ns, signed_ns(step > 0 ? reading->boot_after_ns
									: reading->boot_before_ns));
	*out = (struct facts_clock_stepped){ .step_ns = step,
					     .before_ns = before,
					     .after_ns = watch->apart_ns,
					     .steady_boot_ns = watch->steady_boot_ns };
	watch->steady_boot_ns = reading->boot_after_ns;
	return true;
}
