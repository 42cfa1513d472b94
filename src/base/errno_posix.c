/* SPDX-License-Identifier: Apache-2.0 */
/* musl: strerror reads a static table. */
#include <string.h>

#include "base/diag.h"

const char *diag_errno(int sys)
{
	return strerror(sys);
}
