/* SPDX-License-Identifier: Apache-2.0 */
#include "asked/asked.h"

#include <string.h>

#include "asked/value.h"
#include "base/bytes.h"
#include "base/limits.h"

enum { NETNS_MAX = 255, IFACE_MAX = 15 };

/* A member of one probe: where its value goes. */
enum input_kind { INPUT_PATH, INPUT_TEXT, INPUT_NAME, INPUT_NETNS, INPUT_FAMILY, INPUT_BOOL };
struct input {
	const char *name;
	enum input_kind kind;
	bool must;
	size_t at; /* in struct cht_probe_options */
};

#define AT(member) offsetof(struct cht_probe_options, member)

static const struct input fc_metrics[] = {
	{ "fifo", INPUT_PATH, false, AT(fifo) },
	{ "file", INPUT_PATH, false, AT(file) },
	{ "endpoint", INPUT_TEXT, false, AT(endpoint) },
	{ "apiSocket", INPUT_PATH, false, AT(api) },
	{ "flush", INPUT_BOOL, false, AT(flush) },
	{ NULL, INPUT_TEXT, false, 0 },
};
static const struct input cgroup[] = { { "cgroupLeaf", INPUT_TEXT, true, AT(cgroup) },
				       { NULL, INPUT_TEXT, false, 0 } };
static const struct input nftables[] = { { "family", INPUT_FAMILY, true, AT(family) },
					 { "table", INPUT_NAME, true, AT(table) },
					 { "netns", INPUT_NETNS, false, AT(netns) },
					 { NULL, INPUT_TEXT, false, 0 } };
static const struct input tap_link[] = { { "iface", INPUT_NAME, true, AT(iface) },
					 { "netns", INPUT_NETNS, false, AT(netns) },
					 { NULL, INPUT_TEXT, false, 0 } };
static const struct input vmm_proc[] = { { NULL, INPUT_TEXT, false, 0 } };

static const struct input *const inputs_of[CHT_N_PROBES] = {
	[CHT_PROBE_FC_METRICS] = fc_metrics, [CHT_PROBE_CGROUP] = cgroup,
	[CHT_PROBE_NFTABLES] = nftables,     [CHT_PROBE_TAP_LINK] = tap_link,
	[CHT_PROBE_VMM_PROC] = vmm_proc,
};

/* What stays of a text when the body is gone; null: no room, which a body cannot bring about. */
static const char *keep(struct probes_asked *probes, struct cht_str s)
{
	char *to = probes->texts + probes->used;

	if (s.len >= sizeof(probes->texts) - probes->used)
		return NULL;
	memcpy(to, s.ptr, s.len);
	to[s.len] = '\0';
	probes->used += s.len + 1;
	return to;
}

static bool is_family(struct cht_str s)
{
	static const char *const families[] = { "ip", "ip6", "inet", "arp", "bridge", "netdev" };

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (str_eq(s, str_of(families[i])))
			return true;
	return false;
}

/* One component of a path. */
static bool is_name(struct cht_str s, size_t most)
{
	return member_is_plain(s, most) && memchr(s.ptr, '/', s.len) == NULL &&
	       !str_eq(s, STR(".")) && !str_eq(s, STR(".."));
}

static bool is_good(const struct input *input, struct cht_str s)
{
	switch (input->kind) {
	case INPUT_PATH: return member_is_plain(s, CHT_PROBE_TEXT_MAX) && s.ptr[0] == '/';
	case INPUT_NAME:
		return is_name(s, strcmp(input->name, "iface") == 0 ? IFACE_MAX : NETNS_MAX);
	case INPUT_NETNS: return is_name(s, NETNS_MAX);
	case INPUT_FAMILY: return is_family(s);
	case INPUT_TEXT: return member_is_plain(s, CHT_PROBE_TEXT_MAX);
	case INPUT_BOOL:
	default: return false;
	}
}

static bool take_input(const struct input *input, const json_t *value, struct probes_asked *probes,
		       struct cht_probe_options *options)
{
	char *to = (char *)options + input->at;
	const char *kept;

	if (input->kind == INPUT_BOOL) {
		*(bool *)to = json_is_true(value);
		return json_is_boolean(value);
	}
	/* Whose namespace, by a process instead of by a name. */
	if (input->kind == INPUT_NETNS && json_is_integer(value)) {
		options->netns_pid = (uint32_t)json_integer_value(value);
		return member_is_integer(value, 1, LIMIT_PID_MOST);
	}
	if (!is_good(input, member_text(value)))
		return false;
	kept = keep(probes, member_text(value));
	*(const char **)(void *)to = kept;
	return kept != NULL;
}

static const struct input *find_input(const struct input *inputs, const char *name)
{
	for (; inputs->name != NULL; inputs++)
		if (strcmp(inputs->name, name) == 0)
			return inputs;
	return NULL;
}

static bool has_all(const struct input *inputs, const json_t *value)
{
	for (; inputs->name != NULL; inputs++)
		if (inputs->must && json_object_get(value, inputs->name) == NULL)
			return false;
	return true;
}

/* What its members can only be together. */
static bool fit(const struct cht_probe_options *o)
{
	if (o->kind != CHT_PROBE_FC_METRICS)
		return true;
	return (o->fifo != NULL) != (o->file != NULL) && (!o->flush || o->api != NULL);
}

/* "cgroup" and "host.cgroup" are the same. */
static bool is_asked(const struct probes_asked *probes, enum cht_probe_kind kind)
{
	for (unsigned i = 0; i < probes->n; i++)
		if (probes->list[i].options.kind == kind)
			return true;
	return false;
}

static bool take_probe(const char *name, json_t *value, struct probes_asked *probes)
{
	struct probe_asked *one = &probes->list[probes->n];
	const char *key;
	json_t *inner;

	if (probes->n == CHT_N_PROBES || !json_is_object(value))
		return false;
	*one = (struct probe_asked){ .interval_ms = 0 };
	if (!cht_probe_find(str_of(name), &one->options.kind) ||
	    is_asked(probes, one->options.kind))
		return false;
	json_object_foreach(value, key, inner)
	{
		const struct input *input = find_input(inputs_of[one->options.kind], key);

		if (strcmp(key, "intervalMs") == 0) {
			if (!member_is_integer(inner, LIMIT_PROBE_MS_LEAST, LIMIT_PROBE_MS_MOST))
				return false;
			one->interval_ms = (uint32_t)json_integer_value(inner);
		} else if (input == NULL || !take_input(input, inner, probes, &one->options)) {
			return false;
		}
	}
	probes->n++;
	return has_all(inputs_of[one->options.kind], value) && fit(&one->options);
}

bool probes_asked_take(const json_t *object, struct probes_asked *out)
{
	json_t *inner = (json_t *)(uintptr_t)object, *inputs;
	const char *name;

	out->n = 0;
	out->used = 0;
	json_object_foreach(inner, name, inputs)
	{
		if (!take_probe(name, inputs, out))
			return false;
	}
	return out->n > 0;
}

bool probes_asked_read_alone(struct cht_str text, struct probes_asked *out)
{
	json_t *object = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL);
	bool is_good = probes_asked_take(object, out);

	json_decref(object);
	return is_good;
}

bool probes_asked_read(struct cht_bytes stated, struct probes_asked *out)
{
	json_t *object = json_loadb((const char *)stated.ptr, stated.len, 0, NULL);
	bool is_good = probes_asked_take(json_object_get(object, "probes"), out);

	json_decref(object);
	return is_good;
}
