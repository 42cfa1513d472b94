#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""hub - ten thousand cells in one chtd: what idle ones cost, how fast they come and go, whether many
senders are slower than few beside a bare epoll-and-read loop, and what one hostile cell does to the
rest. Rounds are interleaved; ratios are within a round. As many cells as the limit of open files lets:
two descriptors a cell and 1,088 others (ulimit -n 21088 for all).

usage: hub.py BUILD_DIR [idle|rate|flood] [--rounds N] [-o json] [--quick] [--cells N]
"""

import argparse
import contextlib
import http.client
import json
import os
import resource
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

INTERVAL_MS = 10
CLIENTS = 8
LIMITS = """[limits]
connections = 1000
connects_per_second = 1000000
frames_per_second = 1000000000
frames_burst = 1000000000
"""


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("chtd", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self.path)


class Process:
    def cpu_s(self):
        with open(f"/proc/{self.proc.pid}/stat", encoding="utf-8") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def status(self, key):
        with open(f"/proc/{self.proc.pid}/status", encoding="utf-8") as f:
            return next(int(line.split()[1]) for line in f if line.startswith(key + ":"))


class Hub(Process):
    def __init__(self, build, cells, conf=""):
        self.dir = tempfile.mkdtemp(prefix="cht-bench-", dir=os.environ.get("CHT_BENCH_DIR", "/var/tmp"))
        self.sockets = [f"{self.dir}/c{i:05}" for i in range(cells)]
        with open(self.dir + "/conf", "w", encoding="utf-8") as f:
            f.write(conf + "".join(f"[cell c{i:05}]\npath = {p}\n" for i, p in enumerate(self.sockets)))
        ready, theirs = os.pipe()
        self.proc = subprocess.Popen([build + "/bin/chtd", "--state", self.dir + "/s", "--init", "--control",
                                      self.dir + "/control", "--config", self.dir + "/conf", "--ready-fd", str(theirs)],
                                     pass_fds=[theirs])
        os.close(theirs)
        if os.read(ready, 1) != b"\n":
            raise SystemExit("hub: chtd did not start")
        os.close(ready)

    def get(self, target):
        with contextlib.closing(Unix(self.dir + "/control")) as c:
            c.request("GET", target)
            return c.getresponse().read().decode()

    def metric(self, name):
        return next(int(line.split()[1]) for line in self.get("/metrics").splitlines() if line.startswith(name + " "))

    def close(self):
        self.proc.send_signal(signal.SIGTERM)
        self.proc.wait()
        shutil.rmtree(self.dir)


class Bare(Process):
    def __init__(self, build, cells, want):
        self.dir = tempfile.mkdtemp(prefix="cht-bench-", dir="/tmp")
        self.sockets = [f"{self.dir}/c{i:05}" for i in range(cells)]
        self.proc = subprocess.Popen([build + "/tests/bench/hear", str(want), *self.sockets], stdout=subprocess.PIPE)
        self.proc.stdout.readline()

    def close(self):
        self.proc.kill()
        self.proc.wait()
        shutil.rmtree(self.dir)


def wait_for(probe, every_s=0.002, limit_s=120):
    end = time.monotonic() + limit_s
    while not probe():
        if time.monotonic() > end:
            raise SystemExit("hub: waited too long")
        time.sleep(every_s)


def p(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * part))]


def together(target, n):
    threads = [threading.Thread(target=target, args=(k,)) for k in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def ask(client, method, name, path, want):
    client.request(method, "/cells/" + name, json.dumps({"path": path}) if method == "PUT" else None)
    reply = client.getresponse()
    text = reply.read()
    if reply.status != want:
        raise SystemExit(f"hub: {method}: {reply.status} {text}")


# ---- idle

def register(hub, first, last):
    numbers = iter(range(first, last))
    lock = threading.Lock()

    def client(_):
        c = Unix(hub.dir + "/control")
        while True:
            with lock:
                i = next(numbers, None)
            if i is None:
                return
            ask(c, "PUT", f"r{i:05}", f"{hub.dir}/r{i:05}", 201)

    together(client, CLIENTS)


def churn(hub, seconds):
    times = []
    until = time.monotonic() + seconds

    def client(k):
        c = Unix(hub.dir + "/control")
        n = 0
        while time.monotonic() < until:
            for method, want in (("PUT", 201), ("DELETE", 200)):
                began = time.monotonic()
                ask(c, method, f"x{k}-{n}", f"{hub.dir}/x{k}-{n}", want)
                times.append(time.monotonic() - began)
            n += 1

    before = hub.cpu_s()
    together(client, CLIENTS)
    return len(times) / seconds, p(times, .5) * 1e3, p(times, .99) * 1e3, (hub.cpu_s() - before) / len(times) * 1e6


def lateness(hub):
    """Of each verdict: from its deadline to its stamp, in ms."""
    out = []
    folder = hub.dir + "/s/ledger/entries"
    for name in sorted(os.listdir(folder)):
        with open(folder + "/" + name, "rb") as f:
            raw = f.read()
        at = 0
        while at + 2 <= len(raw):
            n = struct.unpack_from(">H", raw, at)[0]
            entry = raw[at + 2:at + 2 + n]
            at += 2 + n
            if b"guest.agent_silenced" in entry:
                data = json.loads(entry)["data"]
                out.append(data["elapsedMs"] - data["keepaliveWindowMs"])
    return out


def idle(args, cells):
    cells -= 8 * CLIENTS  # places for those that come and go
    few = min(1000, cells // 4)
    hub = Hub(args.build, 0, "[silence]\nboot_window = 2s\n")
    try:
        def rest(n):
            wait_for(lambda: hub.get("/cells").count('"silent":true') == n, 0.2)
            return hub.status("VmRSS")

        # What does not grow with cells has been used once: ring, clients.
        register(hub, 0, few)
        before = rest(few)
        began = time.monotonic()
        register(hub, few, cells)
        filled = (cells - few) / (time.monotonic() - began)
        grown = (rest(cells) - before) * 1024 / (cells - few)
        late = lateness(hub)
        time.sleep(0.5)
        wakes, seconds = hub.status("voluntary_ctxt_switches"), 5 if args.quick else 20
        cpu = hub.cpu_s()
        time.sleep(seconds)
        wakes, cpu = hub.status("voluntary_ctxt_switches") - wakes, hub.cpu_s() - cpu
        rate, p50, p99, cpu_us = churn(hub, 3)
        began = time.monotonic()
        size = len(hub.get("/cells"))
        listing = time.monotonic() - began
        show(args, {"what": "idle", "cells": cells, "rssBytesACell": round(grown), "wakeUps": wakes, "inSeconds": seconds,
                    "cpuS": cpu, "verdictLateMsP99": p(late, .99), "filledPerS": round(filled),
                    "comeAndGoPerS": round(rate), "p50ms": round(p50, 1), "p99ms": round(p99, 1),
                    "lineCpuUsEach": round(cpu_us), "listMs": round(listing * 1e3), "listBytes": size},
             f"idle: {cells:,} registered cells, each with its verdict\n"
             f"  {grown:,.0f} bytes of resident memory a cell above the base ({few:,} cells)\n"
             f"  {wakes} wake-ups and {cpu:.2f} s of processor time in {seconds} s\n"
             f"  {p(late, .99)} ms from a silence's deadline to its stamp, p99 (goal {2 * INTERVAL_MS} with the commit)\n"
             f"  {rate:,.0f} registrations and removals a second by {CLIENTS} clients, each durable (goal 200); p50 {p50:.1f} ms,"
             f" p99 {p99:.1f} ms; {cpu_us:.0f} us of the line's processor each\n"
             f"  {listing * 1e3:.0f} ms for the list of all, {size / 1e6:.1f} MB, in parts")
    finally:
        hub.close()


# ---- rate

def send(build, receiver, n, is_done):
    cpu = receiver.cpu_s()
    load = subprocess.Popen([build + "/tests/bench/load", "frame", str(n), str(len(receiver.sockets)), "1",
                             *receiver.sockets], stdout=subprocess.PIPE)
    try:
        wait_for(receiver.begun)
        began = time.monotonic()
        wait_for(is_done)
        return n / (time.monotonic() - began), (receiver.cpu_s() - cpu) / n * 1e6
    finally:
        load.kill()
        load.wait()


def rate_of_hub(build, cells, n):
    hub = Hub(build, cells, LIMITS)
    try:
        hub.begun = lambda: hub.metric("cht_frames_stored_total") > 0
        return send(build, hub, n, lambda: hub.metric("cht_frames_stored_total") == n)
    finally:
        hub.close()


def rate_of_bare(build, cells, n, frame_bytes):
    bare = Bare(build, cells, n * frame_bytes)
    last = [0.0]

    def is_done():
        if bare.proc.poll() is None:
            last[0] = Process.cpu_s(bare)
        return bare.proc.poll() is not None

    try:
        bare.begun = lambda: Process.cpu_s(bare) > 0.01
        bare.cpu_s = lambda: last[0]
        return send(build, bare, n, is_done)
    finally:
        bare.close()


def frame_bytes(build):
    """Of one message as load writes it."""
    with tempfile.TemporaryDirectory() as d:
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(d + "/s")
            s.listen()
            load = subprocess.Popen([build + "/tests/bench/load", "frame", "1", "1", "1", d + "/s"], stdout=subprocess.DEVNULL)
            c, _ = s.accept()
            n = len(c.recv(4096))
            c.close()
            load.kill()
            load.wait()
    return n


def rate(args, cells):
    n = 200000 if args.quick else 600000
    size = frame_bytes(args.build)
    rounds = []
    for _ in range(args.rounds):
        few, many = rate_of_hub(args.build, 100, n), rate_of_hub(args.build, cells, n)
        bare_few, bare_many = (rate_of_bare(args.build, c, 4 * n, size) for c in (100, cells))
        rounds.append({"hub": many[0] / few[0], "bare": bare_many[0] / bare_few[0], "hubCpu": many[1] / few[1],
                       "bareCpu": bare_many[1] / bare_few[1], "fewPerS": few[0], "manyPerS": many[0],
                       "fewCpuUs": few[1], "manyCpuUs": many[1]})
    ratios = [r["hub"] / r["bare"] for r in rounds]
    cpus = [r["hubCpu"] / r["bareCpu"] for r in rounds]
    med = {k: statistics.median(r[k] for r in rounds) for k in rounds[0]}
    show(args, {"what": "rate", "cells": cells, "ratio": statistics.median(ratios), "cpuRatio": statistics.median(cpus), **med},
         f"rate: one message a write(2), to {cells:,} cells over to 100\n"
         f"  hub {med['manyPerS']:,.0f} / {med['fewPerS']:,.0f} messages a second = {med['hub']:.2f}; bare loop {med['bare']:.2f};"
         f" one over the other {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}; goal 0.9)\n"
         f"  processor a message: hub {med['manyCpuUs']:.2f} / {med['fewCpuUs']:.2f} us = {med['hubCpu']:.2f}; bare loop"
         f" {med['bareCpu']:.2f}; one over the other {statistics.median(cpus):.2f}")


# ---- flood

class Durable:
    """Which frames of one cell are under a checkpoint, found by reading the ledger as it grows."""

    def __init__(self, hub, cell):
        self.folder = hub.dir + "/s/ledger"
        self.mark = f'"cellId":"{cell}"'.encode()
        self.index, self.rest, self.files = 0, b"", {}
        self.mine = []

    def read(self):
        for name in sorted(os.listdir(self.folder + "/entries")):
            f = self.files.get(name)
            if f is None:
                f = self.files[name] = open(f"{self.folder}/entries/{name}", "rb")
            self.rest += f.read()
        at = 0
        while at + 2 <= len(self.rest):
            n = struct.unpack_from(">H", self.rest, at)[0]
            if at + 2 + n > len(self.rest):
                break
            entry = self.rest[at + 2:at + 2 + n]
            if self.mark in entry and b"process_spawned" in entry:
                self.mine.append(self.index)
            self.index += 1
            at += 2 + n
        self.rest = self.rest[at:]

    def covered(self):
        with open(self.folder + "/checkpoint", encoding="utf-8") as f:
            size = int(f.read().split("\n")[1])
        self.read()
        return sum(i < size for i in self.mine)


def arrival_to_durable(hub, path, n):
    """Milliseconds, of one frame at a time."""
    body = bytes.fromhex("a5") + b"".join(
        bytes([0x60 | len(k)]) + k + v for k, v in ((b"content_version", b"\x01"), (b"probe_source", b"\x6fprocess.spawned"),
                                                    (b"guest_pid", b"\x07"), (b"guest_comm", b"\x61a"),
                                                    (b"guest_monotonic_ns", b"\x05")))
    frame = struct.pack("<I", len(body)) + body
    seen = Durable(hub, os.path.basename(path))
    times = []
    seen.read()
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        for i in range(1, n + 1):
            began = time.monotonic()
            s.sendall(frame)
            while seen.covered() < i:
                time.sleep(0.0005)
            times.append((time.monotonic() - began) * 1e3)
            time.sleep(0.003)
    return times


def knocks(build, path, n):
    out = subprocess.run([build + "/tests/bench/knock", "probe", path, str(n), "500"], stdout=subprocess.PIPE, check=True,
                         text=True).stdout
    return [float(x) for x in out.split()]


def with_flood(build, sockets, run):
    loud = [subprocess.Popen([build + "/tests/bench/knock", kind, sockets[0]], stderr=subprocess.DEVNULL)
            for kind in ("garbage", "connects")]
    try:
        return run()
    finally:
        for one in loud:
            one.kill()
            one.wait()


def flood(args, cells):
    n = 150 if args.quick else 400
    others = cells - 3  # the hostile one, and two that are asked
    hub = Hub(args.build, cells, "")
    bare = Bare(args.build, 3, 1 << 60)
    quiet, asked = hub.sockets[1], hub.sockets[2]
    c = Unix(hub.dir + "/control")
    c.request("PATCH", "/cells/c00002", json.dumps({"limits": {"connects_per_second": 1000000}}))
    c.getresponse().read()
    load = subprocess.Popen([args.build + "/tests/bench/load", "frame", str(others * 40), str(others), f"1:{others}",
                             *hub.sockets[3:]], stdout=subprocess.PIPE)
    try:
        wait_for(lambda: hub.metric("cht_frames_stored_total") > 0)
        calm = arrival_to_durable(hub, quiet, n)
        loud = with_flood(args.build, hub.sockets, lambda: arrival_to_durable(hub, quiet, n))
        ours = with_flood(args.build, hub.sockets, lambda: knocks(args.build, asked, 3000))
        theirs = with_flood(args.build, bare.sockets, lambda: knocks(args.build, bare.sockets[2], 3000))
        views = json.loads(hub.get("/cells"))[3:]
        load.wait() if load.poll() is not None else load.stdout.readline()
        wait_for(lambda: sum(v["frames"]["stored"] for v in json.loads(hub.get("/cells"))[3:]) == others * 40, 0.5)
        lost = sum(v["frames"]["dropped"] + v["frames"]["refused"] for v in views)
        ratio = p(ours, .999) / p(theirs, .999)
        show(args, {"what": "flood", "cells": cells, "calmMsP99": p(calm, .99), "loudMsP99": p(loud, .99), "lost": lost,
                    "acceptUsP999": p(ours, .999), "bareAcceptUsP999": p(theirs, .999), "ratio": ratio},
             f"flood: garbage and connects to one cell at full speed, {others:,} others at one frame a second\n"
             f"  of the others {lost} frames lost, all stored\n"
             f"  arrival to durable, p99: {p(calm, .99):.1f} ms, with the flood {p(loud, .99):.1f} ms (goal: {INTERVAL_MS} ms more)\n"
             f"  connect to read, p99.9: {p(ours, .999):,.0f} us, of a bare loop under the same flood {p(theirs, .999):,.0f} us:"
             f" {ratio:.2f} (goal 3); p50 {p(ours, .5):,.0f} and {p(theirs, .5):,.0f} us")
    finally:
        load.kill()
        load.wait()
        hub.close()
        bare.close()


def show(args, row, text):
    print(json.dumps(row) if args.output == "json" else text, flush=True)


def main():
    parts = {"idle": idle, "rate": rate, "flood": flood}
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("part", nargs="*", choices=[*parts, []])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("-o", dest="output", choices=["text", "json"], default="text")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--cells", type=int, default=10000)
    args = parser.parse_args()
    if args.quick:
        args.rounds = 1
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    cells = min(args.cells, (hard - 1088) // 2)
    if cells < args.cells:
        print(f"hub: {cells:,} cells: {args.cells:,} need {2 * args.cells + 1088:,} open files and the limit is {hard:,}",
              file=sys.stderr)
    for part in args.part or parts:
        parts[part](args, cells)


if __name__ == "__main__":
    main()
