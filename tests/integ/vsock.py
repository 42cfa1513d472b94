#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Cells by their VM's CID, as far as this kernel goes without a VM: its AF_VSOCK, and where it has
vsock_loopback, frames over CID 1. With real VMs: tests/vm/vsock."""

import contextlib
import errno
import fcntl
import os
import socket
import tempfile

from control import hub
from rig import Daemon, await_type, check, connect, equal, events, frame, main, short, skip, wait_for

PORT = 9001


@contextlib.contextmanager
def alone():
    """The port is one for the whole host, and so is who tests with it."""
    with open(os.path.join(tempfile.gettempdir(), "cht-vsock-9001.lock"), "w", encoding="ascii") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        try:
            with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as s:
                s.bind((socket.VMADDR_CID_ANY, PORT))
        except OSError as e:
            skip(f"port {PORT} of AF_VSOCK cannot be had: {e.strerror}")
        yield


def has_loopback():
    """A listener of ours on another port answers, or it does not within a second."""
    with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as s, \
            socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as c:
        s.bind((socket.VMADDR_CID_ANY, socket.VMADDR_PORT_ANY))
        s.listen()
        c.settimeout(1)
        try:
            c.connect((1, s.getsockname()[1]))
        except OSError:
            return False
        return True


def dial():
    if not has_loopback():
        skip("this kernel has no vsock_loopback: connects to CID 1 are not answered")
    s = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
    s.settimeout(30)
    s.connect((1, PORT))
    return s


def opened(d, name):
    return [e["data"] for e in events(d + "/s") if short(e) == "run.opened" and e["data"]["cellId"] == name]


def test_cells_come_and_go_by_cid(d):
    with alone(), hub(d) as (_, c):
        view = c.put("a", {"cid": 3, "run": "r1"})
        equal((view["socket"], view["state"]), ("vsock:3", "open"), "how it is shown")
        equal(opened(d, "a")[0]["socket"], "vsock:3", "what attribution rests on")
        check("expectedUid" not in opened(d, "a")[0], "no user is expected")
        equal(c.put("a", {"cid": 3}, want=200)["run"], "r1", "the same again")
        for other in ({"cid": 4}, {"base": d + "/v"}, {"path": "/vsock:3"}):
            equal(c.put("a", other, want=409)["code"], "differs", str(other))
        equal(c.put("b", {"cid": 3}, want=409)["code"], "socket_taken", "the CID of another")
        c.put("b", {"cid": 4294967294})
        c.put("u", {"base": d + "/v"})
        equal([v["socket"] for v in c.get("/cells")], ["vsock:3", "vsock:4294967294", d + "/v_9001"], "all of them")
        c.delete("a")
        equal(c.put("b2", {"cid": 3, "run": "r2"})["run"], "r2", "the CID is free again")
        equal(c.put("c", {"cid": 2}, want=400)["code"], "bad_request", "a CID of no VM")


def test_two_daemons_share_no_port(d):
    os.mkdir(d + "/1")
    os.mkdir(d + "/2")
    with alone(), hub(d + "/1") as (one, c1), hub(d + "/2") as (_, c2):
        c1.put("a", {"cid": 3})
        refused = c2.put("a", {"cid": 4}, want=422)
        equal(refused["code"], "cannot_bind", "a port that another has")
        check("another process has port 9001" in refused["message"], refused["message"])
        c2.put("b", {"base": d + "/v"})
        equal([short(e) for e in events(d + "/2/s")].count("run.opened"), 1, "nothing is stored of it")
        c1.http.close()
        one.stop()
        c2.put("a", {"cid": 4})


def test_a_configured_cell_needs_the_port(d):
    with alone(), socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as s:
        s.bind((socket.VMADDR_CID_ANY, PORT))
        daemon = Daemon(d + "/s", "--cell", "a=,cid=3", check_ready=False)
        daemon.wait(78)
        check("another process has port 9001" in daemon.stderr(), daemon.stderr())
        check(not os.path.exists(d + "/s/ledger/entries") or not list(events(d + "/s")), "nothing is stored")
    with alone(), Daemon(d + "/s", "--cell", "a=,cid=3", "--cell", "b=" + d + "/v") as daemon:
        s = connect(d + "/v_9001")
        s.sendall(frame())
        await_type(d + "/s", "guest.process_spawned")
        daemon.stop()
    with alone(), Daemon(d + "/s", "--cell", "a=,cid=3", "--seal") as daemon:
        daemon.stop()
    equal([(e["data"]["runId"] == opened(d, "a")[0]["runId"]) for e in events(d + "/s")
           if short(e) in ("run.resumed", "run.sealed") and e["data"]["cellId"] == "a"], [True, True],
          "the run went on over a restart, and is sealed")


def test_a_run_that_goes_on_by_another_cid_says_so(d):
    with alone():
        for channel in ("=,cid=3,run=r", "=,cid=4,run=r", "=" + d + "/v,run=r"):
            with Daemon(d + "/s", "--cell", "a" + channel) as daemon:
                daemon.stop()
        with Daemon(d + "/s", "--cell", "b=,cid=3") as daemon:
            daemon.stop()
    equal([(short(e), e["data"].get("socket")) for e in events(d + "/s")
           if short(e).startswith("run.") and e["data"]["cellId"] == "a"],
          [("run.opened", "vsock:3"), ("run.resumed", "vsock:4"), ("run.resumed", d + "/v_9001"), ("run.sealed", None)],
          "on what attribution rested")


def test_a_daemon_without_such_cells_leaves_the_port_alone(d):
    with alone(), hub(d) as (_, c):
        c.put("a", {"base": d + "/v"})
        with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as s:
            s.bind((socket.VMADDR_CID_ANY, PORT))


def test_frames_over_loopback_are_of_the_cell_with_cid_1(d):
    with alone(), hub(d) as (daemon, c):
        c.put("a", {"cid": 1, "run": "r1"})
        check("cid 1 is this host" in daemon.stderr(), "the operator is warned")
        with dial() as s:
            s.sendall(frame() * 3)
            spawned = await_type(d + "/s", "guest.process_spawned", 3)
        equal((spawned["data"]["cellId"], spawned["data"]["runId"]), ("a", "r1"), "whose they are")
        check("peerUid" not in spawned["data"]["inputs"], "no user is known")
        check("peer" not in await_type(d + "/s", "channel.opened")["data"], "no peer is known")
        with dial() as s:
            wait_for("a connection", lambda: c.get("/cells/a")["connections"] == 1)
            c.delete("a")
            equal(s.recv(1), b"", "closed with its run")
        c.put("b", {"cid": 1, "run": "r2"})
        with dial() as s:
            s.sendall(frame())
            equal(await_type(d + "/s", "guest.process_spawned", 4)["data"]["runId"], "r2", "the next tenant's run")


def test_a_vm_that_no_cell_has_is_turned_away_and_told_of(d):
    with alone(), hub(d) as (daemon, c):
        c.put("a", {"cid": 3})
        for _ in range(20):
            with dial() as s:
                with contextlib.suppress(OSError):
                    s.sendall(frame())
                try:
                    equal(s.recv(1), b"", "closed at once")
                except OSError as e:
                    equal(e.errno, errno.ECONNRESET, "closed at once")
        first = await_type(d + "/s", "channel.unclaimed")["data"]
        equal(first["cid"], 1, "who it was")
        c.http.close()
        daemon.stop()
        told = [e["data"]["count"] for e in events(d + "/s") if short(e) == "channel.unclaimed"]
        equal(sum(told), 20, "each is counted")
        check(len(told) <= 5, f"at most one a second: {told}")


if __name__ == "__main__":
    main(globals())
