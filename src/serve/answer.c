/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/text.h"
#include "http/http.h"
#include "serve/server.h"

static const char text_type[] = "text/plain; charset=utf-8";
static const char bytes_type[] = "application/octet-stream";
static const char lines_type[] = "application/x-ndjson";

/* What never changes any more, and what may the next moment. */
static const char immutable[] = "public, max-age=31536000, immutable";
static const char no_cache[] = "no-cache";
static const char no_store[] = "no-store";

static const char index_text[] =
	"This is a transparency log of host and guest telemetry, to be read.\n"
	"\n"
	"/checkpoint                       the newest signed checkpoint (C2SP tlog-checkpoint)\n"
	"/tile/<level>/<number>[.p/<w>]    hashes of the tree (C2SP tlog-tiles)\n"
	"/tile/entries/<number>[.p/<w>]    the entries themselves, 256 a bundle\n"
	"/events?from=INDEX                entries from an index on, a JSON object a line:\n"
	"                                  {\"index\":7,\"entry\":...}\n"
	"    &follow=1                     and those to come, until you leave\n"
	"    &cell=, &run=, &type=         only these; type=guest takes all below it\n"
	"/healthz                          \"ok\" while the newest checkpoint holds\n"
	"\n"
	"Nothing here is beyond the newest checkpoint. Check its signature with a key that you "
	"had\n"
	"from elsewhere. Manual: cht-serve(1).\n";

/* An answer on its way: what all of them need. */
struct answer {
	struct MHD_Response *response;
	unsigned status;
	const char *type, *cache;
};

static void put_bytes(struct answer *a, const char *type, const char *cache, const void *bytes,
		      size_t len)
{
	a->response = MHD_create_response_from_buffer(len, (void *)(uintptr_t)bytes,
						      MHD_RESPMEM_MUST_COPY);
	a->type = type;
	a->cache = cache;
}

/* A sentence for the client. */
static void refuse(struct answer *a, unsigned status, const char *text)
{
	char line[256];
	int n = snprintf(line, sizeof(line), "%s\n", text);

	put_bytes(a, text_type, no_store, line, n > 0 ? (size_t)n : 0);
	a->status = status;
}

static void refuse_err(struct server *s, struct answer *a, int code, const struct cht_err *err)
{
	unsigned status = MHD_HTTP_INTERNAL_SERVER_ERROR;

	if (code == CHT_E_CONFIG)
		status = MHD_HTTP_GONE;
	else if (code == CHT_E_RANGE)
		status = MHD_HTTP_NOT_FOUND;
	else if (code == CHT_E_LIMIT)
		status = MHD_HTTP_SERVICE_UNAVAILABLE;
	else
		serve_log_tell(&s->log, err);
	refuse(a, status, err->text[0] != '\0' ? err->text : "it cannot be read");
}

static void answer_index(struct server *s, struct answer *a)
{
	char text[sizeof(index_text) + 512];
	int n = snprintf(text, sizeof(text), "%s\norigin  %s\nentries %" PRIu64 "\n", index_text,
			 s->log.view.origin, s->log.check.size);

	put_bytes(a, text_type, no_cache, text, n > 0 ? (size_t)n : 0);
}

static void answer_tile(struct server *s, const struct serve_request *q, struct answer *a)
{
	const struct tlog_tile *want = &q->tile;
	unsigned have = tlog_tile_width(want->level, want->n, s->log.check.size);
	struct serve_bundle bundle = { .fd = -1 };
	const struct check_tile *tile;
	struct cht_err err = { 0 };
	char text[160];
	int r;

	if (want->width > have) {
		(void)snprintf(text, sizeof(text),
			       "the newest checkpoint covers %" PRIu64
			       " entries: of this tile, %u of the %u asked for",
			       s->log.check.size, have, want->width);
		refuse(a, MHD_HTTP_NOT_FOUND, text);
		return;
	}
	if (want->is_entries) {
		r = serve_log_bundle(&s->log, want->n, want->width, &bundle, &err);
		if (r == 0) {
			a->response = MHD_create_response_from_fd_at_offset64(bundle.len, bundle.fd,
									      bundle.offset);
			if (a->response == NULL)
				fd_close(&bundle.fd);
			a->type = bytes_type;
			a->cache = immutable;
		}
	} else {
		r = ledger_check_tile(&s->log.check, &s->log.view, want->level, want->n, &tile,
				      &err);
		if (r == 0)
			put_bytes(a, bytes_type, immutable, tile->hash,
				  want->width * sizeof(tile->hash[0]));
	}
	if (r < 0)
		refuse_err(s, a, r, &err);
}

static void answer_checkpoint(struct server *s, struct answer *a)
{
	if (s->log.view.note_len == 0)
		refuse(a, MHD_HTTP_NOT_FOUND, "there is no checkpoint yet");
	else
		put_bytes(a, text_type, no_cache, s->log.view.note, s->log.view.note_len);
}

static void answer_events(struct server *s, struct serve_client *client, struct answer *a)
{
	struct cht_err err = { 0 };
	int r = serve_events(s, client, &a->response, &err);

	a->type = lines_type;
	a->cache = no_store;
	if (r < 0)
		refuse_err(s, a, r, &err);
}

static void answer_get(struct server *s, struct serve_client *client, struct answer *a)
{
	const struct serve_request *q = &client->request;

	if (client->request_status < 0) {
		refuse(a,
		       client->request_status == CHT_E_CONFIG  ? MHD_HTTP_NOT_FOUND
		       : client->request_status == CHT_E_RANGE ? MHD_HTTP_URI_TOO_LONG
							       : MHD_HTTP_BAD_REQUEST,
		       client->request_err.text);
		return;
	}
	if (q->what == SERVE_INDEX) {
		answer_index(s, a);
		return;
	}
	serve_log_refresh(&s->log);
	if (s->log.fault.code != 0) {
		refuse(a, MHD_HTTP_INTERNAL_SERVER_ERROR, s->log.fault.text);
		return;
	}
	switch (q->what) {
	case SERVE_INDEX: break;
	case SERVE_HEALTH: put_bytes(a, text_type, no_store, "ok\n", 3); break;
	case SERVE_CHECKPOINT: answer_checkpoint(s, a); break;
	case SERVE_TILE: answer_tile(s, q, a); break;
	case SERVE_EVENTS: answer_events(s, client, a); break;
	}
}

static enum MHD_Result queue(struct MHD_Connection *connection, struct answer *a)
{
	enum MHD_Result r;

	if (a->response == NULL)
		return MHD_NO;
	(void)MHD_add_response_header(a->response, MHD_HTTP_HEADER_CONTENT_TYPE, a->type);
	(void)MHD_add_response_header(a->response, MHD_HTTP_HEADER_CACHE_CONTROL, a->cache);
	(void)MHD_add_response_header(a->response, "X-Content-Type-Options", "nosniff");
	if (a->status == MHD_HTTP_METHOD_NOT_ALLOWED)
		(void)MHD_add_response_header(a->response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	if (a->status == MHD_HTTP_SERVICE_UNAVAILABLE)
		(void)MHD_add_response_header(a->response, MHD_HTTP_HEADER_RETRY_AFTER, "10");
	r = MHD_queue_response(connection, a->status, a->response);
	MHD_destroy_response(a->response);
	return r;
}

void *serve_on_target(void *closure, const char *target, struct MHD_Connection *connection)
{
	struct serve_client *client = http_client_of(connection);

	(void)closure;
	if (client != NULL)
		client->request_status =
			serve_request_read(str_of(target), &client->request, &client->request_err);
	return NULL;
}

static bool has_body(struct MHD_Connection *connection)
{
	const char *len = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
						      MHD_HTTP_HEADER_CONTENT_LENGTH);

	return (len != NULL && strcmp(len, "0") != 0) ||
	       MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
					   MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL;
}

/* A page of the web can have its own name lead to this machine, and read by way of a browser here
 * what only this machine may: such requests name that page's host. */
static bool is_for_us(const struct server *s, struct MHD_Connection *connection)
{
	const char *host =
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);

	return !s->listener.is_tcp || host == NULL || serve_host_is_local(host);
}

/* Its signature is libmicrohttpd's (ADR 0018).
 * Called once with the head of a request, where only a refusal may be given, which also ends the
 * connection, and once when it is whole. */
/* NOLINTNEXTLINE(readability-function-size): ADR 0018 */
enum MHD_Result serve_on_request(void *closure, struct MHD_Connection *connection, const char *url,
				 const char *method, const char *version, const char *upload,
				 size_t *upload_len, void **request_closure)
{
	struct serve_client *client = http_client_of(connection);
	struct answer a = { .status = MHD_HTTP_OK };

	(void)url;
	(void)version;
	(void)upload;
	if (client == NULL || *upload_len != 0)
		return MHD_NO;
	if (*request_closure == NULL) {
		*request_closure = client;
		if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
			refuse(&a, MHD_HTTP_METHOD_NOT_ALLOWED,
			       "only GET and HEAD: this is to be read");
		else if (has_body(connection))
			refuse(&a, MHD_HTTP_BAD_REQUEST, "a request here has no body");
		else if (!is_for_us(closure, connection))
			refuse(&a, MHD_HTTP_MISDIRECTED_REQUEST,
			       "the Host of a request here is localhost, 127.0.0.1 or [::1]");
		else
			return MHD_YES;
	} else {
		answer_get(closure, client, &a);
		if (client->request.what == SERVE_EVENTS && strcmp(method, "HEAD") == 0)
			http_end_behind(a.response);
	}
	client->state = CLIENT_TAKING;
	client->since_ns = clk_monotonic_ns();
	return queue(connection, &a);
}
