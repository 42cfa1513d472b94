#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Readers beside a scribe that writes: what they show is covered, checked, and all of it."""

import json
import os
import signal
import subprocess

import merkle
from rig import BIN, Daemon, await_type, cht, check, entries, equal, main, wait_for

FRAMES = 30000


def covered(state):
    """Entries under the newest checkpoint."""
    with open(f"{state}/ledger/checkpoint", "rb") as f:
        return merkle.checkpoint(f.read())[1]


def follower(state, *args):
    return subprocess.Popen([os.path.join(BIN, "cht"), *args, state], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)


def send(d, n, *args):
    return subprocess.Popen([os.path.join(BIN, "cht"), "send", f"unix:{d}/a.sock_9001", "-n", str(n), "--seq",
                             *args], stdout=subprocess.DEVNULL)


def check_proof(state, index):
    text = cht("prove", state, str(index)).stdout
    head, note = text.split(b"\n\n", 1)
    _, size, root = merkle.checkpoint(note)
    proof = [merkle.base64.b64decode(line) for line in head.split(b"\n")[2:]]
    entry = cht("show", "--raw", state, str(index)).stdout
    equal(merkle.root_of_proof(index, size, merkle.leaf(entry), proof), root, f"root of proof {index}")


def test_a_follower_sees_all_and_never_past_the_checkpoint(d):
    state = d + "/s"
    with Daemon(state, "--cell", f"a={d}/a.sock") as daemon:
        with follower(state, "cat", "-f") as cat, send(d, FRAMES, "-c", "4") as sender:
            seen, stored = [], 0
            while stored < FRAMES:
                line = cat.stdout.readline()
                seen.append(line[:-1])
                stored += b"guest.process_spawned" in line
                # What was read is covered; the checkpoint only grows.
                if len(seen) % 97 == 0:
                    check(covered(state) >= len(seen), f"entry {len(seen) - 1} shown before a checkpoint covers it")
            equal(sender.wait(30), 0, "status of send")
            daemon.stop()
            rest = list(entries(state))
            while len(seen) < len(rest):
                seen.append(cat.stdout.readline()[:-1])
            cat.send_signal(signal.SIGTERM)
            cat.wait(30)
            equal(cat.stderr.read(), b"", "what the follower said")
        equal(seen, rest, "what the follower saw")
        equal(covered(state), len(rest), "size of the last checkpoint")
    equal(cht("cat", state).stdout, b"".join(e + b"\n" for e in rest), "what cat prints")


def test_proofs_and_bundles_beside_a_writer(d):
    state = d + "/s"
    with Daemon(state, "--cell", f"a={d}/a.sock") as daemon:
        opened = await_type(state, "run.opened")
        run = opened["data"]["runId"]
        with send(d, FRAMES, "-r", "10000") as sender:
            n, size = 0, 0
            while sender.poll() is None:
                n += 1
                size = covered(state)
                if n == 1:
                    check(size < FRAMES, "all was stored before anything was read")
                for index in (0, size // 2, size - 1):
                    check_proof(state, index)
                out = f"{d}/b{n}"
                cht("export", state, out)
                with open(out, "rb") as f:
                    _, _, got, _ = merkle.read_bundle(f.read())
                check(len(got) >= size, "the bundle is of an older checkpoint")
                os.unlink(out)
                cht("export", "--run", run, state, out)
                with open(out, "rb") as f:
                    _, _, got, _ = merkle.read_bundle(f.read())
                numbers = [json.loads(e)["data"]["sequence"] for e in got.values()]
                equal(numbers, list(range(1, len(numbers) + 1)), "numbers of the run")
                os.unlink(out)
            check(n > 0, "nothing was read beside the writer")
        daemon.stop()
    cht("export", state, d + "/all")
    with open(d + "/all", "rb") as f:
        _, _, got, _ = merkle.read_bundle(f.read())
    equal(list(got.values()), list(entries(state)), "entries of the bundle")


def test_a_killed_scribe_leaves_what_its_checkpoint_covers(d):
    state = d + "/s"
    for _ in range(5):
        with Daemon(state, "--cell", f"a={d}/a.sock") as daemon:
            with send(d, FRAMES) as sender:
                before = covered(state)
                wait_for("entries", lambda before=before: covered(state) > before + 1000)
                os.kill(daemon.scribe_pid(), signal.SIGKILL)
                daemon.stop(want=None)
                sender.wait(30)
            size = covered(state)
            got = cht("cat", state)
            equal(got.stderr, b"", "what cat said")
            equal(len(got.stdout.splitlines()), size, "entries shown")
            check_proof(state, size - 1)
    with Daemon(state, "--cell", f"a={d}/a.sock") as daemon:
        daemon.stop()
    equal(cht("cat", state).stdout, b"".join(e + b"\n" for e in entries(state)), "what cat prints")


if __name__ == "__main__":
    main(globals())
