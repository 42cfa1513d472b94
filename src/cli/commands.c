/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cli/cli.h"

static const char cat_usage[] =
	"usage: cht cat [-f] [--raw] DIR\n"
	"\n"
	"Prints everything that a ledger holds, in order, one JSON object a line: each entry's\n"
	"bytes as they stand, an event or an event in its signed envelope. DIR is the state\n"
	"directory or the ledger in it. An entry that is not one line of JSON is printed as\n"
	"{\"unreadable\":...}. A torn last entry is left out: it was never acknowledged.\n"
	"\n"
	"  -f, --follow  go on with what is stored from now on\n"
	"      --raw     each entry as in its segment file: 16-bit big-endian length, bytes\n"
	"  -h, --help    this text\n"
	"\n"
	"exit: 0, 1 no ledger or it cannot be read, 2 usage, 11 the ledger is damaged: what is\n"
	"whole before the damage is printed\n"
	"\n"
	"examples:\n"
	"  cht cat /var/lib/cht | jq -r .type | sort | uniq -c\n"
	"  cht cat -f /var/lib/cht\n";

static const char decode_usage[] =
	"usage: cht decode [-o json] [--hex | --binary] [--body] [FILE]\n"
	"\n"
	"Shows what the frames in FILE say, and of one that the host would refuse which byte is\n"
	"at fault and why. FILE holds frames with their lengths one after the other, or a single\n"
	"body without its length; as bytes, or as hex text. Without FILE, or with -, standard\n"
	"input is read.\n"
	"\n"
	"  -o, --output json  one JSON object a frame, each on a line\n"
	"  -x, --hex          the input is hex text (else: found out from the input)\n"
	"      --binary       the input is not hex text, whatever it looks like\n"
	"      --body         the input is one body without its length (else: found out)\n"
	"  -h, --help         this text\n"
	"\n"
	"exit: 0 all frames are sound, 1 a fault or no input, 2 usage\n"
	"\n"
	"examples:\n"
	"  cht decode frame.bin\n"
	"  echo '02000000 a0ff' | cht decode -o json\n";

static const char send_usage[] =
	"usage: cht send TARGET [-n FRAMES] [-c CONNECTIONS] [--fault KIND[=COUNT]]...\n"
	"\n"
	"Plays a guest: sends well-formed frames to TARGET as fast as they are taken, or at a\n"
	"rate, with the faults that are asked for, and says what it sent. TARGET is unix:PATH or\n"
	"vsock:CID:PORT.\n"
	"\n"
	"  -n, --frames N       frames in all, spread over the connections (default: one each)\n"
	"  -c, --connections N  connections, opened before the first frame (default: 1)\n"
	"  -r, --rate N         frames a second in all (default: as fast as possible)\n"
	"  -b, --batch N        frames a write (default: 1, at most 1024)\n"
	"      --source TEXT    probe_source (default: process.spawned)\n"
	"      --comm TEXT      guest_comm (default: synthetic)\n"
	"      --pid N          guest_pid (default: that of this process)\n"
	"      --seq            number the frames: agent_boot, agent_seq, agent_dropped\n"
	"      --hello          begin each connection with an agent.hello, beside the N frames\n"
	"      --hold           stay connected until standard input ends or SIGTERM\n"
	"      --fault KIND[=COUNT]  inject COUNT faults of this kind (default: 1)\n"
	"  -o, --output json    the result as one JSON object\n"
	"  -h, --help           this text\n"
	"\n"
	"faults instead of ordinary frames:\n"
	"  bad-cbor             a body that is no map\n"
	"  version              content_version of the next major version\n"
	"  forged               the keys cell_id and runId beside the others\n"
	"  unknown-source       a probe_source that nobody knows\n"
	"faults beside the frames:\n"
	"  gap                  a sequence number that is never sent\n"
	"  flood-connect        connect and close, before the first frame (default: 1000)\n"
	"faults at the end of a connection, one each:\n"
	"  bad-length           a length above 65536\n"
	"  zero-length          a length of 0\n"
	"  truncate             close inside a frame\n"
	"  stall                stop inside a frame and hold the connection\n"
	"\n"
	"exit: 0 all was sent, 1 not all, or no connection, 2 usage\n"
	"\n"
	"examples:\n"
	"  cht send unix:/run/vm/web-1.sock_9001 -n 1000 --seq --hello\n"
	"  cht send unix:/run/vm/web-1.sock_9001 -n 100 --fault bad-cbor=3 --fault forged\n";

static const char tail_usage[] =
	"usage: cht tail [-n LINES] [--cell ID] [--type NAME] [--no-follow] DIR\n"
	"\n"
	"Shows the last events of a ledger and those that come, a line each: time, cell, type,\n"
	"and who did what. A guest's words are made visible, never obeyed. In colour: yellow is\n"
	"what a guest declared, green what the host observed, blue what the host concluded;\n"
	"bold is bad news. DIR is the state directory or the ledger in it.\n"
	"\n"
	"  -n, --lines N      begin with the last N events (default: 10)\n"
	"      --cell ID      only this cell\n"
	"      --type NAME    only this type and those below it: guest, run.opened\n"
	"      --no-follow    end at the end of the ledger\n"
	"  -o, --output json  the entries as cht cat prints them\n"
	"  -h, --help         this text\n"
	"\n"
	"exit: 0, 1 no ledger or it cannot be read, 2 usage, 11 the ledger is damaged\n"
	"\n"
	"examples:\n"
	"  cht tail /var/lib/cht\n"
	"  cht tail -n 100 --cell web-1 --type guest --no-follow /var/lib/cht\n";

static const char version_usage[] =
	"usage: cht version [-o json]\n"
	"\n"
	"The version of this program, the wire versions it reads, and the libraries that\n"
	"sign and hash.\n"
	"\n"
	"  -o, --output json  one JSON object instead of text\n"
	"  -h, --help         this text\n"
	"\n"
	"exit: 0, 2 usage\n";

const struct cli_command cli_commands[] = {
	{ "decode", "what the frames of a guest say, and where one is at fault", decode_usage,
	  cmd_decode },
	{ "cat", "everything stored, one JSON object a line", cat_usage, cmd_cat },
	{ "tail", "watch events as they are stored, a line each", tail_usage, cmd_tail },
	{ "send", "play a guest: frames, load, and faults to order", send_usage, cmd_send },
	{ "version", "version, wire version and cryptographic libraries", version_usage,
	  cmd_version },
	{ NULL, NULL, NULL, NULL },
};

const struct cli_command *cli_command_find(const char *name)
{
	for (const struct cli_command *c = cli_commands; c->name != NULL; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}
