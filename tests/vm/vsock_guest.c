/* SPDX-License-Identifier: Apache-2.0
 *
 * vsock_guest - the guest end of a vhost-vsock device, without a VM around it: this process's
 * memory is the guest's, and it writes each packet itself. So a host kernel meets any number of
 * CIDs, and guests that lie.
 *
 * usage: vsock_guest CID [--as CID] [--connects N] [FILE]
 *
 * Connects to port 9001 of CID 2, N times (default 1), from a port each; sends FILE on the first
 * connection, and keeps them until it is killed, as a VM is. --as: with another CID in every
 *packet. With one connection says what happens to it: open		it was answered reset
 *it was refused, or closed by the host sent		all of FILE has left
 *	silence		there was no answer within a second
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_vsock.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	RX, /* host to guest */
	TX,
	N_QUEUES,
	ENTRIES = 128,
	PACKET = 4096,
	HOST_CID = 2,
	HOST_PORT = 9001,
	FIRST_PORT = 10000,
	OUR_ROOM = 1 << 18
};

struct ring {
	struct vring_desc desc[ENTRIES];
	uint16_t avail_flags, avail_idx, avail[ENTRIES + 1];
	_Alignas(4) uint16_t used_flags;
	uint16_t used_idx;
	struct vring_used_elem used[ENTRIES + 1];
	_Alignas(64) uint8_t packets[ENTRIES][PACKET];
};

/* All the memory that the device sees; its physical address is the offset in it. */
static struct memory {
	_Alignas(4096) struct ring ring[N_QUEUES];
} * memory;

static int device = -1, kick[N_QUEUES], call[N_QUEUES];
static uint16_t seen[N_QUEUES]; /* used entries that we have looked at */
static uint64_t cid, said_cid;
static uint32_t credit = UINT32_MAX; /* that the host gave the first connection */
static bool is_answered, is_reset;
static unsigned n_wanted = 1;

static void must(bool good, const char *what)
{
	if (good)
		return;
	perror(what);
	exit(1);
}

static uint64_t at(const void *p)
{
	return (uint64_t)((const uint8_t *)p - (const uint8_t *)memory);
}

static void start_queue(unsigned q)
{
	struct ring *r = &memory->ring[q];
	struct vhost_vring_state state = { .index = q, .num = ENTRIES };
	struct vhost_vring_addr address = { .index = q,
					    .desc_user_addr = (uintptr_t)r->desc,
					    .avail_user_addr = (uintptr_t)&r->avail_flags,
					    .used_user_addr = (uintptr_t)&r->used_flags };
	struct vhost_vring_file file = { .index = q };

	for (unsigned i = 0; i < ENTRIES; i++) {
		r->desc[i].addr = at(r->packets[i]);
		r->desc[i].len = PACKET;
		r->desc[i].flags = q == RX ? VRING_DESC_F_WRITE : 0;
		r->avail[i] = (uint16_t)i;
	}
	r->avail_idx = q == RX ? ENTRIES : 0;
	kick[q] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	call[q] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	must(ioctl(device, VHOST_SET_VRING_NUM, &state) == 0, "VRING_NUM");
	state.num = 0;
	must(ioctl(device, VHOST_SET_VRING_BASE, &state) == 0, "VRING_BASE");
	must(ioctl(device, VHOST_SET_VRING_ADDR, &address) == 0, "VRING_ADDR");
	file.fd = kick[q];
	must(ioctl(device, VHOST_SET_VRING_KICK, &file) == 0, "VRING_KICK");
	file.fd = call[q];
	must(ioctl(device, VHOST_SET_VRING_CALL, &file) == 0, "VRING_CALL");
}

static void start_device(void)
{
	struct vhost_memory *table = calloc(1, sizeof(*table) + sizeof(table->regions[0]));
	uint64_t features = UINT64_C(1) << VIRTIO_F_VERSION_1;
	int running = 1;

	device = open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC);
	must(device >= 0, "/dev/vhost-vsock");
	memory = mmap(NULL, sizeof(*memory), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	must(memory != MAP_FAILED, "memory");
	must(table != NULL, "memory");
	table->nregions = 1;
	table->regions[0].memory_size = sizeof(*memory);
	table->regions[0].userspace_addr = (uintptr_t)memory;
	must(ioctl(device, VHOST_SET_OWNER) == 0, "SET_OWNER");
	must(ioctl(device, VHOST_SET_FEATURES, &features) == 0, "SET_FEATURES");
	must(ioctl(device, VHOST_SET_MEM_TABLE, table) == 0, "SET_MEM_TABLE");
	free(table);
	start_queue(RX);
	start_queue(TX);
	must(ioctl(device, VHOST_VSOCK_SET_GUEST_CID, &cid) == 0, "SET_GUEST_CID");
	must(ioctl(device, VHOST_VSOCK_SET_RUNNING, &running) == 0, "SET_RUNNING");
}

static void ring_bell(unsigned q)
{
	uint64_t one = 1;

	(void)!write(kick[q], &one, sizeof(one));
}

static uint16_t used(unsigned q)
{
	return atomic_load((_Atomic uint16_t *)&memory->ring[q].used_idx);
}

static void put_packet(unsigned port, uint16_t op, const void *payload, uint32_t len)
{
	struct ring *r = &memory->ring[TX];
	unsigned i = r->avail_idx % ENTRIES;
	struct virtio_vsock_hdr head = { .src_cid = said_cid,
					 .dst_cid = HOST_CID,
					 .src_port = FIRST_PORT + port,
					 .dst_port = HOST_PORT,
					 .len = len,
					 .type = VIRTIO_VSOCK_TYPE_STREAM,
					 .op = op,
					 .buf_alloc = OUR_ROOM };

	while ((uint16_t)(r->avail_idx - used(TX)) == ENTRIES)
		(void)poll(&(struct pollfd){ .fd = call[TX], .events = POLLIN }, 1, 1);
	memcpy(r->packets[i], &head, sizeof(head));
	if (len > 0)
		memcpy(r->packets[i] + sizeof(head), payload, len);
	r->desc[i].len = (uint32_t)sizeof(head) + len;
	atomic_store((_Atomic uint16_t *)&r->avail_idx, (uint16_t)(r->avail_idx + 1));
	ring_bell(TX);
}

static void tell(const char *what)
{
	if (n_wanted == 1)
		(void)puts(what);
	(void)fflush(stdout);
}

static void on_packet(const struct virtio_vsock_hdr *head)
{
	bool is_first = head->dst_port == FIRST_PORT;

	if (is_first)
		credit = head->buf_alloc + head->fwd_cnt;
	if (head->op == VIRTIO_VSOCK_OP_RESPONSE) {
		is_answered = true;
		tell("open");
	} else if (head->op == VIRTIO_VSOCK_OP_RST || head->op == VIRTIO_VSOCK_OP_SHUTDOWN) {
		is_answered = is_reset = true;
		if (head->op == VIRTIO_VSOCK_OP_SHUTDOWN)
			put_packet(head->dst_port - FIRST_PORT, VIRTIO_VSOCK_OP_RST, NULL, 0);
		tell("reset");
	}
}

/* Looks at what the host sent, and gives it the room again. */
static void look(void)
{
	struct ring *r = &memory->ring[RX];
	bool any = false;

	for (; seen[RX] != used(RX); seen[RX]++, any = true) {
		uint32_t i = r->used[seen[RX] % ENTRIES].id;
		struct virtio_vsock_hdr head;

		memcpy(&head, r->packets[i], sizeof(head));
		r->avail[r->avail_idx % ENTRIES] = (uint16_t)i;
		atomic_store((_Atomic uint16_t *)&r->avail_idx, (uint16_t)(r->avail_idx + 1));
		on_packet(&head);
	}
	if (any)
		ring_bell(RX);
}

/* Until the host has something. */
static void await(int timeout_ms)
{
	struct pollfd answer = { .fd = call[RX], .events = POLLIN };
	uint64_t count;

	if (seen[RX] == used(RX))
		(void)poll(&answer, 1, timeout_ms);
	(void)!read(call[RX], &count, sizeof(count));
	look();
}

static void send_file(const char *path)
{
	uint8_t part[PACKET - sizeof(struct virtio_vsock_hdr)];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint32_t sent = 0;
	ssize_t n;

	must(fd >= 0, path);
	while ((n = read(fd, part, sizeof(part))) > 0) {
		while (!is_reset && credit - sent < (uint32_t)n)
			await(1000);
		put_packet(0, VIRTIO_VSOCK_OP_RW, part, (uint32_t)n);
		sent += (uint32_t)n;
	}
	(void)close(fd);
	tell("sent");
}

int main(int argc, char **argv)
{
	const char *path = NULL;

	if (argc < 2)
		return 2;
	said_cid = cid = strtoul(argv[1], NULL, 10);
	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--as") == 0 && i + 1 < argc)
			said_cid = strtoul(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--connects") == 0 && i + 1 < argc)
			n_wanted = (unsigned)strtoul(argv[++i], NULL, 10);
		else
			path = argv[i];
	}
	start_device();
	for (unsigned i = 0; i < n_wanted; i++) {
		put_packet(i, VIRTIO_VSOCK_OP_REQUEST, NULL, 0);
		look();
	}
	await(1000);
	if (!is_answered)
		tell("silence");
	if (path != NULL)
		send_file(path);
	for (;;)
		await(-1);
}
