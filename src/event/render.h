/* SPDX-License-Identifier: Apache-2.0
 *
 * render.h - what the parts of the renderer share. Not for other modules.
 */
#ifndef EVENT_RENDER_H
#define EVENT_RENDER_H

#include "event/event.h"
#include "event/out.h"

/* What the Rust shape leaves to its caller, each at most CHT_EVENT_NAME_MAX bytes; empty: ours. */
struct rust_names {
	struct cht_str id, source, type;
};

enum {
	/* Everything of an event but what guest and caller wrote; run text at its longest. */
	RENDER_FIXED_MAX = 2560,
	/* Key, quotes and comma of a detail; and of an entry of coverage. */
	RENDER_DETAIL_MAX = 32,
	RENDER_COVERAGE_MAX = 56,
};

/* "urn:cellos:event:" and the UUIDv8 of run and sequence. */
enum { EVENT_ID_LEN = 17 + 36 };
uint8_t *render_id(uint8_t *p, const struct run *run, uint64_t sequence);

/* The time of receipt, with nine decimals or in whole seconds, with its Z, without quotes. */
uint8_t *render_time_ns(uint8_t *p, struct event_renderer *r, int64_t realtime_ns);
uint8_t *render_time_s(uint8_t *p, struct event_renderer *r, int64_t realtime_ns);

/* A room that is surely enough for render_guest; SIZE_MAX when lengths are absurd. */
size_t render_guest_bound(const struct cht_stamped *s);
uint8_t *render_guest(uint8_t *p, struct event_renderer *r, const struct cht_stamped *s);
/* The same for render_rust. */
size_t render_rust_bound(const struct cht_stamped *s, const struct rust_names *names);
uint8_t *render_rust(uint8_t *p, struct event_renderer *r, const struct cht_stamped *s,
		     const struct rust_names *names);

/* A reading, bounded by b; names null: CHT_SHAPE_FULL. */
void render_reading(struct buf *b, struct event_renderer *r, const struct cht_stamped *s,
		    const struct rust_names *names);

/* All kinds that are neither declarations nor readings, bounded by b. */
void render_host(struct buf *b, struct event_renderer *r, const struct cht_stamped *s);
/* data of one kind, members of every event included. */
void render_facts(struct buf *b, const struct cht_stamped *s);
/* The members of cell.evidence_bundle. */
struct members;
void render_bundle(struct members *m, const struct cht_stamped *s);
/* Of guest.declaration_unwitnessed, guest.traffic_undeclared, cell.witnessed. */
void render_unwitnessed(struct members *m, const struct cht_stamped *s);
void render_undeclared(struct members *m, const struct cht_stamped *s);
void render_witnessed(struct members *m, const struct cht_stamped *s);

#endif
