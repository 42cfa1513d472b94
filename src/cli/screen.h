/* SPDX-License-Identifier: Apache-2.0
 *
 * screen.h - a whole terminal for a while: its other screen, keys one at a time, and everything as
 * it was when we leave, stop, or are told to end.
 */
#ifndef CLI_SCREEN_H
#define CLI_SCREEN_H

#include <cht/err.h>
#include <termios.h>

struct screen {
	int signal_fd;
	bool has_keys, is_on;
	struct termios before;
	int rows, columns;
	char typed[64]; /* and not taken yet */
	size_t n_typed;
};

enum screen_key {
	SCREEN_TIME = 0,  /* the time was up */
	SCREEN_END = -1,  /* a signal told us to end, or the terminal is gone */
	SCREEN_DRAW = -2, /* the size changed, or we are back from being stopped */
	SCREEN_UP = 1000,
	SCREEN_DOWN,
	SCREEN_PAGE_UP,
	SCREEN_PAGE_DOWN,
	SCREEN_HOME,
};

/* Whether standard output is a terminal that can do this. */
bool screen_is_there(void);
/* How wide standard output is; 80 where that is not known. */
int screen_width(void);
/* CHT_E_IO. */
int screen_open(struct screen *s, struct cht_err *err) CHT_CHECKED;
void screen_close(struct screen *s);

/* Waits for a key, a signal, or so long: a character, or one of the above. Flushes output first. */
int screen_wait(struct screen *s, uint64_t ns);

#endif
