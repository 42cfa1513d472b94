/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <fcntl.h>

#include "handoff/ring.h"

#include "syscalls.h"

static int n_open(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_a_ring_that_cannot_be_made_leaves_nothing(void **state)
{
	struct ring ring = RING_NULL;
	int before = n_open();
	unsigned n;

	(void)state;
	arm(0, FAIL, 0);
	CHECK_INT(ring_create(&ring, NULL), 0);
	n = plan.n;
	plan.armed = false;
	ring_close(&ring);
	CHECK(n >= 7);
	for (unsigned i = 1; i <= n; i++) {
		struct cht_err err = { 0 };

		check_row = call_names[plan.made[i - 1]];
		arm(i, FAIL, ENOMEM);
		CHECK_INT(ring_create(&ring, &err), CHT_E_IO);
		CHECK_INT(err.sys, ENOMEM);
		CHECK(ring.shared == NULL && ring.mem_fd == -1);
		CHECK_INT(n_open(), before);
	}
	arm(1, FAIL, ENOSYS);
	CHECK_INT(ring_create(&ring, NULL), CHT_E_UNSUPPORTED);
}

static void test_a_ring_that_cannot_be_attached_leaves_nothing(void **state)
{
	struct ring ring = RING_NULL, made = RING_NULL;
	int before;

	(void)state;
	CHECK_INT(ring_create(&made, NULL), 0);
	before = n_open();
	for (unsigned i = 1;; i++) {
		int r, fds[3] = { dup(made.mem_fd), dup(made.ready_fd), dup(made.durable_fd) };

		arm(i, FAIL, ENOMEM);
		r = ring_attach(&ring, fds[0], fds[1], fds[2], NULL);
		plan.armed = false;
		if (r == 0) {
			CHECK(i > 6 && plan.n == i - 1);
			break;
		}
		CHECK_INT(r, CHT_E_IO);
		CHECK_INT(n_open(), before);
	}
	ring_close(&ring);
	ring_close(&made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_ring_that_cannot_be_made_leaves_nothing),
		cmocka_unit_test(test_a_ring_that_cannot_be_attached_leaves_nothing),
	};

	return cmocka_run_group_tests_name("ring_make", tests, NULL, NULL);
}
