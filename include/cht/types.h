/* SPDX-License-Identifier: Apache-2.0
 *
 * types.h - the few words that every cht header shares: views and attributes.
 *
 * A view borrows: it is valid as long as the buffer it points into, and the function that
 * hands one out says how long that is. Nothing here is ever freed through a view.
 */
#ifndef CHT_TYPES_H
#define CHT_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define CHT_API               __attribute__((visibility("default")))
#define CHT_CHECKED           __attribute__((warn_unused_result))
#define CHT_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define CHT_API
#define CHT_CHECKED
#define CHT_PRINTF(fmt, args)
#endif

#ifdef __cplusplus
#define CHT_BEGIN_DECLS extern "C" {
#define CHT_END_DECLS   }
#else
#define CHT_BEGIN_DECLS
#define CHT_END_DECLS
#endif

/* Borrowed text: UTF-8 unless said otherwise, not NUL-terminated. */
struct cht_str {
	const char *ptr;
	size_t len;
};

/* Borrowed bytes. */
struct cht_bytes {
	const uint8_t *ptr;
	size_t len;
};

/* One reading of the host's three clocks, taken together. */
struct cht_now {
	int64_t realtime_ns;   /* CLOCK_REALTIME, since 1970-01-01T00:00:00Z: the host's claim */
	uint64_t monotonic_ns; /* CLOCK_MONOTONIC: deadlines and elapsed times */
	uint64_t boottime_ns;  /* CLOCK_BOOTTIME: exposes steps of the wall clock */
};

#endif
