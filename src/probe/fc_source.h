/* SPDX-License-Identifier: Apache-2.0
 *
 * fc_source.h - where a VMM writes its metrics, line by line: a FIFO, or a file that is followed.
 * What was read of a line that is not whole yet, and lines that were read and not taken yet, are
 * kept; nothing else is allocated. Of this module alone.
 */
#ifndef PROBE_FC_SOURCE_H
#define PROBE_FC_SOURCE_H

#include <cht/err.h>

enum {
	FC_LINE_MAX = 131072, /* bytes; the largest that can be thought of are 20,000 */
	FC_HEAD_BYTES = 64    /* of a file's begin: no two lines have the same, for they tell the
				 time */
};

struct digest;

struct fc_source {
	int fd; /* -1: not open */
	bool is_fifo;
	bool is_gone; /* its writer was there and has ended */
	bool has_writer;
	int code, sys; /* why it is not open */
	uint32_t pipe_bytes;
	uint64_t dev, ino;
	uint8_t *kept;
	size_t kept_len;
	uint64_t long_bytes;   /* of a line beyond FC_LINE_MAX, so far */
	struct digest *digest; /* the same; null: none is under way */
	/* Of a file: */
	uint64_t offset;    /* what was read ends here */
	uint64_t line_at;   /* the line last given begins here */
	uint64_t first_end; /* what was there when it was first seen ends here */
	uint64_t stale_end; /* a new VMM writes it from its begin: up to here older lines may stand
			     */
	uint64_t n_cut;     /* times it shrank, or went with a line that was not whole */
	bool is_new;        /* since fc_source_take_new: another VMM writes */
	uint8_t head[FC_HEAD_BYTES];
	size_t head_len;
};

enum fc_found {
	FC_NOTHING, /* there is no whole line now */
	FC_LINE,    /* one */
	FC_CUT,     /* the end of one that has no end: its writer is gone */
	FC_LONG,    /* the end of one beyond FC_LINE_MAX: .bytes and .sha256 of it */
	FC_ENDED    /* its writer is gone, and everything was read; once */
};

struct fc_line {
	uint8_t *text; /* in the room that was given */
	size_t len;    /* without its newline, and without the NULs of a hole before it */
	uint64_t bytes;
	uint8_t sha256[32];
	bool is_old; /* more of what was there when the file was first seen follows */
};

void fc_source_init(struct fc_source *s, bool is_fifo);
/* fd is taken: the FIFO's reading end, or the file. Below 0: code and sys say why. Of a file that
 * was open already: the one that is there now. */
void fc_source_give(struct fc_source *s, int fd, int code, int sys, uint32_t pipe_bytes);
/* The next of what can be had without waiting. room has FC_LINE_MAX bytes. Below 0: it failed, and
 * is closed; s->code, s->sys. */
int fc_source_next(struct fc_source *s, uint8_t *room, struct fc_line *out) CHT_CHECKED;
/* A line of a file that may be an older VMM's is left where it is: it is not there yet. */
void fc_source_leave(struct fc_source *s);
/* Whether the line just given stands where an older VMM's may. */
bool fc_source_is_stale(const struct fc_source *s);
/* Whether another VMM began to write since it was last asked. */
bool fc_source_take_new(struct fc_source *s);
void fc_source_close(struct fc_source *s);

#endif
