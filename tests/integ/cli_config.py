#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cht config: what chtd would use, and where it is from."""

import hashlib
import json
import os

from rig import Daemon, check, cht, equal, events, main, put, short

CONF = b"""# a host
[daemon]
state = %s/s

[limits]
stall = 1500ms

[control]
socket = %s/control

[cell web-1]
base = %s/v
mode = 0660
"""


def conf(d, text=CONF):
    path = d + "/chtd.conf"
    put(path, text % ((d.encode(),) * text.count(b"%s")))
    return path


def test_the_spec_of_the_hosts_run_is_the_digest_of_what_is_printed(d):
    for n, (args, file) in enumerate(((("--cell", f"b={d}/b,uid=7"), True), ((), True), (("--control", d + "/c"), False))):
        given = [*(("--config", conf(d)) if file else ()), *args]
        with Daemon(d + f"/s{n}", *given) as daemon:
            daemon.stop()
        started = [e for e in events(d + f"/s{n}") if short(e) == "host.started"][0]
        said = cht("config", "show", *((conf(d),) if file else ()), "--state", d + f"/s{n}", *args, "-o", "json").stdout
        equal(started["data"]["specSignatureHash"], "sha256:" + hashlib.sha256(said).hexdigest(), "the spec")
        check(said.endswith(b"}\n") and said.count(b"\n") == 1 and json.loads(said), "a line of JSON")


def test_every_value_says_where_it_is_from(d):
    path = conf(d)
    said = cht("config", "show", path, "--cell", "b=/b", "--control", "/run/c",
               env={"CELLOS_HOST_TELEMETRY_LOG_ED25519_SK": "s3cr3t"}).stdout.decode()
    rows = {line.split(" = ")[0]: line.split(" ; ")[1] for line in said.splitlines() if " ; " in line and " = " in line}
    equal(rows["stall"], path + ":6", "from the file")
    equal(rows["connections"], "default", "not given")
    equal(rows["socket"], "option --control", "from an option")
    check("[cell b]\nbase = /b" in said and "option --cell" in said, said)
    check("LOG_ED25519_SK is in this environment" in said and "s3cr3t" not in said, "named, never shown")
    # What is shown is a configuration: it means the same.
    put(d + "/again.conf", said.encode())
    equal(cht("config", "show", d + "/again.conf", "-o", "json").stdout,
          cht("config", "show", path, "--cell", "b=/b", "--control", "/run/c", "-o", "json").stdout, "shown again")
    told = [json.loads(line) for line in cht("config", "show", path, "--origins", "-o", "json").stdout.splitlines()]
    stall = [t for t in told if t["key"] == "stall"][0]
    equal(stall, {"section": "limits", "key": "stall", "value": "1500ms", "from": "file", "file": path, "line": 6}, "stall")


def test_what_chtd_would_refuse_ends_with_78(d):
    path = conf(d)
    equal(cht("config", "check", path).stdout.decode(), f"{path}: ok, 1 cell\n", "a good one")
    equal(json.loads(cht("config", "check", path, "-o", "json").stdout), {"ok": True, "cells": 1, "hasState": True}, "a good one")
    bare = conf(d, b"[cell a]\nbase = /b\n")
    check("needs --state" in cht("config", "check", bare).stdout.decode(), "a unit gives the state")
    equal(json.loads(cht("config", "check", bare, "-o", "json").stdout)["hasState"], False, "so says JSON")
    check("; state is not set" in cht("config", "show", bare).stdout.decode(), "nor is one shown")
    path = conf(d)
    for text, words in ((b"[daemon]\nstate = /s\nstat = /t\n", (":3:", "unknown key", "stat", "did you mean state")),
                        (b"[limits]\nconnections = 0\n", (":2:", "connections", "1 to 1023")),
                        (b"[cell a b]\nbase = /b\n", (":1:", "A-Z a-z 0-9")),
                        (b"[daemon]\nstate = /s\n[cell a]\nuid = 3\n", ("cell a", "base", "path")),
                        (b"hello\n", (":1:",))):
        done = cht("config", "check", conf(d, text), want=78)
        for word in words:
            check(word in done.stderr.decode(), f"{word} in {done.stderr}")
        check(not done.stdout, "nothing on stdout")
        check(not json.loads(cht("config", "check", path, "-o", "json", want=78).stdout)["ok"], "so says JSON")
        cht("config", "show", path, want=78)
    check(b"No such file" in cht("config", "check", d + "/none", want=78).stderr, "no file")


def test_what_does_not_go_with_the_units_options_is_refused(d):
    joined = ("--scribe", d + "/scribe", "--opener", d + "/opener")
    whole = conf(d)
    cht("config", "check", whole, *joined)
    cht("config", "check", whole, "--control", d + "/c", "--register", d + "/r", "--scribe", d + "/scribe",
        "--scribe-user", "root", "--opener", d + "/opener", "--opener-user", "0")
    for text, want in ((b"[ledger]\nretain_age = 1d\n", "[ledger]"), (b"[sign]\nkid = k\nalg = ed25519\nkey_file = /k\n", "[sign]"),
                       (b"[opener]\nroots = /run/vms\n", "[opener]")):
        path = conf(d, text)
        cht("config", "check", path)
        said = cht("config", "check", path, *joined, want=78).stderr.decode()
        check("with --" in said and want in said, f"{want}: {said}")
    for args in (("--scribe-user", "root"), ("--opener-user", "root")):
        check("goes with" in cht("config", "check", whole, *args, want=78).stderr.decode(), str(args))
    path = conf(d, b"[daemon]\nstate = /s\n[control]\nregister = /r\n")
    cht("config", "check", path, want=78)
    cht("config", "check", path, "--control", "/c")
    said = cht("config", "show", "--state", "/s", "--control", "/c", "--register", "/r").stdout.decode()
    for row in ("option --control", "option --register"):
        check(row in said, f"{row} in {said}")


def test_a_name_that_this_host_has_not_is_refused(d):
    for line, word in (("writers = root, nobody-has-this", "user \"nobody-has-this\""),
                       ("readers = @nobody-has-this", "group \"nobody-has-this\""),
                       ("readers = " + ",".join(str(n) for n in range(33)), "at most 32")):
        path = conf(d, f"[daemon]\nstate = {d}/s\n[control]\nsocket = {d}/c\n{line}\n".encode())
        said = cht("config", "check", path, want=78).stderr.decode()
        check(word in said and line[:7] in said, f"{line}: {said}")
    for option in ("scribe", "opener"):
        said = cht("config", "check", conf(d), f"--{option}", "/x", f"--{option}-user", "nobody-has-this", want=78)
        check(f"--{option}-user: there is no user" in said.stderr.decode(), str(said.stderr))
    cht("config", "check", conf(d, f"[daemon]\nstate = {d}/s\n[control]\nsocket = {d}/c\nwriters = root, @root, 7\n".encode()))


def test_a_hostile_path_does_not_reach_the_terminal(d):
    said = cht("config", "show", "--state", "/s\x1b[31m\u202e").stdout
    check(b"\x1b" not in said and b"\\x1b[31m\\u202e" in said, str(said))


def test_wrong_usage_ends_with_2(_):
    for args in ((), ("chek",), ("check", "a", "b"), ("check", "a", "--origins"), ("show", "a", "--origins"),
                 ("show", "--cell")):
        check(cht("config", *args, want=2).stderr, f"{args} is explained")


def drop_in(d, name, text):
    os.makedirs(d + "/cells.d", exist_ok=True)
    put(f"{d}/cells.d/{name}", text)


def test_cells_stand_beside_the_file_too(d):
    path = conf(d)
    for name, cell in (("20-b.conf", "b"), ("10-c.conf", "c")):
        drop_in(d, name, f"[cell {cell}]\nbase = {d}/{cell}\n".encode())
    for name in (".hidden.conf", "c.conf.dpkg-old", "README"):
        drop_in(d, name, b"no configuration at all")
    drop_in(d, "empty.conf", b"# nothing yet\n")
    with Daemon(d + "/s", "--config", path) as daemon:
        for cell in ("v", "b", "c"):
            check(os.path.exists(f"{d}/{cell}_9001"), f"no socket of {cell}")
        daemon.stop()
    opened = [e["data"]["cellId"] for e in events(d + "/s") if short(e) == "run.opened"]
    equal(opened, ["web-1", "c", "b"], "cells, the file's first and then by name")
    said = cht("config", "show", path).stdout.decode()
    check("cells.d/20-b.conf" in said, "where it is from: " + said)


def test_a_cell_that_stands_twice_is_told_with_both_places(d):
    path = conf(d)
    for name, text, want in (
            ("a.conf", b"\n[cell web-1]\nbase = /x\n",
             f"{d}/cells.d/a.conf:2: a second section for the same cell: the first is {path}:11"),
            ("a.conf", b"[limits]\nstall = 1s\n",
             f"{d}/cells.d/a.conf:1: a file of cells.d has sections [cell ID] and no others"),
            ("a.conf", b"[cell x]\nbase = %s/v\n" % d.encode(), "have the same socket"),
            ("a.conf", b"[cell x]\nbass = /x\n", f"{d}/cells.d/a.conf:2: unknown key")):
        drop_in(d, name, text)
        r = cht("config", "check", path, want=78)
        check(want in r.stderr.decode(), f"{r.stderr.decode()} for {want}")
    os.unlink(d + "/cells.d/a.conf")
    os.symlink(path, d + "/cells.d/b.conf")
    check("b.conf" in cht("config", "check", path, want=78).stderr.decode(), "a link is no file")


if __name__ == "__main__":
    main(globals())
