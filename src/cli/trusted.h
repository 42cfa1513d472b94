/* SPDX-License-Identifier: Apache-2.0
 *
 * trusted.h - whom the caller of a command that judges believes: options and variables.
 */
#ifndef CLI_TRUSTED_H
#define CLI_TRUSTED_H

#include "cli/cli.h"
#include "verify/verify.h"

/* As the options have it; null: not given. A key is one as such, or a file that holds one. */
struct trusted {
	const char *keys, *hmac_keys, *policy;
	const char *vkeys[VERIFY_VKEYS_MAX];
	size_t n_vkeys;
};

/* A variable that is set and not empty, or null. */
const char *trusted_from_env(const char *name);
/* The option last returned is --vkey. */
void trusted_add_vkey(struct trusted *trusted, struct cli_args *args);
/* Reads all that it names; says what others can read that they must not. On 0 the caller frees
 * *trust. As verify_trust_load. */
int trusted_load(struct verify_trust **trust, const struct trusted *trusted,
		 struct cht_err *err) CHT_CHECKED;
/* The text of the first key; "": none is given. CHT_E_IO, CHT_E_PARSE. */
int trusted_vkey_text(const struct trusted *trusted, char *out, size_t cap,
		      struct cht_err *err) CHT_CHECKED;

#endif
