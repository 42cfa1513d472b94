#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Restarts with a descriptor store: connections go on at the byte where they stood, after an upgrade and
after a kill, and nothing is left behind by a stop."""

import fcntl
import os
import random
import signal
import struct
import termios

from control import Control
from counting import Agent, check_count
from manager import Manager
from rig import (await_count, await_type, body, check, cht, connect, equal, events, frame, framed, is_gone, main, short,
                 wait_for)
from restart_count import await_load


def managed(d, *args, **kw):
    return Manager(d, d + "/s", "--cell", f"a={d}/a", *args, **kw)


def of_kind(state, name):
    return [e["data"] for e in events(state) if short(e) == name]


def check_no_reconnect(state, agents):
    """Each agent kept its first connection."""
    equal([a.connects for a in agents], [1] * len(agents), "connects of each agent")
    # And the last one, which says how far it counted.
    newest = max(e["connection"] for e in of_kind(state, "channel.opened"))
    equal(newest, 2 * len(agents), "connections opened")


def check_nothing_told(state):
    """What an agent says last comes over another connection, perhaps before the end of the first is read: then
    that is said to be missing, and to have come late."""
    dropped = of_kind(state, "guest.telemetry.dropped")
    equal(sum(e["onTheWay"] - e["late"] for e in dropped), 0, "told as lost on the way")


def under_load(d, n, end):
    agents = [Agent(d + "/a_9001") for _ in range(3)]
    rng = random.Random(end.__name__)
    with managed(d) as m:
        for a in agents:
            a.start()
        for _ in range(n):
            await_load(m.state, rng.randint(1, 2000) * 300)
            end(m)
        await_load(m.state, 100 * 300)
        for a in agents:
            a.finish()
        m.end(signal.SIGTERM, 0)
        check_no_reconnect(m.state, agents)
        return check_count(m.state, agents), m


def upgrade(m):
    m.upgrade()


def killed(m):
    scribe = m.scribe_pid()
    m.kill()
    wait_for("the scribe's end", lambda: is_gone(scribe))
    m.start()


def test_an_upgrade_loses_no_frame(d):
    lost, m = under_load(d, 5, upgrade)
    equal(lost, 0, "frames lost")
    check_nothing_told(m.state)
    equal([e["reason"] for e in of_kind(m.state, "host.stopped")], ["upgrade"] * 5 + ["SIGTERM"], "why it stopped")


def test_a_kill_ends_no_connection(d):
    lost, m = under_load(d, 10, killed)
    # Between the number of an event and its place in the ring there is one frame, and it is declared.
    check(lost <= 10, f"{lost} frames lost in 10 kills")
    check_nothing_told(m.state)


def await_read(m, s):
    """What was sent is taken, and noted: a kill between the one and the other loses it."""
    def is_asleep():
        with open(f"/proc/{m.proc.pid}/stat", encoding="utf-8") as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "S"

    def unread():
        return int.from_bytes(fcntl.ioctl(s, termios.TIOCOUTQ, bytes(4)), "little")
    wait_for("it to be read", lambda: unread() == 0 and is_asleep())


def test_a_frame_cut_anywhere_goes_on(d):
    raws = [framed(body(pid=7)), framed(body(pid=8, padding=b"x" * 60000))]
    with managed(d) as m:
        n, rest = 0, len(m.names())
        for end in (upgrade, killed):
            for raw in raws:
                for cut in (1, 3, 4, 5, len(raw) // 2, len(raw) - 1):
                    wait_for("the last one to go", lambda: len(m.names()) == rest)
                    with connect(d + "/a_9001") as s:
                        wait_for("it to be kept", lambda: len(m.names()) > rest)
                        s.sendall(raw[:cut])
                        await_read(m, s)
                        s_before = connect(d + "/a_9001")
                        s_before.close()
                        end(m)
                        s.sendall(raw[cut:] + frame(pid=9))
                        n += 2
                        await_count(m.state, "guest.process_spawned", n)
        m.end(signal.SIGTERM, 0)
        pids = [e["guest"]["guestPid"] for e in of_kind(m.state, "guest.process_spawned")]
        equal(pids, ([7, 9] * 6 + [8, 9] * 6) * 2, "what came")
        equal(of_kind(m.state, "frames.refused"), [], "refused")


def test_what_an_agent_sent_before_it_hung_up_is_read(d):
    with managed(d) as m:
        m.kill()
        with connect(d + "/a_9001") as s:  # the listener is kept: it waits
            s.sendall(frame(pid=1) * 50)
        m.start()
        await_count(m.state, "guest.process_spawned", 50)
        m.end(signal.SIGTERM, 0)


def test_a_stop_leaves_nothing_behind(d):
    with managed(d) as m, connect(d + "/a_9001") as s:
        s.sendall(frame())
        await_type(m.state, "guest.process_spawned")
        equal(len(m.names()), 4, "kept: a listener, a connection, the memory and its next place")
        m.end(signal.SIGTERM, 0)
        wait_for("an empty store", lambda: not m.names())
        check(not os.path.exists(d + "/a_9001"), "the socket is there still")
        equal(s.recv(1), b"", "what the agent reads")


def test_what_closes_is_given_up(d):
    with managed(d) as m:
        wait_for("the listener and the memory", lambda: len(m.names()) == 3)
        for _ in range(3):
            with connect(d + "/a_9001") as s:
                s.sendall(frame())
                wait_for("the connection", lambda: len(m.names()) == 4)
            wait_for("its end", lambda: len(m.names()) == 3)
        m.upgrade()
        equal(len(m.names()), 3, "kept after an upgrade")
        m.end(signal.SIGTERM, 0)


def test_cells_of_the_control_socket_go_on(d):
    with managed(d, "--control", d + "/c") as m:
        cht("cell", "add", "b", "--base", d + "/b", "--run", "r1", "--control", d + "/c")
        with connect(d + "/b_9001") as s:
            s.sendall(frame(pid=1))
            await_count(m.state, "guest.process_spawned", 1)
            for n, end in ((2, upgrade), (3, killed)):
                end(m)
                s.sendall(frame(pid=n))
                await_count(m.state, "guest.process_spawned", n)
        cht("cell", "rm", "b", "--control", d + "/c")
        wait_for("its listener to go", lambda: len(m.names()) == 3)
        m.end(signal.SIGTERM, 0)
        runs = {e["data"]["runId"] for e in events(m.state) if e["data"]["cellId"] == "b"}
        equal(runs, {"r1"}, "runs of the cell")


def test_the_scribes_end_ends_no_connection(d):
    with managed(d) as m, connect(d + "/a_9001") as s:
        s.sendall(frame(pid=1))
        await_count(m.state, "guest.process_spawned", 1)
        os.kill(m.scribe_pid(), signal.SIGKILL)
        equal(m.proc.wait(30), 70, "status")
        m.start()
        s.sendall(frame(pid=2))
        await_count(m.state, "guest.process_spawned", 2)
        m.end(signal.SIGTERM, 0)


def test_a_cell_that_left_the_configuration_is_closed(d):
    with managed(d) as m, connect(d + "/a_9001") as s:
        s.sendall(frame())
        await_type(m.state, "guest.process_spawned")
        m.args = ("--cell", f"b={d}/b")
        m.upgrade()
        equal(s.recv(1), b"", "what the agent reads")
        check(not os.path.exists(d + "/a_9001"), "the socket is there still")
        wait_for("what is kept", lambda: len(m.names()) == 3)
        equal([e["reason"] for e in of_kind(m.state, "run.sealed")], ["unregistered"], "sealed")
        m.end(signal.SIGTERM, 0)


def test_without_its_listener_a_name_is_nobodys_to_remove(d):
    with managed(d) as m:
        m.end(signal.SIGUSR2, 75)
        m.hear_all()
        with m.lock:
            for name, fd in m.kept:
                if name not in "+-":
                    os.close(fd)
            m.kept = [(name, fd) for name, fd in m.kept if name in "+-"]
        m.args = ("--cell", f"b={d}/b")
        m.start()
        check(os.path.exists(d + "/a_9001"), "it is left alone")
        m.end(signal.SIGTERM, 0)


def test_a_cell_that_cannot_be_bound_does_not_end_the_others(d):
    with managed(d) as m, connect(d + "/a_9001") as s:
        s.sendall(frame())
        await_count(m.state, "guest.process_spawned", 1)
        m.args = ("--cell", f"c={d}/none/c", "--cell", f"a={d}/a", "--cell", f"b={d}/b")
        m.upgrade()
        check("cell c is left out, all others go on" in m.stderr(), m.stderr())
        with connect(d + "/b_9001") as other:
            for one in (s, other):
                one.sendall(frame())
            await_count(m.state, "guest.process_spawned", 3)
        os.mkdir(d + "/none")
        m.upgrade()
        with connect(d + "/none/c_9001") as third:
            for one in (s, third):
                one.sendall(frame())
            await_count(m.state, "guest.process_spawned", 5)
        m.end(signal.SIGTERM, 0)


def test_nor_does_one_whose_owner_took_its_name(d):
    with managed(d, "--control", d + "/c") as m, connect(d + "/a_9001") as s:
        cht("cell", "add", "b", "--base", d + "/b", "--control", d + "/c")
        os.unlink(d + "/b_9001")
        os.mkdir(d + "/b_9001")
        m.upgrade()
        check("cell b is left out, all others go on" in m.stderr(), m.stderr())
        s.sendall(frame())
        await_count(m.state, "guest.process_spawned", 1)
        m.end(signal.SIGTERM, 0)
        equal([e["reason"] for e in of_kind(m.state, "run.sealed")], ["unregistered"], "sealed")


def test_a_full_store_costs_the_connection_only(d):
    with managed(d, most=4) as m, connect(d + "/a_9001") as first, connect(d + "/a_9001") as second:
        for s in (first, second):
            s.sendall(frame())
        await_count(m.state, "guest.process_spawned", 2)
        m.upgrade()
        equal(second.recv(1), b"", "what the second reads")
        first.sendall(frame())
        await_count(m.state, "guest.process_spawned", 3)
        for n, end in ((4, upgrade), (5, killed), (6, upgrade)):
            end(m)
            first.sendall(frame())
            await_count(m.state, "guest.process_spawned", n)
        m.end(signal.SIGTERM, 0)
        reasons = of_kind(m.state, "channel.closed")[0]["reasons"]
        equal(reasons, {"host_stops": 1}, "why it was closed")


def test_another_layout_is_told_and_costs_the_connections_only(d):
    with managed(d) as m, connect(d + "/a_9001") as s:
        s.sendall(frame())
        await_type(m.state, "guest.process_spawned")
        m.end(signal.SIGUSR2, 75)
        memory = next(fd for name, fd in m.kept if name in "+-")
        os.pwrite(memory, b"\0" * 8, 0)
        m.start()
        check("another version kept" in m.stderr(), m.stderr())
        equal(s.recv(1), b"", "what the agent reads")
        with connect(d + "/a_9001") as again:
            again.sendall(frame())
            await_count(m.state, "guest.process_spawned", 2)
        m.end(signal.SIGTERM, 0)


def test_memory_that_can_change_its_size_is_not_looked_at(d):
    with managed(d) as m, connect(d + "/a_9001") as s:
        s.sendall(frame())
        await_type(m.state, "guest.process_spawned")
        m.end(signal.SIGUSR2, 75)
        m.hear_all()
        n, (name, memory) = next((i, one) for i, one in enumerate(m.kept) if one[0] in "+-")
        size = os.fstat(memory).st_size
        for other in (4096, 1 << 46):
            try:
                os.ftruncate(memory, other)
                check(False, f"it has {other} bytes")
            except PermissionError:
                pass
        # Its like in all but that.
        other = os.memfd_create("other")
        os.ftruncate(other, size)
        os.pwrite(other, os.pread(memory, 1 << 16, 0), 0)
        os.close(memory)
        m.kept[n] = (name, other)
        m.start()
        check("another version kept" in m.stderr(), m.stderr())
        m.end(signal.SIGTERM, 0)


def spoil(rng, memory):
    """Some bytes of what is kept become others: of its head but the first word, of a connection, of a cell."""
    size = os.fstat(memory).st_size
    head = struct.unpack("<Q4I9Q", os.pread(memory, 8 + 16 + 72, 0))
    conn_bytes, cell_bytes, conns_at, cells_at = head[2], head[3], head[6], head[9]
    area, n = rng.choice(((8, 88), (96, 96), (conns_at, conn_bytes), (cells_at, min(cell_bytes, 2600))))
    for _ in range(rng.randint(1, 4)):
        at = area + rng.randrange(n) // 8 * 8
        if at + 8 <= size:
            value = rng.choice((0, 1, 1 << 31, (1 << 64) - 1, rng.getrandbits(64), rng.getrandbits(20), 4096))
            os.pwrite(memory, struct.pack("<Q", value), at)


def test_what_is_kept_is_not_believed(d):
    """A process that a guest broke may leave anything: the next one starts, or says why not."""
    rng = random.Random(7)
    with managed(d, "--control", d + "/c") as m:
        for n in range(40):
            cht("cell", "add", f"n{n}", "--base", f"{d}/n{n}", "--control", d + "/c")
            with connect(d + "/a_9001") as s, connect(f"{d}/n{n}_9001") as t:
                for c in (s, t):
                    c.sendall(frame() + framed(body(padding=b"x" * 9000))[:8000])
                wait_for("both to be kept", lambda: len(m.names()) >= 5)
                m.end(signal.SIGUSR2, 75)
                m.hear_all()
                spoil(rng, next(fd for name, fd in m.kept if name in "+-"))
                m.start()
            cht("cell", "rm", f"n{n}", "--control", d + "/c", want=None)
        m.end(signal.SIGTERM, 0)
    cht("verify", m.state, want=None)


def test_limits_that_nobody_can_state_are_not_taken(d):
    with managed(d, "--control", d + "/control") as m:
        Control(d).put("b", {"base": d + "/b", "limits": {
            "connectsPerSecond": 777777, "framesPerSecond": 777778, "framesBurst": 777779}})
        with connect(d + "/b_9001") as s:
            s.sendall(frame())
            await_count(m.state, "guest.process_spawned", 1)
            m.end(signal.SIGUSR2, 75)
            memory = next(fd for name, fd in m.kept if name in "+-")
            head = struct.unpack("<Q4I9Q", os.pread(memory, 8 + 16 + 72, 0))
            at = os.pread(memory, 2 * head[3], head[9]).find(struct.pack("<3I", 777777, 777778, 777779))
            check(at >= 0, "where they stand")
            os.pwrite(memory, bytes(12), head[9] + at)
            m.start()
            s.sendall(frame())
            await_count(m.state, "guest.process_spawned", 2)
        m.end(signal.SIGTERM, 0)


def test_without_a_store_the_signal_for_an_upgrade_is_refused(d):
    from rig import Daemon
    with Daemon(d + "/s", "--cell", f"a={d}/a") as daemon:
        for sig, word in ((signal.SIGUSR2, "--fd-store"), (signal.SIGHUP, "no file to be read again: see --config")):
            daemon.proc.send_signal(sig)
            wait_for("its refusal", lambda word=word: word in daemon.stderr())
        with connect(d + "/a_9001") as s:
            s.sendall(frame())
            await_type(daemon.state, "guest.process_spawned")
        daemon.stop()


if __name__ == "__main__":
    main(globals())
