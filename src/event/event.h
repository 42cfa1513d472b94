/* SPDX-License-Identifier: Apache-2.0
 *
 * event.h - the one table of event types; stamped values in, CloudEvent bytes out; and the
 * strict scanner that takes exactly such bytes apart again.
 */
#ifndef EVENT_EVENT_H
#define EVENT_EVENT_H

#include <cht/event.h>

#include "base/buf.h"
#include "base/text.h"
#include "cell/stamped.h"

struct event_type {
	enum event_kind kind;
	const char *name; /* short name: "run.opened", "guest.process_spawned" */
	size_t name_len;
	const char *type;       /* the CloudEvents type attribute, whole */
	const char *source;     /* the CloudEvents source attribute */
	const char *provenance; /* "declared" | "observed" | "derived" */
	const char *noticed_by; /* data.probeSource; null: "guest." and the frame's own text */
	const char *inputs;     /* data.inputs.from as JSON; null: of the frame */
};

/* One row for each kind. */
extern const struct event_type event_types[EV_N_KINDS];

/* The row with this type attribute, or null. */
const struct event_type *event_type_find(struct cht_str type);
/* Whether a type attribute is the one named or below it: "guest", "run.opened"; what all types of
 * ours begin with may be left out of the name. Every type is below the empty name. */
bool event_type_is_below(struct cht_str type, struct cht_str name);
/* Whether events of this kind are what one frame of a guest declared. */
static inline bool event_is_declaration(enum event_kind kind)
{
	return kind >= EV_GUEST_PROCESS_SPAWNED && kind <= EV_GUEST_AGENT_BYE;
}
/* Whether events of this kind are readings of probes. */
static inline bool event_is_reading(enum event_kind kind)
{
	return kind >= EV_PROBE_FC_METRICS && kind <= EV_PROBE_VMM_PROC;
}
/* "expected", "live"; "clean", "in_length": names used in data. */
const char *cell_state_name(enum cell_state state);
const char *close_reason_name(enum close_reason reason);

/* What rendering keeps from one event to the next: the second last formatted. Zero-initialise;
 * one per thread. */
struct event_renderer {
	struct rfc3339_cache clock;
};

/* Renders CHT_SHAPE_FULL, or for guest declarations CHT_SHAPE_RUST when asked. b->full when it
 * did not fit. */
void event_render(struct event_renderer *r, const struct cht_stamped *stamped, enum cht_shape shape,
		  struct buf *b);

/* An event taken apart. Views borrow from the scanned bytes, are without quotes, and escapes in
 * them are not undone. Members that this shape or type does not have are empty (sequence 0). */
struct event_view {
	struct cht_str id, source, type, time;
	struct cht_str data; /* the object, braces included */
	struct cht_str cell_id, run_id, spec, provenance;
	uint64_t sequence;
	const struct event_type *known; /* null: a type this build does not know */
	bool is_numbered; /* data.channel has agentBoot and agentSeq: its agent counts */
};

/* Takes exactly one event as event_render writes it: eight members in order, compact, `data`
 * with sorted unique keys, canonical escapes, integers only, valid UTF-8, nothing after. Types
 * unknown to this build are taken. CHT_E_PARSE with *at the first offending byte (the end when
 * it ends early) and *out untouched. In CHT_SHAPE_RUST cell, run and spec are those of data.host,
 * and sequence is read from the UUIDv8 in id, when id has that form. Whether id, host and data
 * agree is not looked at. Allocates nothing; at most EVENT_DEPTH_MAX objects and arrays deep. */
int event_scan(struct cht_bytes bytes, struct event_view *out, size_t *at) CHT_CHECKED;
enum { EVENT_DEPTH_MAX = 16 };

/* The run's bits and the sequence from an id of the form that event_render writes; false for
 * any other. */
bool event_id_read(struct cht_str id, struct run_bits *bits, uint64_t *sequence);

/* The value of a member of data by path, "frames.received", "guest.guestPid" or
 * "counts.run.opened": raw JSON text (strings with quotes). False when absent. data must come
 * from event_scan. */
bool event_data_find(struct cht_str data, const char *path, struct cht_str *value);
/* The same as an unsigned number, from a JSON number or a decimal string; absent: false. */
bool event_data_u64(struct cht_str data, const char *path, uint64_t *value);

/* The next value of a list that event_data_find gave, or of values with commas between; *rest moves
 * on behind it. False at the end. */
bool event_list_next(struct cht_str *rest, struct cht_str *value);

/* A signed envelope taken apart: {"event":…,"signerKid":"…","algorithm":"…","signature":"…"}
 * in exactly this order, then notBefore and notAfter if present. */
struct envelope_view {
	struct cht_bytes event; /* the payload: exactly the signed bytes */
	struct cht_str kid, algorithm, signature;
};
/* CHT_E_PARSE with *at the first offending byte. The event inside is not scanned: it is what
 * stands between, and only event_scan says whether that is one event and nothing else. */
int envelope_scan(struct cht_bytes bytes, struct envelope_view *out, size_t *at) CHT_CHECKED;

#endif
