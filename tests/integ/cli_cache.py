#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""STATE/cache/runs: it makes cht quicker, and no answer another one, whatever is in it."""

import hashlib
import json
import os
import shutil
import unittest

import merkle
from cli import cht
from cli_tail import event
from made_ledger import MadeLedger, packed

RUNS = {"a": 1, "b": 2, "late": 3}


def of_run(run, sequence, name="run.resumed"):
    """An event whose id has the run's bits."""
    made = event(name, sequence, run=run, cell="c")
    plain = f"{sequence:08x}-0000-8000-8000-000000000000"
    assert plain.encode() in made
    return made.replace(plain.encode(), event_id(run, sequence).encode())


def event_id(run, sequence):
    return f"{sequence >> 16:08x}-{sequence & 0xffff:04x}-8000-8000-{RUNS[run]:012x}"


def key(run):
    return hashlib.sha256(run.encode()).digest()[:16]


class Runs(MadeLedger):
    def setUp(self):
        super().setUp()
        (self.state / "cache").mkdir()
        self.entries = [event("host.started", 1, run="host-1")]
        self.next = dict.fromkeys(RUNS, 0)

    def grow(self, n, *runs):
        """n events, of each of these runs in turn."""
        self.add(*(runs[i % len(runs)] for i in range(n)))

    def add(self, *runs, name="run.resumed"):
        before = len(self.entries) if (self.ledger / "checkpoint").exists() else 0
        for run in runs:
            self.next[run] += 1
            self.entries.append(of_run(run, self.next[run], name))
        self.append(*self.entries[before:])

    def root(self, n=None):
        return merkle.root([merkle.leaf(e) for e in self.entries[:n]])

    def bundle(self, run, code=0):
        out = self.state / "out"
        done = cht("export", "--run", run, str(self.state), str(out))
        self.assertEqual(done.returncode, code, done.stderr)
        if code != 0:
            self.assertFalse(out.exists())
            return None
        got = merkle.read_bundle(out.read_bytes())[2]
        out.unlink()
        return got

    def shown(self, run, sequence):
        done = cht("show", "--raw", str(self.state), event_id(run, sequence))
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return done.stdout

    def wanted(self, run):
        return {
            n: e
            for n, e in enumerate(self.entries)
            if json.loads(e)["data"]["runId"] == run
        }

    def check_answers(self):
        for run, last in self.next.items():
            if last == 0:
                continue
            self.assertEqual(self.bundle(run), self.wanted(run))
            for sequence in (1, last):
                self.assertEqual(self.shown(run, sequence), of_run_in(self.entries, run, sequence))
        self.assertEqual(cht("show", str(self.state), event_id("a", 99999)).returncode, 1)
        self.bundle("none", code=1)

    def test_it_is_made_extended_and_right(self):
        self.grow(600, "a", "b")
        self.check_answers()
        self.assertEqual(self.cached(), (601, {
            (key("host-1"), 0): (0, 0),
            (key("a"), 1): (1, 599),
            (key("b"), 2): (2, 600),
        }))  # fmt: skip
        self.grow(20, "b")
        self.check_answers()
        self.assertEqual(self.cached()[0], 601, "a few new entries are not worth writing it")
        self.grow(5000, "late", "b")
        self.check_answers()
        n, spans = self.cached()
        self.assertEqual(n, 5621)
        self.assertEqual(spans[key("late"), 3], (621, 5619))
        self.assertEqual(spans[key("b"), 2], (2, 5620))

    def test_it_is_only_made_where_there_is_a_place_for_it(self):
        self.grow(10, "a")
        (self.state / "cache").rmdir()
        self.check_answers()
        self.assertFalse((self.state / "cache").exists())
        copy = self.state / "copy"
        shutil.copytree(self.ledger, copy / "somewhere")
        (copy / "cache").mkdir()
        done = cht("show", str(copy / "somewhere"), event_id("a", 3))
        self.assertEqual(done.returncode, 0)
        self.assertEqual(list((copy / "cache").iterdir()), [])
        shutil.move(copy / "somewhere", copy / "ledger")
        self.assertEqual(cht("show", str(copy), event_id("a", 3)).returncode, 0)
        self.assertTrue((copy / "cache/runs").exists())

    def test_no_lie_in_it_changes_an_answer(self):
        self.grow(300, "a")
        self.grow(300, "a", "b")
        self.add("a", name="run.sealed")
        self.grow(100, "late")
        size, a_last = len(self.entries), 601
        self.assertEqual(json.loads(self.entries[a_last])["type"][-10:], "run.sealed")
        lies = (
            [],
            [("a", 1, 1, 1)],
            [("a", 1, 1, 300)],
            [("a", 1, 50, a_last)],
            [("a", 1, 50, 60)],
            [("a", 1, 0, 0)],
            [("a", 1, 602, 650), ("b", 2, 1, 1), ("late", 3, 1, 1)],
            [("b", 1, 1, a_last), ("a", 2, 302, 600)],
            [("a", 1, size - 1, size - 1)],
            [("none", 9, 3, 5)],
        )
        for lie in lies:
            with self.subTest(lie):
                self.put_cache(size, self.root(), lie)
                self.check_answers()

    def test_no_lie_hides_another_run_of_the_same_id(self):
        """A bundle of a run id holds all of them: what was left out of it, nobody could see."""
        bits = event_id("a", 1)[-12:].encode()
        spans = []
        for life in range(3):
            first = len(self.entries)
            for sequence in range(1, 12):
                name = "run.opened" if sequence == 1 else "run.sealed" if sequence == 11 else "run.resumed"
                self.entries.append(of_run("a", sequence, name).replace(b"-" + bits, b"-%012x" % (7 + life)))
            spans.append(("a", 7 + life, first, len(self.entries) - 1))
            self.entries += [of_run("b", life * 30 + n + 1) for n in range(30)]
        self.append(*self.entries)
        for lie in (spans, spans[:1], spans[1:2], spans[1:], spans[2:], [("a", 7, 1, 55)]):
            with self.subTest(lie):
                self.put_cache(len(self.entries), self.root(), lie)
                self.assertEqual(self.bundle("a"), self.wanted("a"))

    def test_what_is_of_another_log_or_no_cache_is_made_anew(self):
        self.grow(600, "a", "b")
        good = (self.shown("a", 7), self.cached())
        raw = (self.state / "cache/runs").read_bytes()
        size = len(self.entries)
        wrong = (
            lambda: self.put_cache(size, self.root(), [], origin=b"other"),
            lambda: self.put_cache(size, self.root(size - 1), []),
            lambda: self.put_cache(size - 1, self.root(size), []),
            lambda: self.put_cache(size + 1, self.root(), []),
            lambda: (self.state / "cache/runs").write_bytes(b""),
            lambda: (self.state / "cache/runs").write_bytes(b"x" * 5000),
            lambda: (self.state / "cache/runs").write_bytes(raw[:-1]),
            (self.state / "cache/runs").unlink,
        )
        for n, make in enumerate(wrong):
            with self.subTest(n):
                make()
                self.assertEqual((self.shown("a", 7), self.cached()), good)

    def test_one_of_more_runs_than_entries_is_not_read(self):
        """What it costs to read it is bounded by the ledger, not by who can write the cache."""
        self.grow(300, "a", "b")
        size = len(self.entries)
        spans = [(f"run-{i}", i, i % size, i % size) for i in range(size + 3)]
        self.put_cache(size, self.root(), spans[:size])
        lie = (self.state / "cache/runs").read_bytes()
        self.check_answers()
        self.assertEqual((self.state / "cache/runs").read_bytes(), lie, "it was taken, and right as far as known")
        self.put_cache(size, self.root(), spans)
        self.check_answers()
        self.assertEqual(self.cached(), (size, {
            (key("host-1"), 0): (0, 0),
            (key("a"), 1): (1, 299),
            (key("b"), 2): (2, 300),
        }))  # fmt: skip

    def test_a_cache_that_cannot_be_read_or_written_is_done_without(self):
        self.grow(600, "a", "b")
        path = self.state / "cache/runs"
        for make in (path.mkdir, lambda: path.symlink_to("/dev/zero"), lambda: os.mkfifo(path)):
            make()
            self.check_answers()
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink()

    def test_damage_is_told_and_not_kept(self):
        self.grow(600, "a", "b")
        at = len(packed(self.entries[:100])) + 40
        self.change(self.segment(), at, b"X")
        self.bundle("a", code=11)
        self.assertIsNone(self.cached())
        done = cht("show", str(self.state), event_id("a", 250))
        self.assertEqual(done.returncode, 11)
        self.assertEqual(done.stderr.count(b"\n"), 1)
        self.assertIn(b"entry 100 is not", done.stderr)
        self.assertIsNone(self.cached())

    def test_a_head_that_was_removed(self):
        self.grow(65536 + 100, "a", "b")
        self.add("b", name="run.sealed")
        self.segment().unlink()
        got = self.bundle("a")
        self.assertEqual(got, {n: e for n, e in self.wanted("a").items() if n >= 65536})
        self.shown("b", self.next["b"])
        self.assertEqual(self.cached()[1][key("b"), 2], (65536, len(self.entries) - 1))


def of_run_in(entries, run, sequence):
    want = event_id(run, sequence).encode()
    return next(e for e in entries if want in e)


if __name__ == "__main__":
    unittest.main()
