/* SPDX-License-Identifier: Apache-2.0
 *
 * channel.h - a cell's socket and its connections: bind, accept, identify, read frame bodies.
 * What is in a body is for others (wire) to say. No loop, no policy beyond the limits given.
 */
#ifndef CHANNEL_CHANNEL_H
#define CHANNEL_CHANNEL_H

#include <cht/listener.h>

/* Bound and listening. Of AF_VSOCK: without a directory and a name. */
struct channel_socket {
	int fd;     /* non-blocking; -1 when closed */
	int dir_fd; /* of its directory: unlink is relative to it; -1: there is none */
	char name[108];
	uint64_t dev, ino; /* of the socket file: unlink removes only what was made */
};

#define CHANNEL_SOCKET_NULL                                                                        \
	{                                                                                          \
		.fd = -1, .dir_fd = -1                                                             \
	}

/* Files are made and found with the rights of this user and group from now on (setfsuid(2)); below
 * 0: as before. CHT_E_BIND names the capability that is missing; the group may be the other by
 * then. */
int channel_become(int64_t uid, int64_t gid, struct cht_err *err) CHT_CHECKED;
/* Everything that cht_listener_bind promises, into a caller-owned struct. */
int channel_bind(struct channel_socket *s, const struct cht_listener_options *options,
		 struct cht_err *err) CHT_CHECKED;
/* The same in a directory that is open already, under a name of 1 to 107 bytes without a slash.
 * dir_fd (O_PATH will do) is taken, whatever the result; base and path in options are not looked
 * at. */
int channel_bind_at(struct channel_socket *s, int dir_fd, const char *name,
		    const struct cht_listener_options *options, struct cht_err *err) CHT_CHECKED;
/* The same of SOCK_SEQPACKET. */
int channel_bind_packets_at(struct channel_socket *s, int dir_fd, const char *name,
			    const struct cht_listener_options *options,
			    struct cht_err *err) CHT_CHECKED;
/* Closes, and unlinks the file if it is still the one that was made, also when fd was given away
 * and is -1. Safe on NULL. */
void channel_unbind(struct channel_socket *s);

/* Of a descriptor that somebody passed in: whether it is a listening stream socket of AF_UNIX with
 * a name that can be told. It is made non-blocking, with our backlog. name: "fd:" and its path, or
 * "fd:@" and its abstract name, NUL-terminated. CHT_E_BIND says what is wrong with it. */
int channel_look_at_passed(int fd, char *name, size_t cap, struct cht_err *err) CHT_CHECKED;
/* Who connects to this listener sends bytes and no descriptors: EPERM, from Linux 6.16 on; before,
 * nothing changes. The last name of a file is closed by who drops it, and that takes as long as the
 * file likes. */
void channel_refuse_fds(int listen_fd);
/* Before an accept on one: whoever has a copy may have made it wait meanwhile, for both. */
void channel_unblock_passed(int fd);

/* The AF_VSOCK socket by which VMs on this host reach it, whatever their CID: made, and bound to
 * nothing yet. CHT_E_UNSUPPORTED: the kernel has none; CHT_E_BIND. */
int channel_vsock_open(struct channel_socket *s, struct cht_err *err) CHT_CHECKED;
/* Listens on port 9001. Once. CHT_E_BIND: also when another process does. */
int channel_vsock_listen(struct channel_socket *s, struct cht_err *err) CHT_CHECKED;

struct channel_peer {
	uint32_t pid, uid, gid; /* SO_PEERCRED at connect; of AF_VSOCK: 0, and UINT32_MAX twice */
	uint32_t cid;           /* of AF_VSOCK: the VM, as the kernel says; else 0 */
};

/* A descriptor kept aside, an eventfd (nothing needs to be opened to make it again), so that at
 * EMFILE a waiting connection can still be taken and closed. */
struct channel_spare {
	int fd;
};
#define CHANNEL_SPARE_NULL                                                                         \
	{                                                                                          \
		.fd = -1                                                                           \
	}
int channel_spare_open(struct channel_spare *spare, struct cht_err *err) CHT_CHECKED;
void channel_spare_close(struct channel_spare *spare);

/* Accepts one waiting connection, non-blocking and close-on-exec. 1: *fd and *peer. 0: none
 * waits. CHT_E_LIMIT: out of descriptors; one was closed by way of the spare, and of *peer the cid
 * is known. CHT_E_IO: also when
 * out of descriptors and the spare is lost: the caller must wait before it tries again. */
int channel_accept(int listen_fd, struct channel_spare *spare, int *fd, struct channel_peer *peer,
		   struct cht_err *err) CHT_CHECKED;

/* peer.c */
/* A pidfd of the process that connected a Unix socket, in whichever process that end is now; -1: it
 * has ended, it is not known (another pid namespace, no Unix socket), or there are no descriptors.
 */
int channel_peer_pidfd(int fd);
/* Of the process that has the number now, close-on-exec; -1 and errno: there is none. */
int channel_pidfd(uint32_t pid);

#endif
