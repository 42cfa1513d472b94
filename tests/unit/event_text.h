/* SPDX-License-Identifier: Apache-2.0
 *
 * event_text.h - samples rendered, and held against the bytes that they should be.
 */
#ifndef TESTS_EVENT_TEXT_H
#define TESTS_EVENT_TEXT_H

#include "check.h"
#include "samples.h"

static char mem[CHT_EVENT_MAX_BYTES];

static struct cht_str rendered(const struct cht_stamped *s, enum cht_shape shape)
{
	struct event_renderer r = { .clock = { .valid = false } };
	struct buf b = buf_init(mem, sizeof(mem));

	event_render(&r, s, shape, &b);
	CHECK(!b.full);
	return (struct cht_str){ mem, buf_len(&b) };
}

static void check_event(enum event_kind kind, enum sample_size size, const char *want)
{
	struct sample *x = sample_make(kind, size);

	check_row = event_types[kind].name;
	CHECK_STR(rendered(&x->s, CHT_SHAPE_FULL), want);
	free(x);
}

#define FULL(n) "{\"specversion\":\"1.0\",\"id\":\"urn:cellos:event:" n "\",\"source\":\""
#define TYPE    "\",\"type\":\"dev.cellos.events.cell.observability.v1."
#define DATA    "\",\"datacontenttype\":\"application/json\",\"data\":"
#define USUAL   FULL("00000000-0007-8234-9234-56789abcdef0")
#define LEAST   FULL("00000000-0001-8000-8000-000000000000")
#define END(t)  ",\"time\":\"" t "\",\"traceparent\":null}"

#endif
