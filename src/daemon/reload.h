/* SPDX-License-Identifier: Apache-2.0
 *
 * reload.h - SIGHUP: the configuration is asked of the opener, file by file, read, checked as a
 * whole, and then rules as far as it can without a restart. One that is not good changes nothing.
 */
#ifndef DAEMON_RELOAD_H
#define DAEMON_RELOAD_H

#include "conf/conf.h"
#include "opening/opening.h"

struct line;

/* What is to be had next. */
enum reload_state {
	RELOAD_NOTHING,
	RELOAD_FILE,  /* the file of --config */
	RELOAD_NAMES, /* its cells.d */
	RELOAD_CELLS, /* the files in there, one by one */
	RELOAD_READ,  /* nothing more: it is to be judged, once the ring has room */
};

struct reload {
	struct conf *running;                           /* line.conf */
	uint64_t connections_most, partial_blocks_most; /* what memory was reserved for */
	enum reload_state state;
	bool is_asked; /* the opener, and it has not answered */
	bool is_again; /* told once more meanwhile: begin anew behind it */
	struct conf next;
	struct conf_names names;
	size_t at;     /* of names */
	uint8_t *text; /* CONF_FILE_MAX */
};

/* Before line_open: conf is what runs, and is changed from here alone. */
void reload_prepare(struct line *line, struct conf *conf);
/* SIGHUP came. */
void reload_begin(struct line *line);
/* The opener answered what opener_ask_conf asked; fd is taken. */
void reload_on_answer(struct line *line, const struct opening_answer *answer, int fd);
/* Asks for what is next; judges when all is read. CHT_E_PEER as line_emit. */
int reload_go_on(struct line *line, struct cht_err *err) CHT_CHECKED;
/* Whether there will be more to do at once. */
bool reload_has_work(struct line *line);
void reload_close(struct line *line);

#endif
