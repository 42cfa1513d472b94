#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the real chtd and cht-scribe do to the disk is recorded; then the power goes after each call,
and whatever that may leave is opened again by the writer. It must open, hold everything that was
shown, each entry once and in its place, and go on from every checkpoint that anybody may have seen.

CHT_CRASH_STEP=N takes each Nth of what there is to try; 1 is all."""

import base64
import hashlib
import os
import re
import select
import shutil
import signal
import struct
import subprocess
import time

from disk import Disk, left, strace
from rig import (BIN, LIMIT_S, Daemon, check, cht, connect, entries, equal, events, frame, has_sanitizer, main, short, skip,
                 wait_for)

REOPEN = os.environ.get("CHT_CRASH_REOPEN", "build/quick/tests/integ/crash_reopen")
SLOW_SYNC = os.environ.get("CHT_SLOW_SYNC_SO", "build/quick/tests/integ/libslow_sync.so")
STEP = int(os.environ.get("CHT_CRASH_STEP", "1"))
SEGMENT = 65536
SAMPLES = 5  # of each recording, opened by the programs themselves
CONF = """[limits]
frames_per_second = 1000000
frames_burst = 1000000
connects_per_second = 1000
[ledger]
retain_bytes = 1MiB
name = test
[silence]
keepalive_window = 1h
"""


def need_strace():
    if shutil.which("strace") is None:
        skip("strace is not there")


def shown(state):
    """Entries under the checkpoint that is there to be read."""
    try:
        with open(state + "/ledger/checkpoint") as f:
            return int(f.read().split("\n")[1])
    except FileNotFoundError:
        return 0


def written(state):
    """Bytes in all segments."""
    with os.scandir(state + "/ledger/entries") as folder:
        return sum(one.stat().st_size for one in folder if len(one.name) == 20)


def send(path, n):
    with connect(path) as s:
        s.sendall(b"".join(frame(pid=i, comm="x" * 40) for i in range(n)))


class Traced:
    """chtd and its scribe under strace, until stopped."""

    def __init__(self, trace, state, *args, slow=False):
        self.state = state
        preload = {"LD_PRELOAD": os.path.abspath(SLOW_SYNC)} if slow and not has_sanitizer() else {}
        if preload:
            args += ("--lockdown", "log")  # what is preloaded starts threads
        ready, theirs = os.pipe()
        self.proc = subprocess.Popen(strace(trace) + [os.path.join(BIN, "chtd"), "--state", state, "--replace",
                                                      "--ready-fd", str(theirs), *args],
                                     pass_fds=[theirs], stderr=subprocess.PIPE,
                                     env={**os.environ, **preload, "ASAN_OPTIONS": "detect_leaks=0"})
        os.close(theirs)
        got = select.select([ready], [], [], LIMIT_S)[0] and os.read(ready, 1)
        os.close(ready)
        if got != b"\n":
            self.proc.kill()
            err = self.proc.communicate()[1].decode()
            check("chtd" not in err, "chtd was not ready: " + err)
            skip("strace may not trace here: " + err)
        # What the reply says is durable is shown to everybody by now.
        self.at_ready = shown(state)

    def send(self, path, n):
        want = shown(self.state) + n
        send(path, n)
        wait_for("the commit", lambda: shown(self.state) >= want)

    def send_on(self, path, times, n):
        """Each as soon as the one before is written, so while its commit is on its way."""
        want = shown(self.state) + times * n
        for _ in range(times):
            before = written(self.state)
            send(path, n)
            wait_for("the write", lambda b=before: written(self.state) > b)
        wait_for("the commits", lambda: shown(self.state) >= want)

    def stop(self, sig=signal.SIGTERM, want=0):
        """The line is told; the scribe stores what it left, however it ended."""
        with open(f"/proc/{self.proc.pid}/task/{self.proc.pid}/children") as f:
            os.kill(int(f.read().split()[0]), sig)
        err = self.proc.communicate(timeout=LIMIT_S)[1]
        equal(self.proc.returncode, want, "exit status: " + err.decode())


# The recordings, and what is known of them.

class Covered:
    """How much of each file is under the newest checkpoint, as the scribe's state has it."""

    def __init__(self, state):
        self.state = state
        with open(state + "/scribe/state", "rb") as f:
            raw = f.read()
        self.size, self.first, self.bytes = max(struct.unpack_from(">QQQQ", raw, at + 16) for at in (0, 4096))[1:]

    def __call__(self, path):
        m = re.search(r"/(entries|hashes)/(\d+)$", path)
        if not m:
            return 0
        if m[1] == "hashes":
            return (self.size >> 8 * int(m[2])) * 32
        if int(m[2]) < self.first:
            return os.path.getsize(self.state + path)
        return self.bytes if int(m[2]) == self.first else 0


class Recording:
    """before: a copy of the state when it began; None: there was nothing. traces: in their order. lost:
    what no checkpoint covers was never on the disk, because a sync failed."""

    def __init__(self, d, state, before, traces, lost=False):
        self.d, self.state, self.before, self.traces, self.lost = d, state, before, traces, lost
        with open(state + "/ledger/hashes/0", "rb") as f:
            self.leaves = f.read()
        self.first = shown(before) if before else 0
        self.above = sum(1 for _ in entries(before)) - self.first if before else 0
        self.shown = [(self.first, self.root(before))] if before else []
        for call, path, disk in self.play():
            if call == "renameat" and path.endswith("/checkpoint.tmp"):
                note = disk.find(os.path.dirname(disk.top + path) + "/checkpoint").now.decode().split("\n")
                self.shown.append((int(note[1]), note[2]))

    def root(self, state):
        with open(state + "/ledger/checkpoint") as f:
            return f.read().split("\n")[2]

    def disk(self):
        disk = Disk(self.state)
        if self.before:
            # As it was, under the name that the calls use.
            disk.top = os.path.realpath(self.before)
            disk.load(Covered(self.before), self.lost)
            disk.top = os.path.realpath(self.state)
        else:
            disk = Disk(os.path.dirname(self.state))
        return disk

    def play(self):
        disk = self.disk()
        for trace in self.traces:
            for call, path in disk.play(trace):
                yield call, path, disk

    def files(self):
        """What crash_reopen is told."""
        with open(self.d + "/leaves", "wb") as f:
            f.write(self.leaves)
        with open(self.d + "/shown", "wb") as f:
            for size, root in self.shown:
                f.write(struct.pack(">Q", size) + base64.b64decode(root))
        return self.d + "/leaves", self.d + "/shown"


def count_entries(data):
    at = n = 0
    while at + 2 <= len(data):
        at += 2 + struct.unpack_from(">H", data, at)[0]
        n += at <= len(data)
    return n


# Putting down what is left, and opening it.

class Place:
    """A directory that is made to hold one thing after the other. Long files are made once; what was
    done to their ends is undone."""

    def __init__(self, path):
        self.path, self.parked = path, path + ".parked"
        os.mkdir(path)
        os.mkdir(self.parked)

    def put(self, tree):
        for folder, names, files in os.walk(self.path, topdown=False):
            for name in files:
                sub = os.path.join(folder, name)
                if tree.get(os.path.relpath(sub, self.path)) is None:
                    os.unlink(sub)
            for name in names:
                sub = os.path.join(folder, name)
                if os.path.relpath(sub, self.path) not in tree:
                    os.rmdir(sub)
        for path, what in tree.items():
            sub = os.path.join(self.path, path)
            if what is None:
                os.makedirs(sub, exist_ok=True)
            else:
                self.put_file(sub, path, *what)

    def put_file(self, sub, path, node, tail):
        if node.base > 0:
            parked = os.path.join(self.parked, path.replace("/", "_"))
            if not os.path.exists(parked):
                shutil.copyfile(node.source, parked)
            if not os.path.exists(sub):
                os.link(parked, sub)
            check(os.path.getsize(sub) >= node.base, f"{path}: what was covered has been cut")
        with open(sub, "r+b" if node.base > 0 else "wb") as f:
            os.truncate(f.fileno(), node.base)
            f.seek(node.base)
            f.write(tail)
        if "/scribe/" in sub:
            os.chmod(sub, 0o600)


class Opener:
    """crash_reopen, as long as it lives."""

    def __init__(self, recording, state):
        self.proc = subprocess.Popen([REOPEN, state, *recording.files(), str(max(0, recording.first - 300))], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True, bufsize=1)

    def ask(self, least, most, n):
        self.proc.stdin.write(f"{least} {most} {n}\n")
        self.proc.stdin.flush()
        return self.proc.stdout.readline().strip()

    def close(self):
        self.proc.stdin.close()
        equal(self.proc.wait(LIMIT_S), 0, "crash_reopen")


def of_state(tree, state_name):
    """What is of the ledger and the scribe; the line's own files are another matter."""
    out = {}
    for path, what in tree.items():
        parts = path.split("/")
        if state_name is not None:
            if parts[0] != state_name:
                continue
            parts = parts[1:]
        if parts and parts[0] in ("ledger", "scribe"):
            out["/".join(parts)] = what
    return out


def signature(tree):
    return tuple(sorted((path, None if what is None else (id(what[0]), hash(what[1]))) for path, what in tree.items()))


class Simulation:
    def __init__(self, recording, work):
        self.r, self.work = recording, work
        self.name = None if recording.before else os.path.basename(recording.state)
        self.place = Place(work + "/at")
        self.opener = Opener(recording, work + "/at")
        self.known, self.places, self.tried, self.met, self.ahead = set(), 0, 0, 0, 0
        self.results, self.samples, self.pruned_by = set(), [], None

    def run(self):
        n_shown, written = (1 if self.r.before else 0), self.r.first + self.r.above
        for call, path, disk in self.r.play():
            self.places += 1
            if call == "pwrite64" and re.search(r"/entries/\d{20}$", path):
                node = disk.find(disk.top + path)
                self.ahead += disk.n_under_way > 0
                written = max(written, (self.r.first if node.base else int(path[-20:])) + count_entries(node.now))
            if call == "renameat" and path.endswith("/checkpoint.tmp"):
                n_shown += 1
            for one in left(disk):
                self.meet(one, disk, n_shown, written, f"after call {self.places}, {call} {path}: {one.what}")
        self.opener.close()

    def meet(self, one, disk, n_shown, written, what):
        tree = of_state(one.tree(disk.root), self.name)
        key = (signature(tree), n_shown, written)
        if key in self.known:
            return
        self.known.add(key)
        self.met += 1
        if self.met % STEP != 0:
            return
        least = self.r.shown[n_shown - 1][0] if n_shown > 0 else 0
        self.check_pruned(tree, least, what)
        self.place.put(tree)
        if n_shown == 0:
            self.begin_again(what)
        if self.tried % 400 == 150 and len(self.samples) < SAMPLES:
            self.samples.append((shutil.copytree(self.work + "/at", f"{self.work}/sample{self.tried}"), least, what))
        self.tried += 1
        got = self.opener.ask(least, written, n_shown)
        check(got.startswith("ok "), f"{what}: {got} (of {least} to {written})")
        self.results.add(tuple(int(x) for x in got.split()[1:]))

    def begin_again(self, what):
        """Nothing was shown yet: the start is simply made again."""
        r = subprocess.run([os.path.join(BIN, "cht-scribe"), "--state", self.work + "/at", "--init", "--name", "test"],
                           capture_output=True, check=False)
        check(r.returncode == 0, f"{what}: --init ended with {r.returncode}: {r.stderr.decode()}")

    def check_pruned(self, tree, least, what):
        """No segment goes before the event that says so is shown."""
        if self.r.before and not any(re.search(r"/entries/0{20}$", p) for p in tree):
            check(self.pruned_by is not None and self.pruned_by < least, f"{what}: a segment went too soon")

    def check_samples(self, d):
        for path, least, what in self.samples:
            with Daemon(path, "--replace", "--cell", f"z={d}/z") as daemon:
                daemon.stop()
            check(shown(path) >= least, f"{what}: {shown(path)} entries, not {least}")
            r = cht("verify", path, want=None)
            check(r.returncode in (10, 12), f"{what}: verify ended with {r.returncode}: {r.stdout.decode()}")
            shutil.rmtree(path)


def simulate(recording, d):
    began = time.monotonic()
    work = "/dev/shm" if os.access("/dev/shm", os.W_OK) else d
    work = os.path.join(work, "cht-crash-%d" % os.getpid())
    os.mkdir(work)
    try:
        s = Simulation(recording, work)
        for i, e in enumerate(events(recording.state)):
            if short(e) == "ledger.pruned":
                s.pruned_by = shown(recording.state) - sum(1 for _ in entries(recording.state)) + i
        s.run()
        s.check_samples(d)
    finally:
        shutil.rmtree(work)
    print(f"  {s.places} calls ({s.ahead} writes while a commit was on its way) leave {s.met} different things; "
          f"{s.tried} of them opened in {time.monotonic() - began:.0f} s, {len(s.samples)} by chtd as well; {len(s.results)} different outcomes",
          flush=True)
    return s


def check_leaves(recording):
    """The hash files say what the entries are; what was pruned cannot be asked any more."""
    n, leaves = shown(recording.state), recording.leaves
    equal(len(leaves), n * 32, "bytes of leaf hashes")
    rest = list(entries(recording.state))
    for i, raw in enumerate(rest, n - len(rest)):
        check(hashlib.sha256(b"\0" + raw).digest() == leaves[i * 32:i * 32 + 32], f"the hash of entry {i}")


def conf(d):
    with open(d + "/chtd.conf", "w") as f:
        f.write(CONF)
    return d + "/chtd.conf"


def test_a_crash_at_any_place_of_the_first_start(d):
    need_strace()
    os.mkdir(d + "/top")
    state = d + "/top/s"
    t = Traced(d + "/trace", state, "--init", "--config", conf(d), "--cell", f"a={d}/a")
    at_ready = t.at_ready
    t.send(d + "/a_9001", 3)
    t.send(d + "/a_9001", 1)
    t.stop()
    # A line that is killed leaves what nobody waits for.
    t = Traced(d + "/trace2", state, "--config", conf(d), "--cell", f"a={d}/a", slow=True)
    for n in (3, 4, 5):
        before = written(state)
        send(d + "/a_9001", n)
        wait_for("the write", lambda b=before: written(state) > b)
    t.stop(signal.SIGKILL, -signal.SIGKILL)
    opened = [i for i, e in enumerate(events(state)) if short(e) == "run.opened"]
    check(len(opened) == 1 and opened[0] < at_ready, "it is ready when run.opened is shown")
    recording = Recording(d, state, None, [d + "/trace", d + "/trace2"])
    check_leaves(recording)
    simulate(recording, d)


def test_a_crash_at_any_place_of_commits_over_borders_and_of_a_pruning(d):
    need_strace()
    state, c = d + "/s", conf(d)
    with Daemon(state, "--config", c, "--seal", "--cell", f"a={d}/a") as daemon:
        n = SEGMENT - 310 - shown(state)
        send(d + "/a_9001", n)
        wait_for("the base", lambda: shown(state) >= n)
        daemon.stop()
    shutil.copytree(state, d + "/before")
    t = Traced(d + "/trace1", state, "--config", c, "--seal", "--cell", f"a={d}/a", slow=True)
    # Over a tile's border in small commits, to the segment's in larger ones, and over it in a hurry: the
    # border is in the midst of what is sent first, so that no commit ends at it.
    for n in [7] * 8:
        t.send(d + "/a_9001", n)
    t.send_on(d + "/a_9001", 12, 7)
    t.send(d + "/a_9001", SEGMENT - 30 - shown(state))
    t.send_on(d + "/a_9001", 4, 60)
    t.send(d + "/a_9001", 5)
    t.stop()
    check(shown(state) > SEGMENT, f"the segment's border is passed: {shown(state)}")
    t = Traced(d + "/trace2", state, "--config", c, "--seal", "--cell", f"b={d}/b")
    wait_for("the pruning", lambda: not os.path.exists(state + "/ledger/entries/" + "0" * 20))
    t.send(d + "/b_9001", 2)
    t.stop()
    recording = Recording(d, state, d + "/before", [d + "/trace1", d + "/trace2"])
    check_leaves(recording)
    s = simulate(recording, d)
    check(s.pruned_by is not None, "there is an event of the pruning")
    check(s.ahead > 2 or has_sanitizer(), "batches were written while a commit was on its way")
    crash_again(recording, d)


def crash_again(recording, d):
    """Of the start after a crash, too: written over a segment's border, and nothing synced. Once as the
    crash left it, once as if the syncs had been tried and had failed."""
    os.mkdir(d + "/again")
    for call, path, disk in recording.play():
        if call == "pwrite64" and path.endswith("/entries/%020d" % SEGMENT):
            Place(d + "/again/s").put(of_state(next(left(disk)).tree(disk.root), None))
            break
    state = d + "/again/s"
    written = sum(1 for _ in entries(state))
    check(shown(state) < SEGMENT < written, f"{shown(state)} are covered, {written} written")
    shutil.copytree(state, d + "/torn")
    t = Traced(d + "/trace3", state, "--config", conf(d), "--cell", f"c={d}/c")
    check(t.at_ready > written, "what was written is kept")
    t.send(d + "/c_9001", 2)
    t.stop()
    for lost in (False, True):
        again = Recording(d, state, d + "/torn", [d + "/trace3"], lost)
        check_leaves(again)
        simulate(again, d)


if __name__ == "__main__":
    main(globals())
