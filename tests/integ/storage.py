#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Storage that fails under a running log, and what it may leave of the newest writes: what was shown
is there after it, what was not is told."""

import contextlib
import os
import shutil
import signal
import struct
import subprocess
import threading

from rig import (LIMIT_S, Daemon, await_count, check, cht, connect, entries, equal, events, frame, is_gone, main, short,
                 skip, wait_for)


def shown(state):
    with open(state + "/ledger/checkpoint") as f:
        return int(f.read().split("\n")[1])


def run(*command):
    return subprocess.run(command, capture_output=True, check=False)


@contextlib.contextmanager
def device(d):
    """An ext4 in a file that promises more than there is: what is written beyond fails in the device."""
    os.mkdir(d + "/under")
    os.mkdir(d + "/disk")
    r = run("mount", "-t", "tmpfs", "-o", "size=24m", "none", d + "/under")
    if r.returncode != 0:
        skip("a device of its own needs root: " + r.stderr.decode().strip())
    try:
        with open(d + "/under/image", "wb") as f:
            f.truncate(128 << 20)
        r = run("mkfs.ext4", "-q", d + "/under/image")
        if r.returncode == 0:
            r = run("mount", "-o", "loop", d + "/under/image", d + "/disk")
        if r.returncode != 0:
            skip("no loop device: " + r.stderr.decode().strip())
        yield d + "/disk"
    finally:
        run("umount", d + "/disk")
        run("umount", "-l", d + "/under")


def mend(d):
    """The device has all it promised; the file system is made whole, and forgets what it cached."""
    wait_for("the end of its use", lambda: run("umount", d + "/disk").returncode == 0)
    wait_for("the loop's end", lambda: not run("losetup", "-j", d + "/under/image").stdout)
    equal(run("mount", "-o", "remount,size=256m", d + "/under").returncode, 0, "mount")
    check(run("e2fsck", "-fy", d + "/under/image").returncode <= 2, "e2fsck")
    equal(run("mount", "-o", "loop", d + "/under/image", d + "/disk").returncode, 0, "mount")


@contextlib.contextmanager
def quota(d, size):
    """A place on a file system that lets it have so much: EDQUOT, though there is space."""
    if shutil.which("mkfs.btrfs") is None:
        skip("mkfs.btrfs is not there")
    os.mkdir(d + "/disk")
    with open(d + "/image", "wb") as f:
        f.truncate(256 << 20)
    if run("mkfs.btrfs", "-q", d + "/image").returncode != 0:
        skip("no btrfs")
    r = run("mount", "-o", "loop", d + "/image", d + "/disk")
    if r.returncode != 0:
        skip("a file system of its own needs root: " + r.stderr.decode().strip())
    try:
        for words in (("quota", "enable"), ("subvolume", "create"), ("qgroup", "limit", size)):
            at = d + "/disk/own" if words[0] != "quota" else d + "/disk"
            r = run("btrfs", *words, at)
            check(r.returncode == 0, f"{words}: {r.stderr.decode()}")
        # The line's table is mapped and written in place, which this file system does not do: without
        # space for a new copy of a page the line would end by SIGBUS. It has a place of its own.
        os.makedirs(d + "/disk/own/s/line")
        os.mkdir(d + "/line")
        equal(run("mount", "--bind", d + "/line", d + "/disk/own/s/line").returncode, 0, "mount")
        yield d + "/disk/own"
    finally:
        run("umount", d + "/disk/own/s/line")
        wait_for("the end of its use", lambda: run("umount", d + "/disk").returncode == 0)


def test_a_quota_stops_it_or_holds_it_back(d):
    limits = "[limits]\nframes_per_second = 1000000\nframes_burst = 1000000\n"
    with quota(d, "24m") as disk:
        stop = threading.Event()
        t = threading.Thread(target=load, args=(d + "/a_9001", stop))
        with open(d + "/conf", "w") as f:
            f.write(limits)
        with Daemon(disk + "/s", "--config", d + "/conf", "--cell", f"a={d}/a") as daemon:
            t.start()
            daemon.wait(74)
            check("quota" in daemon.stderr().lower(), daemon.stderr())
        stop.set()
        t.join()
        n = shown(disk + "/s")
        check(n > 1000, f"only {n} entries were shown")
        # The state is written anew by a file system that never writes in place: that takes space, too.
        run("btrfs", "qgroup", "limit", "40m", disk)
        with open(d + "/conf", "w") as f:
            f.write("[daemon]\non_full = pause\n" + limits)
        stop = threading.Event()
        t = threading.Thread(target=load, args=(d + "/a_9001", stop))
        with Daemon(disk + "/s", "--replace", "--seal", "--config", d + "/conf", "--cell", f"a={d}/a") as daemon:
            check(shown(disk + "/s") >= n, "what was shown is there")
            t.start()
            wait_for("the pause", lambda: "paused" in daemon.stderr())
            run("btrfs", "qgroup", "limit", "none", disk)
            wait_for("its end", lambda: "space again" in daemon.stderr())
            stop.set()
            t.join()
            daemon.stop()
        r = cht("verify", disk + "/s", want=None)
        check(r.returncode in (10, 12), f"{r.returncode} {r.stdout.decode()}")


def load(path, stop):
    many = frame(comm="x" * 200) * 50
    with contextlib.suppress(OSError), connect(path) as s:
        s.settimeout(LIMIT_S)
        while not stop.is_set():
            s.sendall(many)


def test_a_device_that_fails_ends_it_with_74_and_nothing_shown_is_lost(d):
    stop = threading.Event()
    with device(d) as disk:
        state = disk + "/s"
        with open(d + "/conf", "w") as f:
            f.write("[daemon]\non_full = pause\n[limits]\nframes_per_second = 1000000\nframes_burst = 1000000\n")
        with Daemon(state, "--config", d + "/conf", "--cell", f"a={d}/a") as daemon:
            t = threading.Thread(target=load, args=(d + "/a_9001", stop))
            t.start()
            daemon.wait(74)
            stop.set()
            t.join()
            check("sync" in daemon.stderr() or "error" in daemon.stderr(), daemon.stderr())
        n, before = shown(state), list(entries(state))
        check(n > 1000, f"only {n} entries were shown")
        mend(d)
        with Daemon(state, "--replace", "--seal", "--cell", f"a={d}/a") as daemon:
            daemon.stop()
        check(shown(state) >= n, f"{shown(state)} entries of {n} that were shown")
        check(list(entries(state))[:n] == before[:n], "they are as they were")
        r = cht("verify", state, want=None)
        check(r.returncode in (10, 12), f"{r.returncode} {r.stdout.decode()}")


def killed(d):
    """A log whose scribe was killed, with some entries."""
    with Daemon(d + "/s", "--cell", f"a={d}/a") as daemon:
        with connect(d + "/a_9001") as s:
            s.sendall(frame() * 20)
            await_count(daemon.state, "guest.process_spawned", 20)
        scribe = daemon.scribe_pid()
        n = shown(d + "/s")
        os.kill(scribe, signal.SIGKILL)
        daemon.wait(70)
        wait_for("its end", lambda: is_gone(scribe))
    return n


def slots(state):
    """Offsets of the state's slots, the newer first."""
    with open(state + "/scribe/state", "rb") as f:
        raw = f.read()
    return sorted((0, 4096), key=lambda at: struct.unpack_from(">Q", raw, at + 16)[0], reverse=True)


def size_in(state, at):
    with open(state + "/scribe/state", "rb") as f:
        return struct.unpack_from(">Q", f.read(), at + 24)[0]


def destroy(state, at):
    with open(state + "/scribe/state", "r+b") as f:
        f.seek(at + 2000)
        f.write(b"\xff" * 100)


def test_what_is_put_behind_an_unclean_end_is_cut_and_told(d):
    n = killed(d)
    forged = b'{"specversion":"1.0","id":"forged"}'
    with open(d + "/s/ledger/entries/" + "0" * 20, "ab") as f:
        f.write(struct.pack(">H", len(forged)) + forged)
    with Daemon(d + "/s", "--replace", "--seal", "--cell", f"a={d}/a") as daemon:
        daemon.stop()
    check(not any(b"forged" in raw for raw in entries(d + "/s")), "it is no part of the log")
    told = [e["data"] for e in events(d + "/s") if short(e) == "ledger.recovered"]
    equal([t["cutBytes"] for t in told], [len(forged) + 2], "cut bytes")
    check(shown(d + "/s") > n, "the log goes on")
    check(cht("verify", d + "/s", want=None).returncode in (10, 12), "it verifies")


def test_a_slot_of_the_state_that_is_destroyed(d):
    # After an orderly end the other slot has the same tree.
    with Daemon(d + "/s", "--seal", "--cell", f"a={d}/a") as daemon:
        daemon.stop()
    for which in (0, 1):
        state = f"{d}/orderly{which}"
        shutil.copytree(d + "/s", state)
        destroy(state, slots(state)[which])
        with Daemon(state, "--seal", "--cell", f"a={d}/a") as daemon:
            daemon.stop()
        check(shown(state) > shown(d + "/s"), "the log goes on")
    # Under load the newer one alone knows the newest checkpoint: the other is as good as a copy.
    killed(d)
    older = slots(d + "/s")[1]
    # The kill may have come between the state and the checkpoint.
    is_missed = shown(d + "/s") > size_in(d + "/s", older)
    for which, status in ((1, 0), (0, 11 if is_missed else 0)):
        state = f"{d}/killed{which}"
        shutil.copytree(d + "/s", state)
        destroy(state, slots(state)[which])
        with Daemon(state, "--replace", "--cell", f"a={d}/a", wait=False) as daemon:
            daemon.await_ready(False)
            if status == 0:
                daemon.stop()
            else:
                daemon.wait(status)
                check("old copy" in daemon.stderr(), daemon.stderr())
    # Without either there is none.
    destroy(d + "/s", 0)
    destroy(d + "/s", 4096)
    with Daemon(d + "/s", "--replace", "--cell", f"a={d}/a", wait=False) as daemon:
        daemon.await_ready(False)
        daemon.wait(11)
        check("lost-state" in daemon.stderr(), daemon.stderr())


def test_a_log_that_became_shorter_is_refused_and_left_alone(d):
    killed(d)
    with open(d + "/s/scribe/state", "rb") as f:
        size, _, covered = struct.unpack_from(">QQQ", f.read(), slots(d + "/s")[0] + 24)
    for name, size in (("entries/" + "0" * 20, covered - 1), ("hashes/0", size * 32 - 1), ("hashes/0", size * 32 - 32)):
        state = f"{d}/{name.replace('/', '_')}{size}"
        shutil.copytree(d + "/s", state)
        os.truncate(f"{state}/ledger/{name}", size)
        with Daemon(state, "--replace", "--cell", f"a={d}/a", wait=False) as daemon:
            daemon.await_ready(False)
            daemon.wait(11)
            check("cht ledger succeed" in daemon.stderr(), daemon.stderr())
        equal(os.path.getsize(f"{state}/ledger/{name}"), size, "its size")


if __name__ == "__main__":
    main(globals())
