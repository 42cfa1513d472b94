/* SPDX-License-Identifier: Apache-2.0
 *
 * crew.h - blocks are filled in order, looked at by as many threads as there are processors, and
 * taken back in the same order; private to src/verify.
 *
 * The thread that calls is one of the crew: it looks at a block itself where it would wait.
 */
#ifndef VERIFY_CREW_H
#define VERIFY_CREW_H

#include "verify/look.h"

struct crew;

/* jobs: threads in all, the caller's included; 0: one for each processor that is online. trust is
 * borrowed. CHT_E_NOMEM; CHT_E_IO: no thread to be had. */
int crew_open(struct crew **out, unsigned jobs, const struct verify_trust *trust,
	      bool by_hash_alone, struct cht_err *err) CHT_CHECKED;
/* Ends the threads; whatever is still looked at is thrown away. Null is taken. */
void crew_close(struct crew *crew);

/* A block to fill, which stays the caller's; null: all are under way. */
struct block *crew_vacant(struct crew *crew);
/* Hands over the block that crew_vacant gave. */
void crew_submit(struct crew *crew);
/* The oldest block that was handed over, once it was looked at; null: there is none. */
struct block *crew_take(struct crew *crew);
/* Gives the block back that crew_take gave. */
void crew_release(struct crew *crew);

#endif
