/* SPDX-License-Identifier: Apache-2.0
 *
 * state.h - internal: the two slots of STATE/scribe/state (docs/PROTOCOL.ledger section 5).
 */
#ifndef LEDGER_STATE_H
#define LEDGER_STATE_H

#include "ledger/ledger.h"

enum { STATE_SLOT_BYTES = 4096, STATE_SLOTS = 2 };

/* The slot's bytes of a state, and back; false when they are no valid slot. Pure. */
void state_render(uint8_t out[STATE_SLOT_BYTES], const struct ledger_state *state);
bool state_parse(const uint8_t bytes[STATE_SLOT_BYTES], struct ledger_state *out);

/* The valid slot of the higher generation. CHT_E_STATE: there is none. CHT_E_IO. */
int state_read(int fd, struct ledger_state *out, struct cht_err *err) CHT_CHECKED;

/* Writes *state with the next generation into the slot whose turn it is, and counts it in *state.
 * It holds when fd was synced. CHT_E_FULL (nothing is lost), CHT_E_IO. */
int state_put(int fd, struct ledger_state *state, struct cht_err *err) CHT_CHECKED;

/* The same, and syncs. */
int state_write(int fd, struct ledger_state *state, struct cht_err *err) CHT_CHECKED;

#endif
