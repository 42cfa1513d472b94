#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cht doctor: whether this host is fit, beside a real chtd."""

import json
import os
import resource
import shutil
import subprocess

from rig import BIN, Daemon, check, cht, equal, main, put, skip

NAMES = ["config", "programs", "state", "space", "sync", "keys", "sockets", "paths", "control", "separation",
         "descriptors", "clock", "landlock", "seccomp", "memfd", "openat2", "pidfd", "vsock", "backlog", "pipes"]


def conf(d, more=""):
    put(d + "/chtd.conf", f"[daemon]\nstate = {d}/s\n[control]\nsocket = {d}/control\n{more}".encode())
    return d + "/chtd.conf"


def told(d, *args):
    """The checks by name; and that status, ok and what is said go together."""
    done = cht("doctor", *args, "-o", "json", want=None)
    said = json.loads(done.stdout)
    checks = {c["name"]: c for c in said["checks"]}
    equal(list(checks), NAMES, "the checks")
    fails = [c for c in checks.values() if c["verdict"] == "fail"]
    equal((done.returncode, said["ok"]), (1 if fails else 0, not fails), f"the status with {fails}")
    for c in checks.values():
        equal("fix" in c, c["verdict"] != "ok", f"a fix for {c}")
        check(c["text"], f"{c['name']} says what it found")
    return checks


def verdict(d, name, *args):
    c = told(d, *args)[name]
    return c["verdict"], c["text"]


def test_beside_a_chtd_that_runs(d):
    with Daemon(d + "/s", "--config", conf(d, f"cells = 8\n[cell a]\nbase = {d}/a\n")) as daemon:
        before = sorted(os.listdir(d + "/s"))
        checks = told(d, conf(d, f"cells = 8\n[cell a]\nbase = {d}/a\n"))
        for name in ("config", "state", "keys", "sockets", "paths", "memfd", "openat2", "pidfd", "descriptors"):
            equal(checks[name]["verdict"], "ok", f"{name}: {checks[name]['text']}")
        check("1 cell, others by control up to 8" in checks["config"]["text"], checks["config"]["text"])
        check("answers" in checks["control"]["text"] and checks["control"]["verdict"] == "ok", checks["control"]["text"])
        uid = os.getuid()
        check(f"chtd is user {uid}, cht-scribe is user {uid}" in checks["separation"]["text"] and
              checks["separation"]["verdict"] == "warn", checks["separation"]["text"])
        check("for chtd" in checks["descriptors"]["text"], checks["descriptors"]["text"])
        check("us for fdatasync" in checks["sync"]["text"], checks["sync"]["text"])
        equal(sorted(os.listdir(d + "/s")), before, "nothing is left behind")
        text = cht("doctor", conf(d), want=None).stdout.decode()
        check("-> " in text and " to mend" in text and "\x1b" not in text, text)
        os.chmod(d + "/control", 0o666)
        check(verdict(d, "control", conf(d))[0] == "fail", "everybody may ask")
        daemon.stop()


def test_what_is_wrong_is_found(d):
    cht("ledger", "init", d + "/s")
    for more, name, want, words in (
            ("cels = 3\n", "config", "fail", "did you mean cells"),
            (f"[cell a]\npath = {d}/none/a\n", "sockets", "fail", "none is no directory"),
            (f"[opener]\nroots = /none {d}/s\n[cell a]\npath = {d}/a\n", "sockets", "fail", "below none of the roots"),
            (f"[opener]\nroots = /none {d}/\n[cell a]\npath = {d}/a\n", "sockets", "ok", "1 configured socket"),
            (f"[opener]\nroots = /none\t{d}/\n[cell a]\npath = {d}/a\n", "sockets", "ok", "1 configured socket"),
            (f"[opener]\nroots = {d} \t/none\n[cell a]\npath = {d}/a\n", "sockets", "ok", "1 configured socket"),
            (f"[opener]\nroots = /none\t{d}/s\n[cell a]\npath = {d}/a\n", "sockets", "fail", "below none of the roots"),
            (f"[cell a]\nbase = {d}/{'v' * 100}\n", "paths", "warn", "a VMM connects to 107"),
            (f"[ledger]\nlog_key_file = {d}/nokey\n", "keys", "fail", "No such file"),
            (f"[ledger]\nlog_key_file = {d}\n", "keys", "fail", "no regular file"),
            ("", "control", "warn", "chtd does not run")):
        got, text = verdict(d, name, conf(d, more))
        check(got == want and words in text, f"{name} is {got}: {text}")
    equal(verdict(d, "keys", conf(d))[0], "ok", "the key that init made")
    os.chmod(d + "/s/scribe/key.pem", 0o640)
    equal(verdict(d, "keys", conf(d))[0], "fail", "a key that a group may read")
    os.chmod(d + "/s", 0o777)
    equal(verdict(d, "state", conf(d))[0], "fail", "a state directory for everybody")
    equal(verdict(d, "state", "--state", d + "/none")[0], "fail", "none")
    equal(verdict(d, "state", "--state", d + "/chtd.conf")[0], "fail", "a file")


def test_each_program_must_be_there(d):
    for missing in ("chtd", "cht-scribe", "cht-opener"):
        place = f"{d}/without-{missing}"
        os.mkdir(place)
        for name in {"cht", "chtd", "cht-scribe", "cht-opener"} - {missing}:
            shutil.copy(os.path.join(BIN, name), place)
        done = subprocess.run([place + "/cht", "doctor", "--state", d, "-o", "json"], capture_output=True, check=False)
        said = next(c for c in json.loads(done.stdout)["checks"] if c["name"] == "programs")
        if f"{missing} is not there" not in said["text"]:
            skip(f"{missing} is installed: {said['text']}")
        equal(said["verdict"], "fail", f"without {missing}")


def test_limits_are_compared_with_what_cells_need(d):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    for cells, want in ((1, "ok"), (16384 if 64 + 2 * 16384 > hard else None, "warn")):
        if cells is not None:
            equal(verdict(d, "descriptors", conf(d, f"cells = {cells}\n"))[0], want, f"{cells} cells")


def test_a_hostile_path_does_not_reach_the_terminal(d):
    for args in (("--state", d + "/\x1b[2J\u202e"), (d + "/\x1b[2J",)):
        raw = cht("doctor", *args, want=1).stdout + cht("doctor", *args, "-o", "json", want=1).stdout
        check(b"\x1b" not in raw and "\u202e" not in raw.decode(), str(raw))


def test_wrong_usage_ends_with_2(_):
    for args in (("a", "b"), ("--stat", "x"), ("-o", "x")):
        check(cht("doctor", *args, want=2).stderr, f"{args} is explained")


if __name__ == "__main__":
    main(globals())
