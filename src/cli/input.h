/* SPDX-License-Identifier: Apache-2.0
 *
 * input.h - a file, standard input or a live pipe in, bytes out: as they are, or read as hex.
 */
#ifndef CLI_INPUT_H
#define CLI_INPUT_H

#include <cht/err.h>

enum { INPUT_BYTES = 1 << 17, INPUT_CHUNK = 4096 };

enum input_form {
	INPUT_GUESS, /* hex if the first chunk has nothing but hex digits and white space */
	INPUT_HEX,
	INPUT_BINARY,
};

struct input {
	int fd;
	enum input_form form;
	bool ended;
	uint64_t offset;     /* in the stream of bytes, of bytes[at] */
	uint64_t characters; /* hex characters read, white space included */
	int nibble;          /* high half of a byte whose low half has not come; -1: none */
	size_t at, have;     /* bytes[at..have) are not taken yet */
	uint8_t bytes[INPUT_BYTES];
};

/* path "-" is standard input. CHT_E_IO. */
int input_open(struct input *in, const char *path, enum input_form form,
	       struct cht_err *err) CHT_CHECKED;
void input_close(struct input *in);

/* Reads until n <= INPUT_BYTES - INPUT_CHUNK bytes are there or the input ends. 0 and *out is
 * what is there, at most n, borrowed until the next call; CHT_E_IO; CHT_E_PARSE for what is not
 * hex. Output is flushed before each wait. */
int input_peek(struct input *in, size_t n, struct cht_bytes *out, struct cht_err *err) CHT_CHECKED;

/* Moves on over n bytes that were peeked at. */
void input_take(struct input *in, size_t n);

#endif
