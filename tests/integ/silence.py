#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Silence with real agents and real processes: who is told to be silent, who is not, and as what."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

from control import hub, of_cell
from rig import check, connect, equal, frame, framed, is_gone, main, short, wait_for
from whole import Agent

WINDOW_MS = 1200
CONF = f"[silence]\nkeepalive_window = {WINDOW_MS}ms\nboot_window = 20s\n"
HEARTBEAT = ("--heartbeat-ms", "100")


def conf(d, text=CONF):
    with open(d + "/conf", "w", encoding="utf-8") as f:
        f.write(text)
    return "--config", d + "/conf"


def changes(d, cell):
    return [e["data"] for e in of_cell(d, cell) if short(e) == "cell.state_changed"]


def await_state(d, cell, state, n=1):
    """The nth change to it."""
    return wait_for(f"{cell} to be {state}", lambda: [c for c in changes(d, cell) if c["to"] == state][n - 1:])[0]


def silences(d, cell):
    return [e["data"] for e in of_cell(d, cell) if short(e) == "guest.agent_silenced"]


def hello(**more):
    return frame("agent.hello", agent_boot=1, agent_seq=0, agent_dropped=0, heartbeat_interval_ms=100, **more)


# Opens a channel, sends what it is given, and waits for its end.
VMM = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(bytes.fromhex(sys.argv[2]))
print("sent", flush=True)
sys.stdin.read()
"""


class Vmm:
    """A process that connects, as a VMM does."""

    def __init__(self, path, raw):
        self.proc = subprocess.Popen([sys.executable, "-c", VMM, path, raw.hex()], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE)
        equal(self.proc.stdout.readline(), b"sent\n", "what it says")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proc.kill()
        self.proc.communicate()


def test_an_agent_that_lives_is_never_silent(d):
    """Nothing happens in its guest, and it says so."""
    with hub(d, *conf(d)) as (_, c):
        for cell in ("idle", "other"):
            c.put(cell, {"path": f"{d}/{cell}"})
        with Agent(d + "/idle", *HEARTBEAT), connect(d + "/other") as other:
            live = await_state(d, "idle", "live")
            equal((live["from"], live["basis"], live["witnesses"]["frames"], live["witnesses"]["vmmProcess"]),
                  ("expected", "frame", "heard", "runs"), "the change")
            for n in range(1, 4):  # three windows of another
                other.sendall(frame())
                wait_for("its silence", lambda k=n: len(silences(d, "other")) == k)
            equal(silences(d, "idle"), [], "silences")
            equal([x["to"] for x in changes(d, "idle")], ["live"], "states")
            equal(c.get("/cells/idle")["condition"], "live", "what readers are told")
            idle = await_state(d, "other", "idle")
            equal((idle["basis"], silences(d, "other")[0]["basis"]), ("window", "frames-only"), "without a heartbeat")


def test_a_killed_and_a_stopped_agent_are_silent(d):
    with hub(d, *conf(d)) as (_, c):
        for cell in ("killed", "stopped"):
            c.put(cell, {"path": f"{d}/{cell}"})
        with Agent(d + "/killed", *HEARTBEAT) as killed, Agent(d + "/stopped", *HEARTBEAT) as stopped:
            for cell in ("killed", "stopped"):
                await_state(d, cell, "live")
            os.kill(stopped.proc.pid, signal.SIGSTOP)
            killed.proc.kill()
            killed.proc.wait()
            for cell, conns, process in (("killed", 0, "gone"), ("stopped", 1, "runs")):
                one = wait_for("silence of " + cell, lambda x=cell: silences(d, x))[0]
                equal((one["basis"], one["keepaliveWindowMs"]), ("heartbeat", WINDOW_MS), cell)
                check(one["elapsedMs"] >= WINDOW_MS, "never below the window")
                equal((one["witnesses"]["connectionsOpen"], one["witnesses"]["vmmProcess"], one["witnesses"]["frames"]),
                      (conns, process, "none"), "witnesses of " + cell)
            equal(await_state(d, "stopped", "silent")["basis"], "window", "basis")
            equal([x["to"] for x in changes(d, "killed")], ["live", "gone"], "here the agent is what connected")
            os.kill(stopped.proc.pid, signal.SIGCONT)
            await_state(d, "stopped", "live", 2)
            wait_for("its end", lambda: "guest.agent_resumed" in [short(e) for e in of_cell(d, "stopped")])


def test_garbage_is_no_life(d):
    with hub(d, *conf(d)) as (_, c):
        c.put("a", {"path": d + "/a"})
        with connect(d + "/a") as s:
            s.sendall(hello())
            await_state(d, "a", "live")
            said = 0
            while not silences(d, "a"):
                s.sendall(framed(b"\xff"))
                said += 1
                if said % 60 == 0:  # too many on one connection, and it is closed
                    s.close()
                    s = connect(d + "/a")
                wait_for("it to be read", lambda k=said: c.get("/cells/a")["frames"]["refused"] >= k)
        equal((silences(d, "a")[0]["basis"], await_state(d, "a", "silent")["basis"]), ("heartbeat", "window"), "basis")


def test_who_holds_all_blocks_makes_nobody_silent(d):
    """Others in the guest begin frames and do not end them: what the agent sends waits in our kernel."""
    with hub(d, *conf(d, CONF + "[limits]\npartial_blocks = 16\nstall = 3s\n")) as (_, c):
        c.put("a", {"path": d + "/a"})
        with connect(d + "/a") as s, contextlib.ExitStack() as held:
            s.sendall(hello())
            await_state(d, "a", "live")
            for _ in range(16):
                held.enter_context(connect(d + "/a")).sendall(frame()[:20])
            wait_for("all", lambda: c.get("/cells/a")["connections"] == 17)

            def are_ended():
                s.sendall(frame("agent.heartbeat", agent_boot=1, agent_seq=0, agent_dropped=0))
                return c.get("/cells/a")["connections"] == 1
            wait_for("their end", are_ended)
            heard = c.get("/cells/a")["frames"]["heartbeats"]
            s.sendall(frame("agent.heartbeat", agent_boot=1, agent_seq=0, agent_dropped=0))
            wait_for("the agent", lambda: c.get("/cells/a")["frames"]["heartbeats"] > heard)
            c.delete("a")
    equal((silences(d, "a"), [x["to"] for x in changes(d, "a")]), ([], ["live"]), "silences and states")
    sealed = of_cell(d, "a")[-1]["data"]
    check(sealed.get("pausedMs", 0) >= WINDOW_MS, f"what we did not read is counted as ours: {sealed}")


def test_the_end_of_a_vmm_is_told_at_once(d):
    with hub(d, *conf(d, "")) as (_, c):
        c.put("a", {"path": d + "/a"})
        with Vmm(d + "/a", hello()) as vmm:
            await_state(d, "a", "live")
            lasted = time.monotonic() + 1.2  # one that is there for a moment only is told once a second
            wait_for("it to have lasted", lambda: time.monotonic() > lasted)
            ends = time.clock_gettime(time.CLOCK_BOOTTIME)
            vmm.proc.kill()
            gone = await_state(d, "a", "gone")
        took_s = int(gone["host"]["hostBootNs"]) / 1e9 - ends
        check(took_s < 0.5, f"told {took_s:.3f} s after its end")
        equal((gone["from"], gone["basis"], gone["witnesses"]["vmmProcess"]), ("live", "witness", "gone"), "the change")
        with Vmm(d + "/a", b"") as _second:  # connected, and not a word of its agent
            wait_for("a connection", lambda: c.get("/cells/a")["connections"] == 1)
            equal(c.get("/cells/a")["condition"], "gone", "condition")
        with Vmm(d + "/a", hello()) as _third:
            live = await_state(d, "a", "live", 2)
            equal((live["from"], live["witnesses"]["vmmProcess"]), ("gone", "runs"), "another")


def test_a_vmm_that_hands_over_is_not_gone(d):
    with hub(d, *conf(d, "")) as (_, c):
        c.put("a", {"path": d + "/a"})
        with Vmm(d + "/a", hello()) as first, Vmm(d + "/a", hello()) as second:
            wait_for("both", lambda: c.get("/cells/a")["connections"] == 2)
            first.proc.kill()
            wait_for("its end", lambda: c.get("/cells/a")["connections"] == 1)
            c.ask("PATCH", "/cells/a", {"exitCode": 0})  # what was told before is durable when it is answered
            equal([x["to"] for x in changes(d, "a")], ["live"], "states")
            second.proc.kill()
            await_state(d, "a", "gone")


def test_the_process_that_is_stated_is_watched(d):
    with hub(d, *conf(d, "")) as (_, c), subprocess.Popen(["sleep", "1000"]) as vmm:
        try:
            c.put("a", {"path": d + "/a", "vmmPid": vmm.pid})
            with connect(d + "/a") as s:
                s.sendall(hello())
                await_state(d, "a", "live")
                vmm.kill()
                wait_for("its end", lambda: is_gone(vmm.pid))
                # We live and are connected: the VM was taken over.
                s.sendall(frame())
                wait_for("the frame", lambda: c.get("/cells/a")["frames"]["stored"] == 2)
                equal(c.get("/cells/a")["condition"], "live", "condition")
        finally:
            vmm.kill()


def test_paused_and_restored_as_it_is_stated(d):
    with hub(d, *conf(d, f"[silence]\nkeepalive_window = {WINDOW_MS}ms\nboot_window = {WINDOW_MS}ms\n")) as (_, c):
        c.put("a", {"path": d + "/a"})
        c.put("clock", {"path": d + "/clock"})
        with connect(d + "/a") as s, connect(d + "/clock") as clock:
            s.sendall(hello())
            await_state(d, "a", "live")
            c.ask("PATCH", "/cells/a", {"state": "paused"})
            for n in range(1, 3):
                clock.sendall(frame())
                wait_for("a window", lambda k=n: len(silences(d, "clock")) == k)
            equal((silences(d, "a"), c.get("/cells/a")["condition"]), ([], "paused"), "while it is paused")
            c.ask("PATCH", "/cells/a", {"state": "restored"})
            s.sendall(frame(pid=2))  # it lay in the kernel of a VM that is not there any more
            wait_for("the frame", lambda: c.get("/cells/a")["frames"]["stored"] == 2)
            one = wait_for("silence", lambda: silences(d, "a"))[0]
            equal((one["basis"], one["witnesses"]["stated"]), ("heartbeat", "restored"), "it did not come back")
            with connect(d + "/a") as again:
                again.sendall(frame(pid=3))
                await_state(d, "a", "live", 2)
    stale = [e["data"]["channel"]["stale"] for e in of_cell(d, "a") if short(e) == "guest.process_spawned"]
    equal(stale, [True, False], "stale")
    equal([(x["from"], x["to"], x["epoch"]) for x in changes(d, "a")],
          [("expected", "live", 0), ("live", "paused", 0), ("paused", "restored", 1), ("restored", "silent", 1),
           ("silent", "live", 1)], "states")


def test_what_is_stated_outlives_a_restart(d):
    args = conf(d, f"[silence]\nkeepalive_window = {WINDOW_MS}ms\nboot_window = {WINDOW_MS}ms\n"
                   f"[cell a]\npath = {d}/a\n[cell clock]\npath = {d}/clock\n")
    with hub(d, *args) as (daemon, c):
        with connect(d + "/a") as s:
            s.sendall(hello())
            await_state(d, "a", "live")
        for state in ("restored", "paused"):
            c.ask("PATCH", "/cells/a", {"state": state})
        daemon.stop()
    with hub(d, *args) as (daemon, c):
        wait_for("a window", lambda: silences(d, "clock"))
        equal((silences(d, "a"), c.get("/cells/a")["condition"]), ([], "paused"), "it is paused still")
        c.ask("PATCH", "/cells/a", {"state": "resumed"})
        equal(wait_for("silence", lambda: silences(d, "a"))[0]["basis"], "never-heard", "basis")
        with connect(d + "/a") as s:
            s.sendall(frame())
            live = await_state(d, "a", "live", 2)
            equal(wait_for("silence", lambda: silences(d, "a")[1:])[0]["basis"], "heartbeat", "it had promised one")
        equal((live["epoch"], live["witnesses"]["stated"]), (1, "resumed"), "what it began with")
        frames = [e["data"]["channel"] for e in of_cell(d, "a") if short(e) == "guest.process_spawned"]
        equal([(x["epoch"], x["stale"]) for x in frames], [(1, False)], "its frame")
        daemon.stop()


def test_what_was_stated_is_nothing_to_a_run_that_ends(d):
    with hub(d) as (daemon, c):
        c.put("a", {"path": d + "/a"})
        c.ask("PATCH", "/cells/a", {"state": "paused"})
        daemon.stop()
    with hub(d) as (daemon, _):
        daemon.stop()
    equal([short(e) for e in of_cell(d, "a")], ["run.opened", "run.stated", "cell.state_changed", "run.sealed"], "its run")


def test_a_host_that_does_not_let_us_run_makes_nobody_silent(d):
    """The line is stopped for three windows, and so is the agent: it comes back as fast as we do."""
    with hub(d, *conf(d)) as (daemon, c):
        c.put("a", {"path": d + "/a"})
        with Agent(d + "/a", *HEARTBEAT) as agent:
            await_state(d, "a", "live")
            os.kill(agent.proc.pid, signal.SIGSTOP)
            os.kill(daemon.proc.pid, signal.SIGSTOP)
            with socket.socket() as nothing:  # a pause with a limit, and no sleep
                nothing.settimeout(0)
                end = time.monotonic() + 3 * WINDOW_MS / 1000
                wait_for("three windows", lambda: time.monotonic() > end)
            os.kill(daemon.proc.pid, signal.SIGCONT)
            wait_for("the line", lambda: c.get("/cells/a"))
            os.kill(agent.proc.pid, signal.SIGCONT)
            n = c.get("/cells/a")["frames"]["heartbeats"]
            wait_for("heartbeats", lambda: c.get("/cells/a")["frames"]["heartbeats"] > n + 3)
        equal(silences(d, "a"), [], "silences")
        c.delete("a")
    sealed = of_cell(d, "a")[-1]["data"]
    check(sealed.get("pausedMs", 0) >= 1.5 * WINDOW_MS, f"what we missed is counted as ours: {sealed}")


if __name__ == "__main__":
    main(globals())
