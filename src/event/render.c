/* SPDX-License-Identifier: Apache-2.0 */
#include "event/render.h"

#include "base/bytes.h"

uint8_t *render_id(uint8_t *p, const struct run *run, uint64_t sequence)
{
	uint64_t low = UINT64_C(2) << 62 | run->bits.c; /* variant, custom_c */

	p = out_hex32(out_lit(p, "urn:cellos:event:"), (uint32_t)(sequence >> 16));
	p = out_hex16(out_lit(p, "-"), (uint32_t)sequence);
	p = out_hex16(out_lit(p, "-"), 0x8000u | run->bits.b); /* version, custom_b */
	p = out_hex16(out_lit(p, "-"), (uint32_t)(low >> 48));
	p = out_hex16(out_lit(p, "-"), (uint32_t)(low >> 32));
	return out_hex32(p, (uint32_t)low);
}

enum { SECOND_LEN = RFC3339_S_LEN - 1 };

/* Up to the second. A clock before 1970 reads as 1970: the cache holds no other. */
static uint8_t *put_second(uint8_t *p, struct event_renderer *r, int64_t realtime_ns)
{
	struct rfc3339_cache *cache = &r->clock;
	int64_t second = (int64_t)((uint64_t)realtime_ns / 1000000000);

	if (!cache->valid || cache->second != second) {
		struct buf b = buf_init(p, RFC3339_S_LEN);

		put_rfc3339_s(&b, cache, realtime_ns);
	}
	memcpy(p, cache->text, sizeof(cache->text));
	return p + SECOND_LEN;
}

uint8_t *render_time_ns(uint8_t *p, struct event_renderer *r, int64_t realtime_ns)
{
	uint64_t ns = realtime_ns < 0 ? 0 : (uint64_t)realtime_ns % 1000000000;

	p = put_second(p, r, realtime_ns);
	*p++ = '.';
	*p++ = (uint8_t)('0' + ns / 100000000);
	p = out_u64_8(p, ns % 100000000);
	*p = 'Z';
	return p + 1;
}

uint8_t *render_time_s(uint8_t *p, struct event_renderer *r, int64_t realtime_ns)
{
	return out_lit(put_second(p, r, realtime_ns), "Z");
}

/* A room that surely suffices. Names null: CHT_SHAPE_FULL. */
static size_t bound_of(const struct cht_stamped *s, const struct rust_names *names)
{
	if (!event_is_declaration(s->kind))
		return CHT_EVENT_MAX_BYTES;
	return names != NULL ? render_rust_bound(s, names) : render_guest_bound(s);
}

/* With the room of the bound. */
static void put_event(struct buf *b, struct event_renderer *r, const struct cht_stamped *s,
		      const struct rust_names *names)
{
	if (event_is_reading(s->kind))
		render_reading(b, r, s, names);
	else if (!event_is_declaration(s->kind))
		render_host(b, r, s);
	else if (names != NULL)
		b->at = render_rust(b->at, r, s, names);
	else
		b->at = render_guest(b->at, r, s);
}

/* When the room is less than the bound, the event may fit all the same: it is tried elsewhere. */
__attribute__((noinline)) static void put_tight(struct buf *b, struct event_renderer *r,
						const struct cht_stamped *s,
						const struct rust_names *names)
{
	uint8_t mem[CHT_EVENT_MAX_BYTES];
	struct buf whole = buf_init(mem, sizeof(mem));

	put_event(&whole, r, s, names);
	if (whole.full)
		b->full = true;
	buf_put(b, mem, buf_len(&whole));
}

static void render(struct buf *b, struct event_renderer *r, const struct cht_stamped *s,
		   const struct rust_names *names)
{
	size_t bound = bound_of(s, names);

	if (bound > CHT_EVENT_MAX_BYTES)
		b->full = true; /* no frame can be like this */
	else if (b->full || (size_t)(b->end - b->at) < bound)
		put_tight(b, r, s, names);
	else
		put_event(b, r, s, names);
}

void event_render(struct event_renderer *r, const struct cht_stamped *stamped, enum cht_shape shape,
		  struct buf *b)
{
	static const struct rust_names ours = { { NULL, 0 }, { NULL, 0 }, { NULL, 0 } };

	render(b, r, stamped, shape == CHT_SHAPE_RUST ? &ours : NULL);
}

static bool name_is_ok(struct cht_str name)
{
	return name.len <= CHT_EVENT_NAME_MAX && utf8_is_valid((const uint8_t *)name.ptr, name.len);
}

static bool options_are_ok(const struct cht_stamped *s, const struct cht_event_options *o)
{
	if (o->shape == CHT_SHAPE_FULL)
		return o->id.len == 0 && o->source.len == 0 && o->type.len == 0;
	return o->shape == CHT_SHAPE_RUST &&
	       (event_is_declaration(s->kind) || event_is_reading(s->kind)) && name_is_ok(o->id) &&
	       name_is_ok(o->source) && name_is_ok(o->type);
}

int cht_event_render(const struct cht_stamped *stamped, const struct cht_event_options *options,
		     uint8_t *out, size_t cap)
{
	static const struct cht_event_options full = { .shape = CHT_SHAPE_FULL };
	const struct cht_event_options *o = options != NULL ? options : &full;
	struct rust_names names = { o->id, o->source, o->type };
	const struct rust_names *rust = o->shape == CHT_SHAPE_RUST ? &names : NULL;
	struct event_renderer r = { .clock = { .valid = false } };
	struct buf b = buf_init(out, cap);

	if (!options_are_ok(stamped, o))
		return CHT_E_RANGE;
	if (bound_of(stamped, rust) > CHT_EVENT_MAX_BYTES)
		return CHT_E_RANGE;
	render(&b, &r, stamped, rust);
	return b.full ? CHT_E_FULL : (int)buf_len(&b);
}
