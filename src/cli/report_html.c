/* SPDX-License-Identifier: Apache-2.0
 *
 * What a page checks is the text of an entry as it stands there, so that what is shown and what is
 * checked are one. Nothing on it is fetched from anywhere, and of scripts only ours may run: the
 * policy in its head has our digest.
 */
#include "cli/report_html.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/fd.h"
#include "cli/page_css.h"
#include "cli/page_js.h"
#include "cli/say.h"
#include "cli/tail_line.h"
#include "cli/visible.h"
#include "verify/prove.h"

enum { ROWS_PER_CHUNK = 500, FACTS_MAX = 48, DIGEST_BYTES = 32 };

/* ---- rows, written aside */

static void flush_rows(struct report_page *p)
{
	if (p->rows_err.code == 0)
		(void)!fd_write_all(p->rows_fd, p->bytes, p->n, &p->rows_err);
	p->n = 0;
}

static void put_rows(struct report_page *p, struct buf *b)
{
	if (p->n + buf_len(b) > sizeof(p->bytes))
		flush_rows(p);
	memcpy(p->bytes + p->n, b->start, buf_len(b));
	p->n += buf_len(b);
}

static void begin_chunk(struct buf *b, uint64_t n_rows, uint64_t index)
{
	char text[384];

	(void)snprintf(text, sizeof(text),
		       "%s<section class=\"rows\" aria-label=\"Events from entry %" PRIu64
		       "\"><table><caption>from entry %" PRIu64
		       "</caption><thead><tr><th>Entry<th>Time (UTC)<th>Event<th>What<th>Leaf hash"
		       "</thead><tbody>\n",
		       n_rows > 0 ? "</tbody></table></section>\n" : "", index, index);
	buf_put_str(b, str_of(text));
}

static void put_row(void *context, const struct verify_event *event, enum report_lane lane)
{
	static char facts_mem[4 * CHT_EVENT_MAX_BYTES];
	static const char lanes[N_LANES] = { 'g', 'h', 'c' };
	struct report_page *p = context;
	struct buf facts = buf_init(facts_mem, sizeof(facts_mem)), b;
	struct cht_str time = event->event->time, name = tail_name(event->event);
	uint8_t mem[1024], visible[512];
	struct buf shown = buf_init(visible, sizeof(visible));

	b = buf_init(mem, sizeof(mem));
	if (p->n_rows % ROWS_PER_CHUNK == 0)
		begin_chunk(&b, p->n_rows, event->index);
	p->n_rows++;
	buf_put_lit(&b, "<tr><td>");
	put_u64(&b, event->index);
	buf_put_lit(&b, "<td>");
	if (time.len > 23)
		buf_put(&b, time.ptr + 11, 12);
	buf_put_lit(&b, "<td class=");
	buf_put_byte(&b, (uint8_t)lanes[lane]);
	buf_put_byte(&b, '>');
	if (name.len <= 100)
		put_visible(&shown, name);
	html_escape(&b, (struct cht_str){ (char *)visible, buf_len(&shown) }, buf_len(&b) + 120);
	buf_put_lit(&b, "<td>");
	tail_put_facts(&facts, event->event);
	html_escape(&b,
		    (struct cht_str){ facts_mem + (buf_len(&facts) > 0),
				      buf_len(&facts) - (buf_len(&facts) > 0) },
		    buf_len(&b) + FACTS_MAX);
	buf_put_lit(&b, "<td>");
	put_base64(&b, event->leaf->b, sizeof(event->leaf->b));
	buf_put_byte(&b, '\n');
	put_rows(p, &b);
}

static void begin_rows_again(void *context)
{
	struct report_page *p = context;

	p->n = 0;
	p->n_rows = 0;
	if (ftruncate(p->rows_fd, 0) < 0 || lseek(p->rows_fd, 0, SEEK_SET) < 0)
		(void)cht_fail(&p->rows_err, CHT_E_IO, errno, "begin the rows again");
}

/* A file without a name, where the page will be. */
static int open_rows(const char *path, struct cht_err *err)
{
	const char *slash = strrchr(path, '/');
	char dir[4096] = ".", name[4096];
	int fd;

	if (slash != NULL)
		(void)snprintf(dir, sizeof(dir), "%.*s", slash == path ? 1 : (int)(slash - path),
			       path);
	fd = openat(AT_FDCWD, dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	(void)snprintf(name, sizeof(name), "%s.rows.tmp", path);
	fd = openat(AT_FDCWD, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "create %s", name);
	(void)unlink(name);
	return fd;
}

int report_page_begin(struct report_page *p, struct report *report, const char *path,
		      struct cht_err *err)
{
	int r;

	p->rows_fd = -1;
	p->n = 0;
	p->n_rows = 0;
	p->rows_err = (struct cht_err){ 0 };
	r = newfile_begin(&p->file, path, err);
	if (r < 0)
		return r;
	p->rows_fd = open_rows(path, err);
	report->on_row = put_row;
	report->on_again = begin_rows_again;
	report->row_context = p;
	return p->rows_fd < 0 ? p->rows_fd : 0;
}

static int copy_rows(struct report_page *p, struct cht_err *err)
{
	off_t at = 0;
	ssize_t n;

	flush_rows(p);
	if (p->rows_err.code != 0)
		return cht_fail(err, p->rows_err.code, p->rows_err.sys, "write the rows of %s",
				p->file.path);
	while ((n = pread(p->rows_fd, p->bytes, sizeof(p->bytes), at)) > 0) {
		newfile_put(&p->file, p->bytes, (size_t)n);
		at += n;
	}
	if (n < 0)
		return cht_fail(err, CHT_E_IO, errno, "read the rows of %s", p->file.path);
	if (p->n_rows > 0)
		html_put(&p->file, "</tbody></table></section>\n");
	return 0;
}

/* ---- head: what the policy lets run */

static int put_digest(struct newfile *f, const char *const *lines, struct cht_err *err)
{
	static char all[1 << 16];
	struct buf text = buf_init(all, sizeof(all));
	uint8_t digest[DIGEST_BYTES], mem[64];
	struct buf b = buf_init(mem, sizeof(mem) - 1);
	int r;

	for (; *lines != NULL; lines++)
		buf_put_str(&text, str_of(*lines));
	if (text.full)
		return cht_fail(err, CHT_E_RANGE, 0, "a part of the page is too long");
	r = digest_sha256(buf_bytes(&text), digest, err);
	if (r < 0)
		return r;
	put_base64(&b, digest, sizeof(digest));
	mem[buf_len(&b)] = '\0';
	html_format(f, "'sha256-%s'", (const char *)mem);
	return 0;
}

static void put_lines(struct newfile *f, const char *const *lines)
{
	for (; *lines != NULL; lines++)
		html_put(f, *lines);
}

static int put_head(struct newfile *f, const struct report *r, struct cht_err *err)
{
	int status;

	html_put(f, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta "
		    "http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		    "base-uri 'none'; form-action 'none'; style-src ");
	status = put_digest(f, page_css, err);
	html_put(f, "; script-src ");
	if (status == 0)
		status = put_digest(f, page_js, err);
	html_put(f, "\">\n<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
		    "<meta name=\"referrer\" content=\"no-referrer\">\n<title>Run ");
	html_text(f, str_of(r->run_id));
	html_put(f, "</title>\n<style>");
	put_lines(f, page_css);
	html_put(f, "</style></head>\n<body>\n");
	return status;
}

/* ---- events with their proofs */

static void put_base64_text(struct newfile *f, const uint8_t *bytes, size_t n)
{
	static uint8_t mem[(CHT_ENTRY_MAX_BYTES + 2) / 3 * 4];
	struct buf b = buf_init(mem, sizeof(mem));

	put_base64(&b, bytes, n);
	newfile_put(f, mem, buf_len(&b));
}

/* The text that is checked is the one that is shown, unless it could deceive: then its bytes stand
 * beside it. */
static void put_entry_text(struct newfile *f, const struct report_picked *e)
{
	static uint8_t mem[6 * CHT_ENTRY_MAX_BYTES];
	struct cht_str entry = { e->entry, e->len };
	struct buf b = buf_init(mem, sizeof(mem));
	bool is_plain;

	put_plain_json(&b, entry);
	is_plain = str_eq((struct cht_str){ (char *)mem, buf_len(&b) }, entry) &&
		   memchr(entry.ptr, '\n', entry.len) == NULL &&
		   memchr(entry.ptr, '\r', entry.len) == NULL &&
		   memchr(entry.ptr, '\0', entry.len) == NULL;
	html_format(f, "<pre id=\"t%" PRIu64 "\" tabindex=\"0\"", e->index);
	if (!is_plain) {
		html_put(f, " data-entry=\"");
		put_base64_text(f, (const uint8_t *)entry.ptr, entry.len);
		html_put(f, "\"");
	}
	html_put(f, ">");
	html_content(f, (struct cht_str){ (char *)mem, buf_len(&b) });
	html_put(f, "</pre>");
}

static void put_event(struct newfile *f, const struct report_picked *e)
{
	static char mem[4 * CHT_EVENT_MAX_BYTES];
	static const char lanes[N_LANES] = { 'g', 'h', 'c' };
	struct buf facts = buf_init(mem, sizeof(mem));
	struct event_view view;

	if (!tail_scan((struct cht_bytes){ (const uint8_t *)e->entry, e->len }, &view))
		return;
	tail_put_facts(&facts, &view);
	html_format(f,
		    "<details class=\"event\" id=\"e%" PRIu64
		    "\"><summary><span class=\"mark\">not checked</span><span>%" PRIu64
		    "</span><span>",
		    e->index, e->index);
	if (view.time.len > 23)
		html_text(f, (struct cht_str){ view.time.ptr + 11, 12 });
	html_format(f, "</span><span class=\"name %c\">", lanes[e->lane]);
	html_text(f, tail_name(&view));
	html_put(f, "</span><span class=\"facts\">");
	if (buf_len(&facts) > 1) {
		size_t n = buf_len(&facts) - 1;
		struct cht_str text = { mem + 1, n < 240 ? n : 240 };

		text.len = utf8_valid_prefix((const uint8_t *)text.ptr, text.len);
		html_exact(f, text);
		html_put(f, text.len < n ? "\u2026" : "");
	}
	html_put(f, "</span></summary>");
	put_entry_text(f, e);
	html_put(f, "</details>\n");
}

static void put_proofs(struct newfile *f, const struct verify_proof *proofs, size_t n)
{
	html_put(f, "<script type=\"application/json\" id=\"proofs\">[");
	for (size_t i = 0; i < n; i++) {
		html_format(f, "%s\n{\"index\":%" PRIu64 ",\"path\":", i > 0 ? "," : "",
			    proofs[i].index);
		for (unsigned k = 0; proofs[i].is_there && k < proofs[i].proof.n; k++) {
			html_put(f, k > 0 ? ",\"" : "[\"");
			put_base64_text(f, proofs[i].proof.hash[k].b, TLOG_HASH_BYTES);
			html_put(f, "\"");
		}
		html_put(f, !proofs[i].is_there ? "null}" : proofs[i].proof.n == 0 ? "[]}" : "]}");
	}
	html_put(f, "]</script>\n");
}

static void put_command(struct newfile *f, const struct report *r, const char *vkey, const char *id)
{
	static uint8_t mem[16384];
	struct buf b = buf_init(mem, sizeof(mem));

	report_put_command(&b, r, vkey);
	html_format(f, "<code%s>", id);
	/* The caller's own words: a backslash more would make it another. */
	html_exact(f, (struct cht_str){ (char *)mem, buf_len(&b) });
	html_put(f, "</code>");
}

static void put_check(struct newfile *f, const struct report *r, const char *vkey, bool is_trusted)
{
	html_format(f,
		    "<aside id=\"check\" class=\"doubt\" role=\"status\" aria-live=\"polite\" "
		    "data-trusted=\"%s\"><strong>Not checked by this page yet.</strong><noscript>"
		    "<p>It needs scripts for that.</p></noscript></aside><p class=\"faint\">A page "
		    "can be forged, its check too. Who must be sure runs this on the evidence "
		    "itself: ",
		    is_trusted ? "1" : "");
	put_command(f, r, vkey, " id=\"command\"");
	html_put(f, "</p>");
}

static void put_checkpoint(struct newfile *f, const struct verify_proven *proven, const char *vkey,
			   bool is_trusted)
{
	html_put(f, "<section><h2>Checkpoint</h2><p>Signed by the log with this verifier key");
	html_put(f, is_trusted
			    ? ", which was given to who made this page:</p><pre id=\"vkey\">"
			    : ", which stood beside the evidence. It proves nothing by itself: "
			      "compare it with the one that you were given.</p><pre id=\"vkey\">");
	html_exact(f, str_of(vkey));
	html_put(f, "</pre><pre id=\"checkpoint\">");
	html_exact(f, (struct cht_str){ proven->note, proven->note_len });
	html_put(f, "</pre></section>\n");
}

static void put_events(struct newfile *f, const struct report *r)
{
	html_format(
		f,
		"<section><h2>%s events, each with its proof</h2><p>Those that tell most: "
		"beginning and end, gaps, silences, what changed. Open one for its entry, as it "
		"was signed.</p>\n",
		say_number(r->picks.n));
	for (size_t i = 0; i < r->picks.n; i++)
		put_event(f, &r->picks.list[i]);
	html_put(f, "</section>\n");
}

static int put_all(struct report_page *p, const struct report *r, const char *vkey,
		   struct cht_err *err)
{
	struct newfile *f = &p->file;
	int status;

	html_put(f,
		 "<section><h2>All events</h2><p class=\"paper\">The rows are not printed.</p><p "
		 "class=\"screen\">Each with the index of its entry and its leaf hash, SHA-256(0 "
		 "and the entry). These rows are not checked by the page; this command reads "
		 "them all: ");
	put_command(f, r, vkey, "");
	html_put(f, "</p></section>\n");
	status = copy_rows(p, err);
	html_put(f, "</body></html>\n");
	return status;
}

static int write_with(struct report_page *p, const struct report *r, const char *given,
		      struct verify_proof *proofs, struct cht_err *err)
{
	static struct verify_proven proven;
	struct newfile *f = &p->file;
	const char *vkey;
	int status;

	for (size_t i = 0; i < r->picks.n; i++)
		proofs[i].index = r->picks.list[i].index;
	status = verify_prove(r->path, proofs, r->picks.n, &proven, err);
	if (status < 0)
		return status;
	vkey = given[0] != '\0' ? given : proven.hint;
	status = put_head(f, r, err);
	html_put(f, "<main>");
	report_put_summary(f, r);
	put_check(f, r, vkey, given[0] != '\0');
	report_put_timeline(f, r);
	report_put_sections(f, r);
	put_events(f, r);
	put_checkpoint(f, &proven, vkey, given[0] != '\0');
	put_proofs(f, proofs, r->picks.n);
	html_put(f, "</main>\n<script>");
	put_lines(f, page_js);
	html_put(f, "</script>\n");
	return status < 0 ? status : put_all(p, r, vkey, err);
}

int report_page_write(struct report_page *p, const struct report *r, const struct trusted *trusted,
		      struct cht_err *err)
{
	struct verify_proof *proofs = calloc(r->picks.n, sizeof(*proofs));
	char given[TLOG_NAME_MAX + 128];
	int status = trusted_vkey_text(trusted, given, sizeof(given), err);

	if (proofs == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for proofs");
	if (status == 0)
		status = write_with(p, r, given, proofs, err);
	free(proofs);
	return status;
}

int report_page_end(struct report_page *p, int r, struct cht_err *err)
{
	fd_close(&p->rows_fd);
	return newfile_end(&p->file, r, err);
}
