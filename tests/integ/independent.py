#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the real scribe wrote, held against programs that are none of ours: Go's note and tlog
packages, openssl, and a page of Python; and each of them refuses what was changed."""

import base64
import contextlib
import copy
import hashlib
import os
import shutil
import subprocess
import tempfile

from rig import (Daemon, await_count, bytes_of, check, cht, entries, equal, folder, main, put, skip, text_of, types,
                 wait_for)

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "independent")
GO = "/usr/bin/go"
GO_PATH = "/usr/share/gocode"
SEED = base64.urlsafe_b64encode(b"\x07" * 32).decode().rstrip("=")
ENVELOPES = {"CELLOS_HOST_TELEMETRY_SIGN_ALG": "ed25519", "CELLOS_HOST_TELEMETRY_SIGN_KID": "host-1",
             "CELLOS_HOST_TELEMETRY_SIGN_ED25519_SK": SEED}
FRAMES = 150  # each time that chtd runs, twice
TIMES = 3
VICTIM = 20  # the entry that is changed


# The ledger.

class Written:
    """A ledger that chtd and cht-scribe left, and every note that stood in `checkpoint`."""

    def __init__(self, d, env=None):
        self.state, self.ledger, self.notes = d + "/s", d + "/s/ledger", d + "/notes"
        seen = []
        for _ in range(TIMES):
            self.carry_on(d + "/v", env, seen)
        self.keep(seen)
        self.vkey = text_of(self.ledger + "/vkey").strip()

    def carry_on(self, base, env, seen):
        with Daemon(self.state, "--seal", "--cell", f"vm={base},run=r-{len(seen)}", env=env) as daemon:
            before = types(self.state).count("guest.process_spawned")
            for i in range(2):
                cht("send", f"unix:{base}_9001", "-n", str(FRAMES), "--seq", "--hello", "--comm", 'a"\\\n')
                await_count(self.state, "guest.process_spawned", before + FRAMES * (i + 1))
                wait_for("a checkpoint", lambda: bytes_of(self.ledger + "/checkpoint") not in seen)
                seen.append(bytes_of(self.ledger + "/checkpoint"))
            daemon.stop()
        seen.append(bytes_of(self.ledger + "/checkpoint"))

    def keep(self, seen):
        put(self.notes, b"".join(note + b"\n" for note in seen))

    def copy(self, d):
        shutil.copytree(self.state, d + "/s")
        shutil.copy(self.notes, d + "/notes")
        other = copy.copy(self)
        other.state, other.ledger, other.notes = d + "/s", d + "/s/ledger", d + "/notes"
        return other


# Those who look at it: each gives its exit status and what it said.

@contextlib.contextmanager
def go_program():
    """Debian's packages alone; no module, no network."""
    if not os.path.exists(GO) or not os.path.isdir(GO_PATH + "/src/golang.org/x/mod"):
        skip("golang-go and golang-golang-x-mod-dev are not installed")
    with tempfile.TemporaryDirectory(prefix="cht-go-") as d:
        env = {"PATH": "/usr/bin:/bin", "HOME": d, "GOCACHE": d + "/cache", "GO111MODULE": "off", "GOPATH": GO_PATH,
               "GOPROXY": "off", "CGO_ENABLED": "0"}
        subprocess.run([GO, "build", "-o", d + "/ledger", HERE + "/ledger.go"], env=env, check=True, timeout=120)
        yield d + "/ledger"


def run(*command):
    r = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       env={"PATH": os.environ["PATH"], "LC_ALL": "C"}, timeout=60, check=False)
    return r.returncode, r.stdout.decode(errors="replace").strip()


def go(program, w):
    return run(program, w.ledger, w.vkey, w.notes)


def openssl(w):
    return run(HERE + "/checkpoint.sh", w.ledger + "/checkpoint", w.vkey)


def python(path):
    return run(HERE + "/root.py", path)


def accepted(w, program):
    size = sum(1 for _ in entries(w.state))
    check(size > 600, f"{size} entries, more than two tiles")
    n_kept = text_of(w.ledger + "/checkpoints").count("\n\n") // 2
    check(n_kept >= 2 * TIMES, f"{n_kept} notes in checkpoints: each first and last")
    status, said = go(program, w)
    equal(status, 0, f"go: {said}")
    n_notes = n_kept + 1 + 3 * TIMES
    check(said.startswith(f"{size} entries, {n_notes} notes, "), said)
    check(int(said.split()[-2]) >= n_notes * (n_notes + 1) // 2, f"each pair: {said}")
    equal(openssl(w), (0, "Signature Verified Successfully"), "openssl")
    status, said = python(w.ledger)
    equal(status, 0, f"python: {said}")
    equal(said, f"{size} entries, root {text_of(w.ledger + '/checkpoint').splitlines()[2]}", "python")


def test_outsiders_find_a_ledger_of_events_sound(d):
    with go_program() as program:
        accepted(Written(d), program)


def test_outsiders_find_a_ledger_of_envelopes_sound(d):
    with go_program() as program:
        w = Written(d, ENVELOPES)
        check(all(raw.startswith(b'{"event":') for raw in entries(w.state)), "all are envelopes")
        accepted(w, program)


# What was changed, and who says what of it. Who is not named does not look there.

def segment(w):
    return w.ledger + "/entries/" + "0" * 20


def flip(path, at):
    raw = bytearray(bytes_of(path))
    raw[at] ^= 1
    put(path, raw)


def replace(path, old, new, n=1):
    raw = bytes_of(path)
    check(old in raw, f"{old!r} in {path}")
    put(path, raw.replace(old, new, n))


def rewrite(w, change):
    """The segment, with its entries changed as a list."""
    raw = list(entries(w.state))
    change(raw)
    put(segment(w), b"".join(len(one).to_bytes(2, "big") + one for one in raw))


def flip_entry(w):
    at = sum(len(one) + 2 for one in list(entries(w.state))[:VICTIM])
    flip(segment(w), at + 40)


def swap(raw):
    raw[VICTIM], raw[VICTIM + 1] = raw[VICTIM + 1], raw[VICTIM]


def older_note(w):
    first = bytes_of(w.notes).split(b"\n\n")[:2]
    put(w.ledger + "/checkpoint", b"\n\n".join(first) + b"\n")


def note_line(w, n):
    return bytes_of(w.ledger + "/checkpoint").split(b"\n")[n]


def flip_signature(w):
    line = note_line(w, 4)
    replace(w.ledger + "/checkpoint", line, line[:-10] + (b"B" if line[-10:-9] == b"A" else b"A") + line[-9:])


def smaller(w):
    size = note_line(w, 1)
    replace(w.ledger + "/checkpoint", b"\n" + size + b"\n", b"\n%d\n" % (int(size) - 1))


def swap_case(w):
    """The root, still base64."""
    root = note_line(w, 2)
    at = next(i for i, c in enumerate(root) if chr(c).isalpha())
    replace(w.ledger + "/checkpoint", root, root[:at] + root[at:at + 1].swapcase() + root[at + 1:])


def kept_note(w):
    root = bytes_of(w.ledger + "/checkpoints").split(b"\n")[2]
    replace(w.ledger + "/checkpoints", root, base64.b64encode(hashlib.sha256(root).digest()))


def other_key(w):
    """Of the same name, and with the id that belongs to it."""
    name = w.vkey.split("+")[0]
    key = b"\1" + hashlib.sha256(b"another").digest()
    key_id = hashlib.sha256(name.encode() + b"\n" + key).hexdigest()[:8]
    w.vkey = f"{name}+{key_id}+{base64.b64encode(key).decode()}"


def wrong_id(w):
    name, _, key = w.vkey.split("+", 2)
    w.vkey = f"{name}+00000000+{key}"


def fork(w):
    """A copy of all is carried on elsewhere with the true key: its notes are genuine."""
    with folder() as d:
        other, seen = w.copy(d), []
        other.carry_on(d + "/v", None, seen)
        w.carry_on(d + "/v", None, [])
        w.carry_on(d + "/v", None, [])  # so that it is the longer one
    w.keep(seen)


BAD_ROOT = "is not the one of the entries"

CHANGES = (
    ("a flipped bit of an entry", flip_entry, {"go": f"hashes/0: hash {VICTIM} {BAD_ROOT}", "python": BAD_ROOT}),
    ("the last entry cut", lambda w: rewrite(w, lambda raw: raw.pop()),
     {"go": "entries, the checkpoint says", "python": "is missing"}),
    ("an entry cut from the middle", lambda w: rewrite(w, lambda raw: raw.pop(VICTIM)),
     {"go": "entries, the checkpoint says", "python": "is missing"}),
    ("an entry cut and another put in", lambda w: rewrite(w, lambda raw: raw.append(raw.pop(VICTIM))),
     {"go": f"hashes/0: hash {VICTIM} {BAD_ROOT}", "python": BAD_ROOT}),
    ("two entries swapped", lambda w: rewrite(w, swap), {"go": f"hash {VICTIM} {BAD_ROOT}", "python": BAD_ROOT}),
    ("the last byte cut", lambda w: put(segment(w), bytes_of(segment(w))[:-1]),
     {"go": "is cut short", "python": "is cut short"}),
    ("a flipped bit of hashes/0", lambda w: flip(w.ledger + "/hashes/0", 32 * VICTIM + 5),
     {"go": f"hashes/0: hash {VICTIM} {BAD_ROOT}"}),
    ("a flipped bit of hashes/1", lambda w: flip(w.ledger + "/hashes/1", 32),
     {"go": f"hashes/1: hash 1 {BAD_ROOT}"}),
    ("hashes/0 cut", lambda w: put(w.ledger + "/hashes/0", bytes_of(w.ledger + "/hashes/0")[:-1]),
     {"go": "hashes/0: "}),
    ("another size in the checkpoint", smaller,
     {"go": "invalid signature", "openssl": "Signature Verification Failure", "python": BAD_ROOT}),
    ("another root in the checkpoint", swap_case,
     {"go": "invalid signature", "openssl": "Signature Verification Failure", "python": BAD_ROOT}),
    ("a changed signature", flip_signature, {"go": "invalid signature", "openssl": "Signature Verification Failure"}),
    ("a changed note among those kept", kept_note, {"go": "checkpoints, note 0: invalid signature"}),
    ("an older checkpoint put back", older_note, {"go": "covers"}),
    ("another key", other_key, {"go": "no verifiable signatures", "openssl": "not signed by"}),
    ("a key with a wrong id", wrong_id, {"go": "vkey: ", "openssl": "the key's id is"}),
    ("a fork with the true key", fork, {"go": f"the root at"}),
)


def test_each_of_them_refuses_what_was_changed(d):
    good = Written(d)
    with go_program() as program:
        for what, change, says in CHANGES:
            with folder() as bad:
                w = good.copy(bad)
                change(w)
                got = {"go": go(program, w), "openssl": openssl(w), "python": python(w.ledger)}
            for who, (status, said) in got.items():
                equal(status, 1 if who in says else 0, f"{what}: {who}, which said {said!r}")
                check(says.get(who, "") in said, f"{what}: {who} said {said!r}")


# What is exported, by the page of Python alone.

def exported(w, d):
    cht("export", w.state, d + "/all.bundle")
    cht("export", "--run", "r-0", w.state, d + "/run.bundle")
    cht("export", "--tiles", w.state, d + "/tiles")
    root = text_of(w.ledger + "/checkpoint").splitlines()[2]
    for name in ("all.bundle", "run.bundle", "tiles"):
        status, said = python(f"{d}/{name}")
        equal((status, said.split(" root ")[-1]), (0, root), f"{name}: {said}")


def test_what_is_exported_has_the_same_root(d):
    for name, env in (("events", None), ("envelopes", ENVELOPES)):
        os.mkdir(f"{d}/{name}")
        exported(Written(f"{d}/{name}", env), f"{d}/{name}")


def cut_tile(path):
    """The last entry, from the partial tile at the right edge, and its hash."""
    (name,) = (n for n in os.listdir(path) if n.endswith(".p"))
    (width,) = os.listdir(f"{path}/{name}")
    put(f"{path}/{name}/{width}", bytes_of(f"{path}/{name}/{width}")[:-32])


def edit_hash(path):
    """Of the first subtree that stands for what was left out."""
    line = next(x for x in bytes_of(path).split(b"\n") if b"-" in x.split(b" ")[0] and b" " in x)
    where, _, value = line.partition(b" ")
    replace(path, line, where + b" " + base64.b64encode(hashlib.sha256(value).digest()))


EXPORT_CHANGES = (
    ("all.bundle", lambda d: replace(d + "/all.bundle", b'"guestPid":', b'"guestPiD":'), BAD_ROOT),
    ("all.bundle", lambda d: replace(d + "/all.bundle", b"\nend\n", b"\n"), "does not end"),
    ("run.bundle", lambda d: replace(d + "/run.bundle", b"\n20 ", b"\n21 "), "stands where 20 is due"),
    ("run.bundle", lambda d: edit_hash(d + "/run.bundle"), BAD_ROOT),
    ("tiles", lambda d: replace(d + "/tiles/tile/entries/000", b'"guestPid":', b'"guestPiD":'), "is not of its entries"),
    ("tiles", lambda d: flip(d + "/tiles/tile/0/001", 40), "is not of its entries"),
    ("tiles", lambda d: cut_tile(d + "/tiles/tile/entries"), "is cut short"),
)


def test_a_changed_export_is_refused(d):
    w = Written(d)
    for name, change, says in EXPORT_CHANGES:
        with folder() as to:
            exported(w, to)
            change(to)
            status, said = python(f"{to}/{name}")
        equal(status, 1, f"{name}: {said}")
        check(says in said, f"{name}: {said!r}, not {says!r}")


if __name__ == "__main__":
    main(globals())
