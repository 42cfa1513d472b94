/* SPDX-License-Identifier: Apache-2.0
 *
 * Not getopt_long: it prints messages of its own, takes abbreviations that a later option would
 * break, and cannot say what was probably meant.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "base/text.h"
#include "base/words.h"
#include "cli/cli.h"

enum { OPTIONS_MAX = 32 };

struct cli_args cli_args_init(int argc, char **argv, const struct cli_option *options)
{
	return (struct cli_args){
		.options = options, .status = -1, .argc = argc, .at = 1, .argv = argv
	};
}

int cli_usage_error(struct cli_args *args, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	diag(DIAG_ERROR, "%s; see cht %s --help", text, args->argv[0]);
	args->status = CLI_USAGE;
	return CLI_USAGE;
}

int cli_unknown_word(struct cli_args *args, const char *word, const char *const *words, size_t n,
		     const char *fmt, ...)
{
	const char *near = words_nearest(word, words, n);
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return cli_usage_error(args, "%s%s%s", text, near != NULL ? "; did you mean " : "",
			       near != NULL ? near : "");
}

static int unknown_long(struct cli_args *args, const char *word)
{
	const char *words[OPTIONS_MAX + 1] = { "help" }, *near;
	char bare[64];
	size_t n = 1;

	for (const struct cli_option *o = args->options; o->name != NULL && n <= OPTIONS_MAX; o++)
		words[n++] = o->name;
	(void)snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(word, "="), word);
	near = words_nearest(bare, words, n);
	if (near != NULL)
		(void)cli_usage_error(args, "unknown option --%s (did you mean --%s?)", word, near);
	else
		(void)cli_usage_error(args, "unknown option --%s", word);
	return CLI_END;
}

static int give_help(struct cli_args *args)
{
	const struct cli_command *command = cli_command_find(args->argv[0]);

	if (command != NULL)
		cli_put_str(str_of(command->usage));
	args->status = CLI_OK;
	return CLI_END;
}

/* The option's value is what follows in the same word (rest, or null), or the next word. */
static int take(struct cli_args *args, int index, const char *rest)
{
	const struct cli_option *o = &args->options[index];

	args->name = args->argv[args->at];
	args->at++;
	if (!o->has_value) {
		if (rest == NULL)
			return index;
		(void)cli_usage_error(args, "--%s takes no value", o->name);
		return CLI_END;
	}
	if (rest == NULL && args->at < args->argc)
		rest = args->argv[args->at++];
	if (rest == NULL) {
		(void)cli_usage_error(args, "%s needs a value", args->name);
		return CLI_END;
	}
	args->value = rest;
	return index;
}

static int next_long(struct cli_args *args, const char *word)
{
	size_t len = strcspn(word, "=");
	const char *rest = word[len] == '=' ? word + len + 1 : NULL;

	if (strcmp(word, "help") == 0)
		return give_help(args);
	for (int i = 0; args->options[i].name != NULL; i++)
		if (strlen(args->options[i].name) == len &&
		    memcmp(args->options[i].name, word, len) == 0)
			return take(args, i, rest);
	return unknown_long(args, word);
}

/* One letter of "-fn5"; args->cluster stands on it. */
static int next_short(struct cli_args *args)
{
	char letter = *args->cluster++;
	int i = 0;

	while (args->options[i].name != NULL && args->options[i].letter != letter)
		i++;
	if (args->options[i].name == NULL) {
		if (letter == 'h')
			return give_help(args);
		(void)cli_usage_error(args, "unknown option -%c", letter);
		return CLI_END;
	}
	if (args->options[i].has_value) {
		const char *rest = *args->cluster != '\0' ? args->cluster : NULL;

		args->cluster = NULL;
		return take(args, i, rest);
	}
	args->name = args->argv[args->at];
	if (*args->cluster == '\0') {
		args->cluster = NULL;
		args->at++;
	}
	return i;
}

int cli_next(struct cli_args *args)
{
	const char *word;

	args->value = NULL;
	if (args->status >= 0)
		return CLI_END;
	if (args->cluster != NULL)
		return next_short(args);
	if (args->at >= args->argc)
		return CLI_END;
	word = args->argv[args->at];
	if (!args->only_operands && strcmp(word, "--") == 0) {
		args->only_operands = true;
		args->at++;
		return cli_next(args);
	}
	if (args->only_operands || word[0] != '-' || word[1] == '\0') {
		args->at++;
		args->value = word;
		return CLI_OPERAND;
	}
	if (word[1] == '-')
		return next_long(args, word + 2);
	args->cluster = word + 1;
	return next_short(args);
}

bool cli_number(struct cli_args *args, uint64_t min, uint64_t max, uint64_t *out)
{
	uint64_t v;

	if (read_u64(str_of(args->value), max, &v) && v >= min) {
		*out = v;
		return true;
	}
	(void)cli_usage_error(args, "%s takes a whole number from %llu to %llu, not '%s'",
			      args->name, (unsigned long long)min, (unsigned long long)max,
			      args->value);
	return false;
}

bool cli_format(struct cli_args *args, bool *json)
{
	if (strcmp(args->value, "json") == 0 || strcmp(args->value, "text") == 0) {
		*json = args->value[0] == 'j';
		return true;
	}
	(void)cli_usage_error(args, "%s takes json or text, not '%s'", args->name, args->value);
	return false;
}
