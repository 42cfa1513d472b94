#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cht ps: what runs in a cell, as its guest declared."""

import json

from rig import Daemon, await_count as await_stored, check, cht, connect, entries, equal, frame, main, put, text_of, wait_for

FULL = [[s, "active", "connector", ""] for s in ("process.spawned", "process.exited")]


class Agent:
    """Numbers what it says, as ours does."""

    def __init__(self, path, boot=7, coverage=None):
        self.sock, self.boot, self.seq = connect(path), boot, 0
        self.send("agent.hello", count=False, agent_version="1", heartbeat_interval_ms=3000,
                  coverage=FULL if coverage is None else coverage)

    def send(self, source, count=True, dropped=0, **more):
        self.seq += count
        self.sock.sendall(frame(source, agent_boot=self.boot, agent_seq=self.seq, agent_dropped=dropped, **more))

    def began(self, pid, ppid, comm, exe=None, **more):
        self.send("process.spawned", pid=pid, comm=comm, ppid=ppid, **({"exe": exe} if exe else {}), **more)

    def ended(self, pid):
        self.send("process.exited", pid=pid, comm="x", exit_code=0)


def await_count(state, name, n):
    """Under a checkpoint: what no checkpoint covers is not shown."""
    await_stored(state, name, n)
    size = len(list(entries(state)))
    wait_for("a checkpoint", lambda: int(text_of(state + "/ledger/checkpoint").split("\n")[1]) >= size)


def told(d, *args, want=0):
    return json.loads(cht("ps", "a", "-o", "json", *args, d + "/s", want=want).stdout)


def cell(d):
    return Daemon(d + "/s", "--cell", f"a=,path={d}/a,run=r", "--seal")


def test_what_began_and_did_not_end_is_shown(d):
    with cell(d) as daemon:
        agent = Agent(d + "/a")
        agent.began(10, 1, "sh", "/bin/sh")
        agent.began(11, 10, "make", "/usr/bin/make")
        agent.began(12, 11, "cc", "/usr/bin/cc")
        agent.began(13, 11, "ld")
        agent.ended(12)
        agent.began(11, 10, "gmake", "/usr/bin/gmake")
        await_count(d + "/s", "guest.process_spawned", 5)
        said = told(d)
        equal([(p["pid"], p["ppid"], p["comm"], p.get("exe")) for p in said["processes"]],
              [(10, 1, "sh", "/bin/sh"), (11, 10, "gmake", "/usr/bin/gmake"), (13, 11, "ld", None)], "what runs")
        equal((said["complete"], said["reasons"], said["began"], said["ended"], said["declaredBy"], said["run"]),
              ("yes", [], 4, 1, "guest", "r"), "what is said of it")
        equal([(p["pid"], p["depth"], p["place"]) for p in told(d, "--tree")["processes"]],
              [(10, 0, "orphan"), (11, 1, "child"), (13, 2, "child")], "the tree")
        text = cht("ps", "a", "--tree", d + "/s").stdout.decode()
        for words in ("as its guest declared", "3 processes", "4 began, 1 ended", "1?", "  \\_ ld", "complete, as far as"):
            check(words in text, f"{words} in {text}")
        daemon.stop()
    check("when the run was sealed" in cht("ps", "a", d + "/s").stdout.decode(), "it is over")


def test_losses_are_said_and_end_with_10(d):
    with cell(d):
        agent = Agent(d + "/a")
        agent.began(10, 1, "sh")
        agent.seq += 3
        agent.began(11, 1, "sh", dropped=1)
        agent.sock.sendall(b"\x01\0\0\0\xff")
        await_count(d + "/s", "frames.refused", 1)
        await_count(d + "/s", "guest.telemetry.dropped", 1)
        said = told(d, want=10)
        equal((said["complete"], said["reasons"]),
              ("no", ["3 events of the guest are lost", "1 frame could not be read"]), "what is missing")
        check(b"incomplete" in cht("ps", "a", d + "/s", want=10).stdout, "it is said")


def test_an_agent_that_does_not_count_leaves_it_unknown(d):
    with cell(d):
        with connect(d + "/a") as s:
            s.sendall(frame(pid=5, comm="sh", ppid=1))
            await_count(d + "/s", "guest.process_spawned", 1)
            said = told(d)
            equal((said["complete"], len(said["reasons"])), ("unknown", 2), "what is known")
            check(b"not known to be complete" in cht("ps", "a", d + "/s").stdout, "it is said")


def test_an_agent_that_is_blind_or_begins_again_is_said(d):
    with cell(d):
        Agent(d + "/a", coverage=[FULL[0], ["process.exited", "degraded", "poll", "x}"]])
        await_count(d + "/s", "guest.agent_hello", 1)
        equal(told(d, want=10)["reasons"], ["the agent does not see every process: see its agent_hello"], "blind")
        Agent(d + "/a")
        await_count(d + "/s", "guest.agent_hello", 2)
        equal(len(told(d, want=10)["reasons"]), 1, "a connection more is no other agent")
        Agent(d + "/a", boot=8)
        await_count(d + "/s", "guest.agent_hello", 3)
        check("the agent began 2 times" in told(d, want=10)["reasons"][0], "twice")


def test_hostile_names_do_not_reach_a_terminal(d):
    with cell(d):
        agent = Agent(d + "/a")
        agent.began(10, 10, "\x1b]0;pwned\x07\x1b[2J", "/bin/\u202egnp.exe\n\r 11 1 root")
        agent.began(11, 12, "\x9b31m")
        agent.began(12, 11, "a\x00b" + "\x7f")
        await_count(d + "/s", "guest.process_spawned", 3)
        for args in ((), ("--tree",), ("-o", "json"), ("--tree", "-o", "json")):
            raw = cht("ps", "a", *args, d + "/s").stdout
            check(not any(c < 0x20 and c != 10 or c == 0x7f for c in raw), f"controls in {raw}")
            check("\u202e" not in raw.decode() and "\x9b" not in raw.decode(), f"deceivers in {raw}")
        equal(len(cht("ps", "a", d + "/s").stdout.splitlines()), 9, "a name makes no line")
        equal([(p["pid"], p["depth"], p["place"]) for p in told(d, "--tree")["processes"]],
              [(10, 0, "circle"), (11, 0, "circle"), (12, 1, "child")], "circles are cut")


def test_the_newest_run_of_the_cell_or_the_one_that_is_named(d):
    for run, name in (("r1", "old"), ("r2", "new")):
        with Daemon(d + "/s", "--cell", f"a=,path={d}/a,run={run}", "--cell", f"b=,path={d}/b", "--seal") as daemon:
            Agent(d + "/a").began(10, 1, name)
            Agent(d + "/b").began(11, 1, "other")
            daemon.stop()
    equal([(p["pid"], p["comm"]) for p in told(d)["processes"]], [(10, "new")], "the newest")
    equal([p["comm"] for p in told(d, "--run", "r1")["processes"]], ["old"], "by name")
    check(b"no run of a cell c" in cht("ps", "c", d + "/s", want=1).stderr, "no such cell")
    check(b"no run r3 of a cell a" in cht("ps", "a", "--run", "r3", d + "/s", want=1).stderr, "no such run")
    check(b"as long" in cht("ps", "a" * 65, d + "/s", want=1).stderr, "no such id")
    equal(cht("ps", "a", "-o", "json", env={"CHT_STATE": d + "/s"}).returncode, 0, "DIR from the environment")


def test_what_is_damaged_is_said(d):
    with cell(d) as daemon:
        agent = Agent(d + "/a")
        for pid in range(100, 200):
            agent.began(pid, 1, "sh")
        await_count(d + "/s", "guest.process_spawned", 100)
        daemon.stop()
    path = d + "/s/ledger/entries/" + "0" * 20
    with open(path, "rb") as f:
        raw = f.read()
    put(path, raw.replace(b'"guestPid":150', b'"guestPid":151'))
    done = cht("ps", "a", "-o", "json", d + "/s", want=11)
    check(b"damaged" in done.stderr and json.loads(done.stdout)["complete"] == "no", done.stderr)


def test_wrong_usage_ends_with_2(_):
    for args in ((), ("a", "b", "c"), ("a", "--tre")):
        check(cht("ps", *args, want=2).stderr, f"{args} is explained")


if __name__ == "__main__":
    main(globals())
