# SPDX-License-Identifier: Apache-2.0
"""The host's end of the agent's channel, for its tests: a listener, a frame reader, a CBOR reader.

The CBOR reader is not the project's own, so that the two do not share a mistake. Nothing here
sleeps: every wait is for bytes, with a deadline that fails the test.
"""
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

DEADLINE_S = 30
SKIP = 77


class Failed(Exception):
    pass


def agent_path():
    return os.environ["CHT_AGENT"]


def cbor(body, at=0):
    """One item: (value, offset after it). Definite lengths, no tags, no floats."""
    major, more = body[at] >> 5, body[at] & 31
    at += 1
    if more < 24:
        n = more
    elif more <= 27:
        size = 1 << (more - 24)
        n = int.from_bytes(body[at:at + size], "big")
        if (n < 24) if size == 1 else (n >> (4 * size) == 0):
            raise Failed("a head is not the shortest")
        at += size
    else:
        raise Failed("head %d" % more)
    if major == 0:
        return n, at
    if major in (2, 3):
        if at + n > len(body):
            raise Failed("a string is cut")
        raw = body[at:at + n]
        return (raw if major == 2 else raw.decode("utf-8")), at + n
    if major == 4:
        items = []
        for _ in range(n):
            item, at = cbor(body, at)
            items.append(item)
        return items, at
    if major == 5:
        pairs = {}
        for _ in range(n):
            key, at = cbor(body, at)
            if key in pairs:
                raise Failed("key %r twice" % key)
            pairs[key], at = cbor(body, at)
        return pairs, at
    raise Failed("major type %d" % major)


class Frames:
    """Splits a stream and keeps its frames, checking what holds for every one of them."""

    def __init__(self):
        self.pending = b""
        self.frames = []

    def feed(self, data):
        self.pending += data
        while len(self.pending) >= 4:
            n = struct.unpack("<I", self.pending[:4])[0]
            if not 0 < n <= 65536:
                raise Failed("frame length %d" % n)
            if len(self.pending) < 4 + n:
                return
            frame, end = cbor(self.pending[4:4 + n])
            if end != n:
                raise Failed("bytes after the map")
            self.pending = self.pending[4 + n:]
            for key in ("content_version", "probe_source", "guest_pid", "guest_comm",
                        "guest_monotonic_ns", "agent_boot", "agent_seq", "agent_dropped"):
                if key not in frame:
                    raise Failed("%s is missing in %r" % (key, frame))
            self.frames.append(frame)


class Host:
    """A listener on a Unix socket and the connections that come to it."""

    def __init__(self, path=None):
        self.dir = tempfile.TemporaryDirectory(prefix="cht-agent-")
        self.path = path or os.path.join(self.dir.name, "vm.sock_9001")
        self.listener = None
        self.conn = None
        self.stream = Frames()
        self.all = []  # frames of every connection

    def listen(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen(16)
        return self

    def accept(self, receive_buffer=None):
        if receive_buffer:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.listener.settimeout(DEADLINE_S)
        self.conn, _ = self.listener.accept()
        self.stream = Frames()
        return self

    def pump(self, timeout):
        """Reads once; False at the end of the stream or when nothing came."""
        ready, _, _ = select.select([self.conn], [], [], timeout)
        if not ready:
            return None
        try:
            data = self.conn.recv(65536)
        except ConnectionResetError:
            data = b""
        before = len(self.stream.frames)
        self.stream.feed(data)
        self.all += self.stream.frames[before:]
        return bool(data)

    def until(self, wanted, what):
        """Reads until a frame of this connection satisfies wanted; returns it."""
        seen = 0
        deadline = time.monotonic() + DEADLINE_S
        while True:
            for frame in self.stream.frames[seen:]:
                if wanted(frame):
                    return frame
            seen = len(self.stream.frames)
            left = deadline - time.monotonic()
            if left <= 0:
                raise Failed("waited in vain for " + what)
            if self.pump(left) is False:
                raise Failed("the stream ended before " + what)

    def until_source(self, source):
        return self.until(lambda f: f["probe_source"] == source, source)

    def to_end(self):
        while self.pump(DEADLINE_S):
            pass
        if self.stream.pending:
            raise Failed("the stream ends inside a frame")

    def hang_up(self, listener_too=False):
        if self.conn:
            self.conn.close()
            self.conn = None
        if listener_too and self.listener:
            self.listener.close()
            self.listener = None
            os.unlink(self.path)


class Agent:
    """The real agent in the foreground. With wait, its sources are open when this returns."""

    def __init__(self, host, *options, wait=True, prefix=(), env=None, connect=None):
        ready, told = os.pipe()
        self.process = subprocess.Popen(
            [*prefix, agent_path(), "--no-fork", "--stats", "--ready-fd", str(told),
             "--connect", connect or "unix:" + host.path, *options],
            pass_fds=[told], stderr=subprocess.PIPE, env=env)
        os.close(told)
        if wait:
            got, _, _ = select.select([ready], [], [], DEADLINE_S)
            if not got or os.read(ready, 1) != b"\n":
                raise Failed("the agent did not start: %r" % self.process.stderr.read())
        os.close(ready)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()

    def stop(self, number=signal.SIGTERM):
        """Asks it to leave; the caller reads the stream, then calls stats()."""
        self.process.send_signal(number)

    def stats(self):
        """Waits for the end; seen, sent, dropped."""
        text = self.process.communicate(timeout=DEADLINE_S)[1].decode()
        if self.process.returncode != 0:
            raise Failed("exit %d: %s" % (self.process.returncode, text))
        words = text.splitlines()[-1].split()  # a sanitizer may have said something before
        if words[0::2] != ["seen", "sent", "dropped"]:
            raise Failed("stats say %r" % text)
        return tuple(int(w) for w in words[1::2])


def events(frames):
    return [f for f in frames if not f["probe_source"].startswith("agent.")]


def coverage(hello, source):
    for entry in hello["coverage"]:
        if entry[0] == source:
            return entry[1:]
    raise Failed("no coverage of " + source)


def need(condition, what):
    if not condition:
        raise Failed(what)


def same(got, want, what):
    need(got == want, "%s is %r, not %r" % (what, got, want))


def run(tests):
    """Runs the named test, or all; exit status for Meson. Returning a text skips, with reason."""
    names = sys.argv[1:] or list(tests)
    skipped = []
    for name in names:
        try:
            reason = tests[name]()
        except Failed as failure:
            print("FAIL %s: %s" % (name, failure), file=sys.stderr)
            raise SystemExit(1) from failure
        if reason:
            skipped.append(name)
        print("%s %s%s" % ("skip" if reason else "ok", name, ": " + reason if reason else ""),
              flush=True)
    raise SystemExit(SKIP if len(skipped) == len(names) else 0)
