/* SPDX-License-Identifier: Apache-2.0
 *
 * connection.h - what listener and connection are, for the two files that make them up.
 */
#ifndef LIB_CONNECTION_H
#define LIB_CONNECTION_H

#include <cht/listener.h>

#include "channel/channel.h"
#include "wire/framer.h"

enum {
	CONNECTION_READ_BYTES = 16384, /* one read; what is left of it waits here */
	/* Every frame fits, whoever else is in the middle of one: a caller's loop has no way to
	 * stop reading one connection for want of another's blocks. */
	CONNECTION_BLOCKS = CHT_FRAME_MAX_BYTES / PARTIAL_BLOCK_BYTES + 2
};

struct cht_listener {
	struct channel_socket socket;
	struct channel_spare spare;
	int64_t expected_uid;
	unsigned open, max;
	uint64_t accepted;
};

struct cht_connection {
	struct cht_listener *listener;
	int fd;
	bool is_told; /* the cell knows of it */
	struct cht_frame_facts facts;
	struct channel_peer peer;
	uint64_t frames, bytes;
	struct framer framer;
	struct frame_pool pool;
	struct frame_quota quota;
	struct cht_bytes in;             /* read, not yet taken apart; in .read */
	struct cht_declaration declared; /* what a stamped value points to */
	uint8_t read[CONNECTION_READ_BYTES];
	uint8_t scratch[CHT_FRAME_HEAD_BYTES + CHT_FRAME_MAX_BYTES];
	struct frame_block blocks[CONNECTION_BLOCKS];
};

#endif
