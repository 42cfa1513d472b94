/* SPDX-License-Identifier: Apache-2.0
 *
 * synth.h - the frames of a synthetic guest, at the speed of a copy.
 *
 * Each kind of frame is encoded once for each width that its sequence number can have; after
 * that a frame is a copy in which numbers are written over. The bytes are those that encoding
 * it anew would give.
 */
#ifndef CLI_SYNTH_H
#define CLI_SYNTH_H

#include <cht/wire.h>

enum synth_kind {
	SYNTH_PLAIN,
	SYNTH_HELLO,
	SYNTH_BAD_CBOR, /* the map's head is a break */
	SYNTH_VERSION,  /* content_version 0x0100 */
	SYNTH_FORGED,   /* cell_id and runId beside the five keys */
	SYNTH_UNKNOWN,  /* a source that nobody knows */
	SYNTH_N_KINDS
};

enum { SYNTH_FRAME_MAX = 1024, SYNTH_WIDTHS = 5 };

/* Smaller numbers would have shorter heads: agent_boot and guest_monotonic_ns are at least. */
#define SYNTH_WIDE_MIN (UINT64_C(1) << 32)

struct synth_options {
	struct cht_str source, comm; /* borrowed */
	uint32_t pid;
	bool has_seq; /* agent_boot, agent_seq, agent_dropped */
};

struct synth_template {
	uint8_t bytes[SYNTH_FRAME_MAX];
	uint16_t len, mono_at, boot_at, seq_at;
};

struct synth {
	bool has_seq;
	struct synth_template templates[SYNTH_N_KINDS][SYNTH_WIDTHS];
};

struct synth_numbers {
	uint64_t mono, boot; /* at least SYNTH_WIDE_MIN */
	uint64_t seq;
};

/* CHT_E_RANGE: a text is above its bound or not UTF-8. */
int synth_init(struct synth *s, const struct synth_options *options,
	       struct cht_err *err) CHT_CHECKED;

/* Writes a frame, length included, to out, which has room for SYNTH_FRAME_MAX; returns its
 * bytes. */
size_t synth_put(const struct synth *s, enum synth_kind kind, const struct synth_numbers *numbers,
		 uint8_t *out);

/* The same by encoding, for synth_init and for tests. CHT_E_RANGE, CHT_E_FULL. */
int synth_build(const struct synth_options *options, enum synth_kind kind,
		const struct synth_numbers *numbers, uint8_t *out, size_t cap) CHT_CHECKED;

#endif
