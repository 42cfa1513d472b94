/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel itself takes the capabilities of the file system away when root's file system id
 * becomes another's, and gives them back. A user with capabilities keeps them: they are put aside
 * by hand, or whoever is asked for could write wherever we can. */
#include <errno.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "channel/channel.h"
#include "opener/opener.h"

#define OF_FILES                                                                                   \
	(1u << CAP_CHOWN | 1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH | 1u << CAP_FOWNER | \
	 1u << CAP_FSETID)

enum { HALVES = 2 };

static int caps(long call, struct __user_cap_data_struct data[HALVES])
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };

	return (int)syscall(call, &head, data);
}

static int read_caps(struct __user_cap_data_struct data[HALVES], struct cht_err *err)
{
	if (caps(SYS_capget, data) < 0)
		return cht_fail(err, CHT_E_IO, errno, "read the capabilities");
	return 0;
}

/* Last: who becomes root is given them by the kernel. */
static int put_aside(struct cht_err *err)
{
	struct __user_cap_data_struct data[HALVES];
	int r = read_caps(data, err);

	if (r < 0 || (data[0].effective & OF_FILES) == 0)
		return r;
	data[0].effective &= ~OF_FILES;
	if (caps(SYS_capset, data) < 0)
		return cht_fail(err, CHT_E_IO, errno, "put the capabilities aside");
	return 0;
}

int owner_enter(struct owner *was, int64_t uid, int64_t gid, struct cht_err *err)
{
	struct __user_cap_data_struct data[HALVES];
	int r;

	*was = (struct owner){ .uid = (uint32_t)setfsuid((uid_t)-1),
			       .gid = (uint32_t)setfsgid((gid_t)-1),
			       .is_other = uid >= 0 };
	if (!was->is_other)
		return 0;
	r = read_caps(data, err);
	if (r < 0)
		return r;
	was->effective = data[0].effective;
	r = channel_become(uid, gid, err);
	if (r == 0)
		r = put_aside(err);
	if (r < 0)
		owner_leave(was);
	return r;
}

void owner_leave(const struct owner *was)
{
	struct __user_cap_data_struct data[HALVES];

	if (!was->is_other)
		return;
	/* The user first: as root again we may set any group. */
	(void)setfsuid(was->uid);
	(void)setfsgid(was->gid);
	if (caps(SYS_capget, data) < 0 || data[0].effective == was->effective)
		return;
	data[0].effective = was->effective;
	(void)caps(SYS_capset, data);
}
