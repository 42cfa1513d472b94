/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/fc_vmm.h"

#include <strings.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"

/* Without its end; *at moves behind it. False: there is no whole line of text. */
static bool take_line(struct cht_bytes in, size_t *at, struct cht_str *line)
{
	const uint8_t *start = in.ptr + *at, *end;

	if (*at == in.len)
		return false;
	end = memchr(start, '\n', in.len - *at);
	if (end == NULL || end == start || end[-1] != '\r' ||
	    memchr(start, '\0', (size_t)(end - start)) != NULL)
		return false;
	*line = (struct cht_str){ (const char *)start, (size_t)(end - start) - 1 };
	*at += (size_t)(end - start) + 1;
	return true;
}

/* "HTTP/1.1 200 ", and a reason or none: Firecracker writes none, of 503 not even the blank. */
static bool read_status(struct cht_str line, unsigned *status)
{
	uint64_t code;

	if (!(str_starts(line, STR("HTTP/1.1 ")) || str_starts(line, STR("HTTP/1.0 "))) ||
	    line.len < 12 || (line.len > 12 && line.ptr[12] != ' ') ||
	    !read_u64((struct cht_str){ line.ptr + 9, 3 }, 599, &code) || code < 100)
		return false;
	*status = (unsigned)code;
	return true;
}

static bool is_called(struct cht_str name, const char *what)
{
	return name.len == strlen(what) && strncasecmp(name.ptr, what, name.len) == 0;
}

/* *length: SIZE_MAX until a header says it. */
static bool read_header(struct cht_str line, size_t *length)
{
	const char *colon = memchr(line.ptr, ':', line.len);
	struct cht_str name, value;
	uint64_t n;

	if (colon == NULL)
		return false;
	name = (struct cht_str){ line.ptr, (size_t)(colon - line.ptr) };
	value = (struct cht_str){ colon + 1, line.len - name.len - 1 };
	while (value.len > 0 && (value.ptr[0] == ' ' || value.ptr[0] == '\t')) {
		value.ptr++;
		value.len--;
	}
	if (is_called(name, "transfer-encoding"))
		return false;
	if (!is_called(name, "content-length"))
		return true;
	if (*length != SIZE_MAX || !read_u64(value, UINT32_MAX, &n))
		return false;
	*length = (size_t)n;
	return true;
}

int fc_http_parse(struct cht_bytes answer, unsigned *status, struct cht_bytes *body)
{
	size_t at = 0, length = SIZE_MAX;
	struct cht_str line;

	if (!take_line(answer, &at, &line) || !read_status(line, status))
		return CHT_E_PARSE;
	while (take_line(answer, &at, &line) && line.len > 0)
		if (!read_header(line, &length))
			return CHT_E_PARSE;
	if (line.len > 0) /* the last line was no empty one */
		return CHT_E_PARSE;
	*body = (struct cht_bytes){ answer.ptr + at, answer.len - at };
	if (length == SIZE_MAX && *status != 204)
		return *status >= 400 ? 0 : CHT_E_PARSE;
	return body->len == (length == SIZE_MAX ? 0 : length) ? 0 : CHT_E_PARSE;
}

/* Firecracker's are short and plain. */
static void take_text(const struct fc_doc *doc, const char *name, char *out, size_t cap)
{
	struct cht_str text = fc_doc_str(doc, fc_doc_find(doc, FC_DOC_TOP, str_of(name)));
	bool is_plain = text.len < cap;

	for (size_t i = 0; is_plain && i < text.len; i++)
		is_plain = text.ptr[i] >= ' ' && text.ptr[i] <= '~';
	if (!is_plain)
		text.len = 0;
	if (text.len > 0)
		memcpy(out, text.ptr, text.len);
	out[text.len] = '\0';
}

int fc_vmm_read_state(struct fc_vmm *out, struct fc_doc *doc, uint8_t *body, size_t len)
{
	if (fc_doc_parse(doc, body, len, NULL) < 0)
		return CHT_E_PARSE;
	take_text(doc, "state", out->state, sizeof(out->state));
	take_text(doc, "vmm_version", out->version, sizeof(out->version));
	take_text(doc, "id", out->id, sizeof(out->id));
	return 0;
}

bool fc_vmm_is_booted(const struct fc_vmm *vmm)
{
	return vmm->state[0] != '\0' && strcmp(vmm->state, "Not started") != 0;
}

static void put_text(struct buf *b, const char *name, const char *text)
{
	if (text[0] != '\0')
		json_put_member(b, name, str_of(text));
}

void fc_vmm_put(struct buf *b, const struct fc_vmm *vmm)
{
	uint8_t *start = b->at;

	/* Each member writes the comma before it; the first one's place is the brace's. */
	if (vmm->has_config) {
		buf_put_lit(b, ",\"configSha256\":\"");
		put_hex(b, vmm->config, sizeof(vmm->config));
		buf_put_byte(b, '"');
	}
	put_text(b, ",\"id\":", vmm->id);
	put_text(b, ",\"state\":", vmm->state);
	put_text(b, ",\"version\":", vmm->version);
	if (b->at == start)
		buf_put_byte(b, '{');
	else if (!b->full)
		*start = '{';
	buf_put_byte(b, '}');
}
