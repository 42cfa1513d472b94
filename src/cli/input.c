/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/text.h"
#include "cli/cli.h"

int input_open(struct input *in, const char *path, enum input_form form, struct cht_err *err)
{
	bool is_stdin = strcmp(path, "-") == 0;

	in->fd = is_stdin ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
			  : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	in->form = form;
	in->ended = false;
	in->offset = in->characters = 0;
	in->nibble = -1;
	in->at = in->have = 0;
	if (in->fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "open %s",
				is_stdin ? "standard input" : path);
	return 0;
}

void input_close(struct input *in)
{
	fd_close(&in->fd);
}

static bool is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool looks_like_hex(const uint8_t *p, size_t n)
{
	bool has_digit = false;
	uint8_t none;
	size_t len;

	for (size_t i = 0; i < n; i++) {
		const char pair[2] = { '0', (char)p[i] };

		if (is_space(p[i]))
			continue;
		if (!read_hex((struct cht_str){ pair, 2 }, &none, 1, &len))
			return false;
		has_digit = true;
	}
	return has_digit;
}

static int take_hex(struct input *in, const uint8_t *p, size_t n, struct cht_err *err)
{
	for (size_t i = 0; i < n; i++) {
		const char pair[2] = { '0', (char)p[i] };
		uint8_t value;
		size_t len;

		in->characters++;
		if (is_space(p[i]))
			continue;
		if (!read_hex((struct cht_str){ pair, 2 }, &value, 1, &len))
			return cht_fail(err, CHT_E_PARSE, 0,
					"character %llu of the input (byte 0x%02x) is not hex",
					(unsigned long long)in->characters, p[i]);
		if (in->nibble < 0) {
			in->nibble = value;
			continue;
		}
		in->bytes[in->have++] = (uint8_t)(in->nibble << 4 | value);
		in->nibble = -1;
	}
	return 0;
}

/* One read. There is room for a chunk. */
static int fill(struct input *in, struct cht_err *err)
{
	uint8_t chunk[INPUT_CHUNK];
	ssize_t r;

	cli_flush();
	do
		r = read(in->fd, chunk, sizeof(chunk));
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return cht_fail(err, CHT_E_IO, errno, "read the input");
	if (r == 0) {
		in->ended = true;
		if (in->nibble >= 0)
			return cht_fail(err, CHT_E_PARSE, 0,
					"the input has half a byte of hex too much");
		return 0;
	}
	if (in->form == INPUT_GUESS)
		in->form = looks_like_hex(chunk, (size_t)r) ? INPUT_HEX : INPUT_BINARY;
	if (in->form == INPUT_HEX)
		return take_hex(in, chunk, (size_t)r, err);
	memcpy(in->bytes + in->have, chunk, (size_t)r);
	in->have += (size_t)r;
	return 0;
}

int input_peek(struct input *in, size_t n, struct cht_bytes *out, struct cht_err *err)
{
	size_t left;

	while (in->have - in->at < n && !in->ended) {
		int r;

		if (sizeof(in->bytes) - in->have < INPUT_CHUNK) {
			memmove(in->bytes, in->bytes + in->at, in->have - in->at);
			in->have -= in->at;
			in->at = 0;
		}
		r = fill(in, err);
		if (r < 0)
			return r;
	}
	left = in->have - in->at;
	*out = (struct cht_bytes){ in->bytes + in->at, left < n ? left : n };
	return 0;
}

void input_take(struct input *in, size_t n)
{
	in->at += n;
	in->offset += n;
}
