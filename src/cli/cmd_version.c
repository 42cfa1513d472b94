/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/crypto.h>
#include <sodium.h>

#include <cht/wire.h>

#include "cli/cli.h"

static void print_json(void)
{
	cli_printf("{\"version\":\"%s\",\"wire\":{\"major\":%d,\"maxFrameBytes\":%d,\"port\":%d},"
		   "\"crypto\":{\"libsodium\":\"%s\",\"openssl\":\"%s\"}}\n",
		   CHT_VERSION, CHT_WIRE_VERSION_MAJOR, CHT_FRAME_MAX_BYTES,
		   CHT_VSOCK_TELEMETRY_PORT, sodium_version_string(),
		   OpenSSL_version(OPENSSL_VERSION_STRING));
}

static void print_text(void)
{
	cli_printf("cht %s\n", CHT_VERSION);
	cli_printf("wire    major %d (content_version 0x%02x00 to 0x%02xff), frames to %d bytes\n",
		   CHT_WIRE_VERSION_MAJOR, CHT_WIRE_VERSION_MAJOR, CHT_WIRE_VERSION_MAJOR,
		   CHT_FRAME_MAX_BYTES);
	cli_printf("crypto  Ed25519 by libsodium %s, HMAC-SHA256 by OpenSSL %s\n",
		   sodium_version_string(), OpenSSL_version(OPENSSL_VERSION_STRING));
}

int cmd_version(int argc, char **argv)
{
	static const struct cli_option options[] = { { "output", 'o', true }, { NULL, 0, false } };
	struct cli_args args = cli_args_init(argc, argv, options);
	bool json = false;
	int o;

	while ((o = cli_next(&args)) != CLI_END)
		if (o == CLI_OPERAND)
			(void)cli_usage_error(&args, "version takes no argument '%s'", args.value);
		else
			(void)cli_format(&args, &json);
	if (args.status >= 0)
		return args.status;
	if (json)
		print_json();
	else
		print_text();
	return CLI_OK;
}
