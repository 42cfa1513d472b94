#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a hostile guest does to its own cell, to another cell and to the line. Turns are counted by
the order in the ledger: chtd is stopped (SIGSTOP) while the kernel takes what everybody sends, so
that what it finds when it goes on does not depend on the machine."""

import json
import os
import select
import signal
import time

from rig import (LIMIT_S, Daemon, await_count, await_type, body, check, cht, conf_of, connect, equal, events, frame, framed, main,
                 short, sums, wait_for)

RECEIVE_BYTES = 16384  # base/limits.h: what one turn reads of a connection
ACCEPTS_PER_TURN = 64

OPEN = "[limits]\nconnections = 1000\nconnects_per_second = 100000\nframes_per_second = 1000000\n" \
       "frames_burst = 1000000\n"


def stop(daemon):
    daemon.proc.send_signal(signal.SIGSTOP)

    def is_stopped():
        with open(f"/proc/{daemon.proc.pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "T"
    wait_for("chtd to stand still", is_stopped)


def go_on(daemon):
    daemon.proc.send_signal(signal.SIGCONT)


def fill_socket(s, raw):
    """As much of raw, again and again, as the kernel takes."""
    s.setblocking(False)
    n = 0
    try:
        while True:
            n += s.send(raw)
    except BlockingIOError:
        return n


def ended(s):
    """Waits until the host has closed it."""
    s.settimeout(LIMIT_S)
    try:
        while s.recv(4096):
            pass
    except (ConnectionResetError, BrokenPipeError):
        pass


def of(state, cell):
    return [e for e in events(state) if e["data"]["cellId"] == cell]


def reasons(state):
    total = {}
    for e in events(state):
        if short(e) == "channel.closed":
            for name, n in e["data"]["reasons"].items():
                total[name] = total.get(name, 0) + n
    return total


def test_a_flood_takes_one_turn_of_another_cell(d):
    n = 60
    with Daemon(d + "/s", "--config", conf_of(d, OPEN), "--cell", f"bad={d}/bad", "--cell", f"good={d}/good") as daemon:
        bad = [connect(d + "/bad_9001") for _ in range(n)]
        good = connect(d + "/good_9001")
        for s in bad + [good]:
            s.sendall(frame())
        await_count(daemon.state, "guest.process_spawned", n + 1)
        stop(daemon)
        many = frame() * 600
        filled = [fill_socket(s, many) for s in bad]
        good.sendall(frame(pid=4242))
        go_on(daemon)
        wait_for("the good cell's frame", lambda: len([
            e for e in of(daemon.state, "good") if short(e) == "guest.process_spawned"]) == 2)
        for s in bad:
            s.close()
        daemon.stop()
    check(min(filled) > 4 * RECEIVE_BYTES, f"a flood is many turns: {filled}")
    before = {}
    for e in events(d + "/s"):
        if short(e) != "guest.process_spawned":
            continue
        if e["data"]["guest"]["guestPid"] == 4242:
            break
        c = (e["data"]["cellId"], e["data"]["channel"]["connection"])
        before[c] = before.get(c, 0) + 1
    # A turn that was under way when chtd was stopped, and one.
    most = 2 * (RECEIVE_BYTES // len(frame()) + 1) + 1
    check(max(before.values()) <= most, f"{max(before.values())} frames of one connection came first, not {most}")


def test_connects_take_one_turn_of_another_cell(d):
    with Daemon(d + "/s", "--config", conf_of(d, OPEN), "--cell", f"bad={d}/bad", "--cell", f"good={d}/good") as daemon:
        with connect(d + "/good_9001") as good:
            good.sendall(frame())
            await_count(daemon.state, "guest.process_spawned", 1)
            stop(daemon)
            waiting = []
            for _ in range(1000):  # the backlog takes 1,024
                waiting.append(connect(d + "/bad_9001"))
                waiting[-1].sendall(frame(pid=7)[:-1])
            good.sendall(frame(pid=4242))
            go_on(daemon)
            await_count(daemon.state, "guest.process_spawned", 2)
            for s in waiting:
                s.close()
        daemon.stop()
    accepted = 0
    for e in events(d + "/s"):
        if short(e) == "guest.process_spawned" and e["data"]["guest"]["guestPid"] == 4242:
            break
        if short(e) == "channel.opened" and e["data"]["cellId"] == "bad":
            accepted += e["data"]["count"]
    check(accepted <= 2 * ACCEPTS_PER_TURN, f"{accepted} connections of the other cell came first")


def test_5000_connects_leave_nothing_behind(d):
    with Daemon(d + "/s", "--seal", "--cell", f"bad={d}/bad", "--cell", f"good={d}/good") as daemon:
        fds = f"/proc/{daemon.proc.pid}/fd"
        idle = len(os.listdir(fds))
        with connect(d + "/good_9001") as good:
            for i in range(5000):
                connect(d + "/bad_9001").close()
                if i % 500 == 0:
                    good.sendall(frame(pid=i))
            await_count(daemon.state, "guest.process_spawned", 10)
        # But for one of each cell, by which it watches us, who connected.
        wait_for("the descriptors to come back", lambda: len(os.listdir(fds)) <= idle + 2)
        daemon.stop()
    closed = sum(e["data"]["count"] for e in of(d + "/s", "bad") if short(e) == "channel.closed")
    equal(closed, 5000, "connections of the bad cell, told in all")
    told = [e for e in of(d + "/s", "bad") if short(e).startswith("channel.")]
    first, last = int(told[0]["data"]["host"]["hostBootNs"]), int(told[-1]["data"]["host"]["hostBootNs"])
    check(len(told) <= 2 * ((last - first) / 1e9 + 3), f"{len(told)} events of it, one a second and kind")


def test_a_stalled_frame_is_closed_and_no_other(d):
    with Daemon(d + "/s", "--config", conf_of(d, "[limits]\nstall = 700ms\n"), "--seal",
                "--cell", f"a={d}/a", "--cell", f"b={d}/b") as daemon:
        stalled = [connect(d + "/a_9001") for _ in range(4)]
        idle, other = connect(d + "/a_9001"), connect(d + "/b_9001")
        idle.sendall(frame(pid=1))
        for s, raw in zip(stalled, (b"\x05", frame()[:4], frame() + frame()[:9], framed(bytes(60000))[:50000])):
            s.sendall(raw)
        for s in stalled:
            ended(s)
        # Long idle is no stall; nor is a cell whose neighbour stalls disturbed.
        idle.sendall(frame(pid=2))
        other.sendall(frame(pid=3))
        await_count(daemon.state, "guest.process_spawned", 4)
        idle.close()
        other.close()
        daemon.stop()
    equal({k: v for k, v in reasons(d + "/s").items() if k == "stalled"}, {"stalled": 4}, "stalled")


def test_a_frame_that_trickles_stalls_from_its_first_byte(d):
    with Daemon(d + "/s", "--config", conf_of(d, "[limits]\nstall = 500ms\n"), "--cell", f"a={d}/a") as daemon:
        s = connect(d + "/a_9001")
        raw, start = framed(bytes(60000)), time.monotonic()
        try:
            for i in range(len(raw)):
                s.sendall(raw[i:i + 1])
                if select.select([s], [], [], 0.01)[0]:
                    break
                check(time.monotonic() - start < LIMIT_S, "closed though each byte came in time")
        except OSError:
            pass
        e = await_type(daemon.state, "channel.closed")["data"]
        s.close()
        daemon.stop()
    equal(e["reasons"], {"stalled": 1}, "reason")


def test_partial_frames_hold_up_their_own_cell_only(d):
    with Daemon(d + "/s", "--config", conf_of(d, OPEN + "stall = 2s\n"), "--cell", f"bad={d}/bad",
                "--cell", f"good={d}/good") as daemon:
        # 32 blocks of 4 KiB a cell: these are all of them, and then some that wait for one.
        bad = [connect(d + "/bad_9001") for _ in range(40)]
        for s in bad:
            s.sendall(framed(bytes(60000))[:10])
        with connect(d + "/good_9001") as good:
            for i in range(20):
                good.sendall(frame(pid=i))
            await_count(daemon.state, "guest.process_spawned", 20)
        for s in bad[:32]:
            ended(s)
        # What waited goes on as soon as there are blocks.
        for i, s in enumerate(bad[32:]):
            s.sendall(framed(bytes(60000))[10:] + frame(pid=99))
            await_count(daemon.state, "guest.process_spawned", 21 + i)
        for s in bad:
            s.close()
        daemon.stop()
    equal(reasons(d + "/s"), {"stalled": 32, "clean": 9}, "reasons")


def test_long_frames_on_many_connections_do_not_lock_each_other(d):
    n = 12
    with Daemon(d + "/s", "--seal", "--cell", f"a={d}/a") as daemon:
        # Together they need six times the blocks that the cell has; each has all its bytes sent.
        stop(daemon)
        socks = [connect(d + "/a_9001") for _ in range(n)]
        for i, s in enumerate(socks):
            s.sendall(frame(pid=i, pad=bytes(60000)))
        go_on(daemon)
        await_count(daemon.state, "guest.process_spawned", n)
        for s in socks:
            s.close()
        daemon.stop()
    equal(reasons(d + "/s"), {"clean": n}, "how they ended")


def test_garbage_of_every_kind_is_counted_and_costs_its_cell_alone(d):
    with Daemon(d + "/s", "--config", conf_of(d, OPEN), "--seal", "--cell", f"bad={d}/bad",
                "--cell", f"good={d}/good") as daemon:
        sent = 0
        kinds = [b"\xff", b"\xbf\xff", b"\x9f" * 4096, b"\xa1" * 8192, b"\x5b" + b"\xff" * 8, bytes(65536),
                 body()[:-1], body() + b"\x00", body(version=256), body(comm="x" * 256)]
        with connect(d + "/good_9001") as good:
            for k in kinds:
                with connect(d + "/bad_9001") as s:
                    for _ in range(30):
                        s.sendall(framed(k))
                        sent += 1
                good.sendall(frame(pid=sent))
            for _ in range(20):
                with connect(d + "/bad_9001") as s:
                    s.sendall(b"\xff\xff\x00\x00" + os.urandom(65535) + bytes(4))
                    ended(s)
            await_count(daemon.state, "guest.process_spawned", len(kinds))
        daemon.stop()
        equal(daemon.stderr(), "", "not a word of it in the diagnostics")
    f = next(e["data"]["frames"] for e in of(d + "/s", "bad") if short(e) == "run.sealed")
    equal(f["received"], f["stored"] + f["heartbeats"] + f["refused"] + f["dropped"], "received")
    equal(f["refused"], sent + 20, "refused")
    told = sum(e["data"]["count"] for e in of(d + "/s", "bad") if short(e) == "frames.refused")
    equal(told, f["refused"], "refused, by events")
    g = next(e["data"]["frames"] for e in of(d + "/s", "good") if short(e) == "run.sealed")
    equal((g["received"], g["stored"]), (len(kinds), len(kinds)), "frames of the good cell")


def test_the_largest_events_are_stored(d):
    """Names of the greatest length, and every byte of a frame's texts one that grows to six."""
    cell, attribution = "c" * 64, "r" * 128
    worst = body(source="\x01" * 255, comm="\x01" * 255, exe="\x01" * 8000, agent_boot=2**64 - 1,
                 agent_seq=2**64 - 1, agent_dropped=2**64 - 1,
                 **{k: "x" for k in ("cell_id", "run_id", "spec_id", "cellId", "runId", "specId")})
    with Daemon(d + "/s", "--seal", "--cell", f"{cell}={d}/a,run={attribution},spec={attribution}") as daemon:
        with connect(d + "/a_9001") as s:
            for _ in range(50):
                s.sendall(framed(worst))
            s.sendall(frame(pid=4242))
            await_count(daemon.state, "guest.process_spawned", 1)
        daemon.stop()
    f = sums(d + "/s")["frames"]
    equal((f["received"], f["stored"] + f["refused"]), (51, 51), "frames")
    r = cht("verify", d + "/s", want=None)
    check(r.returncode in (10, 12), f"{r.returncode} {r.stdout.decode()}")


def test_a_turn_of_the_shortest_frames_fits_what_is_kept_free(d):
    """The line reads a connection when the ring has room for all that one read can give."""
    cell, attribution = "c" * 64, "r" * 128
    shortest = framed(body(source="", comm="", pid=0, mono=0))
    with Daemon(d + "/s", "--config", conf_of(d, OPEN), "--cell",
                f"{cell}={d}/a,run={attribution},spec={attribution}") as daemon:
        with connect(d + "/a_9001") as s:
            s.sendall(shortest)
            e = await_type(daemon.state, "guest.declaration")
        daemon.stop()
    size = len(json.dumps(e, separators=(",", ":")))
    print(f"  {len(shortest)} bytes give {size}: {RECEIVE_BYTES // len(shortest) * size} a turn")
    check(RECEIVE_BYTES // len(shortest) * size < 2 * 1024 * 1024 // 4, "a turn is less than a quarter of the ring")


if __name__ == "__main__":
    main(globals())
