/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of a table that count. The kernel looks at who sends a request for them, so somebody
 * else sends it; what it answers is read here, from a socket that can ask for nothing. A dump is
 * taken as a whole or not at all: of one that changed meanwhile nothing is said. */
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/text.h"
#include "probe/counted.h"
#include "probe/kinds.h"
#include "probe/place.h"
#include "probe/rule.h"

enum {
	/* A chunk has up to 32 KiB: so many rules are a reading's time, and more are not waited
	   for. */
	DATAGRAMS_MAX = 64,
	TABLE_MAX = 255,
	/* What stands behind the rows. */
	TAIL_MAX = 160,
};

struct nft {
	struct probe p;
	struct probe_place place;
	int fd;         /* -1: not open */
	int code, sys;  /* why it is not, or nothing was asked */
	bool is_asked;  /* in this round, for the socket: given, or failed */
	bool is_dumped; /* for the dump */
	bool is_old;    /* the table is not there: perhaps another namespace has the name */
	struct counted counted;
	char family[8], table[TABLE_MAX + 1];
};

static struct nft *of(struct probe *p)
{
	return (struct nft *)(void *)p;
}

static bool is_family(const char *family)
{
	static const char *const all[] = { "ip", "ip6", "inet", "arp", "bridge", "netdev" };

	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strcmp(family, all[i]) == 0)
			return true;
	return false;
}

/* What nft(8) takes as a name without quotes: so the command in a reading's inputs can be run. */
static bool is_table(const char *table)
{
	static const char
		letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
		all[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_.-";

	return strspn(table, letters) > 0 && table[strspn(table, all)] == '\0';
}

static int take_options(struct nft *n, const struct cht_probe_options *options, struct cht_err *err)
{
	int r = probe_take_text(n->family, sizeof(n->family), options->family, "family", false,
				err);

	if (r == 0)
		r = probe_take_text(n->table, sizeof(n->table), options->table, "table", false,
				    err);
	if (r == 0)
		r = place_take(&n->place, options, err);
	if (r < 0)
		return r;
	if (!is_family(n->family))
		return cht_fail(err, CHT_E_RANGE, 0,
				"family: one of ip, ip6, inet, arp, bridge, netdev");
	if (!is_table(n->table))
		return cht_fail(err, CHT_E_RANGE, 0,
				"table: a letter, then letters, digits and any of /_.-");
	return 0;
}

static int make(struct probe **out, const struct cht_probe_options *options, struct cht_err *err)
{
	struct nft *n = calloc(1, sizeof(*n));
	int r;

	if (n == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for a probe");
	n->p.kind = &probe_nftables;
	n->fd = -1;
	r = take_options(n, options, err);
	if (r < 0) {
		free(n);
		return r;
	}
	*out = &n->p;
	return 0;
}

/* What is left of an earlier dump is not of this one; of one without end the socket goes too. */
static void begin(struct probe *p)
{
	struct nft *n = of(p);

	n->is_asked = n->is_dumped = false;
	if (n->fd >= 0 && ((n->is_old && place_may_be_another(&n->place)) || !nl_drain(n->fd)))
		fd_close(&n->fd);
	n->is_old = false;
}

static bool next_want(struct probe *p, struct probe_want *want)
{
	struct nft *n = of(p);

	if (n->fd < 0 && !n->is_asked && place_may_ask(&n->place)) {
		want->kind = PROBE_WANT_NFT;
		place_want(&n->place, want);
		return true;
	}
	if (n->fd < 0 || n->is_dumped)
		return false;
	want->kind = PROBE_WANT_NFT_DUMP;
	want->fd = n->fd;
	memcpy(want->family, n->family, sizeof(n->family));
	memcpy(want->table, n->table, sizeof(n->table));
	return true;
}

static void give(struct probe *p, const struct probe_given *given)
{
	struct nft *n = of(p);

	n->code = given->code;
	n->sys = given->sys;
	if (n->is_asked || n->fd >= 0) {
		n->is_dumped = true;
		if (given->code != 0)
			fd_close(&n->fd);
		return;
	}
	n->is_asked = true;
	n->fd = given->fd;
	n->place.was_had |= n->fd >= 0;
}

static void put_inputs(struct buf *b, const struct nft *n)
{
	char command[CHT_PROBE_TEXT_MAX], within[300] = "";

	if (n->place.name[0] != '\0')
		(void)snprintf(within, sizeof(within), "ip netns exec %s ", n->place.name);
	else if (n->place.pid != 0)
		(void)snprintf(within, sizeof(within), "nsenter --net=/proc/%u/ns/net ",
			       n->place.pid);
	(void)snprintf(command, sizeof(command), "%snft -j list table %s %s", within, n->family,
		       n->table);
	json_put_member(b, "{\"command\":", str_of(command));
	json_put_member(b, ",\"family\":", str_of(n->family));
	place_put(b, &n->place);
	json_put_member(b, ",\"table\":", str_of(n->table));
	buf_put_byte(b, '}');
}

/* ---- a dump */

struct dump {
	const struct nft *n;
	struct counting counting;
	struct buf rows; /* up to what its tail needs */
	uint64_t table_handle, n_rows, n_omitted;
	bool has_table, is_done, is_changed, is_strange;
	int sys; /* instead of rules */
};

static void put_chain(struct buf *b, struct cht_str chain)
{
	static const struct cht_str bad = STR_INIT("\xef\xbf\xbd");
	uint8_t mem[3 * 256];
	struct buf text = buf_init(mem, sizeof(mem));

	while (chain.len > 0) {
		const uint8_t *at = (const uint8_t *)chain.ptr;
		size_t n = utf8_sequence(at, chain.len);

		buf_put_str(&text, n > 0 ? (struct cht_str){ chain.ptr, n } : bad);
		n = n > 0 ? n : 1;
		chain.ptr += n;
		chain.len -= n;
	}
	json_put_member(b, ",\"chain\":", (struct cht_str){ (char *)mem, buf_len(&text) });
}

static void put_row(struct buf *b, const struct nft *n, const struct rule *rule,
		    struct cht_str repr)
{
	buf_put_lit(b, "{\"bytes\":");
	put_u64(b, rule->bytes);
	put_chain(b, rule->chain);
	json_put_member(b, ",\"family\":", str_of(n->family));
	buf_put_lit(b, ",\"handle\":");
	put_u64(b, rule->handle);
	buf_put_lit(b, ",\"packets\":");
	put_u64(b, rule->packets);
	json_put_member(b, ",\"ruleRepr\":", repr);
	json_put_member(b, ",\"table\":", str_of(n->table));
	buf_put_byte(b, '}');
}

/* As many as fit, from the first one on. */
static void add_row(struct dump *d, const struct rule *rule)
{
	struct counted_row row = { rule->handle, rule->packets, rule->bytes, 0 };
	uint8_t mem[RULE_REPR_MAX], *begin = d->rows.at;
	struct buf repr = buf_init(mem, sizeof(mem));

	d->n_rows++;
	if (d->n_omitted == 0 || d->n_rows <= COUNTED_MAX) {
		rule_put_repr(&repr, rule);
		row.what = counting_what(buf_bytes(&repr));
	}
	counting_add(&d->counting, &row);
	if (d->n_omitted == 0) {
		buf_put_str(&d->rows, d->n_rows > 1 ? STR(",") : STR(""));
		put_row(&d->rows, d->n, rule, (struct cht_str){ (char *)mem, buf_len(&repr) });
	}
	if (!d->rows.full)
		return;
	d->rows.at = begin;
	d->n_omitted++;
}

static void take(struct dump *d, const struct nl_message *m)
{
	struct cht_str table = str_of(d->n->table);
	struct rule rule;

	if ((m->flags & NLM_F_DUMP_INTR) != 0)
		d->is_changed = true;
	if (m->type == NLMSG_ERROR || m->type == NLMSG_DONE) {
		d->is_done = d->is_done || m->type == NLMSG_DONE;
		d->sys = d->sys != 0 ? d->sys : nl_errno_of(m);
		return;
	}
	if (table_read(m, table, &d->table_handle)) {
		d->has_table = true;
		return;
	}
	switch (rule_read(m, table, &rule)) {
	case RULE_COUNTS: add_row(d, &rule); break;
	case RULE_STRANGE: d->is_strange = true; break;
	case RULE_NOT:
	case RULE_NO_COUNT: break;
	}
}

/* The kernel makes the next chunk when this one is taken: a dump never has to be waited for. */
static int take_all(struct dump *d, struct probe_room *room)
{
	for (int i = 0; i < DATAGRAMS_MAX && !d->is_done; i++) {
		bool is_event = false;
		int n = nl_receive(d->n->fd, room->scratch, sizeof(room->scratch), &is_event);
		struct cht_bytes rest = { room->scratch, n > 0 ? (size_t)n : 0 };
		struct nl_message m;

		if (n < 0)
			return -n;
		if (n == 0)
			return d->sys != 0 ? d->sys : ETIMEDOUT;
		while (!is_event && nl_next(&rest, &m))
			take(d, &m);
	}
	if (!d->is_done)
		return EFBIG;
	return d->sys;
}

static void put_member(struct buf *b, const char *member, uint64_t v)
{
	buf_put_str(b, str_of(member));
	put_u64(b, v);
}

static void see(struct nft *n, struct dump *d, struct probe_room *room, struct cht_reading *out)
{
	struct counts counts = { .replaced = 0 };
	bool is_compared = counted_take(&n->counted, &d->counting, d->table_handle, &counts);
	struct buf tail = buf_init(d->rows.at, TAIL_MAX);
	char text[80];

	buf_put_byte(&tail, ']');
	if (d->n_omitted > 0)
		put_member(&tail, ",\"rowsOmitted\":", d->n_omitted);
	if (is_compared) {
		put_member(&tail, ",\"rowsReplaced\":", counts.replaced);
		put_member(&tail, ",\"rowsReset\":", counts.reset);
	}
	if (d->table_handle != 0)
		put_member(&tail, ",\"tableHandle\":", d->table_handle);
	buf_put_byte(&tail, '}');
	out->output = (struct cht_str){ (char *)room->output, (size_t)(tail.at - d->rows.start) };
	out->traffic = (struct cht_probe_traffic){ .has_packets = is_compared,
						   .packets_out = counts.packets,
						   .bytes_out = counts.bytes };
	if (d->n_omitted == 0)
		return;
	(void)snprintf(text, sizeof(text), "%llu of %llu rows did not fit",
		       (unsigned long long)d->n_omitted, (unsigned long long)d->n_rows);
	reading_fail_named(out, room, "too_large", text);
}

static void fail(struct nft *n, int sys, struct probe_room *room, struct cht_reading *out)
{
	char text[120];

	(void)snprintf(text, sizeof(text), "table %s %.60s", n->family, n->table);
	switch (sys) {
	case EPERM:
		(void)snprintf(text, sizeof(text),
			       "table %s %.40s: who asks for its rules needs CAP_NET_ADMIN there",
			       n->family, n->table);
		break;
	case EFBIG:
		(void)snprintf(text, sizeof(text),
			       "table %s %.40s: more rules than a reading takes", n->family,
			       n->table);
		reading_fail_named(out, room, "too_large", text);
		break;
	case ENOENT: n->is_old = true; break;
	default: break;
	}
	reading_fail(out, room, CHT_E_IO, sys, text);
}

static void read_dump(struct nft *n, struct probe_room *room, struct cht_reading *out)
{
	struct dump d = { .n = n, .rows = buf_init(room->output, sizeof(room->output) - TAIL_MAX) };
	int sys;

	counting_begin(&d.counting, &n->counted);
	buf_put_lit(&d.rows, "{\"rows\":[");
	sys = take_all(&d, room);
	if (sys == 0 && !d.has_table)
		sys = ENOENT;
	if (sys != 0)
		fail(n, sys, room, out);
	else if (d.is_changed)
		reading_fail_named(out, room, "changed", "the rules were changed meanwhile");
	else if (d.is_strange)
		reading_fail_named(out, room, "malformed", "a rule of the kernel's is none");
	else
		see(n, &d, room, out);
}

static int read_it(struct probe *p, const struct cht_now *now, struct probe_room *room,
		   struct cht_reading *out)
{
	struct nft *n = of(p);
	struct buf inputs = buf_init(room->inputs, sizeof(room->inputs));

	(void)now;
	put_inputs(&inputs, n);
	out->inputs = (struct cht_str){ (char *)room->inputs, buf_len(&inputs) };
	if (n->fd < 0)
		place_fail(&n->place, n->code, n->sys, n->table, room, out);
	else
		read_dump(n, room, out);
	return 1;
}

static void free_it(struct probe *p)
{
	fd_close(&of(p)->fd);
	free(p);
}

const struct probe_kind probe_nftables = {
	.kind = CHT_PROBE_NFTABLES,
	.make = make,
	.begin = begin,
	.next_want = next_want,
	.give = give,
	.read = read_it,
	.free = free_it,
};
