#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cht serve: what a client of transparency logs and a consumer of events get over HTTP, from the
real ledger as the real scribe writes it; and what clients of the other kind get."""

import base64
import contextlib
import hashlib
import http.client
import json
import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import threading
import time

from rig import (BIN, LIMIT_S, Daemon, check, cht, connect, entries, equal, fail, frame, main, wait_for)

CHT = os.path.join(BIN, "cht")


class Serve:
    """cht serve, answering when it returns: over a Unix socket, or over TCP."""

    def __init__(self, state, *args, tcp=None, path=None):
        self.path = None if tcp else path or os.path.join(state, "serve.sock")
        ready, theirs = os.pipe()
        os.set_inheritable(theirs, True)
        self.proc = subprocess.Popen(
            [CHT, "serve", *(["--listen", tcp] if tcp else ["--socket", self.path]), "--ready-fd", str(theirs),
             *args, state], pass_fds=[theirs], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        os.close(theirs)
        is_ready = os.read(ready, 2) == b"\n"
        os.close(ready)
        check(is_ready, "not ready: " + ("" if is_ready else self.proc.stderr.read().decode()))
        self.at = self.proc.stderr.readline().decode().split(" is served at ")[1].strip()

    def raw(self, timeout=LIMIT_S):
        """A connected socket."""
        if self.path:
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(timeout)
            s.connect(self.path)
            return s
        host, port = self.at[len("http://"):-1].rsplit(":", 1)
        return socket.create_connection((host.strip("[]"), int(port)), timeout)

    def connection(self):
        c = http.client.HTTPConnection("log" if self.path else "localhost", timeout=LIMIT_S)
        c.sock = self.raw()
        return c

    def get(self, target, want=200, method="GET"):
        """The body; the answer is kept in .answer."""
        c = self.connection()
        c.request(method, target)
        self.answer = c.getresponse()
        body = self.answer.read()
        c.close()
        equal((target, self.answer.status), (target, want), "the status")
        return body

    def exchange(self, request):
        """Everything that comes back until the server closes."""
        with self.raw() as s:
            s.sendall(request)
            s.shutdown(socket.SHUT_WR)
            return read_all(s)

    def rss_kib(self):
        with open(f"/proc/{self.proc.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))

    def stop(self, want=0):
        if self.proc.poll() is None:
            self.proc.terminate()
        equal(self.proc.wait(LIMIT_S), want, "the exit status")
        return self.proc.stderr.read().decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()
        self.proc.stderr.close()


def read_all(s):
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := s.recv(65536):
            parts.append(part)
    return b"".join(parts)


class Writer(Daemon):
    """chtd with one cell, web-1, and a connection to it."""

    def __init__(self, d, **kw):
        super().__init__(os.path.join(d, "state"), "--cell", f"web-1={d}/web", **kw)
        self.guest = connect(f"{d}/web_9001")

    def write(self, n):
        """n more events, all under a checkpoint when it returns."""
        before = size_of(self.state)
        for at in range(0, n, 1000):
            self.guest.sendall(b"".join(frame(pid=at + i + 1) for i in range(min(1000, n - at))))
        wait_for("the checkpoint", lambda: size_of(self.state) >= before + n, 120)

    def __exit__(self, *_):
        self.guest.close()
        super().__exit__()


def parse_checkpoint(note):
    lines = note.split(b"\n")
    return int(lines[1]), base64.b64decode(lines[2], validate=True)


def size_of(state):
    try:
        with open(os.path.join(state, "ledger", "checkpoint"), "rb") as f:
            return parse_checkpoint(f.read())[0]
    except FileNotFoundError:
        return 0


def written(d, n):
    """A ledger with at least n entries that nobody writes to any more."""
    with Writer(d) as w:
        w.write(n)
        w.guest.close()
        w.stop()
    return w.state


def by_hand(state, stored):
    """A ledger as the scribe would have left it, without .idx; nobody can sign for it."""
    folder = os.path.join(state, "ledger")
    os.makedirs(os.path.join(folder, "entries"))
    os.makedirs(os.path.join(folder, "hashes"))
    for first in range(0, len(stored), 65536):
        with open(os.path.join(folder, "entries", f"{first:020}"), "wb") as f:
            f.write(b"".join(struct.pack(">H", len(e)) + e for e in stored[first:first + 65536]))
    hashes = here = [leaf(e) for e in stored]
    for which in range(8):
        if not here:
            break
        with open(os.path.join(folder, "hashes", str(which)), "wb") as f:
            f.write(b"".join(here))
        here = [root_of(here[i:i + 256]) for i in range(0, len(here) - 255, 256)]
    name = b"hand/0123456789abcdef"
    with open(os.path.join(folder, "origin"), "wb") as f:
        f.write(name + b"\n")
    with open(os.path.join(folder, "checkpoint"), "wb") as f:
        f.write(b"%s\n%d\n%s\n\n\xe2\x80\x94 %s %s\n" % (name, len(stored), base64.b64encode(root_of(hashes)), name,
                                                      base64.b64encode(bytes(68))))


def lines_of(body, first=0):
    """(index, entry bytes) of each line, by no JSON reader: where they stand."""
    got = []
    check(body == b"" or body.endswith(b"\n"), "a line without an end")
    for line in body.split(b"\n")[:-1]:
        head = b'{"index":%d,"entry":' % (first + len(got))
        check(line.startswith(head) and line.endswith(b"}"), f"{line[:80]!r} does not begin with {head!r}")
        got.append(line[len(head):-1])
    return got


# RFC 6962, section 2.1.

def leaf(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def root_of(hashes):
    """Of a tree whose leaves have these hashes."""
    stack = []
    for i, h in enumerate(hashes):
        i += 1
        while i % 2 == 0:
            h = node(stack.pop(), h)
            i //= 2
        stack.append(h)
    while len(stack) > 1:
        right = stack.pop()
        stack.append(node(stack.pop(), right))
    return stack[0] if stack else hashlib.sha256(b"").digest()


# C2SP tlog-tiles.

def tile_path(kind, n, width=256):
    groups = f"{n % 1000:03}"
    while n := n // 1000:
        groups = f"x{n % 1000:03}/{groups}"
    return f"/tile/{kind}/{groups}" + (f".p/{width}" if width < 256 else "")


def level(serve, which, size):
    """All hashes of a level in a tree of this size."""
    n = size >> (8 * which)
    got = b"".join(serve.get(tile_path(which, t, min(256, n - t * 256))) for t in range((n + 255) // 256))
    equal(len(got), 32 * n, f"level {which} at {size}")
    return [got[i:i + 32] for i in range(0, len(got), 32)]


def rebuild(serve, size, root):
    """As an auditor does: each level follows from the one below, the leaves lead to the root."""
    hashes = below = level(serve, 0, size)
    equal(root_of(hashes), root, f"the root at {size}")
    for which in range(1, 8):
        here = level(serve, which, size)
        equal(here, [root_of(below[i * 256:i * 256 + 256]) for i in range(len(here))], f"level {which} at {size}")
        if not here:
            break
        below = here
    return hashes


def bundle(body):
    got = []
    while body:
        n = struct.unpack_from(">H", body)[0]
        got.append(body[2:2 + n])
        check(len(got[-1]) == n, "a bundle that ends early")
        body = body[2 + n:]
    return got


def test_every_path_answers(d):
    state = written(d, 300)
    with open(os.path.join(state, "ledger", "checkpoint"), "rb") as f:
        note = f.read()
    rows = [("/", "text/plain; charset=utf-8", "no-cache"), ("/healthz", "text/plain; charset=utf-8", "no-store"),
            ("/checkpoint", "text/plain; charset=utf-8", "no-cache"),
            ("/tile/0/000", "application/octet-stream", "public, max-age=31536000, immutable"),
            ("/tile/0/001.p/7", "application/octet-stream", "public, max-age=31536000, immutable"),
            ("/tile/entries/000", "application/octet-stream", "public, max-age=31536000, immutable"),
            ("/events", "application/x-ndjson", "no-store"), ("/events?follow=0", "application/x-ndjson", "no-store")]
    for tcp in (None, "127.0.0.1:0", "[::1]:0"):
        with Serve(state, tcp=tcp) as serve:
            for target, kind, cache in rows:
                body = serve.get(target)
                head = serve.answer.headers
                equal((target, head["Content-Type"], head["Cache-Control"]), (target, kind, cache), "the head")
                equal(serve.get(target, method="HEAD"), b"", "the body of a HEAD")
                for name in ("Content-Type", "Content-Length", "Cache-Control", "Transfer-Encoding"):
                    equal((target, serve.answer.headers[name]), (target, head[name]), name)
                check(len(body) > 0, f"{target} is empty")
            equal(serve.get("/checkpoint"), note, "the checkpoint")
            equal(serve.get("/healthz"), b"ok\n", "health")
            check(b"/events?from=" in serve.get("/"), "/ does not say what there is")
            serve.stop()


def test_each_width_of_each_tile_is_served(d):
    state = written(d, 560)
    size, _ = parse_checkpoint(open(os.path.join(state, "ledger", "checkpoint"), "rb").read())
    stored = list(entries(state))
    leaves = [leaf(e) for e in stored]
    equal(len(stored), size, "the ledger")
    with Serve(state) as serve:
        for t in range(3):
            here = leaves[t * 256:t * 256 + 256]
            for width in range(1, 257):
                want = 200 if width <= len(here) else 404
                got = serve.get(tile_path(0, t, width), want)
                raw = serve.get(tile_path("entries", t, width), want)
                if want == 200:
                    equal(got, b"".join(here[:width]), f"tile {t} of {width}")
                    equal(bundle(raw), stored[t * 256:t * 256 + width], f"bundle {t} of {width}")
                else:
                    check(b"covers %d entries" % size in got and b"covers" in raw, got)
        equal(serve.get("/tile/1/000.p/2"), root_of(leaves[:256]) + root_of(leaves[256:512]), "level 1")
        for gone in ("/tile/1/000", "/tile/1/000.p/3", "/tile/2/000.p/1", "/tile/7/000.p/1", "/tile/0/003",
                     "/tile/entries/003.p/1", "/tile/0/x999/x999/x999/x999/999", "/tile/entries/x123/456"):
            serve.get(gone, 404)
        serve.stop()


def test_the_root_follows_from_the_tiles_of_every_checkpoint_seen(d):
    with Writer(d) as w, Serve(w.state) as serve:
        notes = []
        for n in (1, 100, 160, 300, 64000, 1000, 800):
            w.write(n)
            notes.append(parse_checkpoint(serve.get("/checkpoint")))
        w.stop()
        notes.append(parse_checkpoint(serve.get("/checkpoint")))
        check(notes[1][0] < 256 < notes[2][0] and notes[-4][0] < 65536 < notes[-1][0],
              f"the sizes do not cross tiles: {[n[0] for n in notes]}")
        for size, root in notes:
            hashes = rebuild(serve, size, root)
        equal(parse_checkpoint(serve.get("/checkpoint")), notes[-1], "the last checkpoint")
        for t in (0, 1, 255, 256, (size - 1) // 256):
            width = min(256, size - t * 256)
            got = bundle(serve.get(tile_path("entries", t, width)))
            equal([leaf(e) for e in got], hashes[t * 256:t * 256 + width], f"bundle {t}")
        stored = list(entries(w.state))
        equal(len(lines_of(serve.get("/events"))), size, "lines")
        for first in (0, 255, 256, 257, 40000, 65535, 65536, 65537, size - 1, size):
            equal(lines_of(serve.get(f"/events?from={first}"), first), stored[first:], f"events from {first}")
        serve.stop()


def follow(serve, first, more, until):
    """Lines from first on, each reconnect after so many, until there are enough."""
    got = []
    while len(got) < until:
        c = serve.connection()
        c.request("GET", f"/events?from={first + len(got)}&follow=1")
        answer = c.getresponse()
        equal(answer.status, 200, "the status")
        for _ in range(min(more, until - len(got))):
            line = answer.readline()
            head = b'{"index":%d,"entry":' % (first + len(got))
            check(line.startswith(head) and line.endswith(b"}\n"), f"{line[:80]!r}, not {head!r}")
            got.append(line[len(head):-2])
        c.close()
        answer.close()
        more = more * 2 + 1
    return got


def test_following_is_gap_free_and_exact_over_reconnects(d):
    with Writer(d) as w, Serve(w.state) as serve:
        got = {}

        def reader(name, more):
            got[name] = follow(serve, 0, more, 3000)

        threads = [threading.Thread(target=reader, args=(i, i * 7 + 1)) for i in range(4)]
        for t in threads:
            t.start()
        for n in [1, 2, 3, 5, 8, 250, 256, 500] + [10] * 30 + [900, 1000]:
            w.write(n)
        for t in threads:
            t.join(LIMIT_S)
        w.stop()
        stored = cht("cat", w.state).stdout.split(b"\n")[:-1]
        equal(sorted(got), [0, 1, 2, 3], "the readers that came to their end")
        for name, lines in got.items():
            equal(lines, stored[:3000], f"reader {name}")
        serve.stop()


def test_who_waits_is_woken_whoever_asked_meanwhile(d):
    with Writer(d) as w, Serve(w.state) as serve:
        w.write(1)
        done = threading.Event()

        def ask(s):
            while not done.is_set():
                s.sendall(b"GET /checkpoint HTTP/1.1\r\nHost: a\r\n\r\n" * 100)

        asking = serve.raw()
        threads = [threading.Thread(target=ask, args=(asking,)), threading.Thread(target=read_all, args=(asking,))]
        for t in threads:
            t.start()
        try:
            first = size_of(w.state)
            c = serve.connection()
            c.request("GET", f"/events?from={first}&follow=1")
            answer = c.getresponse()
            for i in range(200):
                w.write(1)
                check(answer.readline().startswith(b'{"index":%d,' % (first + i)), f"event {first + i}")
        finally:
            done.set()
            threads[0].join()
            asking.shutdown(socket.SHUT_WR)
            threads[1].join()
            asking.close()
        c.close()
        w.stop()
        serve.stop()


def test_filters_take_what_cat_takes(d):
    state = os.path.join(d, "state")
    with Daemon(state, "--cell", f"web-1={d}/a", "--cell", f"db-2={d}/b") as w:
        one, two = connect(f"{d}/a_9001"), connect(f"{d}/b_9001")
        one.sendall(b"".join(frame(pid=i + 1) for i in range(3000)))
        two.sendall(b"".join(frame("net.connect_attempted", pid=i + 1) for i in range(50)))
        wait_for("the events", lambda: size_of(state) >= 3050)
        one.close()
        two.close()
        w.stop()
    run = next(e["data"]["runId"] for e in map(json.loads, entries(state)) if e["data"]["cellId"] == "db-2")
    rows = [("cell=db-2", ["--cell", "db-2"]), (f"run={run}", ["--run", run]), ("type=guest", ["--type", "guest"]),
            ("type=run.opened&cell=web-1", ["--type", "run.opened", "--cell", "web-1"]),
            ("type=gues", ["--type", "gues"]), ("cell=nobody", ["--cell", "nobody"]),
            ("type=dev.cellos.events.cell.observability.v1.run", ["--type", "run"])]
    with Serve(state) as serve:
        for query, options in rows:
            body = serve.get(f"/events?{query}")
            got = [json.loads(line) for line in body.splitlines()]
            want = [json.loads(line) for line in cht("cat", *options, state).stdout.splitlines()]
            equal((query, [e["entry"] for e in got]), (query, want), "the events")
            stored = list(entries(state))
            for line, e in zip(body.splitlines(), got):
                equal(line, b'{"index":%d,"entry":' % e["index"] + stored[e["index"]] + b"}", "the line")
        check(len(serve.get("/events?cell=db-2")) > 0, "nothing of db-2")
        serve.stop()


def test_nothing_beyond_the_checkpoint_is_given(d):
    state = written(d, 20)
    size = size_of(state)
    with open(os.path.join(state, "ledger", "entries", "0" * 20), "ab") as f:
        f.write(struct.pack(">H", 2) + b"{}")
    with open(os.path.join(state, "ledger", "hashes", "0"), "ab") as f:
        f.write(leaf(b"{}"))
    with Serve(state) as serve:
        equal(len(lines_of(serve.get("/events"))), size, "lines")
        equal(serve.get(f"/events?from={size}"), b"", "events at the end")
        serve.get(f"/events?from={size + 1}", 404)
        serve.get(f"/events?from={size + 1}&follow=1", 404)
        serve.get(tile_path(0, 0, size + 1), 404)
        serve.get(tile_path("entries", 0, size + 1), 404)
        with serve.raw(timeout=0.3) as s:
            s.sendall(b"GET /events?from=%d&follow=1 HTTP/1.1\r\nHost: a\r\n\r\n" % size)
            check(s.recv(4096).endswith(b"\r\n\r\n"), "more than a head")
            with contextlib.suppress(TimeoutError):
                fail(f"{s.recv(4096)!r} of what no checkpoint covers")
        serve.stop()


def test_what_does_not_hold_is_not_given(d):
    state = written(d, 700)
    segment = os.path.join(state, "ledger", "entries", "0" * 20)
    stored = list(entries(state))
    at = sum(2 + len(e) for e in stored[:300]) + 40

    def flip(path, offset):
        with open(path, "r+b") as f:
            f.seek(offset)
            byte = f.read(1)[0]
            f.seek(offset)
            f.write(bytes([byte ^ 1]))

    flip(segment, at)
    with Serve(state) as serve:
        equal(bundle(serve.get("/tile/entries/000")), stored[:256], "the bundle before")
        equal(bundle(serve.get("/tile/entries/001.p/44")), stored[256:300], "the part before")
        equal(bundle(serve.get("/tile/entries/002.p/9")), stored[512:521], "the bundle behind")
        check(b"entry 300 is not" in serve.get("/tile/entries/001", 500), "which entry?")
        equal(serve.answer.headers["Cache-Control"], "no-store", "of a failure")
        c = serve.connection()
        c.request("GET", "/events?from=290")
        answer = c.getresponse()
        try:
            answer.read()
            fail("an answer that came to its end")
        except http.client.IncompleteRead as e:
            *good, last = e.partial.split(b"\n")[:-1]
        c.close()
        equal(lines_of(b"\n".join(good) + b"\n", 290), stored[290:300], "what is before it")
        told = json.loads(last)
        equal((told["index"], sorted(told)), (300, ["error", "index"]), "the last line")
        equal(lines_of(serve.get("/events?from=301"), 301), stored[301:], "what is behind it")
        flip(segment, at)
        flip(os.path.join(state, "ledger", "hashes", "0"), 32 * 100)
        check(b"hashes/0" in serve.get("/tile/0/000", 500), "which file?")
        serve.get("/tile/0/001")
        said = serve.stop()
        check(said.count("\n") == 1 and "entry 300 is not" in said, f"said: {said}")


def test_a_checkpoint_that_goes_back_is_told_and_not_served(d):
    state = written(d, 20)
    path = os.path.join(state, "ledger", "checkpoint")
    with open(os.path.join(state, "ledger", "checkpoints"), "rb") as f:
        first = f.read().split(b"\n\n\n")[0].split(b"=\n\n")[0]
    with open(path, "rb") as f:
        note = f.read()
    older = note.replace(b"\n%d\n" % size_of(state), b"\n%d\n" % (size_of(state) - 1))
    check(first and older != note, "no older one")
    with Serve(state) as serve:
        waiting = serve.raw()
        waiting.sendall(b"GET /events?follow=1&from=%d HTTP/1.1\r\nHost: a\r\n\r\n" % size_of(state))
        waiting.recv(4096)

        def replace(text):
            with open(path + ".new", "wb") as f:
                f.write(text)
            os.rename(path + ".new", path)

        replace(older)
        check(b'"error":' in read_all(waiting), "who waits is not told")
        for target in ("/checkpoint", "/healthz", "/tile/0/000.p/3", "/events"):
            check(len(serve.get(target, 500)) > 20, "no sentence")
        serve.get("/")
        replace(note)
        equal(serve.get("/checkpoint"), note, "the checkpoint")
        said = serve.stop().splitlines()
        equal(len(said), 2, f"lines said: {said}")
        waiting.close()


def test_pruned_entries_are_gone_and_their_hashes_are_not(d):
    state = written(d, 65800)
    size = size_of(state)
    os.unlink(os.path.join(state, "ledger", "entries", "0" * 20))
    with Serve(state) as serve:
        for target in ("/tile/entries/000", "/tile/entries/255", "/events?from=0", "/events?from=65535&follow=1"):
            check(b"removed by retention" in serve.get(target, 410), "no sentence")
        rebuild(serve, *parse_checkpoint(serve.get("/checkpoint")))
        stored = list(entries(state))
        equal(len(stored), size - 65536, "entries left")
        for target in ("/events", "/events?from=65536"):
            equal(lines_of(serve.get(target), 65536), stored, target)
        equal(bundle(serve.get("/tile/entries/256.p/9")), stored[:9], "the first bundle left")
        serve.stop()


def test_what_goes_by_retention_before_a_slow_reader_comes_to_it_is_told(d):
    state = os.path.join(d, "state")
    by_hand(state, [b'{"n":%d,"pad":"%s"}' % (n, b"x" * 40) for n in range(131100)])
    with Serve(state) as serve, serve.raw() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.sendall(b"GET /events?from=65530 HTTP/1.1\r\nHost: a\r\n\r\n")
        check(s.recv(16).startswith(b"HTTP/1.1 200"), "no answer")
        early = serve.raw()
        early.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        early.sendall(b"GET /events?from=0 HTTP/1.1\r\nHost: a\r\n\r\n")
        check(early.recv(16).startswith(b"HTTP/1.1 200"), "no answer")
        for first in (0, 65536):
            os.unlink(os.path.join(state, "ledger", "entries", f"{first:020}"))
        # What is open stays; what comes after it is gone.
        equal(len(lines_of(read_all_chunks(s), 65530)), 131100 - 65530, "lines of the segment that was open")
        lines = read_all(early).split(b"\r\n")
        last = json.loads(next(line for line in reversed(lines) if line.endswith(b"}\n")).split(b"\n")[-2])
        check(last["index"] == 65536 and "removed by retention" in last["error"], f"the last line: {last}")
        early.close()
        equal(serve.stop(), "", "what was said")


def test_who_does_not_follow_comes_to_an_end(d):
    with Writer(d) as w, Serve(w.state) as serve:
        w.write(2000)
        size = size_of(w.state)
        with serve.raw() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.sendall(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
            check(s.recv(16).startswith(b"HTTP/1.1 200"), "no answer")
            w.write(500)
            equal(len(lines_of(read_all_chunks(s))), size, "lines")
        w.stop()
        serve.stop()


def test_a_slow_reader_holds_nobody(d):
    state = written(d, 20000)
    stored = list(entries(state))
    with Serve(state) as serve:
        slow = [serve.raw() for _ in range(20)]
        for s in slow:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.sendall(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
        # Each has begun and takes no more.
        for s in slow:
            check(s.recv(16).startswith(b"HTTP/1.1 200"), "no answer")
        for _ in range(20):
            equal(serve.get("/healthz"), b"ok\n", "health")
        equal(lines_of(serve.get("/events")), stored, "another's events")
        check(serve.rss_kib() < 40000, f"{serve.rss_kib()} KiB for 20 slow readers")
        body = read_all_chunks(slow[0])
        equal(lines_of(body), stored, "what the slow one has at last")
        for s in slow:
            s.close()
        serve.stop()


def read_all_chunks(s):
    """A chunked answer of which the first bytes of the head were read."""
    f = s.makefile("rb")
    while f.readline() != b"\r\n":
        pass
    parts = []
    while n := int(f.readline(), 16):
        parts.append(f.read(n))
        equal(f.readline(), b"\r\n", "the end of a chunk")
    return b"".join(parts)


def test_a_hundred_clients_follow_at_once(d):
    with Writer(d) as w, Serve(w.state) as serve:
        w.write(50)
        clients = []
        for _ in range(100):
            c = serve.connection()
            c.request("GET", "/events?from=0&follow=1")
            clients.append((c, c.getresponse()))
        equal(serve.get("/healthz"), b"ok\n", "health")
        w.write(400)
        for _, answer in clients:
            got = [answer.readline() for _ in range(450)]
            if got != [b'{"index":%d,"entry":%s}\n' % (i, e) for i, e in zip(range(450), entries(w.state))]:
                fail("a client has other lines")
        check(serve.rss_kib() < 120000, f"{serve.rss_kib()} KiB for 100 clients")
        for c, answer in clients:
            c.close()
            answer.close()
        w.stop()
        serve.stop()


def test_the_place_of_who_leaves_is_free(d):
    state = written(d, 5)
    for tcp in (None, "127.0.0.1:0"):
        with Serve(state, tcp=tcp) as serve:
            # Many times over, while nothing is written. Nothing is left unread, so that no reset tells it.
            for _ in range(300):
                with serve.raw() as s:
                    s.sendall(b"GET /events?from=%d&follow=1 HTTP/1.1\r\nHost: [::1]\r\n\r\n" % size_of(state))
                    got = s.recv(4096)
                    check(got.startswith(b"HTTP/1.1 200") and got.endswith(b"\r\n\r\n"), f"{got!r}")
            serve.stop()


def test_there_are_bounds_on_clients(d):
    state = written(d, 5)
    with Serve(state) as serve:
        held = []
        for i in range(129):
            s = serve.raw()
            s.sendall(b"GET /events?follow=1 HTTP/1.1\r\nHost: a\r\n\r\n")
            held.append(s)
            equal(s.recv(12), b"HTTP/1.1 %d" % (200 if i < 128 else 503), f"the status of stream {i}")
        check(b"Retry-After: 10" in held[-1].recv(4096), "when to come again")
        equal(serve.get("/healthz"), b"ok\n", "health")
        for s in held:
            s.close()

        def is_answered():
            with contextlib.suppress(OSError):
                return serve.exchange(b"GET /events HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200")
            return False

        wait_for("a place", is_answered)
        held = [serve.raw() for _ in range(256)]
        for s in held:
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            check(s.recv(4096).endswith(b"ok\n"), "no answer")
        check(not is_answered(), "one more than there may be")
        for s in held:
            s.close()
        wait_for("a place", is_answered)
        serve.stop()


BAD = [
    # request, what the status line has; b"" for a connection that is just closed
    (b"GET / HTTP/1.1\r\n\r\n", b"400"),
    (b"\r\n", b""),
    (b"GET\r\n\r\n", b""),
    (b"\0\0\0\0\r\n\r\n", b""),
    (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", b""),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", b"405"),
    (b"POST /events HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n", b"405"),
    (b"PUT /checkpoint HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", b"405"),
    (b"DELETE /tile/0/000 HTTP/1.1\r\nHost: a\r\n\r\n", b"405"),
    (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", b"405"),
    (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", b"405"),
    (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", b"405"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na", b"400"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
    (b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", b"404"),
    (b"GET /../../../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", b"404"),
    (b"GET /tile/entries/../../ledger/origin HTTP/1.1\r\nHost: a\r\n\r\n", b"404"),
    (b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", b"404"),
    (b"GET /checkpoint%00 HTTP/1.1\r\nHost: a\r\n\r\n", b"404"),
    (b"GET /tile/0/000\\..\\origin HTTP/1.1\r\nHost: a\r\n\r\n", b"404"),
    (b"GET origin HTTP/1.1\r\nHost: a\r\n\r\n", b"404"),
    (b"GET /origin HTTP/1.1\r\nHost: a\r\n\r\n", b"404"),
    (b"GET /tile/0/0 HTTP/1.1\r\nHost: a\r\n\r\n", b"404"),
    (b"GET /tile/0/000.p/0 HTTP/1.1\r\nHost: a\r\n\r\n", b"404"),
    (b"GET /tile/0/000.p/256 HTTP/1.1\r\nHost: a\r\n\r\n", b"404"),
    (b"GET /tile/8/000.p/1 HTTP/1.1\r\nHost: a\r\n\r\n", b"404"),
    (b"GET /tile/0/x999/x999/x999/x999/x999/x999/999 HTTP/1.1\r\nHost: a\r\n\r\n", b"404"),
    (b"GET /checkpoint?x=1 HTTP/1.1\r\nHost: a\r\n\r\n", b"400"),
    (b"GET /events?frm=1 HTTP/1.1\r\nHost: a\r\n\r\n", b"400"),
    (b"GET /events?from=x HTTP/1.1\r\nHost: a\r\n\r\n", b"400"),
    (b"GET /events?from=1&from=1 HTTP/1.1\r\nHost: a\r\n\r\n", b"400"),
    (b"GET /events?from=18446744073709551616 HTTP/1.1\r\nHost: a\r\n\r\n", b"400"),
    (b"GET /events?follow=yes HTTP/1.1\r\nHost: a\r\n\r\n", b"400"),
    (b"GET /events?cell=%zz HTTP/1.1\r\nHost: a\r\n\r\n", b"400"),
    (b"GET /events?cell=%ff HTTP/1.1\r\nHost: a\r\n\r\n", b"400"),
    (b"GET /events?from=9223372036854775807&follow=1 HTTP/1.1\r\nHost: a\r\n\r\n", b"404"),
    (b"GET /" + b"a" * 3000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", b"414"),
    (b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", b"414"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 100000 + b"\r\n\r\n", b"431"),
    (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 20000 + b"\r\n", b"431"),
]


def test_bad_requests_have_a_status_and_hurt_nobody(d):
    state = written(d, 20)
    with Serve(state) as serve:
        for request, want in BAD:
            got = serve.exchange(request)
            head, _, body = got.partition(b"\r\n\r\n")
            status = head.split(b" ")[1] if head else b""
            equal((request[:80], status), (request[:80], want), "the status")
            if want:
                check(len(body) > 8, f"{request[:60]!r}: no sentence")
            equal(b"Allow: GET, HEAD" in head, want == b"405", f"{request[:60]!r}: Allow")
            equal(serve.get("/healthz"), b"ok\n", "health")
        equal(serve.stop(), "", "what was said")


def test_a_request_cut_anywhere_is_nothing(d):
    state = written(d, 5)
    whole = b"GET /checkpoint HTTP/1.1\r\nHost: a\r\nX-Long: " + b"a" * 100 + b"\r\n\r\n"
    with Serve(state) as serve:
        for cut in range(len(whole)):
            equal(serve.exchange(whole[:cut]), b"", f"the answer to {cut} bytes")
        # Byte for byte it is one all the same.
        with serve.raw() as s:
            for i in range(len(whole)):
                s.sendall(whole[i:i + 1])
            check(s.recv(12) == b"HTTP/1.1 200", "no answer")
        serve.stop()


def test_a_request_that_does_not_end_is_ended(d):
    state = written(d, 5)
    with Serve(state) as serve, serve.raw(timeout=0.5) as trickle, serve.raw(timeout=20) as idle:
        begun = time.monotonic()
        trickle.sendall(b"GET / HTTP/1.1\r\nX: ")
        while time.monotonic() < begun + 20:
            try:
                trickle.sendall(b"a")
                if trickle.recv(100) == b"":
                    break
            except TimeoutError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                break
        took = time.monotonic() - begun
        check(9 < took < 14, f"it was ended after {took:.1f} s")
        equal(idle.recv(1), b"", "what is idle")
        serve.stop()


def test_requests_in_a_row_are_answered_in_order(d):
    state = written(d, 300)
    targets = ["/checkpoint", "/tile/0/000", "/events?from=290", "/nowhere", "/tile/entries/000", "/healthz"] * 20
    with Serve(state) as serve:
        want = [serve.get(t, 404 if t == "/nowhere" else 200) for t in targets]
        with serve.raw() as s:
            request = b"".join(f"GET {t} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for t in targets)
            sender = threading.Thread(target=s.sendall, args=(request,))
            sender.start()
            f = s.makefile("rb")
            for t, body in zip(targets, want):
                equal((t, read_answer(f)), (t, body), "the body")
            sender.join()
        # One connection, one request after the other.
        c = serve.connection()
        for t, body in zip(targets, want):
            c.request("GET", t)
            equal(c.getresponse().read(), body, t)
        c.close()
        serve.stop()


def read_answer(f):
    """One answer of several on a connection, with its body by length or in chunks."""
    f.readline()
    head = http.client.parse_headers(f)
    if head["Content-Length"]:
        return f.read(int(head["Content-Length"]))
    parts = []
    while n := int(f.readline(), 16):
        parts.append(f.read(n))
        f.readline()
    f.readline()
    return b"".join(parts)


def test_an_entry_that_is_no_line_stands_in_base64(d):
    # The line writes only JSON.
    state = os.path.join(d, "state")
    odd = [b"text", b'{"a":1}\n{"b":2}', b'{"a":"\xff"}', b"{", bytes(range(256)) * 200, b'{"a":1}']
    by_hand(state, odd)
    with Serve(state) as serve:
        got = [json.loads(line) for line in serve.get("/events").splitlines()]
        equal([e["index"] for e in got], list(range(len(odd))), "the indices")
        for e, entry in zip(got[:-1], odd):
            equal(base64.b64decode(e["base64"], validate=True), entry, "the entry")
        equal(got[-1], {"index": 5, "entry": {"a": 1}}, "the last line")
        equal(bundle(serve.get("/tile/entries/000.p/6")), odd, "the bundle")
        serve.stop()


def test_the_end_is_in_good_order(d):
    with Writer(d) as w:
        w.write(100)
        for sig in (signal.SIGTERM, signal.SIGINT):
            with Serve(w.state) as serve:
                size = size_of(w.state)
                followers = [serve.raw() for _ in range(3)]
                for s in followers:
                    s.sendall(b"GET /events?follow=1 HTTP/1.1\r\nHost: a\r\n\r\n")
                idle = serve.raw()
                idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                check(idle.recv(4096).endswith(b"ok\n"), "no answer")
                for s in followers:
                    check(s.recv(1, socket.MSG_WAITALL) == b"H", "no answer")
                begun = time.monotonic()
                serve.proc.send_signal(sig)
                for s in followers:
                    equal(len(lines_of(read_all_chunks(s))), size, "lines of a stream that came to its end")
                equal(idle.recv(1), b"", "an idle connection")
                equal(serve.stop(), "", "what was said")
                check(time.monotonic() - begun < 1.5, "the end took long")
                check(not os.path.exists(serve.path), "the socket is still there")
        w.stop()


def test_the_socket_is_nobodys_else(d):
    state = written(d, 5)
    path = os.path.join(d, "s.sock")
    old = os.umask(0o077)
    try:
        with Serve(state, path=path) as serve:
            st = os.stat(path)
            check(stat.S_ISSOCK(st.st_mode), "no socket")
            equal(oct(st.st_mode & 0o7777), "0o660", "the mode")
            for more in ((), ("--replace",)):
                r = cht("serve", "--socket", path, *more, state, want=1)
                check(b"another process listens" in r.stderr, r.stderr.decode())
            equal(serve.get("/healthz"), b"ok\n", "health")
            serve.proc.send_signal(signal.SIGKILL)
            serve.proc.wait()
    finally:
        os.umask(old)
    check(b"stale socket" in cht("serve", "--socket", path, state, want=1).stderr, "a stale one is told")
    with Serve(state, "--replace", path=path) as serve:
        serve.stop()
    with open(path, "w", encoding="ascii") as f:
        f.write("mine")
    check(b"is not a socket" in cht("serve", "--socket", path, "--replace", state, want=1).stderr, "a file is told")
    equal(open(path, encoding="ascii").read(), "mine", "the file")


def test_only_this_machine_is_listened_to(d):
    state = written(d, 5)
    for address in ("0.0.0.0:0", "[::]:0", "192.0.2.1:80", "localhost:0", "127.0.0.1", ":80", "[::ffff:127.0.0.1]:0"):
        r = cht("serve", "--listen", address, state, want=1)
        check(b"127.0.0.1:PORT or [::1]:PORT" in r.stderr and r.stderr.count(b"\n") == 1, r.stderr.decode())
    for args in ((), ("--socket", "a", "--listen", "127.0.0.1:0"), ("--ready-fd", "1")):
        cht("serve", *args, state, want=2)
    cht("serve", "--socket", f"{d}/a", want=2)
    check(b"no ledger" in cht("serve", "--socket", f"{d}/a", d, want=1).stderr, "no ledger is told")
    check(not os.path.exists(f"{d}/a"), "a socket without a ledger")
    with Serve(state, tcp="127.0.0.1:0") as serve:
        for host, want in (("localhost", 200), ("127.0.0.1:8420", 200), ("[::1]", 200), ("rebound.example:8420", 421)):
            got = serve.exchange(b"GET /checkpoint HTTP/1.1\r\nHost: %s\r\n\r\n" % host.encode())
            check(got.startswith(b"HTTP/1.1 %d" % want), f"{host}: {got[:40]!r}")
        r = cht("serve", "--listen", serve.at[len("http://"):-1], state, want=1)
        check(b"in use" in r.stderr, r.stderr.decode())
        serve.stop()


def test_another_ledger_in_its_place_ends_it(d):
    state = written(d, 5)
    with Serve(state) as serve:
        os.rename(os.path.join(state, "ledger"), os.path.join(state, "past"))
        shutil.copytree(os.path.join(state, "past"), os.path.join(state, "ledger"))
        equal(serve.proc.wait(LIMIT_S), 11, "the exit status")
        check("is another one now, or gone" in serve.proc.stderr.read().decode(), "it is not told")


def test_waiting_costs_no_processor_time(d):
    with Writer(d) as w, Serve(w.state) as serve:
        w.write(10)
        held = [serve.raw() for _ in range(20)]
        for s in held:
            s.sendall(b"GET /events?follow=1&from=%d HTTP/1.1\r\nHost: a\r\n\r\n" % size_of(w.state))
            s.recv(4096)

        def wakes():
            with open(f"/proc/{serve.proc.pid}/status") as f:
                return sum(int(line.split()[1]) for line in f if "ctxt_switches" in line)

        before = wakes()
        for _ in range(50):
            w.write(1)
        check(wakes() - before < 2000, f"{wakes() - before} switches for 50 checkpoints")
        before = wakes()
        wait_for("nothing", lambda: time.monotonic() > 0)
        quiet = time.monotonic() + 1
        wait_for("a second", lambda: time.monotonic() > quiet)
        check(wakes() - before < 10, f"{wakes() - before} switches in a quiet second")
        for s in held:
            s.close()
        w.stop()
        serve.stop()


if __name__ == "__main__":
    main(globals())
