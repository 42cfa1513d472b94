/* SPDX-License-Identifier: Apache-2.0 */
#include "base/words.h"

#include <string.h>

enum { WORD_MAX = 24 };

/* Edit distance with neighbours swapped counted as one; words above WORD_MAX are far. */
static unsigned distance(const char *a, const char *b)
{
	unsigned rows[3][WORD_MAX + 1], *before = rows[0], *last = rows[1], *now = rows[2];
	size_t n = strlen(a), m = strlen(b);

	if (n > WORD_MAX || m > WORD_MAX)
		return WORD_MAX;
	for (unsigned j = 0; j <= m; j++)
		before[j] = last[j] = j;
	for (size_t i = 1; i <= n; i++) {
		unsigned *spare = before;

		now[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			unsigned best = last[j - 1] + (a[i - 1] != b[j - 1]);

			if (last[j] + 1 < best)
				best = last[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			now[j] = best;
		}
		before = last;
		last = now;
		now = spare;
	}
	return last[m];
}

const char *words_nearest(const char *word, const char *const *words, size_t n)
{
	const char *nearest = NULL;
	unsigned least = strlen(word) < 4 ? 2 : 3; /* one slip in a short word, two in others */

	for (size_t i = 0; i < n; i++) {
		unsigned d = distance(word, words[i]);

		if (d < least && d < strlen(words[i])) {
			least = d;
			nearest = words[i];
		}
	}
	return nearest;
}
