/* SPDX-License-Identifier: Apache-2.0
 *
 * fd.h - descriptors: close-on-exec always, -1 when absent, paths opened once.
 */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <cht/err.h>
#include <sys/types.h>

/* Closes *fd unless it is -1, and sets it to -1. Keeps errno. */
void fd_close(int *fd);

/* Writes everything, going on after EINTR and short writes. CHT_E_IO. */
int fd_write_all(int fd, const void *bytes, size_t n, struct cht_err *err) CHT_CHECKED;

/* Reads to the end of file, at most cap bytes. Returns how many, CHT_E_RANGE when there are
 * more, or CHT_E_IO. */
ssize_t fd_read_all(int fd, void *out, size_t cap, struct cht_err *err) CHT_CHECKED;

/* openat(dirfd, name) of a regular file for reading, no symlink followed, then fd_read_all.
 * dirfd may be AT_FDCWD. */
ssize_t fd_read_file(int dirfd, const char *name, void *out, size_t cap,
		     struct cht_err *err) CHT_CHECKED;

/* Opens a directory for use as a dirfd (O_RDONLY | O_DIRECTORY, last component no symlink).
 * Returns the descriptor or CHT_E_IO. */
int fd_open_dir(int dirfd, const char *name, struct cht_err *err) CHT_CHECKED;

/* The same, made with this mode first if absent; its parent is fsync'ed then. */
int fd_make_dir(int dirfd, const char *name, mode_t mode, struct cht_err *err) CHT_CHECKED;

/* Replaces dirfd/name by these bytes: temporary, write, fdatasync, rename, fsync of dirfd. */
int fd_replace_file(int dirfd, const char *name, mode_t mode, struct cht_bytes content,
		    struct cht_err *err) CHT_CHECKED;

/* One SOCK_SEQPACKET message with up to n_fds descriptors (at most 8). Send: 0, CHT_E_PEER when
 * the other end is gone, CHT_E_IO. */
int fd_send_msg(int sock, struct cht_bytes msg, const int *fds, unsigned n_fds,
		struct cht_err *err) CHT_CHECKED;
/* Receives one message into out[0..cap). Returns its length; 0 at end; CHT_E_PEER when it was
 * cut, or carries another number of descriptors than n_fds (any are closed); CHT_E_FULL when
 * nothing waits on a non-blocking socket; CHT_E_IO. fds[] are close-on-exec. */
ssize_t fd_recv_msg(int sock, void *out, size_t cap, int *fds, unsigned n_fds,
		    struct cht_err *err) CHT_CHECKED;
/* The same where one descriptor may come or none: then *fd is -1. FD_LOST: one came, and this
 * process may have no more. */
enum { FD_LOST = -2 };
ssize_t fd_recv_msg_opt(int sock, void *out, size_t cap, int *fd, struct cht_err *err) CHT_CHECKED;

struct msghdr;
/* Takes the descriptors out of a message that was received: those beyond cap are closed. Returns
 * how many there were. */
unsigned fd_take_passed(struct msghdr *mh, int *fds, unsigned cap);

/* An eventfd, non-blocking, that counts how often a v1 cgroup ran out of memory, and its end;
 * oom_fd is its memory.oom_control, control_fd its cgroup.event_control, open for writing: neither
 * is needed afterwards. CHT_E_IO. */
int fd_oom_event(int oom_fd, int control_fd, struct cht_err *err) CHT_CHECKED;

/* A signalfd of SIGTERM and SIGINT, which are blocked from here on. CHT_E_IO. */
int fd_stop_signals(struct cht_err *err) CHT_CHECKED;

/* n random bytes from the kernel; waits for its pool at boot. CHT_E_IO. */
int fd_random(void *out, size_t n, struct cht_err *err) CHT_CHECKED;

#endif
