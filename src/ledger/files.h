/* SPDX-License-Identifier: Apache-2.0
 *
 * files.h - internal: the small files beside the segments, and the hash levels' descriptors.
 */
#ifndef LEDGER_FILES_H
#define LEDGER_FILES_H

#include <cht/err.h>

#include "ledger/ledger.h"

enum {
	LEDGER_FILE_MODE = 0640,
	LEDGER_DIR_MODE = 0750,
	SCRIBE_DIR_MODE = 0700,
	CACHE_DIR_MODE = 0770,
};

/* What an operator does about a log that cannot go on. */
#define SUCCEED_HINT "see cht ledger succeed"

/* Opens dir_fd/lock and takes it, waiting up to LOCK_WAIT_S. Returns the descriptor,
 * CHT_E_LIMIT or CHT_E_IO. */
int lock_take(int dir_fd, struct cht_err *err) CHT_CHECKED;

/* One line of text without its LF, NUL-terminated. 1, 0 when the file is absent, CHT_E_STATE,
 * CHT_E_IO. */
int line_read(int dir_fd, const char *name, char *out, size_t cap, struct cht_err *err) CHT_CHECKED;

/* [a-z0-9.-], 1 to LEDGER_NAME_MAX bytes. */
bool name_is_valid(struct cht_str name);

/* Reads and checks the origin. 1: found. 0: there is none. CHT_E_STATE, CHT_E_IO. */
int origin_read(int dir_fd, char out[LEDGER_ORIGIN_MAX + 1], struct cht_err *err) CHT_CHECKED;

/* The first LEDGER_MACHINE_ID_BYTES of /etc/machine-id; zero bytes where it is absent, empty or
 * still "uninitialized". CHT_E_IO. */
int machine_id_read(uint8_t out[LEDGER_MACHINE_ID_BYTES], struct cht_err *err) CHT_CHECKED;

/* hashes/<level>, for reading and writing; with O_CREAT in more it is made. Descriptor or
 * CHT_E_IO. */
int level_open(int hashes_fd, unsigned level, int more, struct cht_err *err) CHT_CHECKED;

/* A tlog_read_fn over level descriptors: context is int[TLOG_LEVELS]. */
int level_read(void *context, unsigned level, uint64_t first, size_t n, struct tlog_hash *out);

/* The size of an open file. CHT_E_IO. */
int file_size(int fd, uint64_t *out, struct cht_err *err) CHT_CHECKED;

/* pwrite of all of it. CHT_E_FULL, CHT_E_IO; what names the file in messages. */
int file_write_at(int fd, struct cht_bytes bytes, uint64_t at, const char *what,
		  struct cht_err *err) CHT_CHECKED;

/* Cuts what is no whole note off the end of `checkpoints`. False: what stands there is not known,
 * and nothing may be put behind it. */
bool notes_settle(const struct ledger *ledger);

/* The code for a failed system call other than a sync: CHT_E_FULL for want of space, else
 * CHT_E_IO. */
int write_code(int sys);

#endif
