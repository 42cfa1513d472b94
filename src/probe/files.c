/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the kernel are made anew at each read from their begin, each as one piece: a descriptor
 * that stays open costs one call a reading, which has all of it unless it fills what was there. */
#include <errno.h>
#include <unistd.h>

#include "base/fd.h"
#include "probe/kinds.h"

void probe_file_close(struct probe_file *f)
{
	fd_close(&f->fd);
}

int probe_file_read(struct probe_file *f, uint8_t *out, size_t cap)
{
	ssize_t n;

	do
		n = pread(f->fd, out, cap, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		f->code = CHT_E_IO;
		f->sys = errno;
		probe_file_close(f);
		return CHT_E_IO;
	}
	if ((size_t)n < cap)
		return (int)n;
	f->code = CHT_E_LIMIT;
	f->sys = 0;
	return CHT_E_LIMIT;
}
