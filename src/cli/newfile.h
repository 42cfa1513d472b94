/* SPDX-License-Identifier: Apache-2.0
 *
 * newfile.h - a file or directory that is there whole or not at all: made beside its place under
 * another name, made durable, and renamed to a name that nothing bears yet.
 */
#ifndef CLI_NEWFILE_H
#define CLI_NEWFILE_H

#include <cht/err.h>

enum { NEWFILE_BUFFER = 1 << 16 };

struct newfile {
	const char *path; /* borrowed */
	char temp[4096];
	int fd; /* of the file, or of the directory */
	bool is_dir;
	size_t n;
	struct cht_err err; /* the first failure of a write; .code 0: none */
	uint8_t bytes[NEWFILE_BUFFER];
};

/* CHT_E_CONFIG: path is there already; CHT_E_IO. */
int newfile_begin(struct newfile *file, const char *path, struct cht_err *err) CHT_CHECKED;
int newfile_begin_dir(struct newfile *dir, const char *path, struct cht_err *err) CHT_CHECKED;
/* Writes to a file. What fails is remembered, and told at the end. */
void newfile_put(struct newfile *file, const void *bytes, size_t n);
/* Makes what was written durable and gives it its name, when r is 0; else, and when that fails,
 * removes it. Returns r, or what failed. */
int newfile_end(struct newfile *file, int r, struct cht_err *err) CHT_CHECKED;

/* A file below a new directory, its parents made as needed; written by newfile_put on *file, ended
 * by newfile_close. Its durability is that of the directory. */
int newfile_open_in(struct newfile *file, const struct newfile *dir, const char *path,
		    struct cht_err *err) CHT_CHECKED;
int newfile_close(struct newfile *file, struct cht_err *err) CHT_CHECKED;

#endif
