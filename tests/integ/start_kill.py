#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""chtd killed at one system call after another of a start that has runs to go on with, to seal and
to begin, and of the stop after it; in their log, and in the log after it. Whatever the place, the next
start leaves every run with all its numbers and one seal."""

import collections
import contextlib
import os
import select
import shutil
import signal
import subprocess

from rig import (BIN, LIMIT_S, Daemon, await_count, check, cht, connect, equal, events, frame, main, short, skip,
                 wait_for)
from succession import close, succeed

STEP = 5


def cells(d, *more):
    return [x for c in more for x in ("--cell", c.replace("@", d + "/"))]


def old(d):
    return cells(d, "a=@a,run=r1", "b=@b", "c=@c")


def new(d):
    return cells(d, "a=@a,run=r2", "b=@b", "n=@n")


def killed_state(d):
    """Three open runs of a line that was killed."""
    state = d + "/base"
    with Daemon(state, *old(d)) as daemon:
        for name in "abc":
            with connect(f"{d}/{name}_9001") as s:
                s.sendall(frame() * 5)
        await_count(state, "guest.process_spawned", 15)
        scribe = daemon.scribe_pid()
        daemon.proc.kill()
        daemon.proc.wait()
        wait_for("the scribe's end", lambda: not os.path.exists(f"/proc/{scribe}"))
    return state


def traced(d, state, *options):
    """One start and stop under strace; how it ended."""
    ready, writer = os.pipe()
    proc = subprocess.Popen(["strace", *options, os.path.join(BIN, "chtd"), "--state", state, "--replace",
                             "--ready-fd", str(writer), *new(d)], pass_fds=[writer], stderr=subprocess.DEVNULL,
                            # A sanitizer's search for leaks cannot be traced.
                            env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    os.close(writer)
    check(select.select([ready], [], [], LIMIT_S)[0], "it is ready or ends")
    is_ready = os.read(ready, 1) == b"\n"
    os.close(ready)
    if is_ready:
        # Killed meanwhile, it is no child of strace any more.
        with contextlib.suppress(OSError), open(f"/proc/{proc.pid}/task/{proc.pid}/children") as f:
            for pid in f.read().split():
                os.kill(int(pid), signal.SIGTERM)
    return proc.wait(LIMIT_S)


def check_runs(state, past, what):
    last, sealed = {}, collections.Counter()
    for e in [*past, *events(state)]:
        data = e["data"]
        run = (data["cellId"], data["runId"])
        if short(e) == "run.continued":
            equal(data["from"]["lastSequence"], last.get(run), f"{what}: the last number before")
        lost = {"run.resumed": ("from", "to"), "run.continued": ("lostFrom", "lostTo")}.get(short(e), ("", ""))
        if data.get(lost[0]) == last.get(run, 0) + 1:
            last[run] = data[lost[1]]
        equal(data["sequence"], last.get(run, 0) + 1, f"{what}: the next number of {run}")
        last[run] = data["sequence"]
        sealed[run] += short(e) == "run.sealed"
    runs = {r: n for r, n in sealed.items() if not r[1].startswith("host-")}
    check(set(runs.values()) == {1}, f"{what}: one seal each: {runs}")
    r = cht("verify", state, want=None)
    check(r.returncode in (10, 12), f"{what}: {r.returncode} {r.stdout.decode()}")


def kill_anywhere(d, base, step, past=()):
    trace = d + "/trace"
    if shutil.which("strace") is None:
        skip("strace is not there")
    shutil.copytree(base, d + "/whole")
    if traced(d, d + "/whole", "-o", trace) != 0:
        skip("strace may not trace here")
    with open(trace) as f:
        calls = f.read().splitlines()
    first = next(i for i, call in enumerate(calls) if "clone" in call or "fork" in call) + 1
    seen, killed, places = collections.Counter(), 0, 0
    for n, call in enumerate(calls[:-1]):
        name = call.split("(")[0]
        seen[name] += 1  # strace counts each call by its name
        if n <= first or n % step != 0:
            continue
        state = f"{d}/{n}"
        shutil.copytree(base, state)
        places += 1
        killed += traced(d, state, "-o", "/dev/null", "-e", f"inject={name}:signal=KILL:when={seen[name]}") == -9
        with Daemon(state, "--replace", "--seal", *new(d)) as daemon:
            daemon.stop()
        check_runs(state, past, f"killed at call {n}, about {call[:60]}")
        shutil.rmtree(state)
    print(f"  killed at {killed} of {places} places")
    # The order of a few calls is the scribe's doing, so some are not met a second time.
    check(killed > places // 2, "most of them are met")


def test_a_kill_anywhere_in_start_and_stop(d):
    kill_anywhere(d, killed_state(d), STEP)


def test_a_kill_anywhere_in_the_start_of_the_log_after(d):
    base = killed_state(d)
    close(base)
    succeed(base)
    kill_anywhere(d, base, STEP + 2, list(events(base + "/past/x")))


if __name__ == "__main__":
    main(globals())
