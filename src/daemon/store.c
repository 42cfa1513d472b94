/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/store.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/notify.h"
#include "base/text.h"

enum { FIRST_FD = 3, PATIENCE_MS = 100, SETTLE_MS = 5000, LETTERS = 62 };
/* After the manager let us wait: nobody else waits for it so long. */
#define DEAF_NS NS_PER_S

static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
static const char *const memory_names[] = { "+", "-" };
static const char spare_name[] = "_";

/* The shortest first. */
bool store_name(uint16_t n, char out[STORE_NAME_MAX + 1])
{
	unsigned rest = n, len = 1, span = LETTERS;

	if (n >= STORE_MAX)
		return false;
	while (rest >= span) {
		rest -= span;
		span *= LETTERS;
		len++;
	}
	out[len] = '\0';
	while (len-- > 0) {
		out[len] = letters[rest % LETTERS];
		rest /= LETTERS;
	}
	return true;
}

uint16_t store_number(const char *text, size_t len)
{
	unsigned n = 0, below = 0, span = 1;

	if (len == 0 || len > STORE_NAME_MAX)
		return STORE_NONE;
	for (size_t i = 0; i < len; i++) {
		const char *at = text[i] != '\0' ? strchr(letters, text[i]) : NULL;

		if (at == NULL)
			return STORE_NONE;
		n = n * LETTERS + (unsigned)(at - letters);
		below += i > 0 ? span : 0;
		span *= LETTERS;
	}
	n += below;
	return n < STORE_MAX ? (uint16_t)n : STORE_NONE;
}

uint64_t store_cookie(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) == 0 ? cookie : 0;
}

static int by_cookie(const void *a, const void *b)
{
	const struct store_fd *x = a, *y = b;

	return (x->cookie > y->cookie) - (x->cookie < y->cookie);
}

/* One of LISTEN_FDS. What has no name of ours is somebody else's. */
static void take_one(struct store *s, int fd, struct cht_str name, uint8_t *is_used)
{
	uint16_t number = store_number(name.ptr, name.len);

	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return;
	for (unsigned i = 0; i < 2; i++)
		if (str_eq(name, str_of(memory_names[i]))) {
			fd_close(&s->memory_fd);
			s->memory_fd = fd;
			s->which = i;
			return;
		}
	if (str_eq(name, str_of(spare_name)))
		fd_close(&fd); /* the manager holds the place */
	if (number == STORE_NONE || s->n_found == STORE_MAX)
		return;
	/* A name is one descriptor's, and is given back once: the process before us may have been
	 * made to store more of them. */
	if (is_used[number] != 0) {
		fd_close(&fd);
		return;
	}
	is_used[number] = 1;
	s->found[s->n_found++] =
		(struct store_fd){ .cookie = store_cookie(fd), .fd = fd, .name = number };
}

static void take_all(struct store *s, uint8_t *is_used)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS"),
		   *names = getenv("LISTEN_FDNAMES");
	uint64_t n;

	if (pid == NULL || count == NULL || names == NULL || !notify_is_for_us(pid) ||
	    !read_u64(str_of(count), INT32_MAX - FIRST_FD, &n))
		return;
	for (uint64_t i = 0; i < n; i++) {
		size_t len = strcspn(names, ":");

		take_one(s, FIRST_FD + (int)i, (struct cht_str){ names, len }, is_used);
		names += len + (names[len] == ':');
	}
	qsort(s->found, s->n_found, sizeof(s->found[0]), by_cookie);
}

int store_open(struct store *s, int notify_fd, struct cht_err *err)
{
	const struct timeval patience = { .tv_usec = PATIENCE_MS * 1000L };
	uint8_t *is_used = calloc(STORE_MAX, 1);

	*s = (struct store)STORE_NULL;
	s->free_names = calloc(STORE_MAX, sizeof(*s->free_names));
	s->owed = calloc(STORE_MAX, sizeof(*s->owed));
	s->found = calloc(STORE_MAX, sizeof(*s->found));
	if (is_used == NULL || s->free_names == NULL || s->owed == NULL || s->found == NULL) {
		free(is_used);
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for kept descriptors");
	}
	s->sock = notify_fd >= 0 ? fcntl(notify_fd, F_DUPFD_CLOEXEC, 0) : -1;
	s->spare_fd = memfd_create("cht-spare", MFD_CLOEXEC);
	if (s->sock >= 0)
		take_all(s, is_used);
	for (unsigned n = STORE_MAX; n-- > 0;)
		if (!is_used[n])
			s->free_names[s->n_free++] = (uint16_t)n;
	free(is_used);
	if (s->sock < 0 ||
	    setsockopt(s->sock, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
		return cht_fail(err, CHT_E_CONFIG, 0,
				"--fd-store: no service manager listens (NOTIFY_SOCKET)");
	return 0;
}

void store_close(struct store *s)
{
	for (unsigned i = 0; s->found != NULL && i < s->n_found; i++)
		fd_close(&s->found[i].fd);
	fd_close(&s->memory_fd);
	fd_close(&s->spare_fd);
	fd_close(&s->sock);
	free(s->free_names);
	free(s->owed);
	free(s->found);
	*s = (struct store)STORE_NULL;
}

static bool tell(struct store *s, const char *what, const char *name, const int *fd)
{
	char text[64];
	struct cht_err err = { 0 };
	int n = snprintf(text, sizeof(text), "%s=1\nFDNAME=%s%s", what, name,
			 fd != NULL ? "\nFDPOLL=0" : "");

	if (s->deaf_until_ns != 0 && clk_monotonic_ns() < s->deaf_until_ns)
		return false;
	s->deaf_until_ns = 0;
	if (fd_send_msg(s->sock, (struct cht_bytes){ (const uint8_t *)text, (size_t)n }, fd,
			fd != NULL, &err) == 0)
		return true;
	s->deaf_until_ns = clk_monotonic_ns() + DEAF_NS;
	diag(DIAG_WARNING, "the service manager does not listen: what comes now is not kept");
	return false;
}

static bool drop(struct store *s, uint16_t number)
{
	char name[STORE_NAME_MAX + 1];

	if (!store_name(number, name) || !tell(s, "FDSTOREREMOVE", name, NULL))
		return false;
	s->free_names[s->n_free++] = number;
	return true;
}

static void pay_owed(struct store *s)
{
	while (s->n_owed > 0 && drop(s, s->owed[s->n_owed - 1]))
		s->n_owed--;
}

uint16_t store_put(struct store *s, int fd)
{
	char name[STORE_NAME_MAX + 1];
	uint16_t number;

	if (!store_is_on(s))
		return STORE_NONE;
	pay_owed(s);
	if (s->n_free == 0)
		return STORE_NONE;
	number = s->free_names[s->n_free - 1];
	if (!store_name(number, name) || !tell(s, "FDSTORE", name, &fd))
		return STORE_NONE;
	s->n_free--;
	return number;
}

void store_drop(struct store *s, uint16_t *name)
{
	uint16_t number = *name;

	*name = STORE_NONE;
	if (!store_is_on(s) || number == STORE_NONE)
		return;
	pay_owed(s);
	if (!drop(s, number))
		s->owed[s->n_owed++] = number;
}

int store_take(struct store *s, uint64_t cookie, uint16_t *name)
{
	const struct store_fd key = { .cookie = cookie };
	struct store_fd *at;
	int fd;

	if (s->n_found == 0 || cookie == 0)
		return -1;
	at = bsearch(&key, s->found, s->n_found, sizeof(key), by_cookie);
	if (at == NULL || at->fd < 0)
		return -1;
	fd = at->fd;
	*name = at->name;
	at->fd = -1;
	return fd;
}

static bool is_listener(int fd)
{
	int listens = 0;
	socklen_t len = sizeof(listens);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens != 0;
}

void store_drop_listeners(struct store *s)
{
	bool is_any = false;

	for (unsigned i = 0; i < s->n_found; i++) {
		if (s->found[i].fd < 0 || !is_listener(s->found[i].fd))
			continue;
		fd_close(&s->found[i].fd);
		store_drop(s, &s->found[i].name);
		is_any = true;
	}
	if (is_any)
		store_settle(s);
}

void store_drop_rest(struct store *s)
{
	for (unsigned i = 0; i < s->n_found; i++) {
		if (s->found[i].fd < 0)
			continue;
		fd_close(&s->found[i].fd);
		store_drop(s, &s->found[i].name);
	}
	s->n_found = 0;
}

bool store_put_memory(struct store *s, int fd)
{
	unsigned ours = 1 - s->which;

	(void)tell(s, "FDSTOREREMOVE", spare_name, NULL);
	if (!tell(s, "FDSTORE", memory_names[ours], &fd))
		return false;
	(void)tell(s, "FDSTOREREMOVE", memory_names[s->which], NULL);
	s->which = ours;
	if (s->spare_fd >= 0)
		(void)tell(s, "FDSTORE", spare_name, &s->spare_fd);
	fd_close(&s->spare_fd);
	return true;
}

void store_drop_memory(struct store *s)
{
	if (!store_is_on(s))
		return;
	(void)tell(s, "FDSTOREREMOVE", memory_names[s->which], NULL);
	(void)tell(s, "FDSTOREREMOVE", spare_name, NULL);
}

/* It closes what comes with a barrier, when it gets there. */
void store_settle(struct store *s)
{
	static const char text[] = "BARRIER=1";
	int ends[2];
	struct pollfd end;

	if (!store_is_on(s) || pipe2(ends, O_CLOEXEC) < 0)
		return;
	end = (struct pollfd){ .fd = ends[0] };
	if (fd_send_msg(s->sock, (struct cht_bytes){ (const uint8_t *)text, sizeof(text) - 1 },
			&ends[1], 1, NULL) == 0) {
		fd_close(&ends[1]);
		(void)poll(&end, 1, SETTLE_MS);
	}
	fd_close(&ends[1]);
	fd_close(&ends[0]);
}
