/* SPDX-License-Identifier: Apache-2.0 */
#include <cht/silence.h>

void cht_silence_init(struct cht_silence *silence, uint64_t window_ns, uint64_t now_ns)
{
	*silence = (struct cht_silence){ .window_ns = window_ns, .heard_ns = now_ns };
}

void cht_silence_heard(struct cht_silence *silence, uint64_t now_ns)
{
	if (now_ns > silence->heard_ns)
		silence->heard_ns = now_ns;
}

void cht_silence_pause(struct cht_silence *silence, uint64_t now_ns)
{
	if (silence->paused_ns == 0)
		silence->paused_ns = now_ns != 0 ? now_ns : 1;
}

void cht_silence_resume(struct cht_silence *silence, uint64_t now_ns)
{
	uint64_t since = silence->paused_ns;

	if (since == 0)
		return;
	silence->paused_ns = 0;
	/* A frame that was still in our hands when the pause began may have been told since. */
	if (since < silence->heard_ns)
		since = silence->heard_ns;
	if (now_ns > since)
		silence->heard_ns += now_ns - since;
}

bool cht_silence_trigger(struct cht_silence *silence, uint64_t now_ns,
			 struct cht_silence_signal *out)
{
	uint64_t elapsed = now_ns > silence->heard_ns ? now_ns - silence->heard_ns : 0;

	if (silence->fired || silence->paused_ns != 0 || elapsed < silence->window_ns)
		return false;
	silence->fired = true;
	*out = (struct cht_silence_signal){ .window_ns = silence->window_ns,
					    .elapsed_ns = elapsed };
	return true;
}

uint64_t cht_silence_deadline(const struct cht_silence *silence)
{
	if (silence->fired || silence->paused_ns != 0)
		return UINT64_MAX;
	if (silence->heard_ns > UINT64_MAX - silence->window_ns)
		return UINT64_MAX;
	return silence->heard_ns + silence->window_ns;
}
