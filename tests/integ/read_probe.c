/* SPDX-License-Identifier: Apache-2.0
 *
 * A probe, read when stdin says so: for tests that make its source.
 *	read_probe KIND [NAME=VALUE]...
 * "read" a line is a reading; "wait" one as soon as the probe's descriptor says that there is
 * something; "halfway", with an opener, one that stops when all was asked for, says "null", and
 *goes on at the next line. Each is a line of JSON on stdout. With opener=FD it has no library: what
 *the probe wants is asked of the cht-opener at the other end of FD, as the line does it.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clk.h"
#include "base/text.h"
#include "opening/opening.h"
#include "probe/probe.h"

static struct cht_probe_options options;
static int opener = -1;

static void die(const char *what, const char *text)
{
	fprintf(stderr, "read_probe: %s: %s\n", what, text);
	_exit(2);
}

static uint32_t number_of(const char *text)
{
	uint64_t v;

	if (!read_u64(str_of(text), UINT32_MAX, &v))
		die("not a number", text);
	return (uint32_t)v;
}

static void take(const char *arg)
{
	const char *value = strchr(arg, '=');
	struct cht_str name = { arg, value != NULL ? (size_t)(value - arg) : strlen(arg) };

	value = value != NULL ? value + 1 : "";
	if (str_eq(name, STR("iface")))
		options.iface = value;
	else if (str_eq(name, STR("family")))
		options.family = value;
	else if (str_eq(name, STR("table")))
		options.table = value;
	else if (str_eq(name, STR("netns")))
		options.netns = value;
	else if (str_eq(name, STR("cgroup")))
		options.cgroup = value;
	else if (str_eq(name, STR("netns_pid")))
		options.netns_pid = number_of(value);
	else if (str_eq(name, STR("pid")))
		options.pid = number_of(value);
	else if (str_eq(name, STR("opener")))
		opener = (int)number_of(value);
	else
		die("no such option", arg);
}

/* ---- as the line does it */

static struct probe *apart;
static struct probe_room room;

static struct probe_given satisfy(const struct probe_want *want)
{
	struct opening_request request = { .kind = OPENING_ROUTE, .pid = want->pid };
	struct pollfd p = { .fd = opener, .events = POLLIN };
	struct opening_answer answer;
	struct cht_err err = { 0 };
	int fd = -1;

	memcpy(request.path, want->netns, sizeof(want->netns));
	if (want->kind == PROBE_WANT_NFT)
		request.kind = OPENING_NFT;
	if (want->kind == PROBE_WANT_NFT_DUMP) {
		request.kind = OPENING_NFT_DUMP;
		memcpy(request.family, want->family, sizeof(request.family));
		memcpy(request.path, want->table, sizeof(want->table));
	}
	if (opening_ask(opener, &request, want->fd, &err) < 0 || poll(&p, 1, 30000) != 1 ||
	    opening_take_answer(opener, &answer, &fd, &err) != 1)
		die("the opener", err.text);
	if (answer.code != 0)
		fprintf(stderr, "%s\n", answer.text);
	return (struct probe_given){ .fd = fd, .code = answer.code, .sys = answer.sys };
}

static int read_apart(const struct cht_now *now, bool halfway, struct cht_reading *out)
{
	struct probe_want want;
	char word[8];

	probe_begin(apart);
	while (probe_next_want(apart, &want)) {
		struct probe_given given = satisfy(&want);

		probe_give(apart, &given);
	}
	if (halfway) {
		puts("null");
		fflush(stdout);
		if (fgets(word, sizeof(word), stdin) == NULL)
			die("halfway", "no more");
	}
	return probe_read(apart, now, &room, out);
}

/* ---- */

static void print(const struct cht_reading *r)
{
	printf("{\"inputs\":%.*s,\"output\":%.*s,\"error\":\"%.*s\",\"text\":\"%.*s\",\"says\":%d,"
	       "\"has_packets\":%s,\"packets_out\":%llu,\"packets_in\":%llu,\"bytes_out\":%llu,"
	       "\"bytes_in\":%llu}\n",
	       (int)r->inputs.len, r->inputs.ptr, r->output.len > 0 ? (int)r->output.len : 4,
	       r->output.len > 0 ? r->output.ptr : "null", (int)r->error.len,
	       r->error.len > 0 ? r->error.ptr : "", (int)r->error_text.len,
	       r->error_text.len > 0 ? r->error_text.ptr : "", (int)r->says,
	       r->traffic.has_packets ? "true" : "false",
	       (unsigned long long)r->traffic.packets_out,
	       (unsigned long long)r->traffic.packets_in, (unsigned long long)r->traffic.bytes_out,
	       (unsigned long long)r->traffic.bytes_in);
	fflush(stdout);
}

static void await(const struct cht_probe *whole)
{
	struct pollfd p = { .fd = -1 };

	p.fd = opener >= 0 ? probe_fd(apart, &p.events) : cht_probe_fd(whole, &p.events);
	if (p.fd < 0 || poll(&p, 1, 30000) != 1)
		die("wait", "nothing came");
}

int main(int argc, char **argv)
{
	struct cht_probe *whole = NULL;
	struct cht_err err = { 0 };
	char line[32];

	if (argc < 2 || !cht_probe_find(str_of(argv[1]), &options.kind))
		die("no such probe", argc < 2 ? "" : argv[1]);
	for (int i = 2; i < argc; i++)
		take(argv[i]);
	if ((opener >= 0 ? probe_new(&apart, &options, &err)
			 : cht_probe_open(&whole, &options, &err)) < 0)
		die("open", err.text);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		struct cht_now now;
		struct cht_reading r;

		if (strcmp(line, "wait\n") == 0)
			await(whole);
		clk_read(&now);
		if ((opener >= 0 ? read_apart(&now, strcmp(line, "halfway\n") == 0, &r)
				 : cht_probe_read(whole, &now, &r)) == 1)
			print(&r);
		else
			die("read", "nothing");
	}
	probe_free(apart);
	cht_probe_free(whole);
	return 0;
}
