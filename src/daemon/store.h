/* SPDX-License-Identifier: Apache-2.0
 *
 * store.h - the service manager keeps descriptors for the next process: sd_notify(3)'s FDSTORE and
 * FDSTOREREMOVE out, what LISTEN_FDS brings back in. What is in a descriptor is for others to say.
 *
 * Each has a name of up to three letters, so that all of them fit an environment variable and each
 * can be given up alone; whose it is, is found by its cookie, which the kernel gives a socket for
 * its life. Never waits for the manager for long: what it does not take is not kept (ADR 24).
 */
#ifndef DAEMON_STORE_H
#define DAEMON_STORE_H

#include <cht/err.h>

enum {
	STORE_MAX =
		32768, /* their names and a colon each are less than the 128 KiB of a variable */
	STORE_NONE = 0xffff,
	STORE_NAME_MAX = 3,
};

/* One that an earlier process left. */
struct store_fd {
	uint64_t cookie;
	int fd; /* -1: taken */
	uint16_t name;
};

struct store {
	int sock;                    /* -1: nothing is kept */
	uint16_t *free_names, *owed; /* owed: to be given up, which the manager did not hear yet */
	unsigned n_free, n_owed;
	struct store_fd *found;
	unsigned n_found;
	int memory_fd;  /* what an earlier process had in memory; -1: nothing */
	int spare_fd;   /* an empty file, with which one place is kept free for the next memory */
	unsigned which; /* of the two names of memory: ours */
	uint64_t deaf_until_ns;
};

#define STORE_NULL                                                                                 \
	{                                                                                          \
		.sock = -1, .memory_fd = -1, .spare_fd = -1                                        \
	}

/* Takes what is there, close-on-exec. notify_fd: to the service manager, borrowed. CHT_E_CONFIG
 * when it is -1, CHT_E_NOMEM. */
int store_open(struct store *s, int notify_fd, struct cht_err *err) CHT_CHECKED;
/* Closes our ends; the manager keeps what it has. Safe on STORE_NULL. */
void store_close(struct store *s);
static inline bool store_is_on(const struct store *s)
{
	return s->sock >= 0;
}

/* The name under which fd is kept from now on, also when we are killed; STORE_NONE: it is not. */
uint16_t store_put(struct store *s, int fd);
/* It is to be kept no longer; *name becomes STORE_NONE. Nothing at STORE_NONE. */
void store_drop(struct store *s, uint16_t *name);
/* What an earlier process left with this cookie, now the caller's; -1 when there is none. */
int store_take(struct store *s, uint64_t cookie, uint16_t *name);
/* Gives up the listeners that nobody took; when it returns nobody has them. */
void store_drop_listeners(struct store *s);
/* Gives up what nobody took. */
void store_drop_rest(struct store *s);
/* Waits, a few seconds at most, until the manager has done all that it was told. */
void store_settle(struct store *s);
/* fd takes the place of an earlier process's memory. False: the manager did not take it. It says
 * nothing when it is full: the place for the next memory is held from now on, so that there is one
 * when this is done again. So the manager's FileDescriptorStoreMax is STORE_MAX and 2. */
bool store_put_memory(struct store *s, int fd);
/* No memory is kept any more. */
void store_drop_memory(struct store *s);

/* What the kernel calls a socket, by whichever descriptor; 0 for anything else. */
uint64_t store_cookie(int fd);

/* The name of number n as text; false when there is no such number. */
bool store_name(uint16_t n, char out[STORE_NAME_MAX + 1]);
/* The number that text names; STORE_NONE when it names none. */
uint16_t store_number(const char *text, size_t len);

#endif
