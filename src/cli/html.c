/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "cli/report_html.h"
#include "cli/visible.h"

enum { PIECE = 1024 };

void html_put(struct newfile *file, const char *markup)
{
	newfile_put(file, markup, strlen(markup));
}

void html_format(struct newfile *file, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	html_put(file, text);
}

/* What a character is written as; null: as it is. */
static const char *entity_of(char c)
{
	switch (c) {
	case '&': return "&amp;";
	case '<': return "&lt;";
	case '>': return "&gt;";
	case '"': return "&quot;";
	case '\'': return "&#39;";
	default: return NULL;
	}
}

void html_escape(struct buf *b, struct cht_str text, size_t most)
{
	for (size_t i = 0; i < text.len;) {
		const char *entity = entity_of(text.ptr[i]);
		size_t n = entity != NULL
				   ? 1
				   : utf8_sequence((const uint8_t *)text.ptr + i, text.len - i);
		struct cht_str put =
			entity != NULL ? str_of(entity) : (struct cht_str){ text.ptr + i, n };

		if (n == 0 || buf_len(b) + put.len > most)
			return;
		buf_put_str(b, put);
		i += n;
	}
}

static void put_escaped(struct newfile *file, struct cht_str text, bool with_quotes)
{
	size_t from = 0;

	for (size_t i = 0; i < text.len; i++) {
		const char *entity = entity_of(text.ptr[i]);

		if (entity == NULL || (!with_quotes && (text.ptr[i] == '"' || text.ptr[i] == '\'')))
			continue;
		newfile_put(file, text.ptr + from, i - from);
		html_put(file, entity);
		from = i + 1;
	}
	newfile_put(file, text.ptr + from, text.len - from);
}

void html_content(struct newfile *file, struct cht_str text)
{
	put_escaped(file, text, false);
}

void html_exact(struct newfile *file, struct cht_str text)
{
	put_escaped(file, text, true);
}

void html_text(struct newfile *file, struct cht_str text)
{
	while (text.len > 0) {
		uint8_t mem[4 * PIECE];
		struct buf b = buf_init(mem, sizeof(mem));
		size_t n = text.len;

		/* Not in the middle of a character. */
		if (n > PIECE) {
			n = utf8_valid_prefix((const uint8_t *)text.ptr, PIECE);
			n = n < PIECE - 3 ? PIECE : n;
		}
		put_visible(&b, (struct cht_str){ text.ptr, n });
		html_exact(file, (struct cht_str){ (const char *)mem, buf_len(&b) });
		text = (struct cht_str){ text.ptr + n, text.len - n };
	}
}

void html_json(struct newfile *file, const char *json)
{
	uint8_t mem[4 * 3 * REPORT_JSON_MAX];
	struct buf b = buf_init(mem, sizeof(mem));

	put_visible_json(&b, str_of(json));
	html_exact(file, (struct cht_str){ (const char *)mem, buf_len(&b) });
}

void html_entry(struct newfile *f, uint64_t index)
{
	html_format(f, "<a href=\"#e%" PRIu64 "\">entry %" PRIu64 "</a>", index, index);
}

void html_duration(struct newfile *f, uint64_t ns)
{
	uint8_t mem[48];
	struct buf b = buf_init(mem, sizeof(mem));

	report_put_duration(&b, ns);
	newfile_put(f, mem, buf_len(&b));
}
