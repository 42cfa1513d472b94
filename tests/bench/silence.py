#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""silence - how long after its deadline a silence stands in the ledger under a checkpoint: cells whose
agents promised a heartbeat and then say nothing. Beside it the commit interval.

usage: silence.py BUILD_DIR [--rounds N] [-o json] [--quick]
"""

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "integ"))
from rig import events, frame, short  # noqa: E402 pylint: disable=wrong-import-position

INTERVAL_MS = 10
WINDOW_MS = 2000
SPREAD_S = 1.5


def boot_ns():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def size_of(path):
    with open(path, encoding="utf-8") as f:
        return int(f.read().split("\n")[1])


def start(build, folder, cells):
    ready, theirs = os.pipe()
    with open(folder + "/conf", "w", encoding="utf-8") as f:
        f.write(f"[silence]\nkeepalive_window = {WINDOW_MS}ms\nboot_window = 1h\n")
        f.writelines(f"[cell c{i}]\npath = {folder}/c{i}\n" for i in range(cells))
    proc = subprocess.Popen([build + "/bin/chtd", "--state", folder + "/s", "--init", "--config", folder + "/conf",
                             "--ready-fd", str(theirs)], pass_fds=[theirs])
    os.close(theirs)
    if os.read(ready, 1) != b"\n":
        raise SystemExit("chtd did not start")
    os.close(ready)
    return proc


def one_round(build, cells):
    folder = tempfile.mkdtemp(prefix="cht-bench-", dir=os.environ.get("CHT_BENCH_DIR", "/var/tmp"))
    checkpoint = folder + "/s/ledger/checkpoint"
    conns, covered = [], []
    try:
        proc = start(build, folder, cells)
        began = time.monotonic()
        for i in range(cells):
            s = socket.socket(socket.AF_UNIX)
            s.connect(f"{folder}/c{i}")
            s.sendall(frame("agent.hello", agent_boot=i + 1, agent_seq=0, agent_dropped=0, heartbeat_interval_ms=100))
            conns.append(s)
            while time.monotonic() - began < SPREAD_S * i / cells:
                time.sleep(0.0005)
        until = time.monotonic() + WINDOW_MS / 1e3 + 1
        while time.monotonic() < until:
            size = size_of(checkpoint)
            if not covered or covered[-1][0] < size:
                covered.append((size, boot_ns()))
            time.sleep(0.0005)
        proc.send_signal(signal.SIGTERM)
        proc.wait()
        late = []
        for index, e in enumerate(events(folder + "/s")):
            if short(e) != "guest.agent_silenced":
                continue
            d = e["data"]
            deadline = int(d["host"]["hostBootNs"]) - (d["elapsedMs"] - d["keepaliveWindowMs"]) * 1000000
            late.append((next(at for size, at in covered if size > index) - deadline) / 1e6)
    finally:
        for s in conns:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()
        shutil.rmtree(folder)
    if len(late) != cells:
        raise SystemExit(f"{len(late)} silences of {cells} cells")
    late.sort()
    return {"p50ms": late[len(late) // 2], "p99ms": late[len(late) * 99 // 100], "maxMs": late[-1]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("-o", dest="output", choices=["text", "json"], default="text")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    sizes = (100, 1000)
    got = [{n: one_round(args.build, n) for n in sizes} for _ in range(1 if args.quick else args.rounds)]
    if args.output == "text":
        print(f"silences under a checkpoint after their deadline, commit interval {INTERVAL_MS} ms")
        print("  cells     p50 / interval   p99 / interval   longest / interval")
    for n in sizes:
        ours = {key: statistics.median(r[n][key] for r in got) for key in got[0][n]}
        if args.output == "json":
            print(json.dumps({"what": "silence", "cells": n, **ours, "intervalMs": INTERVAL_MS}))
        else:
            print(f"  {n:5,} {ours['p50ms'] / INTERVAL_MS:16.2f} {ours['p99ms'] / INTERVAL_MS:16.2f}"
                  f" {ours['maxMs'] / INTERVAL_MS:20.2f}")


if __name__ == "__main__":
    main()
