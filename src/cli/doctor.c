/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/doctor.h"

#include <errno.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "base/text.h"

const struct doctor_check doctor_checks[DOCTOR_N_CHECKS] = {
	{ "config", doctor_config, "cht config check says more; keys stand in chtd.conf(5)" },
	{ "programs", doctor_programs,
	  "install all of them in one place: chtd starts cht-scribe and cht-opener from there" },
	{ "state", doctor_state,
	  "cht ledger init DIR as the user of cht-scribe makes it; chmod go-w DIR" },
	{ "space", doctor_space,
	  "free some, give the state directory a disk of its own, or set [ledger] retain_bytes" },
	{ "sync", doctor_sync,
	  "put the state directory on a faster disk: events are durable only so often; measure as "
	  "the user of cht-scribe" },
	{ "keys", doctor_keys,
	  "chown it to the user of cht-scribe and chmod 600 it; cht-scribe refuses it else" },
	{ "sockets", doctor_sockets,
	  "make the directory before chtd starts, below a root of [opener], or register the cell "
	  "when its VM is made: cht cell add" },
	{ "paths", doctor_paths, "shorten it: a VMM cannot connect, and its guest is never heard" },
	{ "control", doctor_control,
	  "start chtd with it; chmod o-rwx its directory; use cht and chtd of one version" },
	{ "separation", doctor_separation,
	  "run them as units of the service manager, each with a user of its own" },
	{ "descriptors", doctor_descriptors,
	  "raise it: LimitNOFILE= in the unit of chtd, or ulimit -n" },
	{ "clock", doctor_clock, "run a time service: systemd-timesyncd, chrony" },
	{ "landlock", doctor_landlock,
	  "a kernel from 5.13 on with lsm=landlock: without it chtd has no wall around its files" },
	{ "seccomp", doctor_seccomp, "a kernel with CONFIG_SECCOMP_FILTER, from 4.14 on" },
	{ "memfd", doctor_memfd, "a kernel with CONFIG_MEMFD_CREATE: chtd does not start without" },
	{ "openat2", doctor_openat2, "a kernel from 5.6 on: cht-opener needs it" },
	{ "pidfd", doctor_pidfd,
	  "a kernel from 5.3 on: without it the end of a VMM is only guessed" },
	{ "vsock", doctor_vsock, "modprobe vhost_vsock" },
	{ "backlog", doctor_backlog, "sysctl -w net.core.somaxconn=4096, and in /etc/sysctl.d" },
	{ "pipes", doctor_pipes,
	  "sysctl -w fs.pipe-user-pages-soft=0 (no limit) or more, and in /etc/sysctl.d" },
};

void doctor_put_errno(struct buf *text, const char *what)
{
	buf_put_str(text, str_of(what));
	buf_put_lit(text, ": ");
	buf_put_str(text, str_of(diag_errno(errno)));
}

void doctor_put_mode(struct buf *text, const char *path, const struct stat *st)
{
	char mode[8];

	(void)snprintf(mode, sizeof(mode), "%04o", (unsigned)(st->st_mode & 07777));
	buf_put_str(text, str_of(path));
	buf_put_lit(text, ": mode ");
	buf_put_str(text, str_of(mode));
	buf_put_lit(text, ", user ");
	put_u64(text, st->st_uid);
}
