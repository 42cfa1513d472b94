#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The control socket against clients that send anything, too much at once, or too slowly."""

import contextlib
import json
import os
import resource
import selectors
import signal
import socket

from control import Control, hub, of_cell
from rig import LIMIT_S, check, connect, equal, events, few_files, main, short, wait_for

CLIENTS = 1000


def raw(d, text):
    """All that is answered until the end of the connection."""
    with connect(d + "/control") as s:
        s.sendall(text)
        out = b""
        while True:
            more = s.recv(65536)
            if not more:
                return out
            out += more


def status_of(reply):
    return int(reply.split(b" ", 2)[1])


def test_what_the_library_would_answer_itself_is_answered_in_json(d):
    end = b"Host: a\r\nConnection: close\r\n\r\n"
    rows = [
        ("a NUL in the target", b"GET /version\0x HTTP/1.1\r\n" + end, 400, "bad_request"),
        ("a NUL in an id", b"DELETE /cells/a\0b HTTP/1.1\r\n" + end, 400, "bad_request"),
        ("a NUL at the end", b"GET /version\0 HTTP/1.1\r\n" + end, 400, "bad_request"),
        ("no Host", b"GET /version HTTP/1.1\r\nConnection: close\r\n\r\n", 400, "bad_request"),
        ("chunks", b"PUT /cells/b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + end + b"5\r\n{\"pat", 411, "length_required"),
        ("bad chunks", b"PUT /cells/b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + end + b"zz\r\n", 411, "length_required"),
        ("a body of GET", b"GET /cells HTTP/1.1\r\nContent-Length: 2\r\n" + end + b"{}", 400, "bad_request"),
        ("a space in the target", b"GET /cells/a b HTTP/1.1\r\n" + end, 400, "bad_id"),
        ("an unknown method", b"BREW /cells/a HTTP/1.1\r\n" + end, 405, "bad_method"),
        ("OPTIONS *", b"OPTIONS * HTTP/1.1\r\n" + end, 404, "not_found"),
    ]
    with hub(d) as (_, c):
        c.put("a", {"path": d + "/a"})
        n = len(list(events(d + "/s")))
        for what, text, status, code in rows:
            reply = raw(d, text)
            head, body = reply.split(b"\r\n\r\n", 1)
            equal((status_of(reply), json.loads(body)["code"]), (status, code), what)
            check(b"Content-Type: application/json" in head, f"{what}: its type")
        equal(status_of(raw(d, b"GET /version HTTP/1.0\r\n\r\n")), 200, "HTTP/1.0 needs no Host")
        equal(len(list(events(d + "/s"))), n, "nothing is stored of it")
        equal([v["id"] for v in c.get("/cells")], ["a"], "and nothing done")


def test_what_is_no_request_ends_its_connection_and_no_other(d):
    with hub(d) as (_, c):
        c.put("a", {"path": d + "/a"})
        for text in (b"\0" * 100, b"\r\n" * 5000, b"GET", b"GET /" + b"x" * 40000, b"GET / HTTP/9.9\r\n\r\n",
                     b"GET /version HTTP/1.1\r\nHost: a\r\n" + b"X: " + b"y" * 40000 + b"\r\n\r\n",
                     b"PUT /cells/b HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n{}",
                     b"PUT /cells/b HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
                     b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", bytes(range(256)) * 64):
            with connect(d + "/control") as s, contextlib.suppress(ConnectionError):
                s.sendall(text)
                s.shutdown(socket.SHUT_WR)
                while s.recv(65536):
                    pass
            equal([v["id"] for v in Control(d).get("/cells")], ["a"], f"after {text[:20]!r}")


def test_a_host_short_of_descriptors_says_so(d):
    with hub(d) as (daemon, c):
        c.put("a", {"path": d + "/a"})
        soft, hard = resource.prlimit(daemon.proc.pid, resource.RLIMIT_NOFILE)
        used = len(os.listdir(f"/proc/{daemon.proc.pid}/fd"))
        resource.prlimit(daemon.proc.pid, resource.RLIMIT_NOFILE, (used, hard))
        c.http.request("PUT", "/cells/b", json.dumps({"path": d + "/b"}))
        reply = c.http.getresponse()
        said = json.loads(reply.read())
        equal((reply.status, said["code"], reply.getheader("Retry-After")), (503, "full", "1"), said["message"])
        resource.prlimit(daemon.proc.pid, resource.RLIMIT_NOFILE, (soft, hard))
        wait_for("room", lambda: "id" in c.put("b", {"path": d + "/b"}, want=(201, 503)))


def ask_all(d, requests):
    """Each on a connection of its own, all of them sent before any is read. Gives their replies."""
    with contextlib.ExitStack() as stack:
        conns = [stack.enter_context(connect(d + "/control")) for _ in requests]
        for s, text in zip(conns, requests):
            s.sendall(text)
        yield conns
        replies = []
        for s in conns:
            out = b""
            while True:
                more = s.recv(65536)
                if not more:
                    break
                out += more
            replies.append(out)
        yield replies


def request(method, target, body=""):
    return (f"{method} {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()


def many_files():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, CLIENTS + 100), hard))


def test_a_thousand_clients_at_once_are_each_answered(d):
    many_files()
    with hub(d) as (_, c):
        for i in range(10):
            c.put(f"c{i}", {"path": f"{d}/{i}"})
        kinds = [("GET", "/cells"), ("GET", "/metrics"), ("HEAD", "/cells/c1"), ("PATCH", "/cells/c2"), ("POST", "/cells/c3"),
                 ("PUT", "/cells/c4"), ("GET", "/cells/none"), ("PATCH", "/cells/none"), ("PUT", "/healthz"), ("DELETE", "/cells")]
        want = {"GET": 200, "HEAD": 200, "PATCH": 200, "PUT": 200, "POST": 405, "DELETE": 405}
        requests, expected = [], []
        for i in range(CLIENTS):
            method, target = kinds[i % len(kinds)]
            body = {"PATCH": json.dumps({"exitCode": i}), "PUT": json.dumps({"path": d + "/4"})}.get(method, "")
            requests.append(request(method, target, body))
            expected.append(404 if target.endswith("none") else 405 if target == "/healthz" else want[method])
        steps = ask_all(d, requests)
        next(steps)
        equal([status_of(r) for r in next(steps)], expected, "the answers")
        steps.close()
        stated = [e["data"]["stated"]["exitCode"] for e in of_cell(d, "c2") if short(e) == "run.stated"]
        equal(sorted(stated), list(range(3, CLIENTS, 10)), "what was stated")


def test_who_waits_for_the_disk_leaves_places_for_who_asks(d):
    clients, places = 480, 381  # of 508 three quarters may wait

    with hub(d, preexec=few_files(2096)) as (daemon, c):
        c.put("a", {"path": d + "/a"})
        scribe = daemon.scribe_pid()
        os.kill(scribe, signal.SIGSTOP)
        try:
            steps = ask_all(d, [request("PATCH", "/cells/a", json.dumps({"exitCode": i})) for i in range(clients)])
            conns = next(steps)
            equal(c.get("/healthz", want=204), "", "health")
            wait_for("some to be turned away", lambda: readable(conns) >= clients - places)
            equal(c.get("/cells/a")["sequence"], 1 + places, "what was taken")
            check(c.ask("PATCH", "/cells/a", {"exitCode": 1}, want=503)["code"] == "busy", "a writer")
        finally:
            os.kill(scribe, signal.SIGCONT)
        replies = next(steps)
        steps.close()
        equal({s: [status_of(r) for r in replies].count(s) for s in (200, 503)}, {200: places, 503: clients - places}, "the answers")
        check(all(b"Retry-After: 1" in r for r in replies if status_of(r) == 503), "they may come again")
        c.ask("PATCH", "/cells/a", {"exitCode": 1})
    told = {json.loads(r.split(b"\r\n\r\n", 1)[1])["stated"] for r in replies if status_of(r) == 200}
    stored = {i for i, e in enumerate(events(d + "/s")) if short(e) == "run.stated"}
    equal((len(told), told <= stored, len(stored)), (places, True, places + 1), "what is stored is what was answered, and no more")


def readable(conns):
    with selectors.DefaultSelector() as sel:
        for s in conns:
            sel.register(s, selectors.EVENT_READ)
        return len(sel.select(0))


def test_slow_clients_are_served_or_ended(d):
    """A byte at a time, in time, is a request; what is not whole after ten seconds ends."""
    with hub(d) as (_, c):
        c.put("a", {"path": d + "/a"})
        text = request("PATCH", "/cells/a", '{"exitCode":5}')
        slow = [connect(d + "/control") for _ in range(50)]
        late = [connect(d + "/control") for _ in range(50)]
        for s in late:
            s.sendall(text[:-3])
        for i in range(len(text)):
            for s in slow:
                s.sendall(text[i:i + 1])
        for s in slow:
            check(s.recv(65536).startswith(b"HTTP/1.1 200 "), "a slow one is served")
            s.close()
        for s in late:
            s.settimeout(LIMIT_S)
            equal(s.recv(65536), b"", "a late one is ended")
            s.close()
        equal(sum(short(e) == "run.stated" for e in of_cell(d, "a")), 50, "what was stated")


if __name__ == "__main__":
    main(globals())
