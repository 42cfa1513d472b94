/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a datagram of rtnetlink: no message in it is longer than it, and what is taken for
 * the link of the name is whole.
 */
#include <string.h>

#include "fuzz.h"
#include "probe/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *exact = malloc(size > 0 ? size : 1);
	struct cht_bytes rest = { exact, size };
	struct nl_message m;

	memcpy(exact, data, size);
	while (nl_next(&rest, &m)) {
		struct link link = { .operstate = NULL };
		int e = nl_errno_of(&m);

		HOLDS(m.body.ptr >= exact && m.body.len <= size &&
		      (size_t)(m.body.ptr - exact) <= size - m.body.len);
		HOLDS(e >= 0 && e <= 4095);
		if (link_read(&m, "tap0", &link) == LINK_IS)
			HOLDS(link.operstate != NULL && strlen(link.operstate) < 16 &&
			      (!link.is_up || link.carrier));
		else
			HOLDS(link.operstate == NULL);
	}
	HOLDS(rest.len <= size);
	free(exact);
	return 0;
}
