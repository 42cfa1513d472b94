#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""register: a supervisor passes in a listener that it made itself (docs/PROTOCOL.control)."""

import array
import json
import os
import resource
import signal
import socket
import time

from access import STRANGER, as_user, opened
from control import Control, hub, of_cell, receipt, vkey
from manager import Manager
from rig import LIMIT_S, Daemon, await_count, check, cht, connect, equal, events, frame, main, short, wait_for
from stated import WHOLE, fits_schema


def listener(name, kind=socket.SOCK_STREAM, listens=True):
    s = socket.socket(socket.AF_UNIX, kind)
    s.bind(name)
    if listens:
        s.listen(1)
    return s


def passer(d):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(LIMIT_S)
    s.connect(d + "/register")
    return s


def send(s, body, *fds):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [getattr(f, "fileno", lambda f=f: f)() for f in fds]))]
    s.sendmsg([raw], rights if fds else [])


def ask(s, body, *fds):
    send(s, body, *fds)
    return json.loads(s.recv(1 << 16))


def with_register(d, *args, **kw):
    return hub(d, "--register", d + "/register", *args, **kw)


def fds_of(daemon):
    return sorted(os.readlink(f"/proc/{daemon.proc.pid}/fd/{n}") for n in os.listdir(f"/proc/{daemon.proc.pid}/fd"))


def test_a_cell_by_the_listener_of_its_supervisor(d):
    # Probes have descriptors of their own.
    asked = {**{k: v for k, v in WHOLE.items() if k != "probes"}, "keepaliveWindowMs": 60000}
    with with_register(d) as (daemon, c), passer(d) as p:
        c.get("/version")
        before = len(fds_of(daemon))
        with listener(d + "/v") as mine:
            view = ask(p, {"id": "a", "run": "r:1", **asked}, mine)
        equal((view["status"], view["id"], view["run"], view["socket"], view["state"]),
              (201, "a", "r:1", f"fd:{d}/v", "open"), "the answer")
        event = list(events(d + "/s"))[view["index"]]
        fits_schema(event)
        kept = receipt(d, view, view["index"])
        equal((event["data"]["socket"], event["data"]["stated"], event["data"]["by"]["pid"]),
              (f"fd:{d}/v", asked, os.getpid()), "what is stored when it is answered")
        equal(len(fds_of(daemon)), before + 1, "descriptors of it")
        with connect(d + "/v") as s:
            s.sendall(frame() * 7)
            wait_for("the frames", lambda: c.get("/cells/a")["frames"]["stored"] == 7)
            gone = c.delete("a")
        equal((gone["frames"]["stored"], gone["state"]), (7, "sealed"), "its end")
        check(os.path.exists(d + "/v"), "the file is its maker's")
        equal(len(fds_of(daemon)), before, "descriptors after it")
        try:
            connect(d + "/v").close()
            check(False, "nobody listens any more")
        except ConnectionRefusedError:
            pass
        # The same client again, by an abstract name.
        with listener(f"\0cht-test-{os.getpid()}") as mine:
            equal(ask(p, {"id": "b"}, mine)["socket"], f"fd:@cht-test-{os.getpid()}", "an abstract name")
    cht("verify", d + "/s", "--since", kept, "--vkey", vkey(d), want=10)


def test_the_same_again_does_nothing_and_another_is_refused(d):
    with with_register(d) as (_, c), passer(d) as p, listener(d + "/v") as mine, listener(d + "/w") as other:
        run = ask(p, {"id": "a"}, mine)["run"]
        again = ask(p, {"id": "a"}, mine)
        equal((again["status"], again["run"]), (200, run), "the same")
        for body, fd, code in (({"id": "a"}, other, "differs"), ({"id": "a", "run": "x"}, mine, "differs"),
                               ({"id": "a", "vmmPid": 5}, mine, "differs"), ({"id": "b"}, mine, "socket_taken")):
            said = ask(p, body, fd)
            equal((said["status"], said["code"]), (409, code), str(body))
        os.unlink(d + "/v")
        with listener(d + "/v") as impostor:
            equal(ask(p, {"id": "a"}, impostor)["code"], "differs", "another socket of the same name")
        equal(c.put("a", {"path": d + "/v"}, want=409)["code"], "differs", "by its path")
        equal(len(of_cell(d, "a")), 1, "nothing is stored of it")


def test_what_is_no_such_message_is_refused_and_leaves_nothing(d):
    with with_register(d) as (daemon, c), passer(d) as p, listener(d + "/v") as good:
        equal(ask(p, {"id": "z"}, good)["status"], 201, "a good one")
        c.delete("z")
        before, n = fds_of(daemon), len(list(events(d + "/s")))
        client, server = socket.socketpair()
        read_end, write_end = os.pipe()
        null = os.open("/dev/null", os.O_RDONLY)
        rows = [
            ("no descriptor", {"id": "a"}, [], 400, "bad_request"),
            ("two", {"id": "a"}, [good, good], 400, "bad_request"),
            ("many", {"id": "a"}, [good] * 100, 400, "bad_request"),
            ("no id", {"run": "x"}, [good], 400, "bad_request"),
            ("a bad id", {"id": "a/b"}, [good], 400, "bad_request"),
            ("a path", {"id": "a", "path": d + "/v"}, [good], 400, "bad_request"),
            ("a mode", {"id": "a", "mode": "0600"}, [good], 400, "bad_request"),
            ("a cid", {"id": "a", "cid": 3}, [good], 400, "bad_request"),
            ("a state", {"id": "a", "state": "paused"}, [good], 400, "bad_request"),
            ("no JSON", b"{", [good], 400, "bad_request"),
            ("too long", b" " * 8193, [good], 413, "too_large"),
            ("far too long", b" " * 60000, [good], 413, "too_large"),
            ("a pipe", {"id": "a"}, [read_end], 422, "cannot_bind"),
            ("a file", {"id": "a"}, [null], 422, "cannot_bind"),
            ("a connected socket", {"id": "a"}, [client], 422, "cannot_bind"),
            ("one that does not listen", {"id": "a"}, [listener(d + "/n", listens=False)], 422, "cannot_bind"),
            ("packets", {"id": "a"}, [listener(d + "/p", socket.SOCK_SEQPACKET)], 422, "cannot_bind"),
            ("the network", {"id": "a"}, [socket.create_server(("127.0.0.1", 0))], 422, "cannot_bind"),
            ("too many connections", {"id": "a", "limits": {"connections": 1023}}, [good], 422, "over_limit"),
        ]
        there = os.getcwd()
        os.chdir(d)
        rows.append(("a relative name", {"id": "a"}, [listener("rel")], 422, "cannot_bind"))
        os.chdir(there)
        for what, body, fds, status, code in rows:
            said = ask(p, body, *fds)
            equal((said["status"], said["code"]), (status, code), f"{what}: {said}")
            check(said["message"], "a sentence")
        equal(fds_of(daemon), before, "descriptors that were passed in are closed")
        equal((len(list(events(d + "/s"))), c.get("/cells")), (n, []), "nothing is done")
        server.close()
        os.close(write_end)
        equal(ask(p, {"id": "a"}, good)["status"], 201, "and a good one is taken all the same")


def test_who_may_not_write_may_not_pass(d):
    with with_register(d) as (_, c):
        opened(d)
        os.chmod(d + "/register", 0o666)
        os.mkdir(d + "/theirs")
        os.chmod(d + "/theirs", 0o777)

        def stranger():
            with passer(d) as p, listener(d + "/theirs/v") as mine:
                return ask(p, {"id": "a"}, mine)
        said = as_user(STRANGER, STRANGER, [], stranger)
        equal((said["status"], said["code"], c.get("/cells")), (403, "not_a_writer", []), "a stranger")


def goes_on(s):
    """Hears what there is and says something; false: it was ended."""
    s.setblocking(False)
    try:
        while s.recv(4096):
            pass
        return False
    except BlockingIOError:
        pass
    except OSError:
        return False
    try:
        s.send(b"{}")
    except BlockingIOError:
        pass
    except OSError:
        return False
    return True


def pester(d, told):
    """As many as there are places and more, each with something to say before it is ended."""
    crowd = [passer(d) for _ in range(40)]
    while True:
        crowd = [s if goes_on(s) else passer(d) for s in crowd]
        os.write(told, b".")
        time.sleep(0.2)


def test_who_may_not_write_keeps_nobody_out(d):
    with with_register(d):
        opened(d)
        os.chmod(d + "/register", 0o666)
        heard, told = os.pipe()
        crowd = os.fork()
        if crowd == 0:
            try:
                os.setgroups([])
                os.setresgid(STRANGER, STRANGER, STRANGER)
                os.setresuid(STRANGER, STRANGER, STRANGER)
                pester(d, told)
            finally:
                os._exit(1)
        try:
            equal(os.read(heard, 1), b".", "the crowd")
            for n in range(8):
                with passer(d) as p, listener(f"{d}/v{n}") as mine:
                    equal(ask(p, {"id": f"a{n}"}, mine)["status"], 201, "a writer among them")
        finally:
            os.kill(crowd, signal.SIGKILL)
            os.waitpid(crowd, 0)
            os.close(heard)
            os.close(told)


def test_who_leaves_or_says_nothing_holds_up_nobody(d):
    with with_register(d) as (daemon, c):
        scribe = daemon.scribe_pid()
        os.kill(scribe, signal.SIGSTOP)
        try:
            left = passer(d)
            with listener(d + "/left") as mine:
                send(left, {"id": "left"}, mine)
            wait_for("it", lambda: c.get("/cells"))
            left.close()
        finally:
            os.kill(scribe, signal.SIGCONT)
        wait_for("its cell", lambda: c.get("/cells/left")["state"] == "open")
        idle = [passer(d) for _ in range(40)]
        began = time.monotonic()
        with passer(d) as p, listener(d + "/v") as mine:
            equal(ask(p, {"id": "a"}, mine)["status"], 201, "one behind forty who say nothing")
        check(time.monotonic() - began < 8, f"after {time.monotonic() - began:.1f} s")
        for s in idle:
            s.close()


def test_it_stops_with_an_answer_and_the_socket_goes(d):
    with with_register(d) as (daemon, _), passer(d) as p, listener(d + "/v") as mine:
        scribe = daemon.scribe_pid()
        os.kill(scribe, signal.SIGSTOP)
        send(p, {"id": "a"}, mine)
        wait_for("the cell", lambda: hub_cells(d))
        daemon.proc.send_signal(signal.SIGTERM)
        os.kill(scribe, signal.SIGCONT)
        equal(json.loads(p.recv(1 << 16))["status"], 201, "what was on its way is answered")
        daemon.wait(0)
        check(not os.path.exists(d + "/register"), "the socket")
        equal([short(e) for e in of_cell(d, "a")], ["run.opened"], "it is stored")


def hub_cells(d):
    return Control(d).get("/cells")


def test_a_host_short_of_descriptors_says_so(d):
    with with_register(d) as (daemon, c), passer(d) as p, listener(d + "/v") as mine:
        equal(ask(p, {"id": "a"}, mine)["status"], 201, "one")
        c.delete("a")
        soft, hard = resource.prlimit(daemon.proc.pid, resource.RLIMIT_NOFILE)
        used = len(fds_of(daemon))
        for spare in (0, 1):  # for none; for the one that is passed, and not for ours
            resource.prlimit(daemon.proc.pid, resource.RLIMIT_NOFILE, (used + spare, hard))
            said = ask(p, {"id": "a"}, mine)
            equal((said["status"], said["code"]), (503, "full"), said["message"])
        resource.prlimit(daemon.proc.pid, resource.RLIMIT_NOFILE, (soft, hard))
        wait_for("it, when there are some again", lambda: ask(p, {"id": "a"}, mine)["status"] == 201)


def test_a_listener_that_was_passed_in_outlives_chtd(d):
    with Manager(d, d + "/s", "--control", d + "/control", "--register", d + "/register") as m:
        with passer(d) as p, listener(d + "/v") as mine:
            run = ask(p, {"id": "a", "vmmPid": os.getpid()}, mine)["run"]
        with connect(d + "/v") as s:
            for i, end in enumerate((m.upgrade, m.kill, m.upgrade)):
                s.sendall(frame(pid=i))
                end()
                if end == m.kill:
                    m.start()
                with connect(d + "/v") as another:
                    another.sendall(frame(pid=10 + i))
                await_count(m.state, "guest.process_spawned", 2 * i + 2)
                equal([(v["id"], v["run"], v["socket"]) for v in hub_cells(d)], [("a", run, f"fd:{d}/v")], "it goes on")
            with passer(d) as p, listener(d + "/w") as other:
                equal(ask(p, {"id": "a", "vmmPid": os.getpid()}, other)["code"], "differs", "another socket")
        Control(d).delete("a")
        m.end(signal.SIGTERM, 0)
        check(os.path.exists(d + "/v"), "the file is its maker's")
    mine = of_cell(d, "a")
    equal([short(e) for e in mine].count("run.opened"), 1, "one run")
    equal(mine[-1]["data"]["frames"]["stored"], 6, "frames")


def test_its_maker_does_not_make_chtd_wait(d):
    with with_register(d) as (_, c), passer(d) as p, listener(d + "/v") as mine:
        equal(ask(p, {"id": "a"}, mine)["status"], 201, "a cell")
        for n in (1, 2):
            mine.setblocking(True)
            with connect(d + "/v") as s:
                s.sendall(frame())
                wait_for("its frame", lambda n=n: c.get("/cells/a")["frames"]["stored"] == n)


def test_it_needs_the_control_socket(d):
    with Daemon(d + "/s", "--cell", f"a={d}/v", "--register", d + "/register", wait=False) as daemon:
        daemon.wait(78)
        check("needs socket" in daemon.stderr(), daemon.stderr())


if __name__ == "__main__":
    main({k: v for k, v in globals().items() if getattr(v, "__module__", "") == "__main__"})
