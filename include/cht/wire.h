/* SPDX-License-Identifier: Apache-2.0
 *
 * wire.h - guest frames: bytes in, declaration out, and back.
 *
 * A frame is a u32 little-endian body length and one CBOR map (docs/PROTOCOL.wire). Decoding
 * never allocates, never recurses, never logs and never sees a key. A declaration has no field
 * for cell, run, spec or time of receipt: a guest cannot forge what the type cannot hold.
 * All functions here are pure and may be called from any thread.
 */
#ifndef CHT_WIRE_H
#define CHT_WIRE_H

#include <cht/err.h>

CHT_BEGIN_DECLS

enum {
	CHT_VSOCK_TELEMETRY_PORT = 9001,
	CHT_WIRE_VERSION_MAJOR = 0,  /* high byte of content_version; agents write 1 = 0x0001 */
	CHT_FRAME_HEAD_BYTES = 4,    /* the length that stands before each body */
	CHT_FRAME_MAX_BYTES = 65536, /* body, as the host takes it */
	CHT_GUEST_FRAME_MAX_BYTES = 4096, /* body, as the guest crate's strict codec takes it */
	CHT_TEXT_MAX_BYTES = 255,         /* probe_source and guest_comm */
	CHT_DETAIL_MAX_BYTES = 8192,      /* encoded detail pairs of one frame, keys included */
	CHT_MAP_MAX_PAIRS = 64,
	CHT_DEPTH_MAX = 16,   /* the top map is depth 1 */
	CHT_COVERAGE_MAX = 16 /* entries of an agent.hello's coverage */
};

/* What a frame says it reports. Anything that is not in this list is CHT_SOURCE_OTHER. */
enum cht_source {
	CHT_SOURCE_OTHER = 0,
	CHT_SOURCE_PROCESS_SPAWNED,
	CHT_SOURCE_PROCESS_EXITED,
	CHT_SOURCE_CAPABILITY_DENIED,
	CHT_SOURCE_FS_INOTIFY_FIRED,
	CHT_SOURCE_NET_CONNECT_ATTEMPTED,
	CHT_SOURCE_AGENT_HELLO,
	CHT_SOURCE_AGENT_HEARTBEAT,
	CHT_SOURCE_AGENT_BYE,
	CHT_N_SOURCES
};

/* Optional keys of version 2, read whatever the minor version says: bits of .extensions. */
enum { CHT_EXT_AGENT_BOOT = 1u << 0, CHT_EXT_AGENT_SEQ = 1u << 1, CHT_EXT_AGENT_DROPPED = 1u << 2 };

/* Detail keys: index into .detail, bit in .details. cht_detail_info() has name, kind, bound. */
enum cht_detail {
	CHT_DETAIL_AGENT_VERSION, /* agent.hello: text */
	CHT_DETAIL_CAPABILITY,    /* capability.denied: text, "CAP_NET_RAW" */
	CHT_DETAIL_COMM_RAW,      /* bytes of a name that is not UTF-8 */
	CHT_DETAIL_COVERAGE,      /* agent.hello: see cht_coverage_next */
	CHT_DETAIL_DEST_ADDR,     /* net.connect_attempted: text, numeric address */
	CHT_DETAIL_DEST_PORT,     /* u16 */
	CHT_DETAIL_EXE,           /* path of the executable */
	CHT_DETAIL_EXE_RAW,
	CHT_DETAIL_EXIT_CODE,   /* process.exited: 0..255 */
	CHT_DETAIL_EXIT_SIGNAL, /* process.exited: signal number that ended it */
	CHT_DETAIL_GID,
	CHT_DETAIL_HEARTBEAT_INTERVAL_MS, /* agent.hello: u32, 0 = sends none */
	CHT_DETAIL_MASK,                  /* fs.inotify_fired: inotify(7) event mask */
	CHT_DETAIL_PATH,                  /* fs.inotify_fired */
	CHT_DETAIL_PATH_RAW,
	CHT_DETAIL_PPID,
	CHT_DETAIL_PROTOCOL, /* net.connect_attempted: "tcp", "udp" */
	CHT_DETAIL_REASON,   /* agent.bye */
	CHT_DETAIL_SYSCALL,  /* capability.denied: u32 */
	CHT_DETAIL_UID,
	CHT_N_DETAILS
};

enum cht_detail_kind { CHT_KIND_UINT, CHT_KIND_TEXT, CHT_KIND_BYTES, CHT_KIND_COVERAGE };

struct cht_detail_info {
	const char *key;  /* on the wire: "exit_code" */
	const char *json; /* in an event: "exitCode" */
	enum cht_detail_kind kind;
	uint64_t max; /* largest value, or largest length in bytes */
};

union cht_detail_value {
	uint64_t num;         /* CHT_KIND_UINT */
	struct cht_str text;  /* CHT_KIND_TEXT */
	struct cht_bytes raw; /* CHT_KIND_BYTES; CHT_KIND_COVERAGE: the encoded CBOR array */
};

/* Keys that would attribute a frame. They are dropped; which were present is kept. */
enum cht_forged {
	CHT_FORGED_CELL_ID,
	CHT_FORGED_CELL_ID_CAMEL,
	CHT_FORGED_RUN_ID,
	CHT_FORGED_RUN_ID_CAMEL,
	CHT_FORGED_SPEC_SIGNATURE_HASH,
	CHT_FORGED_SPEC_SIGNATURE_HASH_CAMEL,
	CHT_FORGED_HOST_RECEIVED_AT,
	CHT_FORGED_HOST_RECEIVED_AT_CAMEL,
	CHT_FORGED_SPEC_ID,
	CHT_FORGED_SPEC_ID_CAMEL,
	CHT_N_FORGED
};

/* What a guest declared. Views borrow from the decoded frame. detail[i] is set only where
 * bit i of .details is; agent_* only where .extensions has their bit. */
struct cht_declaration {
	enum cht_source source;
	uint16_t content_version;
	uint16_t forged; /* bit per enum cht_forged */
	uint32_t pid;
	uint32_t extensions; /* CHT_EXT_* */
	uint32_t details;    /* bit per enum cht_detail */
	uint64_t monotonic_ns;
	struct cht_str source_text; /* e.g. "process.spawned"; at most 255 bytes */
	struct cht_str comm;        /* at most 255 bytes, valid UTF-8 */
	uint64_t agent_boot;
	uint64_t agent_seq;
	uint64_t agent_dropped;
	union cht_detail_value detail[CHT_N_DETAILS];
};

/* Why a frame was refused; stable names by cht_fault_name(). */
enum cht_fault {
	CHT_FAULT_NONE = 0,
	CHT_FAULT_TRUNCATED,  /* the body ends inside an item, or claims more than it holds */
	CHT_FAULT_RESERVED,   /* a head that RFC 8949 gives no meaning */
	CHT_FAULT_INDEFINITE, /* an indefinite length, or a break */
	CHT_FAULT_TAG,
	CHT_FAULT_TYPE,          /* another major type than the key demands */
	CHT_FAULT_RANGE,         /* an integer that does not fit its key */
	CHT_FAULT_TEXT_TOO_LONG, /* a text or byte string over its key's bound */
	CHT_FAULT_UTF8,
	CHT_FAULT_DUPLICATE, /* a known key twice */
	CHT_FAULT_MISSING,   /* one of the five required keys is absent */
	CHT_FAULT_DEPTH,
	CHT_FAULT_PAIRS,    /* more than 64 pairs in the top map */
	CHT_FAULT_DETAILS,  /* more than 8,192 bytes of detail pairs */
	CHT_FAULT_TRAILING, /* bytes after the map, or above CHT_FRAME_MAX_BYTES */
	CHT_FAULT_VERSION,  /* high byte of content_version is not the major version */
	CHT_FAULT_COVERAGE, /* too many entries, one that is not of four, or an unknown state */
	CHT_N_FAULTS
};

struct cht_wire_fault {
	enum cht_fault fault;
	uint32_t at;    /* see cht_decode */
	uint32_t value; /* the version for CHT_FAULT_VERSION, else 0 */
};

/* Stable lower-case name, "truncated"; "unknown" for any other number. Static storage. */
CHT_API const char *cht_fault_name(enum cht_fault fault);

/* "process.spawned" and so on; "" for CHT_SOURCE_OTHER. Static storage. */
CHT_API const char *cht_source_name(enum cht_source source);

/* The source with this name, or CHT_SOURCE_OTHER. */
CHT_API enum cht_source cht_source_find(struct cht_str name);

/* Whether the published guest crate knows this source: one of the five that are not agent.*. */
CHT_API bool cht_source_is_known(struct cht_str name);

/* "cell_id" and so on. Static storage. */
CHT_API const char *cht_forged_name(enum cht_forged key);

/* Name, kind and bound of a detail key. Static storage; null when out of range. */
CHT_API const struct cht_detail_info *cht_detail_info(enum cht_detail detail);

/* Decodes one frame body (no length prefix) of len <= CHT_FRAME_MAX_BYTES.
 * On 0, *out borrows from body. On CHT_E_WIRE or CHT_E_VERSION, *out is unspecified and *why,
 * unless null, has the first fault and .at, the offset of the head of the item at fault (for a
 * duplicate, or a pair that makes the details too many, of its key; for a missing key or too many
 * pairs, of the map); len if the input ends early; the first trailing byte.
 * docs/PROTOCOL.wire, "Faults". */
CHT_API int cht_decode(const uint8_t *body, size_t len, struct cht_declaration *out,
		       struct cht_wire_fault *why) CHT_CHECKED;

/* Encodes length prefix and body into out[0..cap), the five keys in the order of the published
 * agent, then those extensions and details whose bits are set, shortest heads. .source_text is
 * what is written (.source is not looked at). Returns the number of bytes written, or
 * CHT_E_FULL (cap too small), CHT_E_RANGE (a text or detail over its bound or not UTF-8, another
 * major version, a bit without meaning). Whatever it writes, cht_decode takes. */
CHT_API int cht_encode(const struct cht_declaration *declaration, uint8_t *out,
		       size_t cap) CHT_CHECKED;

/* One entry of an agent.hello's coverage. */
struct cht_coverage {
	struct cht_str source;    /* "process.spawned" */
	struct cht_str state;     /* "active" | "degraded" | "absent" */
	struct cht_str mechanism; /* "proc-connector"; may be empty */
	struct cht_str reason;    /* why not active; may be empty */
};

/* Walks a decoded CHT_DETAIL_COVERAGE value: *at starts at 0 and is moved on. Returns true and
 * fills *out, whose views borrow from the frame; false at the end. */
CHT_API bool cht_coverage_next(struct cht_bytes coverage, size_t *at, struct cht_coverage *out);

/* Encodes n <= CHT_COVERAGE_MAX entries as the value of CHT_DETAIL_COVERAGE. Returns bytes
 * written, CHT_E_FULL or CHT_E_RANGE. */
CHT_API int cht_coverage_encode(const struct cht_coverage *entries, size_t n, uint8_t *out,
				size_t cap) CHT_CHECKED;

/* The strict codec of the published guest crate, for those who port from it. */
enum cht_guest_fault {
	CHT_GUEST_OK = 0,
	CHT_GUEST_FRAME_TOO_LARGE,
	CHT_GUEST_FRAME_TRUNCATED,
	CHT_GUEST_SHORT_HEADER,
	CHT_GUEST_UNEXPECTED_EOF,
	CHT_GUEST_UNSUPPORTED_MAJOR,
	CHT_GUEST_UNSUPPORTED_ADDITIONAL,
	CHT_GUEST_NOT_MAP5,
	CHT_GUEST_CONTENT_VERSION_MUST_BE_FIRST,
	CHT_GUEST_UNSUPPORTED_CONTENT_VERSION,
	CHT_GUEST_MISSING_FIELD,
	CHT_GUEST_FIELD_TYPE,
	CHT_GUEST_INTEGER_OVERFLOW,
	CHT_GUEST_UNKNOWN_PROBE_SOURCE,
	CHT_GUEST_INVALID_UTF8,
	CHT_N_GUEST_FAULTS
};

/* Decodes one frame, length prefix included, as the guest crate does: exactly five keys,
 * content_version first and equal to 1, one of its five sources, body <= 4,096 bytes; like it, it
 * lets pass what follows the map or the frame, and a comm of any length. On CHT_GUEST_OK *out
 * borrows from frame; otherwise *out is unspecified. */
CHT_API enum cht_guest_fault cht_guest_decode(const uint8_t *frame, size_t len,
					      struct cht_declaration *out) CHT_CHECKED;

/* The same for a body of any length without its prefix. */
CHT_API enum cht_guest_fault cht_guest_decode_body(const uint8_t *body, size_t len,
						   struct cht_declaration *out) CHT_CHECKED;

/* The crate's name of a fault, "FrameTooLarge". Static storage. */
CHT_API const char *cht_guest_fault_name(enum cht_guest_fault fault);

CHT_END_DECLS

#endif
