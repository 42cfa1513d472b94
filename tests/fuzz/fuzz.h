/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz.h - what each tests/fuzz/fuzz_<name>.c offers: one function that takes any bytes and
 * aborts when a property does not hold. libFuzzer calls it with -Dfuzz=true; replay.c calls it
 * with every committed input in every unit run.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* States a property of every input. */
#define HOLDS(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #cond);  \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

#endif
