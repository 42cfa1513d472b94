/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static const char cat_usage[] =
	"usage: cht cat [-f] [--raw] [FILTER...] DIR\n"
	"\n"
	"Prints what a ledger holds under its newest checkpoint, in order, one JSON object a "
	"line:\n"
	"each entry's bytes as they stand, an event or an event in its signed envelope. DIR is "
	"the\n"
	"state directory, the ledger in it, or a copy of that. Each entry is held against the\n"
	"checkpoint; the first that is not what it covers is told on standard error, and reading\n"
	"goes on. An entry that is not one line of JSON is printed as {\"unreadable\":...}.\n"
	"\n"
	"  -f, --follow           go on with what is stored from now on\n"
	"      --raw              each entry as in its segment: 16-bit big-endian length, bytes\n"
	"      --cell ID          only this cell\n"
	"      --run RUN          only this run\n"
	"      --type NAME        only this type and those below it: guest, run.opened\n"
	"      --after TIME       only what the host dates then or later: 2026-11-25T03:00:00Z, a\n"
	"                         date, or how long ago: 90s, 5m, 2h, 7d\n"
	"      --where KEY=VALUE  only where this is said: pid, comm, exe, address (with or "
	"without\n"
	"                         :PORT), verdict; several times: all of it\n"
	"  -o, --output json      as without it\n"
	"  -h, --help             this text\n"
	"\n"
	"exit: 0, 1 no ledger or it cannot be read, 2 usage, 11 the ledger is damaged: what can "
	"be\n"
	"read is printed all the same\n"
	"\n"
	"examples:\n"
	"  cht cat /var/lib/cht | jq -r .type | sort | uniq -c\n"
	"  cht cat -f --type guest --where exe=/usr/bin/curl /var/lib/cht\n";

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
	"usage: cht tail [-n LINES | --from INDEX] [FILTER...] [--no-follow] DIR\n"
	"\n"
	"Shows the last events of a ledger and those that come, a line each: time, cell, type,\n"
	"and who did what. A guest's words are made visible, never obeyed. In colour: yellow is\n"
	"what a guest declared, green what the host observed, blue what the host concluded;\n"
	"bold is bad news. DIR is the state directory or the ledger in it. Nothing is shown that\n"
	"no checkpoint covers, and what is not as the checkpoint has it is told.\n"
	"\n"
	"  -n, --lines N          begin with the last N events (default: 10, or all --after)\n"
	"      --cell ID          only this cell\n"
	"      --run RUN          only this run\n"
	"      --type NAME        only this type and those below it: guest, run.opened\n"
	"      --after TIME       only what the host dates then or later: 2026-11-25T03:00:00Z, a\n"
	"                         date, or how long ago: 90s, 5m, 2h, 7d\n"
	"      --where KEY=VALUE  only where this is said: pid, comm, exe, address (with or "
	"without\n"
	"                         :PORT), verdict; several times: all of it\n"
	"      --from INDEX       begin with this entry of the ledger\n"
	"      --no-follow        end at the end of the ledger\n"
	"  -o, --output json      the entries as cht cat prints them\n"
	"      --index            before each entry of -o json its index, and a tab\n"
	"  -h, --help             this text\n"
	"\n"
	"exit: 0, 1 no ledger or it cannot be read, 2 usage, 11 the ledger is damaged\n"
	"\n"
	"examples:\n"
	"  cht tail /var/lib/cht\n"
	"  cht tail --cell web-1 --type guest --after 1h --no-follow /var/lib/cht\n";

static const char show_usage[] =
	"usage: cht show [-o json | --raw] DIR INDEX|ID\n"
	"\n"
	"Shows one entry of a ledger in full: its event, its place, its leaf hash (SHA-256 of a\n"
	"zero byte and the entry), and the newest checkpoint that it is held against. It is named\n"
	"by its index, counted from 0, or by the id of its event.\n"
	"\n"
	"  -o, --output json  all of it as one JSON object\n"
	"      --raw          only the entry's bytes, as they are hashed\n"
	"  -h, --help         this text\n"
	"\n"
	"exit: 0, 1 no such entry or it cannot be read, 2 usage, 11 it is not what the checkpoint\n"
	"covers, or the ledger is damaged before it\n"
	"\n"
	"examples:\n"
	"  cht show /var/lib/cht 4711\n"
	"  cht show /var/lib/cht 0197a3c2-0000-8000-8000-000000000001\n";

static const char prove_usage[] =
	"usage: cht prove [-o FILE] DIR INDEX|ID\n"
	"\n"
	"Prints the proof that an entry is in the ledger, as C2SP tlog-proof: its index, the\n"
	"hashes that lead from it to the root, and the signed checkpoint. Whoever has the log's\n"
	"key and the entry's bytes (cht show --raw) can check it without this ledger. A proof "
	"that\n"
	"does not hold is not given out.\n"
	"\n"
	"  -o, --out FILE  write it to this new file (by custom NAME.tlog-proof)\n"
	"  -h, --help      this text\n"
	"\n"
	"exit: 0, 1 no such entry, it cannot be read, or FILE is there already, 2 usage,\n"
	"11 the ledger is damaged\n"
	"\n"
	"examples:\n"
	"  cht prove /var/lib/cht 4711 -o 4711.tlog-proof\n"
	"  cht show --raw /var/lib/cht 4711 > 4711.entry\n";

static const char export_usage[] =
	"usage: cht export [--run RUN | --tiles] [-o json] DIR OUT\n"
	"\n"
	"Writes a ledger to OUT as something that stands for itself: a bundle, one file with the\n"
	"entries, the hashes of all others and the checkpoint, which cht verify takes in place of\n"
	"the ledger; or, with --tiles, the directory of C2SP tlog-tiles that any reader of\n"
	"transparency logs takes. What is written leads to the checkpoint, or OUT is not made.\n"
	"OUT must not be there already.\n"
	"\n"
	"      --run RUN      only the entries of this run (default: all)\n"
	"      --tiles        checkpoint, tile/<L>/<N> and tile/entries/<N> below OUT\n"
	"  -o, --output json  what was written, as one JSON object\n"
	"  -h, --help         this text\n"
	"\n"
	"exit: 0, 1 OUT cannot be written or is there, or no entry is of RUN, 2 usage, 11 the\n"
	"ledger is damaged\n"
	"\n"
	"examples:\n"
	"  cht export --run run-7 /var/lib/cht run-7.bundle\n"
	"  cht export --tiles /var/lib/cht /srv/www/log\n";

static const char serve_usage[] =
	"usage: cht serve --socket PATH | --listen ADDRESS [--replace] DIR\n"
	"\n"
	"Serves a ledger over HTTP, to be read: /checkpoint, /tile/... (C2SP tlog-tiles) and\n"
	"/events?from=INDEX&follow=1, one JSON object a line. / says what there is. Nothing\n"
	"beyond the newest checkpoint is given, and nothing that does not hold against it. DIR\n"
	"is the state directory or the ledger in it.\n"
	"\n"
	"      --socket PATH     a Unix socket, mode 0660\n"
	"      --listen ADDRESS  127.0.0.1:PORT or [::1]:PORT, port 0: any that is free. No other\n"
	"                        address is taken: nobody is asked who he is\n"
	"      --replace         remove a socket that nobody serves any more\n"
	"      --ready-fd FD     write a newline to this descriptor when requests are taken\n"
	"  -h, --help            this text\n"
	"\n"
	"exit: 0 ended by SIGTERM or SIGINT, 1 no ledger, or the socket cannot be had, 2 usage,\n"
	"      11 the ledger is damaged, or another one took its place\n"
	"\n"
	"examples:\n"
	"  cht serve --listen 127.0.0.1:8420 /var/lib/cht\n"
	"  curl -N '127.0.0.1:8420/events?from=0&follow=1&cell=web-1'\n"
	"  cht serve --socket /run/cht/serve.sock /var/lib/cht\n";

static const char verify_usage[] =
	"usage: cht verify PATH [--vkey KEY]... [--policy FILE] [--since FILE] [--fresh TIME]\n"
	"                       [--run RUN] [--allow unbounded] [--integrity-only]\n"
	"                       [-j N] [-o json]\n"
	"                       [--keys FILE] [--hmac-keys FILE]\n"
	"\n"
	"Answers three questions about the ledger at PATH: is it as it was signed (integrity), is\n"
	"all of it there (completeness), and from where was it seen (vantage). PATH is STATE or\n"
	"STATE/ledger, also while it is written; a bundle; or a directory of tiles. Nothing is\n"
	"repaired.\n"
	"\n"
	"      --vkey KEY         trust this verifier key of the log, or the one in this file\n"
	"      --policy FILE      trust the logs of a tlog-policy, and ask for its quorum\n"
	"      --since FILE       checkpoints, or a .tlog-proof, that were kept elsewhere\n"
	"      --fresh TIME       no older than 90s, 5m, 2h, 7d\n"
	"      --run RUN          judge the completeness of this run alone\n"
	"      --allow unbounded  agents that do not count their events are no loss\n"
	"      --integrity-only   integrity alone: hashes and signature, no event is read\n"
	"  -j, --jobs N           threads (default: the processors that are online)\n"
	"  -o, --output json      one JSON object instead of text\n"
	"  -k, --keys FILE        envelopes: Ed25519 public keys, a JSON object of key id to\n"
	"                         base64url (default: CELLOS_EVENT_VERIFY_KEYS_PATH)\n"
	"      --hmac-keys FILE   HMAC keys, in the same form\n"
	"                         (default: CELLOS_EVENT_VERIFY_HMAC_KEYS_PATH)\n"
	"  -h, --help             this text\n"
	"\n"
	"CELLOS_EVENT_REQUIRE_SIGNED=1 makes an entry without an envelope damage.\n"
	"\n"
	"exit: 0 clean and authenticated, 10 incomplete, 11 damaged, 12 cannot tell,\n"
	"      1 something cannot be read, 2 usage\n"
	"\n"
	"examples:\n"
	"  cht verify /var/lib/cht --vkey log.vkey\n"
	"  cht verify run-7.bundle --vkey log.vkey --since yesterday.checkpoint -o json\n";

static const char key_usage[] =
	"usage: cht key gen [--hmac] --out FILE [--kid KID] [-o json]\n"
	"       cht key show FILE [--kid KID] [--origin NAME] [-o json]\n"
	"\n"
	"gen draws a signing key and writes it to a new file that only its owner can read;\n"
	"a file that exists is never overwritten. show reads one. Both print the public key, the\n"
	"key id, and the line that a verifier's key file needs; never a secret.\n"
	"\n"
	"      --hmac      a key for HMAC-SHA256 (base64url); else Ed25519 (PKCS#8 PEM)\n"
	"      --out FILE  where to put it\n"
	"      --kid KID   the key id to print (default: one that follows from the key)\n"
	"      --origin NAME  print it as the verifier key of the log of this name, too\n"
	"  -o, --output json  one JSON object instead of text\n"
	"  -h, --help      this text\n"
	"\n"
	"exit: 0, 1 the file cannot be written or read, or holds no such key, 2 usage\n"
	"\n"
	"examples:\n"
	"  cht key gen --out envelope.key\n"
	"  cht key show envelope.key\n";

static const char cell_usage[] =
	"usage: cht cell add ID --base PATH | --path PATH | --cid N [OPTION...]\n"
	"       cht cell pause ID\n"
	"       cht cell resume ID\n"
	"       cht cell rm ID\n"
	"       cht cell ls\n"
	"       cht cell show ID\n"
	"\n"
	"Tells a chtd that runs, over its control socket, of a cell that comes or goes. add "
	"returns\n"
	"when the cell's socket listens and its run.opened is in the ledger for good: then its VM\n"
	"may boot. rm returns when all that was sent is stored and the run is sealed. pause and\n"
	"resume state that its VM is paused, or goes on: silence is judged by that. It is "
	"recorded\n"
	"as your statement; no VM is touched. ls and show say what there is.\n"
	"\n"
	"      --base PATH     the VMM's uds_path: the cell's socket is PATH_9001\n"
	"      --path PATH     the cell's socket itself\n"
	"      --cid N         the VM's CID, where the kernel carries its vsock (QEMU with\n"
	"                      vhost-vsock); it excludes uid, owner, group and mode\n"
	"      --run RUN       its run id (default: one that is drawn)\n"
	"      --spec DIGEST   what was to run in it (default: unspecified)\n"
	"      --spec-id NAME  what that is called elsewhere\n"
	"      --vmm-pid N     its VMM's process (default: which connects first)\n"
	"      --probes JSON   what the host reads of it: "
	"'{\"cgroup\":{\"cgroupLeaf\":\"fc/a\"}}'\n"
	"      --uid N         only this user id may connect to it\n"
	"      --owner N       of its socket, a user id (default: chtd's)\n"
	"      --group N       of its socket, a group id (default: chtd's)\n"
	"      --mode MODE     of its socket (default: 0600)\n"
	"      --receipt FILE  keep the proof that run.opened, or run.sealed, is in the ledger: "
	"for\n"
	"                      cht verify --since, apart from this host\n"
	"      --control PATH  chtd's control socket (default: $CHT_CONTROL, else\n"
	"                      /run/chtd/control)\n"
	"  -o, --output json   chtd's answer as it came\n"
	"  -h, --help          this text\n"
	"\n"
	"exit: 0, 1 chtd refused, which is said, or is not there, 2 usage\n"
	"\n"
	"examples:\n"
	"  cht cell add web-1 --base /run/vms/web-1/v.sock --receipt web-1.tlog-proof\n"
	"  cht cell ls\n"
	"  cht cell rm web-1\n";

static const char ledger_usage[] =
	"usage: cht ledger init STATE [--name NAME] [--retain-age TIME] [--retain-bytes SIZE]\n"
	"                             [--key-file FILE] [-o json]\n"
	"       cht ledger succeed STATE --reason WORD [--config FILE] [the options of init]\n"
	"\n"
	"init makes a log in the directory STATE, with a key and a name of its own, and prints "
	"what\n"
	"whoever verifies it needs. succeed ends the log there and begins another in its place,\n"
	"with another key; the old one moves to STATE/past. It may be run again until it is done.\n"
	"chtd must not run meanwhile. Both are run as the user whom STATE/ledger is to belong to.\n"
	"\n"
	"      --name NAME          first part of its name: a-z 0-9 . - (default: the host's "
	"name)\n"
	"      --retain-age TIME    entries older than this may be removed, such as 30d\n"
	"      --retain-bytes SIZE  entries beyond so many bytes may be removed, such as 500GiB\n"
	"                           (default, and none: everything is kept)\n"
	"      --key-file FILE      its key, PKCS#8 PEM (default: one that is drawn)\n"
	"      --reason WORD        rotation, compromise, damage, restore, lost-state or format\n"
	"      --config FILE        chtd's configuration, for the last events of the old log\n"
	"  -o, --output json        one JSON object instead of text\n"
	"  -h, --help               this text\n"
	"\n"
	"What succeed is not told of the new log is as it was with the old one.\n"
	"\n"
	"exit: 0, 1 it could not be done, which is said, 2 usage\n"
	"\n"
	"examples:\n"
	"  cht ledger init /var/lib/cht --retain-age 30d\n"
	"  cht ledger succeed /var/lib/cht --reason rotation\n";

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
	{ "ps", "what runs in a cell, as its guest declared", ps_usage, cmd_ps },
	{ "probe", "a reading of the host's own sources of a VM, now", probe_usage, cmd_probe },
	{ "show", "one event in full, and the checkpoint it is under", show_usage, cmd_show },
	{ "prove", "the proof that an event is in the ledger", prove_usage, cmd_prove },
	{ "report", "a run for people: summary, timeline, losses; or a page that checks itself",
	  report_usage, cmd_report },
	{ "export", "a run or a whole ledger as a bundle, or as tiles", export_usage, cmd_export },
	{ "send", "play a guest: frames, load, and faults to order", send_usage, cmd_send },
	{ "serve", "a ledger over HTTP, for any client of transparency logs", serve_usage,
	  cmd_serve },
	{ "verify", "is a ledger as it was written, and is all of it there", verify_usage,
	  cmd_verify },
	{ "status", "is chtd ready, is the ledger written, how fast", status_usage, cmd_status },
	{ "top", "the cells of a running chtd, again and again", top_usage, cmd_top },
	{ "cell", "register, pause and remove cells while chtd runs", cell_usage, cmd_cell },
	{ "config", "check and show what chtd would use, and where it is from", config_usage,
	  cmd_config },
	{ "doctor", "is this host fit for chtd, and what to mend", doctor_usage, cmd_doctor },
	{ "key", "make a signing key, or show what a verifier needs of one", key_usage, cmd_key },
	{ "ledger", "begin a log, or the one that follows it", ledger_usage, cmd_ledger },
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

const char *cli_state_dir(void)
{
	const char *dir = getenv("CHT_STATE");

	return dir != NULL && *dir != '\0' ? dir : "/var/lib/cht";
}
