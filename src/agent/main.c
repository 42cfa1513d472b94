/* SPDX-License-Identifier: Apache-2.0
 *
 * Started by an init as its first child, the agent forks, and the parent ends once the child has
 * its sources open: what the init starts next is seen.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/bytes.h"
#include "base/diag.h"
#include "base/fd.h"

enum { EXIT_FAILED = 1, EXIT_FORK = 2, EXIT_CHANNEL = 3, EXIT_USAGE = 64 };

static struct agent agent; /* all the memory that there is */

static int exit_status(const struct cht_err *err)
{
	switch (err->code) {
	case CHT_OK: return 0;
	case CHT_E_CONFIG: return EXIT_USAGE;
	case CHT_E_UNSUPPORTED: return EXIT_CHANNEL;
	default: return EXIT_FAILED;
	}
}

/* For a reader that may have gone: then nobody wants to know. */
static void put(int fd, const void *bytes, size_t n)
{
	if (fd_write_all(fd, bytes, n, NULL) < 0)
		errno = 0;
}

/* The child's first byte is the parent's exit status. */
static int await_child(int fd)
{
	uint8_t status = EXIT_FAILED;
	ssize_t r;

	do
		r = read(fd, &status, 1);
	while (r < 0 && errno == EINTR);
	return r == 1 ? status : EXIT_FAILED;
}

/* Returns true in the child, with *report open; false in the parent, with its *status. */
static bool detach(int *report, int *status)
{
	int ends[2];
	pid_t pid;

	*status = EXIT_FORK;
	if (pipe2(ends, O_CLOEXEC) < 0) {
		diag(DIAG_ERROR, "pipe: %s", diag_errno(errno));
		return false;
	}
	pid = fork();
	if (pid < 0)
		diag(DIAG_ERROR, "fork: %s", diag_errno(errno));
	if (pid != 0) {
		fd_close(&ends[1]);
		if (pid > 0)
			*status = await_child(ends[0]);
		fd_close(&ends[0]);
		return false;
	}
	fd_close(&ends[0]);
	*report = ends[1];
	(void)setsid();
	return true;
}

/* The console is the workload's. */
static void leave_console(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int std = STDIN_FILENO; fd >= 0 && std <= STDERR_FILENO; std++)
		(void)dup2(fd, std);
	if (fd > STDERR_FILENO)
		fd_close(&fd);
}

static void tell_ready(const struct options *options, int report)
{
	if (report >= 0) {
		leave_console();
		put(report, "\0", 1);
	}
	if (options->ready_fd >= 0) {
		int fd = options->ready_fd;

		put(fd, "\n", 1);
		fd_close(&fd);
	}
}

static void print_stats(const struct report *r)
{
	char line[128];
	int n = snprintf(line, sizeof(line), "seen %llu sent %llu dropped %llu\n",
			 (unsigned long long)r->now.seq, (unsigned long long)r->sent,
			 (unsigned long long)r->now.dropped);

	put(STDERR_FILENO, line, (size_t)n);
}

static int run(const struct options *options, int report)
{
	struct cht_err err = { 0 };
	int r = agent_open(&agent, options, &err);
	uint8_t status;

	if (r == 0) {
		tell_ready(options, report);
		fd_close(&report);
		r = agent_run(&agent, &err);
	}
	agent_close(&agent);
	status = (uint8_t)exit_status(&err);
	if (r < 0)
		diag_err(&err);
	if (report >= 0)
		put(report, &status, 1);
	else if (options->stats)
		print_stats(&agent.report);
	fd_close(&report);
	return status;
}

int main(int argc, char **argv)
{
	struct options options;
	struct cht_err err = { 0 };
	int report = -1, status = 0;

	(void)argc;
	diag_init("cellos-telemetry", DIAG_NOTICE);
	if (options_read(&options, argv, getenv("CELLOS_TELEMETRY_INOTIFY_PATH"), &err) < 0) {
		diag_err(&err);
		return EXIT_USAGE;
	}
	if (options.help || options.version) {
		struct cht_str text = options.help ? str_of(options_help)
						   : STR("cellos-telemetry " CHT_VERSION "\n");

		return fd_write_all(STDOUT_FILENO, text.ptr, text.len, NULL) == 0 ? 0 : EXIT_FAILED;
	}
	if (!options.foreground && !detach(&report, &status))
		return status;
	return run(&options, report);
}
