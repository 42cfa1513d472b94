/* SPDX-License-Identifier: Apache-2.0 */
#include <cht/wire.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "base/err.h"
#include "cli/cli.h"
#include "cli/decode.h"
#include "cli/input.h"

struct decoder {
	struct input in;
	bool json, is_body, failed;
	uint64_t frames;
};

static void print(struct decoder *c, const struct decoded *d)
{
	if (c->json)
		decode_print_json(d);
	else
		decode_print_text(d);
	if (d->fault != NULL)
		c->failed = true;
}

static void decode_body(struct decoder *c, struct decoded *d)
{
	struct cht_wire_fault why = { CHT_FAULT_NONE, 0, 0 };

	if (cht_decode(d->body.ptr, d->body.len, &d->declaration, &why) < 0) {
		d->fault = cht_fault_name(why.fault);
		d->at = why.at;
		d->version = why.value;
	}
	print(c, d);
}

/* The first bytes of a body are a map's head and a text's: as a length they would be above the
 * largest. Only a body of less than four bytes needs a second look. */
static bool has_no_length(struct cht_bytes head)
{
	if (head.len == 0 || head.ptr[0] >> 5 != 5)
		return false;
	return head.len < CHT_FRAME_HEAD_BYTES || le32_load(head.ptr) > CHT_FRAME_MAX_BYTES;
}

static int decode_one_body(struct decoder *c, struct cht_err *err)
{
	struct decoded d = { .number = 1 };
	int r = input_peek(&c->in, CHT_FRAME_MAX_BYTES + 1, &d.body, err);

	if (r < 0)
		return r;
	d.claimed = (uint32_t)d.body.len;
	if (d.body.len > CHT_FRAME_MAX_BYTES) {
		d.fault = FAULT_BAD_LENGTH;
		d.body.len = DECODE_SHOWN_BYTES;
		print(c, &d);
		return 0;
	}
	decode_body(c, &d);
	return 0;
}

/* One frame with its length. 1: there may be more; 0: this was the end. */
static int decode_frame(struct decoder *c, struct cht_err *err)
{
	struct decoded d = { .number = c->frames + 1, .offset = c->in.offset };
	int r = input_peek(&c->in, CHT_FRAME_HEAD_BYTES, &d.body, err);

	if (r < 0 || d.body.len == 0)
		return r;
	c->frames++;
	if (d.body.len < CHT_FRAME_HEAD_BYTES) {
		d.fault = FAULT_IN_LENGTH;
		d.claimed = d.at = (uint32_t)d.body.len;
		print(c, &d);
		return 0;
	}
	d.head_bytes = CHT_FRAME_HEAD_BYTES;
	d.claimed = le32_load(d.body.ptr);
	if (d.claimed == 0 || d.claimed > CHT_FRAME_MAX_BYTES) {
		d.fault = FAULT_BAD_LENGTH;
		print(c, &d);
		return 0;
	}
	input_take(&c->in, CHT_FRAME_HEAD_BYTES);
	r = input_peek(&c->in, d.claimed, &d.body, err);
	if (r < 0)
		return r;
	if (d.body.len < d.claimed) {
		d.fault = FAULT_IN_BODY;
		d.at = (uint32_t)d.body.len;
		print(c, &d);
		return 0;
	}
	decode_body(c, &d);
	input_take(&c->in, d.claimed);
	return 1;
}

static int decode_all(struct decoder *c, struct cht_err *err)
{
	struct cht_bytes head;
	int r = input_peek(&c->in, CHT_FRAME_HEAD_BYTES, &head, err);

	if (r < 0)
		return r;
	if (head.len == 0)
		return cht_fail(err, CHT_E_PARSE, 0, "the input is empty");
	if (c->is_body || has_no_length(head))
		return decode_one_body(c, err);
	do
		r = decode_frame(c, err);
	while (r > 0 && !cli_is_done());
	return r;
}

enum { OPT_OUTPUT, OPT_HEX, OPT_BINARY, OPT_BODY };

int cmd_decode(int argc, char **argv)
{
	static const struct cli_option options[] = { [OPT_OUTPUT] = { "output", 'o', true },
						     [OPT_HEX] = { "hex", 'x', false },
						     [OPT_BINARY] = { "binary", 0, false },
						     [OPT_BODY] = { "body", 0, false },
						     { NULL, 0, false } };
	static struct decoder c;
	struct cli_args args = cli_args_init(argc, argv, options);
	enum input_form form = INPUT_GUESS;
	const char *path = NULL;
	struct cht_err err;
	int o, r;

	while ((o = cli_next(&args)) != CLI_END)
		switch (o) {
		case OPT_OUTPUT: (void)cli_format(&args, &c.json); break;
		case OPT_HEX: form = INPUT_HEX; break;
		case OPT_BINARY: form = INPUT_BINARY; break;
		case OPT_BODY: c.is_body = true; break;
		default:
			if (path != NULL)
				(void)cli_usage_error(&args, "one FILE at a time");
			path = args.value;
		}
	if (args.status >= 0)
		return args.status;
	r = input_open(&c.in, path != NULL ? path : "-", form, &err);
	if (r == 0)
		r = decode_all(&c, &err);
	input_close(&c.in);
	if (r < 0)
		diag_err(&err);
	return r < 0 || c.failed ? CLI_FAILED : CLI_OK;
}
