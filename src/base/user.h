/* SPDX-License-Identifier: Apache-2.0
 *
 * user.h - users of this host by name, and who is at the other end of a Unix socket.
 */
#ifndef BASE_USER_H
#define BASE_USER_H

#include <cht/err.h>

/* A number as it stands, or the id of the user of this name. CHT_E_CONFIG: there is none. Reads
 * files, and what else NSS may: at the start only. */
int user_find(const char *text, int64_t *uid, struct cht_err *err) CHT_CHECKED;
/* The same of a group. */
int user_find_group(const char *text, int64_t *gid, struct cht_err *err) CHT_CHECKED;

/* The user of the process that connected, or that made the listener. CHT_E_IO. */
int user_of_peer(int sock, int64_t *uid, struct cht_err *err) CHT_CHECKED;

/* From now on every message says who sends it, for user_of_sender; false: no more. CHT_E_IO. */
int user_ask_senders(int sock, bool ask, struct cht_err *err) CHT_CHECKED;
/* Who sent the message that waits, which is left there. 1: there is none to come. CHT_E_FULL: none
 * waits. CHT_E_PEER: it does not say. CHT_E_IO. */
int user_of_sender(int sock, int64_t *uid, struct cht_err *err) CHT_CHECKED;

#endif
