/* SPDX-License-Identifier: Apache-2.0
 *
 * replay DIR...: every file of each directory through the fuzz target that this is linked with.
 * Needs no fuzzer: whatever once crashed is tried again in each unit run, by any compiler.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

/* In memory of exactly the file's size, so that a sanitizer sees a read past it. */
static void replay_file(int dirfd, const char *name, off_t size)
{
	size_t n = (size_t)size;
	uint8_t *bytes = malloc(n + (n == 0));
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);

	if (bytes == NULL || fd < 0 || read(fd, bytes, n) != size) {
		perror(name);
		abort();
	}
	close(fd);
	if (LLVMFuzzerTestOneInput(bytes, n) != 0)
		abort();
	free(bytes);
}

/* How many files there were. */
static unsigned replay_dir(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	unsigned n = 0;

	if (dir == NULL) {
		perror(path);
		abort();
	}
	while ((entry = readdir(dir)) != NULL) {
		struct stat st;

		if (entry->d_name[0] == '.' ||
		    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		/* on the last line if it crashes */
		fprintf(stderr, "%s/%s\n", path, entry->d_name);
		replay_file(dirfd(dir), entry->d_name, st.st_size);
		n++;
	}
	closedir(dir);
	return n;
}

int main(int argc, char **argv)
{
	unsigned n = 0;

	for (int i = 1; i < argc; i++)
		n += replay_dir(argv[i]);
	fprintf(stderr, "%u inputs\n", n);
	return n > 0 ? 0 : 1; /* an empty corpus shows nothing */
}
