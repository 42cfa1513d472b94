#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/VERIFY.md: its commands are run exactly as printed, against what the real programs wrote,
and must say what the page says; then its program alone against what was changed."""

import base64
import json
import os
import re
import shutil
import subprocess

from rig import Daemon, await_count, bytes_of, check, cht, entries, equal, main, put, text_of, types

PAGE = os.path.join(os.environ.get("CHT_SOURCE_ROOT", "."), "docs/VERIFY.md")
INDEX = 99  # the event that is proved; the page names it
MASKS = (
    (r"host-[0-9a-f-]{36}", "<host run>"),
    (r"[a-z0-9.-]+/[0-9a-f]{16}", "<origin>"),
    (r"(?<![a-z-])[0-9]+", "<n>"),
)


def blocks(kind):
    found = re.findall(rf"^```{kind}\n(.*?)^```$", text_of(PAGE), re.S | re.M)
    check(found, f"blocks of {kind} on the page")
    return found


def sh(command, cwd):
    r = subprocess.run(["sh", "-c", command], cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, timeout=60, check=False)
    return r.returncode, r.stdout.decode()


def masked(text):
    for pattern, name in MASKS:
        text = re.sub(pattern, name, text)
    return text.strip()


class Evidence:
    """What the page begins with, in a directory: two runs, a kept checkpoint, one event."""

    def __init__(self, d, env=None):
        self.dir, self.state = d + "/evidence", d + "/s"
        os.mkdir(self.dir)
        with Daemon(self.state, "--seal", "--cell", f"vm-1={d}/v1,run=run-7",
                    "--cell", f"vm-2={d}/v2,run=run-8", env=env) as daemon:
            for n, (cell, frames) in enumerate((("v1", 150), ("v2", 100), ("v1", 150), ("v2", 100))):
                before = types(self.state).count("guest.process_spawned")
                cht("send", f"unix:{d}/{cell}_9001", "-n", str(frames), "--seq", "--comm", "make")
                await_count(self.state, "guest.process_spawned", before + frames)
                if n == 1:
                    shutil.copy(self.state + "/ledger/checkpoint", self.dir + "/kept")
            daemon.stop()
        shutil.copy(self.state + "/ledger/vkey", self.dir)
        shutil.copytree(self.state + "/ledger", self.dir + "/ledger")
        shutil.copy(PAGE, self.dir)
        cht("export", "--run", "run-7", self.state, self.dir + "/run-7.bundle")
        cht("export", self.state, self.dir + "/all.bundle")
        cht("prove", "-o", self.dir + "/event.tlog-proof", self.state, str(INDEX))
        put(self.dir + "/event", cht("show", "--raw", self.state, str(INDEX)).stdout)
        put(self.dir + "/audit.py", "".join(blocks("python")).encode())

    def audit(self, *args):
        return sh("python3 audit.py " + " ".join(args), self.dir)

    def restore(self):
        shutil.rmtree(self.dir + "/ledger")
        shutil.copytree(self.state + "/ledger", self.dir + "/ledger")


def test_the_page_says_what_happens(d):
    e = Evidence(d)
    os.unlink(e.dir + "/audit.py")  # the page makes it
    n = 0
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, want = part.partition("\n")
            _, got = sh(command, e.dir)
            equal(masked(got), masked(want), f"what {command!r} says")
            n += 1
    check(n > 12, f"{n} commands on the page")
    equal(bytes_of(e.dir + "/audit.py").decode(), "".join(blocks("python")), "the program")


# One fault of a bundle, a ledger or a proof each.

def edit(path, old, new):
    def change(e):
        raw = bytes_of(f"{e.dir}/{path}")
        check(re.search(old, raw), f"{old} in {path}")
        put(f"{e.dir}/{path}", re.sub(old, new, raw, count=1))
    return change


def cut_entry(e):
    raw = list(entries(e.state))[:-1]
    put(e.dir + "/ledger/entries/" + "0" * 20, b"".join(len(x).to_bytes(2, "big") + x for x in raw))


def older(e):
    """The newest checkpoint is taken for one that was kept, and the kept one for the newest."""
    shutil.copy(e.dir + "/ledger/checkpoint", e.dir + "/was")
    shutil.copy(e.dir + "/kept", e.dir + "/ledger/checkpoint")


def other_index(e):
    edit("event.tlog-proof", rb"index \d+", b"index %d" % (INDEX + 1))(e)


LEDGER, BUNDLE, RUN, PROOF = "ledger", "all.bundle", "run-7.bundle", "event.tlog-proof event"
NOT_THESE = "BAD   these are not the"
NOT_SIGNED = "BAD   the checkpoint is not signed by this key"
CHANGES = (
    (RUN, edit(RUN, b'"guestPid":', b'"guestPiD":'), NOT_THESE),
    (RUN, edit(RUN, rb"-(\d+) [A-Z]", rb"-\1 "), "BAD   "),
    (RUN, edit(RUN, rb"\n99 .*\n", b"\n"), "BAD   100 stands where 99 is due"),
    (RUN, edit(RUN, rb"\n(99 .*)\n", rb"\n\1\n\1\n"), "BAD   99 stands where 100 is due"),
    (RUN, edit(RUN, rb"\n99 (.*)\n100 (.*)\n", rb"\n99 \2\n100 \1\n"), NOT_THESE),
    (RUN, edit(RUN, rb"\nend\n", b"\n"), "BAD   "),
    (BUNDLE, edit(BUNDLE, rb"\n(\d+)\n", rb"\n1\1\n"), NOT_SIGNED),
    (BUNDLE, edit(BUNDLE, rb"\n[A-Za-z0-9+/]{43}=\n", b"\n" + b"A" * 43 + b"=\n"), NOT_SIGNED),
    (BUNDLE, edit(BUNDLE, rb"cht-bundle/1\n\n[^/]*/", b"cht-bundle/1\n\nother/"), NOT_SIGNED),
    (LEDGER, edit("ledger/entries/" + "0" * 20, b'"guestPid":', b'"guestPiD":'), NOT_THESE),
    (LEDGER, cut_entry, NOT_THESE),
    (LEDGER, edit("ledger/checkpoint", rb"\n\d+\n", b"\n1\n"), NOT_SIGNED),
    (LEDGER + " was", older, "BAD   cut back: a checkpoint of"),
    (LEDGER, edit("vkey", rb"\+([0-9a-f]{8})\+", rb"+00000000+"), "BAD   vkey is not whole"),
    (PROOF, edit("event", b"make", b"fake"), "BAD   not this entry"),
    (PROOF, edit("event.tlog-proof", rb"\n[A-Za-z0-9+/]{43}=\n", b"\n"), "BAD   not this entry"),
    (PROOF, other_index, "BAD   not this entry"),
    (PROOF, edit("event.tlog-proof", rb"index \d+", b"index 99999"), "BAD   no entry 99999"),
)


def test_what_was_changed_is_bad(d):
    e = Evidence(d)
    whole = {name: bytes_of(f"{e.dir}/{name}") for name in os.listdir(e.dir) if os.path.isfile(f"{e.dir}/{name}")}
    for args in (LEDGER, BUNDLE, RUN, PROOF):
        status, said = e.audit("vkey", args)
        equal((status, said[:4]), (0, "GOOD"), f"unchanged, {args}: {said}")
    for i, (args, change, says) in enumerate(CHANGES):
        change(e)
        status, said = e.audit("vkey", args)
        equal(status, 1, f"status of change {i}, {args}: {said}")
        check(said.splitlines()[-1].startswith(says), f"change {i}, {args}: {said!r}, not {says!r}")
        for name, raw in whole.items():
            put(f"{e.dir}/{name}", raw)
        e.restore()


def test_envelopes_are_read_too(d):
    seed = base64.urlsafe_b64encode(b"\x07" * 32).decode().rstrip("=")
    e = Evidence(d, {"CELLOS_HOST_TELEMETRY_SIGN_ALG": "ed25519", "CELLOS_HOST_TELEMETRY_SIGN_KID": "host-1",
                     "CELLOS_HOST_TELEMETRY_SIGN_ED25519_SK": seed})
    for args in (LEDGER, BUNDLE, RUN, PROOF):
        status, said = e.audit("vkey", args)
        equal((status, said[:4]), (0, "GOOD"), f"{args}: {said}")
    check(b'{"event":{' in bytes_of(e.dir + "/event"), "an envelope")


def test_what_was_removed_is_told(d):
    """A ledger that begins later, as after retention: the hashes stay."""
    e = Evidence(d)
    raw = list(entries(e.state))
    os.unlink(e.dir + "/ledger/entries/" + "0" * 20)
    put(f"{e.dir}/ledger/entries/{INDEX:020}", b"".join(len(x).to_bytes(2, "big") + x for x in raw[INDEX:]))
    status, said = e.audit("vkey", LEDGER)
    equal((status, said.splitlines()[0]), (0, f"GOOD  these are the {len(raw)} entries that were signed; "
                                           f"{len(raw) - INDEX} are here"), said)
    hashes = bytes_of(e.dir + "/ledger/hashes/0")
    put(e.dir + "/ledger/hashes/0", bytes([hashes[0] ^ 1]) + hashes[1:])
    status, said = e.audit("vkey", LEDGER)
    equal((status, said[:len(NOT_THESE)]), (1, NOT_THESE), said)


def test_a_hole_and_an_open_run_are_told(d):
    with Daemon(d + "/s", "--cell", f"vm={d}/v,run=r") as daemon:
        cht("send", f"unix:{d}/v_9001", "-n", "20", "--seq")
        await_count(d + "/s", "guest.process_spawned", 20)
        daemon.proc.kill()
        daemon.proc.wait()
    put(d + "/audit.py", "".join(blocks("python")).encode())
    status, said = sh(f"python3 {d}/audit.py s/ledger/vkey s/ledger", d)
    equal(status, 0, said)
    check(re.search(r"^RUN   r of vm: 1 run.opened to \d+ (?!run.sealed)", said, re.M), said)
    # The same program, over events that were never signed so: what `follow` says of numbers.
    lines = []
    for number, kind, data in ((1, "run.opened", {}), (2, "frames.refused", {}),
                               (9, "run.resumed", {"from": 3, "to": 8}), (11, "run.sealed", {})):
        lines.append(json.dumps({"id": f"urn:cellos:event:00000000-{number:04x}-8000-8000-000000000000",
                                 "type": "x.v1." + kind, "data": {"runId": "r", "cellId": "c", **data}}))
    code = "".join(blocks("python")).split("\ntry:\n")[0]
    scope = {}
    exec(compile(code, "audit.py", "exec"), scope)  # pylint: disable=exec-used
    runs = {}
    for line in lines:
        scope["follow"](runs, line)
    (run,) = runs.values()
    equal(run["remarks"], ["frames.refused at 2", "3 to 8 lost and declared", "HOLE before 11"], "remarks")
    equal(run["holes"], 1, "holes")


if __name__ == "__main__":
    main(globals())
