#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The line in trouble that is not the guests' doing: no descriptors, no space, a scribe that does
not answer, starts that fail or are stopped half way. What was accepted is stored or declared, and
chtd ends when it is told to."""

import contextlib
import os
import resource
import select
import signal
import socket
import subprocess
import tempfile
import time

from rig import (BIN, LIMIT_S, Daemon, await_count, await_type, check, cht, connect, equal, events, frame, main,
                 short, skip, types, wait_for)


def conf(d, text):
    path = os.path.join(d, "chtd.conf")
    with open(path, "w") as f:
        f.write(text)
    return path


def test_a_reader_of_diagnostics_that_goes_away_is_survived(d):
    out, theirs = os.pipe()
    ready, writer = os.pipe()
    os.set_inheritable(writer, True)
    c = conf(d, "[limits]\nconnections = 1\n")
    proc = subprocess.Popen([os.path.join(BIN, "chtd"), "--state", d + "/s", "--init", "--config", c,
                             "--ready-fd", str(writer), "--cell", f"a={d}/a"], pass_fds=[writer], stderr=theirs)
    os.close(theirs)
    os.close(writer)
    os.close(out)
    os.close(ready)
    # Nobody hears that it is ready, nor that it stops, nor anything in between.
    wait_for("the socket", lambda: os.path.exists(d + "/a_9001"))
    wait_for("its end or an event", lambda: proc.poll() is not None or os.path.exists(d + "/s/ledger/entries")
             and "run.opened" in types(d + "/s"))
    with contextlib.suppress(OSError), connect(d + "/a_9001") as s:
        s.sendall(frame())
        wait_for("its end or a frame", lambda: proc.poll() is not None or "guest.process_spawned" in types(d + "/s"))
    proc.send_signal(signal.SIGTERM)
    equal(proc.wait(LIMIT_S), 0, "exit status")


def test_standard_descriptors_may_be_closed(d):
    def close_all():
        for fd in (0, 1, 2):
            os.close(fd)
    ready, writer = os.pipe()
    os.dup2(writer, 19)
    proc = subprocess.Popen([os.path.join(BIN, "chtd"), "--state", d + "/s", "--init", "--ready-fd", "19",
                             "--cell", f"a={d}/a"], pass_fds=[19], preexec_fn=close_all)
    os.close(writer)
    os.close(19)
    check(select.select([ready], [], [], LIMIT_S)[0] and os.read(ready, 1) == b"\n", "ready")
    os.close(ready)
    for fd in (0, 1, 2):
        equal(os.readlink(f"/proc/{proc.pid}/fd/{fd}"), "/dev/null", f"descriptor {fd}")
    proc.send_signal(signal.SIGTERM)
    equal(proc.wait(LIMIT_S), 0, "exit status")


def test_secrets_given_twice_are_wiped_twice(d):
    if os.getuid() != 0:
        skip("reading another process's memory needs root")
    key = "CwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCws"
    other = "DAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw"
    name = "CELLOS_HOST_TELEMETRY_SIGN_"
    env = [f"{name}ALG=hmac-sha256", f"{name}KID=k", f"{name}HMAC_KEY={key}", f"{name}HMAC_KEY={other}"]
    ready, writer = os.pipe()
    os.set_inheritable(writer, True)
    pid = os.fork()
    if pid == 0:
        import ctypes
        args = [os.path.join(BIN, "chtd"), "--state", d + "/s", "--init", "--ready-fd", str(writer),
                "--cell", f"a={d}/a"]
        arr = lambda l: (ctypes.c_char_p * (len(l) + 1))(*[x.encode() for x in l], None)
        ctypes.CDLL(None).execve(args[0].encode(), arr(args), arr(env))
        os._exit(99)
    os.close(writer)
    try:
        check(select.select([ready], [], [], LIMIT_S)[0] and os.read(ready, 1) == b"\n", "ready")
        with open(f"/proc/{pid}/environ", "rb") as f:
            raw = f.read()
        check(key.encode() not in raw and other.encode() not in raw, "a key is left in the environment")
    finally:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main(globals())
