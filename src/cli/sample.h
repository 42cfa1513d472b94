/* SPDX-License-Identifier: Apache-2.0
 *
 * sample.h - what chtd says of itself and its cells at a time, and what changed since another time:
 * the answers of its control socket in, numbers out.
 */
#ifndef CLI_SAMPLE_H
#define CLI_SAMPLE_H

#include <cht/err.h>
#include <cht/stamp.h>
#include <jansson.h>

#include "base/buf.h"

enum { SAMPLE_STATE_MAX = 23, SAMPLE_VERSION_MAX = 31 };
/* Not known: there is nothing to compare with. */
#define SAMPLE_NONE UINT64_MAX

/* Frames since the beginning. */
struct sample_frames {
	uint64_t received, stored, heartbeats, refused, dropped;
};

struct sample_cell {
	char id[CHT_CELL_ID_MAX + 1], run[CHT_ATTRIBUTION_MAX + 1], state[SAMPLE_STATE_MAX + 1];
	bool is_silent; /* its agent was not heard for a window */
	bool is_amiss;  /* and that is no idleness, no pause and not our doing */
	uint64_t connections;
	struct sample_frames frames;
	uint64_t silent_ns;
	/* A second, in tenths; or SAMPLE_NONE. */
	uint64_t received_rate, dropped_rate, refused_rate;
};

struct sample {
	uint64_t at_ns;        /* monotonic, of the cells */
	uint64_t totals_at_ns; /* of what is of all of them together */
	char version[SAMPLE_VERSION_MAX + 1];
	bool is_ready, is_written; /* readyz and healthz said 204 */
	uint64_t registered, connections, entries;
	struct sample_frames frames;
	struct sample_frames rates; /* a second, in tenths; or SAMPLE_NONE */
	uint64_t entries_rate;
	struct sample_cell *cells; /* sorted by id */
	size_t n;
};

/* Asks chtd. Safe to free whatever the result. CHT_E_PEER, CHT_E_STATE, CHT_E_NOMEM, CHT_E_IO. */
int sample_take(struct sample *out, const char *socket, struct cht_err *err) CHT_CHECKED;
/* The same without the cells: enough to compare totals with. */
int sample_take_totals(struct sample *out, const char *socket, struct cht_err *err) CHT_CHECKED;
void sample_free(struct sample *s);

/* The answer to GET /cells. CHT_E_PEER: it is none. CHT_E_NOMEM. */
int sample_read_cells(struct sample *out, const json_t *list, struct cht_err *err) CHT_CHECKED;
/* Whether a cell's condition, as chtd gives it, is bad news; null: it gives none, and there is
 * silence alone. */
bool sample_is_amiss(const char *condition, bool is_silent);
/* The answer to GET /metrics; what is not known is passed over. */
void sample_read_metrics(struct sample *out, struct cht_str text);
/* What changed between the two; before null: nothing is known of that. A run that is another one,
 * or a counter that went back, has no rate. */
void sample_compare(struct sample *now, const struct sample *before);

/* As JSON. name: what comes before the value, the key and its colon. A text is one of a
 * sample, 512 bytes at most in its quotes, and what would deceive on a terminal is escaped. A rate
 * is left out when it is not known. */
void sample_put_text(struct buf *b, const char *name, const char *text);
void sample_put_number(struct buf *b, const char *name, uint64_t v);
void sample_put_rate(struct buf *b, const char *name, uint64_t tenths);
void sample_put_frames(struct buf *b, const struct sample_frames *f);

#endif
