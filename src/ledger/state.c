/* SPDX-License-Identifier: Apache-2.0
 *
 * Two slots written in turn: whatever becomes of a write, the other slot is whole, and nothing was
 * shown that only the torn one covers. Both have been written at init, so that a later write
 * changes no size and needs no space.
 */
#include "ledger/state.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "ledger/files.h"
#include "ledger/segment.h"
#include "tlog/hash.h"

enum {
	STATE_VERSION = 1,
	AT_MAGIC = 0,
	AT_VERSION = 8,
	AT_FLAGS = 12,
	AT_GENERATION = 16,
	AT_SIZE = 24,
	AT_TAIL_FIRST = 32,
	AT_TAIL_BYTES = 40,
	AT_MIN_INDEX = 48,
	AT_RETAIN_AGE = 56,
	AT_RETAIN_BYTES = 64,
	AT_MACHINE_ID = 72,
	AT_REASON = 104,
	AT_NOTE_LEN = 120,
	AT_PREDECESSOR_LEN = 122,
	AT_NOTE = 128,
	AT_PREDECESSOR = AT_NOTE + LEDGER_NOTE_MAX,
	AT_NODES = AT_PREDECESSOR + LEDGER_NOTE_MAX,
	AT_ZERO = AT_NODES + 64 * TLOG_HASH_BYTES,
	AT_SUM = STATE_SLOT_BYTES - 32,
	FLAG_CLEAN = 1,
	FLAG_CLOSED = 2,
};
_Static_assert(AT_NODES == 1152 && AT_ZERO == 3200, "as PROTOCOL.ledger has it");

static const char magic[8] = { 'c', 'h', 't', '-', 's', 't', 'a', 't' };

static void render_nodes(uint8_t *out, const struct tlog_tree *tree)
{
	for (unsigned k = 0; k < 64; k++)
		if ((tree->size >> k & 1) != 0)
			memcpy(out + (size_t)k * TLOG_HASH_BYTES, tree->node[k].b, TLOG_HASH_BYTES);
}

static void render_sum(const uint8_t slot[STATE_SLOT_BYTES], uint8_t sum[32])
{
	const struct cht_bytes all = { slot, AT_SUM };
	struct tlog_hash hash;

	hash_plain(&all, 1, &hash);
	memcpy(sum, hash.b, sizeof(hash.b));
}

void state_render(uint8_t out[STATE_SLOT_BYTES], const struct ledger_state *state)
{
	size_t note = strlen(state->note), predecessor = strlen(state->terms.predecessor);

	memset(out, 0, STATE_SLOT_BYTES);
	memcpy(out + AT_MAGIC, magic, sizeof(magic));
	be32_store(out + AT_VERSION, STATE_VERSION);
	be32_store(out + AT_FLAGS, (state->is_clean ? (uint32_t)FLAG_CLEAN : 0) |
					   (state->is_closed ? (uint32_t)FLAG_CLOSED : 0));
	be64_store(out + AT_GENERATION, state->generation);
	be64_store(out + AT_SIZE, state->tree.size);
	be64_store(out + AT_TAIL_FIRST, state->tail_first);
	be64_store(out + AT_TAIL_BYTES, state->tail_bytes);
	be64_store(out + AT_MIN_INDEX, state->min_index);
	be64_store(out + AT_RETAIN_AGE, state->terms.retain_age_s);
	be64_store(out + AT_RETAIN_BYTES, state->terms.retain_bytes);
	memcpy(out + AT_MACHINE_ID, state->machine_id, LEDGER_MACHINE_ID_BYTES);
	memcpy(out + AT_REASON, state->terms.reason, strlen(state->terms.reason));
	be16_store(out + AT_NOTE_LEN, (uint16_t)note);
	be16_store(out + AT_PREDECESSOR_LEN, (uint16_t)predecessor);
	memcpy(out + AT_NOTE, state->note, note);
	memcpy(out + AT_PREDECESSOR, state->terms.predecessor, predecessor);
	render_nodes(out + AT_NODES, &state->tree);
	render_sum(out, out + AT_SUM);
}

static bool copy_text(char *out, const uint8_t *from, size_t len)
{
	if (len > LEDGER_NOTE_MAX || memchr(from, '\0', len) != NULL)
		return false;
	memcpy(out, from, len);
	out[len] = '\0';
	return true;
}

bool state_parse(const uint8_t bytes[STATE_SLOT_BYTES], struct ledger_state *out)
{
	struct ledger_state s = { 0 };
	uint32_t flags = be32_load(bytes + AT_FLAGS);
	uint8_t sum[32];

	render_sum(bytes, sum);
	if (memcmp(bytes, magic, sizeof(magic)) != 0 ||
	    be32_load(bytes + AT_VERSION) != STATE_VERSION ||
	    memcmp(sum, bytes + AT_SUM, sizeof(sum)) != 0)
		return false;
	s.is_clean = (flags & FLAG_CLEAN) != 0;
	s.is_closed = (flags & FLAG_CLOSED) != 0;
	s.generation = be64_load(bytes + AT_GENERATION);
	s.tree.size = be64_load(bytes + AT_SIZE);
	s.tail_first = be64_load(bytes + AT_TAIL_FIRST);
	s.tail_bytes = be64_load(bytes + AT_TAIL_BYTES);
	s.min_index = be64_load(bytes + AT_MIN_INDEX);
	s.terms.retain_age_s = be64_load(bytes + AT_RETAIN_AGE);
	s.terms.retain_bytes = be64_load(bytes + AT_RETAIN_BYTES);
	memcpy(s.machine_id, bytes + AT_MACHINE_ID, LEDGER_MACHINE_ID_BYTES);
	memcpy(s.terms.reason, bytes + AT_REASON, LEDGER_REASON_MAX);
	if (!copy_text(s.note, bytes + AT_NOTE, be16_load(bytes + AT_NOTE_LEN)) ||
	    !copy_text(s.terms.predecessor, bytes + AT_PREDECESSOR,
		       be16_load(bytes + AT_PREDECESSOR_LEN)))
		return false;
	memcpy(s.tree.node, bytes + AT_NODES, sizeof(s.tree.node));
	*out = s;
	return true;
}

int state_read(int fd, struct ledger_state *out, struct cht_err *err)
{
	uint8_t bytes[STATE_SLOTS * STATE_SLOT_BYTES] = { 0 };
	struct ledger_state slot;
	bool found = false;
	ptrdiff_t n = segment_read(fd, bytes, sizeof(bytes), 0, err);

	if (n < 0)
		return (int)n;
	for (int i = 0; i < STATE_SLOTS; i++) {
		if (!state_parse(bytes + (size_t)i * STATE_SLOT_BYTES, &slot) ||
		    (found && slot.generation < out->generation))
			continue;
		*out = slot;
		found = true;
	}
	if (!found)
		return cht_fail(err, CHT_E_STATE, 0,
				"STATE/scribe/state holds no valid slot; "
				"see cht ledger succeed --reason lost-state");
	return 0;
}

/* Into the slot of the state's generation. */
static int write_slot(int fd, const struct ledger_state *state, struct cht_err *err)
{
	uint64_t at = state->generation % STATE_SLOTS * STATE_SLOT_BYTES;
	uint8_t bytes[STATE_SLOT_BYTES];

	state_render(bytes, state);
	return file_write_at(fd, (struct cht_bytes){ bytes, sizeof(bytes) }, at,
			     "the scribe's state", err);
}

int state_put(int fd, struct ledger_state *state, struct cht_err *err)
{
	int r;

	state->generation++;
	r = write_slot(fd, state, err);
	if (r < 0)
		state->generation--;
	return r;
}

int state_write(int fd, struct ledger_state *state, struct cht_err *err)
{
	int r = state_put(fd, state, err);

	if (r == 0 && fdatasync(fd) < 0)
		r = cht_fail(err, CHT_E_IO, errno, "sync the scribe's state");
	return r;
}
