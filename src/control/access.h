/* SPDX-License-Identifier: Apache-2.0
 *
 * access.h - who may do what: a list of users and groups in, yes or no for a peer out. Names are
 * looked up when a list is read.
 */
#ifndef CONTROL_ACCESS_H
#define CONTROL_ACCESS_H

#include <cht/err.h>

#include "cell/value.h"
#include "control/request.h"

enum { ACCESS_GROUPS_MAX = 256 };

struct control_access {
	bool is_anybody;
	unsigned n;
	struct {
		uint32_t id;
		bool is_group;
	} who[VALUE_PEERS_MAX];
};

/* Null: nobody but root. CHT_E_CONFIG: a name that this host does not know, or too many. */
int control_access_read(struct control_access *out, const char *list,
			struct cht_err *err) CHT_CHECKED;
/* Who connected, as the kernel has it since (SO_PEERCRED). False: it cannot tell. */
bool control_peer_read(int fd, struct control_peer *out);
/* By the user, the primary group and the others that the kernel tells of the peer of a connection;
 * root always may. */
bool control_access_has(const struct control_access *access, const struct control_peer *peer,
			int fd);

#endif
