/* SPDX-License-Identifier: Apache-2.0
 *
 * report_html.h - a report as one page that needs no network: rows are written aside as the events
 * go by, and stand behind what is known at the end alone.
 */
#ifndef CLI_REPORT_HTML_H
#define CLI_REPORT_HTML_H

#include "cli/newfile.h"
#include "cli/report.h"
#include "cli/trusted.h"

/* Large: static, not on the stack. */
struct report_page {
	struct newfile file;
	int rows_fd;
	uint64_t n_rows;
	struct cht_err rows_err; /* the first write that failed; .code 0: none */
	size_t n;
	uint8_t bytes[NEWFILE_BUFFER];
};

/* Takes the report's rows from now on. CHT_E_CONFIG: path is there already. CHT_E_IO. */
int report_page_begin(struct report_page *page, struct report *report, const char *path,
		      struct cht_err *err) CHT_CHECKED;
/* After report_end. As verify_prove. */
int report_page_write(struct report_page *page, const struct report *report,
		      const struct trusted *trusted, struct cht_err *err) CHT_CHECKED;
/* Gives it its name when r is 0, else removes it. Returns r, or what failed. */
int report_page_end(struct report_page *page, int r, struct cht_err *err) CHT_CHECKED;

/* ---- html.c: what goes onto a page */

/* Text of ours, markup included; formatted: numbers and words of ours alone. */
void html_put(struct newfile *file, const char *markup);
void html_format(struct newfile *file, const char *format, ...) CHT_PRINTF(2, 3);
/* Anybody's text, with what has a meaning in HTML, and what deceives, made visible. */
void html_text(struct newfile *file, struct cht_str text);
/* The same of the JSON of a value: a string without its quotes. */
void html_json(struct newfile *file, const char *json);
/* The text itself, byte for byte once it was read: UTF-8 without controls below U+0020. In place of
 * content, never of an attribute's value: quotes stay as they are. */
void html_content(struct newfile *file, struct cht_str text);
/* The same with its quotes escaped. */
void html_exact(struct newfile *file, struct cht_str text);
/* The same into a buffer, at most so many bytes of it. */
void html_escape(struct buf *b, struct cht_str text, size_t most);

/* A link to an entry's event on the page; a length of time. */
void html_entry(struct newfile *file, uint64_t index);
void html_duration(struct newfile *file, uint64_t ns);

/* ---- sections that need no proofs */

/* report_parts.c: what and whose it is, the verdict; and the timeline. */
void report_put_summary(struct newfile *file, const struct report *report);
void report_put_timeline(struct newfile *file, const struct report *report);
/* report_sections.c: losses, silences, witnesses, readings, refusals. */
void report_put_sections(struct newfile *file, const struct report *report);

#endif
