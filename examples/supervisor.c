/* SPDX-License-Identifier: Apache-2.0
 *
 * supervisor.c - libcht inside a loop that is somebody else's: here poll(2) and standard input.
 *	cc supervisor.c $(pkg-config --cflags --libs cht) -o supervisor
 *	./supervisor BASE CELL-ID
 * Binds BASE_9001 and prints one event a line: what the guest declares, and what the host has to
 * say of it; signed if CELLOS_HOST_TELEMETRY_SIGN_ALG says how. Ends with standard input.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <cht/listener.h>
#include <cht/sign.h>

#ifndef KEEPALIVE_MS
#define KEEPALIVE_MS 10000
#endif

enum { OURS, LISTENER, FIRST, N = FIRST + 16 };

static struct cht_cell *cell;
static struct cht_listener *listener;
static struct cht_signer *signer; /* null: events are printed unsigned */
static struct cht_connection *connections[N];
static struct pollfd fds[N];

static void print(const struct cht_stamped *stamped)
{
	static uint8_t event[CHT_ENTRY_MAX_BYTES];
	int n = cht_stamp_and_sign(signer, stamped, NULL, event, sizeof(event));

	printf("%.*s\n", n > 0 ? n : 0, (const char *)event);
	(void)fflush(stdout);
}

static void take_connection(void)
{
	struct cht_connection *c;
	int i = FIRST;

	if (cht_accept(listener, &c, NULL) != 1)
		return; /* over a limit, and closed already; the next has its turn */
	while (connections[i] != NULL)
		i++; /* there is a place: max_connections is N - FIRST */
	connections[i] = c;
	fds[i] = (struct pollfd){ .fd = cht_connection_fd(c), .events = POLLIN };
}

static void take_frames(int i, const struct cht_now *now)
{
	const struct cht_stamped *stamped;
	struct cht_err err = { 0 };
	int r;

	do {
		r = cht_recv_stamped(connections[i], cell, now, &stamped, &err);
		if (r == CHT_RECEIVED_FRAME)
			print(stamped);
	} while (r == CHT_RECEIVED_FRAME || r == CHT_RECEIVED_REFUSED);
	if (r == CHT_RECEIVED_NOTHING)
		return;
	fprintf(stderr, "supervisor: a connection ended: %s\n", r < 0 ? err.text : "in order");
	cht_connection_free(connections[i]);
	connections[i] = NULL;
	fds[i].fd = -1;
}

/* How long poll may wait: until the cell or a connection has something without any byte; 1 h. */
static int wait_ms(const struct cht_now *now)
{
	uint64_t at = cht_cell_deadline(cell);

	for (int i = FIRST; i < N; i++)
		if (connections[i] != NULL && cht_connection_deadline(connections[i]) < at)
			at = cht_connection_deadline(connections[i]);
	at -= at < now->monotonic_ns ? at : now->monotonic_ns;
	return (int)((at < UINT64_C(3600000000000) ? at : UINT64_C(3600000000000)) / 1000000 + 1);
}

int main(int argc, char **argv)
{
	struct cht_listener_options where = CHT_LISTENER_OPTIONS_INIT;
	struct cht_cell_options who = { .keepalive_window_ns = UINT64_C(1000000) * KEEPALIVE_MS };
	const struct cht_stamped *said;
	struct cht_err err = { 0 };
	struct cht_now now;

	if (argc != 3)
		return fprintf(stderr, "usage: supervisor BASE CELL-ID\n"), 2;
	who.cell_id = (struct cht_str){ argv[2], strlen(argv[2]) };
	where.base = argv[1];
	where.max_connections = N - FIRST;
	cht_now(&now);
	if (cht_signer_from_env(&signer, &err) < 0 || cht_cell_new(&cell, &who, &now, &err) < 0 ||
	    cht_listener_bind(&listener, &where, &err) < 0)
		return fprintf(stderr, "supervisor: %s\n", err.text), 1;
	fprintf(stderr, "supervisor: listening\n"); /* now the VM may boot */
	memset(fds, -1, sizeof(fds));               /* poll passes over descriptor -1 */
	fds[OURS] = (struct pollfd){ .fd = 0, .events = POLLIN }; /* standard input */
	fds[LISTENER] = (struct pollfd){ .fd = cht_listener_fd(listener), .events = POLLIN };
	while (fds[OURS].revents == 0) {
		poll(fds, N, wait_ms(&now));
		cht_now(&now);
		for (int i = FIRST; i < N; i++)
			if (connections[i] != NULL)
				take_frames(i, &now);
		if (fds[LISTENER].revents != 0)
			take_connection();
		while ((said = cht_cell_next(cell, &now)) != NULL)
			print(said);
	}
	for (int i = FIRST; i < N; i++)
		cht_connection_free(connections[i]);
	cht_listener_free(listener);
	cht_cell_free(cell);
	cht_signer_free(signer);
	return 0;
}
