/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/locate.h"
#include "cli/pretty.h"
#include "cli/tail_line.h"
#include "cli/visible.h"

enum { OPT_OUTPUT, OPT_RAW };

/* What is shown beside the event. */
struct shown {
	uint64_t index;
	uint8_t leaf[2 * TLOG_HASH_BYTES], root[64];
	size_t root_len;
};

static void put_text(struct cht_str s)
{
	uint8_t text[4 * 1024];
	struct buf b = buf_init(text, sizeof(text));

	put_visible(&b, s);
	cli_put(b.start, buf_len(&b));
}

static void put_envelope(struct cht_bytes entry, struct cht_str *event)
{
	struct envelope_view envelope;
	size_t at;

	*event = (struct cht_str){ (const char *)entry.ptr, entry.len };
	if (!str_starts(*event, STR("{\"event\":")) || envelope_scan(entry, &envelope, &at) < 0)
		return;
	*event = (struct cht_str){ (const char *)envelope.event.ptr, envelope.event.len };
	cli_printf("envelope    ");
	put_text(envelope.algorithm);
	cli_printf(" by key ");
	put_text(envelope.kid);
	cli_printf("; cht verify holds it against keys\n");
}

static void show_text(const struct follow *f, const struct shown *s, struct cht_bytes entry)
{
	struct event_view view;
	struct cht_str event;

	cli_printf("entry       %" PRIu64 " of %s\n", s->index, f->view.origin);
	cli_printf("leaf hash   %.*s\n", (int)sizeof(s->leaf), (const char *)s->leaf);
	cli_printf("checkpoint  %" PRIu64 " entries, root %.*s\n", f->view.size, (int)s->root_len,
		   (const char *)s->root);
	cli_printf("under it    %s%s%s\n", cli_colour(f->is_faulty ? CLI_RED : CLI_GREEN),
		   f->is_faulty ? "no" : "yes", cli_colour(CLI_PLAIN));
	put_envelope(entry, &event);
	if (tail_scan(entry, &view)) {
		pretty_print(event);
		return;
	}
	cli_printf("%zu bytes that are no event:\n", entry.len);
	put_entry_line(entry, s->index);
}

static void show_json(const struct follow *f, const struct shown *s, struct cht_bytes entry)
{
	uint8_t text[6 * TLOG_NAME_MAX + 2];
	struct buf b = buf_init(text, sizeof(text));

	json_put_str(&b, str_of(f->view.origin));
	cli_printf("{\"index\":%" PRIu64 ",\"leafHash\":\"%.*s\",\"checkpoint\":{\"origin\":",
		   s->index, (int)sizeof(s->leaf), (const char *)s->leaf);
	cli_put(b.start, buf_len(&b));
	cli_printf(",\"size\":%" PRIu64 ",\"root\":\"%.*s\"},\"isUnderCheckpoint\":%s,\"entry\":",
		   f->view.size, (int)s->root_len, (const char *)s->root,
		   f->is_faulty ? "false" : "true");
	put_entry(entry, s->index);
	cli_printf("}\n");
}

static int show(const char *dir, const char *what, bool json, bool is_raw)
{
	static struct follow f;
	struct cht_err err = { 0 };
	struct cht_bytes entry = { NULL, 0 };
	struct tlog_hash leaf;
	struct shown s;
	struct buf b;
	int r = follow_open(&f, dir, false, &err);

	if (r == 0)
		r = locate(&f, what, &entry, &err);
	if (r == 1) {
		tlog_leaf(entry, &leaf);
		s.index = f.reader.next - 1;
		b = buf_init(s.leaf, sizeof(s.leaf));
		put_hex(&b, leaf.b, sizeof(leaf.b));
		b = buf_init(s.root, sizeof(s.root));
		put_base64(&b, f.view.root.b, sizeof(f.view.root.b));
		s.root_len = buf_len(&b);
		if (is_raw)
			cli_put(entry.ptr, entry.len);
		else if (json)
			show_json(&f, &s, entry);
		else
			show_text(&f, &s, entry);
	}
	follow_close(&f);
	return follow_status(&f, r, &err);
}

int cmd_show(int argc, char **argv)
{
	static const struct cli_option options[] = { [OPT_OUTPUT] = { "output", 'o', true },
						     [OPT_RAW] = { "raw", 0, false },
						     { NULL, 0, false } };
	struct cli_args args = cli_args_init(argc, argv, options);
	const char *operands[2] = { NULL, NULL };
	bool json = false, is_raw = false;
	unsigned n = 0;
	int o;

	while ((o = cli_next(&args)) != CLI_END)
		switch (o) {
		case OPT_OUTPUT: (void)cli_format(&args, &json); break;
		case OPT_RAW: is_raw = true; break;
		default:
			if (n < 2)
				operands[n] = args.value;
			n++;
		}
	if (args.status < 0 && n != 2)
		(void)cli_usage_error(&args, "it needs a directory, and an index or an event's id");
	if (args.status >= 0)
		return args.status;
	return show(operands[0], operands[1], json, is_raw);
}
