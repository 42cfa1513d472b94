/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "control/client.h"
#include "control/reply.h"
#include "http/http.h"

enum { LISTING_BYTES = 8192 };

static const char json_type[] = "application/json";

static enum MHD_Result queue(struct client *client, struct MHD_Response *response, unsigned status,
			     const char *type)
{
	enum MHD_Result r;

	if (response == NULL)
		return MHD_NO;
	if (status != MHD_HTTP_NO_CONTENT)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW,
					      control_methods(client->request.what));
	if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1");
	client->state = CLIENT_TAKING;
	r = MHD_queue_response(client->connection, status, response);
	MHD_destroy_response(response);
	return r;
}

static enum MHD_Result queue_text(struct client *client, unsigned status, const char *type)
{
	return queue(client,
		     MHD_create_response_from_buffer(client->text_len, client->text,
						     MHD_RESPMEM_MUST_COPY),
		     status, type);
}

void client_write(struct client *client, const struct control_answer *answer)
{
	struct buf b = buf_init(client->text, sizeof(client->text));

	client->status = answer->error.status != 0 ? answer->error.status : answer->status;
	if (answer->error.status != 0) {
		reply_put_error(&b, &answer->error);
	} else if (answer->status != MHD_HTTP_NO_CONTENT) {
		reply_put_view(&b, &answer->view);
		buf_put_byte(&b, '\n');
	}
	client->text_len = b.full ? 0 : buf_len(&b);
}

enum MHD_Result client_queue_error(struct client *client)
{
	const struct control_answer answer = { .error = client->error };

	client_write(client, &answer);
	return queue_text(client, client->status, json_type);
}

/* The next cell, or the end, into .text. */
static void list_next(struct client *client)
{
	struct listing *list = &client->listing;
	const struct control_handler *handler = &list->control->handler;
	struct buf b = buf_init(client->text, sizeof(client->text));
	struct control_view view;

	list->sent = 0;
	if (handler->next_cell(handler->context, list->after, &view)) {
		buf_put_byte(&b, list->has_some ? ',' : '[');
		reply_put_view(&b, &view);
		memcpy(list->after, view.id.ptr, view.id.len);
		list->after[view.id.len] = '\0';
		list->has_some = true;
	} else {
		buf_put_str(&b, list->has_some ? STR("]\n") : STR("[]\n"));
		list->is_whole = true;
	}
	client->text_len = buf_len(&b);
}

/* The library asks for more whenever the client has taken what there was. */
static ssize_t on_listing(void *closure, uint64_t pos, char *to, size_t max)
{
	struct client *client = closure;
	struct listing *list = &client->listing;
	size_t n = 0;

	(void)pos;
	while (n < max) {
		size_t rest = client->text_len - list->sent, part = max - n;

		if (rest == 0 && list->is_whole)
			break;
		if (rest == 0) {
			list_next(client);
			continue;
		}
		part = rest < part ? rest : part;
		memcpy(to + n, client->text + list->sent, part);
		list->sent += part;
		n += part;
	}
	return n > 0 ? (ssize_t)n : MHD_CONTENT_READER_END_OF_STREAM;
}

/* All cells, in parts: neither their number nor who reads slowly holds anybody up, or takes memory.
 */
static enum MHD_Result queue_cells(struct control *c, struct client *client)
{
	struct MHD_Response *response = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, LISTING_BYTES, on_listing, client, NULL);

	client->listing = (struct listing){ .control = c };
	client->text_len = 0;
	if (client->is_body_less)
		http_end_behind(response);
	return queue(client, response, MHD_HTTP_OK, json_type);
}

static enum MHD_Result queue_metrics(struct control *c, struct client *client)
{
	struct buf b = buf_init(client->text, sizeof(client->text));
	struct control_metrics metrics = { 0 };

	c->handler.read_metrics(c->handler.context, &metrics);
	reply_put_metrics(&b, &metrics);
	client->text_len = buf_len(&b);
	return queue_text(client, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8");
}

static enum MHD_Result queue_health(struct control *c, struct client *client)
{
	client->text_len = 0;
	if (!c->handler.is_paused(c->handler.context) || client->request.what == CONTROL_READY)
		return queue_text(client, MHD_HTTP_NO_CONTENT, json_type);
	(void)control_refuse(&client->error, MHD_HTTP_SERVICE_UNAVAILABLE, "ledger_full",
			     "the ledger cannot be written: make room on its disk");
	return client_queue_error(client);
}

static enum MHD_Result queue_version(struct client *client)
{
	struct buf b = buf_init(client->text, sizeof(client->text));

	reply_put_version(&b);
	client->text_len = buf_len(&b);
	return queue_text(client, MHD_HTTP_OK, json_type);
}

/* Who waits for a slow disk leaves places for those who ask how it is. */
static bool is_crowded(const struct control *c)
{
	return c->n_waiting >= c->handler.clients_max - c->handler.clients_max / 4;
}

/* The handler answers now, or we wait for it. */
static enum MHD_Result ask(struct control *c, struct client *client)
{
	struct control_answer answer = { .status = MHD_HTTP_OK };

	client->request.by = client->peer;
	if (client->request.method != CONTROL_GET &&
	    !control_read_body((struct cht_bytes){ client->body, client->body_len },
			       &client->request, &client->error))
		return client_queue_error(client);
	if (client->request.method != CONTROL_GET && is_crowded(c)) {
		(void)control_refuse(&client->error, MHD_HTTP_SERVICE_UNAVAILABLE, "busy",
				     "too many requests wait for the disk: ask again in a moment");
		return client_queue_error(client);
	}
	if (c->handler.on_cell(c->handler.context, &client->request, &answer, &client->ticket)) {
		client_write(client, &answer);
		return queue_text(client, client->status, json_type);
	}
	client->state = CLIENT_WAITING;
	client->asked = c->n_asked++;
	c->n_waiting++;
	MHD_suspend_connection(client->connection);
	return MHD_YES;
}

enum MHD_Result client_answer(struct control *c, struct client *client)
{
	if (client->error.status != 0)
		return client_queue_error(client);
	switch (client->request.what) {
	case CONTROL_VERSION: return queue_version(client);
	case CONTROL_HEALTH:
	case CONTROL_READY: return queue_health(c, client);
	case CONTROL_METRICS: return queue_metrics(c, client);
	case CONTROL_CELLS: return queue_cells(c, client);
	case CONTROL_CELL: break;
	}
	return ask(c, client);
}

enum MHD_Result client_queue_told(struct client *client)
{
	return queue_text(client, client->status, json_type);
}
