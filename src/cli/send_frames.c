/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "base/clk.h"
#include "cli/sender.h"

/* The fault of the next frame, or SEND_N_FAULTS. Kinds take turns. */
static unsigned next_fault(struct sender *s)
{
	unsigned most = 0;

	if (s->faults_inside == 0)
		return SEND_N_FAULTS;
	s->fault_credit += s->faults_inside;
	if (s->fault_credit < s->options->frames)
		return SEND_N_FAULTS;
	s->fault_credit -= s->options->frames;
	for (unsigned f = 1; fault_is_inside(f); f++)
		if (s->faults_left[f] > s->faults_left[most])
			most = f;
	if (s->faults_left[most] == 0)
		return SEND_N_FAULTS;
	s->faults_left[most]--;
	s->result.faults[most]++;
	return most;
}

static size_t put_frame(struct sender *s, struct conn *c, enum synth_kind kind, uint8_t *out)
{
	/* What an agent says of itself carries the current number. A body that is refused has none
	 * either: only the fault "gap" leaves one out. */
	bool has_own = kind != SYNTH_HELLO && kind != SYNTH_BAD_CBOR && kind != SYNTH_VERSION &&
		       !(kind == SYNTH_PLAIN && s->options->is_of_agent);
	struct synth_numbers numbers = { ++s->mono, c->boot, has_own ? ++c->seq : c->seq };

	return synth_put(&s->synth, kind, &numbers, out);
}

static size_t put_next(struct sender *s, struct conn *c, uint8_t *out)
{
	unsigned fault = next_fault(s);

	c->left--;
	c->n++;
	s->made++;
	switch (fault) {
	case FAULT_BAD_CBOR: return put_frame(s, c, SYNTH_BAD_CBOR, out);
	case FAULT_VERSION: return put_frame(s, c, SYNTH_VERSION, out);
	case FAULT_FORGED: return put_frame(s, c, SYNTH_FORGED, out);
	case FAULT_UNKNOWN_SOURCE: return put_frame(s, c, SYNTH_UNKNOWN, out);
	case FAULT_GAP: c->seq++; break;
	default: break;
	}
	return put_frame(s, c, SYNTH_PLAIN, out);
}

/* What stands at the end of a connection that ends badly. */
static size_t put_ending(struct sender *s, struct conn *c, uint8_t *out)
{
	size_t n = CHT_FRAME_HEAD_BYTES;

	c->ended = true;
	s->result.faults[c->ending]++;
	if (c->ending == FAULT_BAD_LENGTH)
		le32_store(out, CHT_FRAME_MAX_BYTES + 1);
	else if (c->ending == FAULT_ZERO_LENGTH)
		le32_store(out, 0);
	else
		n = put_frame(s, c, SYNTH_PLAIN, out) / 2;
	return n;
}

size_t conn_make_batch(struct sender *s, struct conn *c, uint64_t budget)
{
	uint64_t room = s->options->batch < budget ? s->options->batch : budget;
	uint64_t now_ns = clk_monotonic_ns();
	size_t len = 0;

	if (s->mono < now_ns)
		s->mono = now_ns;
	c->n = c->hellos = 0;
	if (!c->greeted) {
		c->greeted = true;
		c->hellos = 1;
		len += put_frame(s, c, SYNTH_HELLO, s->batch);
	}
	while (c->left > 0 && room-- > 0)
		len += put_next(s, c, s->batch + len);
	if (len == 0 && !c->ended)
		len = put_ending(s, c, s->batch);
	return len;
}

bool conn_is_through(const struct conn *c)
{
	return c->left == 0 && c->ended && c->greeted && c->pending == NULL;
}

uint64_t conn_taken_frames(const struct conn *c)
{
	uint64_t n = 0;
	size_t p = 0;

	while (n < (uint64_t)c->n + c->hellos && c->at - p >= CHT_FRAME_HEAD_BYTES) {
		size_t len = CHT_FRAME_HEAD_BYTES + le32_load(c->pending + p);

		if (c->at - p < len)
			break;
		p += len;
		n++;
	}
	return n;
}
