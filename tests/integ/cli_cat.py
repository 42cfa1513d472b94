#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cht cat: every entry as it stands, to the end or as they come, and where it must stop."""

import json
import os
import pathlib
import shutil
import unittest

from cli import cht, start
from made_ledger import MadeLedger, packed

EVENT = b'{"specversion":"1.0","id":"urn:cellos:event:%d","data":{"n":%d}}'


def event(n):
    return EVENT % (n, n)


class Cat(MadeLedger):
    def test_entries_come_out_as_they_went_in(self):
        entries = [event(n) for n in range(2000)]
        entries.append(b'{"event":' + event(1) + b',"signerKid":"k","note":"\xc3\xbc"}')
        entries.append(b'{"data":"' + b"x" * 61000 + b'"}')
        self.append(*entries)
        shutil.copytree(self.ledger, self.state / "copy")
        for where in (self.state, self.ledger, self.state / "copy"):
            done = cht("cat", str(where))
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            self.assertEqual(done.stdout, b"".join(e + b"\n" for e in entries))

    def test_raw_is_what_stands_in_the_segment(self):
        entries = [event(1), b"\0\n\xff", event(2)]
        self.append(*entries)
        self.assertEqual(self.segment().read_bytes(), packed(entries))
        self.assertEqual(cht("cat", "--raw", str(self.state)).stdout, packed(entries))

    def test_no_entry_passes_for_two_lines(self):
        bad = [b"text", b'{"a":1}\n{"b":2}', b'{"a":"\x1b[2J"}', b'{"a":"\xff"}', b"{", b'"x"']
        self.append(event(0), *bad, event(1))
        lines = cht("cat", str(self.state)).stdout.splitlines()
        self.assertEqual(len(lines), len(bad) + 2)
        for index, (line, entry) in enumerate(zip(lines[1:], bad), 1):
            told = json.loads(line)["unreadable"]
            self.assertEqual(told, {"index": str(index), "hex": entry.hex()})

    def cat(self, *args):
        """Status, lines of output, lines of stderr."""
        done = cht("cat", *args, str(self.state))
        return done.returncode, done.stdout.splitlines(), done.stderr.decode().splitlines()

    def test_nothing_above_the_checkpoint_is_shown(self):
        self.append(event(0), covered=False)
        self.assertEqual(self.cat(), (0, [], []))
        self.append(event(1))
        with open(self.segment(), "ab") as segment:
            segment.write(packed([event(2)]) + b"\0\x40" + event(3)[:10])
        self.assertEqual(self.cat(), (0, [event(0), event(1)], []))

    def test_a_changed_entry_is_told_once_and_all_is_shown(self):
        entries = [event(n) for n in range(1000)]
        self.append(*entries)
        raw = self.segment().read_bytes()
        self.change(self.segment(), raw.index(event(300)) + 10, b"X")
        self.change(self.segment(), raw.index(event(500)) + 10, b"X")
        code, lines, said = self.cat()
        self.assertEqual(code, 11)
        self.assertEqual(len(lines), 1000)
        self.assertEqual(lines[299], event(299))
        self.assertEqual(len(said), 1)
        self.assertIn("entry 300 is not the one", said[0])

    def test_what_is_wrong_with_a_checkpoint_is_told(self):
        self.append(*(event(n) for n in range(300)))
        note = (self.ledger / "checkpoint").read_bytes()
        vkey = (self.ledger / "vkey").read_bytes()
        signature = note.rindex(b" ") + 20
        bad = bytes([note[signature] ^ 1 if note[signature] != ord("/") else ord("A")])
        cases = (
            ("checkpoint", signature, bad, 300, "signature of the checkpoint"),
            ("checkpoint", note.index(b"\n300\n") + 1, b"299", 299, "does not hold"),
            ("checkpoint", 0, b"T", 0, "different logs"),
            ("checkpoint", len(note) - 2, b"\n", 0, "checkpoint, byte"),
            ("vkey", vkey.index(b"+") + 1, b"zz", 300, "vkey: "),
            ("hashes/0", 280 * 32, b"\0", 300, "does not lead to the root"),
            ("hashes/0", 20 * 32, b"\0", 300, "hashes/0 from hash 0"),
            ("hashes/1", 5, b"\0", 300, "does not lead to the root"),
        )
        for name, at, new, readable, why in cases:
            with self.subTest(f"{name} {at}"):
                path = self.ledger / name
                before = path.read_bytes()
                self.change(path, at, new)
                code, lines, said = self.cat()
                self.assertEqual(code, 11)
                self.assertEqual(len(lines), readable)
                self.assertEqual(len(said), 1)
                self.assertIn(why, said[0])
                path.write_bytes(before)
        self.assertEqual(self.cat()[0], 0)

    def test_without_vkey_the_signature_is_not_checked_and_that_is_said(self):
        self.append(event(0))
        (self.ledger / "vkey").unlink()
        code, lines, said = self.cat()
        self.assertEqual((code, lines, len(said)), (0, [event(0)], 1))
        self.assertIn("warning: no vkey", said[0])

    def test_reading_goes_on_behind_damage(self):
        self.append(*(event(n) for n in range(1000)))
        at = self.segment().read_bytes().index(event(300)) - 2
        self.change(self.segment(), at, b"\xff\xff")
        code, lines, said = self.cat()
        self.assertEqual(code, 11)
        self.assertEqual(lines, [event(n) for n in [*range(300), *range(512, 1000)]])
        self.assertEqual(len(said), 1)
        self.assertIn("entry 300", said[0])

    def test_entries_that_are_cut_off_are_damage(self):
        self.append(*(event(n) for n in range(10)))
        with open(self.segment(), "r+b") as segment:
            segment.truncate(self.segment().read_bytes().index(event(7)) + 3)
        for args in ((), ("-f",)):
            code, lines, said = self.cat(*args)
            self.assertEqual((code, len(lines), len(said)), (11, 7, 1))
            self.assertIn("below the checkpoint", said[0])

    def test_a_missing_segment_is_damage(self):
        self.append(*[b"{}"] * 65536, event(0))
        self.segment().rename(self.segment(65536 * 2))
        code, lines, said = self.cat()
        self.assertEqual((code, len(said)), (0, 0))
        self.assertEqual(lines, [event(0)])
        self.segment(65536).unlink()
        code, lines, said = self.cat()
        self.assertEqual((code, lines, len(said)), (11, [], 1))

    def test_no_ledger(self):
        done = cht("cat", str(self.ledger / "entries"))
        self.assertEqual((done.returncode, done.stdout), (1, b""))
        self.assertIn(b"no ledger", done.stderr)

    def test_following_sees_what_a_checkpoint_covers(self):
        self.append(event(0))
        with start("cat", "-f", str(self.state)) as follower:
            self.assertEqual(follower.stdout.readline(), event(0) + b"\n")
            self.append(event(1), covered=False)
            self.append(event(2))
            self.assertEqual(follower.stdout.readline(), event(1) + b"\n")
            self.assertEqual(follower.stdout.readline(), event(2) + b"\n")
            follower.terminate()
            follower.wait(30)

    def test_following_an_empty_ledger_and_into_the_next_segment(self):
        with start("cat", "-f", str(self.state)) as follower:
            self.append(*[b"{}"] * 65536)
            for _ in range(65536):
                self.assertEqual(follower.stdout.readline(), b"{}\n")
            self.append(event(7))
            self.assertEqual(follower.stdout.readline(), event(7) + b"\n")
            follower.terminate()
            follower.wait(30)

    def test_following_ends_when_the_log_goes_back(self):
        self.append(event(0), event(1))
        old = (self.ledger / "checkpoint").read_bytes()
        self.append(event(2))
        with start("cat", "-f", str(self.state)) as follower:
            for n in range(3):
                self.assertEqual(follower.stdout.readline(), event(n) + b"\n")
            (self.ledger / "new").write_bytes(old)
            (self.ledger / "new").rename(self.ledger / "checkpoint")
            self.assertEqual(follower.wait(30), 11)
            self.assertIn(b"went back from 3 entries to 2", follower.stderr.read())

    def test_following_ends_with_the_log(self):
        self.append(event(0))
        with start("cat", "-f", str(self.state)) as follower:
            self.assertEqual(follower.stdout.readline(), event(0) + b"\n")
            self.append(event(1))
            self.ledger.rename(self.state / "past")
            self.assertEqual(follower.stdout.readline(), event(1) + b"\n")
            self.assertEqual(follower.wait(30), 0)
            self.assertIn(b"notice: the log has ended", follower.stderr.read())

    def test_filters(self):
        cases = (
            (["--cell", "c1"], [1, 4, 5]),
            (["--run", "r2"], [2, 3]),
            (["--type", "guest"], [1, 2, 4, 5, 6]),
            (["--type", "guest", "--cell", "c1"], [1, 4, 5]),
            (["--where", "pid=11"], [1]),
            (["--where", "pid=1"], []),
            (["--where", "comm=a \"b\""], [2]),
            (["--where", "exe=/bin/a"], [1, 2]),
            (["--where", "exe=/bin/a", "--where", "comm=sh"], [1]),
            (["--where", "address=10.0.0.1"], [4]),
            (["--where", "address=10.0.0.1:443"], [4]),
            (["--where", "address=10.0.0.1:44"], []),
            (["--where", "address=[::1]:80"], [6]),
            (["--where", "verdict=heartbeat"], [5]),
            (["--after", "2026-11-22T16:44:45Z"], [0, 1, 2, 3, 4, 5, 6]),
            (["--after", "2026-11-22T17:44:47.5+01:00"], [4, 5, 6]),
            (["--after", "2026-11-22T16:44:47.500000001Z"], [5, 6]),
            (["--after", "2026-11-23"], []),
            (["--after", "90000d", "--cell", "c1"], [1, 4, 5]),
        )
        from cli_tail import event as full  # pylint: disable=import-outside-toplevel

        def guest(name, **details):
            return {"guest": {"guestMonotonicNs": 5, **details}, "provenance": "declared"}

        entries = [
            full("host.started", 1, cell="host", run="h"),
            full("guest.process_spawned", 1, cell="c1", run="r1", time="16:44:46.000000000",
                 **guest(1, guestComm="sh", guestPid=11, exe="/bin/a")),
            full("guest.process_spawned", 1, cell="c2", run="r2", time="16:44:46.000000000",
                 **guest(1, guestComm='a "b"', guestPid=12, exe="/bin/a")),
            full("run.sealed", 2, cell="c2", run="r2", time="16:44:47.499999999"),
            full("guest.net_connect_attempted", 2, cell="c1", run="r1", time="16:44:47.500000000",
                 **guest(1, guestComm="x", guestPid=111, destAddr="10.0.0.1", destPort=443)),
            full("guest.agent_silenced", 3, cell="c1", run="r1", time="16:44:48.000000000",
                 basis="heartbeat", provenance="derived"),
            full("guest.net_connect_attempted", 1, cell="c3", run="r3", time="16:44:49.000000000",
                 **guest(1, guestComm="x", guestPid=112, destAddr="::1", destPort=80)),
        ]  # fmt: skip
        self.append(*entries, b"no event")
        for args, want in cases:
            with self.subTest(args):
                code, lines, said = self.cat(*args)
                self.assertEqual((code, said), (0, []))
                self.assertEqual(lines, [entries[n] for n in want])

    def test_wrong_filters_are_explained(self):
        cases = (
            (["--where", "pid"], "KEY=VALUE"),
            (["--where", "uid=0"], "pid, comm, exe, address, verdict"),
            (["--where=comm=" + "\udcff"], "UTF-8"),
            (["--where=pid=1"] * 17, "at most 16"),
            (["--after", "yesterday"], "5m"),
            (["--after", "2026-11-22T16:44:45"], "not '2026"),
            (["--after", "2026-11-22T16:44:45.Z"], "not '2026"),
            (["--after", "2026-11-22T16:44:45+1:00"], "not '2026"),
            (["--after", "2026-13-22"], "not '2026"),
            (["--after", "m"], "not 'm'"),
            (["--after", "-5m"], "not '-5m'"),
        )
        for args, why in cases:
            with self.subTest(args):
                code, lines, said = self.cat(*args)
                self.assertEqual((code, lines), (2, []))
                self.assertIn(why, said[0])

    def test_waiting_costs_no_processor_time(self):
        self.append(event(0))
        with start("cat", "-f", str(self.state)) as follower:
            follower.stdout.readline()
            # Each append must wake it once: what it does not poll for it cannot miss.
            for n in range(200):
                self.append(event(n))
                self.assertEqual(follower.stdout.readline(), event(n) + b"\n")
            wakes = int(
                next(
                    line.split()[1]
                    for line in pathlib.Path(f"/proc/{follower.pid}/status").read_text().splitlines()
                    if line.startswith("voluntary_ctxt_switches")
                )
            )
            stat = pathlib.Path(f"/proc/{follower.pid}/stat").read_text().rpartition(")")[2].split()
            follower.terminate()
            follower.wait(30)
        self.assertLess(int(stat[11]) / os.sysconf("SC_CLK_TCK"), 0.5)
        self.assertLess(wakes, 1000)

    def test_a_reader_that_closes_ends_it_quietly(self):
        self.append(*(event(n) for n in range(20000)))
        for args in ((), ("-f",)):
            with self.subTest(args):
                with start("cat", *args, str(self.state)) as cat:
                    cat.stdout.readline()
                    cat.stdout.close()
                    self.assertEqual(cat.wait(30), 0)
                    self.assertEqual(cat.stderr.read(), b"")

    def test_a_reader_that_closes_while_nothing_comes_ends_it(self):
        self.append(event(0))
        with start("cat", "-f", str(self.state)) as cat:
            cat.stdout.readline()
            cat.stdout.close()
            self.assertEqual(cat.wait(30), 0)

    def test_a_full_disk_is_told(self):
        self.append(event(0))
        with open("/dev/full", "wb") as full:
            with start("cat", str(self.state), stdout=full) as cat:
                self.assertEqual(cat.wait(30), 1)
                self.assertIn(b"No space left", cat.stderr.read())


if __name__ == "__main__":
    unittest.main()
