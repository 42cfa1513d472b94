#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""soak - a thousand cells that come, send and go for minutes. A line every ten seconds; at the end what
each agent counted is held against what is stored of it and told as lost, and descriptors and memory
against those of the first half minute. Exit status 1 when something does not add up.

usage: soak.py BUILD_DIR [MINUTES]
"""

import collections
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "integ"))
os.environ["CHT_BIN"] = sys.argv[1] + "/bin" if len(sys.argv) > 1 else "build/bin"

from control import Control  # noqa: E402
from rig import Daemon, connect, events, frame, framed, short  # noqa: E402

CELLS, WORKERS, LINE_S, WARM_S = 1000, 16, 10, 30


class Agent:
    """Counts what it sees, and sends most of it: some it drops and says so, some is lost on the way."""

    def __init__(self, name, path, dice):
        self.name, self.path, self.dice = name, path, dice
        self.boot, self.seq, self.dropped = dice.getrandbits(60), 0, 0

    def speak(self):
        with connect(self.path) as s:
            out = []
            for _ in range(self.dice.randrange(1, 60)):
                self.seq += 1
                what = self.dice.random()
                if what < 0.02:
                    self.dropped += 1
                elif what >= 0.04:
                    out.append(frame(agent_boot=self.boot, agent_seq=self.seq, agent_dropped=self.dropped))
            if self.dice.random() < 0.05:
                out.append(framed(b"\x80"))
            # The number it has come to, in whatever way that was lost.
            out.append(frame("agent.heartbeat", agent_boot=self.boot, agent_seq=self.seq, agent_dropped=self.dropped))
            s.sendall(b"".join(out))


class Soak:
    def __init__(self, d, until):
        self.d, self.until = d, until
        self.lock = threading.Lock()
        self.n = self.gone = self.seen = 0
        self.counts = {}
        self.failed = []

    def come(self, control, dice):
        with self.lock:
            self.n += 1
            name = f"s{self.n:06}"
        agent = Agent(name, f"{self.d}/{name}", dice)
        control.put(name, {"path": agent.path})
        return agent

    def go(self, control, agent):
        view = control.delete(agent.name)
        with self.lock:
            self.gone += 1
            self.seen += agent.seq
            self.counts[agent.name] = (agent.seq, view["frames"]["stored"])

    def work(self, seed):
        dice = random.Random(seed)
        control = Control(self.d)
        mine = collections.deque()
        try:
            for _ in range(CELLS // WORKERS):
                mine.append(self.come(control, dice))
            while time.monotonic() < self.until:
                agent = mine.popleft()
                for _ in range(dice.randrange(3)):
                    agent.speak()
                if dice.random() < 0.5:
                    mine.append(agent)
                else:
                    self.go(control, agent)
                    mine.append(self.come(control, dice))
            while mine:
                self.go(control, mine.popleft())
        except Exception as why:  # one worker's end ends the run
            self.failed.append(f"worker {seed}: {why!r}")
            self.until = 0


def resident_kib(pid, keys=("RssAnon", "RssFile")):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        return sum(int(line.split()[1]) for line in f if line.split(":")[0] in keys)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as f:
        return [int(x) for x in f.read().split()]


def measure(daemon):
    pids = [daemon.proc.pid, *children(daemon.proc.pid)]
    return ([resident_kib(p) for p in pids], [len(os.listdir(f"/proc/{p}/fd")) for p in pids])


def ledger_bytes(d):
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(d + "/s/ledger") for name in names)


def line(began, soak, daemon, d):
    rss, fds = measure(daemon)
    entries, size = Control(d).metrics()["cht_ledger_entries"], ledger_bytes(d)
    print(f"{time.monotonic() - began:5.0f} s  {soak.n - soak.gone:5} cells, {soak.gone:7,} gone, {soak.seen:9,} events of theirs,"
          f" {entries:9,} entries, {size / max(entries, 1):5.0f} bytes each;  KiB {'+'.join(map(str, rss))},"
          f" descriptors {'+'.join(map(str, fds))}", flush=True)
    return rss, fds


def told_lost(d):
    """Of each cell: dropped in the guest and lost on the way, less what came late."""
    lost = collections.Counter()
    for e in events(d + "/s"):
        if short(e) == "guest.telemetry.dropped":
            data = e["data"]
            lost[data["cellId"]] += data.get("inGuest", 0) + data.get("onTheWay", 0) - data.get("late", 0)
    return lost


def judge(soak, d, early, late):
    wrong = list(soak.failed)
    lost = told_lost(d)
    for name, (seen, stored) in soak.counts.items():
        if seen != stored + lost[name]:
            wrong.append(f"{name}: counted {seen}, stored {stored} and told as lost {lost[name]}")
    for which, before, after in zip(("line", "first child", "second child"), early[0], late[0]):
        if after > before * 1.2 + 1024:
            wrong.append(f"memory of the {which} grew from {before} to {after} KiB")
    for which, before, after in zip(("line", "first child", "second child"), early[1], late[1]):
        if after > before + 4 * WORKERS:  # cells that were on their way
            wrong.append(f"descriptors of the {which} grew from {before} to {after}")
    print(f"{len(soak.counts):,} agents counted {sum(c[0] for c in soak.counts.values()):,}: stored"
          f" {sum(c[1] for c in soak.counts.values()):,}, told as lost {sum(lost.values()):,}")
    for one in wrong[:20]:
        print("wrong: " + one)
    print("accounted for" if not wrong else f"{len(wrong)} things do not add up")
    return 1 if wrong else 0


def main():
    minutes = float(sys.argv[2]) if len(sys.argv) > 2 else 10
    d = tempfile.mkdtemp(prefix="cht-soak-", dir=os.environ.get("CHT_BENCH_DIR", "/var/tmp"))
    began = time.monotonic()
    soak = Soak(d, began + minutes * 60)
    early = late = None
    try:
        with Daemon(d + "/s", "--control", d + "/control") as daemon:
            threads = [threading.Thread(target=soak.work, args=(k,)) for k in range(WORKERS)]
            for t in threads:
                t.start()
            while any(t.is_alive() for t in threads):
                time.sleep(LINE_S)
                if time.monotonic() < soak.until:
                    late = line(began, soak, daemon, d)
                    if early is None and time.monotonic() - began >= min(WARM_S, minutes * 30):
                        early = late
            daemon.stop(sig=signal.SIGTERM)
        return judge(soak, d, early or ([], []), late or ([], []))
    finally:
        shutil.rmtree(d)


if __name__ == "__main__":
    sys.exit(main())
