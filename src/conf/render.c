/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "conf/conf.h"

static void text(struct buf *b, struct cht_str name, const char *value)
{
	if (value == NULL || *value == '\0')
		return;
	if (b->at > b->start && b->at[-1] != '{')
		buf_put_byte(b, ',');
	json_put_str(b, name);
	buf_put_byte(b, ':');
	json_put_str(b, str_of(value));
}

static void number(struct buf *b, struct cht_str name, int64_t value)
{
	if (value < 0)
		return;
	if (b->at > b->start && b->at[-1] != '{')
		buf_put_byte(b, ',');
	json_put_str(b, name);
	buf_put_byte(b, ':');
	put_u64(b, (uint64_t)value);
}

static void cell(struct buf *b, const struct conf_cell *c)
{
	buf_put_byte(b, '{');
	text(b, STR("base"), c->base);
	number(b, STR("cid"), c->cid != 0 ? (int64_t)c->cid : -1);
	number(b, STR("group"), c->group);
	text(b, STR("id"), c->id);
	if (c->cid == 0)
		number(b, STR("mode"), c->mode == 0 ? 0600 : c->mode);
	number(b, STR("owner"), c->owner);
	text(b, STR("path"), c->path);
	text(b, STR("probes"), c->probes);
	text(b, STR("run"), c->run);
	text(b, STR("spec"), c->spec);
	number(b, STR("uid"), c->uid);
	buf_put_byte(b, '}');
}

void conf_render(const struct conf *conf, struct buf *b)
{
	buf_put_lit(b, "{\"cells\":[");
	for (size_t i = 0; i < conf->n_cells; i++) {
		if (i > 0)
			buf_put_byte(b, ',');
		cell(b, &conf->cells[i]);
	}
	buf_put_byte(b, ']');
	if (conf->control != NULL) {
		buf_put_lit(b, ",\"control\":{");
		number(b, STR("cells"), (int64_t)conf->cells_max);
		text(b, STR("readers"), conf->readers);
		text(b, STR("register"), conf->register_socket);
		text(b, STR("socket"), conf->control);
		text(b, STR("writers"), conf->writers);
		buf_put_byte(b, '}');
	}
	buf_put_lit(b, ",\"ledger\":{");
	text(b, STR("keyFile"), conf->log_key_file);
	text(b, STR("name"), conf->log_name);
	number(b, STR("retainAgeSeconds"), (int64_t)(conf->retain_age_ns / 1000000000));
	number(b, STR("retainBytes"), (int64_t)conf->retain_bytes);
	buf_put_lit(b, "},\"limits\":{");
	number(b, STR("connections"), (int64_t)conf->connections);
	number(b, STR("connectsPerSecond"), (int64_t)conf->connects_per_s);
	number(b, STR("framesBurst"), (int64_t)conf->frames_burst);
	number(b, STR("framesPerSecond"), (int64_t)conf->frames_per_s);
	number(b, STR("ledgerBytesPerRun"), (int64_t)conf->ledger_bytes_per_run);
	number(b, STR("partialBlocks"), (int64_t)conf->partial_blocks);
	number(b, STR("stallMs"), (int64_t)(conf->stall_ns / 1000000));
	buf_put_lit(b, "},\"onFull\":");
	json_put_str(b, conf->on_full != NULL ? str_of(conf->on_full) : STR("stop"));
	if (conf->opener_roots != NULL || conf->opener_read != NULL || conf->opener_api != NULL ||
	    conf_may_flush(conf)) {
		buf_put_lit(b, ",\"opener\":{");
		text(b, STR("api"), conf->opener_api);
		text(b, STR("flush"), conf_may_flush(conf) ? "yes" : NULL);
		text(b, STR("read"), conf->opener_read);
		text(b, STR("roots"), conf->opener_roots);
		buf_put_byte(b, '}');
	}
	buf_put_lit(b, ",\"shape\":");
	json_put_str(b, conf->shape == CHT_SHAPE_RUST ? STR("rust") : STR("full"));
	buf_put_lit(b, ",\"sign\":{");
	text(b, STR("alg"), conf->sign_alg != NULL ? conf->sign_alg : "off");
	text(b, STR("keyFile"), conf->sign_key_file);
	text(b, STR("kid"), conf->sign_kid);
	text(b, STR("order"), conf->sign_order != NULL ? conf->sign_order : "struct");
	buf_put_lit(b, "},\"silence\":{");
	number(b, STR("bootWindowMs"), (int64_t)(conf->boot_window_ns / 1000000));
	number(b, STR("keepaliveWindowMs"), (int64_t)(conf->keepalive_window_ns / 1000000));
	text(b, STR("told"), conf->silence != NULL ? conf->silence : "each");
	buf_put_lit(b, "},\"version\":\"" CHT_VERSION "\"}\n");
}

/* Of a cell without the texts of its channel and probes, whose length is as may be: names and
 * punctuation, an id, a run and a spec, none of which is ever escaped, and the numbers. */
enum {
	CELL_NAMES_LEN =
		sizeof(",{\"base\":\"\",\"cid\":,\"group\":,\"id\":\"\",\"mode\":,\"owner\":,"
		       "\"path\":\"\",\"probes\":\"\",\"run\":\"\",\"spec\":\"\",\"uid\":}"),
	CELL_NUMBERS = 5,
	NUMBER_LEN = 20,
	CELL_MAX = 1024,
	ESCAPED_LEN = 6, /* of one byte */
};
_Static_assert(CELL_NAMES_LEN + CELL_NUMBERS * NUMBER_LEN + CHT_CELL_ID_MAX +
			       2 * CHT_ATTRIBUTION_MAX <=
		       CELL_MAX,
	       "a cell has room for all but the texts of its channel");

static size_t escaped_max(const char *text)
{
	return text != NULL ? ESCAPED_LEN * strlen(text) : 0;
}

size_t conf_render_max(const struct conf *conf)
{
	enum { CONFIG_TEXT_MAX = 64 << 10 };
	size_t n = CONFIG_TEXT_MAX;

	for (size_t i = 0; i < conf->n_cells; i++)
		n += CELL_MAX + escaped_max(conf->cells[i].base) +
		     escaped_max(conf->cells[i].path) + escaped_max(conf->cells[i].probes);
	return n;
}

int conf_digest(const struct conf *conf, char out[CONF_DIGEST_LEN + 1], struct cht_err *err)
{
	size_t cap = conf_render_max(conf);
	struct buf hex = buf_init(out + 7, 64), text;
	uint8_t digest[32], *mem = malloc(cap);
	int r;

	if (mem == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory to render the configuration");
	text = buf_init(mem, cap);
	conf_render(conf, &text);
	r = digest_sha256(buf_bytes(&text), digest, err);
	free(mem);
	if (r == 0 && text.full)
		r = cht_fail(err, CHT_E_CONFIG, 0, "the configuration is too long");
	if (r < 0)
		return r;
	memcpy(out, "sha256:", 7);
	put_hex(&hex, digest, sizeof(digest));
	out[CONF_DIGEST_LEN] = '\0';
	return 0;
}
