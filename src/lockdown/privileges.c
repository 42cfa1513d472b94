/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "lockdown/parts.h"

enum { CAPABILITIES_MAX = 64 };

/* Needs CAP_SETPCAP, and so comes before the rest is dropped. */
static int drop_bounding(uint64_t keep, struct cht_err *err)
{
	for (int cap = 0; cap < CAPABILITIES_MAX && prctl(PR_CAPBSET_READ, cap) >= 0; cap++) {
		if ((keep >> cap & 1) != 0 || prctl(PR_CAPBSET_DROP, cap) == 0)
			continue;
		if (errno != EPERM)
			return cht_fail(err, CHT_E_IO, errno, "drop capability %d", cap);
		return 0;
	}
	return 0;
}

int privileges_drop(uint64_t keep, struct cht_err *err)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	uint32_t had = 0;
	int r;

	if (syscall(SYS_capget, &head, data) < 0)
		return cht_fail(err, CHT_E_IO, errno, "read the capabilities");
	r = drop_bounding(keep, err);
	if (r < 0)
		return r;
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (int i = 0; i < 2; i++) {
		uint32_t kept = data[i].permitted & (uint32_t)(keep >> (32 * i));

		had |= data[i].permitted | data[i].inheritable;
		data[i].effective = data[i].permitted = kept;
		data[i].inheritable = 0;
	}
	/* A service manager that gave none need not allow the call either. */
	if (had == 0)
		return 0;
	if (syscall(SYS_capset, &head, data) < 0)
		return cht_fail(err, CHT_E_IO, errno, "drop the capabilities");
	return 0;
}
