/* SPDX-License-Identifier: Apache-2.0
 *
 * members.h - one JSON object, written member by member into a bounded buffer. Keys must be
 * given in ascending order. Not for other modules.
 */
#ifndef EVENT_MEMBERS_H
#define EVENT_MEMBERS_H

#include "event/event.h"

struct members {
	struct buf *b;
	const struct cht_stamped *common; /* whose shared members go in between; or null */
	unsigned next;                    /* shared member to come */
	const char *last;                 /* key last written, or null */
};

/* The opening brace. With a stamped value, the members that all events share are written too,
 * each where its key sorts. */
struct members members_open(struct buf *b, const struct cht_stamped *common);
/* "key": the value is the caller's to write. */
void members_key(struct members *m, const char *key);
void members_u64(struct members *m, const char *key, uint64_t v);
void members_i64(struct members *m, const char *key, int64_t v);
void members_bool(struct members *m, const char *key, bool v);
/* A number as text, for what JavaScript would round. */
void members_decimal(struct members *m, const char *key, uint64_t v);
/* What is not UTF-8 becomes U+FFFD. */
void members_text(struct members *m, const char *key, struct cht_str s);
/* An array of the words of a text with blanks between. */
void members_words(struct members *m, const char *key, struct cht_str words);
/* An object {name: count} of those that are not 0, sorted by name. */
void members_counts(struct members *m, const char *key, const uint64_t *counts, unsigned n,
		    const char *(*name)(unsigned));
void members_close(struct members *m);

#endif
