/* SPDX-License-Identifier: Apache-2.0
 *
 * slow_sync - preloaded: that a sync which the kernel does beside the caller has ended is heard of
 * 25 ms later, as on a slow disk.
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { DELAY_NS = 25000000, PENDING_MAX = 64 };

static int64_t ripe_at[PENDING_MAX]; /* of syncs that were not heard of, the oldest first */
static int n_pending;

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static void wait_until(int64_t at)
{
	struct timespec ts = { .tv_sec = at / 1000000000, .tv_nsec = at % 1000000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		continue;
}

static void *ring_bell(void *fd)
{
	uint64_t one = 1;

	wait_until(now_ns() + DELAY_NS);
	(void)!write((int)(intptr_t)fd, &one, sizeof(one));
	return NULL;
}

static void note_begun(const struct iocb *request)
{
	pthread_t thread;

	if (n_pending < PENDING_MAX)
		ripe_at[n_pending++] = now_ns() + DELAY_NS;
	if (pthread_create(&thread, NULL, ring_bell, (void *)(intptr_t)request->aio_resfd) == 0)
		(void)pthread_detach(thread);
}

static long count_ripe(long least)
{
	long n = 0;

	if (least > 0 && n_pending > 0)
		wait_until(ripe_at[0]);
	while (n < n_pending && ripe_at[n] <= now_ns())
		n++;
	return n;
}

long syscall(long number, ...)
{
	long (*next)(long, ...);
	long a[6], r;
	va_list args;

	*(void **)&next = dlsym(RTLD_NEXT, "syscall"); /* as POSIX has it */
	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_io_getevents) {
		long n = count_ripe(a[1]);

		if (n == 0)
			return 0;
		a[2] = n < a[2] ? n : a[2];
	}
	r = next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (number == SYS_io_submit && r == 1)
		note_begun(((struct iocb **)(intptr_t)a[2])[0]);
	if (number == SYS_io_getevents && r > 0) {
		n_pending -= (int)r;
		for (int i = 0; i < n_pending; i++)
			ripe_at[i] = ripe_at[i + r];
	}
	return r;
}
