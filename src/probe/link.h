/* SPDX-License-Identifier: Apache-2.0
 *
 * link.h - a link as the kernel tells of it, and how it is asked. Of this module alone.
 */
#ifndef PROBE_LINK_H
#define PROBE_LINK_H

#include "probe/nl.h"

enum { LINK_NAME_MAX = 15 };

enum link_counter {
	LINK_RX_BYTES,
	LINK_RX_DROPPED,
	LINK_RX_ERRORS,
	LINK_RX_PACKETS,
	LINK_TX_BYTES,
	LINK_TX_DROPPED,
	LINK_TX_ERRORS,
	LINK_TX_PACKETS,
	LINK_N_COUNTERS
};

struct link {
	uint32_t ifindex;
	bool is_up;            /* by whoever administers it, and with a carrier */
	const char *operstate; /* as sysfs has it; static */
	bool carrier;
	bool has_changes;         /* an old kernel does not tell */
	uint32_t carrier_changes; /* since the link was made */
	uint64_t counters[LINK_N_COUNTERS];
};

enum link_told {
	LINK_NOT, /* it is of something else */
	LINK_IS,
	LINK_REMOVED,
	LINK_STRANGE /* it is of this link, and cannot be read */
};

/* A name that the kernel lets a link have. */
bool link_is_name(const char *name);
/* What a message says of the link of this name. *out is written for LINK_IS. */
enum link_told link_read(const struct nl_message *m, const char *name, struct link *out);
/* Asks for the link of this name; the answer has this number. 0, or -errno. */
int link_ask(int fd, const char *name, uint32_t seq) CHT_CHECKED;
/* From here on the socket hears what happens to a link of this name, and of no other; answers it
 * hears as before. 0, or -errno. */
int link_listen(int fd, const char *name) CHT_CHECKED;

#endif
