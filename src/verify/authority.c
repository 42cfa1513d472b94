/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose checkpoints count: keys of logs, given one by one or by a C2SP tlog-policy.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "verify/note.h"
#include "verify/trust.h"

int verify_trust_add_vkey(struct verify_trust *trust, struct cht_str text, struct cht_err *err)
{
	struct tlog_vkey vkey;
	int r = verify_vkey_read(text, &vkey, err);

	if (r < 0)
		return r;
	if (vkey.type != TLOG_ED25519)
		return cht_fail(err, CHT_E_KEY, 0,
				"the key of %s is a witness's; it belongs into a policy",
				vkey.name);
	if (trust->n_logs == VERIFY_VKEYS_MAX)
		return cht_fail(err, CHT_E_LIMIT, 0, "more than %d verifier keys",
				VERIFY_VKEYS_MAX);
	trust->logs[trust->n_logs++] = vkey;
	return 0;
}

static int check_point(const struct tlog_vkey *vkey, struct cht_err *err)
{
	if (crypto_core_ed25519_is_valid_point(vkey->public_key) == 1)
		return 0;
	return cht_fail(err, CHT_E_KEY, 0,
			"policy: the key of %s is no sound Ed25519 public key (small order, or not "
			"canonical)",
			vkey->name);
}

static int read_policy(struct verify_trust *trust, size_t len, struct cht_err *err)
{
	struct tlog_policy *policy = trust->policy;
	int r = tlog_policy_read((struct cht_str){ trust->policy_text, len }, policy, err);

	for (unsigned i = 0; r == 0 && i < policy->n_logs; i++)
		r = check_point(&policy->logs[i], err);
	for (unsigned i = 0; r == 0 && i < policy->n_witnesses; i++)
		r = check_point(&policy->witnesses[i].vkey, err);
	return r;
}

int verify_trust_add_policy(struct verify_trust *trust, struct cht_str text, struct cht_err *err)
{
	int r;

	if (trust->policy != NULL)
		return cht_fail(err, CHT_E_CONFIG, 0, "one policy at a time");
	trust->policy = calloc(1, sizeof(*trust->policy));
	trust->policy_text = malloc(text.len > 0 ? text.len : 1);
	if (trust->policy == NULL || trust->policy_text == NULL) {
		r = cht_fail(err, CHT_E_NOMEM, 0, "no memory for a policy");
	} else {
		if (text.len > 0)
			memcpy(trust->policy_text, text.ptr, text.len);
		r = read_policy(trust, text.len, err);
	}
	if (r < 0) {
		free(trust->policy);
		free(trust->policy_text);
		trust->policy = NULL;
		trust->policy_text = NULL;
	}
	return r;
}

const struct tlog_vkey *trust_log(const struct verify_trust *trust, size_t n)
{
	if (n < trust->n_logs)
		return &trust->logs[n];
	n -= trust->n_logs;
	return trust->policy != NULL && n < trust->policy->n_logs ? &trust->policy->logs[n] : NULL;
}
