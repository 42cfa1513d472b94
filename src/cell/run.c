/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/cell.h"

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/text.h"

enum { ORIGIN_MAX = sizeof(((struct run_names *)0)->cell_id) - 1, BITS_B = 12, BITS_C = 62 };

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Copies s, of 1..max letters, digits and characters of `others`, and a NUL. */
static int take_name(char *out, size_t max, struct cht_str s, const char *others, const char *field,
		     struct cht_err *err)
{
	if (s.len == 0 || s.len > max)
		return cht_fail(err, CHT_E_RANGE, 0, "%s must have 1 to %zu characters, not %zu",
				field, max, s.len);
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] == '\0' || (!is_alnum(s.ptr[i]) && strchr(others, s.ptr[i]) == NULL))
			return cht_fail_value(err, CHT_E_RANGE, (uint32_t)i,
					      "%s may have letters, digits and %s only: wrong at "
					      "character %zu",
					      field, others, i + 1);
	memcpy(out, s.ptr, s.len);
	out[s.len] = '\0';
	return 0;
}

static int draw_bits(struct run *run, struct cht_err *err)
{
	struct run_bits bits = { 0, 0 };
	int r = fd_random(&bits.b, sizeof(bits.b), err);

	if (r == 0)
		r = fd_random(&bits.c, sizeof(bits.c), err);
	if (r < 0)
		return r;
	run->bits.b = bits.b & ((1u << BITS_B) - 1);
	run->bits.c = bits.c & ((UINT64_C(1) << BITS_C) - 1);
	return 0;
}

/* "run-" or "host-" and a random UUID (version 4). */
static int make_run_id(struct run_names *names, const char *prefix, struct cht_err *err)
{
	struct buf b = buf_init(names->run_id, sizeof(names->run_id));
	uint8_t uuid[16];
	int r = fd_random(uuid, sizeof(uuid), err);

	if (r < 0)
		return r;
	uuid[6] = (uint8_t)(0x40 | (uuid[6] & 0x0f));
	uuid[8] = (uint8_t)(0x80 | (uuid[8] & 0x3f));
	buf_put_str(&b, str_of(prefix));
	put_uuid(&b, uuid);
	buf_put_byte(&b, '\0');
	return 0;
}

static int take_spec(struct run_names *names, struct cht_str spec, struct cht_err *err)
{
	return take_name(names->spec, CHT_ATTRIBUTION_MAX, spec.len > 0 ? spec : STR("unspecified"),
			 "._:+/=-", "spec", err);
}

static int begin(struct run *run, const struct run_names *names, struct cht_err *err)
{
	struct run made = { .cell_id = names->cell_id,
			    .run_id = names->run_id,
			    .spec = names->spec };
	int r = draw_bits(&made, err);

	if (r == 0)
		*run = made;
	return r;
}

int run_init(struct run *run, struct run_names *names, struct cht_str cell_id,
	     struct cht_str run_id, struct cht_str spec, struct cht_err *err)
{
	int r = take_name(names->cell_id, CHT_CELL_ID_MAX, cell_id, "._-", "cell id", err);

	if (r == 0 && run_id.len == 0)
		r = make_run_id(names, "run-", err);
	else if (r == 0)
		r = take_name(names->run_id, CHT_ATTRIBUTION_MAX, run_id, "._:+/=-", "run id", err);
	if (r == 0)
		r = take_spec(names, spec, err);
	return r < 0 ? r : begin(run, names, err);
}

int run_init_host(struct run *run, struct run_names *names, struct cht_str origin,
		  struct cht_str spec, struct cht_err *err)
{
	int r;

	if (origin.len == 0 || origin.len > ORIGIN_MAX ||
	    !utf8_is_valid((const uint8_t *)origin.ptr, origin.len) ||
	    memchr(origin.ptr, '\0', origin.len) != NULL)
		return cht_fail(err, CHT_E_RANGE, 0,
				"the log's origin must be 1 to %d bytes of text", ORIGIN_MAX);
	r = make_run_id(names, "host-", err);
	if (r == 0)
		r = take_spec(names, spec, err);
	if (r < 0)
		return r;
	memcpy(names->cell_id, origin.ptr, origin.len);
	names->cell_id[origin.len] = '\0';
	return begin(run, names, err);
}

void run_continue(struct run *run, struct run_bits bits, uint64_t sequence, uint64_t first_index)
{
	run->bits.b = bits.b & ((1u << BITS_B) - 1);
	run->bits.c = bits.c & ((UINT64_C(1) << BITS_C) - 1);
	run->sequence = sequence;
	run->first_index = first_index;
	run->is_continued = true;
}

void run_stamp(struct run *run, enum event_kind kind, const struct cht_now *now,
	       struct cht_stamped *out)
{
	run->sequence++;
	if (run->counts != NULL)
		run->counts[kind]++;
	out->kind = kind;
	out->run = run;
	out->sequence = run->sequence;
	out->at = *now;
	out->guest = NULL;
	out->frame = (struct cht_frame_facts){ .connection = 0 };
	out->stale = false;
}
