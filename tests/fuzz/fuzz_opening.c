/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a message between line and opener, either way. A request that is taken is done, in a
 * directory of its own: whatever it asks, it is answered, what was made is below the root and goes
 * when the line is gone, and no descriptor is left. An answer that is taken is whole.
 * The first byte says which way; a message that is too short is filled up with zeros.
 */
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "opener/opener.h"

static struct made made;
static struct opener opener = { .made = &made };
static const struct opener_options options = { .replace = true };
static char dir[] = "/tmp/cht-fuzz-opening-XXXXXX";

static void remove_dir(void)
{
	(void)rmdir(dir);
}

/* The root "/r" is a directory of ours: no path that the fuzzer thinks of is one of this machine.
 */
static void make_root(void)
{
	if (opener.roots.n > 0)
		return;
	HOLDS(mkdtemp(dir) != NULL && atexit(remove_dir) == 0);
	opener.options = &options;
	opener.roots.list[0].path = "/r";
	opener.roots.list[0].len = 2;
	opener.roots.list[0].fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	HOLDS(opener.roots.list[0].fd >= 0);
	opener.roots.n = 1;
}

static int n_files(void)
{
	DIR *d = opendir(dir);
	int n = 0;

	HOLDS(d != NULL);
	while (readdir(d) != NULL)
		n++;
	HOLDS(closedir(d) == 0);
	return n - 2;
}

static void check_request(int to, int sock)
{
	struct opening_request request;
	struct opening_answer answer;
	int fd = -1, first = dup(sock), r = opening_take_request(sock, &request, &fd, NULL);

	(void)close(first);
	HOLDS(r == 1 || r == CHT_E_PEER);
	if (r != 1)
		return;
	HOLDS(request.version == OPENING_VERSION && request.kind > OPENING_READY &&
	      request.kind < OPENING_N_KINDS);
	HOLDS(requests_do(&opener, &request, &answer, &fd));
	HOLDS(answer.kind == request.kind && answer.ticket == request.ticket && answer.code <= 0);
	HOLDS(memchr(answer.text, '\0', sizeof(answer.text)) != NULL);
	HOLDS(answer.code == 0 || (fd < 0 && answer.made == 0));
	HOLDS(n_files() == (answer.made != 0));
	/* As the line would take it. */
	HOLDS(opening_reply(to, &answer, fd, NULL) == 0);
	fd_close(&fd);
	HOLDS(opening_take_answer(sock, &answer, &fd, NULL) == 1);
	fd_close(&fd);
	/* It would stay for the next line. */
	if (request.kind == OPENING_FIFO && answer.made != 0)
		HOLDS(made_unlink(&made, answer.made, NULL) == 0);
	made_unlink_all(&made);
	opener.is_settled = false;
	HOLDS(n_files() == 0);
	fd = dup(sock);
	HOLDS(fd == first);
	(void)close(fd);
}

static void check_answer(int to, int sock)
{
	struct opening_answer answer, again;
	int fd = -1, r = opening_take_answer(sock, &answer, &fd, NULL);

	HOLDS(r == 1 || r == CHT_E_PEER);
	if (r != 1)
		return;
	HOLDS(fd == -1 && (answer.made != 0) == (answer.kind == OPENING_ADOPT && answer.code == 0));
	HOLDS(memchr(answer.text, '\0', sizeof(answer.text)) != NULL);
	HOLDS(opening_reply(to, &answer, -1, NULL) == 0);
	HOLDS(opening_take_answer(sock, &again, &fd, NULL) == 1);
	HOLDS(memcmp(&answer, &again, sizeof(answer)) == 0);
}

/* A request for rules with a socket of theirs. */
static void send_it(int to, struct cht_bytes message, bool is_answer)
{
	static int rules = -1;
	uint32_t kind;

	memcpy(&kind, message.ptr, sizeof(kind));
	if (rules < 0)
		rules = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
			       NETLINK_NETFILTER);
	HOLDS(fd_send_msg(to, message, &rules,
			  !is_answer && kind == OPENING_NFT_DUMP && rules >= 0 ? 1 : 0, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static int pair[2] = { -1, -1 };
	uint8_t message[2 * sizeof(struct opening_request)] = { 0 };
	bool is_answer = len > 0 && bytes[0] % 2 == 1;
	size_t n = is_answer ? sizeof(struct opening_answer) : sizeof(struct opening_request);

	if (len < 2 || len - 1 > sizeof(message))
		return 0;
	make_root();
	if (pair[0] < 0)
		HOLDS(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) ==
		      0);
	memcpy(message, bytes + 1, len - 1);
	n = len - 1 > n ? len - 1 : n;
	send_it(pair[0], (struct cht_bytes){ message, n }, is_answer);
	if (is_answer)
		check_answer(pair[0], pair[1]);
	else
		check_request(pair[0], pair[1]);
	return 0;
}
