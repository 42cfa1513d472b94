/* SPDX-License-Identifier: Apache-2.0
 *
 * nosync - preloaded into the scribe by the bench: what group commit costs is the ratio to a run
 * where a sync returns at once. Never installed.
 */
int fdatasync(int fd);
int fsync(int fd);

int fdatasync(int fd)
{
	(void)fd;
	return 0;
}

int fsync(int fd)
{
	(void)fd;
	return 0;
}
