/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/request.h"

#include "base/bytes.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"

/* Takes what stands before the first c off s; all of it when there is no c. */
static struct cht_str take_until(struct cht_str *s, char c)
{
	const char *at = s->len > 0 ? memchr(s->ptr, c, s->len) : NULL;
	struct cht_str head = { s->ptr, at != NULL ? (size_t)(at - s->ptr) : s->len };
	size_t used = at != NULL ? head.len + 1 : head.len;

	s->ptr += used;
	s->len -= used;
	return head;
}

/* "%C3%BC+x" to its bytes. False: a stray '%', or it does not fit. */
static bool decode(struct cht_str s, struct buf *out)
{
	for (size_t i = 0; i < s.len; i++) {
		uint8_t byte = (uint8_t)s.ptr[i];
		size_t n;

		if (byte == '%') {
			if (s.len - i < 3 ||
			    !read_hex((struct cht_str){ s.ptr + i + 1, 2 }, &byte, 1, &n))
				return false;
			i += 2;
		} else if (byte == '+') {
			byte = ' ';
		}
		buf_put_byte(out, byte);
	}
	return !out->full;
}

/* As a string of JSON, without its quotes. */
static bool read_value(struct cht_str s, struct serve_value *out)
{
	uint8_t raw[SERVE_VALUE_MAX], spelled[SERVE_VALUE_MAX + 2];
	struct buf b = buf_init(raw, sizeof(raw)), json = buf_init(spelled, sizeof(spelled));
	struct cht_bytes bytes;

	if (out->len != 0 || !decode(s, &b))
		return false;
	bytes = buf_bytes(&b);
	if (bytes.len == 0 || !utf8_is_valid(bytes.ptr, bytes.len))
		return false;
	json_put_str(&json, (struct cht_str){ (const char *)bytes.ptr, bytes.len });
	if (json.full)
		return false;
	out->len = buf_len(&json) - 2;
	memcpy(out->text, spelled + 1, out->len);
	return true;
}

static int refuse_value(const char *what, struct cht_err *err)
{
	return cht_fail(err, CHT_E_PARSE, 0,
			"%s takes one value of 1 to %d bytes of UTF-8, %%-encoded", what,
			SERVE_VALUE_MAX);
}

static int read_key(struct cht_str key, struct cht_str value, struct serve_request *out,
		    bool *has_follow, struct cht_err *err)
{
	if (str_eq(key, STR("from"))) {
		if (out->has_from || !read_u64(value, TLOG_SIZE_MAX, &out->from))
			return cht_fail(err, CHT_E_PARSE, 0,
					"from takes the index of an entry, once");
		out->has_from = true;
		return 0;
	}
	if (str_eq(key, STR("follow"))) {
		out->is_following = str_eq(value, STR("1"));
		if (*has_follow || (!out->is_following && !str_eq(value, STR("0"))))
			return cht_fail(err, CHT_E_PARSE, 0, "follow takes 0 or 1, once");
		*has_follow = true;
		return 0;
	}
	if (str_eq(key, STR("cell")))
		return read_value(value, &out->cell) ? 0 : refuse_value("cell", err);
	if (str_eq(key, STR("run")))
		return read_value(value, &out->run) ? 0 : refuse_value("run", err);
	if (str_eq(key, STR("type")))
		return read_value(value, &out->type) ? 0 : refuse_value("type", err);
	return cht_fail(err, CHT_E_PARSE, 0,
			"unknown key in the query: there are from, follow, cell, run, type");
}

static int read_query(struct cht_str query, struct serve_request *out, struct cht_err *err)
{
	bool has_follow = false;
	int r = 0;

	while (r == 0 && query.len > 0) {
		struct cht_str value = take_until(&query, '&'), key = take_until(&value, '=');

		r = read_key(key, value, out, &has_follow, err);
	}
	return r;
}

static int read_path(struct cht_str path, struct serve_request *out, struct cht_err *err)
{
	static const struct {
		struct cht_str path;
		enum serve_what what;
	} paths[] = {
		{ STR_INIT("/"), SERVE_INDEX },
		{ STR_INIT("/healthz"), SERVE_HEALTH },
		{ STR_INIT("/checkpoint"), SERVE_CHECKPOINT },
		{ STR_INIT("/events"), SERVE_EVENTS },
	};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (str_eq(path, paths[i].path)) {
			out->what = paths[i].what;
			return 0;
		}
	out->what = SERVE_TILE;
	if (!str_starts(path, STR("/tile/")))
		return cht_fail(err, CHT_E_CONFIG, 0,
				"there is nothing here; / says what there is");
	path = (struct cht_str){ path.ptr + 1, path.len - 1 };
	if (!tlog_tile_read_path(path, &out->tile))
		return cht_fail(err, CHT_E_CONFIG, 0,
				"no such tile: tile/<level>/<number> or tile/entries/<number>, "
				"with .p/<width> when partial, as C2SP tlog-tiles spells them");
	return 0;
}

int serve_request_read(struct cht_str target, struct serve_request *out, struct cht_err *err)
{
	struct cht_str query = target, path;
	bool has_query;
	int r;

	memset(out, 0, sizeof(*out));
	if (target.len > SERVE_TARGET_MAX)
		return cht_fail(err, CHT_E_RANGE, 0, "a target has at most %d bytes",
				SERVE_TARGET_MAX);
	path = take_until(&query, '?');
	has_query = path.len < target.len;
	r = read_path(path, out, err);
	if (r < 0 || !has_query)
		return r;
	if (out->what != SERVE_EVENTS)
		return cht_fail(err, CHT_E_PARSE, 0, "this path takes no query");
	return read_query(query, out, err);
}
