/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a request to the control socket: a target up to the first newline, the rest a body,
 * of each method in turn. It is refused with a stable code and a sentence that can stand in JSON,
 * or what is taken from it stays within its bounds, and what it states makes a good event.
 */
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/text.h"
#include "cell/value.h"
#include "control/reply.h"
#include "event/event.h"
#include "fuzz.h"

static void check_refused(const struct control_error *error)
{
	char text[8192];
	struct buf b = buf_init(text, sizeof(text));

	HOLDS(error->status >= 400 && error->status < 500);
	HOLDS(error->code[0] != '\0' && error->message[0] != '\0');
	HOLDS(utf8_is_valid((const uint8_t *)error->message, strlen(error->message)));
	reply_put_error(&b, error);
	HOLDS(!b.full);
}

static void check_cell(const struct control_cell *cell)
{
	const char *path = cell->base[0] != '\0' ? cell->base : cell->path;

	HOLDS((cell->base[0] != '\0') + (cell->path[0] != '\0') + (cell->cid != 0) == 1);
	HOLDS(cell->cid == 0 || value_is_cid(cell->cid));
	HOLDS(cell->cid == 0 || (cell->uid < 0 && cell->owner < 0 && cell->group < 0));
	HOLDS(cell->cid != 0 || (path[0] == '/' && strlen(path) <= CONTROL_PATH_MAX));
	HOLDS(utf8_is_valid((const uint8_t *)path, strlen(path)));
	HOLDS(cell->run[0] == '\0' || value_is_attribution(str_of(cell->run)));
	HOLDS(cell->spec[0] == '\0' || value_is_attribution(str_of(cell->spec)));
	HOLDS(cell->uid >= -1 && cell->uid < UINT32_MAX);
	HOLDS(cell->owner >= -1 && cell->owner < UINT32_MAX);
	HOLDS(cell->group >= -1 && cell->group < UINT32_MAX);
	HOLDS((cell->mode & ~0777u) == 0);
}

/* The scanner takes one form only: no other escape, no space, no key out of order. */
static void check_stated(const struct control_request *request)
{
	static char text[CHT_EVENT_MAX_BYTES];
	static const struct run run = { .cell_id = "c", .run_id = "r", .spec = "s" };
	struct event_renderer r = { .clock = { .valid = false } };
	struct cht_stamped s = { .kind = EV_RUN_STATED, .run = &run, .sequence = 1 };
	struct buf b = buf_init(text, sizeof(text));
	struct event_view view;
	size_t at;

	if (request->stated_len == 0)
		return;
	s.facts.stated.text = (struct cht_str){ request->stated, request->stated_len };
	event_render(&r, &s, CHT_SHAPE_FULL, &b);
	HOLDS(!b.full);
	HOLDS(event_scan(buf_bytes(&b), &view, &at) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *line = size > 0 ? memchr(data, '\n', size) : NULL;
	size_t len = line != NULL ? (size_t)(line - data) : size;
	struct control_error error = { 0 };
	static struct control_request request;
	char target[CONTROL_TARGET_MAX + 1];

	if (len > CONTROL_TARGET_MAX)
		len = CONTROL_TARGET_MAX;
	if (len > 0)
		memcpy(target, data, len);
	target[len] = '\0';
	if (!control_read_target("PUT", target, &request, &error)) {
		check_refused(&error);
	} else {
		HOLDS(request.what == CONTROL_CELL && value_is_cell_id(str_of(request.id)));
	}
	if (line == NULL)
		return 0;
	len = size - (size_t)(line + 1 - data);
	for (unsigned method = CONTROL_PUT; method <= CONTROL_PASS; method++) {
		request.method = (enum control_method)method;
		if (method == CONTROL_PASS)
			request.id[0] = '\0';
		if (!control_read_body((struct cht_bytes){ line + 1, len }, &request, &error)) {
			check_refused(&error);
			continue;
		}
		if (method == CONTROL_PUT)
			check_cell(&request.cell);
		HOLDS(method != CONTROL_PASS || value_is_cell_id(str_of(request.id)));
		HOLDS(method != CONTROL_PATCH || request.stated_len > 0);
		check_stated(&request);
	}
	return 0;
}
