#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A log that ends, another that begins, and the runs that were open. The logs are made and moved by hand here, as
`cht ledger succeed` does it."""

import fcntl
import os
import signal
import struct
import subprocess
import termios

from rig import BIN, Daemon, await_count, check, connect, equal, events, frame, main, short, types, wait_for

VKEY = "next.example/0123456789abcdef+0a1b2c3d+AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB"


def chtd(state, *args, want):
    r = subprocess.run([os.path.join(BIN, "chtd"), "--state", state, *args], capture_output=True, timeout=60,
                       check=False)
    equal(r.returncode, want, f"chtd {args[0]}: {r.stderr.decode()}")
    return r.stderr.decode()


def close(state, reason="rotation"):
    chtd(state, "--close-for", VKEY, "--close-reason", reason, want=0)


def succeed(state, reason="rotation"):
    """The old log to past/, a new one in its place; the table stays. Returns the old origin and size."""
    with open(state + "/ledger/checkpoint", encoding="utf-8") as f:
        note = f.read()
    os.makedirs(state + "/past/x")
    for part in ("ledger", "scribe"):
        os.rename(f"{state}/{part}", f"{state}/past/x/{part}")
    subprocess.run([os.path.join(BIN, "cht-scribe"), "--state", state, "--init", "--reason", reason, "--predecessor",
                    state + "/past/x/ledger/checkpoint"], check=True, timeout=60)
    origin, size = note.split("\n")[:2]
    return origin, int(size), note


def is_read(sock):
    """Nothing that we sent waits in the kernel any more (SIOCOUTQ)."""
    return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))[0] == 0


def is_stopped(pid):
    with open(f"/proc/{pid}/stat", "rb") as f:
        return f.read().rpartition(b")")[2].split()[0] == b"T"


def of_run(state, run):
    return [e for e in events(state) if e["data"]["runId"] == run]


def test_an_open_run_goes_on_in_the_new_log(d):
    state = d + "/s"
    cell = ("--cell", f"a={d}/a,run=r", "--cell", f"b={d}/b,run=q")
    with Daemon(state, *cell) as daemon, connect(d + "/a_9001") as s:
        s.sendall(frame() * 5)
        await_count(state, "guest.process_spawned", 5)
        daemon.stop()
    before = of_run(state, "r")
    close(state)
    old = list(events(state))
    equal([short(e) for e in old][-3:], ["host.started", "log.closed", "host.stopped"], "the last events")
    equal((old[-2]["data"]["reason"], old[-2]["data"]["successor"]),
          ("rotation", {"origin": VKEY.split("+")[0], "vkey": VKEY}), "log.closed")
    equal((old[-1]["data"]["reason"], old[-3]["data"]["tableLost"]), ("succession", False), "the last run of the host")
    check(not of_run(state, "r")[len(before):], "nothing is said of the run")
    check("cht ledger succeed" in chtd(state, "--close-for", VKEY, "--close-reason", "rotation", want=78),
          "a closed log is not opened again")

    origin, size, note = succeed(state)
    equal(size, len(old), "the last checkpoint covers the whole log")
    with Daemon(state, "--seal", "--cell", f"a={d}/a,run=r") as daemon, connect(d + "/a_9001") as s:
        s.sendall(frame() * 3)
        await_count(state, "guest.process_spawned", 3)
        daemon.stop()
    new = list(events(state))
    equal([short(e) for e in new][:2], ["log.opened", "host.started"], "the first events")
    opened = new[0]["data"]
    equal((opened["reason"], opened["predecessor"]), ("rotation", {"note": note, "origin": origin, "size": size}),
          "log.opened")
    check(opened["origin"] != origin, "another name")
    equal((new[1]["data"]["tableLost"], new[1]["data"]["previous"]), (False, "none"), "host.started")
    after = of_run(state, "r")
    last = before[-1]["data"]["sequence"]
    equal([e["data"]["sequence"] for e in after], list(range(last + 1, last + 1 + len(after))), "numbers")
    first, sealed = after[0]["data"], after[-1]["data"]
    equal((short(after[0]), first["from"]), ("run.continued", {"lastSequence": last, "origin": origin}), "the first")
    check("lostFrom" not in first, "nothing was lost")
    equal(after[0]["id"][-17:], before[0]["id"][-17:], "the run's bits")
    equal((sealed["firstIndex"], sealed["frames"]["stored"], sealed["lastSequence"]),
          (new.index(after[0]), 8, after[-1]["data"]["sequence"]), "run.sealed")
    # The cell that is not there any more: its run goes on for its seal alone.
    equal([short(e) for e in of_run(state, "q")], ["run.continued", "run.sealed"], "the other run")
    # And then the log is one like any other.
    with Daemon(state, "--cell", f"a={d}/a,run=r2") as daemon:
        daemon.stop()
    with Daemon(state, "--cell", f"a={d}/a,run=r2") as daemon:
        daemon.stop()
    equal([short(e) for e in of_run(state, "r2")], ["run.opened", "run.resumed"], "a run of the new log")


def test_what_was_lost_before_the_end_is_declared_after_it(d):
    state = d + "/s"
    with Daemon(state, "--cell", f"a={d}/a,run=r") as daemon, connect(d + "/a_9001") as s:
        scribe = daemon.scribe_pid()
        os.kill(scribe, signal.SIGSTOP)  # the line goes on alone
        wait_for("the scribe stands still", lambda: is_stopped(scribe))
        for n in (200, 1):  # when the second is read the first has its numbers
            s.sendall(frame() * n)
            wait_for("all is read", lambda: is_read(s))
        # First: at the end of its parent the kernel would wake it.
        os.kill(scribe, signal.SIGKILL)
        daemon.wait(70)
    stored = of_run(state, "r")[-1]["data"]["sequence"]
    close(state, "compromise")
    origin, _, _ = succeed(state, "compromise")
    # A start that is killed when it has said so and the ledger has not: it is said again.
    for _ in (1, 2):
        with Daemon(state, "--replace", "--cell", f"a={d}/a,run=r") as daemon:
            daemon.stop()
    after = [e["data"] for e in of_run(state, "r")]
    equal([short(e) for e in of_run(state, "r")], ["run.continued", "run.resumed"], "events")
    equal(after[0]["from"], {"lastSequence": stored, "origin": origin}, "from")
    equal((after[0]["lostFrom"], after[0]["sequence"]), (stored + 1, after[0]["lostTo"] + 1), "the hole")
    check(after[0]["lostTo"] >= stored + 200, f"all of it: {after[0]}")
    check("from" not in after[1], "told once")


def test_a_table_of_some_other_log_is_of_no_use(d):
    for name in ("one", "two"):
        with Daemon(f"{d}/{name}", "--cell", f"a={d}/a,run={name}") as daemon:
            daemon.stop()
    os.replace(d + "/one/line/table", d + "/two/line/table")
    with Daemon(d + "/two", "--cell", f"a={d}/a,run=three") as daemon:
        daemon.stop()
    started = [e["data"]["tableLost"] for e in events(d + "/two") if short(e) == "host.started"]
    equal(started, [False, True], "tableLost")
    equal([t for t in types(d + "/two") if t.startswith("run.")], ["run.opened", "run.opened"], "runs")


if __name__ == "__main__":
    main(globals())
