#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cht cell: cells that come and go, told by the command line."""

import json
import os
import socket
import subprocess
import threading

from rig import BIN, Daemon, check, connect, equal, events, frame, main, short, wait_for


def cell(d, *args, want=0, env=None):
    done = subprocess.run([BIN + "/cht", "cell", *args], capture_output=True, text=True, check=False, timeout=60,
                          env={**os.environ, "CHT_CONTROL": d + "/control", **(env or {})})
    equal(done.returncode, want, f"cht cell {args}: {done.stdout}{done.stderr}")
    return done


def hub(d, *args):
    return Daemon(d + "/s", "--control", d + "/control", *args)


def test_a_cell_is_added_shown_and_removed(d):
    with hub(d):
        equal(cell(d, "ls").stdout, "no cell is registered\n", "no cell")
        said = cell(d, "add", "web-1", "--base", d + "/v", "--run", "r:1", "--spec", "sha256:00", "--uid",
                    str(os.getuid()), "--mode", "0660", "--receipt", d + "/opened").stdout
        for word in ("web-1", "r:1", "sha256:00", d + "/v_9001", "open"):
            check(word in said, f"{word} in {said}")
        equal(os.stat(d + "/v_9001").st_mode & 0o777, 0o660, "mode")
        with connect(d + "/v_9001") as s:
            s.sendall(frame() * 3)
            wait_for("frames", lambda: json.loads(cell(d, "show", "web-1", "-o", "json").stdout)["frames"]["stored"] == 3)
            row = cell(d, "ls").stdout.splitlines()[1].split()
            equal(row, ["web-1", "live", "1", "3", "0", "r:1"], "its row")
        said = cell(d, "rm", "web-1", "--receipt", d + "/sealed").stdout
        check("sealed at" in said and "3 received = 3 stored" in said, said)
        equal(cell(d, "ls", "-o", "json").stdout, "[]\n", "none is left")
    equal([short(e) for e in events(d + "/s")].count("run.sealed"), 1, "sealed")
    for name in ("opened", "sealed"):
        with open(f"{d}/{name}", encoding="utf-8") as f:
            check(f.read().startswith("c2sp.org/tlog-proof@v1\n"), "a receipt")


def test_a_pause_is_stated_and_holds_silence_back(d):
    conf = d + "/conf"
    with open(conf, "w", encoding="utf-8") as f:
        f.write("[silence]\nkeepalive_window = 1s\n")
    with hub(d, "--config", conf):
        cell(d, "add", "a", "--path", d + "/a")
        cell(d, "add", "b", "--path", d + "/b")
        with connect(d + "/a") as a, connect(d + "/b") as b:
            a.sendall(frame())
            b.sendall(frame())
            wait_for("frames", lambda: all(json.loads(cell(d, "show", x, "-o", "json").stdout)["frames"]["stored"] for x in "ab"))
            said = cell(d, "pause", "a").stdout
            check("open, paused" in said and "stated at" in said, said)
            wait_for("silence of b", lambda: json.loads(cell(d, "show", "b", "-o", "json").stdout)["silent"])
            row = {line.split()[0]: line.split()[1] for line in cell(d, "ls").stdout.splitlines()[1:]}
            equal(row, {"a": "paused", "b": "idle"}, "what ls says")
            told = json.loads(cell(d, "resume", "a", "-o", "json").stdout)
            check(told["condition"] != "paused" and told["stated"] > 0, str(told))
            stated = [e["data"]["stated"]["state"] for e in events(d + "/s") if short(e) == "run.stated"]
            equal(stated, ["paused", "resumed"], "what is recorded")
        check("no cell c" in cell(d, "pause", "c", want=1).stderr, "no such cell")


def test_refusals_are_said_and_end_with_1(d):
    with hub(d):
        cell(d, "add", "a", "--path", d + "/a")
        for args, word in ((("add", "a", "--path", d + "/b"), "registered otherwise"),
                           (("add", "b", "--path", d + "/a"), "another cell has this socket"),
                           (("add", "b", "--path", d + "/none/b"), "No such file"),
                           (("add", "b/c", "--path", d + "/b"), "a cell's id is"),
                           (("add", "b", "--path", "b"), "an absolute path"),
                           (("show", "b"), "no cell b"), (("rm", "b"), "no cell b")):
            done = cell(d, *args, want=1)
            check(word in done.stderr and not done.stdout, f"{word} in {done.stderr}{done.stdout}")
        # Registered before: there is no receipt to be had. It is said, and so is the cell.
        done = cell(d, "add", "a", "--path", d + "/a", "--receipt", d + "/r", want=1)
        check("no receipt was given" in done.stderr and "open" in done.stdout, done.stderr)
        check(not os.path.exists(d + "/r"), "no file is made")


def test_wrong_usage_ends_with_2(d):
    for args in ((), ("ad",), ("add",), ("add", "a"), ("add", "a", "--base", "/a", "--path", "/b"), ("ls", "a"),
                 ("rm",), ("rm", "a", "b"), ("rm", "a", "--base", "/a"), ("pause",), ("resume", "a", "b"), ("pause", "a", "--uid", "1"),
                 ("pause", "a", "--receipt", "x"), ("show", "a", "--receipt", "x"),
                 ("add", "a", "--path", "/a", "--uid", "x"), ("add", "a", "--path", b"/\xff")):
        check(cell(d, *args, want=2).stderr, f"{args} is explained")


def test_what_is_not_chtd_is_said(d):
    check("No such file" in cell(d, "ls", want=1).stderr, "nobody is there")
    for answer in (b"", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nhello", b"HTTP/1.1 2", b"HTTP/1.1 999 x\r\n\r\n{}"):
        path = d + "/control"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.bind(path)
            s.listen()

            def serve(s=s, answer=answer):
                with s.accept()[0] as c:
                    c.recv(4096)
                    c.sendall(answer)

            t = threading.Thread(target=serve)
            t.start()
            check("answer" in cell(d, "ls", want=1).stderr, f"{answer} is no answer")
            t.join()
        os.unlink(path)


if __name__ == "__main__":
    main(globals())
