/* SPDX-License-Identifier: Apache-2.0
 *
 * buf.h - a bounded writer. Once something did not fit it is full for ever and writes nothing
 * more, so that a caller checks once, at the end.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <cht/types.h>
#include <string.h>

struct buf {
	uint8_t *at;    /* next byte to write */
	uint8_t *end;   /* one past the last */
	uint8_t *start; /* first byte: at - start were written */
	bool full;
};

static inline struct buf buf_init(void *mem, size_t cap)
{
	uint8_t *p = mem;

	return (struct buf){ .at = p, .end = p + cap, .start = p, .full = false };
}

static inline size_t buf_len(const struct buf *b)
{
	return (size_t)(b->at - b->start);
}

static inline struct cht_bytes buf_bytes(const struct buf *b)
{
	return (struct cht_bytes){ b->start, buf_len(b) };
}

/* Room for n bytes, which the caller then writes itself, moving .at; null when full. */
static inline uint8_t *buf_room(struct buf *b, size_t n)
{
	if (b->full || (size_t)(b->end - b->at) < n) {
		b->full = true;
		return NULL;
	}
	return b->at;
}

static inline void buf_put(struct buf *b, const void *bytes, size_t n)
{
	uint8_t *p = buf_room(b, n);

	if (p == NULL || n == 0)
		return;
	memcpy(p, bytes, n);
	b->at += n;
}

static inline void buf_put_byte(struct buf *b, uint8_t byte)
{
	uint8_t *p = buf_room(b, 1);

	if (p == NULL)
		return;
	*p = byte;
	b->at++;
}

static inline void buf_put_str(struct buf *b, struct cht_str s)
{
	buf_put(b, s.ptr, s.len);
}

/* A string literal, its NUL not written. */
#define buf_put_lit(b, lit) buf_put((b), "" lit, sizeof(lit) - 1)

#endif
