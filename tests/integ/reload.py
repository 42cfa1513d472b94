#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""SIGHUP: what of a configuration rules without a restart, what does not, and that a bad one changes
nothing. Everything with kill on violation, where the build has it: chtd reads files while it is locked
down."""

import hashlib
import os
import signal

from control import Control
from rig import (Daemon, await_type, check, cht, connect, equal, events, frame, has_sanitizer, main, short,
                 types, wait_for)

LOCKED = () if has_sanitizer() else ("--lockdown", "kill")


def write(path, text):
    """In one step: it is never half there."""
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(text)
    os.rename(path + ".new", path)


def cell(d, name, more=""):
    write(f"{d}/cells.d/{name}.conf", f"[cell {name}]\npath = {d}/{name}\n{more}")


def begin(d, text="", *args):
    os.mkdir(d + "/cells.d")
    write(d + "/chtd.conf", text)
    cell(d, "a")
    return Daemon(d + "/s", "--config", d + "/chtd.conf", *LOCKED, *args)


def reloads(d):
    return [e["data"] for e in events(d + "/s") if short(e) == "host.reloaded"]


def reload(daemon, d):
    """Until it is told of; its data."""
    before = len(reloads(d))
    daemon.proc.send_signal(signal.SIGHUP)
    wait_for("host.reloaded", lambda: len(reloads(d)) > before or daemon.proc.poll() is not None)
    check(daemon.proc.poll() is None, daemon.stderr())
    return reloads(d)[-1]


def refused(daemon, *words):
    daemon.proc.send_signal(signal.SIGHUP)
    wait_for(words, lambda: all(w in daemon.stderr() for w in words) or daemon.proc.poll() is not None)
    check(daemon.proc.poll() is None, daemon.stderr())


def test_a_limit_changes_and_rules(d):
    with begin(d, "[limits]\nconnections = 8\n") as daemon, connect(d + "/a") as first:
        first.sendall(frame())
        await_type(daemon.state, "guest.process_spawned")
        write(d + "/chtd.conf", "[limits]\nconnections = 2\nstall = 7s\n[silence]\nboot_window = 11s\n")
        cell(d, "b")
        told = reload(daemon, d)
        equal(told["changed"], ["silence.boot_window", "limits.connections", "limits.stall"], "what changed")
        equal(told["kept"], [], "what did not")
        equal((told["cellsAdded"], told["cellsRemoved"], told["cellsKept"]), (1, 0, 0), "cells")
        said = cht("config", "show", d + "/chtd.conf", "--state", d + "/s", "-o", "json").stdout
        equal(told["configuration"], "sha256:" + hashlib.sha256(said).hexdigest(), "its digest")
        # One is open: of three more, one may stay.
        more = [connect(d + "/a") for _ in range(3)]
        wait_for("two to be closed", lambda: sum(
            e["data"].get("reasons", {}).get("over_limit", 0) for e in events(d + "/s") if short(e) == "channel.closed") == 2)
        first.sendall(frame())
        wait_for("the first to go on", lambda: types(d + "/s").count("guest.process_spawned") == 2)
        for s in more:
            s.close()
        opened = await_type(daemon.state, "run.opened", 2)["data"]
        equal((opened["cellId"], opened["bootWindowMs"]), ("b", 11000), "a window of a cell that follows")
        daemon.stop()
    cht("verify", d + "/s", want=12)  # runs stay open


def test_cells_come_and_go_beside_others(d):
    with begin(d) as daemon, connect(d + "/a") as a:
        a.sendall(frame())
        cell(d, "b")
        equal(reload(daemon, d)["cellsAdded"], 1, "came")
        await_type(daemon.state, "run.opened", 2)
        with connect(d + "/b") as b:
            b.sendall(frame())
            wait_for("b's frame", lambda: types(d + "/s").count("guest.process_spawned") == 2)
        cell(d, "c")
        os.unlink(d + "/cells.d/b.conf")
        told = reload(daemon, d)
        equal((told["cellsAdded"], told["cellsRemoved"]), (1, 1), "one came, one went")
        sealed = await_type(daemon.state, "run.sealed")["data"]
        equal((sealed["cellId"], sealed["reason"], sealed["frames"]["stored"]), ("b", "unregistered", 1), "sealed")
        wait_for("its socket to go", lambda: not os.path.exists(d + "/b"))
        a.sendall(frame())
        wait_for("a's connection to go on", lambda: types(d + "/s").count("guest.process_spawned") == 3)
        with connect(d + "/c") as c:
            c.sendall(frame())
            wait_for("c's frame", lambda: types(d + "/s").count("guest.process_spawned") == 4)
        # A cell is what it was registered as, until it is gone.
        cell(d, "a", "mode = 0666\n")
        equal((reload(daemon, d)["cellsKept"], os.stat(d + "/a").st_mode & 0o777), (1, 0o600), "registered otherwise")
        check("cell a: it is registered otherwise" in daemon.stderr(), daemon.stderr())
        daemon.stop()
    cht("verify", d + "/s", want=12)  # runs stay open


def test_a_bad_file_changes_nothing(d):
    with begin(d) as daemon, connect(d + "/a") as a:
        write(d + "/chtd.conf", "[limits]\nstall = 7s\n")
        os.unlink(d + "/cells.d/a.conf")
        write(d + "/cells.d/b.conf", f"[cell b]\npath = {d}/b\nmood = 0600\n")
        refused(daemon, f"{d}/cells.d/b.conf:3: unknown key in [cell]: mood; did you mean mode")
        cell(d, "b")
        write(d + "/chtd.conf", "[limits]\nstall = soon\n")
        refused(daemon, f"{d}/chtd.conf:2: stall: expected a duration")
        write(d + "/chtd.conf", "")
        cell(d, "c", f"[cell d]\npath = {d}/b\n")
        refused(daemon, "cells b and d have the same socket")
        os.unlink(d + "/chtd.conf")
        refused(daemon, "nothing changes", f"{d}/chtd.conf: ", "No such file")
        a.sendall(frame())
        await_type(daemon.state, "guest.process_spawned")
        check(not os.path.exists(d + "/b") and types(d + "/s").count("run.opened") == 1, "no cell came")
        equal(reloads(d), [], "nothing is told")
        write(d + "/chtd.conf", "")
        os.unlink(d + "/cells.d/c.conf")
        told = reload(daemon, d)
        equal((told["changed"], told["cellsAdded"], told["cellsRemoved"]), ([], 1, 1), "a good one")
        daemon.stop()


def test_what_cannot_change_is_said_and_stays(d):
    with begin(d, "[limits]\nconnections = 8\n", "--control", d + "/control") as daemon:
        c = Control(d)
        c.put("mine", {"path": d + "/mine", "limits": {"connections": 3}})
        write(d + "/chtd.conf", "[daemon]\nshape = rust\non_full = drop\n[limits]\nconnections = 9\n"
                                "[control]\nwriters = 12345\n[ledger]\nname = other\n"
                                f"[cell mine]\npath = {d}/mine\n")
        told = reload(daemon, d)
        equal(told["kept"], ["daemon.shape", "daemon.on_full", "control.writers", "ledger.name", "limits.connections"],
              "what needs a restart")
        equal((told["changed"], told["cellsKept"], told["cellsRemoved"]), ([], 1, 0), "what changed")
        said = [line for line in daemon.stderr().splitlines() if "need a restart" in line]
        check(len(said) == 1 and all(k in said[0] for k in told["kept"]), said)
        c.put("more", {"path": d + "/more"})  # root is a writer as before, and cells come as before
        write(d + "/chtd.conf", "")
        told = reload(daemon, d)
        equal((told["kept"], told["cellsRemoved"]), (["limits.connections"], 0), "cells of the control socket stay")
        daemon.stop()


def test_signals_in_a_row_and_a_directory_that_is_gone(d):
    with begin(d) as daemon:
        for _ in range(20):
            daemon.proc.send_signal(signal.SIGHUP)
        wait_for("the last", lambda: len(reloads(d)) >= 1)
        equal(reload(daemon, d)["changed"], [], "nothing new")
        # Made anew, it is another one: the opener has the first.
        os.unlink(d + "/cells.d/a.conf")
        os.rmdir(d + "/cells.d")
        os.mkdir(d + "/cells.d")
        cell(d, "b")
        refused(daemon, "it is not the directory that was there at the start")
        with connect(d + "/a") as a:
            a.sendall(frame())
            await_type(daemon.state, "guest.process_spawned")
        daemon.stop()


if __name__ == "__main__":
    main(globals())
