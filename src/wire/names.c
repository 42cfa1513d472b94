/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "wire/keys.h"

static const char *const fault_names[CHT_N_FAULTS] = {
	[CHT_FAULT_NONE] = "none",         [CHT_FAULT_TRUNCATED] = "truncated",
	[CHT_FAULT_RESERVED] = "reserved", [CHT_FAULT_INDEFINITE] = "indefinite",
	[CHT_FAULT_TAG] = "tag",           [CHT_FAULT_TYPE] = "type",
	[CHT_FAULT_RANGE] = "range",       [CHT_FAULT_TEXT_TOO_LONG] = "text_too_long",
	[CHT_FAULT_UTF8] = "utf8",         [CHT_FAULT_DUPLICATE] = "duplicate",
	[CHT_FAULT_MISSING] = "missing",   [CHT_FAULT_DEPTH] = "depth",
	[CHT_FAULT_PAIRS] = "pairs",       [CHT_FAULT_DETAILS] = "details",
	[CHT_FAULT_TRAILING] = "trailing", [CHT_FAULT_VERSION] = "version",
	[CHT_FAULT_COVERAGE] = "coverage",
};

static const char *const guest_fault_names[CHT_N_GUEST_FAULTS] = {
	[CHT_GUEST_OK] = "Ok",
	[CHT_GUEST_FRAME_TOO_LARGE] = "FrameTooLarge",
	[CHT_GUEST_FRAME_TRUNCATED] = "FrameTruncated",
	[CHT_GUEST_SHORT_HEADER] = "ShortHeader",
	[CHT_GUEST_UNEXPECTED_EOF] = "UnexpectedEof",
	[CHT_GUEST_UNSUPPORTED_MAJOR] = "UnsupportedMajor",
	[CHT_GUEST_UNSUPPORTED_ADDITIONAL] = "UnsupportedAdditional",
	[CHT_GUEST_NOT_MAP5] = "NotMap5",
	[CHT_GUEST_CONTENT_VERSION_MUST_BE_FIRST] = "ContentVersionMustBeFirst",
	[CHT_GUEST_UNSUPPORTED_CONTENT_VERSION] = "UnsupportedContentVersion",
	[CHT_GUEST_MISSING_FIELD] = "MissingField",
	[CHT_GUEST_FIELD_TYPE] = "FieldType",
	[CHT_GUEST_INTEGER_OVERFLOW] = "IntegerOverflow",
	[CHT_GUEST_UNKNOWN_PROBE_SOURCE] = "UnknownProbeSource",
	[CHT_GUEST_INVALID_UTF8] = "InvalidUtf8",
};

static const struct cht_str sources[CHT_N_SOURCES] = {
	[CHT_SOURCE_OTHER] = STR_INIT(""),
	[CHT_SOURCE_PROCESS_SPAWNED] = STR_INIT("process.spawned"),
	[CHT_SOURCE_PROCESS_EXITED] = STR_INIT("process.exited"),
	[CHT_SOURCE_CAPABILITY_DENIED] = STR_INIT("capability.denied"),
	[CHT_SOURCE_FS_INOTIFY_FIRED] = STR_INIT("fs.inotify_fired"),
	[CHT_SOURCE_NET_CONNECT_ATTEMPTED] = STR_INIT("net.connect_attempted"),
	[CHT_SOURCE_AGENT_HELLO] = STR_INIT("agent.hello"),
	[CHT_SOURCE_AGENT_HEARTBEAT] = STR_INIT("agent.heartbeat"),
	[CHT_SOURCE_AGENT_BYE] = STR_INIT("agent.bye"),
};

/* Bounds: PATH_MAX for paths; UINT32_MAX where the kernel's type has 32 bits. */
#define ROW(name, json, kind, max)                                                                 \
	[CHT_DETAIL_##name] = { wire_keys[KEY_DETAIL + CHT_DETAIL_##name].text, json,              \
				CHT_KIND_##kind, max }

static const struct cht_detail_info details[CHT_N_DETAILS] = {
	ROW(AGENT_VERSION, "agentVersion", TEXT, 64),
	ROW(CAPABILITY, "capability", TEXT, 64),
	ROW(COMM_RAW, "commRaw", BYTES, CHT_TEXT_MAX_BYTES),
	ROW(COVERAGE, "coverage", COVERAGE, CHT_DETAIL_MAX_BYTES),
	ROW(DEST_ADDR, "destAddr", TEXT, 64),
	ROW(DEST_PORT, "destPort", UINT, UINT16_MAX),
	ROW(EXE, "exe", TEXT, 4096),
	ROW(EXE_RAW, "exeRaw", BYTES, 4096),
	ROW(EXIT_CODE, "exitCode", UINT, UINT8_MAX),
	ROW(EXIT_SIGNAL, "exitSignal", UINT, 127),
	ROW(GID, "gid", UINT, UINT32_MAX),
	ROW(HEARTBEAT_INTERVAL_MS, "heartbeatIntervalMs", UINT, UINT32_MAX),
	ROW(MASK, "mask", UINT, UINT32_MAX),
	ROW(PATH, "path", TEXT, 4096),
	ROW(PATH_RAW, "pathRaw", BYTES, 4096),
	ROW(PPID, "ppid", UINT, UINT32_MAX),
	ROW(PROTOCOL, "protocol", TEXT, 16),
	ROW(REASON, "reason", TEXT, CHT_TEXT_MAX_BYTES),
	ROW(SYSCALL, "syscall", UINT, UINT32_MAX),
	ROW(UID, "uid", UINT, UINT32_MAX),
};

const char *cht_fault_name(enum cht_fault fault)
{
	return (unsigned)fault < CHT_N_FAULTS ? fault_names[fault] : "unknown";
}

const char *cht_guest_fault_name(enum cht_guest_fault fault)
{
	return (unsigned)fault < CHT_N_GUEST_FAULTS ? guest_fault_names[fault] : "unknown";
}

const char *cht_source_name(enum cht_source source)
{
	return (unsigned)source < CHT_N_SOURCES ? sources[source].ptr : "";
}

enum cht_source cht_source_find(struct cht_str name)
{
	for (unsigned i = CHT_SOURCE_OTHER + 1; i < CHT_N_SOURCES; i++)
		if (str_eq(sources[i], name))
			return (enum cht_source)i;
	return CHT_SOURCE_OTHER;
}

bool cht_source_is_known(struct cht_str name)
{
	enum cht_source source = cht_source_find(name);

	return source != CHT_SOURCE_OTHER && source < CHT_SOURCE_AGENT_HELLO;
}

const char *cht_forged_name(enum cht_forged key)
{
	return (unsigned)key < CHT_N_FORGED ? wire_keys[KEY_FORGED + key].text : "unknown";
}

const struct cht_detail_info *cht_detail_info(enum cht_detail detail)
{
	return (unsigned)detail < CHT_N_DETAILS ? &details[detail] : NULL;
}
