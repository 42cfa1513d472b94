/* SPDX-License-Identifier: Apache-2.0
 *
 * kinds.h - every probe there is, for kinds.c; and what they share in their options and files. Of
 * this module alone.
 */
#ifndef PROBE_KINDS_H
#define PROBE_KINDS_H

#include "probe/probe.h"

extern const struct probe_kind probe_cgroup;
extern const struct probe_kind probe_fc_metrics;
extern const struct probe_kind probe_vmm_proc;
extern const struct probe_kind probe_nftables;
extern const struct probe_kind probe_tap_link;

/* options.c: copies a text of the options. CHT_E_RANGE: it is missing (unless may_miss), empty,
 * longer than cap - 1 or has control characters; name says which it is. */
int probe_take_text(char *out, size_t cap, const char *text, const char *name, bool may_miss,
		    struct cht_err *err) CHT_CHECKED;

/* A file that is kept open and read from its begin each time. */
struct probe_file {
	int fd;              /* -1: not open */
	int code, sys;       /* why it is not, or could not be read */
	bool is_asked;       /* in this round: given, or failed */
	struct cht_bytes at; /* what was read, in the room */
};

/* files.c: the whole of it, at most cap bytes, into out. Returns how many; below 0: f->code, .sys,
 * and it is closed, to be asked for again. CHT_E_LIMIT: it is longer. */
int probe_file_read(struct probe_file *f, uint8_t *out, size_t cap) CHT_CHECKED;
void probe_file_close(struct probe_file *f);

#endif
