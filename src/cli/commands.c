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

static const char verify_usage[] =
	"usage: cht verify DIR [-o json] [--run RUN] [--allow unbounded]\n"
	"                      [--keys FILE] [--hmac-keys FILE]\n"
	"\n"
	"Answers three questions about the ledger in DIR: is it as it was written (integrity), is\n"
	"all of it there (completeness), and from where was it seen (vantage). DIR is STATE or\n"
	"STATE/ledger; one that is being written may be verified. Nothing is repaired.\n"
	"\n"
	"  -o, --output json      one JSON object instead of text\n"
	"      --run RUN          judge the completeness of this run alone\n"
	"      --allow unbounded  agents that do not count their events are no loss\n"
	"  -k, --keys FILE        Ed25519 public keys: a JSON object of key id to base64url\n"
	"                         (default: CELLOS_EVENT_VERIFY_KEYS_PATH)\n"
	"      --hmac-keys FILE   HMAC keys, in the same form\n"
	"                         (default: CELLOS_EVENT_VERIFY_HMAC_KEYS_PATH)\n"
	"  -h, --help             this text\n"
	"\n"
	"CELLOS_EVENT_REQUIRE_SIGNED=1 makes an unsigned entry damage instead of doubt.\n"
	"\n"
	"exit: 0 clean and authenticated, 10 incomplete, 11 damaged, 12 cannot tell,\n"
	"      1 the ledger or a key file cannot be read, 2 usage\n"
	"\n"
	"examples:\n"
	"  cht verify /var/lib/cht --keys keys.json\n"
	"  cht verify /var/lib/cht --run run-7 -o json\n";

static const char key_usage[] =
	"usage: cht key gen [--hmac] --out FILE [--kid KID]\n"
	"       cht key show FILE [--kid KID]\n"
	"\n"
	"gen draws a signing key and writes it to a new file that only its owner can read;\n"
	"a file that exists is never overwritten. show reads one. Both print the public key, the\n"
	"key id, and the line that a verifier's key file needs; never a secret.\n"
	"\n"
	"      --hmac      a key for HMAC-SHA256 (base64url); else Ed25519 (PKCS#8 PEM)\n"
	"      --out FILE  where to put it\n"
	"      --kid KID   the key id to print (default: one that follows from the key)\n"
	"  -h, --help      this text\n"
	"\n"
	"exit: 0, 1 the file cannot be written or read, or holds no such key, 2 usage\n"
	"\n"
	"examples:\n"
	"  cht key gen --out envelope.key\n"
	"  cht key show envelope.key\n";

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
	{ "verify", "is a ledger as it was written, and is all of it there", verify_usage,
	  cmd_verify },
	{ "key", "make a signing key, or show what a verifier needs of one", key_usage, cmd_key },
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
