/* SPDX-License-Identifier: Apache-2.0
 *
 * read_fc OPTION=VALUE...: fc_metrics as a user of libcht has it. For each line on stdin it
 * reads until nothing is left, prints each reading as one line of JSON, and then an empty line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cht/probe.h>

static void take(struct cht_probe_options *o, char *word)
{
	char *value = strchr(word, '=');

	if (value == NULL)
		exit(2);
	*value++ = '\0';
	if (strcmp(word, "fifo") == 0)
		o->fifo = value;
	else if (strcmp(word, "file") == 0)
		o->file = value;
	else if (strcmp(word, "api") == 0)
		o->api = value;
	else if (strcmp(word, "endpoint") == 0)
		o->endpoint = value;
	else if (strcmp(word, "flush") == 0)
		o->flush = true;
	else
		exit(2);
}

static void print(const struct cht_reading *r)
{
	static const char *const says[] = { "nothing", "runs", "still", "starved", "gone" };

	printf("{\"error\":\"%.*s\",\"text\":\"%.*s\",\"says\":\"%s\",\"inputs\":%.*s,\"output\":%."
	       "*s}\n",
	       (int)r->error.len, r->error.len > 0 ? r->error.ptr : "", (int)r->error_text.len,
	       r->error_text.len > 0 ? r->error_text.ptr : "", says[r->says], (int)r->inputs.len,
	       r->inputs.ptr, r->output.len > 0 ? (int)r->output.len : 2,
	       r->output.len > 0 ? r->output.ptr : "{}");
}

int main(int argc, char **argv)
{
	struct cht_probe_options o = { .kind = CHT_PROBE_FC_METRICS };
	struct cht_probe *probe;
	struct cht_err err = { 0 };
	char line[64];

	for (int i = 1; i < argc; i++)
		take(&o, argv[i]);
	if (cht_probe_open(&probe, &o, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	while (fgets(line, sizeof(line), stdin) != NULL) {
		struct timespec t;
		struct cht_now now = { .realtime_ns = 1 };
		struct cht_reading r = { .has_more = true };

		(void)clock_gettime(CLOCK_MONOTONIC, &t);
		now.monotonic_ns = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
		while (r.has_more && cht_probe_read(probe, &now, &r) == 1)
			print(&r);
		printf("\n");
		fflush(stdout);
	}
	cht_probe_free(probe);
	return 0;
}
