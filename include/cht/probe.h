/* SPDX-License-Identifier: Apache-2.0
 *
 * probe.h - what the host sees of a VM without asking it: a probe is opened on a source of the
 * host, is read when its caller says so, and gives one reading at a time.
 *
 * Nothing here blocks, owns a thread or a timer, or runs another program: files are read from
 * descriptors that stay open, netlink is asked and answers at once. A source that is missing,
 * forbidden or strange gives a reading all the same, which says so and holds nothing that was
 * not read. Elsewhere than on Linux every probe is CHT_E_UNSUPPORTED.
 */
#ifndef CHT_PROBE_H
#define CHT_PROBE_H

#include <cht/err.h>
#include <cht/event.h>
#include <cht/stamp.h>

CHT_BEGIN_DECLS

enum cht_probe_kind {
	CHT_PROBE_FC_METRICS, /* Firecracker's metrics, from a FIFO or file */
	CHT_PROBE_CGROUP,     /* memory.events, cpu.stat, pids.events, pressure */
	CHT_PROBE_NFTABLES,   /* the counters of a table's rules */
	CHT_PROBE_TAP_LINK,   /* a link's state and counters */
	CHT_PROBE_VMM_PROC,   /* the VMM's process: guest time, state, memory */
	CHT_N_PROBES
};

#define CHT_SOURCE_PROBES_URI       "cellos-host-telemetry/probes"
#define CHT_PROBE_TYPE_PREFIX       "dev.cellos.events.cell.observability.host.v1."
#define CHT_PROBE_SOURCE_FC_METRICS "host.fc_metrics"
#define CHT_PROBE_SOURCE_CGROUP     "host.cgroup"
#define CHT_PROBE_SOURCE_NFTABLES   "host.nftables"
#define CHT_PROBE_SOURCE_TAP_LINK   "host.tap_link"
#define CHT_PROBE_SOURCE_VMM_PROC   "host.vmm_proc"

enum {
	CHT_PROBE_TEXT_MAX = 1023,         /* bytes of any text in the options */
	CHT_PROBE_INPUTS_MAX_BYTES = 8192, /* no reading's inputs are longer */
	CHT_PROBE_OUTPUT_MAX_BYTES = 49152 /* nor its output: what is longer is left out and said */
};

/* "fc_metrics", …; static storage. */
CHT_API const char *cht_probe_name(enum cht_probe_kind kind);
/* The probe of that name, with "host." before it or without. False: there is none. */
CHT_API bool cht_probe_find(struct cht_str name, enum cht_probe_kind *out);

/* What to look at. Texts are copied; null and 0: not given. */
struct cht_probe_options {
	enum cht_probe_kind kind;
	/* fc_metrics: the FIFO or file that the VMM writes; one of the two. endpoint: as a
	 * reading's inputs are to name it; null: "unix://API/metrics", else "fifo://FIFO" or
	 * "file://FILE". api: the VMM's API socket, or null. */
	const char *fifo, *file, *endpoint, *api;
	bool flush; /* ask the VMM for a line before each reading: that resets its counters for
		     * every other reader. Needs api. */
	/* cgroup: its directory, or, without a slash before it, its path in the trees of the host,
	 * of whichever version (docs/EVENTS.md, host.cgroup); at most 960 bytes. */
	const char *cgroup;
	/* nftables: "ip", "ip6", "inet", "arp", "bridge", "netdev"; and a table of that family. */
	const char *family, *table;
	const char *iface; /* tap_link */
	/* tap_link, nftables: in whose network namespace: a name in /run/netns, or a process's;
	 * null and 0: ours. */
	const char *netns;
	uint32_t netns_pid;
	uint32_t pid; /* vmm_proc */
};

/* What a reading says of the VM's getting on, since the reading before. */
enum cht_probe_says {
	CHT_PROBE_SAYS_NOTHING, /* it is the first, or it failed, or this source cannot tell */
	CHT_PROBE_SAYS_RUNS,    /* the VM got on */
	CHT_PROBE_SAYS_STILL,   /* it did nothing */
	CHT_PROBE_SAYS_STARVED, /* it wanted the processor and was not given it */
	CHT_PROBE_SAYS_GONE     /* what was looked at has ended */
};

/* What a reading counts of the VM's traffic, since the source began to count or the probe was
 * opened. Seen from the guest: out is what it sent. */
struct cht_probe_traffic {
	bool has_packets, has_vsock;
	bool is_down; /* nothing could pass when it was read: the link is down, or not there */
	uint64_t packets_out, packets_in, bytes_out, bytes_in;
	uint64_t vsock_bytes_out; /* of all its ports */
};

/* Views live until the next call on the probe. */
struct cht_reading {
	enum cht_probe_kind kind;
	int64_t sampled_ns; /* CLOCK_REALTIME when it was read */
	struct cht_str
		inputs; /* a canonical JSON object: what was looked at, and how to repeat it */
	struct cht_str output; /* another: what was seen; empty when nothing was */
	/* Why it was not read, or not whole: "not_found", "forbidden", "gone", "unsupported",
	 * "malformed", "too_large", "no_source", "io", …; empty: it was. And a sentence to it. */
	struct cht_str error, error_text;
	enum cht_probe_says says;
	struct cht_probe_traffic traffic;
	bool has_more; /* another one may be there already: of metrics, the next line */
};

struct cht_probe; /* opaque */

/* Opens what there is to open; a source that is not there yet is looked for again at each reading.
 * CHT_E_RANGE names an option that cannot be; CHT_E_UNSUPPORTED, CHT_E_NOMEM. The caller frees. */
CHT_API int cht_probe_open(struct cht_probe **out, const struct cht_probe_options *options,
			   struct cht_err *err) CHT_CHECKED;
/* A descriptor, and what poll(2) is to ask it for, that is ready when there is something to read of
 * before its time: an out-of-memory kill, a link that goes down, a line of metrics, the VMM's end.
 * -1: this source is only read in its time. Both may change with each reading. */
CHT_API int cht_probe_fd(const struct cht_probe *probe, short *events);
/* One reading. 1: *out is it, failed or not (out->error). 0: there is nothing since the last one:
 * of metrics no line was written. Never fails. */
CHT_API int cht_probe_read(struct cht_probe *probe, const struct cht_now *now,
			   struct cht_reading *out) CHT_CHECKED;
CHT_API void cht_probe_free(struct cht_probe *probe); /* null is fine */

/* Stamps one reading with the next number of the cell's run. As cht_stamp; borrows from reading. */
CHT_API const struct cht_stamped *cht_stamp_reading(struct cht_cell *cell,
						    const struct cht_reading *reading,
						    const struct cht_now *now);

/* A reading that a probe of the caller's own took: its name as cht_probe_find has it, what it saw
 * as one JSON object, and when. */
struct cht_host_probe_reading {
	struct cht_str probe;
	struct cht_str value;
	int64_t timestamp_ns; /* CLOCK_REALTIME */
};

/* Renders its event, of the next number of the cell's run, into out[0..cap): value stands in
 * `output`, and `inputs` is {}. options as of cht_event_render; null: CHT_SHAPE_FULL. Returns the
 * number of bytes. CHT_E_RANGE: there is no such probe, or value is too long; CHT_E_PARSE: value is
 * no canonical JSON object (docs/EVENTS.md); CHT_E_FULL: CHT_EVENT_MAX_BYTES always suffice;
 * CHT_E_NOMEM. No number is taken on failure. */
CHT_API int cht_host_probe_event(struct cht_cell *cell,
				 const struct cht_host_probe_reading *reading,
				 const struct cht_event_options *options, const struct cht_now *now,
				 uint8_t *out, size_t cap) CHT_CHECKED;

CHT_END_DECLS

#endif
