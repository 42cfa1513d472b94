/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/ledger_cmd.h"

int ledger_identity_read(struct ledger_identity *out, const char *state, struct cht_err *err)
{
	struct ledger_identity id = { 0 };
	char path[LEDGER_PATH_MAX];
	const char *why = NULL, *slash;
	struct cht_err read_err;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/ledger/vkey", state);
	n = fd_read_file(AT_FDCWD, path, id.text, sizeof(id.text) - 1, &read_err);
	if (n < 0)
		return cht_fail(err, (int)n, read_err.sys, "read %s", path);
	if (n > 0 && id.text[n - 1] == '\n')
		id.text[--n] = '\0';
	if (!tlog_vkey_read((struct cht_str){ id.text, (size_t)n }, &id.vkey, &why))
		return cht_fail(err, CHT_E_STATE, 0, "%s holds no verifier key: %s", path,
				why != NULL ? why : "not one line");
	slash = strrchr(id.vkey.name, '/');
	if (slash == NULL || strlen(slash + 1) != sizeof(id.digits) - 1)
		return cht_fail(err, CHT_E_STATE, 0, "%s names no origin of ours", path);
	memcpy(id.digits, slash + 1, sizeof(id.digits));
	*out = id;
	return 0;
}

static void tell_retention(const struct ledger_terms *terms)
{
	if (terms->retain_age_s == 0 && terms->retain_bytes == 0)
		cli_printf("everything");
	if (terms->retain_age_s > 0)
		cli_printf("entries of %llu s (%llu d)", (unsigned long long)terms->retain_age_s,
			   (unsigned long long)terms->retain_age_s / 86400);
	if (terms->retain_bytes > 0)
		cli_printf("%s%llu bytes of entries", terms->retain_age_s > 0 ? ", " : "",
			   (unsigned long long)terms->retain_bytes);
	cli_printf("\n");
}

static void tell_text(const struct ledger_told *t)
{
	cli_printf("origin  %s\nledger  %s/ledger\nkey     %s\nkeeps   ", t->log->vkey.name,
		   t->state, t->key);
	tell_retention(t->terms);
	if (t->past != NULL)
		cli_printf("before  %s, %s\n", t->past,
			   t->is_closed ? "closed: its last events name this log"
					: "not closed by events of its own");
	cli_printf("vkey    %s\n\n"
		   "For whoever verifies, a tlog-policy to be kept off this host:\n"
		   "log %s\nquorum none\n\n",
		   t->log->text, t->log->text);
	cli_printf("Next: chtd --state %s\n", t->state);
}

static void put_member(struct buf *b, const char *name, const char *value)
{
	buf_put_str(b, str_of(b->at == b->start ? "{\"" : ",\""));
	buf_put_str(b, str_of(name));
	buf_put_lit(b, "\":");
	/* A path may be any bytes. */
	if (value != NULL && utf8_is_valid((const uint8_t *)value, strlen(value)))
		json_put_str(b, str_of(value));
	else
		buf_put_lit(b, "null");
}

static void put_number(struct buf *b, const char *name, uint64_t value)
{
	buf_put_lit(b, ",\"");
	buf_put_str(b, str_of(name));
	buf_put_lit(b, "\":");
	if (value > 0)
		put_u64(b, value);
	else
		buf_put_lit(b, "null");
}

static void tell_json(const struct ledger_told *t)
{
	static char mem[8 * LEDGER_PATH_MAX];
	struct buf b = buf_init(mem, sizeof(mem));
	char policy[512];

	(void)snprintf(policy, sizeof(policy), "log %s\nquorum none\n", t->log->text);
	put_member(&b, "origin", t->log->vkey.name);
	put_member(&b, "vkey", t->log->text);
	put_member(&b, "policy", policy);
	put_member(&b, "state", t->state);
	put_member(&b, "key", t->key);
	put_number(&b, "retainAgeSeconds", t->terms->retain_age_s);
	put_number(&b, "retainBytes", t->terms->retain_bytes);
	if (t->reason != NULL) {
		put_member(&b, "reason", t->reason);
		put_member(&b, "predecessor", t->past);
		buf_put_str(&b, str_of(t->is_closed ? ",\"predecessorClosed\":true"
						    : ",\"predecessorClosed\":false"));
	}
	buf_put_lit(&b, "}\n");
	cli_put(mem, buf_len(&b));
}

void ledger_tell(const struct ledger_told *told, bool json)
{
	if (json)
		tell_json(told);
	else
		tell_text(told);
}
