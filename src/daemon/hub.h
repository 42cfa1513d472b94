/* SPDX-License-Identifier: Apache-2.0
 *
 * hub.h - what is asked over the control socket, and told there.
 */
#ifndef DAEMON_HUB_H
#define DAEMON_HUB_H

#include "daemon/line.h"

/* Before we are locked down, and before anything is written: who may do what. CHT_E_CONFIG. */
int hub_prepare(struct line *line, struct cht_err *err) CHT_CHECKED;
/* Listens, when the options say where. */
int hub_open(struct line *line, struct cht_err *err) CHT_CHECKED;
void hub_close(struct line *line);
/* Serves who asked. is_ready: the loop found FD_CONTROL ready. CHT_E_PEER as line_emit. */
int hub_turn(struct line *line, bool is_ready, struct cht_err *err) CHT_CHECKED;
/* When hub_turn must be called next. */
uint64_t hub_deadline(const struct line *line);
void hub_tell_opened(struct line *line, uint32_t i, struct cht_str receipt);
/* It could not come, and will be no more. CHT_E_PEER, CHT_E_STATE, CHT_E_IO: it concerns all. */
void hub_tell_failed(struct line *line, uint32_t i, const struct cht_err *why);
void hub_tell_sealed(struct line *line, uint32_t i, struct cht_str receipt);
void hub_tell_stated(struct line *line, control_ticket ticket, const struct stated *stated);

#endif
