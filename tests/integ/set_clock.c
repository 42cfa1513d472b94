/* SPDX-License-Identifier: Apache-2.0
 *
 * set_clock - preloaded, sets the clocks of one process: the file that CHT_SET_CLOCK names holds
 * two int64_t, nanoseconds that its CLOCK_REALTIME and its CLOCK_MONOTONIC are ahead. The kernel's
 * own timers are not moved.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile const int64_t *ahead;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("CHT_SET_CLOCK");
	int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *at = fd >= 0 ? mmap(NULL, 16, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;

	if (at != MAP_FAILED)
		ahead = at;
	if (fd >= 0)
		(void)close(fd);
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int r = (int)syscall(SYS_clock_gettime, id, ts);
	int64_t ns;

	if (r < 0 || ahead == NULL || (id != CLOCK_REALTIME && id != CLOCK_MONOTONIC))
		return r;
	ns = ts->tv_nsec + ahead[id == CLOCK_MONOTONIC];
	ts->tv_sec += ns / 1000000000 - (ns % 1000000000 < 0);
	ts->tv_nsec = (ns % 1000000000 + 1000000000) % 1000000000;
	return 0;
}
