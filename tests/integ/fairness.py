#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Many cells on one host, each safe from the others: what a flood may not do to them, and what they cost.
Everything here is held as a count."""

import contextlib
import os
import select
import socket
import subprocess
import threading

from control import Control
from counting import Agent
from rig import (BIN, Daemon, check, connect, equal, events, frame, framed, has_sanitizer, main, short, skip,
                 wait_for)

BUILD = os.path.dirname(os.path.abspath(BIN))
LOAD = BUILD + "/tests/bench/load"
SLOW_SYNC = BUILD + "/tests/integ/libslow_sync.so"
UNLIMITED = """[limits]
frames_per_second = 1000000000
frames_burst = 1000000000
ledger_bytes_per_run = 1TiB
"""
CELLS = 300


def hub(d, text, *args, **kw):
    with open(d + "/conf", "w", encoding="utf-8") as f:
        f.write(text)
    return Daemon(d + "/s", "--config", d + "/conf", "--control", d + "/control", *args, **kw)


def status(daemon, key):
    with open(f"/proc/{daemon.proc.pid}/status", encoding="utf-8") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(key + ":"))


def register(d, first, n):
    """By eight clients at once."""
    numbers = iter(range(first, first + n))
    lock = threading.Lock()

    def client():
        c = Control(d)
        while True:
            with lock:
                i = next(numbers, None)
            if i is None:
                return
            c.put(f"c{i:05}", {"path": f"{d}/c{i:05}"})

    threads = [threading.Thread(target=client) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


@contextlib.contextmanager
def flood(*paths):
    """Good frames as fast as they are taken, until it is over."""
    load = subprocess.Popen([LOAD, "frame", str(1 << 40), str(8 * len(paths)), "64", *paths])
    try:
        yield load
    finally:
        load.kill()
        load.wait()


def test_what_the_host_has_to_say_does_not_wait_behind_a_flood(d):
    """On a disk that is slower than the flood the ring is full at the end of every turn."""
    if has_sanitizer():
        skip("the slow disk is preloaded")
    conf = UNLIMITED + f"[silence]\nboot_window = 1s\n[cell idle]\npath = {d}/idle\n[cell loud]\npath = {d}/loud\n"
    # What is preloaded starts threads.
    with hub(d, conf, "--lockdown", "log", env={"LD_PRELOAD": SLOW_SYNC}) as daemon, flood(d + "/loud") as load:
        c = Control(d)
        wait_for("its verdict", lambda: c.get("/cells/idle")["silent"])
        check(load.poll() is None, "the flood goes on")
        before = c.get("/cells/loud")["frames"]["stored"]
        c.put("more", {"path": d + "/more"})
        with connect(d + "/more") as s:
            s.sendall(b"".join(frame(pid=i) for i in range(100)))
            wait_for("its frames", lambda: c.get("/cells/more")["frames"]["stored"] == 100)
        equal(c.delete("more")["frames"]["stored"], 100, "stored of who came meanwhile")
        wait_for("more of the flood", lambda: c.get("/cells/loud")["frames"]["stored"] > before)
        load.kill()
        daemon.stop()
    seen = list(events(d + "/s"))
    at = next(i for i, e in enumerate(seen) if short(e) == "guest.agent_silenced")
    equal(seen[at]["data"]["cellId"], "idle", "who is silent")
    opened = next(e["data"] for e in seen if short(e) == "run.opened" and e["data"]["cellId"] == "idle")
    due = int(opened["host"]["hostBootNs"]) + 10 ** 9 + (seen[at]["data"].get("pausedMs", 0) + 1) * 10 ** 6
    late = sum(int(e["data"]["host"]["hostBootNs"]) > due for e in seen[:at])
    # Each connection of the flood had its read, and what the ring holds.
    check(late <= 6000, f"{late} events of the flood came between its time and the telling")


def garbage(path, ending):
    """Frames that do not decode, as fast as they are taken, on ever new connections."""
    bad = framed(b"\x80") * 60
    while not ending.is_set():
        with contextlib.suppress(OSError), connect(path) as s:
            s.sendall(bad)
            s.sendall(bad)


def knock(path, ending):
    """Connects without a word."""
    while not ending.is_set():
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as s:
            s.connect(path)


def test_garbage_and_connects_of_one_cell_cost_the_others_nothing(d):
    frames = 20
    with hub(d, "") as daemon:
        c = Control(d)
        register(d, 0, CELLS)
        ending = threading.Event()
        loud = [threading.Thread(target=f, args=(d + "/c00000", ending)) for f in (garbage, garbage, knock, knock)]
        agents = [Agent(f"{d}/c{i:05}", batch=1) for i in range(1, CELLS)]
        with contextlib.ExitStack() as stack:
            socks = [stack.enter_context(connect(a.path)) for a in agents]
            for t in loud:
                t.start()
            for _ in range(frames):
                for a, s in zip(agents, socks):
                    s.sendall(a.numbered())
            wait_for("all frames", lambda: sum(v["frames"]["stored"] for v in c.get("/cells")[1:]) == frames * len(agents))
            views = c.get("/cells")
            ending.set()
            for t in loud:
                t.join()
            equal({v["connections"] for v in views[1:]}, {1}, "connections of the others")
            equal({v["frames"]["stored"] for v in views[1:]}, {frames}, "stored of each")
            check(views[0]["frames"]["refused"] > 0 and views[0]["frames"]["stored"] == 0, f"the loud one: {views[0]}")
        daemon.stop()
    lost = [e for e in events(d + "/s") if short(e) == "guest.telemetry.dropped"]
    equal(lost, [], "lost of anybody")
    closed = [e["data"] for e in events(d + "/s") if short(e) == "channel.closed" and e["data"]["cellId"] != "c00000"]
    equal({tuple(e["reasons"]) for e in closed} - {("clean",), ("hostStops",)}, set(), "why the others' connections ended")


def test_every_cell_has_its_turn_beside_floods(d):
    """More floods than one turn serves: none keeps another, nor a quiet cell, from being read."""
    loud = 80
    with hub(d, UNLIMITED) as daemon:
        c = Control(d)
        register(d, 0, loud + 1)
        quiet = f"c{loud:05}"
        with flood(*(f"{d}/c{i:05}" for i in range(loud))), connect(f"{d}/{quiet}") as s:
            for i in range(1, 51):
                s.sendall(frame(pid=i))
                wait_for("the quiet cell's frame", lambda n=i: c.get("/cells/" + quiet)["frames"]["stored"] == n)
            wait_for("each flood", lambda: all(v["frames"]["stored"] > 0 for v in c.get("/cells")))
        daemon.stop()


def test_idle_cells_cost_a_kilobyte_and_no_turn(d):
    if has_sanitizer():
        skip("memory is the sanitizer's too")
    few, many = 100, 1100
    with hub(d, "[silence]\nboot_window = 1s\n") as daemon:
        c = Control(d)

        def settled(n):
            wait_for("each verdict", lambda: [v["silent"] for v in c.get("/cells")].count(True) == n)
            # The ring, which is of one size, is RssShmem.
            return status(daemon, "RssAnon") + status(daemon, "RssFile")

        register(d, 0, few)
        before = settled(few)
        register(d, few, many - few)
        grown = settled(many) - before
        check(grown * 1024 <= 1280 * (many - few), f"{grown} KiB for {many - few} cells more")
        c.http.close()
        # Nobody asks, nobody connects: what is counted is what wakes it. A client's end does, before.
        wait_for("rest", lambda: rests(daemon))


def rests(daemon):
    before = status(daemon, "voluntary_ctxt_switches")
    select.select([], [], [], 1.5)
    return status(daemon, "voluntary_ctxt_switches") - before <= 1


if __name__ == "__main__":
    main(globals())
