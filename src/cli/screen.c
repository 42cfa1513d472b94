/* SPDX-License-Identifier: Apache-2.0
 *
 * Signals come through a descriptor: they are taken between two drawings, so that the terminal is
 * never left in the middle of one.
 */
#include "cli/screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/text.h"
#include "cli/cli.h"

/* The other screen, no cursor; and back. */
#define ENTER "\033[?1049h\033[?25l\033[H\033[2J"
#define LEAVE "\033[?25h\033[?1049l"

enum { DEFAULT_ROWS = 24, DEFAULT_COLUMNS = 80, LEAST = 20, MOST = 1000 };

static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH };

static sigset_t signal_set(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(&set, signals[i]);
	return set;
}

static int from_environment(const char *name, int otherwise)
{
	const char *text = getenv(name);
	uint64_t v;

	return text != NULL && read_u64(str_of(text), MOST, &v) && v >= LEAST ? (int)v : otherwise;
}

static void get_size(int *rows, int *columns)
{
	struct winsize size;
	bool is_known =
		ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0;

	*rows = is_known ? size.ws_row : from_environment("LINES", DEFAULT_ROWS);
	*columns = is_known ? size.ws_col : from_environment("COLUMNS", DEFAULT_COLUMNS);
}

bool screen_is_there(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) == 1 && term != NULL && *term != '\0' &&
	       strcmp(term, "dumb") != 0;
}

int screen_width(void)
{
	int rows, columns;

	get_size(&rows, &columns);
	return columns;
}

/* Signals and Ctrl-Z stay keys of the terminal. */
static void turn_on(struct screen *s)
{
	struct termios raw = s->before;

	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	if (s->has_keys)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	cli_put(ENTER, sizeof(ENTER) - 1);
	cli_flush();
	s->is_on = true;
	get_size(&s->rows, &s->columns);
}

static void turn_off(struct screen *s)
{
	if (!s->is_on)
		return;
	cli_put(LEAVE, sizeof(LEAVE) - 1);
	cli_flush();
	if (s->has_keys)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &s->before);
	s->is_on = false;
}

int screen_open(struct screen *s, struct cht_err *err)
{
	sigset_t set = signal_set();

	*s = (struct screen){ .signal_fd = -1 };
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return cht_fail(err, CHT_E_IO, errno, "block signals");
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signal_fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "signalfd");
	s->has_keys = isatty(STDIN_FILENO) == 1 && tcgetattr(STDIN_FILENO, &s->before) == 0;
	turn_on(s);
	return 0;
}

void screen_close(struct screen *s)
{
	turn_off(s);
	fd_close(&s->signal_fd);
}

/* Stops as the shell expects it, with the terminal as it was. */
static void stop(struct screen *s)
{
	turn_off(s);
	(void)raise(SIGSTOP);
	turn_on(s);
}

static int take_signal(struct screen *s)
{
	struct signalfd_siginfo info;

	if (read(s->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return SCREEN_DRAW;
	switch (info.ssi_signo) {
	case SIGTSTP: stop(s); return SCREEN_DRAW;
	case SIGCONT:
	case SIGWINCH: get_size(&s->rows, &s->columns); return SCREEN_DRAW;
	default: return SCREEN_END;
	}
}

/* How many of n > 0 bytes are the first key: a character, or a sequence up to its final byte. */
static size_t key_length(const char *p, size_t n)
{
	size_t len = 2;

	if (p[0] != '\033' || n < 2 || (p[1] != '[' && p[1] != 'O'))
		return 1;
	while (len < n && (p[len] < 0x40 || p[len] > 0x7e))
		len++;
	return len < n ? len + 1 : n;
}

static int key_of(const char *p, size_t n)
{
	static const struct {
		const char *bytes;
		int key;
	} keys[] = {
		{ "\033[A", SCREEN_UP },       { "\033[B", SCREEN_DOWN },
		{ "\033OA", SCREEN_UP },       { "\033OB", SCREEN_DOWN },
		{ "\033[5~", SCREEN_PAGE_UP }, { "\033[6~", SCREEN_PAGE_DOWN },
		{ "\033[H", SCREEN_HOME },     { "\033[1~", SCREEN_HOME },
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strlen(keys[i].bytes) == n && memcmp(keys[i].bytes, p, n) == 0)
			return keys[i].key;
	return p[0] == '\033' ? SCREEN_DRAW : (unsigned char)p[0];
}

static int take_key(struct screen *s)
{
	size_t n = key_length(s->typed, s->n_typed);
	int key = key_of(s->typed, n);

	s->n_typed -= n;
	memmove(s->typed, s->typed + n, s->n_typed);
	return key;
}

static int read_keys(struct screen *s)
{
	ssize_t n = read(STDIN_FILENO, s->typed, sizeof(s->typed));

	if (n <= 0)
		return n < 0 && (errno == EINTR || errno == EAGAIN) ? SCREEN_DRAW : SCREEN_END;
	s->n_typed = (size_t)n;
	return take_key(s);
}

int screen_wait(struct screen *s, uint64_t ns)
{
	struct pollfd fds[] = { { .fd = s->signal_fd, .events = POLLIN },
				{ .fd = s->has_keys ? STDIN_FILENO : -1, .events = POLLIN } };
	struct timespec time = { .tv_sec = (time_t)(ns / NS_PER_S),
				 .tv_nsec = (long)(ns % NS_PER_S) };
	int n;

	cli_flush();
	if (cli_is_done())
		return SCREEN_END;
	if (s->n_typed > 0)
		return take_key(s);
	n = ppoll(fds, 2, &time, NULL);
	if (n < 0)
		return errno == EINTR ? SCREEN_DRAW : SCREEN_END;
	if (n == 0)
		return SCREEN_TIME;
	if (fds[0].revents != 0)
		return take_signal(s);
	return read_keys(s);
}
