/* SPDX-License-Identifier: Apache-2.0
 *
 * An exec opens, in this order: each script of a chain, the program, and the program's loader
 * when it names one. Only the program is wanted; what a file is stands in its first bytes, which
 * the descriptor that comes with the event lets us read.
 */
#include "agent/source_exec.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/fanotify.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"

enum {
	HEAD_BYTES = 1024, /* ELF header and program headers of any usual program */
	LINE_BYTES = 4096,
	FILES_PER_LOOK = 256
};

static bool has_loader(struct cht_bytes head)
{
	Elf64_Ehdr elf;
	Elf64_Phdr part;

	if (head.len < sizeof(elf))
		return false;
	memcpy(&elf, head.ptr, sizeof(elf));
	if (elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_phentsize != sizeof(part))
		return false;
	for (size_t i = 0, at = elf.e_phoff; i < elf.e_phnum; i++, at += sizeof(part)) {
		if (at > head.len || head.len - at < sizeof(part))
			return false;
		memcpy(&part, head.ptr + at, sizeof(part));
		if (part.p_type == PT_INTERP)
			return true;
	}
	return false;
}

enum exec_kind exec_kind_of(struct cht_bytes head)
{
	if (head.len >= 2 && memcmp(head.ptr, "#!", 2) == 0)
		return EXEC_SCRIPT;
	if (head.len >= SELFMAG && memcmp(head.ptr, ELFMAG, SELFMAG) == 0 && has_loader(head))
		return EXEC_DYNAMIC;
	return EXEC_PROGRAM;
}

static struct exec_slot *find(struct execs *x, uint32_t pid)
{
	for (unsigned i = 0; i < EXEC_SLOTS; i++)
		if (x->slots[i].pid == pid)
			return &x->slots[i];
	return NULL;
}

void execs_note(struct execs *x, uint32_t pid, enum exec_kind kind, struct cht_bytes path)
{
	struct exec_slot *slot = find(x, pid);

	if (kind == EXEC_PROGRAM && slot != NULL && slot->awaits_loader) {
		slot->awaits_loader = false;
		return;
	}
	if (slot == NULL) {
		slot = &x->slots[x->next];
		x->next = (x->next + 1) % EXEC_SLOTS;
	}
	slot->pid = pid;
	slot->awaits_loader = kind == EXEC_DYNAMIC;
	slot->len = kind != EXEC_SCRIPT && path.len <= EXEC_PATH_MAX ? (uint16_t)path.len : 0;
	if (slot->len > 0)
		memcpy(slot->path, path.ptr, slot->len);
}

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

bool exec_mount_point(struct cht_str line, char *out, size_t cap)
{
	const char *p = line.ptr, *end = line.ptr + line.len;
	size_t n = 0;

	/* Four fields stand before it. */
	for (int spaces = 0; p < end && spaces < 4; p++)
		spaces += *p == ' ';
	while (p < end && *p != ' ') {
		char c = *p++;

		if (c == '\\' && end - p >= 3 && is_octal(p[0]) && is_octal(p[1]) &&
		    is_octal(p[2])) {
			c = (char)((p[0] - '0') << 6 | (p[1] - '0') << 3 | (p[2] - '0'));
			p += 3;
		}
		if (n + 1 >= cap)
			return false;
		out[n++] = c;
	}
	out[n] = '\0';
	return n > 0 && p < end;
}

/* A file system that cannot be marked has no programs, or its programs are found in /proc. */
static void mark(struct execs *x, struct cht_str line)
{
	char path[LINE_BYTES];

	if (exec_mount_point(line, path, sizeof(path)))
		(void)fanotify_mark(x->fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_OPEN_EXEC,
				    AT_FDCWD, path);
}

/* Marks are kept by file system, so that marking one twice changes nothing. */
static void mark_all(struct execs *x)
{
	static char text[2 * LINE_BYTES];
	size_t have = 0;
	ssize_t r;

	(void)lseek(x->mounts, 0, SEEK_SET);
	while ((r = read(x->mounts, text + have, sizeof(text) - have)) > 0) {
		char *line = text, *newline;

		have += (size_t)r;
		while ((newline = memchr(line, '\n', (size_t)(text + have - line))) != NULL) {
			mark(x, (struct cht_str){ line, (size_t)(newline - line) });
			line = newline + 1;
		}
		have -= (size_t)(line - text);
		if (have == sizeof(text))
			have = 0; /* a line of overlay options beyond all reason */
		memmove(text, line, have);
	}
}

bool execs_open(struct execs *x)
{
	x->fd = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK,
			      O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	x->mounts = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (x->fd < 0 || x->mounts < 0 ||
	    fanotify_mark(x->fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_OPEN_EXEC, AT_FDCWD, "/") <
		    0) {
		execs_close(x);
		return false;
	}
	mark_all(x);
	return true;
}

void execs_on_mounts(struct execs *x)
{
	mark_all(x);
}

static void on_file(struct execs *x, const struct fanotify_event_metadata *e)
{
	uint8_t head[HEAD_BYTES];
	char link[32], path[EXEC_PATH_MAX + 1];
	struct buf b = buf_init(link, sizeof(link));
	ssize_t n, len;

	buf_put_lit(&b, "/proc/self/fd/");
	put_u64(&b, (uint64_t)e->fd);
	buf_put_byte(&b, '\0');
	n = pread(e->fd, head, sizeof(head), 0);
	len = readlink(link, path, sizeof(path));
	execs_note(x, (uint32_t)e->pid,
		   exec_kind_of((struct cht_bytes){ head, n > 0 ? (size_t)n : 0 }),
		   (struct cht_bytes){ (const uint8_t *)path, len > 0 ? (size_t)len : 0 });
}

void execs_on_ready(struct execs *x)
{
	_Alignas(struct fanotify_event_metadata) uint8_t bytes[64 * FAN_EVENT_METADATA_LEN];

	for (int looks = 0; x->fd >= 0 && looks < FILES_PER_LOOK / 64; looks++) {
		ssize_t n = read(x->fd, bytes, sizeof(bytes));
		struct fanotify_event_metadata e;

		if (n <= 0)
			return;
		for (size_t at = 0; (size_t)n - at >= sizeof(e); at += e.event_len) {
			int fd;

			memcpy(&e, bytes + at, sizeof(e));
			if (e.vers != FANOTIFY_METADATA_VERSION || e.event_len < sizeof(e))
				return;
			fd = e.fd;
			if (fd >= 0)
				on_file(x, &e);
			fd_close(&fd);
		}
	}
}

struct cht_bytes execs_path(struct execs *x, uint32_t pid)
{
	const struct exec_slot *slot = find(x, pid);

	if (slot == NULL)
		return (struct cht_bytes){ NULL, 0 };
	return (struct cht_bytes){ (const uint8_t *)slot->path, slot->len };
}

void execs_forget(struct execs *x, uint32_t pid)
{
	struct exec_slot *slot = find(x, pid);

	if (slot != NULL)
		slot->pid = 0;
}

void execs_close(struct execs *x)
{
	fd_close(&x->fd);
	fd_close(&x->mounts);
}
