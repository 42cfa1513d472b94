/* SPDX-License-Identifier: Apache-2.0
 *
 * No secret is ever printed: of an HMAC key, which has no public half, the text says how to put
 * it into the verifier's file without a look at it.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/cli.h"
#include "sign/sign.h"
#include "tlog/tlog.h"

enum { OPT_HMAC, OPT_OUT, OPT_KID, OPT_ORIGIN, OPT_OUTPUT };

struct request {
	const char *action, *file, *kid, *origin;
	bool is_hmac, json;
};

/* The key as that of the log of this name; it was checked that it can be one. */
static void print_vkey(const struct sign_key_info *info, const char *origin)
{
	char mem[2 * TLOG_NAME_MAX];
	struct buf b = buf_init(mem, sizeof(mem));
	struct tlog_vkey vkey;

	if (!tlog_vkey_make(&vkey, str_of(origin), TLOG_ED25519, info->public_key))
		return;
	tlog_vkey_put(&b, &vkey);
	cli_printf("vkey        %.*s\n", (int)buf_len(&b), mem);
}

static void print_key(const struct sign_key_info *info, const char *kid, const char *file)
{
	char mem[64];
	struct buf b = buf_init(mem, sizeof(mem));
	struct cht_str name = sign_algorithm_name(info->algorithm);

	cli_printf("algorithm   %.*s\nkid         %s\n", (int)name.len, name.ptr, kid);
	if (info->algorithm == CHT_ALGORITHM_ED25519) {
		put_base64url(&b, info->public_key, sizeof(info->public_key));
		cli_printf("public key  %.*s\n\n", (int)buf_len(&b), mem);
		cli_printf("for CELLOS_EVENT_VERIFY_KEYS_PATH:\n{\"%s\":\"%.*s\"}\n", kid,
			   (int)buf_len(&b), mem);
		return;
	}
	if (strchr(file, '\'') != NULL)
		file = "FILE"; /* as given it would not stay inside the quotes */
	cli_printf("public key  none: who verifies needs the key itself, and could sign with it\n\n"
		   "for CELLOS_EVENT_VERIFY_HMAC_KEYS_PATH:\n"
		   "(umask 077; printf '{\"%s\":\"%%s\"}\\n' \"$(cat '%s')\" > hmac-keys.json)\n",
		   kid, file);
}

/* Only what may be known: an HMAC key has nothing public. */
static void print_json(const struct sign_key_info *info, const char *kid, const char *origin)
{
	char mem[4 * TLOG_NAME_MAX + 2048], text[2 * TLOG_NAME_MAX];
	struct buf b = buf_init(mem, sizeof(mem)), value = buf_init(text, sizeof(text));
	struct tlog_vkey vkey;

	json_put_member(&b, "{\"algorithm\":", sign_algorithm_name(info->algorithm));
	json_put_member(&b, ",\"kid\":", str_of(kid));
	if (info->algorithm == CHT_ALGORITHM_ED25519) {
		put_base64url(&value, info->public_key, sizeof(info->public_key));
		json_put_member(&b, ",\"publicKey\":", (struct cht_str){ text, buf_len(&value) });
	}
	if (origin != NULL &&
	    tlog_vkey_make(&vkey, str_of(origin), TLOG_ED25519, info->public_key)) {
		value = buf_init(text, sizeof(text));
		tlog_vkey_put(&value, &vkey);
		json_put_member(&b, ",\"vkey\":", (struct cht_str){ text, buf_len(&value) });
	}
	buf_put_lit(&b, "}\n");
	cli_put(mem, buf_len(&b));
}

static int key(const struct request *q)
{
	enum cht_algorithm algorithm =
		q->is_hmac ? CHT_ALGORITHM_HMAC_SHA256 : CHT_ALGORITHM_ED25519;
	struct sign_key_info info = { 0 };
	struct cht_err err = { 0 };
	int r = 0;

	if (q->kid != NULL)
		r = sign_check_kid(q->kid, &err);
	if (r < 0) {
		diag_err(&err);
		return CLI_USAGE;
	}
	if (strcmp(q->action, "gen") == 0)
		r = sign_key_generate(algorithm, q->file, &info, &err);
	else
		r = sign_key_inspect(q->file, &info, &err);
	if (r == 0 && q->origin != NULL && info.algorithm != CHT_ALGORITHM_ED25519)
		r = cht_fail(&err, CHT_E_KEY, 0, "an HMAC key cannot be a log's");
	if (r < 0) {
		diag_err(&err);
		return CLI_FAILED;
	}
	if (q->json) {
		print_json(&info, q->kid != NULL ? q->kid : info.kid, q->origin);
		return CLI_OK;
	}
	if (q->origin != NULL)
		print_vkey(&info, q->origin);
	print_key(&info, q->kid != NULL ? q->kid : info.kid, q->file);
	return CLI_OK;
}

static void on_operand(struct cli_args *args, struct request *q)
{
	if (q->action == NULL)
		q->action = args->value;
	else if (strcmp(q->action, "show") == 0 && q->file == NULL)
		q->file = args->value;
	else if (strcmp(q->action, "gen") == 0)
		(void)cli_usage_error(args, "'%s'? gen takes its file as --out FILE", args->value);
	else
		(void)cli_usage_error(args, "'%s' is one too many", args->value);
}

static void check(struct cli_args *args, const struct request *q, const char *out)
{
	static const char *const actions[] = { "gen", "show" };

	if (q->action == NULL) {
		(void)cli_usage_error(args, "what should it do, gen or show");
	} else if (strcmp(q->action, "gen") == 0) {
		if (out == NULL)
			(void)cli_usage_error(args, "gen needs --out FILE");
		else if (q->origin != NULL)
			(void)cli_usage_error(args, "--origin is for show");
	} else if (strcmp(q->action, "show") == 0) {
		if (q->file == NULL)
			(void)cli_usage_error(args, "show needs a key file");
		else if (out != NULL || q->is_hmac)
			(void)cli_usage_error(args, "--out and --hmac are for gen");
		else if (q->origin != NULL && !tlog_is_name(str_of(q->origin)))
			(void)cli_usage_error(args, "--origin: '%s' can be no log's name",
					      q->origin);
	} else {
		(void)cli_unknown_word(args, q->action, actions, 2,
				       "it takes gen or show, not '%s'", q->action);
	}
}

int cmd_key(int argc, char **argv)
{
	static const struct cli_option options[] = {
		[OPT_HMAC] = { "hmac", 0, false },      [OPT_OUT] = { "out", 0, true },
		[OPT_KID] = { "kid", 0, true },         [OPT_ORIGIN] = { "origin", 0, true },
		[OPT_OUTPUT] = { "output", 'o', true }, { NULL, 0, false }
	};
	struct cli_args args = cli_args_init(argc, argv, options);
	struct request q = { 0 };
	const char *out = NULL;
	int o;

	while ((o = cli_next(&args)) != CLI_END)
		switch (o) {
		case OPT_HMAC: q.is_hmac = true; break;
		case OPT_OUT: out = args.value; break;
		case OPT_KID: q.kid = args.value; break;
		case OPT_ORIGIN: q.origin = args.value; break;
		case OPT_OUTPUT: (void)cli_format(&args, &q.json); break;
		default: on_operand(&args, &q);
		}
	if (args.status < 0)
		check(&args, &q, out);
	if (args.status >= 0)
		return args.status;
	if (out != NULL)
		q.file = out;
	if (q.action == NULL || q.file == NULL)
		return CLI_USAGE; /* check() has said so */
	return key(&q);
}
