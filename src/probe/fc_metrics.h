/* SPDX-License-Identifier: Apache-2.0
 *
 * fc_metrics.h - the state of one fc_metrics probe, and how its readings are written. Of this
 * module alone.
 */
#ifndef PROBE_FC_METRICS_H
#define PROBE_FC_METRICS_H

#include "probe/fc_source.h"
#include "probe/fc_totals.h"
#include "probe/fc_vmm.h"
#include "probe/kinds.h"

/* What may not have been summed. */
struct fc_lost {
	uint64_t malformed;      /* lines that are no document, or have a counter that is none */
	uint64_t too_large;      /* lines beyond FC_LINE_MAX or FC_DOC_VALUES_MAX */
	uint64_t flushes_unseen; /* asked for and written, and not read by us */
	uint64_t minutes_missed; /* no line came for more than a minute, and none says why */
};

enum {
	FC_N_APIS = 3,
	/* A VMM that writes more than anybody asked for must not fill the ledger: of its lines so
	 * many are shown at once, one more a second, and one for each that was asked for. */
	FC_SHOWN_MOST = 32
};

struct fc_answer {
	bool is_pending;
	int fd, code, sys;
};

struct fc_metrics {
	struct probe p;
	struct fc_source source;
	struct fc_totals totals;
	struct fc_lost lost;
	struct fc_vmm vmm;
	struct fc_answer answers[FC_N_APIS]; /* by enum probe_api */
	unsigned stage;                      /* of what is wanted for a reading */
	bool flush;                          /* ask for a line before each reading */
	bool asks_vmm;                       /* what it is is not known, or it may be another */
	bool has_vmm;                        /* to be told with the next reading */
	int vmm_code, vmm_sys;               /* why it is not known */
	bool is_drained;                     /* whoever read was told that there is no more */
	bool is_owed;                        /* a line was asked for, and written */
	bool has_flush_error;
	char flush_error[100], flush_name[16];
	uint64_t n_flushed;
	bool has_before, has_time;
	uint64_t last_ms, last_resume; /* of the line before */
	uint64_t n_before;             /* lines that were summed and not shown */
	uint64_t shown_ns;             /* when there was last one more to be shown */
	uint32_t may_show;             /* so many lines now */
	uint32_t last_fatal;
	char path[CHT_PROBE_TEXT_MAX + 1], api[CHT_PROBE_TEXT_MAX + 1];
	char endpoint[CHT_PROBE_TEXT_MAX + 1];
};

/* Something may not have been summed. */
static inline bool fc_has_lost(const struct fc_metrics *m)
{
	return (m->lost.malformed | m->lost.too_large | m->lost.flushes_unseen |
		m->lost.minutes_missed | m->source.n_cut) != 0;
}

/* fc_metrics_api.c: looks at what the VMM answered since the last time; room->scratch is used. */
void fc_take_answers(struct fc_metrics *m, struct probe_room *room);

/* fc_metrics_out.c: what a reading shows. */
struct fc_shown {
	const struct fc_doc *doc;   /* null: its body is not shown */
	const struct fc_line *line; /* null: it is of no line */
	uint32_t fatal;
};

/* Writes out->inputs and out->output, and takes what is told once (n_before, vmm). A body that does
 * not fit is left out, and said. */
void fc_put(struct fc_metrics *m, const struct fc_shown *shown, struct probe_room *room,
	    struct cht_reading *out);

#endif
