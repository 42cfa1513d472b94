#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The control socket: cells that come and go while chtd runs (docs/PROTOCOL.control)."""

import contextlib
import http.client
import json
import os
import random
import resource
import signal
import socket
import subprocess
import threading
import time

from rig import BIN, LIMIT_S, Daemon, check, cht, connect, equal, events, few_files, frame, main, short, wait_for
from trouble import cpu_s, fill, small_disk


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("chtd", timeout=LIMIT_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Control:
    def __init__(self, d):
        self.http = Unix(d + "/control")

    def ask(self, method, target, body=None, want=200):
        self.http.request(method, target, None if body is None else json.dumps(body))
        reply = self.http.getresponse()
        raw = reply.read().decode()
        if not isinstance(want, tuple):
            want = (want,)
        check(reply.status in want, f"status {reply.status}, not {want}, of {method} {target}: {raw}")
        return json.loads(raw) if raw.startswith(("{", "[")) else raw

    def get(self, target, want=200):
        return self.ask("GET", target, want=want)

    def put(self, name, body, want=201):
        return self.ask("PUT", "/cells/" + name, body, want)

    def delete(self, name, want=200):
        return self.ask("DELETE", "/cells/" + name, want=want)

    def metrics(self):
        lines = [line.split() for line in self.get("/metrics").splitlines() if not line.startswith("#")]
        return {name: int(value) for name, value in lines}


@contextlib.contextmanager
def hub(d, *args, **kw):
    with Daemon(d + "/s", "--control", d + "/control", *args, **kw) as daemon:
        yield daemon, Control(d)


def of_cell(d, cell):
    return [e for e in events(d + "/s") if e["data"].get("cellId") == cell]


def adds_up(view):
    f = view["frames"]
    equal(f["received"], f["stored"] + f["heartbeats"] + f["refused"] + f["dropped"], f"the sum of {f}")


def vkey(d):
    with open(d + "/s/ledger/vkey", encoding="utf-8") as f:
        return f.read().strip()


def receipt(d, view, index):
    """Kept in a file, after it was looked at."""
    text = view["receipt"]
    equal(text.split("\n")[:2], ["c2sp.org/tlog-proof@v1", f"index {index}"], "the receipt's head")
    path = f"{d}/{index}.tlog-proof"
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def test_a_cell_comes_sends_and_goes(d):
    with hub(d) as (daemon, c):
        equal(c.get("/cells"), [], "cells at first")
        view = c.put("a", {"base": d + "/v", "run": "r:1", "spec": "sha256:00"})
        equal((view["id"], view["run"], view["spec"], view["socket"], view["state"]),
              ("a", "r:1", "sha256:00", d + "/v_9001", "open"), "the reply")
        opened = list(events(d + "/s"))[view["index"]]
        kept = receipt(d, view, view["index"])
        check("receipt" not in c.get("/cells/a"), "a receipt is of what was waited for")
        equal((short(opened), opened["data"]["cellId"]), ("run.opened", "a"), "what is stored when it is answered")
        with connect(d + "/v_9001") as s:
            s.sendall(b"".join(frame(pid=i) for i in range(500)))
            wait_for("the frames", lambda: c.get("/cells/a")["frames"]["stored"] == 500)
            equal(c.get("/cells/a")["connections"], 1, "connections")
            s.sendall(b"".join(frame(pid=i) for i in range(500)))
            gone = c.delete("a")
        equal(gone["frames"]["stored"], 1000, "frames that lay in the kernel are stored")
        adds_up(gone)
        check(not os.path.exists(d + "/v_9001"), "the socket is gone")
        sealed = list(events(d + "/s"))[gone["sealed"]]
        last = receipt(d, gone, gone["sealed"])
        equal((short(sealed), sealed["data"]["cellId"]), ("run.sealed", "a"), "what is stored when it is answered")
        equal([short(e) for e in of_cell(d, "a")][-2:], ["channel.closed", "run.sealed"], "the last events")
        c.get("/cells/a", want=404)
        began = time.monotonic()
        daemon.stop()
        check(time.monotonic() - began < 20, "it stops when it is told")
    for one in (kept, last):
        cht("verify", d + "/s", "--since", one, "--vkey", vkey(d), want=10)  # agents that do not count


def test_the_same_again_does_nothing_and_another_is_refused(d):
    with hub(d) as (_, c):
        first = {"base": d + "/v", "run": "r"}
        view = c.put("a", first)
        del view["receipt"]
        n = len(list(events(d + "/s")))
        equal(c.put("a", first, want=200)["run"], "r", "the same again")
        equal(c.put("a", {"base": d + "/v"}, want=200)["run"], "r", "without a run, any is the same")
        for other in ({**first, "run": "r2"}, {**first, "spec": "x"}, {**first, "uid": 7}, {**first, "mode": "0660"},
                      {"path": d + "/v_9001", "run": "r"}):
            equal(c.put("a", other, want=409)["code"], "differs", str(other))
        equal(c.put("b", {"path": d + "/v_9001"}, want=409)["code"], "socket_taken", "another's socket")
        equal(c.put("b", {"path": d + "/none/v"}, want=422)["code"], "cannot_bind", "a directory that is not there")
        equal(len(list(events(d + "/s"))), n, "nothing is stored of it")
        equal(c.get("/cells"), [view], "what is registered")
        c.put("b", {"path": d + "/w"})
        equal([v["id"] for v in c.get("/cells")], ["a", "b"], "cells, sorted")


def test_what_is_no_request_is_refused_and_said_why(d):
    good = {"base": d + "/v"}
    rows = [
        ("PUT", "/cells/a", {**good, "bas": 1}, 400, "bad_request"),
        ("PUT", "/cells/a", {**good, "path": d + "/w"}, 400, "bad_request"),
        ("PUT", "/cells/a", {}, 400, "bad_request"),
        ("PUT", "/cells/a", [1], 400, "bad_request"),
        ("PUT", "/cells/a", {"base": "v"}, 400, "bad_request"),
        ("PUT", "/cells/a", {"base": "/" + "v" * 1018}, 400, "bad_request"),
        ("PUT", "/cells/a", {"base": d + "/\0v"}, 400, "bad_request"),
        ("PUT", "/cells/a", {**good, "uid": -1}, 400, "bad_request"),
        ("PUT", "/cells/a", {**good, "uid": 1 << 32}, 400, "bad_request"),
        ("PUT", "/cells/a", {**good, "uid": 1.5}, 400, "bad_request"),
        ("PUT", "/cells/a", {**good, "mode": "600"}, 400, "bad_request"),
        ("PUT", "/cells/a", {**good, "mode": "0400"}, 400, "bad_request"),
        ("PUT", "/cells/a", {**good, "run": "a b"}, 400, "bad_request"),
        ("PUT", "/cells/a", {**good, "spec": "x" * 129}, 400, "bad_request"),
        ("PUT", "/cells/a", {**good, "run": "x" * 9000}, 413, "too_large"),
        ("PUT", "/cells/" + "a" * 65, good, 400, "bad_id"),
        ("PUT", "/cells/a%20b", good, 400, "bad_id"),
        ("PUT", "/cells/", good, 400, "bad_id"),
        ("PUT", "/cells", good, 405, "bad_method"),
        ("POST", "/cells/a", good, 405, "bad_method"),
        ("DELETE", "/cells/a", None, 404, "no_such_cell"),
        ("GET", "/cells/a", None, 404, "no_such_cell"),
        ("GET", "/cells?x=1", None, 404, "not_found"),
        ("GET", "/" + "x" * 300, None, 404, "not_found"),
    ]
    with hub(d) as (_, c):
        n = len(list(events(d + "/s")))
        for method, target, body, status, code in rows:
            equal(c.ask(method, target, body, want=status)["code"], code, f"{method} {target} {str(body)[:60]}")
        equal(len(list(events(d + "/s"))), n, "nothing is stored of it")
        with contextlib.suppress(ConnectionError):
            Control(d).put("a", {**good, "run": "x" * (2 << 20)}, want=413)
        equal(c.get("/version")["control"], 1, "the protocol's version")
        for target in ("/healthz", "/readyz"):
            equal(c.get(target, want=204), "", target)


def test_bodies_that_are_no_json(d):
    with hub(d) as (_, c):
        for raw in (b"", b"{", b"nul", b'{"base":"/a","base":"/b"}', b'{"base":"/\xff"}', b'{"base":"/a"}x', b"[" * 8000):
            c.http.request("PUT", "/cells/a", raw)
            reply = c.http.getresponse()
            equal((reply.status, json.loads(reply.read())["code"]), (400, "bad_request"), repr(raw[:40]))


def test_the_counters_add_up_over_cells_that_are_gone(d):
    with hub(d) as (_, c):
        for name, n in (("a", 30), ("b", 20)):
            c.put(name, {"path": f"{d}/{name}"})
            with connect(f"{d}/{name}") as s:
                s.sendall(b"".join(frame(pid=i) for i in range(n)) + b"\x01\0\0\0\xff" * 3)
                wait_for("the frames", lambda x=name, k=n: c.get("/cells/" + x)["frames"]["received"] == k + 3)
        c.delete("a")
        m = c.metrics()
        equal((m["cht_cells"], m["cht_frames_received_total"], m["cht_frames_stored_total"],
               m["cht_frames_refused_total"]), (1, 56, 50, 6), "the counters")
        equal(m["cht_frames_received_total"], m["cht_frames_stored_total"] + m["cht_frames_heartbeats_total"] +
              m["cht_frames_refused_total"] + m["cht_frames_dropped_total"], "the sum")
        wait_for("the entries", lambda: c.metrics()["cht_ledger_entries"] == len(list(events(d + "/s"))))


def test_cells_come_and_go_from_many_clients_at_once(d):
    rounds, clients = 25, 8
    faults = []

    def client(k):
        try:
            mine = Control(d)
            for i in range(rounds):
                name = f"c{k}-{i}"
                mine.put(name, {"path": f"{d}/{name}"})
                with connect(f"{d}/{name}") as s:
                    s.sendall(frame(pid=i))
                gone = mine.delete(name)
                equal(gone["frames"]["stored"], 1, f"frames of {name}")
        except Exception as e:  # pylint: disable=broad-except
            faults.append(repr(e))

    with hub(d) as (daemon, c):
        threads = [threading.Thread(target=client, args=(k,)) for k in range(clients)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        equal(faults, [], "what went wrong")
        equal(c.get("/cells"), [], "cells in the end")
        equal(c.metrics()["cht_frames_stored_total"], rounds * clients, "frames")
        daemon.stop()
    kinds = [short(e) for e in events(d + "/s")]
    equal((kinds.count("run.opened"), kinds.count("run.sealed")), (rounds * clients, rounds * clients), "runs")
    cht("verify", d + "/s", want=12)


def test_clients_that_misbehave_hold_up_nobody(d):
    def raw(text):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.settimeout(LIMIT_S)
        s.connect(d + "/control")
        s.sendall(text)
        return s

    with hub(d) as (_, c):
        idle = [raw(b"") for _ in range(500)]
        half = [raw(b"PUT /cells/x HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\n{") for _ in range(300)]
        body = json.dumps({"path": d + "/left"}).encode()
        head = b"PUT /cells/left HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
        with raw(head + body):
            wait_for("the cell of one that leaves", lambda: c.get("/cells"))
        wait_for("the cell of who left", lambda: [v["id"] for v in c.get("/cells") if v["state"] == "open"] == ["left"])
        c.put("a", {"path": d + "/a"})
        c.delete("a")
        for s in idle + half:
            equal(s.recv(1), b"", "those are ended")
            s.close()
        equal([v["id"] for v in Control(d).get("/cells")], ["left"], "cells")


def test_a_registered_cell_ends_with_chtd_and_a_configured_one_goes_on(d):
    with hub(d, "--cell", f"fixed={d}/f") as (daemon, c):
        c.put("a", {"path": d + "/a"})
        equal([(v["id"], v["state"]) for v in c.get("/cells")], [("a", "open"), ("fixed", "open")], "cells")
        daemon.stop()
    with hub(d, "--cell", f"fixed={d}/f") as (_, c):
        equal([v["id"] for v in c.get("/cells")], ["fixed"], "cells after the start")
        equal([short(e) for e in of_cell(d, "a")], ["run.opened", "run.sealed"], "its run")
        equal(of_cell(d, "a")[-1]["data"]["reason"], "unregistered", "why")
        began = time.monotonic()
        c.delete("fixed")
        check(time.monotonic() - began < 20, "what waits for nothing is not waited for")
        c.put("fixed", {"base": d + "/f"})
        equal([short(e) for e in of_cell(d, "fixed")],
              ["run.opened", "run.resumed", "run.sealed", "run.opened"], "its runs")


def test_what_a_cell_over_its_rate_sent_is_stored_before_its_seal(d):
    with open(d + "/conf", "w", encoding="utf-8") as f:
        f.write("[limits]\nframes_per_second = 100\nframes_burst = 100\n[silence]\nkeepalive_window = 300ms\n")
    with hub(d, "--config", d + "/conf") as (daemon, c):
        c.put("a", {"path": d + "/a"})
        with connect(d + "/a") as s:
            s.sendall(b"".join(frame(pid=i) for i in range(1500)))
            wait_for("the pause", lambda: c.get("/cells/a")["frames"]["stored"] >= 100)
            equal(c.delete("a")["frames"]["stored"], 1500, "all is stored")
        daemon.stop()
    equal(short(of_cell(d, "a")[-1]), "run.sealed", "the last word")


def test_the_orchestrator_of_the_examples(d):
    script = os.environ["CHT_SOURCE_ROOT"] + "/examples/orchestrate.sh"

    def orchestrate(cell, *vmm, want):
        done = subprocess.run([script, d + "/control", cell, f"{d}/{cell}.v", d + "/kept", *vmm], capture_output=True,
                              text=True, check=False, timeout=LIMIT_S)
        equal(done.returncode, want, f"its status: {done.stderr}")
        return done

    os.mkdir(d + "/kept")
    vmm = ("sh", "-c", f'"{BIN}/cht" send "unix:${{CHT_BASE}}_9001" -n 9 >/dev/null; exit 3')
    with hub(d) as (_, c):
        said = orchestrate("vm-1", *vmm, want=3).stderr
        check("vm-1: sealed, VM ended with 3" in said, said)
        equal(c.get("/cells"), [], "cells after it")
        c.put("vm-2", {"path": d + "/elsewhere"})
        check("registered otherwise" in orchestrate("vm-2", *vmm, want=22).stderr, "chtd's sentence")
    kinds = [short(e) for e in of_cell(d, "vm-1")]
    equal((kinds[0], kinds[-1], kinds.count("guest.process_spawned")), ("run.opened", "run.sealed", 9), "its run")
    equal([e["data"]["stated"] for e in of_cell(d, "vm-1") if short(e) == "run.stated"], [{"exitCode": 3}], "its end")
    equal([short(e) for e in of_cell(d, "vm-2")], ["run.opened"], "the other's is left alone")
    for name in ("vm-1.opened", "vm-1.sealed"):
        cht("verify", d + "/s", "--since", f"{d}/kept/{name}", "--vkey", vkey(d), want=10)


def test_who_comes_and_goes_does_not_wait_behind_a_flood(d):
    with open(d + "/conf", "w", encoding="utf-8") as f:
        f.write("[limits]\nframes_per_second = 1000000000\nframes_burst = 1000000000\n")
    floods = []
    with hub(d, "--config", d + "/conf") as (_, c):
        for i in range(4):
            c.put(f"flood-{i}", {"path": f"{d}/f{i}"})
            floods.append(subprocess.Popen([BIN + "/cht", "send", f"unix:{d}/f{i}", "-n", "100000000", "-b", "64", "-c", "8"],
                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        wait_for("the flood", lambda: all(v["frames"]["stored"] > 20000 for v in c.get("/cells")))
        longest = 0
        for i in range(20):
            for step in (lambda n: c.put(n, {"path": f"{d}/{n}"}), c.delete):
                began = time.monotonic()
                step(f"c{i}")
                longest = max(longest, time.monotonic() - began)
        for one in floods:
            one.kill()
            one.wait()
        print(f"  the longest wait: {longest * 1000:.0f} ms")
        check(longest < 5, "nobody waits behind guests")


def test_a_stop_finishes_what_is_on_its_way(d):
    with hub(d) as (daemon, c):
        for i in range(20):
            c.put(f"c{i}", {"path": f"{d}/{i}"})
        going = [Control(d) for _ in range(20)]
        for i, one in enumerate(going):
            one.http.request("DELETE", f"/cells/c{i}")
        wait_for("some to go", lambda: len(c.get("/cells")) < 20)
        daemon.stop()
        equal([one.http.getresponse().status for one in going], [200] * 20, "each has its answer")
    equal([short(e) for e in events(d + "/s")].count("run.sealed"), 20, "sealed")
    check(not os.path.exists(d + "/control"), "the control socket is gone")


def pipelined(d, dice):
    """Some requests for one of three cells in one write; the last one ends the connection."""
    text = ""
    for _ in range(dice.randrange(1, 5)):
        cell, method = f"x{dice.randrange(3)}", dice.choice(("PUT", "PATCH", "DELETE", "GET", "HEAD"))
        body = {"PUT": json.dumps({"path": f"{d}/{cell}"}), "PATCH": '{"exitCode":0}'}.get(method, "")
        text += f"{method} /cells/{cell} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    return (text + "GET /version HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").encode()


def test_whoever_asks_in_a_hurry_is_answered(d):
    faults = []
    end = time.monotonic() + 8

    def client(k):
        dice = random.Random(k)
        try:
            while time.monotonic() < end and not faults:
                with connect(d + "/control") as s:
                    s.settimeout(8)
                    s.sendall(pipelined(d, dice))
                    while dice.random() < 0.9 and s.recv(65536):
                        pass
        except OSError as e:
            faults.append(f"{k}: {e!r}")

    with hub(d) as (daemon, _):
        threads = [threading.Thread(target=client, args=(k,)) for k in range(6)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        equal(faults, [], "what went wrong")
        daemon.stop()
    seen = [(e["data"].get("runId"), e["data"]["sequence"], short(e)) for e in events(d + "/s")]
    last = {run: (number, kind) for run, number, kind in seen}
    for run, (number, _) in last.items():
        mine = [(n, kind) for r, n, kind in seen if r == run]
        equal([n for n, _ in mine], list(range(1, number + 1)), f"the numbers of {run}")
        check("run.sealed" not in [kind for _, kind in mine[:-1]], f"{run} ends with its seal")


def test_who_asked_first_is_told_that_the_cell_is_new(d):
    with hub(d) as (daemon, _):
        early, late = Control(d), Control(d)
        for one in (early, late):
            one.get("/version")
        scribe = daemon.scribe_pid()
        os.kill(scribe, signal.SIGSTOP)
        try:
            body = json.dumps({"path": d + "/a"})
            for one in (late, early):
                one.http.request("PUT", "/cells/a", body)
                wait_for("the cell", lambda: Control(d).get("/cells"))
        finally:
            os.kill(scribe, signal.SIGCONT)
        equal([one.http.getresponse().status for one in (late, early)], [201, 200], "the answers")


def test_a_cell_that_drains_on_a_full_disk_costs_nothing(d):
    with open(d + "/conf", "w", encoding="utf-8") as f:
        f.write("[daemon]\non_full = drop\n[limits]\nframes_burst = 1000000\nframes_per_second = 1000000\n")
    with small_disk(d, "64m") as disk, Daemon(disk + "/s", "--control", d + "/control", "--config", d + "/conf") as daemon:
        c = Control(d)
        c.put("a", {"path": d + "/a"})
        with connect(d + "/a") as s:
            fill(disk)
            s.sendall(frame(pid=1))
            wait_for("the pause", lambda: "dropped and counted" in daemon.stderr())
            for _ in range(200):
                s.sendall(b"".join(frame(pid=p, comm="x" * 200) for p in range(1, 101)))
        wait_for("drops", lambda: c.get("/cells/a")["frames"]["dropped"] > 0)
        going = Control(d)
        going.http.request("DELETE", "/cells/a")
        wait_for("the drain", lambda: c.get("/cells/a")["state"] == "draining")
        before, start = cpu_s(daemon.proc.pid), time.monotonic()
        wait_for("time", lambda: time.monotonic() - start > 2)
        spent = cpu_s(daemon.proc.pid) - before
        os.unlink(disk + "/ballast")
        gone = json.loads(going.http.getresponse().read())
        adds_up(gone)
        check(spent < 0.3, f"waiting for space took {spent} s of the processor")


def test_who_deletes_what_failed_to_come_is_answered(d):
    """Its socket was made and could not be taken: until the name is gone again it is no cell."""
    body = json.dumps({"path": d + "/a"})
    both = (f"PUT /cells/a HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n{body}"
            "DELETE /cells/a HTTP/1.1\r\nHost: a\r\n\r\n").encode()

    def status(reader):
        line, rest = reader.readline().split(), 0
        while (head := reader.readline().lower()) not in (b"\r\n", b""):
            if head.startswith(b"content-length:"):
                rest = int(head.split(b":")[1])
        reader.read(rest)
        return int(line[1])

    with hub(d) as (daemon, _), connect(d + "/control") as s, s.makefile("rb") as reader:
        s.settimeout(10)
        s.sendall(b"GET /version HTTP/1.1\r\nHost: a\r\n\r\n")
        equal(status(reader), 200, "it is connected")
        pid = daemon.proc.pid
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, hard))  # fewer than are open: none can be taken
        for _ in range(20):
            s.sendall(both)
            equal([status(reader), status(reader)], [503, 404], "the answers")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
        daemon.stop()


def test_clients_take_no_descriptors_of_guests(d):
    with hub(d, preexec=few_files(140)) as (_, c):
        n = 0
        while c.ask("PUT", f"/cells/a{n}", {"path": f"{d}/a{n}"}, want=(201, 503)).get("code") != "full":
            n += 1
        check(n > 10, f"{n} cells")
        with contextlib.ExitStack() as idle:
            for _ in range(100):
                idle.enter_context(connect(d + "/control"))
            guest = idle.enter_context(connect(d + "/a0"))
            guest.sendall(frame(pid=1))
            wait_for("its frame", lambda: c.get("/cells/a0")["frames"]["stored"] == 1, 5)
            c.delete("a1")
            c.put("b", {"path": d + "/b"})


if __name__ == "__main__":
    main(globals())
