#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""path - the whole way from a guest's write to the disk, beside a bare read-and-append and beside
rsyslog fed the same values: every round runs all of them in turn, and what is printed are the
medians of the ratios within a round.

usage: path.py BUILD_DIR [--rounds N] [-o json] [--quick]
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

KEYS = {"hmac": {"CELLOS_HOST_TELEMETRY_SIGN_ALG": "hmac-sha256", "CELLOS_HOST_TELEMETRY_SIGN_KID": "bench",
                 "CELLOS_HOST_TELEMETRY_SIGN_HMAC_KEY": "CwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCws"},
        "ed25519": {"CELLOS_HOST_TELEMETRY_SIGN_ALG": "ed25519", "CELLOS_HOST_TELEMETRY_SIGN_KID": "bench",
                    "CELLOS_HOST_TELEMETRY_SIGN_ED25519_SK": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"}}
CELLS = 100
LIMITS = """[limits]
connections = 1000
connects_per_second = 100000
frames_per_second = 1000000000
frames_burst = 1000000000
ledger_bytes_per_run = 1TiB
"""
# The five values of a message, as rsyslog's template finds them.
VALUES = ("content_version", "guest_comm", "guest_monotonic_ns", "guest_pid", "probe_source")
BY_NAME = {v: f'name="$!rfc5424-sd!cht@32473!{v}"' for v in VALUES}
BY_PLACE = {v: f'name="msg" field.delimiter="32" field.number="{n}"' for v, n in zip(VALUES, (1, 4, 5, 3, 2))}


def template(*parts):
    """A list template: text as it is, a property in a tuple."""
    out = []
    for part in parts:
        if isinstance(part, tuple):
            out.append(f"  property({part[0]})")
        else:
            out.append('  constant(value="' + part.replace('"', '\\"') + '")')
    return "\n".join(out)


def rsyslog_conf(folder, values, parse, sync):
    """imptcp on a Unix socket, JSON from a list template, asynchronous output through 256 KiB."""
    event = template(
        '{"specversion":"1.0","id":"urn:cellos:event:', ('name="uuid"',),
        '","source":"cellos-host-telemetry/guest","type":"dev.cellos.events.cell.observability.v1.guest.process_spawned",'
        '"datacontenttype":"application/json","data":{"cellId":"cell-0001","guest":{"contentVersion":',
        (values["content_version"],), ',"guestComm":"', (values["guest_comm"] + ' format="jsonr"',),
        '","guestMonotonicNs":', (values["guest_monotonic_ns"],), ',"guestPid":', (values["guest_pid"],),
        ',"probeSource":"', (values["probe_source"] + ' format="jsonr"',),
        '"},"host":{"cellId":"cell-0001","hostReceivedAt":"', ('name="timegenerated" dateFormat="rfc3339"',),
        '","runId":"run-0f8fad5b-d9cb-469f-a165-70867728950e","specSignatureHash":"unspecified"},'
        '"inputs":{"frameBytes":113,"peerUid":0},"output":{"declaredBy":"guest","stampedBy":"host"},'
        '"probeSource":"guest.process.spawned","provenance":"declared"},"time":"',
        ('name="timereported" dateFormat="rfc3339"',), '","traceparent":null}\\n')
    return f"""module(load="imptcp")
{'module(load="mmpstrucdata")' if parse else ''}
global(workDirectory="{folder}" maxMessageSize="8k")
template(name="event" type="list") {{
{event}
}}
input(type="imptcp" path="{folder}/socket" unlink="on" ruleset="r")
ruleset(name="r") {{
  {'action(type="mmpstrucdata")' if parse else ''}
  action(type="omfile" file="{folder}/out" template="event" asyncWriting="on" ioBufferSize="256k"
         flushOnTXEnd="off" flushInterval="1" sync="{'on' if sync else 'off'}")
}}
"""


class Receiver:
    """Something started for one measurement; .sockets to send to, .size() of what it wrote."""

    kind = "frame"

    def __init__(self, build):
        self.build = build
        self.dir = tempfile.mkdtemp(prefix="cht-bench-", dir=os.environ.get("CHT_BENCH_DIR", "/var/tmp"))
        self.procs = []
        self.start()

    def spawn(self, args, **kw):
        p = subprocess.Popen(args, stdin=subprocess.DEVNULL, **kw)
        self.procs.append(p)
        return p

    def pids(self):
        out = []
        for p in self.procs:
            out.append(p.pid)
            try:
                with open(f"/proc/{p.pid}/task/{p.pid}/children") as f:
                    out += [int(x) for x in f.read().split()]
            except OSError:
                pass
        return out

    def cpu_s(self):
        ticks = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def rss_kib(self):
        total = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/status") as f:
                total += next(int(l.split()[1]) for l in f if l.startswith("VmHWM"))
        return total

    def size(self):
        try:
            return os.path.getsize(self.dir + "/out")
        except OSError:
            return 0

    def close(self):
        for p in self.procs:
            p.send_signal(signal.SIGTERM)
        for p in self.procs:
            p.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class Append(Receiver):
    def start(self):
        self.sockets = [self.dir + "/socket"]
        self.spawn([self.build + "/tests/bench/append", self.sockets[0], self.dir + "/out"])


class Ours(Receiver):
    sign = None
    sync = True
    shape = "full"
    bare = False

    def program(self):
        """chtd, which starts the scribe that lies beside it."""
        if not self.bare:
            return self.build + "/bin/chtd"
        os.mkdir(self.dir + "/bin")
        shutil.copy(self.build + "/bin/chtd", self.dir + "/bin/chtd")
        shutil.copy(self.build + "/tests/bench/scribe_bare", self.dir + "/bin/cht-scribe")
        return self.dir + "/bin/chtd"

    def start(self):
        self.sockets = [f"{self.dir}/c{i}" for i in range(CELLS)]
        with open(self.dir + "/conf", "w") as f:
            f.write(LIMITS + f"[daemon]\nshape = {self.shape}\n" + "".join(f"[cell c{i}]\npath = {p}\n" for i, p in enumerate(self.sockets)))
        env = dict(os.environ, **KEYS.get(self.sign, {}))
        if not self.sync:
            env["LD_PRELOAD"] = self.build + "/tests/bench/libnosync.so"
        ready, theirs = os.pipe()
        self.spawn([self.program(), "--state", self.dir + "/s", "--init", "--config", self.dir + "/conf",
                    "--ready-fd", str(theirs)], pass_fds=[theirs], env=env)
        os.close(theirs)
        if os.read(ready, 1) != b"\n":
            sys.exit("path: chtd did not start")
        os.close(ready)
        self.entries = os.open(self.dir + "/s/ledger/entries", os.O_RDONLY)

    def size(self):
        return sum(os.stat(n, dir_fd=self.entries).st_size for n in os.listdir(self.entries) if len(n) == 20)

    def close(self):
        os.close(self.entries)
        super().close()


class Rsyslog(Receiver):
    kind = "syslog"
    values, parse = BY_NAME, True
    sync = False

    def start(self):
        self.sockets = [self.dir + "/socket"]
        with open(self.dir + "/conf", "w") as f:
            f.write(rsyslog_conf(self.dir, self.values, self.parse, self.sync))
        self.spawn(["rsyslogd", "-n", "-C", "-f", self.dir + "/conf", "-i", self.dir + "/pid"],
                   stderr=subprocess.DEVNULL)


class RsyslogFields(Rsyslog):
    kind = "fields"
    values, parse = BY_PLACE, False


class RsyslogSync(Rsyslog):
    """Its own kind of group commit: a sync after each write of its 256 KiB buffer."""

    sync = True


def variant(name, sign=None, sync=True, shape="full", bare=False):
    return type(name, (Ours,), {"sign": sign, "sync": sync, "shape": shape, "bare": bare})


CONTENDERS = {"append": Append, "off": variant("Off"), "off, no sync": variant("OffNoSync", None, False),
              "no tree": variant("NoTree", bare=True),
              "hmac": variant("Hmac", "hmac"),
              "hmac, rust shape": variant("HmacRust", "hmac", True, "rust"), "ed25519": variant("Ed25519", "ed25519"), "rsyslog": Rsyslog,
              "rsyslog, sync": RsyslogSync,
              "rsyslog, fields": RsyslogFields}
# Messages a run: a second or two each.
COUNTS = {"append": 800000, "off": 500000, "off, no sync": 500000, "no tree": 500000, "hmac": 500000,
          "hmac, rust shape": 500000, "ed25519": 60000, "rsyslog": 150000, "rsyslog, sync": 150000,
          "rsyslog, fields": 300000}


def wait_for(probe, limit_s=60):
    end = time.monotonic() + limit_s
    while not probe():
        if time.monotonic() > end:
            sys.exit("path: waited too long")
        time.sleep(0.002)


def grown(receiver, idle_s):
    """Samples of (time, bytes written) until nothing was added for idle_s."""
    samples = [(time.monotonic(), receiver.size())]
    while time.monotonic() - samples[-1][0] < idle_s:
        size = receiver.size()
        if size != samples[-1][1]:
            samples.append((time.monotonic(), size))
        time.sleep(0.001)
    return samples


def slope(samples, n):
    """Messages a second while the middle 75 % of the bytes came."""
    first, last = samples[0][1], samples[-1][1]

    def at(part):
        want = first + (last - first) * part
        for (t0, s0), (t1, s1) in zip(samples, samples[1:]):
            if s1 >= want:
                return t0 + (t1 - t0) * (want - s0) / (s1 - s0)
        return samples[-1][0]

    return 0.75 * n / (at(0.9) - at(0.15))


def measure(build, name, connections, batch, scale):
    n = max(20000, int(COUNTS[name] * scale * (2 if batch > 1 and name != "ed25519" else 1)))
    receiver = CONTENDERS[name](build)
    try:
        wait_for(lambda: all(os.path.exists(s) for s in receiver.sockets))
        cpu = receiver.cpu_s()
        load = subprocess.Popen([build + "/tests/bench/load", receiver.kind, str(n), str(connections), str(batch),
                                 *receiver.sockets], stdout=subprocess.PIPE)
        samples = grown(receiver, 1.3)
        load.stdout.readline()
        cpu = receiver.cpu_s() - cpu
        rss = receiver.rss_kib()
        load.kill()
        load.wait()
        return {"rate": slope(samples, n), "cpuUs": cpu / n * 1e6, "rssKib": rss, "n": n}
    finally:
        receiver.close()


def ratios(rounds, of, to, key):
    return [r[of][key] / r[to][key] for r in rounds if r[to][key] > 0]


ROWS = [("off", "no tree", "rate"), ("off", "no tree", "cpuUs"), ("off", "ed25519", "rate"), ("off", "rsyslog, sync", "rate"),
        ("hmac", "rsyslog, sync", "rate"), ("hmac", "rsyslog, sync", "cpuUs"), ("hmac", "rsyslog", "rate"),
        ("hmac", "rsyslog", "cpuUs"), ("hmac, rust shape", "rsyslog", "rate"),
        ("hmac, rust shape", "rsyslog", "cpuUs"), ("hmac", "rsyslog, fields", "rate"),
        ("hmac", "rsyslog, fields", "cpuUs"), ("off", "rsyslog", "rate"), ("off", "off, no sync", "rate"), ("off", "append", "rate"), ("hmac", "append", "rate"),
        ("ed25519", "rsyslog", "rate")]


def show(args, connections, batch, rounds):
    what = f"{connections} connection{'s' if connections > 1 else ''}, {batch} message{'s' if batch > 1 else ''} a write"
    if args.output == "json":
        for name in CONTENDERS:
            print(json.dumps({"path": name, "connections": connections, "batch": batch,
                              **{k: round(statistics.median(r[name][k] for r in rounds), 3)
                                 for k in ("rate", "cpuUs", "rssKib")}}), flush=True)
    else:
        print(f"\n{what}")
        print(f"  {'':22}{'messages/s':>12}{'CPU us each':>13}{'peak MiB':>10}")
        for name in CONTENDERS:
            med = {k: statistics.median(r[name][k] for r in rounds) for k in ("rate", "cpuUs", "rssKib")}
            print(f"  {name:22}{med['rate']:12,.0f}{med['cpuUs']:13.2f}{med['rssKib'] / 1024:10.1f}")
    for of, to, key in ROWS:
        got = ratios(rounds, of, to, key)
        if not got:
            continue
        word = "rate" if key == "rate" else "CPU a message"
        row = {"ratio": f"{of} / {to}", "of": word, "connections": connections, "batch": batch,
               "median": round(statistics.median(got), 3), "min": round(min(got), 3), "max": round(max(got), 3)}
        if args.output == "json":
            print(json.dumps(row), flush=True)
        else:
            print(f"  {row['ratio']:28}{word:16}{row['median']:7.2f}   ({row['min']:.2f} to {row['max']:.2f})")


def memory(args):
    """Peak memory of line and scribe with 5,000 connections over the cells."""
    receiver = CONTENDERS["off"](args.build)
    try:
        load = subprocess.Popen([args.build + "/tests/bench/load", "frame", "100000", "5000", "1", *receiver.sockets],
                                stdout=subprocess.PIPE)
        load.stdout.readline()
        grown(receiver, 0.5)
        kib = receiver.rss_kib()
        load.kill()
        load.wait()
    finally:
        receiver.close()
    row = {"memory": "line and scribe, 5,000 connections", "peakKib": kib, "limitKib": 16 * 1024 + 5000}
    print(json.dumps(row) if args.output == "json" else
          f"\nmemory of line and scribe at 5,000 connections: {kib / 1024:.1f} MiB (limit {row['limitKib'] / 1024:.1f})")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("-o", dest="output", choices=["text", "json"], default="text")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", action="append", metavar="CONNECTIONS,BATCH", help="e.g. 100,1; may be repeated")
    args = parser.parse_args()
    scale = 0.2 if args.quick else 1
    if args.output == "text":
        print("the whole path, from write(2) in the guest's place to the disk; limits raised for all of it:")
        print("  " + LIMITS.replace("[limits]\n", "").strip().replace("\n", ", "))
        print("rsyslog: named values of RFC 5424 structured data; fields: the same at fixed places of the text, unparsed")
        print("bytes an event: ours about 1,060 in the full shape, 565 in the rust shape, and 140 for an envelope; rsyslog's 766")
        print("off: plain entries under signed checkpoints; no tree: the same path without tree, hashes and checkpoint")
        print("ours: fdatasync at each group commit (10 ms or 4,096 entries); rsyslog, sync: at each write")
        print("of its 256 KiB buffer; append and the other rsyslog rows: no sync, which favours them")
    for connections, batch in ((1, 1), (1, 64), (100, 1), (100, 64)):
        if args.only is None or f"{connections},{batch}" in args.only:
            rounds = [{name: measure(args.build, name, connections, batch, scale) for name in CONTENDERS}
                      for _ in range(args.rounds)]
            show(args, connections, batch, rounds)
    memory(args)


if __name__ == "__main__":
    main()
