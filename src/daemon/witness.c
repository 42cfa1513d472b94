/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of a VM beside its frames: what an orchestrator states, and whether its VMM's
 * process has ended. Which process that is it states as well; otherwise it is the one that connects
 * first. */
#include <poll.h>

#include "base/diag.h"
#include "base/fd.h"
#include "daemon/cells.h"
#include "daemon/probes.h"
#include "daemon/slots.h"
#include "daemon/witness.h"

/* Takes pidfd; -1 is fine. */
static void watch(struct line *line, uint32_t i, int pidfd)
{
	struct slot *slot = &line->slots[i];

	if (pidfd < 0)
		return;
	if (loop_add(&line->loop, pidfd, FD_VMM, i, slot->gen, NULL) < 0) {
		fd_close(&pidfd);
		return;
	}
	slot->vmm_fd = pidfd;
	line->vmms_watched++;
	cell_note_witness(&slot->cell, WITNESS_VMM_PROCESS, SAID_RUNS, &line->now);
}

/* One more descriptor, when each cell that is registered can have a connection all the same. */
static bool may_watch(struct line *line, const struct slot *slot)
{
	if (slot->vmm_fd >= 0)
		return false;
	if ((uint64_t)line->vmms_watched + line->probe_fds + line->conns_open + line->n_cells <
	    line->n_spare)
		return true;
	if (!line->vmms_told)
		diag(DIAG_WARNING,
		     "cell %s: too few open files to watch its VMM: that it ends will not be seen; "
		     "raise the limit (ulimit -n)",
		     slot->reg.id);
	line->vmms_told = true;
	return false;
}

void witness_meet(struct line *line, uint32_t i, int fd)
{
	if (may_watch(line, &line->slots[i]))
		watch(line, i, channel_peer_pidfd(fd));
}

void witness_watch(struct line *line, uint32_t i, uint32_t pid)
{
	if (may_watch(line, &line->slots[i]))
		watch(line, i, channel_pidfd(pid));
}

void witness_drop(struct line *line, struct slot *slot)
{
	if (slot->vmm_fd < 0)
		return;
	loop_remove(&line->loop, slot->vmm_fd, FD_VMM);
	fd_close(&slot->vmm_fd);
	line->vmms_watched--;
}

bool witness_give_up(struct line *line)
{
	for (uint32_t n = 0; n < line->slots_used && line->vmms_watched > 0; n++) {
		struct slot *slot = &line->slots[line->give_up_at++ % line->slots_used];

		if (slot->vmm_fd < 0)
			continue;
		witness_drop(line, slot);
		if (slot_is_open(slot))
			cell_note_witness(&slot->cell, WITNESS_VMM_PROCESS, SAID_NOTHING,
					  &line->now);
		return true;
	}
	return false;
}

static bool has_ended(int pidfd)
{
	struct pollfd end = { .fd = pidfd, .events = POLLIN };

	return poll(&end, 1, 0) != 0;
}

/* Another process that is connected and lives: the VM was taken over, and nobody said so. */
static bool watch_another(struct line *line, uint32_t i)
{
	const struct slot *slot = &line->slots[i];

	for (uint32_t at = slot->conns; at != NOBODY; at = line->conns[at].next) {
		int pidfd = channel_peer_pidfd(line->conns[at].fd);

		if (pidfd < 0 || has_ended(pidfd)) {
			fd_close(&pidfd);
			continue;
		}
		watch(line, i, pidfd);
		return true;
	}
	return false;
}

void witness_on_end(struct line *line, uint32_t i, uint32_t gen)
{
	struct slot *slot = &line->slots[i];

	if ((slot->gen & 0xffffff) != gen)
		return;
	witness_drop(line, slot);
	if (!slot_is_open(slot) || watch_another(line, i))
		return;
	cell_note_witness(&slot->cell, WITNESS_VMM_PROCESS, SAID_GONE, &line->now);
	cells_hurry(line, i);
}

void witness_told(struct line *line, uint32_t i, enum cell_told what)
{
	struct slot *slot = &line->slots[i];

	if (what == TOLD_RESTORED)
		witness_drop(line, slot); /* the VM that was; the one that comes connects */
	cell_note_told(&slot->cell, what, &line->now);
	cells_note_left(line, slot);
	cells_hurry(line, i);
	if (what == TOLD_RESTORED)
		probes_restored(line, i);
	else
		probes_hurry(line, i);
}

void witness_take_over(struct line *line, struct slot *slot, const struct frames_left *left)
{
	struct cht_cell *cell = &slot->cell;

	cell->epoch = left->epoch;
	cell->has_heartbeat = left->promises_a_beat != 0; /* an agent says hello once */
	if (left->stated == TOLD_PAUSED || left->stated == TOLD_SNAPSHOTTING)
		cell_note_told(cell, (enum cell_told)left->stated, &line->now);
	else if (left->stated < N_TOLD)
		cell->told = (uint8_t)left->stated;
}

void witness_late(struct line *line, uint64_t due_ns, uint64_t before_ns)
{
	uint64_t since_ns = due_ns > before_ns ? due_ns : before_ns, now = line->now.monotonic_ns;

	if (now < since_ns || now - since_ns < PAUSE_AFTER_NS)
		return;
	for (uint32_t i = 0; i < line->slots_used; i++)
		if (slot_is_open(&line->slots[i]))
			cell_note_late(&line->slots[i].cell, since_ns, &line->now);
}
