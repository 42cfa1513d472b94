/* SPDX-License-Identifier: Apache-2.0 */
/* The one place for clock_gettime(); strcpy( here is a word. */
int now(int kind, struct timespec *out)
{
	int flags = SOCK_STREAM | SOCK_CLOEXEC;

	exit_status("exit(1) in a string, \"strcpy(\" too");
	if (socket(AF_UNIX, flags, 0) < 0 ||
	    openat(AT_FDCWD, "x",
		   O_RDONLY | O_CLOEXEC) < 0)
		return -1;
	return clock_gettime(kind, out);
}
