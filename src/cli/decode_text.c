/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/decode.h"
#include "cli/visible.h"

enum { DUMP_WIDTH = 16, DUMP_BEFORE = 2, DUMP_AFTER = 1, NAME_WIDTH = 21 };

static const struct {
	const char *fault, *words;
} words[] = {
	{ "truncated", "the body ends inside an item, or an item claims more than is left" },
	{ "reserved", "this head is reserved: CBOR gives it no meaning" },
	{ "indefinite", "an indefinite length or a break: every length must be stated" },
	{ "tag", "a tag: none is taken" },
	{ "type", "another type of value than the key demands, or a key that is not text" },
	{ "range", "an integer that does not fit its key" },
	{ "text_too_long", "a text above the bound of its key" },
	{ "utf8", "a text that is not valid UTF-8" },
	{ "duplicate", "a known key for the second time" },
	{ "missing", "one of the five required keys is absent" },
	{ "depth", "nested deeper than 16" },
	{ "pairs", "more than 64 pairs in the map" },
	{ "details", "more than 8192 bytes of detail pairs" },
	{ "trailing", "bytes after the end of the map" },
	{ "version", "content_version is of a major version that this build does not read" },
	{ "coverage", "a coverage entry is not four short texts with a known state" },
	{ FAULT_BAD_LENGTH, "a length of 0 or above 65536: the stream cannot be read further" },
	{ FAULT_IN_LENGTH, "the input ends inside a length" },
	{ FAULT_IN_BODY, "the input ends inside a body" },
};

const char *decode_fault_words(const char *fault)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i].fault, fault) == 0)
			return words[i].words;
	return "refused";
}

static void print_name(const char *name)
{
	cli_printf("  %-*s ", NAME_WIDTH, name);
}

static void print_visible(struct cht_str s)
{
	char text[4 * (CHT_DETAIL_MAX_BYTES + 1)];
	struct buf b = buf_init(text, sizeof(text));

	put_visible(&b, s);
	cli_put(b.start, buf_len(&b));
}

static void print_hex(struct cht_bytes bytes)
{
	char text[2 * CHT_DETAIL_MAX_BYTES];
	struct buf b = buf_init(text, sizeof(text));

	put_hex(&b, bytes.ptr, bytes.len);
	cli_put(b.start, buf_len(&b));
}

static void print_coverage(struct cht_bytes coverage)
{
	struct cht_coverage c;
	size_t at = 0;

	while (cht_coverage_next(coverage, &at, &c)) {
		cli_printf("\n    ");
		print_visible(c.source);
		cli_printf(" ");
		print_visible(c.state);
		if (c.mechanism.len > 0) {
			cli_printf(" by ");
			print_visible(c.mechanism);
		}
		if (c.reason.len > 0) {
			cli_printf(": ");
			print_visible(c.reason);
		}
	}
}

static void print_details(const struct cht_declaration *g)
{
	for (unsigned i = 0; i < CHT_N_DETAILS; i++) {
		const struct cht_detail_info *info = cht_detail_info((enum cht_detail)i);

		if ((g->details & 1u << i) == 0 || info == NULL)
			continue;
		if (info->kind == CHT_KIND_COVERAGE)
			cli_printf("  %s", info->key);
		else
			print_name(info->key);
		switch (info->kind) {
		case CHT_KIND_UINT: cli_printf("%llu", (unsigned long long)g->detail[i].num); break;
		case CHT_KIND_TEXT: print_visible(g->detail[i].text); break;
		case CHT_KIND_BYTES: print_hex(g->detail[i].raw); break;
		case CHT_KIND_COVERAGE: print_coverage(g->detail[i].raw); break;
		}
		cli_printf("\n");
	}
}

static void print_forged(uint16_t forged)
{
	const char *separator = "";

	print_name("forged");
	cli_printf("%s", cli_colour(CLI_YELLOW));
	for (unsigned i = 0; i < CHT_N_FORGED; i++)
		if (forged & 1u << i) {
			cli_printf("%s%s", separator, cht_forged_name((enum cht_forged)i));
			separator = ", ";
		}
	cli_printf("%s: dropped, the socket alone says which cell it was\n", cli_colour(CLI_PLAIN));
}

static void print_declaration(const struct cht_declaration *g)
{
	unsigned long long ns = g->monotonic_ns;

	print_name("probe_source");
	cli_printf("%s", cli_colour(CLI_BOLD));
	print_visible(g->source_text);
	cli_printf("%s%s\n", cli_colour(CLI_PLAIN),
		   g->source == CHT_SOURCE_OTHER ? "  (not a source that we know)" : "");
	print_name("guest_pid");
	cli_printf("%u\n", g->pid);
	print_name("guest_comm");
	print_visible(g->comm);
	cli_printf("\n");
	print_name("guest_monotonic_ns");
	cli_printf("%llu  (%llu.%09llu s)\n", ns, ns / 1000000000, ns % 1000000000);
	print_name("content_version");
	cli_printf("%u\n", g->content_version);
	if (g->extensions & CHT_EXT_AGENT_BOOT) {
		print_name("agent_boot");
		cli_printf("%016llx\n", (unsigned long long)g->agent_boot);
	}
	if (g->extensions & CHT_EXT_AGENT_SEQ) {
		print_name("agent_seq");
		cli_printf("%llu\n", (unsigned long long)g->agent_seq);
	}
	if (g->extensions & CHT_EXT_AGENT_DROPPED) {
		print_name("agent_dropped");
		cli_printf("%llu\n", (unsigned long long)g->agent_dropped);
	}
	print_details(g);
	if (g->forged != 0)
		print_forged(g->forged);
}

/* As a whole text: with its head, which is one byte for all our keys. */
static bool ends_with(struct cht_bytes bytes, const char *key)
{
	size_t len = strlen(key);

	return bytes.len > len && bytes.ptr[bytes.len - len - 1] == (0x60 | len) &&
	       memcmp(bytes.ptr + bytes.len - len, key, len) == 0;
}

/* The known key whose text ends where the bytes end, or null. */
static const char *key_before(struct cht_bytes bytes)
{
	static const char *const keys[] = { "content_version", "probe_source",      "guest_pid",
					    "guest_comm",      "agent_boot",        "agent_seq",
					    "agent_dropped",   "guest_monotonic_ns" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (ends_with(bytes, keys[i]))
			return keys[i];
	for (unsigned i = 0; i < CHT_N_DETAILS; i++)
		if (ends_with(bytes, cht_detail_info((enum cht_detail)i)->key))
			return cht_detail_info((enum cht_detail)i)->key;
	return NULL;
}

/* What stands at byte at: "0x1b, the head of an unsigned number", and of which key it is. */
static void print_item(struct cht_bytes body, size_t at)
{
	static const char *const majors[] = { "an unsigned number",
					      "a negative number",
					      "bytes",
					      "a text",
					      "an array",
					      "a map",
					      "a tag",
					      "a simple value or a float" };

	uint8_t head = body.ptr[at];
	const char *key = key_before((struct cht_bytes){ body.ptr, at });

	cli_printf("  there stands 0x%02x, the head of %s%s%s\n", head, majors[head >> 5],
		   key != NULL ? ": the value of " : "", key != NULL ? key : "");
}

static void print_dump_line(struct cht_bytes bytes, size_t line, size_t at)
{
	char shown[DUMP_WIDTH + 1];

	cli_printf("  %s%05zx%s ", cli_colour(CLI_DIM), line, cli_colour(CLI_PLAIN));
	for (size_t i = 0; i < DUMP_WIDTH; i++) {
		bool is_there = line + i < bytes.len, is_bad = line + i == at;
		uint8_t c = is_there ? bytes.ptr[line + i] : 0;

		shown[i] = (char)(!is_there ? ' ' : c >= 0x20 && c < 0x7f ? c : '.');
		cli_printf("%s%s", i % 8 == 0 ? " " : "", is_bad ? cli_colour(CLI_RED) : "");
		if (is_there)
			cli_printf("%02x ", c);
		else
			cli_printf("   ");
		cli_printf("%s", is_bad ? cli_colour(CLI_PLAIN) : "");
	}
	shown[DUMP_WIDTH] = '\0';
	cli_printf(" |%s|\n", shown);
}

/* The lines around byte at, which may be the first one after the end, with a caret below it. */
static void print_dump(struct cht_bytes bytes, size_t at)
{
	size_t of_fault = at / DUMP_WIDTH, column = at % DUMP_WIDTH;
	size_t first = of_fault > DUMP_BEFORE ? of_fault - DUMP_BEFORE : 0;

	for (size_t l = first; l <= of_fault + DUMP_AFTER; l++) {
		if (l != of_fault && l * DUMP_WIDTH >= bytes.len)
			continue;
		print_dump_line(bytes, l * DUMP_WIDTH, at);
		if (l == of_fault)
			cli_printf("  %*s%s^^%s\n", (int)(5 + 2 + 3 * column + (column >= 8)), "",
				   cli_colour(CLI_RED), cli_colour(CLI_PLAIN));
	}
}

static void print_fault(const struct decoded *d)
{
	const char *red = cli_colour(CLI_RED), *plain = cli_colour(CLI_PLAIN);

	cli_printf("  %s%s%s at byte %u: %s\n", red, d->fault, plain, d->at,
		   decode_fault_words(d->fault));
	if (d->version != 0)
		cli_printf("  it says version 0x%04x; this build reads 0x%02x00 to 0x%02xff\n",
			   d->version, CHT_WIRE_VERSION_MAJOR, CHT_WIRE_VERSION_MAJOR);
	if (strcmp(d->fault, FAULT_IN_BODY) == 0)
		cli_printf("  the length says %u bytes, %zu are there\n", d->claimed, d->body.len);
	else if (strcmp(d->fault, FAULT_BAD_LENGTH) == 0)
		cli_printf("  the length says %u bytes%s\n", d->claimed,
			   d->offset == 0 ? " (a body without its length? --body)" : "");
	else if (strcmp(d->fault, FAULT_IN_LENGTH) != 0 && d->at < d->body.len)
		print_item(d->body, d->at);
	print_dump(d->body, d->at);
}

void decode_print_text(const struct decoded *d)
{
	cli_printf("%sframe %llu%s: %u bytes%s at offset %llu\n", cli_colour(CLI_BOLD),
		   (unsigned long long)d->number, cli_colour(CLI_PLAIN), d->claimed,
		   d->head_bytes > 0 ? "" : " without a length", (unsigned long long)d->offset);
	if (d->fault != NULL)
		print_fault(d);
	else
		print_declaration(&d->declaration);
}
