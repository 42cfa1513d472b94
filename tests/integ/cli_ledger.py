#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cht ledger init and succeed on real logs, with the real scribe and line; succeed killed at each of
its system calls that change something, and run again."""

import base64
import filecmp
import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess

from rig import BIN, Daemon, check, cht, entries, equal, events, main, short, skip

SEED = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"
VARIABLE = "CELLOS_HOST_TELEMETRY_LOG_ED25519_SK"


def read(*path):
    with open(os.path.join(*path)) as f:
        return f.read()


def made(*args, env=None):
    return json.loads(cht("ledger", *args, "-o", "json", env=env).stdout)


def refused(*args, want=1, env=None):
    r = cht("ledger", *args, want=want, env=env)
    equal(r.stdout, b"", "what a refusal prints")
    return r.stderr.decode()


def check_vkey(vkey):
    """The id by its definition: C2SP signed-note."""
    name, ident, key = vkey.split("+", 2)
    raw = base64.b64decode(key, validate=True)
    equal((len(raw), raw[0]), (33, 1), "the key's length and type")
    equal(hashlib.sha256(name.encode() + b"\n" + raw).hexdigest()[:8], ident, "the key's id")
    return name, raw[1:]


def is_whole(state, log, what=""):
    """The log that was told stands in state, and nothing waits."""
    equal(read(state, "ledger/origin"), log["origin"] + "\n", what + "origin")
    equal(read(state, "ledger/vkey"), log["vkey"] + "\n", what + "vkey")
    equal(check_vkey(log["vkey"])[0], log["origin"], what + "the key's name")
    check(not os.path.exists(state + "/next"), what + "nothing waits in next")
    check(not os.path.exists(state + "/next.done"), what + "next.done is gone")


def same_tree(a, b):
    c = filecmp.dircmp(a, b)
    return not (c.left_only or c.right_only or c.diff_files or c.funny_files) and all(
        same_tree(f"{a}/{name}", f"{b}/{name}") for name in c.common_dirs)


def written(d, name="state", *args):
    """A log with a few entries, cleanly ended."""
    state = f"{d}/{name}"
    made("init", state, "--name", "old", "--retain-age", "30d", "--retain-bytes", "1GiB", *args)
    with Daemon(state, "--cell", f"a={d}/a") as daemon:
        daemon.stop()
    return state


def first_event(d, state):
    """log.opened, of a line that starts on what succeed left."""
    with Daemon(state, "--cell", f"a={d}/a") as daemon:
        daemon.stop()
    return next(iter(events(state)))


def test_init_makes_a_log_and_says_what_a_verifier_needs(d):
    log = made("init", d + "/s", "--name", "web-1.x", "--retain-bytes", "2GiB")
    check(re.fullmatch(r"web-1\.x/[0-9a-f]{16}", log["origin"]), "the origin has name and digits")
    is_whole(d + "/s", log)
    equal(log["policy"], f"log {log['vkey']}\nquorum none\n", "the policy")
    equal((log["retainAgeSeconds"], log["retainBytes"]), (None, 2 << 30), "the retention")
    equal(log["key"], d + "/s/scribe/key.pem", "where the key is")
    for path, mode in (("ledger", 0o750), ("scribe", 0o700), ("scribe/key.pem", 0o600), ("ledger/vkey", 0o640)):
        equal(stat.S_IMODE(os.stat(f"{d}/s/{path}").st_mode), mode, f"the mode of {path}")
    text = cht("ledger", "init", d + "/t").stdout.decode()
    check("log " + read(d, "t/ledger/vkey") + "quorum none\n" in text, "the text has the policy's lines")
    check("keeps   everything" in text and "scribe/key.pem" in text, "the text says what it keeps and where")
    shown = cht("key", "show", d + "/t/scribe/key.pem", "--origin", read(d, "t/ledger/origin").strip())
    check("vkey        " + read(d, "t/ledger/vkey") in shown.stdout.decode(), "cht key show gives the same")
    with Daemon(d + "/s", "--cell", f"a={d}/a") as daemon:
        daemon.stop()
    check(list(entries(d + "/s")), "chtd goes on with it")


def test_init_takes_a_key_that_is_given(d):
    cht("key", "gen", "--out", d + "/key")
    log = made("init", d + "/file", "--key-file", d + "/key", env={VARIABLE: SEED})
    equal(log["key"], d + "/key", "the key's file")
    shown = cht("key", "show", d + "/key").stdout.decode()
    public = base64.urlsafe_b64encode(check_vkey(log["vkey"])[1]).decode().rstrip("=")
    check("public key  " + public in shown, "it is the file's key")
    log = made("init", d + "/env", env={VARIABLE: SEED})
    equal(log["key"], VARIABLE, "the variable's name, not its value")
    check(not os.path.exists(d + "/env/scribe/key.pem"), "no key is made beside one that is given")
    os.mkdir(d + "/credentials")
    shutil.copy(d + "/key", d + "/credentials/cht.log-key")
    log = made("init", d + "/cred", env={VARIABLE: SEED, "CREDENTIALS_DIRECTORY": d + "/credentials"})
    equal(log["key"], d + "/credentials/cht.log-key", "the credential")
    says = refused("init", d + "/both", "--key-file", d + "/key", env={
        "CELLOS_HOST_TELEMETRY_SIGN_ALG": "ed25519", "CELLOS_HOST_TELEMETRY_SIGN_KID": "k",
        "CELLOS_HOST_TELEMETRY_SIGN_ED25519_SK": base64.urlsafe_b64encode(
            base64.b64decode(read(d, "key").splitlines()[1])[-32:]).decode()})
    check("each needs its own" in says, "an envelope's key is refused")
    check(not os.path.exists(d + "/both/ledger"), "and nothing is made")


def test_what_is_there_is_not_touched(d):
    made("init", d + "/s")
    shutil.copytree(d + "/s", d + "/copy")
    says = refused("init", d + "/s")
    check("has a log already" in says and "cht ledger succeed" in says, says)
    check("no log" in refused("succeed", d, "--reason", "damage"), "succeed needs a log")
    check(same_tree(d + "/s", d + "/copy"), "nothing changed")
    # An init that was killed before the origin was there is simply done again.
    os.unlink(d + "/s/ledger/origin")
    log = made("init", d + "/s")
    is_whole(d + "/s", log)
    check(filecmp.cmp(d + "/s/scribe/key.pem", d + "/copy/scribe/key.pem", False), "with the key that was made")


def test_of_many_that_begin_at_once_one_key_is_the_log_s(d):
    for n in range(20):
        state = f"{d}/{n}"
        many = [subprocess.Popen([os.path.join(BIN, "cht-scribe"), "--state", state, "--init"]) for _ in range(4)]
        equal([p.wait(30) for p in many], [0] * 4, "how they end")
        shown = cht("key", "show", state + "/scribe/key.pem", "--origin", read(state, "ledger/origin").strip())
        check("vkey        " + read(state, "ledger/vkey") in shown.stdout.decode(), "the file has the log's key")
        equal(sorted(os.listdir(state + "/scribe")), ["key.pem", "state"], "and nothing is left over")


def test_wrong_usage_is_2(d):
    for args in ((), ("start",), ("init",), ("init", ""), ("init", "a", "b"), ("init", "a", "--reason", "damage"),
                 ("init", "a", "--config", "f"), ("init", "a", "--retain-age", "30"),
                 ("init", "a", "--retain-bytes", "x"), ("succeed", "a"), ("succeed", "a", "--reason", "init"),
                 ("succeed", "a", "--reason", "damge"), ("init", "a", "-o", "yaml")):
        refused(*(os.path.join(d, x) if x == "a" else x for x in args), want=2)
    check("did you mean damage" in refused("succeed", "a", "--reason", "damge", want=2), "it helps")
    equal(os.listdir(d), [], "nothing is made")
    refused("init", d + "/s", "--name", "Not A Name")
    check(not os.path.exists(d + "/s/ledger/origin"), "a bad name makes no log")


def check_successor(d, state, base, log, reason):
    """log follows the one in base."""
    old = read(base, "ledger/origin").strip()
    past = f"{state}/past/{old[-16:]}"
    is_whole(state, log)
    equal(log["predecessor"], past, "where the old log is")
    equal(log["origin"].split("/")[0], old.split("/")[0], "it has the old one's name")
    check(log["origin"] != old and check_vkey(log["vkey"])[1] != check_vkey(read(base, "ledger/vkey").strip())[1],
          "but its own digits and key")
    if not log["predecessorClosed"]:
        check(same_tree(past + "/ledger", base + "/ledger"), "the old ledger is as it was")
        check(same_tree(past + "/scribe", base + "/scribe"), "and its scribe's directory")
    opened = first_event(d, state)
    equal(short(opened), "log.opened", "the first event")
    equal(opened["data"]["reason"], reason, "the reason in it")
    equal(opened["data"]["predecessor"]["note"], read(past, "ledger/checkpoint"), "the predecessor's last note")


def test_a_damaged_log_is_followed(d):
    base = written(d)
    shutil.copytree(base, d + "/base")
    os.unlink(base + "/scribe/state")
    os.unlink(d + "/base/scribe/state")
    log = made("succeed", base, "--reason", "lost-state")
    equal((log["reason"], log["predecessorClosed"]), ("lost-state", False), "what is told")
    # The state that said how long to keep is lost.
    equal((log["retainAgeSeconds"], log["retainBytes"]), (None, None), "the retention")
    check_successor(d, base, d + "/base", log, "lost-state")


def test_what_is_not_told_is_as_it_was(d):
    base = written(d)
    log = made("succeed", base, "--reason", "restore")
    equal((log["retainAgeSeconds"], log["retainBytes"]), (30 * 86400, 1 << 30), "the retention")
    log = made("succeed", base, "--reason", "damage", "--name", "new", "--retain-age", "none", "--retain-bytes", "2")
    equal((log["retainAgeSeconds"], log["retainBytes"]), (None, 2), "the retention that is told")
    check(log["origin"].startswith("new/"), "the name that is told")
    equal(len(os.listdir(base + "/past")), 2, "both predecessors are kept")


def test_a_log_without_origin_is_followed(d):
    base = written(d)
    os.unlink(base + "/ledger/origin")
    os.unlink(base + "/ledger/vkey")
    log = made("succeed", base, "--reason", "damage")
    is_whole(base, log)
    check(re.fullmatch(r"[0-9a-f]{16}", os.path.basename(log["predecessor"])), "the old one's place has digits")
    check(os.path.exists(log["predecessor"] + "/ledger/checkpoint"), "and the old log is in it")


def test_a_key_has_one_log(d):
    base = written(d)
    shutil.copy(base + "/scribe/key.pem", d + "/key")
    check("a key of its own" in refused("succeed", base, "--reason", "damage", "--key-file", d + "/key"), "refused")
    # The environment's key is the old log's: it is not looked at.
    made("init", d + "/env", env={VARIABLE: SEED})
    log = made("succeed", d + "/env", "--reason", "damage", env={VARIABLE: SEED})
    check(check_vkey(log["vkey"])[1] != check_vkey(read(log["predecessor"], "ledger/vkey").strip())[1], "a new key")
    log = made("succeed", base, "--reason", "damage")
    is_whole(base, log)


def test_nothing_is_done_while_a_line_runs(d):
    base = written(d)
    with Daemon(base, "--cell", f"a={d}/a") as daemon:
        check("stop it first" in refused("succeed", base, "--reason", "damage"), "refused")
        check(not os.path.exists(base + "/next"), "nothing is begun")
        daemon.stop()
    fd = os.open(base, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    check("another cht ledger succeed" in refused("succeed", base, "--reason", "damage"), "one at a time")
    os.close(fd)


def closing(state):
    """The last two events of a log that was ended."""
    return list(events(state))[-2:]


def test_a_rotated_log_names_its_successor(d):
    base = written(d)
    before = list(entries(base))
    key = read(base, "scribe/key.pem")
    log = made("succeed", base, "--reason", "rotation")
    check(log["predecessorClosed"], "it is closed")
    equal(list(entries(log["predecessor"]))[:len(before)], before, "what was there before")
    equal(read(log["predecessor"], "scribe/key.pem"), key, "the old key stays with its log")
    closed, stopped = closing(log["predecessor"])
    equal((short(closed), short(stopped)), ("log.closed", "host.stopped"), "its last events")
    equal(closed["data"]["reason"], "rotation", "why")
    equal(closed["data"]["successor"], {"origin": log["origin"], "vkey": log["vkey"]}, "the successor")
    with Daemon(log["predecessor"], "--cell", f"a={d}/a", wait=False) as daemon:
        daemon.wait(78)
        check("closed" in daemon.stderr(), "a closed log is not written again")
    opened = first_event(d, base)
    equal((short(opened), opened["data"]["reason"]), ("log.opened", "rotation"), "the new log's first event")
    equal(opened["data"]["predecessor"]["note"], read(log["predecessor"], "ledger/checkpoint"), "over log.closed, too")
    again = made("succeed", base, "--reason", "format")
    equal(len(os.listdir(base + "/past")), 2, "and so on")
    is_whole(base, again)


def test_a_rotation_needs_the_old_key(d):
    base = written(d)
    os.rename(base + "/scribe/key.pem", d + "/key")
    says = refused("succeed", base, "--reason", "rotation")
    check("status 78" in says and "--reason damage" in says, says)
    waits = read(base, "next/ledger/origin")
    shutil.copytree(base, d + "/other")
    os.rename(d + "/key", base + "/scribe/key.pem")
    log = made("succeed", base, "--reason", "rotation")
    equal(log["origin"] + "\n", waits, "the log that was waiting")
    log = made("succeed", d + "/other", "--reason", "damage")
    equal((log["origin"] + "\n", log["reason"], log["predecessorClosed"]), (waits, "damage", False), "another reason")
    equal(first_event(d, d + "/other")["data"]["reason"], "damage", "the reason in log.opened")


def test_after_a_compromise_the_key_need_not_be_there(d):
    base = written(d)
    shutil.copytree(base, d + "/other")
    log = made("succeed", base, "--reason", "compromise")
    equal([short(e) for e in closing(log["predecessor"])], ["log.closed", "host.stopped"], "with the key")
    os.unlink(d + "/other/scribe/key.pem")
    r = cht("ledger", "succeed", d + "/other", "--reason", "compromise")
    check(b"gets no last events" in r.stderr and b"not closed by events" in r.stdout, "without it")
    equal(first_event(d, d + "/other")["data"]["reason"], "compromise", "the reason in log.opened")


def test_a_key_of_the_environment_ends_its_log_and_no_other(d):
    env = {VARIABLE: SEED}
    state = d + "/s"
    made("init", state, env=env)
    with Daemon(state, "--cell", f"a={d}/a", env=env) as daemon:
        daemon.stop()
    log = made("succeed", state, "--reason", "rotation", env=env)
    check(log["predecessorClosed"], "it is closed")
    equal(log["key"], state + "/scribe/key.pem", "the new log's key")
    with Daemon(state, "--cell", f"a={d}/a", env=env, wait=False) as daemon:
        daemon.wait(78)
        check("is not the one of ledger/vkey" in daemon.stderr(), "the old key is refused")
    with Daemon(state, "--cell", f"a={d}/a") as daemon:
        daemon.stop()


def test_last_events_are_signed_as_all_were(d):
    base = written(d)
    cht("key", "gen", "--out", d + "/envelope")
    with open(d + "/conf", "w") as f:
        f.write(f"[sign]\nalg = ed25519\nkid = k\nkey_file = {d}/envelope\n")
    log = made("succeed", base, "--reason", "rotation", "--config", d + "/conf")
    last = json.loads(list(entries(log["predecessor"]))[-1])
    equal(last["signerKid"], "k", "the last event's signer")


def test_root_makes_it_for_the_log_s_owner(d):
    if os.getuid() != 0:
        skip("becoming another user needs root")
    # The build may lie where nobody else may look.
    os.chmod(d, 0o755)
    for name in ("cht", "chtd", "cht-scribe", "cht-opener"):
        shutil.copy(os.path.join(BIN, name), d)

    def drop():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    os.mkdir(d + "/own")
    os.chown(d + "/own", 65534, 65534)
    subprocess.run([d + "/cht", "ledger", "init", d + "/own/s"], preexec_fn=drop, check=True, stdout=subprocess.DEVNULL)
    with Daemon(d + "/own/s", "--cell", f"a={d}/own/a", preexec=drop, bin_dir=d) as daemon:
        daemon.stop()
    # Where only root may make directories.
    os.chown(d + "/own/s", 0, 65534)
    r = subprocess.run([d + "/cht", "ledger", "succeed", d + "/own/s", "--reason", "rotation"], check=False,
                       capture_output=True)
    equal((r.returncode, r.stderr), (0, b""), "as root")
    for where in ("ledger", "scribe", "scribe/key.pem", "ledger/vkey"):
        equal(os.stat(f"{d}/own/s/{where}").st_uid, 65534, f"the owner of {where}")
    r = subprocess.run([d + "/cht", "ledger", "succeed", d + "/own/s", "--reason", "rotation"], check=False,
                       capture_output=True, preexec_fn=lambda: os.setuid(65533))
    equal(r.returncode, 1, "as a stranger")


def test_what_is_begun_is_finished(d):
    base = written(d)
    # A file in the place of past: everything before the first move is done.
    with open(base + "/past", "w"):
        pass
    refused("succeed", base, "--reason", "rotation")
    waits = read(base, "next/ledger/origin")
    os.unlink(base + "/past")
    check("has ended with --reason rotation" in refused("succeed", base, "--reason", "damage"), "another reason")
    log = made("succeed", base, "--reason", "rotation")
    equal(log["origin"] + "\n", waits, "the log that was waiting")
    is_whole(base, log)


def test_init_waits_for_a_succession(d):
    base = written(d)
    os.rename(base + "/ledger", base + "/moved")
    os.mkdir(base + "/next")
    check("cht ledger succeed" in refused("init", base), "a gap in a succession is no place for a new log")


CHANGES = ("mkdirat", "mkdir", "openat", "write", "fsync", "fdatasync", "renameat", "renameat2", "unlinkat", "pwrite64",
           "clone", "clone3", "vfork", "execve", "wait4", "exit_group")


def traced(state, reason, *options):
    return subprocess.run(["strace", *options, os.path.join(BIN, "cht"), "ledger", "succeed", state, "--reason", reason],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
                          # A sanitizer's search for leaks cannot be traced.
                          env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}, timeout=60).returncode


def places(trace):
    """Call and number of all that cht itself does from its first step on."""
    seen, todo = {}, []
    for line in trace.splitlines():
        name = line.split("(")[0]
        seen[name] = seen.get(name, 0) + 1  # strace counts each call by its name
        if name in CHANGES and (todo or name == "mkdirat"):
            todo.append(("", name, seen[name]))
    return todo


def check_finished(d, state, base, reason, what):
    """Once more, unless all was done but for an exit; then a line goes on."""
    old = read(base, "ledger/origin").strip()
    done = read_or_none(state, "ledger/origin") not in (None, old + "\n") and not os.path.exists(state + "/next")
    log = None if done else made("succeed", state, "--reason", reason)
    origin = read(state, "ledger/origin").strip()
    equal(os.listdir(state + "/past"), [old[-16:]], what + "what has passed")
    check(origin != old, what + "another stands in its place")
    check(log is None or log["origin"] == origin, what + "the one that was told")
    check(not os.path.exists(state + "/next"), what + "nothing waits")
    past = f"{state}/past/{old[-16:]}"
    equal(sorted(os.listdir(past)), ["ledger", "scribe"], what + "the old one is whole")
    equal(read(past, "ledger/origin").strip(), old, what + "and the old one")
    with Daemon(state, "--cell", f"a={d}/a") as daemon:
        daemon.stop()
    opened = next(iter(events(state)))
    equal(opened["data"]["predecessor"]["note"], read(past, "ledger/checkpoint"), what + "the predecessor's last note")
    equal(read(state, "ledger/origin").strip(), origin, what + "it is still the same")
    return past


def read_or_none(*path):
    try:
        return read(*path)
    except FileNotFoundError:
        return None


def kill_everywhere(d, reason, in_children, step=1):
    """cht is killed at each of its calls that matter, and its children at those of in_children."""
    if shutil.which("strace") is None:
        skip("strace is not there")
    base = written(d, "base")
    shutil.copytree(base, d + "/whole")
    if traced(d + "/whole", reason, "-o", d + "/trace") != 0:
        skip("strace may not trace here")
    todo = places(read(d, "trace"))[::step] + [("-f", name, n) for name, most in in_children for n in range(1, most + 1)]
    cut = 0
    for follow, name, n in todo:
        state = f"{d}/s"
        shutil.copytree(base, state)
        options = [follow] if follow else []
        cut += traced(state, reason, *options, "-o", "/dev/null", "-e", f"inject={name}:signal=KILL:when={n}") != 0
        yield check_finished(d, state, base, reason, f"killed {follow} at {name} {n}: ")
        shutil.rmtree(state)
    print(f"  {cut} of {len(todo)} runs were cut short")
    check(cut > len(todo) // 2, "most of them are")


def test_killed_anywhere_it_is_finished_by_running_it_again(d):
    for _ in kill_everywhere(d, "damage", [("pwrite64", 4), ("ftruncate", 1), ("renameat2", 1), ("write", 3)]):
        pass


def test_killed_anywhere_in_a_rotation_the_old_log_is_closed(d):
    # The line's and the scribe's calls as they end the old log, and the scribe's as it begins the new one.
    children = [("pwrite64", 10), ("fdatasync", 8), ("sendmsg", 4), ("recvmsg", 4), ("epoll_wait", 3), ("exit_group", 1)]
    for past in kill_everywhere(d, "rotation", children, step=4):
        equal([short(e) for e in closing(past)], ["log.closed", "host.stopped"], "the old log's last events")
        successor = closing(past)[0]["data"]["successor"]["origin"]
        equal(successor, read(os.path.dirname(os.path.dirname(past)), "ledger/origin").strip(), "the successor in them")


if __name__ == "__main__":
    main(globals())
