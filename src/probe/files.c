/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the kernel are made anew at each read from their begin: a descriptor that stays open
 * costs one call a reading. */
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
	size_t n = 0;

	while (n < cap) {
		ssize_t r = pread(f->fd, out + n, cap - n, (off_t)n);

		if (r == 0)
			return (int)n;
		if (r > 0) {
			n += (size_t)r;
			continue;
		}
		if (errno == EINTR)
			continue;
		f->code = CHT_E_IO;
		f->sys = errno;
		probe_file_close(f);
		return CHT_E_IO;
	}
	f->code = CHT_E_LIMIT;
	f->sys = 0;
	return CHT_E_LIMIT;
}
