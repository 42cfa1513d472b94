/* SPDX-License-Identifier: Apache-2.0
 *
 * shaloop - the limit of any verifier: reads the segments of a ledger and takes the SHA-256 of each
 * entry, with the library's own loop, and nothing else. Prints a JSON object.
 *
 * usage: shaloop ENTRIES_DIR
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/limits.h"

enum { BUFFER_BYTES = 1 << 18 };

static uint8_t buffer[BUFFER_BYTES];

int main(int argc, char **argv)
{
	uint64_t entries = 0, bytes = 0, begin = clk_process_ns(), wall = clk_monotonic_ns();
	uint8_t digest[SHA256_DIGEST_LENGTH], sum = 0;

	if (argc != 2)
		return 2;
	for (uint64_t first = 0;; first += SEGMENT_ENTRIES) {
		char path[512];
		size_t have = 0, at;
		ssize_t n;
		int fd;

		(void)snprintf(path, sizeof(path), "%s/%020" PRIu64, argv[1], first);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			break;
		while ((n = read(fd, buffer + have, sizeof(buffer) - have)) > 0) {
			have += (size_t)n;
			for (at = 0; have - at >= 2; entries++) {
				size_t len = be16_load(buffer + at);
				SHA256_CTX state;

				if (have - at - 2 < len)
					break;
				(void)SHA256_Init(&state);
				(void)SHA256_Update(&state, buffer + at + 2, len);
				(void)SHA256_Final(digest, &state);
				sum ^= digest[0];
				at += 2 + len;
				bytes += len;
			}
			memmove(buffer, buffer + at, have - at);
			have -= at;
		}
		(void)close(fd);
	}
	(void)printf("{\"entries\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"cpuNs\": %" PRIu64
		     ", \"wallNs\": %" PRIu64 ", \"sum\": %u}\n",
		     entries, bytes, clk_process_ns() - begin, clk_monotonic_ns() - wall, sum);
	return 0;
}
