/* SPDX-License-Identifier: Apache-2.0
 *
 * err.h - the closed list of result codes, and the detail that goes with one at the edges.
 *
 * Every fallible function returns 0 (or a count that it documents) on success and a negative
 * code on failure. Those that can say more take a `struct cht_err *` as their last argument;
 * it may be null, and it is written only on failure. The path of a frame uses the bare code.
 */
#ifndef CHT_ERR_H
#define CHT_ERR_H

#include <cht/types.h>

CHT_BEGIN_DECLS

enum cht_code {
	CHT_OK = 0,
	CHT_E_NOMEM = -1,        /* no memory for what was asked */
	CHT_E_IO = -2,           /* a system call failed; err.sys is errno */
	CHT_E_BIND = -3,         /* a listening socket could not be made */
	CHT_E_WIRE = -4,         /* bytes from a guest do not follow the wire format */
	CHT_E_VERSION = -5,      /* a major version that this build does not read; err.value */
	CHT_E_PARSE = -6,        /* text or a file of ours or of the host does not parse */
	CHT_E_SINK = -7,         /* what should take a value did not */
	CHT_E_LIMIT = -8,        /* a configured bound would be passed */
	CHT_E_STATE = -9,        /* not possible in the present state, or stored state is damaged */
	CHT_E_VERIFY = -10,      /* a signature, hash or sequence does not hold */
	CHT_E_CONFIG = -11,      /* configuration or environment is wrong */
	CHT_E_UNSUPPORTED = -12, /* this kernel or build cannot do it */
	CHT_E_KEY = -13,         /* key material cannot be used */
	CHT_E_SIGN = -14,        /* signing failed */
	CHT_E_RANGE = -15,       /* a value does not fit where it must go */
	CHT_E_FULL = -16,        /* no room now; nothing was taken */
	CHT_E_PEER = -17         /* the process at the other end broke its protocol or died */
};

struct cht_err {
	int code;       /* enum cht_code */
	int sys;        /* errno, or 0 */
	uint32_t value; /* the offending number where there is one: a version, a line, an offset */
	char text[160]; /* what, where, and what to do; NUL-terminated; never key bytes */
};

/* The code's name without its prefix, "IO" for CHT_E_IO; "unknown" for any other number.
 * Static storage. */
CHT_API const char *cht_code_name(int code);

CHT_END_DECLS

#endif
