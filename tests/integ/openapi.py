#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/openapi.json against the server: each path, method and status in it is met, and each reply is as
it says; what it takes for a body the server takes, and nothing else."""

import contextlib
import copy
import json
import os
import signal

import jsonschema

from access import NOBODY, as_user, opened
from control import Control, hub
from rig import Daemon, Skipped, check, connect, equal, few_files, main, wait_for
from stated import EVENT, WHOLE
from trouble import fill, small_disk

with open(os.environ["CHT_SOURCE_ROOT"] + "/docs/openapi.json", encoding="utf-8") as page:
    DOC = json.load(page)

METHODS = ("get", "put", "patch", "delete")


def resolved(value):
    """The value without references: jsonschema reads no OpenAPI."""
    if isinstance(value, list):
        return [resolved(v) for v in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        at = DOC
        for step in value["$ref"].removeprefix("#/").split("/"):
            at = at[step]
        return resolved(at)
    return {k: resolved(v) for k, v in value.items()}


def operations():
    for path, item in DOC["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, resolved(item[method])


class Held(Control):
    """Holds each reply against the page, and notes which it met."""

    def __init__(self, d, met):
        super().__init__(d)
        self.met = met

    def status(self, method, path, body=None, cell="a", headers=None):
        raw = body if isinstance(body, (bytes, type(None))) else json.dumps(body)
        self.http.request(method, path.replace("{id}", cell), raw, headers or {})
        return self.take(method, path)

    def take(self, method, path):
        reply = self.http.getresponse()
        text = reply.read()
        operation = resolved(DOC["paths"][path].get(method.lower(), {"responses": DOC["components"]["responses"]}))
        said = operation["responses"].get(str(reply.status))
        check(said is not None, f"{method} {path} answers {reply.status}, which the page has not: {text!r}")
        self.met.add((path, method.lower(), str(reply.status)))
        for name, header in said.get("headers", {}).items():
            check(not header.get("required") or reply.getheader(name), f"{name} of {reply.status}")
        if "content" not in said:
            equal(text, b"", f"{method} {path} {reply.status}")
            return reply.status
        kind, content = next(iter(said["content"].items()))
        equal(reply.getheader("Content-Type").split(";")[0], kind, "its type")
        value = text.decode() if kind.startswith("text/") else json.loads(text)
        jsonschema.Draft202012Validator(content["schema"]).validate(value)
        return reply.status


def every_read(d, met):
    with hub(d) as (_, c):
        one = Held(d, met)
        c.put("a", {"path": d + "/a"})
        for path, method, _ in operations():
            if method == "get":
                one.status("GET", path)
                equal(one.status("GET", path, {}), 400, "a body of GET")
        for path in ("/cells/{id}",):
            for method, body in (("GET", None), ("PATCH", {"exitCode": 1}), ("DELETE", None)):
                equal(one.status(method, path, body, cell="none"), 404, method)
            equal(one.status("PUT", path, {"path": d + "/b"}, cell="a%b"), 400, "an id")


def every_change(d, met):
    with hub(d) as (daemon, _):
        one = Held(d, met)
        path = "/cells/{id}"
        first = {"path": d + "/a"}
        equal([one.status("PUT", path, first) for _ in range(2)], [201, 200], "PUT")
        equal(one.status("PUT", path, {"path": d + "/b"}), 409, "PUT")
        equal(one.status("PUT", path, {"path": d + "/a"}, cell="b"), 409, "a socket that is taken")
        equal(one.status("PUT", path, {"path": d + "/none/b"}, cell="b"), 422, "PUT")
        equal(one.status("PATCH", path, {"state": "paused"}), 200, "PATCH")
        equal(one.status("PATCH", path, {"limits": {"connections": 1023}}), 422, "PATCH")
        for method in ("PUT", "PATCH", "DELETE"):
            equal(one.status(method, path, [1]), 400, method)
            equal(one.status(method, path, b"x" * 9000), 413, method)
            equal(Held(d, met).status(method, path, None, headers={"Transfer-Encoding": "chunked"}), 411, method)
        scribe = daemon.scribe_pid()
        os.kill(scribe, signal.SIGSTOP)
        try:
            going = Held(d, met)
            going.http.request("DELETE", "/cells/a")
            wait_for("it to go", lambda: one.get("/cells/a")["state"] != "open")
            equal(one.status("GET", path), 200, "one that goes")
            for method, body in (("PATCH", {"exitCode": 1}), ("DELETE", {"residueClass": "none"}), ("PUT", first)):
                equal(one.status(method, path, body), 409, method)
        finally:
            os.kill(scribe, signal.SIGCONT)
        equal(going.take("DELETE", path), 200, "DELETE")


def every_lack(d, met):
    """503 of who changes: so few clients that those who wait leave no place."""
    with hub(d, preexec=few_files(140)) as (daemon, c):
        c.put("a", {"path": d + "/a"})
        one = Held(d, met)
        one.get("/version")
        scribe = daemon.scribe_pid()
        os.kill(scribe, signal.SIGSTOP)
        with contextlib.ExitStack() as stack:
            try:
                for i in range(15):
                    body = json.dumps({"exitCode": i})
                    s = stack.enter_context(connect(d + "/control"))
                    s.sendall(f"PATCH /cells/a HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
                wait_for("all to wait", lambda: one.get("/cells/a")["sequence"] == 16)
                for method, body in (("PUT", {"path": d + "/b"}), ("PATCH", {"exitCode": 99}), ("DELETE", None)):
                    equal(one.status(method, "/cells/{id}", body), 503, method)
                equal(one.status("GET", "/healthz"), 204, "who asks is answered")
            finally:
                os.kill(scribe, signal.SIGCONT)


def on_a_full_disk(d, met):
    with open(d + "/conf", "w", encoding="utf-8") as f:
        f.write("[daemon]\non_full = pause\n")
    with small_disk(d, "64m") as disk, Daemon(disk + "/s", "--control", d + "/control", "--config", d + "/conf") as daemon:
        one = Held(d, met)
        one.put("a", {"path": d + "/a"})
        fill(disk)
        waiting = Control(d)
        waiting.http.request("PATCH", "/cells/a", '{"exitCode":1}')
        wait_for("the pause", lambda: "held back" in daemon.stderr())
        equal(one.status("GET", "/healthz"), 503, "its health")
        equal(one.status("GET", "/readyz"), 204, "it is ready all the same")
        os.unlink(disk + "/ballast")
        equal(waiting.http.getresponse().status, 200, "who waited")


def as_who_may_not(d, met):
    with open(d + "/conf", "w", encoding="utf-8") as f:
        f.write("[control]\nreaders = root\n")
    with hub(d, "--config", d + "/conf"):
        opened(d)

        def all_of_them():
            mine = set()
            one = Held(d, mine)
            for path, method, _ in operations():
                equal(one.status(method.upper(), path), 403, f"{method} {path}")
            return sorted(mine)
        met.update(tuple(m) for m in as_user(NOBODY, NOBODY, [], all_of_them))


def test_each_status_of_the_page_is_met_and_no_other(d):
    met, not_here = set(), set()
    for i, (step, lacks) in enumerate(((every_read, None), (every_change, None), (every_lack, None),
                                       (on_a_full_disk, "503"), (as_who_may_not, "403"))):
        os.mkdir(f"{d}/{i}")
        os.chmod(d, 0o755)
        try:
            step(f"{d}/{i}", met)
        except Skipped as why:
            print(f"  without {lacks}: {why}")
            not_here.add(lacks)
    page = {(path, method, status) for path, method, operation in operations() for status in operation["responses"]
            if status != "default"}
    missing = {m for m in page - met if m[2] not in not_here}
    equal(sorted(missing), [], "what the page has and nobody met")


def test_a_method_that_a_path_has_not_is_405(d):
    with hub(d) as (_, c):
        for path, item in DOC["paths"].items():
            has = ["GET", "HEAD"] + [m.upper() for m in METHODS if m in item and m != "get"]
            for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "POST", "OPTIONS", "TRACE"):
                c.http.request(method, path.replace("{id}", "none"))
                reply = c.http.getresponse()
                reply.read()
                if method in has:
                    check(reply.status != 405, f"{method} {path}")
                else:
                    equal((reply.status, reply.getheader("Allow").split(", ")), (405, has), f"{method} {path}")
        for target in ("/", "/cell", "/cells/a/b", "/openapi.json"):
            check(c.ask("GET", target, want=(400, 404))["code"] in ("not_found", "bad_id"), target)


# Each bound of the page, and what is one beyond it.
NUMBERS = sorted({n + by for n in (0, 1, 16, 1023, 1024, 65536, 10**6, 10**9, 86400000, 1 << 22, 1 << 31, 1 << 32, 1 << 63,
                                   -(1 << 31)) for by in (-2, -1, 0, 1)} | {1 << 70})
LENGTHS = sorted({n + by for n in (1, 2, 64, 128, 256, 1018, 1023, 1024) for by in (0, 1)})


def others(value):
    """Values in its place: of other kinds, and of its own around the bounds."""
    yield from (None, [], {}, True, 0.5, "", "\n\n", "x y", "\x7f", [value], {"x": value})
    if isinstance(value, int):
        yield from NUMBERS
    if isinstance(value, str):
        yield from ("x" * n for n in LENGTHS)
        yield from ("/" + "x" * (n - 1) for n in LENGTHS)


def broken(body, path=()):
    """Copies of a body, each with one thing changed: a value, a member too many, one less, a list too long."""
    at = body
    for step in path:
        at = at[step]
    places = at.items() if isinstance(at, dict) else enumerate(at) if isinstance(at, list) else ()
    for key, inner in list(places):
        for bad in others(inner):
            yield changed(body, path, lambda place, k=key, b=bad: place.__setitem__(k, b))
        yield changed(body, path, lambda place, k=key: place.pop(k))
        yield from broken(body, path + (key,))
    if isinstance(at, dict):
        yield changed(body, path, lambda place: place.update({"unheard-of": "x"}))
    if isinstance(at, list):
        yield changed(body, path, lambda place: place.extend(place * 16))


def changed(body, path, change):
    copied = copy.deepcopy(body)
    at = copied
    for step in path:
        at = at[step]
    change(at)
    return copied


def test_the_page_and_the_server_take_the_same_bodies(d):
    cell = {"path": d + "/a", "run": "r", "spec": "sha256:00", "uid": 0, "mode": "0600", "owner": os.getuid(), "group": os.getgid(),
            **WHOLE, "correlation": {"platform": "ci", "labels": {"a/b": "v"}}}
    whole = {
        "put": [cell, {"base": d + "/b"}, {"cid": 3}, {"path": d + "/a", "base": d + "/a"}, {"cid": 3, "uid": 0}, {"cid": 2},
                {"path": "a"}, {"path": "/"}, *({"path": d + "/a", "mode": m} for m in ("600", "0400", "00600", "07777", "0o600"))],
        "patch": [{"state": "restored", "limits": {"connections": 1, "connectsPerSecond": 5, "framesPerSecond": 6,
                                                   "framesBurst": 7, "partialBlocks": 16, "ledgerBytes": 65536},
                   "lifecycle": [EVENT, {"type": "x", "id": "y"}], "exitCode": -1}, {"exitCode": 1 << 31}],
        "delete": [{"residueClass": "documented_exception", "residueException": "x"}, {"residueClass": "none"},
                   {"residueClass": "none", "residueException": "x"}, {"residueException": "x"}],
    }
    n = {True: 0, False: 0}
    with hub(d) as (_, c):
        # Of a cell that is not there each body is read, and nothing done; a PUT would do it.
        for method, bodies in whole.items():
            schema = jsonschema.Draft202012Validator(
                resolved(DOC["paths"]["/cells/{id}"][method]["requestBody"]["content"]["application/json"]["schema"]))
            for body in (b for good in bodies for b in (good, *broken(good))):
                c.http.request(method.upper(), "/cells/a", json.dumps(body))
                reply = c.http.getresponse()
                said = reply.read()
                check(reply.status != 413, "it fits")
                taken = reply.status != 400
                equal(taken, schema.is_valid(body), f"whether {method} takes {body}: {said!r}")
                n[taken] += 1
                if method == "put" and reply.status == 201:
                    c.delete("a")
    print(f"  {n[True]} bodies taken, {n[False]} refused")
    check(n[True] > 200 and n[False] > 1000, "enough of both")


if __name__ == "__main__":
    main({k: v for k, v in globals().items() if getattr(v, "__module__", "") == "__main__"})
