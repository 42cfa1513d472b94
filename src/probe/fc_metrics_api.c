/* SPDX-License-Identifier: Apache-2.0 */
/* What the VMM answered stands in memory that somebody else filled; it is read once, here. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/text.h"
#include "probe/fc_metrics.h"

/* The answer, in the room; below 0: *sys. */
static int read_answer(struct fc_answer *a, struct probe_room *room, unsigned *status,
		       struct cht_bytes *body, int *sys)
{
	struct probe_file file = { .fd = a->fd };
	int n;

	*sys = a->sys;
	a->is_pending = false;
	a->fd = -1;
	if (file.fd < 0)
		return a->code < 0 ? a->code : CHT_E_IO;
	n = probe_file_read(&file, room->scratch, FC_LINE_MAX);
	if (n < 0) {
		*sys = file.sys;
		probe_file_close(&file);
		return file.code;
	}
	probe_file_close(&file);
	return fc_http_parse((struct cht_bytes){ room->scratch, (size_t)n }, status, body);
}

static struct fc_doc doc_in(struct probe_room *room)
{
	return (struct fc_doc){ .values = (struct fc_value *)(void *)(room->scratch + FC_LINE_MAX),
				.cap = FC_DOC_VALUES_MAX };
}

static uint8_t *bytes_of(struct probe_room *room, struct cht_bytes body)
{
	return room->scratch + (body.ptr - room->scratch);
}

static int take_state(struct fc_metrics *m, struct probe_room *room, int *sys)
{
	struct fc_doc doc = doc_in(room);
	struct cht_bytes body = { NULL, 0 };
	unsigned status = 0;
	int r = read_answer(&m->answers[PROBE_API_STATE], room, &status, &body, sys);

	m->vmm = (struct fc_vmm){ .has_config = false };
	if (r == 0 && status != 200)
		r = CHT_E_BIND;
	return r < 0 ? r : fc_vmm_read_state(&m->vmm, &doc, bytes_of(room, body), body.len);
}

static int take_config(struct fc_metrics *m, struct probe_room *room, int *sys)
{
	struct cht_bytes body = { NULL, 0 };
	unsigned status = 0;
	int r = read_answer(&m->answers[PROBE_API_CONFIG], room, &status, &body, sys);

	if (r == 0 && status != 200)
		r = CHT_E_BIND;
	if (r == 0)
		r = digest_sha256(body, m->vmm.config, NULL);
	m->vmm.has_config = r == 0;
	return r;
}

/* Its sentence, when it has one that can be shown. */
static void take_fault(struct fc_metrics *m, struct probe_room *room, unsigned status,
		       struct cht_bytes body)
{
	struct fc_doc doc = doc_in(room);
	struct cht_str said = { NULL, 0 };

	if (fc_doc_parse(&doc, bytes_of(room, body), body.len, NULL) == 0)
		said = fc_doc_str(&doc, fc_doc_find(&doc, FC_DOC_TOP, STR("fault_message")));
	if (said.len > 60)
		said.len = 60;
	said.len = utf8_valid_prefix((const uint8_t *)said.ptr, said.len);
	(void)snprintf(m->flush_error, sizeof(m->flush_error), "flush: %u %.*s", status,
		       (int)said.len, said.len > 0 ? said.ptr : "");
	(void)snprintf(m->flush_name, sizeof(m->flush_name), "refused");
}

static void take_flush(struct fc_metrics *m, struct probe_room *room)
{
	struct cht_bytes body = { NULL, 0 };
	unsigned status = 0;
	int sys = 0, r = read_answer(&m->answers[PROBE_API_FLUSH], room, &status, &body, &sys);

	if (r == 0 && status == 204) {
		m->n_flushed++;
		m->may_show += m->may_show < FC_SHOWN_MOST;
		m->is_owed = true;
		return;
	}
	/* A VMM that is not there yet, or no more, is asked for nothing. */
	if (r < 0 && m->source.is_fifo && !m->source.has_writer &&
	    (sys == ENOENT || sys == ECONNREFUSED))
		return;
	m->has_flush_error = true;
	if (r == 0) {
		take_fault(m, room, status, body);
		return;
	}
	(void)snprintf(m->flush_error, sizeof(m->flush_error), "flush%s%s", sys != 0 ? ": " : "",
		       sys != 0 ? strerrordesc_np(sys) : "");
	(void)snprintf(m->flush_name, sizeof(m->flush_name), "%s", reading_error_name(r, sys));
}

void fc_take_answers(struct fc_metrics *m, struct probe_room *room)
{
	int r = 0, sys = 0;

	if (m->answers[PROBE_API_STATE].is_pending) {
		r = take_state(m, room, &sys);
		if (r == 0 && m->answers[PROBE_API_CONFIG].is_pending)
			r = take_config(m, room, &sys);
		m->has_vmm = r == 0;
		m->vmm_code = r;
		m->vmm_sys = sys;
		if (r == 0 && fc_vmm_is_booted(&m->vmm))
			m->asks_vmm = false;
	}
	if (m->answers[PROBE_API_CONFIG].is_pending) { /* without a state it is nobody's */
		fd_close(&m->answers[PROBE_API_CONFIG].fd);
		m->answers[PROBE_API_CONFIG].is_pending = false;
	}
	if (m->answers[PROBE_API_FLUSH].is_pending)
		take_flush(m, room);
}
