#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A full disk when the operator chose to go on reading: what is dropped is counted, and told first thing after."""

import os
import time

from rig import (Daemon, await_count, await_type, check, conf_of, connect, equal, events, frame, is_gone, main, short, sums,
                 wait_for)
from trouble import cpu_s, fill, small_disk, wake_ups

CONF = "[daemon]\non_full = drop\n[limits]\nframes_burst = 1000000\nframes_per_second = 1000000\n"


def flood(s, first, n):
    for pid in range(first, first + n, 100):
        s.sendall(b"".join(frame(pid=p, comm="x" * 200) for p in range(pid, pid + 100)))
    return first + n


def start_dropping(d, daemon, disk, s):
    """Until far more was sent than ring and disk have room for; the next number."""
    s.sendall(frame(pid=1))
    await_count(daemon.state, "guest.process_spawned", 1)
    fill(disk)
    n = flood(s, 2, 100)
    wait_for("the pause", lambda: "dropped and counted" in daemon.stderr())
    return flood(s, n, 20000)


def check_gap(seen, last):
    """Whole before the gap and after it; in between, first of all, how much is missing."""
    of_run = [e for e in seen if e["data"]["cellId"] == "a"]
    got = [e["data"]["guest"]["guestPid"] for e in of_run if short(e) == "guest.process_spawned"]
    equal([e["data"]["sequence"] for e in of_run], list(range(1, len(of_run) + 1)), "no number was lost")
    gap = next(i for i, pid in enumerate(got, 1) if pid != i)
    equal((got[:gap - 1], got[gap - 1:]), (list(range(1, gap)), list(range(got[gap - 1], last + 1))), "frames")
    told = [e for e in of_run if short(e) == "guest.telemetry.dropped"]
    equal([e["data"]["noSpace"] for e in told], [last - len(got)], "dropped")
    after = next(i for i, e in enumerate(of_run) if e["data"].get("guest", {}).get("guestPid") == got[gap - 1])
    check(of_run.index(told[0]) < after, "told before what came after")
    return got


def test_what_a_full_disk_costs_is_told_first(d):
    c = conf_of(d, CONF)
    with small_disk(d, "64m") as disk:
        with Daemon(disk + "/s", "--config", c, "--cell", f"a={d}/a") as daemon:
            with connect(d + "/a_9001") as s:
                last = start_dropping(d, daemon, disk, s)
                before, woken, start = cpu_s(daemon.proc.pid), wake_ups(daemon.proc.pid), time.monotonic()
                wait_for("time", lambda: time.monotonic() - start > 3)
                check(cpu_s(daemon.proc.pid) - before < 0.3, "an idle line that is short of room costs nothing")
                check(wake_ups(daemon.proc.pid) - woken < 20, f"{wake_ups(daemon.proc.pid) - woken} wake-ups")
                os.unlink(disk + "/ballast")
                await_type(daemon.state, "guest.telemetry.dropped")
                s.sendall(frame(pid=last))
                await_type(daemon.state, "guest.telemetry.dropped")
                wait_for("the last frame", lambda: any(e["data"].get("guest", {}).get("guestPid") == last
                                                       for e in events(daemon.state)))
            daemon.stop()
        # Told and stored: the next start does not tell it again.
        with Daemon(disk + "/s", "--config", c, "--seal", "--cell", f"a={d}/a") as daemon:
            daemon.stop()
        got = check_gap(list(events(disk + "/s")), last)
        frames = sums(disk + "/s")["frames"]
    equal((frames["received"], frames["stored"], frames["dropped"]), (last, len(got), last - len(got)), "frames")


def test_what_a_killed_line_did_not_tell_the_next_one_does(d):
    c = conf_of(d, CONF)
    with small_disk(d, "64m") as disk:
        with Daemon(disk + "/s", "--config", c, "--cell", f"a={d}/a") as daemon, connect(d + "/a_9001") as s:
            scribe = daemon.scribe_pid()
            last = start_dropping(d, daemon, disk, s)
            # Stopped, it drops what the kernel holds; what it has to say has no space.
            daemon.stop(74)
            wait_for("the scribe's end", lambda: is_gone(scribe))
        os.unlink(disk + "/ballast")
        with Daemon(disk + "/s", "--config", c, "--seal", "--cell", f"a={d}/a") as daemon:
            await_type(daemon.state, "guest.telemetry.dropped")
            daemon.stop()
        of_run = [e for e in events(disk + "/s") if e["data"]["cellId"] == "a"]
        frames = sums(disk + "/s")["frames"]
    kinds = [short(e) for e in of_run]
    resumed = of_run[kinds.index("run.resumed")]["data"]
    equal(kinds[kinds.index("run.resumed") + 1], "guest.telemetry.dropped", "first thing after")
    told = [e["data"]["noSpace"] for e in of_run if short(e) == "guest.telemetry.dropped"]
    equal(told, [frames["dropped"]], "dropped")
    stored = kinds.count("guest.process_spawned")
    lost = resumed.get("to", 0) - resumed.get("from", 1) + 1
    check(0 <= frames["received"] - (stored + frames["dropped"]) <= lost, f"{frames}, {stored} stored, {lost} lost")
    equal(frames["received"], last - 1, "received")


if __name__ == "__main__":
    main(globals())
