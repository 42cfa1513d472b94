/* SPDX-License-Identifier: Apache-2.0
 *
 * probes - each probe beside a bare loop that reads the same files and sockets, in turns; and what
 * 100 frames cost beside the longest of its readings. It prints and never judges.
 *
 * usage: probes ROUNDS KIND NAME=VALUE...	one JSON line: kind, ns, bareNs, ratio, p99Ns,
 * framesNs
 *
 * cgroup=DIR pid=PID iface=NAME family=F table=T file=METRICS line=FILE (a line to put into it)
 * parse=1 (the bare loop parses and sorts that line, by jansson)
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "cell/cell.h"
#include "event/event.h"
#include "netlink/netlink.h"

enum { FRAMES = 100, FILES_MAX = 64, READ_BYTES = 65536, ROUNDS_MAX = 100000 };

static struct {
	const char *cgroup, *iface, *family, *table, *file, *line;
	uint32_t pid;
	bool parses; /* and does not only read a line */
	int fds[FILES_MAX];
	unsigned n_fds;
	int sock, to; /* netlink; where lines are put */
	char text[READ_BYTES];
	size_t text_len;
	off_t read_to;
	uint8_t in[READ_BYTES];
} b;

static volatile uint64_t sink;

static void die(const char *what)
{
	fprintf(stderr, "probes: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void bare_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && b.n_fds < FILES_MAX)
		b.fds[b.n_fds++] = fd;
}

static void bare_open_cgroup(void)
{
	static const char *const names[] = { "memory.events", "cpu.stat",     "pids.events",
					     "cgroup.events", "cpu.pressure", "memory.pressure" };
	char path[1024];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", b.cgroup, names[i]);
		bare_file(path);
	}
}

static void bare_open_vmm(void)
{
	char path[300];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%u/stat", b.pid);
	bare_file(path);
	snprintf(path, sizeof(path), "/proc/%u/task", b.pid);
	dir = opendir(path);
	while (dir != NULL && (e = readdir(dir)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%u/task/%.20s/stat", b.pid, e->d_name);
		bare_file(path);
		snprintf(path, sizeof(path), "/proc/%u/task/%.20s/schedstat", b.pid, e->d_name);
		bare_file(path);
	}
	if (dir != NULL)
		closedir(dir);
}

static void bare_open_net(int protocol)
{
	const struct netlink_place here = { .name = NULL };
	struct cht_err err;

	b.sock = netlink_open(protocol, &here, &err);
	if (b.sock < 0)
		die(err.text);
}

static void bare_files(void)
{
	for (unsigned i = 0; i < b.n_fds; i++)
		sink += (uint64_t)pread(b.fds[i], b.in, sizeof(b.in), 0);
}

static void bare_route(void)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg info;
		struct rtattr attr;
		char name[IFNAMSIZ];
	} q = { .head = { .nlmsg_len = sizeof(q),
			  .nlmsg_type = RTM_GETLINK,
			  .nlmsg_flags = NLM_F_REQUEST },
		.attr = { .rta_len = sizeof(struct rtattr) + IFNAMSIZ, .rta_type = IFLA_IFNAME } };

	strncpy(q.name, b.iface, IFNAMSIZ - 1);
	if (send(b.sock, &q, sizeof(q), 0) < 0)
		die("send");
	sink += (uint64_t)recv(b.sock, b.in, sizeof(b.in), 0);
}

static void bare_nft(void)
{
	ssize_t n;
	struct cht_err err;

	if (netlink_ask_rules(b.sock, b.family, b.table, &err) < 0)
		die(err.text);
	while ((n = recv(b.sock, b.in, sizeof(b.in), 0)) > 0)
		sink += (uint64_t)n;
}

/* The same document, sorted, by a library. */
static void bare_parse(size_t n)
{
	json_t *doc = json_loadb((const char *)b.in, n,
				 JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, NULL);
	static char out[READ_BYTES];

	if (doc == NULL)
		die("the line");
	sink += json_dumpb(doc, out, sizeof(out), JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(doc);
}

static void bare_line(void)
{
	ssize_t n = pread(b.fds[0], b.in, sizeof(b.in), b.read_to);

	if (n > 0)
		b.read_to += n;
	sink += (uint64_t)n;
	if (n > 0 && b.parses)
		bare_parse((size_t)n);
}

/* Before each reading of both: there is something new to read. */
static void put_line(void)
{
	if (b.to >= 0 && write(b.to, b.text, b.text_len) != (ssize_t)b.text_len)
		die("write");
}

static uint64_t frames_ns(void)
{
	static struct cht_cell cell;
	static struct run_names names;
	static struct cell_met met;
	static uint8_t event[CHT_EVENT_MAX_BYTES];
	const struct cht_declaration like = { .source = CHT_SOURCE_PROCESS_SPAWNED,
					      .content_version = 1,
					      .pid = 7,
					      .source_text = STR("process.spawned"),
					      .comm = STR("bash") };
	const struct cht_frame_facts facts = { .connection = 1, .frame_bytes = 80, .peer_uid = 1 };
	const struct cell_options options = {
		.cell_id = STR("a"), .names = &names, .met = &met, .expected_uid = -1
	};
	static struct event_renderer renderer;
	struct cht_stamped stamped;
	struct cht_declaration d;
	struct cht_now now;
	uint8_t frame[512];
	uint64_t from;
	int n;

	clk_read(&now);
	if (cell.run.cell_id == NULL && cell_init(&cell, &options, &now, NULL) < 0)
		die("cell");
	n = cht_encode(&like, frame, sizeof(frame));
	if (n < 0)
		die("encode");
	from = clk_monotonic_ns();
	for (int i = 0; i < FRAMES; i++) {
		struct cht_wire_fault fault;
		struct buf out = buf_init(event, sizeof(event));

		if (cht_decode(frame + 4, (size_t)n - 4, &d, &fault) < 0)
			die("decode");
		cell_note_frame(&cell, &d, &facts, &now);
		if (cell_stamp(&cell, &d, &facts, &now, &stamped))
			event_render(&renderer, &stamped, CHT_SHAPE_FULL, &out);
		sink += buf_len(&out);
	}
	return clk_monotonic_ns() - from;
}

static int by_size(const void *a, const void *c)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)c;

	return (x > y) - (x < y);
}

static uint64_t at(uint64_t *all, unsigned n, unsigned percent)
{
	qsort(all, n, sizeof(*all), by_size);
	return all[(uint64_t)n * percent / 100 < n ? (uint64_t)n * percent / 100 : n - 1];
}

static void take(const char *word)
{
	const char *value = strchr(word, '=');

	if (value == NULL)
		exit(2);
	value++;
	switch (word[0]) {
	case 'c': b.cgroup = value; break;
	case 'p':
		if (word[1] == 'a')
			b.parses = true;
		else
			b.pid = (uint32_t)atoi(value);
		break;
	case 'i': b.iface = value; break;
	case 't': b.table = value; break;
	case 'l': b.line = value; break;
	case 'f':
		if (word[1] == 'a')
			b.family = value;
		else
			b.file = value;
		break;
	default: exit(2);
	}
}

static void load_line(void)
{
	int fd = open(b.line, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, b.text, sizeof(b.text)) : -1;

	if (n <= 0)
		die(b.line);
	b.text_len = (size_t)n;
	b.to = open(b.file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (b.to < 0)
		die(b.file);
	bare_file(b.file);
}

static void (*open_bare(enum cht_probe_kind kind))(void)
{
	switch (kind) {
	case CHT_PROBE_CGROUP: bare_open_cgroup(); return bare_files;
	case CHT_PROBE_VMM_PROC: bare_open_vmm(); return bare_files;
	case CHT_PROBE_TAP_LINK: bare_open_net(0); return bare_route; /* NETLINK_ROUTE */
	case CHT_PROBE_NFTABLES: bare_open_net(12); return bare_nft;  /* NETLINK_NETFILTER */
	case CHT_PROBE_FC_METRICS:
	case CHT_N_PROBES: break;
	}
	load_line();
	return bare_line;
}

static uint64_t timed(void (*run)(void))
{
	uint64_t from = clk_monotonic_ns();

	run();
	return clk_monotonic_ns() - from;
}

static struct cht_probe *probe;

static void read_probe(void)
{
	struct cht_reading reading;
	struct cht_now now;

	clk_read(&now);
	if (cht_probe_read(probe, &now, &reading) == 1 && reading.output.len == 0)
		sink += 1;
	sink += reading.output.len;
}

int main(int argc, char **argv)
{
	static uint64_t ours[ROUNDS_MAX], bare[ROUNDS_MAX], frames[ROUNDS_MAX];
	struct cht_probe_options options = { .flush = false };
	unsigned n = argc > 2 ? (unsigned)atoi(argv[1]) : 0;
	void (*run_bare)(void);
	uint64_t o, r;
	struct cht_err err;

	b.to = -1;
	if (n == 0 || n > ROUNDS_MAX || !cht_probe_find(str_of(argv[2]), &options.kind))
		return 2;
	for (int i = 3; i < argc; i++)
		take(argv[i]);
	options.cgroup = b.cgroup;
	options.pid = b.pid;
	options.iface = b.iface;
	options.family = b.family;
	options.table = b.table;
	options.file = b.file;
	run_bare = open_bare(options.kind);
	if (cht_probe_open(&probe, &options, &err) < 0)
		die(err.text);
	put_line();
	read_probe();
	run_bare();
	for (unsigned i = 0; i < n; i++) {
		put_line();
		ours[i] = timed(read_probe);
		bare[i] = timed(run_bare);
		frames[i] = frames_ns();
	}
	o = at(ours, n, 50);
	r = at(bare, n, 50);
	printf("{\"kind\":\"%s\",\"ns\":%llu,\"bareNs\":%llu,\"ratio\":%.3f,\"p99Ns\":%llu,"
	       "\"framesNs\":%llu}\n",
	       cht_probe_name(options.kind), (unsigned long long)o, (unsigned long long)r,
	       (double)o / (double)r, (unsigned long long)at(ours, n, 99),
	       (unsigned long long)at(frames, n, 50));
	cht_probe_free(probe);
	return 0;
}
