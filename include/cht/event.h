/* SPDX-License-Identifier: Apache-2.0
 *
 * event.h - a stamped value goes in, the bytes of one CloudEvent (JSON) come out.
 *
 * The bytes are canonical: eight members in a fixed order, `data` with sorted keys, integers
 * only (docs/EVENTS.md). No field comes from anywhere but the stamped value and the arguments.
 */
#ifndef CHT_EVENT_H
#define CHT_EVENT_H

#include <cht/stamp.h>

CHT_BEGIN_DECLS

enum {
	CHT_EVENT_MAX_BYTES = 60416, /* no event is longer, whatever a guest sends */
	CHT_ENTRY_MAX_BYTES = 61440  /* an event in its envelope */
};

#define CHT_PROVENANCE_DECLARED "declared"
#define CHT_SOURCE_GUEST_URI    "cellos-host-telemetry/guest"
#define CHT_SOURCE_HOST_URI     "cellos-host-telemetry/host"
#define CHT_GUEST_TYPE_PREFIX   "dev.cellos.events.cell.observability.v1.guest."

enum cht_shape {
	CHT_SHAPE_FULL, /* everything the host knows: chtd's default */
	CHT_SHAPE_RUST  /* exactly what the Rust builders write */
};

/* What the Rust builder takes from its caller. Views borrowed for the call. */
struct cht_event_options {
	enum cht_shape shape;
	struct cht_str id;     /* CHT_SHAPE_RUST: written as given; FULL: must be empty */
	struct cht_str source; /* RUST: empty = CHT_SOURCE_GUEST_URI */
	struct cht_str type;   /* RUST: empty = built from the declaration's source */
};

/* Renders into out[0..cap). Returns the number of bytes (no NUL), CHT_E_FULL when cap is too
 * small (CHT_EVENT_MAX_BYTES always suffices), CHT_E_RANGE when an option may not be set for
 * this shape, or the stamped value is not a guest declaration and the shape is RUST. Pure. */
CHT_API int cht_event_render(const struct cht_stamped *stamped,
			     const struct cht_event_options *options, uint8_t *out,
			     size_t cap) CHT_CHECKED;

CHT_END_DECLS

#endif
