# SPDX-License-Identifier: Apache-2.0
"""rig - what the integration tests share: the real programs in a directory of their own, frames
as an agent writes them, and the ledger as it stands on disk. Nothing here sleeps: it waits for a
descriptor, a line or an end, each with a limit."""

import contextlib
import json
import os
import resource
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

BIN = os.environ.get("CHT_BIN", "build/bin")
LIMIT_S = 30
SKIP = 77


class Skipped(Exception):
    """What a test cannot show here, and why; the others of its program still run."""


def skip(reason):
    raise Skipped(reason)


def has_sanitizer():
    """The programs under test are built with one: its library must be the first one that is loaded, and
    it takes memory of its own."""
    return "libasan" in subprocess.run(["ldd", os.path.join(BIN, "chtd")], capture_output=True, text=True,
                                       check=False).stdout


def fail(text):
    raise AssertionError(text)


def check(cond, text):
    if not cond:
        fail(text)


def equal(got, want, what):
    if got != want:
        fail(f"{what} is {got!r}, not {want!r}")


def wait_for(what, probe, limit_s=LIMIT_S):
    """Until probe() gives something: for what has no descriptor to wait on."""
    end = time.monotonic() + limit_s
    while True:
        got = probe()
        if got:
            return got
        if time.monotonic() > end:
            fail(f"waited {limit_s} s for {what}")
        select.select([], [], [], 0.005)


def is_gone(pid):
    """Also when its new parent, the first process of a container, does not reap it."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            return f.read().rpartition(b")")[2].split()[0] == b"Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


# Files.

def text_of(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def bytes_of(path):
    with open(path, "rb") as f:
        return f.read()


def put(path, raw):
    with open(path, "wb") as f:
        f.write(raw)


# Frames.

def cbor(value):
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        raw = value.encode()
        return head(3, len(raw)) + raw
    if isinstance(value, (list, tuple)):
        return head(4, len(value)) + b"".join(cbor(v) for v in value)
    return head(5, len(value)) + b"".join(cbor(k) + cbor(v) for k, v in value.items())


def head(major, n):
    for bits, size, fmt in ((24, 256, ">BB"), (25, 1 << 16, ">BH"), (26, 1 << 32, ">BI"), (27, 1 << 64, ">BQ")):
        if n < 24:
            return bytes([major << 5 | n])
        if n < size:
            return struct.pack(fmt, major << 5 | bits, n)
    raise ValueError(n)


def body(source="process.spawned", pid=1, comm="a", mono=5, version=1, **more):
    return cbor({"content_version": version, "probe_source": source, "guest_pid": pid,
                 "guest_comm": comm, "guest_monotonic_ns": mono, **more})


def framed(raw):
    return struct.pack("<I", len(raw)) + raw


def frame(*args, **kw):
    return framed(body(*args, **kw))


# The ledger.

def entries(state):
    """Every whole entry, in order."""
    folder = os.path.join(state, "ledger", "entries")
    for name in sorted(n for n in os.listdir(folder) if len(n) == 20 and n.isdigit()):
        with open(os.path.join(folder, name), "rb") as f:
            raw = f.read()
        at = 0
        while at + 2 <= len(raw):
            n = struct.unpack_from(">H", raw, at)[0]
            if at + 2 + n > len(raw):
                break
            yield raw[at + 2:at + 2 + n]
            at += 2 + n


def events(state):
    for raw in entries(state):
        one = json.loads(raw)
        yield one.get("event", one)


def short(event):
    return event["type"].split("observability.v1.")[-1]


def conf_of(d, text):
    """A configuration file of that text; its path."""
    path = os.path.join(d, "chtd.conf")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def few_files(n):
    """For a process to come: it may have n open files."""
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (n, n))


class Program:
    """What a test began: .proc, whose stderr is the file .err. It does not outlive its block."""

    def stderr(self):
        self.err.seek(0)
        return self.err.read().decode(errors="replace")

    def scribe_pid(self):
        with open(f"/proc/{self.proc.pid}/task/{self.proc.pid}/children") as f:
            return int(f.read().split()[0])

    def __enter__(self):
        return self

    def __exit__(self, kind=None, *_):
        if kind is not None and kind is not Skipped:
            print(f"--- what {self.proc.args[0]} had said (status {self.proc.poll()}):\n{self.stderr()[-2000:]}---", flush=True)
        if self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()


class Daemon(Program):
    """chtd in the foreground; ready when it returns."""

    def __init__(self, state, *args, env=None, wait=True, check_ready=True, preexec=None,
                 bin_dir=BIN, init=True):
        self.state = state
        ready, theirs = os.pipe()
        os.set_inheritable(theirs, True)
        self.err = tempfile.TemporaryFile()
        clean = {k: v for k, v in os.environ.items() if not k.startswith("CELLOS_")}
        self.proc = subprocess.Popen(
            [os.path.join(bin_dir, "chtd"), "--state", state, *["--init"] * init, "--ready-fd", str(theirs), *args],
            pass_fds=[theirs], stderr=self.err, stdin=subprocess.DEVNULL, env={**clean, **(env or {})},
            preexec_fn=preexec)
        os.close(theirs)
        self.ready_fd = ready
        if wait:
            self.await_ready(check_ready)

    def await_ready(self, must=True):
        got, _, _ = select.select([self.ready_fd], [], [], LIMIT_S)
        self.is_ready = bool(got) and os.read(self.ready_fd, 1) == b"\n"
        os.close(self.ready_fd)
        if must and not self.is_ready:
            self.proc.kill()
            self.proc.wait()
            fail("chtd was not ready: " + self.stderr())

    def stop(self, want=0, sig=signal.SIGTERM):
        if self.proc.poll() is None:
            self.proc.send_signal(sig)
        status = self.proc.wait(LIMIT_S)
        if want is not None and status != want:
            fail(f"chtd ended with {status}, not {want}: {self.stderr()}")
        return status

    def wait(self, want):
        status = self.proc.wait(LIMIT_S)
        if status != want:
            fail(f"chtd ended with {status}, not {want}: {self.stderr()}")


def connect(path):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Python's own time limit makes the socket non-blocking, and then a full backlog is an error at once.
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", LIMIT_S, 0))
    s.connect(path)
    s.settimeout(LIMIT_S)
    return s


def types(state):
    return [short(e) for e in events(state)]


def await_type(state, name, n=1):
    def probe():
        return [e for e in events(state) if short(e) == name][n - 1:]
    return wait_for(name, probe)[0]


def await_count(state, name, n):
    wait_for(f"{n} of {name}", lambda: types(state).count(name) >= n)


@contextlib.contextmanager
def folder():
    path = tempfile.mkdtemp(prefix="cht-")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def cht(*args, want=0, env=None, stdin=None):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("CELLOS_")}
    r = subprocess.run([os.path.join(BIN, "cht"), *args], capture_output=True, input=stdin,
                       env={**clean, **(env or {})}, timeout=120, check=False)
    if want is not None and r.returncode != want:
        fail(f"cht {' '.join(args)} ended with {r.returncode}, not {want}: {r.stderr.decode()}{r.stdout.decode()}")
    return r


def sums(state, run=None):
    """The frame counts of the newest run.sealed."""
    for e in reversed(list(events(state))):
        if short(e) == "run.sealed" and run in (None, e["data"]["runId"]):
            return e["data"]
    return fail("no run.sealed")


def main(tests):
    """Runs every test_* of the caller's namespace, each in a folder of its own."""
    only = sys.argv[1:]
    skipped = False
    for name, test in list(tests.items()):
        if not name.startswith("test_") or (only and name not in only):
            continue
        with folder() as d:
            try:
                test(d)
            except Skipped as why:
                skipped = True
                print(f"[SKIP] {name}", flush=True)
                print(f"skipped: {name}: {why}", file=sys.stderr)
                continue
            except Exception:
                print(f"[FAILED] {name}", file=sys.stderr)
                raise
        print(f"[OK] {name}", flush=True)
    if skipped:
        sys.exit(SKIP)
