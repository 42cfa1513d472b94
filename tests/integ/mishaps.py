#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What operators do to a ledger by mistake, or others on purpose while it is stopped: each start
that must not be is refused, untouched, with the way on; and what cannot be seen from inside."""

import os
import shutil
import subprocess
import tempfile

from rig import BIN, Daemon, await_count, check, cht, entries, equal, main, skip, types


def grow(d, n=40, state=None):
    """The log in `state`, longer by a run that is sealed."""
    state = state or d + "/s"
    with Daemon(state, "--seal", "--cell", f"vm={d}/v") as daemon:
        before = types(state).count("guest.process_spawned")
        cht("send", f"unix:{d}/v_9001", "-n", str(n), "--seq", "--hello")
        await_count(state, "guest.process_spawned", before + n)
        daemon.stop()


def content(path):
    """Every file below, but for what each start writes before it looks: its own table."""
    found = {}
    for folder, _, names in os.walk(path):
        for name in names:
            full = os.path.join(folder, name)
            if "/line/" not in full:
                with open(full, "rb") as f:
                    found[full] = f.read()
    return found


def put_back(d, *parts):
    """These parts of the state as they were one run ago."""
    grow(d)
    shutil.copytree(d + "/s", d + "/backup")
    grow(d)
    for part in parts:
        at = f"{d}/s/{part}"
        if os.path.isdir(at):
            shutil.rmtree(at)
            shutil.copytree(f"{d}/backup/{part}", at)
        else:
            shutil.copy(f"{d}/backup/{part}", at)


def refused(d, status, says):
    before = content(d + "/s")
    daemon = Daemon(d + "/s", "--cell", f"vm={d}/v", wait=False)
    with daemon:
        daemon.wait(status)
    check(says in daemon.stderr(), f"{says!r} in {daemon.stderr()!r}")
    equal(content(d + "/s"), before, "what was touched")
    check(not os.path.exists(d + "/v_9001"), "no socket is left that nobody serves")


def goes_on(d, reason):
    """In a new log, which is sound, and knows of the old one."""
    cht("ledger", "succeed", d + "/s", "--reason", reason)
    grow(d)
    cht("verify", d + "/s", "--vkey", d + "/s/ledger/vkey", want=0)
    check(f'"reason":"{reason}"'.encode() in next(iter(entries(d + "/s"))), "entry 0 says why")


def test_a_part_that_was_put_back_is_refused(d):
    for name, part, says in (
            ("ledger", "ledger", "cht ledger succeed"),
            ("state", "scribe/state", "cht ledger succeed"),
            ("entries", "ledger/entries", "cht ledger succeed"),
            ("hashes", "ledger/hashes", "cht ledger succeed")):
        os.mkdir(f"{d}/{name}")
        put_back(f"{d}/{name}", part)
        refused(f"{d}/{name}", 11, says)
        goes_on(f"{d}/{name}", "restore")


def test_all_put_back_is_told_by_an_anchor_alone(d):
    grow(d)
    vkey = d + "/s/ledger/vkey"
    shutil.copytree(d + "/s", d + "/backup")
    grow(d)
    shutil.copy(d + "/s/ledger/checkpoint", d + "/kept")
    shutil.rmtree(d + "/s")
    shutil.copytree(d + "/backup", d + "/s")
    cht("verify", d + "/s", "--vkey", vkey, "--since", d + "/kept", want=11)
    r = cht("verify", d + "/s", "--vkey", vkey, want=0)
    check(b"not anchored" in r.stdout, f"without an anchor it says so: {r.stdout.decode()}")
    grow(d, 60)  # another history, longer than the first
    cht("verify", d + "/s", "--vkey", vkey, want=0)
    cht("verify", d + "/s", "--vkey", vkey, "--since", d + "/kept", want=11)


def test_a_state_of_another_machine_is_refused(d):
    if os.geteuid() != 0:
        skip("another machine-id needs a mount, and that needs root")
    grow(d)
    with tempfile.NamedTemporaryFile("w", prefix="cht-machine-id-") as other:
        other.write("0123456789abcdef" * 2 + "\n")
        other.flush()
        script = f'mount --bind {other.name} /etc/machine-id && exec "$@"'
        before = content(d + "/s")
        r = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", os.path.join(BIN, "chtd"), "--state", d + "/s",
                            "--cell", f"vm={d}/v"], capture_output=True, timeout=60, check=False)
        if b"mount" in r.stderr or b"unshare" in r.stderr:
            skip(r.stderr.decode().strip())
    equal(r.returncode, 11, r.stderr.decode())
    check(b"another machine" in r.stderr and b"--reason restore" in r.stderr, r.stderr.decode())
    equal(content(d + "/s"), before, "what was touched")
    grow(d)  # where it belongs it goes on


def test_without_its_key_a_log_ends(d):
    grow(d)
    key = d + "/s/scribe/key.pem"
    os.rename(key, d + "/key.pem")
    refused(d, 78, "there is no checkpoint key")
    cht("key", "gen", "--kid", "other", "--out", key)
    refused(d, 78, "cht ledger succeed")
    os.unlink(key)
    goes_on(d, "compromise")


def test_without_its_state_a_log_ends(d):
    grow(d)
    os.unlink(d + "/s/scribe/state")
    refused(d, 11, "--reason lost-state")
    goes_on(d, "lost-state")


def test_bytes_behind_an_orderly_end_are_refused(d):
    grow(d)
    with open(d + "/s/ledger/entries/" + "0" * 20, "ab") as f:
        f.write(b"\x00\x02{}")
    refused(d, 11, "above a clean mark")
    goes_on(d, "damage")


if __name__ == "__main__":
    main(globals())
