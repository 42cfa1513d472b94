/* SPDX-License-Identifier: Apache-2.0
 *
 * cli.h - what every subcommand of cht shares: the table, options, output, exit statuses.
 *
 * A command is one file cmd_NAME.c with one function cmd_NAME; it gets its arguments with its
 * own name as argv[0], writes results through cli_put and cli_printf, says errors by diag, and
 * returns an exit status. It never ends the process: a reader that closed the pipe shows in
 * cli_is_done.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <cht/err.h>

enum cli_status {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_AMISS = 3,        /* cht status: chtd answers, and is not well */
	CLI_INCOMPLETE = 10,  /* cht verify, ps: intact, something is missing */
	CLI_DAMAGED = 11,     /* stored evidence is not as it was written */
	CLI_CANNOT_TELL = 12, /* cht verify: an input is missing */
	CLI_CONFIG = 78,      /* cht config: what chtd would refuse */
};

struct cli_command {
	const char *name;
	const char *summary; /* one line for the list, no full stop */
	const char *usage;   /* what --help prints: "usage: ..." line, what it is for, options,
			      * exit statuses; ends with a newline */
	int (*run)(int argc, char **argv);
};

/* The usage texts that stand with their commands. */
extern const char config_usage[], doctor_usage[], probe_usage[], ps_usage[], report_usage[],
	status_usage[], top_usage[];

/* chtd's configuration and state as a service. */
#define CLI_CONFIG_FILE CHT_SYSCONFDIR "/cht/chtd.conf"
/* The state directory where no word says it: CHT_STATE, else that of the service. */
const char *cli_state_dir(void);

/* In the order of cht --help; ends with a null name. */
extern const struct cli_command cli_commands[];

/* Null when there is none of this name. */
const struct cli_command *cli_command_find(const char *name);

int cmd_cat(int argc, char **argv);
int cmd_cell(int argc, char **argv);
int cmd_config(int argc, char **argv);
int cmd_decode(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_key(int argc, char **argv);
int cmd_ledger(int argc, char **argv);
int cmd_probe(int argc, char **argv);
int cmd_prove(int argc, char **argv);
int cmd_ps(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_send(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_tail(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_version(int argc, char **argv);

/* args.c: options and operands, in any order; "--" ends the options, "-" is an operand. */

struct cli_option {
	const char *name; /* long form without its dashes; null ends the table */
	char letter;      /* short form, 0: none */
	bool has_value;
};

struct cli_args {
	const struct cli_option *options;
	const char *name;  /* as given, for messages: "--rate", "-n" */
	const char *value; /* of the option or operand last returned, else null */
	int status;        /* -1: go on; else what the command must return at once */
	/* private */
	int argc, at;
	char **argv;
	const char *cluster;
	bool only_operands;
};

enum { CLI_OPERAND = 1000, CLI_END = -1 };

struct cli_args cli_args_init(int argc, char **argv, const struct cli_option *options);

/* The index in .options of the next option, CLI_OPERAND, or CLI_END. At CLI_END look at
 * .status: --help was asked for and printed (0), or something was wrong and said on stderr (2).
 *	while ((o = cli_next(&args)) != CLI_END)
 *		switch (o) ...
 *	if (args.status >= 0)
 *		return args.status;
 */
int cli_next(struct cli_args *args);

/* The value of the option last returned as a number, or as the word after -o ("json", "text").
 * When it is not one: says so, sets .status and returns false; cli_next then gives CLI_END. */
bool cli_number(struct cli_args *args, uint64_t min, uint64_t max, uint64_t *out);
bool cli_format(struct cli_args *args, bool *json);

/* "cht CMD: error: ..." and a pointer to --help, on stderr. Returns CLI_USAGE. */
int cli_usage_error(struct cli_args *args, const char *fmt, ...) CHT_PRINTF(2, 3);
/* The same where word is none of n words; what is meant, if one of them is near, is said too. */
int cli_unknown_word(struct cli_args *args, const char *word, const char *const *words, size_t n,
		     const char *fmt, ...) CHT_PRINTF(5, 6);

/* out.c: standard output, one buffer. Nothing fails here; a reader that went away or a full
 * disk is remembered, and what follows is dropped. */

void cli_put(const void *bytes, size_t n);
void cli_put_str(struct cht_str s);
void cli_printf(const char *fmt, ...) CHT_PRINTF(1, 2);
/* Hands over what is buffered: before waiting for anything. */
void cli_flush(void);
/* Whether to stop for want of anybody who takes our output. */
bool cli_is_done(void);
/* Flushes; a closed pipe leaves status as it is, any other failure is said and makes 0 a 1. */
int cli_out_end(int status);

/* Colour on standard output: a terminal, NO_COLOR unset or empty, TERM not "dumb". */
bool cli_has_colour(void);
/* An escape sequence when there is colour, else "". */
enum cli_colour { CLI_PLAIN, CLI_BOLD, CLI_DIM, CLI_RED, CLI_GREEN, CLI_YELLOW, CLI_BLUE };
const char *cli_colour(enum cli_colour colour);

#endif
