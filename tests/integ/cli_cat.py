#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cht cat: every entry as it stands, to the end or as they come, and where it must stop."""

import json
import pathlib
import resource
import struct
import tempfile
import unittest

from cli import cht, start

EVENT = b'{"specversion":"1.0","id":"urn:cellos:event:%d","data":{"n":%d}}'


def event(n):
    return EVENT % (n, n)


def packed(entries):
    return b"".join(struct.pack(">H", len(e)) + e for e in entries)


class Cat(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.state = pathlib.Path(self.dir.name)
        (self.state / "ledger" / "entries").mkdir(parents=True)

    def append(self, raw, first=0):
        with open(self.state / "ledger" / "entries" / f"{first:020}", "ab") as segment:
            segment.write(raw)

    def test_entries_come_out_as_they_went_in(self):
        entries = [event(n) for n in range(2000)]
        entries.append(b'{"event":' + event(1) + b',"signerKid":"k","note":"\xc3\xbc"}')
        entries.append(b'{"data":"' + b"x" * 61000 + b'"}')
        self.append(packed(entries))
        for where in (self.state, self.state / "ledger"):
            done = cht("cat", str(where))
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            self.assertEqual(done.stdout, b"".join(e + b"\n" for e in entries))

    def test_raw_is_what_stands_in_the_segment(self):
        raw = packed([event(1), b"\0\n\xff", event(2)])
        self.append(raw)
        self.assertEqual(cht("cat", "--raw", str(self.state)).stdout, raw)

    def test_no_entry_passes_for_two_lines(self):
        bad = [b"text", b'{"a":1}\n{"b":2}', b'{"a":"\x1b[2J"}', b'{"a":"\xff"}', b"{", b'"x"']
        self.append(packed([event(0), *bad, event(1)]))
        lines = cht("cat", str(self.state)).stdout.splitlines()
        self.assertEqual(len(lines), len(bad) + 2)
        for index, (line, entry) in enumerate(zip(lines[1:], bad), 1):
            told = json.loads(line)["unreadable"]
            self.assertEqual(told, {"index": str(index), "hex": entry.hex()})

    def test_a_torn_tail_is_no_error(self):
        self.append(packed([event(0)]) + b"\0\x40" + event(1)[:10])
        done = cht("cat", str(self.state))
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(done.stdout, event(0) + b"\n")

    def test_damage_is_told_after_what_is_whole(self):
        self.append(packed([event(0), event(1)]) + b"\xff\xff" + b"x" * 70000)
        for args in ((), ("-f",)):
            done = cht("cat", *args, str(self.state))
            self.assertEqual(done.returncode, 11)
            self.assertEqual(done.stdout, event(0) + b"\n" + event(1) + b"\n")
            self.assertEqual(done.stderr.count(b"\n"), 1)
            self.assertIn(b"entry 2", done.stderr)

    def test_a_missing_segment_is_damage(self):
        self.append(packed([event(0)]))
        self.append(packed([event(0)]), 65536)
        done = cht("cat", str(self.state))
        self.assertEqual((done.returncode, done.stdout), (11, event(0) + b"\n"))

    def test_no_ledger(self):
        done = cht("cat", str(self.state / "ledger" / "entries"))
        self.assertEqual((done.returncode, done.stdout), (1, b""))
        self.assertIn(b"no ledger", done.stderr)

    def test_following_sees_what_is_appended(self):
        self.append(packed([event(0)]))
        with start("cat", "-f", str(self.state)) as follower:
            self.assertEqual(follower.stdout.readline(), event(0) + b"\n")
            half = packed([event(1)])
            self.append(half[:9])
            self.append(half[9:] + packed([event(2)]))
            self.assertEqual(follower.stdout.readline(), event(1) + b"\n")
            self.assertEqual(follower.stdout.readline(), event(2) + b"\n")
            follower.terminate()
            follower.wait(30)

    def test_following_an_empty_ledger_and_into_the_next_segment(self):
        with start("cat", "-f", str(self.state)) as follower:
            self.append(packed([b"{}"] * 65536))
            for _ in range(65536):
                self.assertEqual(follower.stdout.readline(), b"{}\n")
            self.append(packed([event(7)]), 65536)
            self.assertEqual(follower.stdout.readline(), event(7) + b"\n")
            follower.terminate()
            follower.wait(30)

    def test_waiting_costs_no_processor_time(self):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.append(packed([event(0)]))
        with start("cat", "-f", str(self.state)) as follower:
            follower.stdout.readline()
            # Each append must wake it once: what it does not poll for it cannot miss.
            for n in range(200):
                self.append(packed([event(n)]))
                self.assertEqual(follower.stdout.readline(), event(n) + b"\n")
            wakes = int(
                next(
                    line.split()[1]
                    for line in pathlib.Path(f"/proc/{follower.pid}/status").read_text().splitlines()
                    if line.startswith("voluntary_ctxt_switches")
                )
            )
            follower.terminate()
            follower.wait(30)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.assertLess(after.ru_utime - before.ru_utime, 1.0)
        self.assertLess(wakes, 1000)

    def test_a_reader_that_closes_ends_it_quietly(self):
        self.append(packed([event(n) for n in range(20000)]))
        for args in ((), ("-f",)):
            with self.subTest(args):
                with start("cat", *args, str(self.state)) as cat:
                    cat.stdout.readline()
                    cat.stdout.close()
                    self.assertEqual(cat.wait(30), 0)
                    self.assertEqual(cat.stderr.read(), b"")

    def test_a_reader_that_closes_while_nothing_comes_ends_it(self):
        self.append(packed([event(0)]))
        with start("cat", "-f", str(self.state)) as cat:
            cat.stdout.readline()
            cat.stdout.close()
            self.assertEqual(cat.wait(30), 0)

    def test_a_full_disk_is_told(self):
        self.append(packed([event(0)]))
        with open("/dev/full", "wb") as full:
            with start("cat", str(self.state), stdout=full) as cat:
                self.assertEqual(cat.wait(30), 1)
                self.assertIn(b"No space left", cat.stderr.read())


if __name__ == "__main__":
    unittest.main()
