/* SPDX-License-Identifier: Apache-2.0
 *
 * replay.c - runs a fuzz target over its committed corpus, without libFuzzer: each input in a
 * buffer of exactly its size, so that a sanitizer sees the first byte too far.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"

enum { INPUT_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static int replay_file(int dirfd, const char *name)
{
	static uint8_t input[INPUT_MAX];
	struct cht_err err = { 0 };
	ssize_t n = fd_read_file(dirfd, name, input, sizeof(input), &err);
	uint8_t *exact;

	if (n < 0) {
		fprintf(stderr, "%s: %s\n", name, err.text);
		return -1;
	}
	exact = malloc(n > 0 ? (size_t)n : 1);
	if (exact == NULL)
		return -1;
	memcpy(exact, input, (size_t)n);
	(void)LLVMFuzzerTestOneInput(exact, (size_t)n);
	free(exact);
	return 0;
}

int main(int argc, char **argv)
{
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	struct dirent *entry;
	int done = 0, bad = 0;

	if (dir == NULL) {
		fprintf(stderr, "usage: replay DIRECTORY\n");
		return 2;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		if (replay_file(dirfd(dir), entry->d_name) < 0)
			bad++;
		done++;
	}
	(void)closedir(dir);
	printf("%d inputs\n", done);
	return bad > 0 || done == 0 ? 1 : 0;
}
