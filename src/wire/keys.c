/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys are found by length, then by comparing whole words: at most six have one length, and a
 * frame of the published agent meets the right one first. No hash to craft or to attack.
 */
#include "wire/keys.h"

#include "base/bytes.h"

#define KEY(lit)                                                                                   \
	{                                                                                          \
		"" lit, sizeof(lit) - 1                                                            \
	}
#define DETAIL(name) [KEY_DETAIL + CHT_DETAIL_##name]
#define FORGED(name) [KEY_FORGED + CHT_FORGED_##name]

const struct wire_key_text wire_keys[N_KEYS] = {
	[KEY_CONTENT_VERSION] = KEY("content_version"),
	[KEY_PROBE_SOURCE] = KEY("probe_source"),
	[KEY_GUEST_PID] = KEY("guest_pid"),
	[KEY_GUEST_COMM] = KEY("guest_comm"),
	[KEY_GUEST_MONOTONIC_NS] = KEY("guest_monotonic_ns"),
	[KEY_EXTENSION] = KEY("agent_boot"),
	[KEY_EXTENSION + 1] = KEY("agent_seq"),
	[KEY_EXTENSION + 2] = KEY("agent_dropped"),
	DETAIL(AGENT_VERSION) = KEY("agent_version"),
	DETAIL(CAPABILITY) = KEY("capability"),
	DETAIL(COMM_RAW) = KEY("comm_raw"),
	DETAIL(COVERAGE) = KEY("coverage"),
	DETAIL(DEST_ADDR) = KEY("dest_addr"),
	DETAIL(DEST_PORT) = KEY("dest_port"),
	DETAIL(EXE) = KEY("exe"),
	DETAIL(EXE_RAW) = KEY("exe_raw"),
	DETAIL(EXIT_CODE) = KEY("exit_code"),
	DETAIL(EXIT_SIGNAL) = KEY("exit_signal"),
	DETAIL(GID) = KEY("gid"),
	DETAIL(HEARTBEAT_INTERVAL_MS) = KEY("heartbeat_interval_ms"),
	DETAIL(MASK) = KEY("mask"),
	DETAIL(PATH) = KEY("path"),
	DETAIL(PATH_RAW) = KEY("path_raw"),
	DETAIL(PPID) = KEY("ppid"),
	DETAIL(PROTOCOL) = KEY("protocol"),
	DETAIL(REASON) = KEY("reason"),
	DETAIL(SYSCALL) = KEY("syscall"),
	DETAIL(UID) = KEY("uid"),
	FORGED(CELL_ID) = KEY("cell_id"),
	FORGED(CELL_ID_CAMEL) = KEY("cellId"),
	FORGED(RUN_ID) = KEY("run_id"),
	FORGED(RUN_ID_CAMEL) = KEY("runId"),
	FORGED(SPEC_SIGNATURE_HASH) = KEY("spec_signature_hash"),
	FORGED(SPEC_SIGNATURE_HASH_CAMEL) = KEY("specSignatureHash"),
	FORGED(HOST_RECEIVED_AT) = KEY("host_received_at"),
	FORGED(HOST_RECEIVED_AT_CAMEL) = KEY("hostReceivedAt"),
	FORGED(SPEC_ID) = KEY("spec_id"),
	FORGED(SPEC_ID_CAMEL) = KEY("specId"),
};

enum { SAME_LEN_MAX = 6, SHORTEST = 3 };

#define D(name) (KEY_DETAIL + CHT_DETAIL_##name)
#define F(name) (KEY_FORGED + CHT_FORGED_##name)
#define NONE    KEY_UNKNOWN

/* By length; each row ends with NONE. A unit test finds every key through it. */
static const uint8_t by_len[KEY_TEXT_MAX][SAME_LEN_MAX] = {
	[0] = { NONE },
	[1] = { NONE },
	[2] = { NONE },
	[3] = { D(EXE), D(UID), D(GID), NONE },
	[4] = { D(PPID), D(PATH), D(MASK), NONE },
	[5] = { F(RUN_ID_CAMEL), NONE },
	[6] = { D(REASON), F(CELL_ID_CAMEL), F(RUN_ID), F(SPEC_ID_CAMEL), NONE },
	[7] = { D(EXE_RAW), D(SYSCALL), F(CELL_ID), F(SPEC_ID), NONE },
	[8] = { D(COMM_RAW), D(COVERAGE), D(PATH_RAW), D(PROTOCOL), NONE },
	[9] = { KEY_GUEST_PID, KEY_EXTENSION + 1, D(EXIT_CODE), D(DEST_ADDR), D(DEST_PORT), NONE },
	[10] = { KEY_GUEST_COMM, KEY_EXTENSION, D(CAPABILITY), NONE },
	[11] = { D(EXIT_SIGNAL), NONE },
	[12] = { KEY_PROBE_SOURCE, NONE },
	[13] = { KEY_EXTENSION + 2, D(AGENT_VERSION), NONE },
	[14] = { F(HOST_RECEIVED_AT_CAMEL), NONE },
	[15] = { KEY_CONTENT_VERSION, NONE },
	[16] = { F(HOST_RECEIVED_AT), NONE },
	[17] = { F(SPEC_SIGNATURE_HASH_CAMEL), NONE },
	[18] = { KEY_GUEST_MONOTONIC_NS, NONE },
	[19] = { F(SPEC_SIGNATURE_HASH), NONE },
	[20] = { NONE },
	[21] = { D(HEARTBEAT_INTERVAL_MS), NONE },
	[22] = { NONE },
};

static inline bool same8(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x == y;
}

static inline bool same4(const void *a, const void *b)
{
	uint32_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x == y;
}

/* Whole words from both ends, which may overlap: no byte outside [0, n) is read. */
static inline bool same(const uint8_t *p, const char *text, size_t n)
{
	if (n > 8)
		return same8(p, text) && same8(p + n - 8, text + n - 8) &&
		       (n <= 16 || same8(p + 8, text + 8));
	if (n >= 4)
		return same4(p, text) && same4(p + n - 4, text + n - 4);
	return memcmp(p, text, n) == 0;
}

enum wire_key wire_key_find(const uint8_t *text, size_t len)
{
	const uint8_t *candidate;

	if (len < SHORTEST || len >= KEY_TEXT_MAX)
		return KEY_UNKNOWN;
	for (candidate = by_len[len]; *candidate != NONE; candidate++)
		if (same(text, wire_keys[*candidate].text, len))
			return (enum wire_key) * candidate;
	return KEY_UNKNOWN;
}
