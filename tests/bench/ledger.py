#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ledger - what the transparency log costs: verifying beside a bare SHA-256 loop over the same bytes,
appending, proving and starting as the log grows, and from a frame's arrival to its checkpoint. Every
round runs all of it in turn; what is printed are the medians of the ratios within a round.

usage: ledger.py BUILD_DIR [--rounds N] [-o json] [--quick] [--large]
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import path  # noqa: E402  (its receivers)

HALF_LOAD_S = 4


def run(args, **kw):
    """Output, and processor seconds, wall seconds and peak KiB of the child."""
    began = time.monotonic()
    child = subprocess.Popen(args, stdout=subprocess.PIPE, text=True, **kw)
    out = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return {"out": out, "cpu": usage.ru_utime + usage.ru_stime, "wall": time.monotonic() - began,
            "kib": usage.ru_maxrss, "status": child.returncode}


class Log:
    """A ledger of n entries that the real line and scribe wrote."""

    def __init__(self, build, n, folder):
        self.build, self.n = build, n
        receiver = path.CONTENDERS["off"](build)
        try:
            if n > path.CELLS + 10:
                load = subprocess.Popen([build + "/tests/bench/load", "frame", str(n), "100", "64",
                                         *receiver.sockets], stdout=subprocess.PIPE)
                path.grown(receiver, 1.3)
                load.kill()
                load.wait()
            for p in receiver.procs:
                p.terminate()
                p.wait()
            self.state = f"{folder}/{n}"
            shutil.copytree(receiver.dir + "/s", self.state)
        finally:
            receiver.close()
        with open(self.state + "/ledger/vkey") as f:
            self.vkey = f.read().strip()

    def verify(self, *more):
        got = run([self.build + "/bin/cht", "verify", self.state, "--vkey", self.vkey, "-o", "json", "--allow",
                   "unbounded", *more], stderr=subprocess.DEVNULL)
        if got["status"] not in (0, 10):
            sys.exit(f"ledger: cht verify ended with {got['status']}")
        return got

    def bare(self):
        got = run([self.build + "/tests/bench/shaloop", self.state + "/ledger/entries"])
        return dict(got, **json.loads(got["out"]))


def emit(args, row, text):
    print(json.dumps(row) if args.output == "json" else text, flush=True)


def show_ratio(args, what, beside, got):
    row = {"ratio": f"{what} / {beside}", "median": round(statistics.median(got), 3), "min": round(min(got), 3),
           "max": round(max(got), 3)}
    emit(args, row, f"  {row['ratio']:58}{row['median']:7.2f}   ({row['min']:.2f} to {row['max']:.2f})")


def verifying(args, folder):
    sizes = [1000, 10000, 100000, 1000000] + ([10000000] if args.large else [])
    logs = [Log(args.build, n, folder) for n in sizes]
    big = logs[3] if len(logs) > 3 else logs[-1]
    rounds = [{"bare": big.bare(), "one": big.verify("--jobs", "1"), "integrity": big.verify("--jobs", "1", "--integrity-only"),
               "all": big.verify()} for _ in range(args.rounds)]
    mib = rounds[0]["bare"]["bytes"] / (1 << 20)
    emit(args, {"verify": "rates", "entries": big.n, "MiB": round(mib)},
         f"\nverifying {big.n:,} entries, {mib:,.0f} MiB; a core's rate is 1 / processor time")
    show_ratio(args, "integrity, a core's rate", "bare SHA-256 loop", [r["bare"]["cpu"] / r["integrity"]["cpu"] for r in rounds])
    show_ratio(args, "integrity and completeness, a core's rate", "bare SHA-256 loop", [r["bare"]["cpu"] / r["one"]["cpu"] for r in rounds])
    show_ratio(args, "the same on all cores, wall time of one core", "of all", [r["one"]["wall"] / r["all"]["wall"] for r in rounds])
    for log in logs:
        kib = log.verify()["kib"]
        emit(args, {"verify": "memory", "entries": log.n, "peakKib": kib}, f"  peak memory at {log.n:>10,} entries {kib / 1024:25.1f} MiB")


def growing(args, folder):
    top = "7" if args.large else "6"
    out = subprocess.run([args.build + "/tests/bench/tree", folder, str(max(args.rounds, 5)), top],
                         stdout=subprocess.PIPE, text=True, check=True).stdout
    rows = [json.loads(line) for line in out.splitlines()]
    if args.output == "json":
        print(out, end="", flush=True)
    else:
        print("\nas the log grows (1,000 bytes an entry, commits of 1,024, processor time)")
        print(f"  {'entries':>12}{'append ns each':>16}{'proof us':>10}{'start us':>10}{'start reads':>14}")
        for r in rows:
            print(f"  {r['entries']:12,}{r['appendNs']:16,.0f}{r['proofNs'] / 1000:10.1f}{r['startUs']:10,.0f}"
                  f"{r['startReads'] / 1024:10,.1f} KiB")
    million = next(r for r in rows if r["entries"] == 1000000)
    for key, word in (("appendNs", "append"), ("proofNs", "a proof"), ("startUs", "a start")):
        show_ratio(args, f"{word} at 1,000,000 entries", "at 1,000", [million[key] / rows[0][key]])


def lag(args):
    """At half of what the whole path takes with one frame a write."""
    full = path.measure(args.build, "off", 100, 1, 0.5)["rate"]
    got = []
    for _ in range(args.rounds):
        receiver = path.CONTENDERS["off"](args.build)
        try:
            out = subprocess.run([args.build + "/tests/bench/latency", receiver.dir + "/s/ledger", str(int(full / 2)),
                                  str(HALF_LOAD_S), "100", *receiver.sockets], stdout=subprocess.PIPE, text=True, check=False)
            got.append(json.loads(out.stdout))
        finally:
            receiver.close()
    emit(args, {"latency": "to the checkpoint", "rate": round(full / 2)},
         f"\nfrom a frame's write to the checkpoint that covers it, {full / 2:,.0f} frames/s (half load), interval 10 ms")
    for key in ("p50Ms", "p99Ms", "maxMs"):
        show_ratio(args, key[:-2], "commit interval", [r[key] / 10 for r in got])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("-o", dest="output", choices=["text", "json"], default="text")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--large", action="store_true", help="10,000,000 entries too (11 GB of disk)")
    args = parser.parse_args()
    if args.quick:
        args.rounds = 1
    folder = tempfile.mkdtemp(prefix="cht-bench-", dir=os.environ.get("CHT_BENCH_DIR", "/var/tmp"))
    try:
        growing(args, folder)
        verifying(args, folder)
        lag(args)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
