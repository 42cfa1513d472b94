/* SPDX-License-Identifier: Apache-2.0
 *
 * words.h - what somebody who slipped probably meant.
 */
#ifndef BASE_WORDS_H
#define BASE_WORDS_H

#include <stddef.h>

/* The one of n words that is most likely meant by word; null when none is near. */
const char *words_nearest(const char *word, const char *const *words, size_t n);

#endif
