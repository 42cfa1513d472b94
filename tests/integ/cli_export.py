#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cht export: a bundle or tiles that stand for themselves, or nothing at all."""

import json
import resource
import struct
import subprocess
import sys
import unittest

import merkle
from cli import CHT, cht, start
from cli_tail import envelope, event, spawned
from made_ledger import MadeLedger
from rig import has_sanitizer


def of_run(n, run):
    return event("run.note", n, run=run, cell="c" + run)


def split(raw):
    """The entries of an entry bundle."""
    entries, at = [], 0
    while at < len(raw):
        (length,) = struct.unpack_from(">H", raw, at)
        entries.append(raw[at + 2 : at + 2 + length])
        at += 2 + length
    return entries


class Export(MadeLedger):
    def setUp(self):
        super().setUp()
        self.out = self.state / "out"

    def export(self, *args, code=0):
        done = cht("export", str(self.state), str(self.out), *args)
        self.assertEqual(done.returncode, code, done.stderr)
        if code == 0:
            self.assertEqual(done.stderr, b"")
        else:
            self.assertEqual(done.stderr.count(b"\n"), 1)
            self.assertFalse(self.out.exists())
        self.assertEqual([p.name for p in self.state.iterdir() if p.name.endswith(".tmp")], [])
        return done

    def bundle(self, *args):
        self.export(*args)
        got = merkle.read_bundle(self.out.read_bytes())
        self.out.unlink()
        self.assertEqual(got[1], (self.ledger / "checkpoint").read_bytes())
        return got

    def test_everything(self):
        entries = []
        for grow in (1, 2, 253, 1, 400):
            more = [spawned(len(entries) + n + 1) for n in range(grow)]
            self.append(*more)
            entries += more
            run, _, got, subtrees = self.bundle()
            self.assertEqual((run, subtrees), (None, []))
            self.assertEqual(got, dict(enumerate(entries)))

    def test_entries_that_are_no_line(self):
        entries = [b"{}", b"{\n}", b"=x", b"x", b"\xff" * 61440, envelope(spawned(1)), b"{\xff"]
        self.append(*entries)
        _, _, got, _ = self.bundle()
        self.assertEqual(got, dict(enumerate(entries)))

    def test_a_run(self):
        runs = ["a", "b", "long-run", "a"]
        entries = []
        for n in range(1000):
            run = "once" if n == 700 else runs[n % 4] if n > 300 else "b"
            entries.append(of_run(n + 1, run))
        entries[500] = envelope(entries[500])
        entries[600] = b"a"
        self.append(*entries)
        for run in ("a", "b", "once", "long-run"):
            name, _, got, subtrees = self.bundle("--run", run)
            want = {
                n: e
                for n, e in enumerate(entries)
                if n != 600 and json.loads(e).get("event", json.loads(e))["data"]["runId"] == run
            }
            self.assertEqual(name, run)
            self.assertEqual(got, want)
            self.assertTrue(subtrees)
        self.assertIn(b"run 'none'", self.export("--run", "none", code=1).stderr)

    def test_a_log_whose_head_was_removed(self):
        entries = [spawned(n % 7 + 1) for n in range(65536 + 300)]
        self.append(*entries)
        self.segment().unlink()
        _, _, got, subtrees = self.bundle()
        self.assertEqual(subtrees, [(0, 65536)])
        self.assertEqual(got, {n: entries[n] for n in range(65536, len(entries))})
        self.export("--tiles")
        bundles = sorted(p for p in (self.out / "tile/entries").rglob("*") if p.is_file())
        self.assertEqual([p.relative_to(self.out / "tile/entries").as_posix() for p in bundles],
                         ["256", "257.p/44"])

    def test_what_was_pruned_is_no_run(self):
        self.append(*[of_run(n % 7 + 1, "a") for n in range(65536)], event("ledger.pruned", 1, run="h", cell="h"))
        self.segment().unlink()
        self.assertIn(b"run 'none'", self.export("--run", "none", code=1).stderr)
        self.assertEqual(list(self.bundle("--run", "h")[2]), [65536])

    def test_tiles(self):
        entries = [spawned(n % 5 + 1) for n in range(65536 + 256 + 3)]
        self.append(*entries)
        told = json.loads(self.export("--tiles", "-o", "json").stdout)
        self.assertEqual(told, {"entries": len(entries), "subtrees": 0, "size": len(entries),
                                "tiles": 258 + 2 + 1})
        tile = self.out / "tile"
        self.assertEqual((self.out / "checkpoint").read_bytes(),
                         (self.ledger / "checkpoint").read_bytes())
        leaves = [merkle.leaf(e) for e in entries]
        for n in (0, 1, 255, 256):
            want = entries[256 * n : 256 * n + 256]
            self.assertEqual(split((tile / f"entries/{n:03}").read_bytes()), want)
            self.assertEqual((tile / f"0/{n:03}").read_bytes(), b"".join(map(merkle.leaf, want)))
        self.assertEqual(split((tile / "entries/257.p/3").read_bytes()), entries[-3:])
        self.assertEqual((tile / "0/257.p/3").read_bytes(), b"".join(leaves[-3:]))
        roots = [merkle.root(leaves[256 * n : 256 * n + 256]) for n in range(257)]
        self.assertEqual((tile / "1/000").read_bytes(), b"".join(roots[:256]))
        self.assertEqual((tile / "1/001.p/1").read_bytes(), roots[256])
        self.assertEqual((tile / "2/000.p/1").read_bytes(), merkle.root(roots[:256]))
        names = {p.relative_to(tile).parts[0] for p in tile.rglob("*")}
        self.assertEqual(names, {"0", "1", "2", "entries"})

    def test_nothing_is_made_of_a_damaged_ledger(self):
        entries = [spawned(n + 1) for n in range(600)]
        self.append(*entries)
        at = self.segment().read_bytes().index(entries[300])
        for path, where, new in (
            (self.segment(), at + 30, b"X"),
            (self.segment(), at - 2, b"\xff"),
            (self.ledger / "hashes/0", 32 * 20, b"\0"),
            (self.ledger / "hashes/1", 3, b"\0"),
            (self.ledger / "checkpoint", 0, b"x"),
        ):
            before = path.read_bytes()
            self.change(path, where, new)
            for args in ((), ("--run", "run-1"), ("--tiles",)):
                with self.subTest(f"{path.name} {where} {args}"):
                    self.export(*args, code=11)
            path.write_bytes(before)
        self.bundle()

    def test_nothing_is_overwritten(self):
        self.append(spawned(1))
        for make in (self.out.touch, self.out.mkdir, lambda: self.out.symlink_to("nowhere")):
            make()
            for args in ((), ("--tiles",)):
                done = cht("export", str(self.state), str(self.out), *args)
                self.assertEqual(done.returncode, 1)
                self.assertIn(b"there already", done.stderr)
            if self.out.is_dir():
                self.assertEqual(list(self.out.iterdir()), [])
                self.out.rmdir()
            else:
                self.out.unlink()

    def test_usage(self):
        for args in ((), ("x",), ("x", "y", "z"), ("x", "y", "--run", "a", "--tiles"),
                     ("x", "y", "--run", "a\nb"), ("x", "y", "--run", "")):  # fmt: skip
            self.assertEqual(cht("export", *args).returncode, 2)
        self.assertIn(b"no checkpoint", self.export(code=1).stderr)

    def test_a_full_disk_leaves_nothing(self):
        self.append(*(spawned(n + 1) for n in range(3000)))
        for args in ((), ("--tiles",)):
            with start("export", str(self.state), str(self.out), *args,
                       preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100000,) * 2),
                       restore_signals=False) as done:  # fmt: skip
                self.assertEqual(done.wait(60), 1)
                self.assertIn(b"write", done.stderr.read())
            self.assertFalse(self.out.exists())
            self.assertEqual(sorted(p.name for p in self.state.iterdir()), ["ledger"])

    def test_memory_does_not_grow_with_the_ledger(self):
        # A small process in between: what ours takes would count as the child's before its exec.
        script = (
            "import resource, subprocess, sys\n"
            "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
        )

        def peak():
            told = subprocess.run(
                [sys.executable, "-c", script, CHT, "export", str(self.state), str(self.out)],
                capture_output=True, check=True, timeout=60)  # fmt: skip
            self.out.unlink()
            return int(told.stdout)

        self.append(*[spawned(1)] * 3000)
        small = peak()
        self.append(*[spawned(1)] * 300000)
        # A sanitizer keeps what was freed for a while.
        self.assertLess(peak(), small + (8192 if has_sanitizer() else 1024))


if __name__ == "__main__":
    unittest.main()
