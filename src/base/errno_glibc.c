/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/diag.h"

const char *diag_errno(int sys)
{
	const char *text = strerrordesc_np(sys);

	return text != NULL ? text : "unknown error";
}
