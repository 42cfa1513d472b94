/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening for writing (docs/PROTOCOL.ledger section 6). Everything is held against the state before
 * anything is touched, so that a damaged ledger stays as it was found; and nothing that a
 * checkpoint covers is read, so that a start costs the same however long the log is.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "ledger/files.h"
#include "ledger/ledger.h"
#include "ledger/recover.h"
#include "ledger/segment.h"
#include "ledger/state.h"

static int damaged(const char *what, struct cht_err *err)
{
	return cht_fail(err, CHT_E_STATE, 0, "ledger damaged: %s; " SUCCEED_HINT " --reason damage",
			what);
}

static int open_dirs(struct ledger *ledger, const char *state, struct cht_err *err)
{
	struct cht_err why = { 0 };
	int r;

	ledger->state_fd = fd_open_dir(AT_FDCWD, state, &why);
	if (ledger->state_fd >= 0)
		ledger->dir_fd = fd_open_dir(ledger->state_fd, "ledger", &why);
	if (ledger->dir_fd < 0 && why.sys != ENOENT)
		return cht_fail(err, CHT_E_IO, why.sys, "open the ledger in %s", state);
	r = ledger->dir_fd < 0 ? 0 : origin_read(ledger->dir_fd, ledger->origin, err);
	if (r < 0)
		return r;
	if (r == 0)
		return cht_fail(err, CHT_E_CONFIG, 0, "no ledger in %s; --init makes one", state);
	r = line_read(ledger->dir_fd, "vkey", ledger->vkey, sizeof(ledger->vkey), err);
	if (r == 0)
		r = cht_fail(err, CHT_E_STATE, 0, "ledger damaged: vkey is missing; " SUCCEED_HINT);
	if (r < 0)
		return r;
	ledger->entries_fd = fd_open_dir(ledger->dir_fd, "entries", err);
	if (ledger->entries_fd >= 0)
		ledger->hashes_fd = fd_open_dir(ledger->dir_fd, "hashes", err);
	return ledger->entries_fd < 0 || ledger->hashes_fd < 0 ? CHT_E_IO : 0;
}

/* The log's name and the key make the verifier key that the log was begun with. */
static int check_key(struct ledger *ledger, const struct ledger_trust *trust, struct cht_err *err)
{
	struct tlog_vkey hint;

	if (!tlog_vkey_make(&ledger->key, str_of(ledger->origin), TLOG_ED25519, trust->public_key))
		return damaged("origin is no key name", err);
	if (!tlog_vkey_read(str_of(ledger->vkey), &hint, NULL) ||
	    !tlog_vkey_eq(&hint, &ledger->key))
		return cht_fail(err, CHT_E_KEY, 0,
				"the checkpoint key is not the one of ledger/vkey; " SUCCEED_HINT
				" --reason rotation");
	return 0;
}

static int open_state(struct ledger *ledger, struct cht_err *err)
{
	int scribe_fd = fd_open_dir(ledger->state_fd, "scribe", NULL);

	if (scribe_fd >= 0)
		ledger->slots_fd = openat(scribe_fd, "state", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	fd_close(&scribe_fd);
	if (ledger->slots_fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return cht_fail(err, CHT_E_STATE, 0,
				"there is a log but STATE/scribe/state is missing; " SUCCEED_HINT
				" --reason lost-state");
	if (ledger->slots_fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "open STATE/scribe/state");
	for (unsigned level = 0; level < TLOG_LEVELS; level++) {
		ledger->level_fd[level] = level_open(ledger->hashes_fd, level, 0, err);
		if (ledger->level_fd[level] < 0)
			return ledger->level_fd[level];
	}
	/* As the disk has it: where a sync failed, what is cached never got there and looks as if
	 * it had. A slot is not written again in place to make sure, for it is all there is. */
	(void)posix_fadvise(ledger->slots_fd, 0, 0, POSIX_FADV_DONTNEED);
	return state_read(ledger->slots_fd, &ledger->state, err);
}

/* A copy of the state that runs on two machines would sign two logs under one name. An id that was
 * not known when the log began is taken over. */
static int check_machine(struct ledger *ledger, struct cht_err *err)
{
	static const uint8_t none[LEDGER_MACHINE_ID_BYTES];
	uint8_t now[LEDGER_MACHINE_ID_BYTES];
	int r = machine_id_read(now, err);

	if (r < 0)
		return r;
	if (memcmp(ledger->state.machine_id, none, sizeof(none)) == 0)
		memcpy(ledger->state.machine_id, now, sizeof(now));
	else if (memcmp(ledger->state.machine_id, now, sizeof(now)) != 0)
		return cht_fail(
			err, CHT_E_STATE, 0,
			"the log was written on another machine (/etc/machine-id); " SUCCEED_HINT
			" --reason restore");
	return 0;
}

/* A checkpoint that we signed for a larger tree than the state knows of: the state is a copy from
 * before. Anything else in `checkpoint` is not ours, and is replaced. */
static int check_newest(struct ledger *ledger, const struct ledger_trust *trust,
			struct cht_err *err)
{
	char mem[TLOG_NOTE_MAX_BYTES];
	struct tlog_checkpoint checkpoint;
	struct tlog_note note;
	struct cht_str text = { mem, 0 };
	struct cht_err why = { 0 };
	ssize_t n = fd_read_file(ledger->dir_fd, "checkpoint", mem, sizeof(mem), &why);

	ledger->is_published = false;
	if (n == CHT_E_IO && why.sys != ENOENT)
		return cht_fail(err, CHT_E_IO, why.sys, "read ledger/checkpoint");
	if (n <= 0)
		return 0;
	text.len = (size_t)n;
	if (str_eq(text, str_of(ledger->state.note))) {
		ledger->is_published = true;
		return 0;
	}
	if (tlog_note_read(text, &note, NULL) < 0 ||
	    tlog_checkpoint_read(note.text, &checkpoint, NULL) < 0 ||
	    checkpoint.size <= ledger->state.tree.size || !trust->is_ours(trust->context, text))
		return 0;
	return cht_fail(err, CHT_E_STATE, 0,
			"a checkpoint over %" PRIu64 " entries was signed, but the state knows of "
			"%" PRIu64 ": it is an old copy; " SUCCEED_HINT " --reason restore",
			checkpoint.size, ledger->state.tree.size);
}

/* The right edge of every level gives the state's compact range, and that the note's root. */
static int check_tree(struct ledger *ledger, struct cht_err *err)
{
	const struct tlog_source source = { level_read, ledger->level_fd };
	const struct tlog_tree *tree = &ledger->state.tree;
	struct tlog_checkpoint checkpoint;
	struct tlog_tree stored;
	struct tlog_note note;
	struct tlog_hash root;
	int r;

	if (tree->size == 0)
		return 0;
	r = tlog_tree_load(&source, tree->size, &stored);
	if (r == CHT_E_IO)
		return cht_fail(err, r, 0, "read ledger/hashes");
	if (r < 0)
		return damaged("hashes/ is shorter than the newest checkpoint demands", err);
	for (unsigned k = 0; k < 64; k++)
		if ((tree->size >> k & 1) != 0 && !tlog_hash_eq(&tree->node[k], &stored.node[k]))
			return damaged("hashes/ does not give the tree of the newest checkpoint",
				       err);
	tlog_tree_root(tree, &root);
	if (tlog_note_read(str_of(ledger->state.note), &note, NULL) < 0 ||
	    tlog_checkpoint_read(note.text, &checkpoint, NULL) < 0 ||
	    checkpoint.size != tree->size || !tlog_hash_eq(&checkpoint.root, &root))
		return damaged("the state's tree is not that of its checkpoint", err);
	return 0;
}

/* All levels must have what the size demands, not only the hashes that the edge is made of. */
static int check_lengths(struct ledger *ledger, struct cht_err *err)
{
	for (unsigned level = 0; level < TLOG_LEVELS; level++) {
		uint64_t size, n = ledger->state.tree.size >> (level * TLOG_TILE_BITS);
		int r = file_size(ledger->level_fd[level], &size, err);

		if (r < 0)
			return r;
		if (size < n * TLOG_HASH_BYTES)
			return damaged("hashes/ is shorter than the newest checkpoint demands",
				       err);
	}
	return 0;
}

/* Every segment from min_index to the covered end is there; above it, what was never acknowledged.
 */
static int check_segments(struct ledger *ledger, const struct segment_list *list,
			  struct cht_err *err)
{
	const struct ledger_state *state = &ledger->state;
	int r = segment_list_check(list, err);

	if (r < 0)
		return r;
	if (state->tree.size == 0)
		return list->n > 0 && list->first != 0
			       ? damaged("the first segment is missing", err)
			       : 0;
	if (list->n == 0 || list->last < state->tail_first)
		return damaged("entries that a checkpoint covers are missing at the end", err);
	if (list->first > state->min_index)
		return damaged("entries that no pruning took are missing at the beginning", err);
	return 0;
}

static int open_tail(struct ledger *ledger, uint64_t first, struct cht_err *err)
{
	char name[SEGMENT_IDX_LEN + 1];
	struct ledger_tail *tail = &ledger->tail;

	segment_name(name, first);
	tail->first = first;
	tail->fd = openat(ledger->entries_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (tail->fd < 0)
		return cht_fail(err, CHT_E_IO, errno, "open segment %s", name);
	segment_idx_name(name, first);
	tail->idx_fd = openat(ledger->entries_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
			      LEDGER_FILE_MODE);
	return 0;
}

/* The covered part of the tail's segment is there: its length says so. */
static int check_tail(struct ledger *ledger, const struct segment_list *list, struct cht_err *err)
{
	uint64_t size;
	int r;

	if (list->n == 0)
		return 0;
	r = open_tail(ledger, ledger->state.tail_first, err);
	if (r == 0)
		r = file_size(ledger->tail.fd, &size, err);
	if (r == 0 && size < ledger->state.tail_bytes)
		r = damaged("entries that a checkpoint covers are missing at the end", err);
	return r;
}

static int check_all(struct ledger *ledger, const struct ledger_trust *trust,
		     struct segment_list *list, struct cht_err *err)
{
	int r = check_key(ledger, trust, err);

	if (r == 0)
		r = check_machine(ledger, err);
	if (r == 0 && ledger->state.is_closed)
		r = cht_fail(err, CHT_E_CONFIG, 0,
			     "the log is closed: it has a successor; finish with cht ledger "
			     "succeed");
	if (r == 0)
		r = check_newest(ledger, trust, err);
	if (r == 0)
		r = check_lengths(ledger, err);
	if (r == 0)
		r = check_tree(ledger, err);
	if (r == 0)
		r = segment_list_from(ledger->entries_fd, ledger->state.min_index, list, err);
	if (r == 0)
		r = check_segments(ledger, list, err);
	return r == 0 ? check_tail(ledger, list, err) : r;
}

/* Segments that a pruning had no time to unlink, or whose unlinking a crash undid, any of them; its
 * event is under a checkpoint. */
static int remove_leftovers(struct ledger *ledger, const struct segment_list *list,
			    struct cht_err *err)
{
	for (uint64_t at = list->below; at < ledger->state.min_index; at += SEGMENT_ENTRIES) {
		int r = segment_remove(ledger->entries_fd, at, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int settle(struct ledger *ledger, const struct segment_list *list,
		  const struct recover_end *end, struct cht_err *err)
{
	int r = remove_leftovers(ledger, list, err);

	if (r == 0 && list->n > 0 && end->first != ledger->tail.first) {
		fd_close(&ledger->tail.fd);
		fd_close(&ledger->tail.idx_fd);
		r = open_tail(ledger, end->first, err);
	}
	if (r == 0 && end->has_extra)
		r = recover_settle(ledger, list, end, err);
	if (r == 0)
		ledger->keeps_notes = notes_settle(ledger);
	return r;
}

static int open_locked(struct ledger *ledger, const struct ledger_trust *trust,
		       struct ledger_recovery *found, struct cht_err *err)
{
	struct segment_list list;
	struct recover_end end;
	int r = open_state(ledger, err);

	if (r == 0)
		r = check_all(ledger, trust, &list, err);
	if (r == 0)
		r = recover_look(ledger, &list, &end, err);
	if (r == 0 && ledger->state.is_clean && end.has_extra)
		r = damaged("there are bytes above a clean mark: somebody wrote here since", err);
	if (r == 0)
		r = settle(ledger, &list, &end, err);
	if (r != 0)
		return r;
	ledger->tail.bytes = end.bytes;
	ledger->tree = end.tree;
	ledger->extent = (struct ledger_extent){ end.tree, end.first, end.bytes };
	*found = (struct ledger_recovery){
		.covered = ledger->state.tree.size,
		.kept = end.tree.size,
		.cut_bytes = end.cut_bytes,
		.was_clean =
			ledger->state.is_clean || (ledger->state.note[0] == '\0' && !end.has_extra),
		.is_new = end.tree.size == 0,
	};
	return 0;
}

int ledger_open(struct ledger *ledger, const char *state, const struct ledger_trust *trust,
		struct ledger_recovery *found, struct cht_err *err)
{
	int r;

	*ledger = (struct ledger)LEDGER_NULL;
	r = open_dirs(ledger, state, err);
	if (r == 0) {
		ledger->lock_fd = lock_take(ledger->dir_fd, err);
		r = ledger->lock_fd < 0 ? ledger->lock_fd : open_locked(ledger, trust, found, err);
	}
	if (r < 0)
		ledger_close(ledger);
	return r;
}

void ledger_close(struct ledger *ledger)
{
	flush_close(&ledger->flush);
	fd_close(&ledger->note_fd);
	fd_close(&ledger->tail.fd);
	fd_close(&ledger->tail.idx_fd);
	for (unsigned level = 0; level < TLOG_LEVELS; level++)
		fd_close(&ledger->level_fd[level]);
	fd_close(&ledger->slots_fd);
	fd_close(&ledger->entries_fd);
	fd_close(&ledger->hashes_fd);
	fd_close(&ledger->dir_fd);
	fd_close(&ledger->state_fd);
	fd_close(&ledger->lock_fd);
	*ledger = (struct ledger)LEDGER_NULL;
}
