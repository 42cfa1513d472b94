/* SPDX-License-Identifier: Apache-2.0
 *
 * A stream is asked for bytes when the connection can take some, so that who reads slowly costs a
 * reader's buffer and no more. A line is given in pieces: what stands before the entry, the entry
 * from the reader's buffer, the end.
 *
 * Each entry is held against the checkpoint before its first byte is given. What does not hold ends
 * the stream with a line that says so, and without the proper end of the answer.
 */
#include <inttypes.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "event/event.h"
#include "serve/server.h"

enum piece {
	PIECE_NEXT,  /* the next line is to be begun */
	PIECE_ENTRY, /* its beginning was given */
	PIECE_END,   /* the entry was */
	PIECE_LAST,  /* nothing follows */
};

enum { SCRATCH_BYTES = 3072, PLAIN_BYTES = SCRATCH_BYTES / 4 * 3 };

struct serve_stream {
	struct server *server;
	struct serve_client *client;
	uint64_t from, end;     /* no entry at or above end is given */
	struct cht_bytes entry; /* what is left of it */
	struct cht_bytes out;   /* what is left of the piece */
	struct ledger_reader reader;
	struct serve_request request;
	enum piece piece;
	bool is_used, is_placed;
	bool is_plain; /* the entry stands in its line as it is */
	uint8_t scratch[SCRATCH_BYTES];
};

static struct serve_stream streams[SERVE_STREAMS_MAX];

static bool has_value(const struct serve_value *asked, struct cht_str value)
{
	return asked->len == 0 || str_eq(value, (struct cht_str){ asked->text, asked->len });
}

static bool matches(const struct serve_request *q, struct cht_bytes entry)
{
	struct envelope_view envelope = { .event = entry };
	struct event_view event;
	size_t at;

	if (q->cell.len == 0 && q->run.len == 0 && q->type.len == 0)
		return true;
	if (str_starts((struct cht_str){ (const char *)entry.ptr, entry.len },
		       STR("{\"event\":")) &&
	    envelope_scan(entry, &envelope, &at) < 0)
		return false;
	return event_scan(envelope.event, &event, &at) == 0 && has_value(&q->cell, event.cell_id) &&
	       has_value(&q->run, event.run_id) &&
	       event_type_is_below(event.type, (struct cht_str){ q->type.text, q->type.len });
}

/* What can stand in a line of JSON as it is, and be found there again. */
static bool is_plain(struct cht_bytes entry)
{
	uint8_t least = 0xff;

	if (entry.len < 2 || entry.ptr[0] != '{' || entry.ptr[entry.len - 1] != '}')
		return false;
	for (size_t i = 0; i < entry.len; i++)
		least = entry.ptr[i] < least ? entry.ptr[i] : least;
	return least >= 0x20 && utf8_is_valid(entry.ptr, entry.len);
}

/* Goes to entry index of the covered ones. */
static int place(struct serve_stream *st, uint64_t index, struct cht_err *err)
{
	struct tlog_source hashes = ledger_view_hashes(&st->server->log.view);
	int r = ledger_reader_goto(&st->reader, &hashes, index, err);

	if (r == 0)
		return serve_log_pruned(index, st->reader.next, err);
	st->is_placed = r == 1;
	return r < 0 ? r : 0;
}

/* The next entry and its index. 1, 0: no more are covered, negative: damage. */
static int next_entry(struct serve_stream *st, struct cht_bytes *entry, uint64_t *index,
		      struct cht_err *err)
{
	struct serve_log *log = &st->server->log;
	int r;

	*index = st->is_placed ? st->reader.next : st->from;
	st->reader.limit = st->end < log->check.size ? st->end : log->check.size;
	if (log->fault.code != 0) {
		*err = log->fault;
		return log->fault.code;
	}
	if (*index >= st->reader.limit)
		return 0;
	if (!st->is_placed) {
		r = place(st, *index, err);
		if (r < 0)
			return r;
	}
	r = ledger_next(&st->reader, entry, err);
	/* Its segment may have gone by retention before a slow reader came to it. */
	if (r == 1 && st->reader.next - 1 != *index)
		return serve_log_pruned(*index, st->reader.next - 1, err);
	if (r == 1) {
		int holds = ledger_check_entry(&log->check, &log->view, *index, *entry, err);

		return holds < 0 ? holds : 1;
	}
	return r;
}

static void put_failure(struct serve_stream *st, uint64_t index, const struct cht_err *err)
{
	serve_log_tell(&st->server->log, err);

	struct buf b = buf_init(st->scratch, sizeof(st->scratch));
	struct cht_str text = str_of(err->text);

	text.len = utf8_valid_prefix((const uint8_t *)text.ptr, text.len);
	buf_put_lit(&b, "{\"index\":");
	put_u64(&b, index);
	buf_put_lit(&b, ",\"error\":");
	json_put_str(&b, text);
	buf_put_lit(&b, "}\n");
	st->out = buf_bytes(&b);
	st->piece = PIECE_LAST;
}

/* 1: a line was begun. 0: there is none now, or none in this turn. */
static int begin_line(struct serve_stream *st, bool *is_turn_over)
{
	struct buf b = buf_init(st->scratch, sizeof(st->scratch));
	struct cht_err err = { 0 };
	uint64_t index = 0;
	int r;

	for (unsigned n = 0;; n++) {
		*is_turn_over = n == SERVE_SCAN_ENTRIES;
		if (*is_turn_over)
			return 0;
		r = next_entry(st, &st->entry, &index, &err);
		if (r == 0)
			return 0;
		if (r < 0) {
			put_failure(st, index, &err);
			return 1;
		}
		if (matches(&st->request, st->entry))
			break;
	}
	st->is_plain = is_plain(st->entry);
	buf_put_lit(&b, "{\"index\":");
	put_u64(&b, index);
	buf_put_str(&b, st->is_plain ? STR(",\"entry\":") : STR(",\"base64\":\""));
	st->out = buf_bytes(&b);
	st->piece = PIECE_ENTRY;
	return 1;
}

static void put_entry(struct serve_stream *st)
{
	size_t n = st->is_plain || st->entry.len <= PLAIN_BYTES ? st->entry.len : PLAIN_BYTES;
	struct buf b = buf_init(st->scratch, sizeof(st->scratch));

	if (st->is_plain) {
		st->out = st->entry;
	} else {
		put_base64(&b, st->entry.ptr, n);
		st->out = buf_bytes(&b);
	}
	st->entry.ptr += n;
	st->entry.len -= n;
	if (st->entry.len == 0)
		st->piece = PIECE_END;
}

/* Fills st->out. 1, or 0: as begin_line; at PIECE_LAST nothing follows. */
static int next_piece(struct serve_stream *st, bool *is_turn_over)
{
	struct cht_str end;

	switch (st->piece) {
	case PIECE_NEXT: return begin_line(st, is_turn_over);
	case PIECE_ENTRY: put_entry(st); return 1;
	case PIECE_END:
		end = st->is_plain ? STR("}\n") : STR("\"}\n");
		st->out = (struct cht_bytes){ (const uint8_t *)end.ptr, end.len };
		st->piece = PIECE_NEXT;
		return 1;
	case PIECE_LAST: break;
	}
	return 0;
}

/* Nothing is to be given now: the connection rests until the loop resumes it. */
static ssize_t rest(struct serve_stream *st, enum serve_state state)
{
	st->client->state = state;
	MHD_suspend_connection(st->client->connection);
	return 0;
}

static ssize_t on_room(void *closure, uint64_t pos, char *to, size_t cap)
{
	struct serve_stream *st = closure;
	bool is_turn_over = false;
	size_t n = 0;

	(void)pos;
	if (st->client->state == CLIENT_GONE)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	while (n < cap) {
		size_t part;

		if (st->out.len == 0 && next_piece(st, &is_turn_over) == 0)
			break;
		part = st->out.len < cap - n ? st->out.len : cap - n;
		memcpy(to + n, st->out.ptr, part);
		st->out.ptr += part;
		st->out.len -= part;
		n += part;
	}
	if (n > 0)
		return (ssize_t)n;
	if (st->piece == PIECE_LAST)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (is_turn_over)
		return rest(st, CLIENT_TURN);
	if (st->request.is_following && !st->server->is_stopping)
		return rest(st, CLIENT_WAITING);
	return MHD_CONTENT_READER_END_OF_STREAM;
}

static void on_free(void *closure)
{
	struct serve_stream *st = closure;

	ledger_reader_close(&st->reader);
	st->is_used = false;
	st->server->n_streams--;
}

static struct serve_stream *find_free(void)
{
	for (unsigned i = 0; i < SERVE_STREAMS_MAX; i++)
		if (!streams[i].is_used)
			return &streams[i];
	return NULL;
}

/* Where to begin: before the answer's head is given, so that a refusal has its own status. */
static int begin(struct serve_stream *st, struct cht_err *err)
{
	struct serve_log *log = &st->server->log;
	int r = ledger_reader_open_view(&st->reader, &log->view, err);

	if (r < 0)
		return r;
	st->reader.limit = log->check.size;
	/* Who does not follow comes to an end, however fast the log grows. */
	st->end = st->request.is_following ? UINT64_MAX : log->check.size;
	st->from = st->request.has_from ? st->request.from : st->reader.next;
	if (st->from > log->check.size)
		return cht_fail(err, CHT_E_RANGE, 0,
				"the newest checkpoint covers %" PRIu64
				" entries: there is no entry before the one asked for",
				log->check.size);
	return st->from < log->check.size ? place(st, st->from, err) : 0;
}

int serve_events(struct server *server, struct serve_client *client, struct MHD_Response **out,
		 struct cht_err *err)
{
	struct serve_stream *st = find_free();
	int r;

	if (st == NULL)
		return cht_fail(err, CHT_E_LIMIT, 0, "%d clients read events already",
				SERVE_STREAMS_MAX);
	*st = (struct serve_stream){ .server = server,
				     .client = client,
				     .request = client->request,
				     .reader = LEDGER_READER_NULL };
	r = begin(st, err);
	if (r == 0) {
		*out = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, SERVE_CONNECTION_BYTES,
							 on_room, st, on_free);
		if (*out == NULL)
			r = cht_fail(err, CHT_E_NOMEM, 0, "no memory for an answer");
	}
	if (r < 0) {
		ledger_reader_close(&st->reader);
		return r;
	}
	st->is_used = true;
	server->n_streams++;
	return 0;
}
