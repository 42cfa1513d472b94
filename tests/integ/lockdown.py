# SPDX-License-Identifier: Apache-2.0
"""What the running programs have given up, as the kernel says it; and what the service manager hears."""

import ctypes
import os
import signal
import socket

from rig import (BIN, LIMIT_S, Daemon, await_count, check, connect, equal, events, frame, has_sanitizer, main, short,
                 skip)

NOBODY = 65534
NONE = "%016x" % 0


def status(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def landlock():
    return max(0, ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1))


def started(state):
    return [e["data"] for e in events(state) if short(e) == "host.started"][-1]


def needs_kill():
    if has_sanitizer():
        skip("a build with a sanitizer only logs")


def test_both_are_locked_down(d):
    needs_kill()
    with Daemon(d + "/s", "--cell", f"a={d}/a") as daemon:
        line, scribe = status(daemon.proc.pid), status(daemon.scribe_pid())
        daemon.stop()
    for which, who in (("line", line), ("scribe", scribe)):
        equal((who["Seccomp"], who["NoNewPrivs"], who["Threads"]), ("2", "1", "1"), f"Seccomp, NoNewPrivs of the {which}")
        for empty in ("CapInh", "CapAmb"):
            equal(who[empty], NONE, f"{empty} of the {which}")
    if os.geteuid() == 0:
        for what in ("CapPrm", "CapEff", "CapBnd"):
            equal((line[what], scribe[what]), (NONE, NONE), f"{what} of both")
    told = started(d + "/s")
    equal((told["lockdown"], told["landlock"]), ("kill", landlock()), "host.started")


def test_as_another_user_nothing_is_left(d):
    needs_kill()
    if os.geteuid() != 0:
        skip("only root can become another")
    os.chmod(d, 0o755)
    os.mkdir(d + "/of")
    os.chown(d + "/of", NOBODY, NOBODY)
    reach = d
    while reach != "/":
        if not os.stat(reach).st_mode & 1:
            skip(f"{reach} is closed to others")
        reach = os.path.dirname(reach)

    def become():
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)

    if not os.access(BIN, os.X_OK) or os.stat("/root").st_mode & 1 == 0 and os.path.realpath(BIN).startswith("/root"):
        skip(f"{BIN} is closed to others")
    with Daemon(d + "/of/s", "--cell", f"a={d}/of/a", "--control", d + "/of/control", preexec=become) as daemon:
        for pid in (daemon.proc.pid, daemon.scribe_pid()):
            who = status(pid)
            equal((who["CapPrm"], who["CapEff"], who["Seccomp"]), (NONE, NONE, "2"), "capabilities, Seccomp")
        with connect(d + "/of/a_9001") as s:
            s.sendall(frame())
            await_count(d + "/of/s", "guest.process_spawned", 1)
        daemon.stop()


def test_the_mode_is_asked_for_and_told(d):
    for mode, seccomp in (("log", "2"), ("off", "0")):
        with Daemon(d + "/" + mode, "--lockdown", mode) as daemon:
            equal(status(daemon.proc.pid)["Seccomp"], seccomp, f"Seccomp of the line, {mode}")
            equal(status(daemon.scribe_pid())["Seccomp"], seccomp, f"Seccomp of the scribe, {mode}")
            daemon.stop()
        told = started(d + "/" + mode)
        equal((told["lockdown"], told["landlock"]), (mode, 0), "host.started")
    with Daemon(d + "/no", "--lockdown", "maybe", wait=False) as daemon:
        daemon.await_ready(False)
        daemon.wait(2)
        check("kill, log or off" in daemon.stderr(), "the words that there are are told")


def test_a_watchdog_hears_from_the_loop(d):
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(d + "/notify")
    manager.settimeout(LIMIT_S)
    watchdog = {"NOTIFY_SOCKET": d + "/notify", "WATCHDOG_USEC": "200000"}
    with Daemon(d + "/s", "--cell", f"a={d}/a", env=watchdog) as daemon:
        equal(manager.recv(512).split(b"\n")[0], b"READY=1", "the first word")
        for _ in range(3):
            alive = manager.recv(512).split(b"\n")
            equal(alive[0], b"WATCHDOG=1", "a sign of life")
            check(alive[1].startswith(b"STATUS=1 cells, "), f"what goes on: {alive[1]}")
        daemon.proc.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, daemon.proc.pid, os.WSTOPPED | os.WNOWAIT)
        manager.setblocking(False)
        try:
            while manager.recv(512):
                pass
        except BlockingIOError:
            pass
        manager.settimeout(0.5)
        try:
            check(False, f"a stopped one says {manager.recv(512)}")
        except TimeoutError:
            pass
        daemon.proc.send_signal(signal.SIGCONT)
        manager.settimeout(LIMIT_S)
        equal(manager.recv(512).split(b"\n")[0], b"WATCHDOG=1", "it goes on")
        daemon.stop()
    # One that is meant for another process is no business of ours.
    with Daemon(d + "/t", env={**watchdog, "WATCHDOG_PID": "1"}) as daemon:
        manager.settimeout(LIMIT_S)
        while not manager.recv(512).startswith(b"READY=1"):
            pass
        daemon.stop()
        equal(manager.recv(512), b"STOPPING=1", "no sign of life")


if __name__ == "__main__":
    main(globals())
