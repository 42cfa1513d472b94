/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a bundle: what is read to its end is spelled again from what was read, and that
 * spelling is the input; nobody's word makes it authentic.
 */
#include "fuzz.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/text.h"
#include "verify/source.h"

enum { INPUT_MAX = 1 << 18 };

static uint8_t spelled[INPUT_MAX + 1024], bytes_of_block[BLOCK_BYTES];

static void spell_entry(struct buf *b, uint64_t index, struct cht_bytes entry)
{
	put_u64(b, index);
	if (entry.ptr[0] == '{' && memchr(entry.ptr, '\n', entry.len) == NULL) {
		buf_put_byte(b, ' ');
		buf_put(b, entry.ptr, entry.len);
	} else {
		buf_put_lit(b, " =");
		put_base64(b, entry.ptr, entry.len);
	}
	buf_put_byte(b, '\n');
}

static void spell_block(struct buf *b, const struct block *block)
{
	HOLDS(block->kind != BLOCK_HASHES);
	if (block->kind == BLOCK_SUBTREE) {
		put_u64(b, block->first);
		buf_put_byte(b, '-');
		put_u64(b, block->first + (UINT64_C(1) << block->k));
		buf_put_byte(b, ' ');
		put_base64(b, block->root.b, sizeof(block->root.b));
		buf_put_byte(b, '\n');
		return;
	}
	HOLDS(block->n > 0 && block->first / 256 == (block->first + block->n - 1) / 256);
	for (unsigned i = 0; i < block->n; i++) {
		const struct block_item *item = &block->item[i];

		HOLDS(item->len > 0 && item->at + item->len <= block->len &&
		      block->len <= BLOCK_BYTES);
		spell_entry(b, block->first + i,
			    (struct cht_bytes){ block->bytes + item->at, item->len });
	}
}

static void check_spelling(const char *path, const uint8_t *input, size_t len)
{
	static struct block block;
	struct buf b = buf_init(spelled, sizeof(spelled));
	struct verify_checkpoint c;
	struct source *source;
	struct cht_err err = { 0 };
	int r;

	if (source_open(&source, path, NULL) < 0)
		return;
	source->size = 0;
	if (source->note.len > 0 && verify_checkpoint_read(source->note, NULL, &c, NULL) == 0)
		source->size = c.at.size;
	buf_put_lit(&b, "cht-bundle/1\n");
	if (source->run_id != NULL) {
		buf_put_lit(&b, "run ");
		buf_put_str(&b, str_of(source->run_id));
		buf_put_byte(&b, '\n');
	}
	buf_put_byte(&b, '\n');
	buf_put_str(&b, source->note);
	buf_put_byte(&b, '\n');
	block.bytes = bytes_of_block;
	while ((r = source->ops->next(source, &block, &err)) == 1)
		spell_block(&b, &block);
	buf_put_lit(&b, "end\n");
	HOLDS(r == 0 || r == CHT_E_STATE);
	if (r == CHT_E_STATE)
		HOLDS(source->place.file_offset <= len && err.text[0] != '\0');
	else
		HOLDS(!b.full && buf_len(&b) == len && memcmp(spelled, input, len) == 0);
	source_close(source);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const struct verify_options options = { .jobs = 1 };
	static struct verify_trust *trust;
	static struct verify_report report;
	char path[32];
	int fd;

	if (len > INPUT_MAX)
		return 0;
	if (trust == NULL && verify_trust_load(&trust, NULL, NULL, NULL) < 0)
		abort();
	fd = memfd_create("bundle", MFD_CLOEXEC);
	if (fd < 0 || fd_write_all(fd, bytes, len, NULL) < 0)
		abort();
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	check_spelling(path, bytes, len);
	if (verify_path(path, trust, &options, &report, NULL) == 0)
		HOLDS(report.verdict == VERIFY_DAMAGED || report.verdict == VERIFY_CANNOT_TELL);
	fd_close(&fd);
	return 0;
}
