/* SPDX-License-Identifier: Apache-2.0 */
/* What a probe of Firecracker wants: its FIFO, and what its API says. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clk.h"
#include "base/err.h"
#include "base/fd.h"
#include "exchange/exchange.h"
#include "lib/give.h"

struct probe_given give_fifo(const struct probe_want *want)
{
	const char *path = want->path;
	struct probe_given given = { .fd = -1 };
	int bytes;

	if (mkfifo(path, 0600) < 0 && errno != EEXIST)
		return (struct probe_given){ .fd = -1, .code = CHT_E_IO, .sys = errno };
	given.fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (given.fd < 0)
		return (struct probe_given){ .fd = -1, .code = CHT_E_IO, .sys = errno };
	/* A user may have so much in pipes and no more: then it is as it is. */
	(void)fcntl(given.fd, F_SETPIPE_SZ, (int)PROBE_FIFO_BYTES);
	bytes = fcntl(given.fd, F_GETPIPE_SZ);
	given.bytes = bytes > 0 ? (uint32_t)bytes : 0;
	return given;
}

/* At most EXCHANGE_MS: nobody else waits for us. */
static int exchange_whole(struct exchange *x, struct cht_err *err)
{
	int r;

	do {
		struct pollfd fds[] = { { .fd = x->sock, .events = POLLIN } };

		(void)poll(fds, 1, clk_ms_until(x->until_ns, clk_monotonic_ns()));
		r = exchange_step(x, clk_monotonic_ns(), err);
	} while (r == 0);
	return r;
}

struct probe_given give_api(const struct probe_want *want)
{
	static const uint8_t whats[] = { [PROBE_API_STATE] = EXCHANGE_STATE,
					 [PROBE_API_CONFIG] = EXCHANGE_CONFIG,
					 [PROBE_API_FLUSH] = EXCHANGE_FLUSH };
	struct exchange x = EXCHANGE_NULL;
	struct cht_err err = { 0 };
	int r, fd = -1, place = open(want->path, O_PATH | O_CLOEXEC);

	if (place < 0)
		return (struct probe_given){ .fd = -1, .code = CHT_E_IO, .sys = errno };
	r = exchange_begin(&x, place, (enum exchange_what)whats[want->request], clk_monotonic_ns(),
			   &err);
	fd_close(&place);
	if (r == 0)
		r = exchange_whole(&x, &err);
	if (r > 0)
		fd = exchange_take(&x);
	exchange_close(&x);
	return (struct probe_given){ .fd = fd, .code = r < 0 ? r : 0, .sys = err.sys };
}
