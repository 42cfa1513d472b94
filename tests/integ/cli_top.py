#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cht status and cht top: a running chtd, for scripts and on a terminal."""

import contextlib
import fcntl
import itertools
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import threading
import time

from rig import BIN, LIMIT_S, Daemon, check, connect, equal, fail, frame, main, wait_for

KEYS = {"TERM": "xterm"}


def run(d, *args, want=0, env=None):
    done = subprocess.run([BIN + "/cht", *args], capture_output=True, text=True, check=False, timeout=60,
                          env={**os.environ, "CHT_CONTROL": d + "/control", **(env or {})})
    equal(done.returncode, want, f"cht {args}: {done.stdout}{done.stderr}")
    return done


def hub(d, n=2):
    cells = [a for i in range(n) for a in ("--cell", f"c{i}=,path={d}/{i},run=r{i}")]
    return Daemon(d + "/s", "--control", d + "/control", *cells)


@contextlib.contextmanager
def serving(path, answers):
    """What is not chtd, or a chtd that is not well: an answer for each target, or what gives one; None is no answer at
    all. Gives the targets that were asked for."""
    stop = threading.Event()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.bind(path)
        s.listen()
        kept, asked = [], []

        def serve():
            while not stop.is_set():
                if not select.select([s], [], [], 0.1)[0]:
                    continue
                c, _ = s.accept()
                target = c.recv(4096).split()[1].decode()
                asked.append(target)
                answer = answers.get(target, (404, "{}"))
                status, body = (answer() if callable(answer) else answer) or (None, None)
                if status is None:
                    kept.append(c)
                    continue
                c.sendall(f"HTTP/1.1 {status} x\r\n\r\n{body}".encode())
                c.close()

        t = threading.Thread(target=serve)
        t.start()
        try:
            yield asked
        finally:
            stop.set()
            t.join()
            for c in kept:
                c.close()


WELL = {"/version": (200, '{"version":"9"}'), "/readyz": (204, ""), "/healthz": (204, ""), "/cells": (200, "[]"),
        "/metrics": (200, "cht_ledger_paused 0\n")}


class Terminal:
    """cht top on a terminal of this size."""

    def __init__(self, d, *args, env=None, rows=12, columns=80):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(BIN + "/cht", ["cht", "top", "-d", "200ms", *args],
                      {**os.environ, "CHT_CONTROL": d + "/control", **KEYS, **(env or {})})
        self.resize(rows, columns)
        self.said = b""

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, pattern):
        """Reads on until this is said; forgets what was said up to there."""
        end = time.monotonic() + LIMIT_S
        while not (found := re.search(pattern, self.said, re.S)):
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                fail(f"no {pattern} in {self.said[-500:]}")
            try:
                more = os.read(self.fd, 65536)
            except OSError:
                more = b""
            if not more:
                fail(f"it ended, with no {pattern} in {self.said[-500:]}")
            self.said += more
        said, self.said = self.said[:found.end()], self.said[found.end():]
        return said

    def key(self, key):
        os.write(self.fd, key)

    def flags(self):
        return termios.tcgetattr(self.fd)[3]

    def end(self):
        """Its status, and whether the terminal is as it was."""
        said = self.until(rb"\x1b\[\?25h\x1b\[\?1049l")
        status = os.waitpid(self.pid, 0)[1]
        check(self.flags() & termios.ICANON and self.flags() & termios.ECHO, "lines and echo again")
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status), said


def test_status_says_how_it_is(d):
    with hub(d), connect(d + "/0") as s:
        s.sendall(frame() * 30 + b"\x01\0\0\0\xff")
        wait_for("frames", lambda: json.loads(run(d, "status", "-d", "0s", "-o", "json").stdout)["frames"]["received"] == 31)
        told = json.loads(run(d, "status", "-d", "100ms", "-o", "json").stdout)
        equal({k: told[k] for k in ("ready", "written", "cells", "silent", "states", "connections", "frames")},
              {"ready": True, "written": True, "cells": 2, "silent": 0, "states": {"live": 1, "expected": 1}, "connections": 1,
               "frames": {"received": 31, "stored": 30, "heartbeats": 0, "refused": 1, "dropped": 0}}, "JSON")
        equal(told["perSecond"]["frames"], 0.0, "the rate")
        text = run(d, "status").stdout
        for words in (", ready\n", "written\n", "2: 1 live, 1 expected; 0 agents silent", "31 received = 30 stored + 0 heartbeats + 1 refused",
                      "a second"):
            check(words in text, f"{words} in {text}")


def test_statuses_of_status_tell_apart_what_a_script_asks(d):
    check("No such file" in run(d, "status", want=1).stderr, "nobody is there")
    for change, want in (({}, 0), ({"/readyz": (503, "")}, 3), ({"/healthz": (503, "{}")}, 3),
                         ({"/metrics": (200, "cht_ledger_paused 1\n")}, 3), ({"/cells": (200, "{}")}, 1),
                         ({"/cells": (200, "no")}, 1), ({"/version": (500, '{"message":"it failed"}')}, 1)):
        with serving(d + "/control", {**WELL, **change}):
            run(d, "status", "-d", "0s", want=want)
            run(d, "status", "-d", "0s", "-o", "json", want=want)
        os.unlink(d + "/control")
    for args in (("x",), ("-d", "1"), ("-d", "2h"), ("-o", "xml")):
        run(d, "status", *args, want=2)


def test_rates_of_status_are_those_of_the_time_between_its_looks(d):
    received = itertools.count(0, 100)

    def metrics():
        return 200, f"cht_ledger_paused 0\ncht_frames_received_total {next(received)}\n"

    def slow_cells():
        time.sleep(2)
        return 200, "[]"

    with serving(d + "/control", {**WELL, "/metrics": metrics, "/cells": slow_cells}) as asked:
        told = json.loads(run(d, "status", "-d", "500ms", "-o", "json").stdout)
    totals = ["/version", "/readyz", "/healthz", "/metrics"]
    equal(asked, [*totals, *totals, "/cells"], "what is asked for")
    equal(told["frames"]["received"], 100, "the last look")
    check(100 <= told["perSecond"]["frames"] <= 200, f"100 frames in half a second: {told}")


def test_one_that_does_not_answer_is_not_waited_for(d):
    with serving(d + "/control", {"/version": None}):
        check("no answer came within 5 s" in run(d, "top", "-n", "1", want=1).stderr, "it is said")


def test_top_without_a_terminal_prints_so_many_tables(d):
    with hub(d, 3), connect(d + "/1") as s:
        s.sendall(frame() * 30 + b"\x01\0\0\0\xff" * 2)
        wait_for("frames", lambda: json.loads(run(d, "status", "-d", "0s", "-o", "json").stdout)["frames"]["received"] == 32)
        text = run(d, "top", "-n", "2", "-d", "100ms", env={"COLUMNS": "80", **KEYS}).stdout
        check("\x1b" not in text, "no sequences")
        tables = text.split("\n\nchtd ")
        equal(len(tables), 2, "tables")
        rows = [line.split() for line in tables[1].split("\n\n")[1].splitlines()]
        equal(rows[0], "CELL STATE FRAMES/S LOST REFUSED SILENCE CONNS RUN".split(), "columns")
        equal([r[0] for r in rows[1:]], ["c1", "c0", "c2"], "trouble first")
        equal(rows[1], ["c1", "live", "0", "0", "2", "-", "1", "r1"], "its row")
        check(max(map(len, text.splitlines())) <= 80, "80 columns")
        told = [json.loads(line) for line in run(d, "top", "-n", "2", "-d", "100ms", "--sort", "name", "-o", "json").stdout.splitlines()]
        equal([[c["id"] for c in t["cells"]] for t in told], [["c0", "c1", "c2"]] * 2, "a line each")
        equal(told[1]["cells"][1]["frames"], {"received": 32, "stored": 30, "heartbeats": 0, "refused": 2, "dropped": 0}, "c1")
        equal(told[1]["cells"][1]["framesPerSecond"], 0.0, "its rate")
    check("connect to" in run(d, "top", want=1).stderr, "nobody is there")
    for args in (("x",), ("-n", "0"), ("-d", "1"), ("--sort", "truble"), ("-d", "10ms")):
        run(d, "top", *args, want=2)


def test_a_silent_cell_is_told_first(d):
    conf = d + "/conf"
    with open(conf, "w", encoding="utf-8") as f:
        f.write("[silence]\nboot_window = 100ms\n")
    with Daemon(d + "/s", "--config", conf, "--control", d + "/control", "--cell", f"a=,path={d}/a",
                "--cell", f"b=,path={d}/b"), connect(d + "/a") as s:
        s.sendall(frame())
        wait_for("silence", lambda: json.loads(run(d, "status", "-d", "0s", "-o", "json").stdout)["silent"] == 1)
        told = json.loads(run(d, "top", "-n", "1", "-d", "100ms", "-o", "json").stdout)["cells"]
        equal([(c["id"], c["silent"]) for c in told], [("b", True), ("a", False)], "the silent one")
        check(100 <= told[0]["silentMs"] < 60000, "for how long")
        t = Terminal(d)
        t.until(rb"\x1b\[31mb +silent")
        t.key(b"q")
        t.end()


def test_top_on_a_terminal_takes_keys_and_leaves_it_as_it_was(d):
    with hub(d, 30), connect(d + "/7") as s:
        s.sendall(frame() * 5)
        t = Terminal(d)
        t.until(rb"\x1b\[\?1049h\x1b\[\?25l")
        t.until(rb"by trouble; 1 to 6 of 30")
        check(not t.flags() & termios.ICANON, "keys one at a time")
        t.key(b"n")
        t.until(rb"CELL.*c0 .*c1 .*by name; 1 to 6 of 30")
        t.key(b"\x1b[6~")
        t.until(rb"by name; 7 to 12 of 30")
        t.key(b"\x1b[A")
        t.until(rb"by name; 6 to 11 of 30")
        t.key(b"\x1b[B" )
        t.until(rb"by name; 7 to 12 of 30")
        t.resize(30, 70)
        t.until(rb"by name; 7 to 30 of 30[^\n]*\x1b\[K")
        said = t.until(rb"by name; 7 to 30 of 30")
        for line in re.split(rb"\r\n|\x1b\[H", said):
            check(len(re.sub(rb"\x1b\[[0-9;]*[A-Za-z]", b"", line)) <= 70, f"70 columns, not {line}")
        t.key(b"c\x1b[x")
        t.key(b"q")
        equal(t.end()[0], 0, "status")


def test_top_leaves_the_terminal_as_it_was_when_it_is_told_to_end(d):
    with hub(d) as daemon:
        for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            t = Terminal(d)
            t.until(rb"by trouble")
            os.kill(t.pid, sig)
            equal(t.end()[0], 0, f"status after {sig}")
        t = Terminal(d, "-n", "2")
        equal(t.end()[0], 0, "after so many")
        # Stopped by Ctrl-Z, and back.
        t = Terminal(d)
        t.until(rb"by trouble")
        t.key(b"\x1a")
        t.until(rb"\x1b\[\?25h\x1b\[\?1049l")
        os.waitpid(t.pid, os.WUNTRACED)
        check(t.flags() & termios.ICANON, "while it is stopped")
        os.kill(t.pid, signal.SIGCONT)
        t.until(rb"\x1b\[\?1049h.*by trouble")
        # chtd goes: that is said, and asked again.
        daemon.stop()
        t.until(rb"No such file")
        t.key(b"q")
        equal(t.end()[0], 0, "status")


def test_no_colour_where_it_is_not_wanted(d):
    with hub(d):
        for env in ({"NO_COLOR": "1"},):
            t = Terminal(d, "-n", "2", env=env)
            said = t.end()[1]
            check(not re.search(rb"\x1b\[[0-9;]*m", said), f"colour in {said}")
        equal(run(d, "top", "-n", "1", "-d", "100ms", env={"TERM": "dumb"}).stdout.count("\x1b"), 0, "dumb")


if __name__ == "__main__":
    main(globals())
