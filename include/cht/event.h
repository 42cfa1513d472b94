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
	CHT_ENTRY_MAX_BYTES = 61440, /* an event in its envelope */
	CHT_EVENT_NAME_MAX = 1024    /* bytes of an id, source or type given by the caller */
};

#define CHT_PROVENANCE_DECLARED "declared"
#define CHT_SOURCE_GUEST_URI    "cellos-host-telemetry/guest"
#define CHT_SOURCE_HOST_URI     "cellos-host-telemetry/host"
#define CHT_GUEST_TYPE_PREFIX   "dev.cellos.events.cell.observability.v1.guest."

enum cht_shape {
	CHT_SHAPE_FULL, /* everything the host knows: chtd's default */
	CHT_SHAPE_RUST  /* exactly what the Rust builders write */
};

/* What the Rust builder takes from its caller: valid UTF-8, at most CHT_EVENT_NAME_MAX bytes.
 * Views borrowed for the call. CHT_SHAPE_FULL takes none of them. */
struct cht_event_options {
	enum cht_shape shape;
	struct cht_str id;     /* empty: the URN of run and sequence, as in CHT_SHAPE_FULL */
	struct cht_str source; /* empty: CHT_SOURCE_GUEST_URI */
	struct cht_str type;   /* empty: built from the declaration's source */
};

/* Renders into out[0..cap). Returns the number of bytes (no NUL); CHT_E_FULL when cap is too
 * small (CHT_EVENT_MAX_BYTES always suffices); CHT_E_RANGE when an option may not be set for this
 * shape, is too long or is not UTF-8, when the shape is CHT_SHAPE_RUST and the value is neither a
 * guest's declaration nor a reading, or when a declaration that was not decoded is beyond what a
 * frame can hold. options may be null: CHT_SHAPE_FULL. Pure. */
CHT_API int cht_event_render(const struct cht_stamped *stamped,
			     const struct cht_event_options *options, uint8_t *out,
			     size_t cap) CHT_CHECKED;

CHT_END_DECLS

#endif
