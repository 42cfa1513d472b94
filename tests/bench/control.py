#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""control - how fast cells come and go: clients that register a cell and remove it again, one after
the other, each waiting for the ledger both times. Beside it the commit interval, which each wait has
to be given.

usage: control.py BUILD_DIR [--rounds N] [-o json] [--quick]
"""

import argparse
import http.client
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time

CLIENTS = 8
INTERVAL_MS = 10


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("chtd", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self.path)


class Host:
    def __init__(self, build, folder, cells):
        self.folder = folder
        self.control = folder + "/control"
        ready, theirs = os.pipe()
        with open(folder + "/conf", "w", encoding="utf-8") as f:
            f.writelines(f"[cell base-{i}]\npath = {folder}/base-{i}\n" for i in range(cells))
        self.proc = subprocess.Popen([build + "/bin/chtd", "--state", folder + "/s", "--init", "--control", self.control,
                                      "--config", folder + "/conf", "--ready-fd", str(theirs)], pass_fds=[theirs])
        os.close(theirs)
        if os.read(ready, 1) != b"\n":
            raise SystemExit("chtd did not start")
        os.close(ready)

    def client(self, k, until, times):
        http_ = Unix(self.control)
        n = 0
        while time.monotonic() < until:
            for method, body, want in (("PUT", json.dumps({"path": f"{self.folder}/{k}-{n}"}), 201), ("DELETE", None, 200)):
                began = time.monotonic()
                http_.request(method, f"/cells/c{k}-{n}", body)
                reply = http_.getresponse()
                reply.read()
                if reply.status != want:
                    raise SystemExit(f"{method}: {reply.status}")
                times.append(time.monotonic() - began)
            n += 1

    def cpu_s(self):
        with open(f"/proc/{self.proc.pid}/stat", encoding="utf-8") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self):
        self.proc.send_signal(signal.SIGTERM)
        self.proc.wait()


def together(target, seconds):
    times = []
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=target, args=(k, until, times)) for k in range(CLIENTS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    times.sort()
    return {"rate": len(times) / seconds, "p50ms": 1e3 * times[len(times) // 2],
            "p99ms": 1e3 * times[len(times) * 99 // 100]}


def one_round(build, seconds, cells):
    folder = tempfile.mkdtemp(prefix="cht-bench-", dir=os.environ.get("CHT_BENCH_DIR", "/var/tmp"))
    try:
        host = Host(build, folder, cells)
        before = host.cpu_s()
        ours = together(host.client, seconds)
        ours["lineCpuUs"] = 1e6 * (host.cpu_s() - before) / (ours["rate"] * seconds)
        host.close()
    finally:
        shutil.rmtree(folder)
    return ours


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("-o", dest="output", choices=["text", "json"], default="text")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    rounds = 1 if args.quick else args.rounds
    sizes = (1, 1000, 4000)
    # Interleaved: each round has all of them.
    got = [{n: one_round(args.build, 2, n) for n in sizes} for _ in range(rounds)]
    if args.output == "text":
        print(f"registrations and removals, {CLIENTS} clients that wait for each, commit interval {INTERVAL_MS} ms")
        print("  cells already     each/s   line CPU us each   p50 / interval   p99 / interval")
    for n in sizes:
        ours = {key: statistics.median(r[n][key] for r in got) for key in got[0][n]}
        p50, p99 = (sorted(r[n][key] / INTERVAL_MS for r in got) for key in ("p50ms", "p99ms"))
        if args.output == "json":
            print(json.dumps({"what": "control", "cells": n, **ours, "intervalMs": INTERVAL_MS}))
        else:
            print(f"  {n:13,} {ours['rate']:10,.0f} {ours['lineCpuUs']:18.0f}"
                  f"   {statistics.median(p50):6.2f} ({p50[0]:.2f} to {p50[-1]:.2f})"
                  f"   {statistics.median(p99):6.2f} ({p99[0]:.2f} to {p99[-1]:.2f})")


if __name__ == "__main__":
    main()
