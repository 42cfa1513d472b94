/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/procfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/text.h"

enum { KERNEL_THREAD = 0x00200000 /* PF_KTHREAD in the field "flags" */ };

/* The next word of a line, or an empty one at its end. */
static struct cht_str take_word(struct cht_str *rest)
{
	struct cht_str word;
	const char *p = rest->ptr, *end = rest->ptr + rest->len;

	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	word.ptr = p;
	while (p < end && *p != ' ' && *p != '\t' && *p != '\n')
		p++;
	word.len = (size_t)(p - word.ptr);
	*rest = (struct cht_str){ p, (size_t)(end - p) };
	return word;
}

/* proc(5) numbers the fields of stat; the third is the first after the name. */
enum { FIELD_STATE = 3, FIELD_PPID = 4, FIELD_FLAGS = 9, FIELD_START = 22, FIELD_EXIT = 52 };

bool procfs_read_stat(struct cht_bytes text, struct procfs_stat *out)
{
	const uint8_t *open = text.len > 0 ? memchr(text.ptr, '(', text.len) : NULL;
	const uint8_t *close = text.len > 0 ? memrchr(text.ptr, ')', text.len) : NULL;
	uint64_t field[FIELD_EXIT + 1] = { 0 };
	struct cht_str rest;

	if (open == NULL || close == NULL || close < open)
		return false;
	rest.ptr = (const char *)close + 1;
	rest.len = text.len - (size_t)(close + 1 - text.ptr);
	for (int i = FIELD_STATE; i <= FIELD_EXIT; i++) {
		struct cht_str word = take_word(&rest);

		if (i == FIELD_STATE && word.len == 1)
			out->state = word.ptr[0];
		else if (i == FIELD_STATE)
			return false;
		else if (!read_u64(word, UINT64_MAX, &field[i]) &&
			 (i == FIELD_PPID || i == FIELD_FLAGS || i == FIELD_START))
			return false;
	}
	if (field[FIELD_PPID] > UINT32_MAX)
		return false;
	out->comm = (struct cht_bytes){ open + 1, (size_t)(close - open - 1) };
	out->ppid = (uint32_t)field[FIELD_PPID];
	out->is_kernel = (field[FIELD_FLAGS] & KERNEL_THREAD) != 0;
	out->start = field[FIELD_START];
	out->wait_code = (uint32_t)(field[FIELD_EXIT] & 0xffff);
	return true;
}

/* The second number (the effective id) of the line that begins with this label. The kernel
 * escapes newlines in the name above it, so no name can forge the line. */
static bool read_effective(struct cht_bytes text, struct cht_str label, uint32_t *id)
{
	const uint8_t *p = memmem(text.ptr, text.len, label.ptr, label.len);
	struct cht_str rest, word;
	uint64_t v;

	if (p == NULL)
		return false;
	p += label.len;
	rest = (struct cht_str){ (const char *)p, text.len - (size_t)(p - text.ptr) };
	(void)take_word(&rest);
	word = take_word(&rest);
	if (!read_u64(word, UINT32_MAX, &v))
		return false;
	*id = (uint32_t)v;
	return true;
}

bool procfs_read_ids(struct cht_bytes text, uint32_t *uid, uint32_t *gid)
{
	uint32_t u, g;

	if (text.len == 0 || !read_effective(text, STR("\nUid:"), &u) ||
	    !read_effective(text, STR("\nGid:"), &g))
		return false;
	*uid = u;
	*gid = g;
	return true;
}

bool procfs_read_pid(struct cht_str name, uint32_t *pid)
{
	uint64_t v;

	if (!read_u64(name, INT32_MAX, &v) || v == 0)
		return false;
	*pid = (uint32_t)v;
	return true;
}

/* "/proc/PID/leaf", NUL-terminated. */
static const char *path_of(uint32_t pid, struct cht_str leaf, char path[40])
{
	struct buf b = buf_init(path, 40);

	buf_put_lit(&b, "/proc/");
	put_u64(&b, pid);
	buf_put_byte(&b, '/');
	buf_put_str(&b, leaf);
	buf_put_byte(&b, '\0');
	return path;
}

/* One read: the kernel makes these texts at the first, and they fit in a page. */
static struct cht_bytes read_leaf(uint32_t pid, struct cht_str leaf, struct buf *text)
{
	char path[40];
	int fd = open(path_of(pid, leaf, path), O_RDONLY | O_CLOEXEC);
	ssize_t r;

	if (fd < 0)
		return (struct cht_bytes){ NULL, 0 };
	r = read(fd, text->at, (size_t)(text->end - text->at));
	fd_close(&fd);
	return (struct cht_bytes){ text->at, r > 0 ? (size_t)r : 0 };
}

bool procfs_stat(uint32_t pid, struct procfs_stat *out, struct buf *text)
{
	return procfs_read_stat(read_leaf(pid, STR("stat"), text), out);
}

bool procfs_ids(uint32_t pid, uint32_t *uid, uint32_t *gid)
{
	uint8_t mem[2048];
	struct buf text = buf_init(mem, sizeof(mem));

	return procfs_read_ids(read_leaf(pid, STR("status"), &text), uid, gid);
}

struct cht_bytes procfs_exe(uint32_t pid, uint8_t *out)
{
	char path[40];
	ssize_t r = readlink(path_of(pid, STR("exe"), path), (char *)out, PATH_BYTES_MAX + 1);

	return (struct cht_bytes){ out, r > 0 && r <= PATH_BYTES_MAX ? (size_t)r : 0 };
}

/* What getdents64(2) fills in. readdir(3) would take its buffer from the heap. */
struct entry {
	uint64_t ino;
	int64_t off;
	uint16_t len;
	uint8_t type;
	char name[];
};

static bool walk_more(struct procfs_walk *w)
{
	long n;

	if (!w->is_open) {
		w->fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		w->failed = w->fd < 0;
		w->is_open = !w->failed;
	}
	if (w->failed)
		return false;
	n = syscall(SYS_getdents64, w->fd, w->entries, sizeof(w->entries));
	w->at = 0;
	w->len = n > 0 ? (uint32_t)n : 0;
	w->failed = n < 0;
	if (n > 0)
		return true;
	fd_close(&w->fd);
	w->is_open = false;
	return false;
}

bool procfs_next(struct procfs_walk *w, uint32_t *pid)
{
	while (w->at < w->len || walk_more(w)) {
		const uint8_t *record = w->entries + w->at;
		const char *name = (const char *)record + offsetof(struct entry, name);
		uint16_t len;

		memcpy(&len, record + offsetof(struct entry, len), sizeof(len));
		w->at += len;
		if (procfs_read_pid(str_of(name), pid))
			return true;
	}
	return false;
}
