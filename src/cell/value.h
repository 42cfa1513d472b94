/* SPDX-License-Identifier: Apache-2.0
 *
 * value.h - the words of a registration, in a file or a request: modes and names. Pure.
 */
#ifndef CELL_VALUE_H
#define CELL_VALUE_H

#include <cht/types.h>

/* "0600": octal permission bits with a leading zero. */
bool value_mode(struct cht_str s, uint64_t *mode);
/* [A-Za-z0-9._-]{1,64} */
bool value_is_cell_id(struct cht_str s);
/* [A-Za-z0-9._:+/=-]{1,128} */
bool value_is_attribution(struct cht_str s);
/* A VM's CID over AF_VSOCK: 3 to 2^32 - 2; or 1, the host itself by vsock_loopback. 0 and 2 are the
 * hypervisor and the host, 2^32 - 1 is anybody: none of them is a VM. */
bool value_is_cid(uint64_t cid);

/* The next of a list of users and @groups, by names or numbers, with commas between: "root, @kvm,
 * 1001". False at its end, and when what follows is none: then list->len is not 0. A name has
 * VALUE_PEER_MAX bytes at most, and a list that somebody uses VALUE_PEERS_MAX of them. */
enum { VALUE_PEER_MAX = 32, VALUE_PEERS_MAX = 32 };
bool value_next_peer(struct cht_str *list, struct cht_str *who, bool *is_group);

#endif
