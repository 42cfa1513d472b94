#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""attacks - what somebody may try on a ledger that the real line and scribe wrote: each is told by cht
verify, named, and has its exit code."""

import base64
import hashlib
import json
import os
import shutil
import signal
import struct
import time

import merkle
from rig import Daemon, check, cht, entries, equal, is_gone, main, types, wait_for

SIGN = {"CELLOS_HOST_TELEMETRY_SIGN_ALG": "hmac-sha256", "CELLOS_HOST_TELEMETRY_SIGN_KID": "kid-1",
        "CELLOS_HOST_TELEMETRY_SIGN_HMAC_KEY": "c3VwZXJ2aXNvcg"}
SEGMENT = "ledger/entries/00000000000000000000"


def record(d, name="s", frames=40, env=None, stop=True):
    """A ledger of one sealed run; its state directory."""
    state = f"{d}/{name}"
    with Daemon(state, "--seal", "--cell", f"vm={d}/v,run=run-1", env=env) as daemon:
        cht("send", f"unix:{d}/v_9001", "-n", str(frames), "--seq", "--hello")
        wait_for("the frames", lambda: types(state).count("guest.process_spawned") >= frames)
        if stop:
            daemon.stop()
        else:
            scribe = daemon.scribe_pid()
            os.kill(scribe, signal.SIGKILL)
            daemon.proc.kill()
            daemon.proc.wait()
            wait_for("the scribe's end", lambda: is_gone(scribe))
    shutil.copy(f"{state}/ledger/vkey", f"{d}/vkey")
    return state


def verify(d, path, *args, vkey=True):
    """Exit status, and the report."""
    r = cht("verify", path, "-o", "json", *(["--vkey", f"{d}/vkey"] if vkey else []), *args, want=None)
    check(r.returncode in (0, 10, 11, 12), f"verify ended with {r.returncode}: {r.stderr.decode()}")
    report = json.loads(r.stdout)
    equal(report["verdict"], r.returncode, "verdict against status")
    return r.returncode, report


def is_told(d, path, want, fault, *args, index=None, vkey=True):
    status, report = verify(d, path, *args, vkey=vkey)
    first = report["integrity"]["first"]
    equal((status, first and first["fault"]), (want, fault), f"{path} {args}: {report['integrity']}")
    if index is not None:
        equal(first["index"], index, "index")
    if want == 11:
        check(first["looksLike"], "the attack is named")
    return report


def write_entries(state, raws):
    with open(f"{state}/{SEGMENT}", "wb") as f:
        f.write(b"".join(struct.pack(">H", len(x)) + x for x in raws))


def read(path):
    with open(path, "rb") as f:
        return f.read()


def write(path, raw):
    with open(path, "wb") as f:
        f.write(raw)


def cut_back(state, size, note):
    """The ledger as it was when this note was its newest."""
    raws = list(entries(state))[:size]
    write_entries(state, raws)
    for level in range(8):
        path = f"{state}/ledger/hashes/{level}"
        if os.path.exists(path):
            os.truncate(path, (size >> 8 * level) * 32)
    write(f"{state}/ledger/checkpoint", note)
    write(f"{state}/ledger/checkpoints", note + b"\n")


def size_of(note):
    return int(note.split(b"\n")[1])


def test_entries_changed_removed_put_in_swapped_repeated_cut(d):
    state = record(d)
    raws = list(entries(state))
    flipped = bytearray(raws[9])
    flipped[flipped.index(b"guestPid")] ^= 1
    attacks = (
        ("changed", 9, raws[:9] + [bytes(flipped)] + raws[10:]),
        ("removed", 9, raws[:9] + raws[10:]),
        ("removed", 9, raws[:9] + raws[20:]),
        ("inserted", 9, raws[:9] + [b'{"specversion":"1.0"}'] + raws[9:]),
        ("swapped", 9, raws[:9] + [raws[10], raws[9]] + raws[11:]),
        ("repeat", 10, raws[:10] + [raws[9]] + raws[10:]),
        ("cut", 20, raws[:20]),
        ("changed", 0, [b"x"] + raws[1:]),
    )
    for fault, index, tampered in attacks:
        write_entries(state, tampered)
        is_told(d, state, 11, fault, index=index)
        is_told(d, state, 11, fault, "--integrity-only", index=index)
        is_told(d, state, 11, fault, index=index, vkey=False)
    write_entries(state, raws)
    is_told(d, state, 0, None)
    is_told(d, state, 12, None, vkey=False)


def test_flips_in_hashes_and_checkpoint(d):
    state = record(d)
    for name, fault, at in (("hashes/0", "hashes", 32 * 7 + 3), ("checkpoint", "checkpoint", 30),
                            ("checkpoints", "history", 30)):
        path = f"{state}/ledger/{name}"
        was = read(path)
        raw = bytearray(was)
        raw[at] ^= 1
        write(path, raw)
        is_told(d, state, 11, fault)
        write(path, was)
    is_told(d, state, 0, None)


def test_cut_back_to_an_older_genuine_checkpoint(d):
    state = record(d)
    newest = read(f"{state}/ledger/checkpoint")
    write(f"{d}/kept", newest)
    last = size_of(newest) - 1
    cht("prove", state, str(last), "-o", f"{d}/receipt.tlog-proof")
    older = read(f"{state}/ledger/checkpoints").split(b"\n\n")
    older = older[0] + b"\n\n" + older[1] + b"\n"
    check(size_of(older) < size_of(newest), "there is an older one")
    cut_back(state, size_of(older), older)
    began = time.time()
    report = is_told(d, state, 0, None)
    equal(report["vantage"]["anchored"], False, "anchored")
    is_told(d, state, 11, "rolled-back", "--since", f"{d}/kept")
    is_told(d, state, 11, "rolled-back", "--since", f"{d}/receipt.tlog-proof")
    is_told(d, state, 0, None, "--fresh", "1h")
    wait_for("time to pass", lambda: time.time() > began + 2)
    is_told(d, state, 12, None, "--fresh", "1s")


def test_a_directory_rolled_back(d):
    state = record(d)
    shutil.copytree(state, f"{d}/old")
    record(d)
    write(f"{d}/kept", read(f"{state}/ledger/checkpoint"))
    report = is_told(d, state, 0, None, "--since", f"{d}/kept")
    equal(report["vantage"]["anchored"], True, "anchored")
    is_told(d, state, 0, None, "--since", f"{d}/old/ledger/checkpoint")
    shutil.rmtree(state)
    shutil.copytree(f"{d}/old", state)
    is_told(d, state, 0, None)
    is_told(d, state, 11, "rolled-back", "--since", f"{d}/kept")


def test_a_checkpoint_taken_away(d):
    state = record(d)
    os.rename(f"{state}/ledger/checkpoint", f"{d}/kept")
    for _ in range(2):  # removed, then empty
        is_told(d, state, 12, None)
        is_told(d, state, 11, "rolled-back", "--since", f"{d}/kept")
        is_told(d, state, 11, "rolled-back", "--since", f"{d}/kept", vkey=False)
        write(f"{state}/ledger/checkpoint", b"")


def test_two_forks_with_the_true_key(d):
    state = record(d)
    shutil.copytree(state, f"{d}/fork")
    record(d, "fork", 5)
    record(d, "s", 50)
    is_told(d, state, 0, None)
    is_told(d, f"{d}/fork", 0, None)
    is_told(d, state, 11, "forked", "--since", f"{d}/fork/ledger/checkpoint")
    is_told(d, f"{d}/fork", 11, "rolled-back", "--since", f"{state}/ledger/checkpoint")


def test_signed_again_with_another_key(d):
    state = record(d)
    shutil.copy(f"{d}/vkey", f"{d}/true")
    other = record(d, "other")
    origin = read(f"{state}/ledger/origin")
    # In the name of the first log, as far as whoever has only another key can write it.
    for name in ("checkpoint", "checkpoints", "vkey", "origin"):
        path = f"{other}/ledger/{name}"
        theirs = read(f"{other}/ledger/origin").strip()
        write(path, read(path).replace(theirs, origin.strip()))
    shutil.copy(f"{d}/true", f"{d}/vkey")
    is_told(d, other, 11, "other-key")
    record(d, "third")
    shutil.copy(f"{d}/true", f"{d}/vkey")
    is_told(d, f"{d}/third", 12, None)


def test_an_entry_stripped_of_its_envelope(d):
    state = record(d, env=SIGN)
    raws = list(entries(state))
    bare = raws[9][len(b'{"event":'):raws[9].rindex(b',"signerKid"')]
    write_entries(state, raws[:9] + [bare] + raws[10:])
    is_told(d, state, 11, "stripped", index=9)
    write(f"{d}/keys.json", json.dumps({"kid-1": SIGN["CELLOS_HOST_TELEMETRY_SIGN_HMAC_KEY"]}).encode())
    os.chmod(f"{d}/keys.json", 0o600)
    is_told(d, state, 11, "stripped", "--hmac-keys", f"{d}/keys.json", index=9)
    write_entries(state, raws)
    is_told(d, state, 0, None, "--hmac-keys", f"{d}/keys.json")
    write(f"{d}/keys.json", b'{"kid-2":"c3VwZXJ2aXNvcg"}')
    is_told(d, state, 12, None, "--hmac-keys", f"{d}/keys.json")


def test_a_bundle_with_an_event_left_out(d):
    state = record(d)
    cht("export", "--run", "run-1", state, f"{d}/bundle")
    is_told(d, f"{d}/bundle", 0, None)
    lines = read(f"{d}/bundle").split(b"\n")
    at = next(i for i, x in enumerate(lines) if x.startswith(b"9 {"))
    # Its hash in its place is all that the tree asks for; only the run's numbers tell.
    leaf = read(f"{state}/ledger/hashes/0")[9 * 32:10 * 32]
    lines[at] = b"9-10 " + base64.b64encode(leaf)
    write(f"{d}/left-out", b"\n".join(lines))
    is_told(d, f"{d}/left-out", 11, "hole", index=10)
    del lines[at]
    write(f"{d}/gone", b"\n".join(lines))
    is_told(d, f"{d}/gone", 11, "bundle")
    write(f"{d}/cut", read(f"{d}/bundle")[:-100])
    is_told(d, f"{d}/cut", 11, "bundle")


def add_byte(path):
    """Returns what takes it away again."""
    size = os.path.getsize(path)
    with open(path, "ab") as f:
        f.write(b"x")
    return lambda: os.truncate(path, size)


def test_bytes_behind_what_is_covered(d):
    state = record(d, frames=600)
    cht("export", "--tiles", state, f"{d}/tiles")
    is_told(d, f"{d}/tiles", 0, None)
    for where, _, names in os.walk(f"{d}/tiles/tile"):
        for name in names:
            undo = add_byte(f"{where}/{name}")
            is_told(d, f"{d}/tiles", 11, "framing" if "entries" in where else "hashes")
            undo()
    is_told(d, f"{d}/tiles", 0, None)
    cht("export", state, f"{d}/bundle")
    undo = add_byte(f"{d}/bundle")
    is_told(d, f"{d}/bundle", 11, "bundle")
    undo()
    is_told(d, f"{d}/bundle", 0, None)
    for name in (SEGMENT, "ledger/hashes/0", "ledger/hashes/1"):
        undo = add_byte(f"{state}/{name}")
        is_told(d, state, 11, "appended")
        undo()
    is_told(d, state, 0, None)


def bundle_of(state, run, without=(), named=None):
    """A bundle of this run as cht writes it, but for these entries: hashes stand for them."""
    raws = list(entries(state))
    leaves = [merkle.leaf(raw) for raw in raws]
    mine = [i for i, raw in enumerate(raws) if json.loads(raw)["data"]["runId"] == run]
    here = [i for i in mine if i not in without] + [len(raws)]
    lines, at = [], 0
    for i in here:
        while at < i:
            width = 1
            while at % (2 * width) == 0 and 2 * width <= i - at:
                width *= 2
            root = base64.b64encode(merkle.root(leaves[at : at + width]))
            lines.append(b"%d-%d %s" % (at, at + width, root))
            at += width
        if i < len(raws):
            lines.append(b"%d %s" % (i, raws[i]))
        at = i + 1
    note = read(f"{state}/ledger/checkpoint")
    head = b"cht-bundle/1\nrun " + (named or run).encode() + b"\n\n" + note + b"\n"
    return head + b"".join(line + b"\n" for line in lines) + b"end\n", mine


def test_bundles_with_sound_events_that_are_not_the_whole_run(d):
    state = record(d, frames=12)
    host = json.loads(next(entries(state)))["data"]["runId"]
    for run in ("run-1", host):
        whole, mine = bundle_of(state, run)
        cht("export", "--run", run, state, f"{d}/bundle-{run}")
        equal(read(f"{d}/bundle-{run}"), whole, "what cht exports")
        end = whole.rindex(b"end\n")
        last = whole.rindex(b"\n", 0, end - 1) + 1
        attacks = (
            (0, None, whole),
            (11, "head-missing", bundle_of(state, run, mine[:1])[0]),
            (11, "head-missing", bundle_of(state, run, mine[:-1])[0]),
            (11, "hole", bundle_of(state, run, mine[1:2])[0]),
            (10, None, bundle_of(state, run, mine[-1:])[0]),  # it may go on
            (12, None, bundle_of(state, run, mine)[0]),
            (12, None, bundle_of(state, run, named="run-2")[0]),  # none of its entries is here
            (11, "bundle", whole[:end]),
            (11, "bundle", whole[:-1]),
            (11, "bundle", whole + b"\n"),
            (11, "bundle", whole + b"end\n"),
            (11, "bundle", whole + whole[last:]),
            (11, "bundle", whole[:end] + whole[last:]),
            (11, "bundle", whole[:end] + b"\n" + whole[end:]),
            (11, "bundle", whole.replace(b"\n", b"\r\n").replace(b"cht-bundle/1\r", b"cht-bundle/1")),
        )
        for n, (want, fault, raw) in enumerate(attacks):
            write(f"{d}/{n}", raw)
            is_told(d, f"{d}/{n}", want, fault)
            if n != 6:
                is_told(d, f"{d}/{n}", want, fault, "--run", run)
        # Of everything, it says without its run: then all that is not there is missing.
        write(f"{d}/x", whole.replace(b"run " + run.encode() + b"\n", b"", 1))
        is_told(d, f"{d}/x", 11, "head-missing" if run == "run-1" else "missing")
        # Asked for the run that it is not of: anything of that may be left out.
        write(f"{d}/x", whole)
        is_told(d, f"{d}/x", 12, None, "--run", "run-2")
    # The other log's, or an older checkpoint in its place.
    other = record(d, "other")
    shutil.copy(f"{state}/ledger/vkey", f"{d}/vkey")
    note, whole = read(f"{state}/ledger/checkpoint"), bundle_of(state, "run-1")[0]
    older = read(f"{state}/ledger/checkpoints").split(b"\n\n")
    for another, fault in ((older[0] + b"\n\n" + older[1] + b"\n", "bundle"),
                           (read(f"{other}/ledger/checkpoint"), "bundle")):
        write(f"{d}/x", whole.replace(note, another))
        is_told(d, f"{d}/x", 11, fault)


def test_a_run_id_used_again(d):
    state = record(d, frames=5)
    record(d, frames=7)
    raws = list(entries(state))
    mine = [i for i, raw in enumerate(raws) if json.loads(raw)["data"]["runId"] == "run-1"]
    cht("export", "--run", "run-1", state, f"{d}/bundle")
    for path in (state, f"{d}/bundle"):
        runs = is_told(d, path, 0, None, "--run", "run-1")["completeness"]["runs"]
        equal((runs["opened"], runs["sealed"]), (2, 2), "runs of this id")
    # An event of the second run left out is told as of any other.
    lines = read(f"{d}/bundle").split(b"\n")
    at = next(i for i, x in enumerate(lines) if x.startswith(b"%d {" % mine[-3]))
    leaf = read(f"{state}/ledger/hashes/0")[mine[-3] * 32:][:32]
    lines[at] = b"%d-%d " % (mine[-3], mine[-3] + 1) + base64.b64encode(leaf)
    write(f"{d}/left-out", b"\n".join(lines))
    is_told(d, f"{d}/left-out", 11, "hole", "--run", "run-1", index=mine[-2])


def test_missing_entries_that_no_pruning_declared(d):
    state = record(d, frames=66000)
    is_told(d, state, 0, None)
    os.unlink(f"{state}/{SEGMENT}")
    is_told(d, state, 11, "head-missing")


def test_what_was_pruned_is_told_and_is_no_attack(d):
    state = f"{d}/s"
    cht("ledger", "init", state, "--retain-bytes", "1MiB")
    record(d, frames=66000)
    with Daemon(state) as daemon:  # of no cell: nothing is open, and a segment is over the bytes
        wait_for("the removal", lambda: not os.path.exists(f"{state}/{SEGMENT}"))
        daemon.stop()
    report = is_told(d, state, 10, None)
    equal(report["integrity"]["prunedBelow"], 65536, "declared")
    equal(report["integrity"]["leftOut"], 65536, "left out")
    check(report["completeness"]["hostToLog"]["pruned"] > 60000, "the run's beginning is gone")
    is_told(d, state, 10, None, "--run", "run-1")
    for args in ((), ("--run", "run-1")):
        cht("export", *args, state, f"{d}/bundle{len(args)}")
        report = is_told(d, f"{d}/bundle{len(args)}", 10, None)
        check(report["completeness"]["hostToLog"]["pruned"] > 60000, "the run's beginning is gone")


def append(state):
    """An entry and its hash, behind the last."""
    raw = b"{}"
    with open(f"{state}/{SEGMENT}", "ab") as f:
        f.write(struct.pack(">H", len(raw)) + raw)
    with open(f"{state}/ledger/hashes/0", "ab") as f:
        f.write(hashlib.sha256(b"\0" + raw).digest())


def test_entries_appended_while_stopped(d):
    state = record(d)
    append(state)
    report = is_told(d, state, 11, "appended")
    equal(report["integrity"]["above"]["end"], "clean", "how it ended")
    shutil.rmtree(f"{state}/scribe")  # as somebody sees it who may not read it
    is_told(d, state, 11, "appended")
    killed = record(d, "killed", stop=False)
    append(killed)
    report = is_told(d, killed, 12, None)
    check(report["integrity"]["above"]["entries"] >= 1, "they are told")
    equal(report["integrity"]["above"]["end"], "unclean", "how it ended")


def test_a_ledger_in_use_is_no_attack(d):
    state = f"{d}/s"
    with Daemon(state, "--cell", f"vm={d}/v,run=run-1") as daemon:
        shutil.copy(f"{state}/ledger/vkey", f"{d}/vkey")
        seen = [0]
        while seen[-1] < 20000 or len(seen) < 12:
            cht("send", f"unix:{d}/v_9001", "-n", "3000", "--seq", "--hello")
            for args in ((), ("--jobs", "1"), ("--integrity-only",)):
                status, report = verify(d, state, "--allow", "unbounded", *args)
                check(status in (0, 10), f"in use it is {status}: {report['integrity']}")
                equal(report["integrity"]["findings"], 0, "findings")
                check(report["integrity"]["above"]["inUse"], "the writer has the lock")
                seen.append(report["integrity"]["checkpoint"]["size"])
                check(seen[-1] >= seen[-2], "a checkpoint never goes back")
        daemon.stop()
    status, report = verify(d, state, "--allow", "unbounded")
    check(status in (0, 10), f"{status}: {report['integrity']}")
    equal(report["integrity"]["above"]["bytes"], 0, "above")


if __name__ == "__main__":
    main(globals())
