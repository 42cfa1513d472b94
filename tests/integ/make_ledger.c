/* SPDX-License-Identifier: Apache-2.0
 *
 * make_ledger STATE: appends the entries on standard input, each a 16-bit big-endian length and
 * its bytes, to a ledger, and puts a checkpoint over all of it. With --uncovered, it does not.
 */
#include "tree_util.h"

int main(int argc, char **argv)
{
	static uint8_t entry[UINT16_MAX];
	uint8_t head[2];

	if (argc < 2)
		return 2;
	tree_open(argv[1]);
	while (fread(head, 1, sizeof(head), stdin) == sizeof(head)) {
		size_t len = be16_load(head);

		if (fread(entry, 1, len, stdin) != len)
			return 1;
		tree_add(entry, len);
	}
	if (argc == 2)
		tree_publish();
	tree_close();
	return 0;
}
