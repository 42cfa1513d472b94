#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the line says of the host, its clock and its ledger."""

import mmap
import os
import struct

from rig import (Daemon, await_count, await_type, check, connect, equal, events, frame, has_sanitizer, main, short, skip,
                 types, wait_for)

MS = 1000000


def wakes(pid):
    with open(f"/proc/{pid}/status") as f:
        return sum(int(line.split()[1]) for line in f if "ctxt_switches" in line)


def test_a_log_begins_with_its_own_name(d):
    for _ in (1, 2):
        with Daemon(d + "/s") as daemon:
            daemon.stop()
    seen = list(events(d + "/s"))
    equal([short(e) for e in seen], ["log.opened", "host.started", "host.stopped", "host.started", "host.stopped"],
          "events")
    opened = seen[0]["data"]
    with open(d + "/s/ledger/origin") as f:
        equal((opened["origin"], opened["cellId"]), (f.read().strip(),) * 2, "origin")
    equal((opened["formatVersion"], opened["retention"], opened["sequence"]), (1, {}, 1), "log.opened")
    check("predecessor" not in opened, "it has no predecessor")
    equal([e["data"]["nextIndex"] for e in seen if short(e) == "host.started"], [1, 3], "index of host.started")


def test_an_idle_line_says_once_a_minute_that_it_is_there(d):
    if has_sanitizer():
        skip("a minute of doing nothing, which the other builds wait out")
    with Daemon(d + "/s", "--cell", f"a={d}/a") as daemon:
        before = wakes(daemon.proc.pid)
        wait_for("ledger.alive", lambda: "ledger.alive" in types(daemon.state), 70)
        alive = await_type(daemon.state, "ledger.alive")
        woken = wakes(daemon.proc.pid) - before
        daemon.stop()
    started = next(e for e in events(d + "/s") if short(e) == "host.started")
    apart = int(alive["data"]["host"]["hostBootNs"]) - int(started["data"]["host"]["hostBootNs"])
    check(60000 * MS <= apart < 62000 * MS, f"{apart} ns after the start")
    equal(alive["data"]["bootId"], started["data"]["bootId"], "boot id")
    # The silence of the cell's agent, told after 60 s as well, and this: each wakes it for the
    # timer and for what is durable.
    check(woken <= 12, f"an idle line was woken {woken} times in a minute")


class Clock:
    """The clocks of the programs that are started with .env."""

    def __init__(self, d):
        path = d + "/clock"
        with open(path, "wb") as f:
            f.write(bytes(16))
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 16)
        self.env = {"LD_PRELOAD": os.environ["CHT_SET_CLOCK_SO"], "CHT_SET_CLOCK": path}
        if has_sanitizer():
            skip("the sanitizer must be loaded first")

    def set(self, realtime_ns=0, monotonic_ns=0):
        self.map[:] = struct.pack("=qq", realtime_ns, monotonic_ns)


def test_a_step_of_the_clock_is_told_before_what_it_changes(d):
    clock = Clock(d)
    with Daemon(d + "/s", "--cell", f"a={d}/a", env=clock.env) as daemon, connect(d + "/a_9001") as s:
        for n, ahead in enumerate((0, 90 * MS, -90 * MS, 5000 * MS, 4950 * MS, -3600000 * MS), 1):
            clock.set(ahead)
            s.sendall(frame(pid=n))
            await_count(daemon.state, "guest.process_spawned", n)
        daemon.stop()
    seen = [e for e in events(d + "/s") if short(e) in ("clock.stepped", "guest.process_spawned")]
    equal([short(e).split(".")[0] for e in seen],
          ["guest", "guest", "guest", "clock", "guest", "guest", "clock", "guest"], "order")
    steps = [e["data"] for e in seen if short(e) == "clock.stepped"]
    for step, want in zip(steps, (5000, -3605000)):
        check(abs(step["stepNs"] - want * MS) < MS, f"a step of {step['stepNs']} ns, not {want} ms")
        equal(int(step["afterNs"]) - int(step["beforeNs"]), step["stepNs"], "before and after")
    times = [e["time"] for e in seen if short(e) == "guest.process_spawned"]
    check(times[5] < times[0], "the last frame's time went back")
    boots = [int(e["data"]["host"]["hostBootNs"]) for e in seen]
    equal(boots, sorted(boots), "CLOCK_BOOTTIME goes on")
    check(boots[2] <= int(steps[0]["steadyBootNs"]) <= boots[3], "steadyBootNs lies before the step")


def test_a_minute_is_one_of_the_steady_clock(d):
    clock = Clock(d)
    with Daemon(d + "/s", "--cell", f"a={d}/a", env=clock.env) as daemon, connect(d + "/a_9001") as s:
        for n, ahead in enumerate((59000 * MS, 60001 * MS, 119000 * MS, 180000 * MS), 1):
            clock.set(monotonic_ns=ahead)
            s.sendall(frame(pid=n))
            await_count(daemon.state, "guest.process_spawned", n)
        await_type(daemon.state, "ledger.alive", 2)
        daemon.stop()
    equal([t for t in types(d + "/s") if t in ("ledger.alive", "guest.process_spawned", "clock.stepped")],
          ["guest.process_spawned", "guest.process_spawned", "ledger.alive", "guest.process_spawned",
           "guest.process_spawned", "ledger.alive"], "order")
    alive = [e["data"] for e in events(d + "/s") if short(e) == "ledger.alive"]
    indices = [i for i, e in enumerate(events(d + "/s")) if short(e) == "ledger.alive"]
    check(all(a["nextIndex"] <= i for a, i in zip(alive, indices)), "no more is durable than is written")


def segments(state):
    return sorted(int(n) for n in os.listdir(state + "/ledger/entries") if n.isdigit())


def test_no_more_is_pruned_than_open_runs_allow(d):
    with open(d + "/conf", "w", encoding="ascii") as f:
        f.write("[ledger]\nretain_bytes = 1MiB\n[limits]\nframes_per_second = 1000000\nframes_burst = 1000000\n")
    many = frame() * 1000
    with Daemon(d + "/s", "--config", d + "/conf", "--cell", f"a={d}/a,run=r1") as daemon:
        with connect(d + "/a_9001") as s:
            for _ in range(66):
                s.sendall(many)
            wait_for("a second segment", lambda: len(segments(d + "/s")) == 2)
        daemon.stop()
    equal(next(events(d + "/s"))["data"]["retention"], {"maxBytes": 1 << 20}, "policy")
    # The scribe asks at its start: the run that is open holds its segment.
    with Daemon(d + "/s", "--config", d + "/conf", "--cell", f"a={d}/a,run=r1") as daemon:
        daemon.stop()
    equal((segments(d + "/s"), "ledger.pruned" in types(d + "/s")), ([0, 65536], False), "while the run is open")
    # Sealed at this start, before the line answers.
    with Daemon(d + "/s", "--config", d + "/conf", "--cell", f"a={d}/a,run=r2") as daemon:
        wait_for("the first segment is gone", lambda: segments(d + "/s") == [65536])
        pruned = await_type(daemon.state, "ledger.pruned")
        daemon.stop()
    equal(pruned["data"]["minIndex"], 65536, "minIndex")
    with Daemon(d + "/s", "--config", d + "/conf", "--cell", f"a={d}/a,run=r2") as daemon:
        daemon.stop()
    equal(types(d + "/s").count("ledger.pruned"), 1, "told once")


if __name__ == "__main__":
    main(globals())
