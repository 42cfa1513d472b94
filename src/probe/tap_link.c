/* SPDX-License-Identifier: Apache-2.0 */
/* A link, over rtnetlink. One socket is asked, and hears what happens in between: what it heard is
 * taken first, so that the answer is the last word. */
#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/text.h"
#include "probe/kinds.h"
#include "probe/link.h"
#include "probe/place.h"

/* Of one link in one reading: more is a reading that fails, and the next one goes on. */
enum { DATAGRAMS_MAX = 256 };

struct tap {
	struct probe p;
	struct probe_place place;
	int fd;        /* -1: not open */
	int code, sys; /* why it is not */
	bool is_asked; /* in this round: given, or failed */
	bool is_old;   /* what was asked for is not there: perhaps another namespace has the name */
	uint32_t seq;
	bool was_seen;
	bool is_up;         /* when it was told of last; false when it was removed */
	struct link before; /* of the last reading that saw it */
	uint64_t total[LINK_N_COUNTERS];
	struct {
		uint32_t downs, removals, ups;
		bool lost;
	} heard; /* since the reading before */
	char iface[LINK_NAME_MAX + 1];
};

/* How the counters stand to those of the reading before. */
enum counting { COUNTS_FIRST, COUNTS_ON, COUNTS_ANEW, COUNTS_LESS };

static struct tap *of(struct probe *p)
{
	return (struct tap *)(void *)p;
}

static int make(struct probe **out, const struct cht_probe_options *options, struct cht_err *err)
{
	struct tap *t = calloc(1, sizeof(*t));
	int r;

	if (t == NULL)
		return cht_fail(err, CHT_E_NOMEM, 0, "no memory for a probe");
	t->p.kind = &probe_tap_link;
	t->fd = -1;
	r = probe_take_text(t->iface, sizeof(t->iface), options->iface, "iface", false, err);
	if (r == 0 && !link_is_name(t->iface))
		r = cht_fail(err, CHT_E_RANGE, 0, "iface: no link can be called %s", t->iface);
	if (r == 0)
		r = place_take(&t->place, options, err);
	if (r < 0) {
		free(t);
		return r;
	}
	*out = &t->p;
	return 0;
}

static void begin(struct probe *p)
{
	struct tap *t = of(p);

	t->is_asked = false;
	if (t->is_old && place_may_be_another(&t->place))
		fd_close(&t->fd);
	t->is_old = false;
}

static bool next_want(struct probe *p, struct probe_want *want)
{
	struct tap *t = of(p);

	if (t->fd >= 0 || t->is_asked || !place_may_ask(&t->place))
		return false;
	want->kind = PROBE_WANT_ROUTE;
	place_want(&t->place, want);
	return true;
}

static void refuse(struct tap *t, int sys)
{
	t->code = CHT_E_IO;
	t->sys = sys;
	fd_close(&t->fd);
}

static void give(struct probe *p, const struct probe_given *given)
{
	struct tap *t = of(p);
	int r;

	t->is_asked = true;
	t->fd = given->fd;
	t->code = given->code;
	t->sys = given->sys;
	t->place.was_had |= t->fd >= 0;
	r = t->fd >= 0 ? link_listen(t->fd, t->iface) : 0;
	if (r < 0)
		refuse(t, -r);
}

/* ---- what happened */

static void hear_up(struct tap *t, bool is_up)
{
	if (is_up == t->is_up)
		return;
	t->is_up = is_up;
	(*(is_up ? &t->heard.ups : &t->heard.downs))++;
}

static void hear(struct tap *t, const struct nl_message *m)
{
	struct link link;

	switch (link_read(m, t->iface, &link)) {
	case LINK_IS:
		if (t->was_seen)
			hear_up(t, link.is_up);
		break;
	case LINK_REMOVED:
		t->heard.removals += t->was_seen ? 1 : 0;
		t->is_up = false;
		break;
	case LINK_NOT:
	case LINK_STRANGE: break;
	}
}

/* ---- a reading */

struct answer {
	bool is_there;
	enum link_told told;
	struct link link;
	int sys; /* instead of a link */
};

static void take(struct tap *t, const struct nl_message *m, bool is_event, struct answer *a)
{
	if (is_event) {
		hear(t, m);
	} else if (m->seq == t->seq && m->type == NLMSG_ERROR) {
		a->is_there = true;
		a->sys = nl_errno_of(m);
	} else if (m->seq == t->seq) {
		a->told = link_read(m, t->iface, &a->link);
		a->is_there = a->told != LINK_NOT;
	}
}

/* All that waits. 0, or an errno; ENOBUFS is told of, and is none. */
static int take_all(struct tap *t, struct probe_room *room, struct answer *a)
{
	for (int i = 0; i < DATAGRAMS_MAX; i++) {
		bool is_event = false;
		int n = nl_receive(t->fd, room->scratch, sizeof(room->scratch), &is_event);
		struct cht_bytes rest = { room->scratch, n > 0 ? (size_t)n : 0 };
		struct nl_message m;

		if (n == 0)
			return 0;
		if (n == -ENOBUFS) {
			t->heard.lost = true;
			continue;
		}
		if (n < 0)
			return -n;
		while (nl_next(&rest, &m))
			take(t, &m, is_event, a);
	}
	return EBUSY;
}

/* 0: *a is there; or an errno. */
static int ask(struct tap *t, struct probe_room *room, struct answer *a)
{
	int r;

	*a = (struct answer){ .is_there = false };
	r = take_all(t, room, a);
	t->seq++;
	if (r == 0)
		r = -link_ask(t->fd, t->iface, t->seq);
	if (r == 0)
		r = take_all(t, room, a);
	return r != 0 || a->is_there ? r : ETIMEDOUT;
}

static enum counting count(const struct tap *t, const struct link *now)
{
	if (!t->was_seen)
		return COUNTS_FIRST;
	if (now->ifindex != t->before.ifindex || t->heard.removals > 0)
		return COUNTS_ANEW;
	for (unsigned i = 0; i < LINK_N_COUNTERS; i++)
		if (now->counters[i] < t->before.counters[i])
			return COUNTS_LESS;
	return COUNTS_ON;
}

/* What a counter that began anew has was counted since. */
static void add(struct tap *t, const struct link *now, enum counting counting)
{
	for (unsigned i = 0; i < LINK_N_COUNTERS; i++) {
		uint64_t was = counting == COUNTS_FIRST || counting == COUNTS_ANEW
				       ? 0
				       : t->before.counters[i];
		uint64_t is = now->counters[i];

		t->total[i] = u64_sum(t->total[i], is >= was ? is - was : is);
	}
}

static void put_inputs(struct buf *b, const struct tap *t)
{
	char path[sizeof("/sys/class/net/") + LINK_NAME_MAX];

	(void)snprintf(path, sizeof(path), "/sys/class/net/%s", t->iface);
	json_put_member(b, "{\"iface\":", str_of(t->iface));
	place_put(b, &t->place);
	json_put_member(b, ",\"sysfs\":", str_of(path));
	buf_put_byte(b, '}');
}

static void put_number(struct buf *b, const char *member, uint64_t v)
{
	buf_put_str(b, str_of(member));
	put_u64(b, v);
}

static void put_heard(struct buf *b, const struct tap *t)
{
	if (t->heard.downs == 0 && t->heard.removals == 0 && t->heard.ups == 0 && !t->heard.lost)
		return;
	put_number(b, ",\"changes\":{\"downs\":", t->heard.downs);
	buf_put_str(b, t->heard.lost ? STR(",\"lost\":true") : STR(""));
	put_number(b, ",\"removals\":", t->heard.removals);
	put_number(b, ",\"ups\":", t->heard.ups);
	buf_put_byte(b, '}');
}

static void put_output(struct buf *b, const struct tap *t, const struct link *link,
		       enum counting counting)
{
	static const char *const words[] = { [COUNTS_FIRST] = "first",
					     [COUNTS_ON] = "continued",
					     [COUNTS_ANEW] = "new_link",
					     [COUNTS_LESS] = "decreased" };
	static const char *const members[LINK_N_COUNTERS] = {
		[LINK_RX_BYTES] = ",\"rxBytes\":",   [LINK_RX_DROPPED] = ",\"rxDropped\":",
		[LINK_RX_ERRORS] = ",\"rxErrors\":", [LINK_RX_PACKETS] = ",\"rxPackets\":",
		[LINK_TX_BYTES] = ",\"txBytes\":",   [LINK_TX_DROPPED] = ",\"txDropped\":",
		[LINK_TX_ERRORS] = ",\"txErrors\":", [LINK_TX_PACKETS] = ",\"txPackets\":",
	};

	buf_put_str(b, link->carrier ? STR("{\"carrier\":\"1\"") : STR("{\"carrier\":\"0\""));
	if (link->has_changes)
		put_number(b, ",\"carrierChanges\":", link->carrier_changes);
	put_heard(b, t);
	json_put_member(b, ",\"counters\":", str_of(words[counting]));
	put_number(b, ",\"ifindex\":", link->ifindex);
	json_put_member(b, ",\"operstate\":", str_of(link->operstate));
	for (unsigned i = 0; i < LINK_N_COUNTERS; i++)
		put_number(b, members[i], link->counters[i]);
	buf_put_byte(b, '}');
}

static void see(struct tap *t, const struct link *link, struct probe_room *room,
		struct cht_reading *out)
{
	struct buf output = buf_init(room->output, sizeof(room->output));
	enum counting counting = count(t, link);

	if (t->was_seen)
		hear_up(t, link->is_up); /* if nobody told */
	add(t, link, counting);
	put_output(&output, t, link, counting);
	t->before = *link;
	t->was_seen = true;
	t->is_up = link->is_up;
	memset(&t->heard, 0, sizeof(t->heard));
	out->output = (struct cht_str){ (char *)room->output, buf_len(&output) };
	out->traffic = (struct cht_probe_traffic){
		.has_packets = true,
		.is_down = !link->is_up || !link->carrier,
		.packets_out = t->total[LINK_RX_PACKETS],
		.packets_in = t->total[LINK_TX_PACKETS],
		.bytes_out = t->total[LINK_RX_BYTES],
		.bytes_in = t->total[LINK_TX_BYTES],
	};
}

static void fail(struct tap *t, int sys, struct probe_room *room, struct cht_reading *out)
{
	char text[64];

	t->is_old = sys == ENODEV;
	if (sys != ENODEV) {
		reading_fail(out, room, CHT_E_IO, sys, t->iface);
		return;
	}
	out->traffic.is_down = true;
	(void)snprintf(text, sizeof(text), "%s %s", t->iface,
		       t->was_seen ? "was removed" : "is not there");
	reading_fail_named(out, room, t->was_seen ? "gone" : "not_found", text);
}

static int read_it(struct probe *p, const struct cht_now *now, struct probe_room *room,
		   struct cht_reading *out)
{
	struct tap *t = of(p);
	struct buf inputs = buf_init(room->inputs, sizeof(room->inputs));
	struct answer a = { .is_there = false };
	int sys;

	(void)now;
	put_inputs(&inputs, t);
	out->inputs = (struct cht_str){ (char *)room->inputs, buf_len(&inputs) };
	if (t->fd < 0) {
		place_fail(&t->place, t->code, t->sys, t->iface, room, out);
		return 1;
	}
	sys = ask(t, room, &a);
	if (sys == 0)
		sys = a.sys;
	if (sys != 0)
		fail(t, sys, room, out);
	else if (a.told == LINK_IS)
		see(t, &a.link, room, out);
	else
		reading_fail(out, room, CHT_E_PARSE, 0, t->iface);
	return 1;
}

static int fd_of(const struct probe *p, short *events)
{
	*events = POLLIN;
	return ((const struct tap *)(const void *)p)->fd;
}

static void free_it(struct probe *p)
{
	fd_close(&of(p)->fd);
	free(p);
}

const struct probe_kind probe_tap_link = {
	.kind = CHT_PROBE_TAP_LINK,
	.make = make,
	.begin = begin,
	.next_want = next_want,
	.give = give,
	.read = read_it,
	.fd = fd_of,
	.free = free_it,
};
