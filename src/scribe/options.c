/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/options.h"
#include "base/text.h"
#include "base/user.h"
#include "scribe/scribe.h"

enum option_id {
	OPT_STATE = 256,
	OPT_LINE_FD,
	OPT_LINE_USER,
	OPT_ENV_FD,
	OPT_INIT,
	OPT_NAME,
	OPT_ON_FULL,
	OPT_LOCKDOWN,
	OPT_ALG,
	OPT_KID,
	OPT_KEY_FILE,
	OPT_ORDER,
	OPT_LOG_KEY_FILE,
	OPT_RETAIN_AGE,
	OPT_RETAIN_BYTES,
	OPT_REASON,
	OPT_PREDECESSOR
};

static const struct option table[] = {
	{ "state", required_argument, NULL, OPT_STATE },
	{ "line-fd", required_argument, NULL, OPT_LINE_FD },
	{ "line-user", required_argument, NULL, OPT_LINE_USER },
	{ "env-fd", required_argument, NULL, OPT_ENV_FD },
	{ "init", no_argument, NULL, OPT_INIT },
	{ "name", required_argument, NULL, OPT_NAME },
	{ "on-full", required_argument, NULL, OPT_ON_FULL },
	{ "lockdown", required_argument, NULL, OPT_LOCKDOWN },
	{ "sign-alg", required_argument, NULL, OPT_ALG },
	{ "sign-kid", required_argument, NULL, OPT_KID },
	{ "sign-key-file", required_argument, NULL, OPT_KEY_FILE },
	{ "sign-order", required_argument, NULL, OPT_ORDER },
	{ "log-key-file", required_argument, NULL, OPT_LOG_KEY_FILE },
	{ "retain-age", required_argument, NULL, OPT_RETAIN_AGE },
	{ "retain-bytes", required_argument, NULL, OPT_RETAIN_BYTES },
	{ "reason", required_argument, NULL, OPT_REASON },
	{ "predecessor", required_argument, NULL, OPT_PREDECESSOR },
	{ "help", no_argument, NULL, OPTIONS_HELP },
	{ "version", no_argument, NULL, OPTIONS_VERSION },
	{ NULL, 0, NULL, 0 },
};

static const char usage[] =
	"usage: cht-scribe --state DIR --line-fd N [--init [BEGIN]] [--env-fd N]\n"
	"                  [--on-full stop|pause] [--lockdown kill|log|off]\n"
	"                  [--sign-order struct|sorted] [--log-key-file "
	"FILE]\n"
	"                  [--sign-alg hmac-sha256|ed25519 --sign-kid ID --sign-key-file FILE]\n"
	"       cht-scribe --state DIR --line-user USER [--init [BEGIN]] ...   (by systemd)\n"
	"       cht-scribe --state DIR --init [BEGIN] [--log-key-file FILE]\n"
	"BEGIN: [--name NAME] [--retain-age DURATION] [--retain-bytes SIZE]\n"
	"       [--reason WORD [--predecessor FILE]]\n"
	"Stores what chtd hands over; chtd starts it. See cht-scribe(8).\n";

/* Index of value in a list that ends with null, or -1. */
static int choice(const char *value, const char *const *list)
{
	for (int i = 0; list[i] != NULL; i++)
		if (str_eq(str_of(value), str_of(list[i])))
			return i;
	return -1;
}

static bool read_fd(const char *value, int *fd)
{
	uint64_t v;

	if (!read_u64(str_of(value), 1 << 20, &v) || fcntl((int)v, F_GETFD) < 0)
		return false;
	*fd = (int)v;
	return true;
}

static bool read_choice(int id, const char *value, struct scribe_options *o)
{
	static const char *const full[] = { "stop", "pause", NULL };
	static const char *const order[] = { "struct", "sorted", NULL };
	static const char *const alg[] = { "off", "hmac-sha256", "ed25519", NULL };
	int i = choice(value, id == OPT_ON_FULL ? full : id == OPT_ORDER ? order : alg);

	if (id == OPT_ON_FULL)
		o->pause_on_full = i == 1;
	else if (id == OPT_ORDER)
		o->order = i == 1 ? CHT_ORDER_SORTED : CHT_ORDER_STRUCT;
	else if (i == 1)
		o->algorithm = CHT_ALGORITHM_HMAC_SHA256;
	else
		o->algorithm = CHT_ALGORITHM_ED25519;
	return i >= (id == OPT_ALG ? 1 : 0);
}

/* Whole seconds, and some: no bound is asked for by leaving the option out. */
static bool read_age(const char *value, uint64_t *seconds)
{
	uint64_t ns;

	if (!read_duration(str_of(value), &ns) || ns == 0 || ns % NS_PER_S != 0)
		return false;
	*seconds = ns / NS_PER_S;
	return true;
}

static bool read_bytes(const char *value, uint64_t *bytes)
{
	return read_size(str_of(value), bytes) && *bytes > 0;
}

static bool read_reason(const char *value, const char **reason)
{
	static const char *const reasons[] = { "rotation",   "compromise", "damage", "restore",
					       "lost-state", "format",     NULL };
	int i = choice(value, reasons);

	if (i >= 0)
		*reason = reasons[i];
	return i >= 0;
}

/* False: the value cannot be. */
static bool read_option(int id, const char *value, void *out)
{
	struct scribe_options *o = out;

	switch (id) {
	case OPT_STATE: o->state = value; return *value != '\0';
	case OPT_NAME: o->name = value; return true;
	case OPT_KID: o->kid = value; return true;
	case OPT_KEY_FILE: o->key_file = value; return true;
	case OPT_INIT: o->init = true; return true;
	case OPT_LINE_FD: return read_fd(value, &o->line_fd);
	case OPT_ENV_FD: return read_fd(value, &o->env_fd);
	case OPT_LOG_KEY_FILE: o->log_key_file = value; return *value != '\0';
	case OPT_RETAIN_AGE: return read_age(value, &o->retain_age_s);
	case OPT_RETAIN_BYTES: return read_bytes(value, &o->retain_bytes);
	case OPT_LINE_USER: return user_find(value, &o->line_uid, NULL) == 0;
	case OPT_LOCKDOWN: return lockdown_read_mode(value, &o->lockdown);
	case OPT_REASON: return read_reason(value, &o->reason);
	case OPT_PREDECESSOR: o->predecessor = value; return *value != '\0';
	default: return read_choice(id, value, o);
	}
}

static const char *what_is_wrong(void *out)
{
	struct scribe_options *o = out;
	int n_sign = (o->algorithm != CHT_ALGORITHM_OFF) + (o->kid != NULL) + (o->key_file != NULL);

	if (o->state == NULL)
		return "--state is missing";
	if (o->line_uid >= 0)
		o->listen_fd = notify_passed_socket();
	if (o->line_uid >= 0 && (o->listen_fd < 0 || o->line_fd >= 0))
		return "--line-user goes with one listening SOCK_SEQPACKET socket from systemd, "
		       "and without --line-fd";
	if (o->line_fd < 0 && o->line_uid < 0 && !o->init)
		return "--line-fd is missing (chtd gives it), or --line-user, or --init";
	if (!o->init && (o->name != NULL || o->reason != NULL || o->predecessor != NULL ||
			 o->retain_age_s > 0 || o->retain_bytes > 0))
		return "--name, --retain-age, --retain-bytes, --reason and --predecessor go with "
		       "--init";
	if (o->predecessor != NULL && o->reason == NULL)
		return "--predecessor goes with --reason";
	if (n_sign != 0 && n_sign != 3)
		return "--sign-alg, --sign-kid and --sign-key-file go together";
	return NULL;
}

int options_parse(struct scribe_options *out, int argc, char **argv)
{
	struct scribe_options o = { .line_fd = -1,
				    .env_fd = -1,
				    .listen_fd = -1,
				    .line_uid = -1,
				    .lockdown = lockdown_default_mode() };
	const struct options_spec spec = { "cht-scribe", usage, table, read_option, what_is_wrong };
	int r = options_read(&spec, argc, argv, &o);

	if (r == 0)
		*out = o;
	return r;
}
