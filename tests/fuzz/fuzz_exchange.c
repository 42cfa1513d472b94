/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as what a VMM answers, in two pieces that the first byte parts: an exchange ends, with
 * what was sent and nothing else, and whatever the probe takes as one whole answer, the exchange
 * took as one.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "exchange/exchange.h"
#include "probe/fc_vmm.h"

enum { NOW = 1, PIECE_MAX = 65536 };

/* As exchange_begin leaves it, with our end of a pair for the VMM's. */
static int open_pair(struct exchange *x)
{
	int pair[2];

	HOLDS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	*x = (struct exchange)EXCHANGE_NULL;
	x->sock = pair[0];
	x->memory = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	x->until_ns = NOW + 1;
	x->whole = UINT64_MAX;
	HOLDS(x->memory >= 0);
	return pair[1];
}

static int go_on(struct exchange *x)
{
	int r;

	for (unsigned i = 0; i < 2 * PIECE_MAX / 4096; i++) {
		r = exchange_step(x, NOW, NULL);
		if (r != 0)
			return r;
	}
	return 0;
}

static void check_bytes(struct exchange *x, const uint8_t *bytes, size_t len)
{
	static uint8_t got[2 * PIECE_MAX];
	int fd = exchange_take(x);
	ssize_t n = pread(fd, got, sizeof(got), 0);

	HOLDS(n > 0 && (size_t)n <= len && memcmp(got, bytes, (size_t)n) == 0);
	HOLDS(write(fd, "x", 1) < 0);
	(void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct exchange x;
	struct cht_bytes body;
	unsigned status;
	size_t len = size - 1, part;
	int vmm, r;

	if (size < 2 || size > PIECE_MAX)
		return 0;
	part = data[0] * len / 256;
	data++;
	vmm = open_pair(&x);
	HOLDS(part == 0 || send(vmm, data, part, 0) == (ssize_t)part);
	r = go_on(&x);
	if (r == 0) {
		HOLDS(send(vmm, data + part, len - part, 0) == (ssize_t)(len - part));
		r = go_on(&x);
	}
	(void)close(vmm);
	if (r == 0)
		r = go_on(&x);
	HOLDS(r != 0);
	HOLDS(exchange_step(&x, NOW + 1, NULL) != 0);
	if (fc_http_parse((struct cht_bytes){ data, len }, &status, &body) == 0)
		HOLDS(r == 1 || body.ptr - data >= EXCHANGE_HEAD_MAX);
	if (r > 0)
		check_bytes(&x, data, len);
	exchange_close(&x);
	HOLDS(x.sock < 0 && x.memory < 0);
	return 0;
}
