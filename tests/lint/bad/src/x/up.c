/* SPDX-License-Identifier: Apache-2.0 */
#include "sign/sign.h"
#include "up.h"
#include "x/up.h"
#include <cht/wire.h>
