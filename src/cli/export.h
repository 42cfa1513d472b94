/* SPDX-License-Identifier: Apache-2.0
 *
 * export.h - a ledger, or a run of it, as something that stands for itself.
 */
#ifndef CLI_EXPORT_H
#define CLI_EXPORT_H

#include "cli/follow.h"
#include "cli/newfile.h"

struct export_counts {
	uint64_t entries, subtrees, tiles;
};

/* Writes a bundle (docs/PROTOCOL.ledger section 11) of the run, or of everything when run is null.
 * Memory does not grow with the ledger. CHT_E_CONFIG: no entry is of this run. CHT_E_STATE: what
 * was written does not lead to the checkpoint; where it was told already, f->is_faulty. CHT_E_IO.
 */
int export_bundle(struct follow *f, const char *run, struct newfile *out,
		  struct export_counts *counts, struct cht_err *err) CHT_CHECKED;

/* Writes checkpoint, tiles and entry bundles as C2SP tlog-tiles names them. Bundles of entries that
 * were removed with their segment are left out. CHT_E_STATE, CHT_E_IO. */
int export_tiles(struct follow *f, struct newfile *dir, struct export_counts *counts,
		 struct cht_err *err) CHT_CHECKED;

#endif
