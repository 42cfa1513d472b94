#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cht show and cht prove: one entry, where it stands, and the proof that it does."""

import base64
import json
import unittest

import merkle
from cli import cht
from cli_tail import envelope, spawned
from made_ledger import MadeLedger

ID = "urn:cellos:event:{:08x}-0000-8000-8000-000000000000"


class Show(MadeLedger):
    def made(self, n=600):
        entries = [spawned(i + 1, comm="a\x1b\u202eb") for i in range(n)]
        entries[3] = envelope(entries[3])
        entries[4] = b"\xff no event\n"
        self.append(*entries)
        return entries

    def show(self, *args):
        return cht("show", str(self.state), *args)

    def test_an_entry_by_index_and_by_id(self):
        entries = self.made()
        root = merkle.root([merkle.leaf(e) for e in entries])
        for index in (0, 3, 255, 256, 599):
            want = {
                "index": index,
                "leafHash": merkle.leaf(entries[index]).hex(),
                "checkpoint": {
                    "origin": "test.example/0011223344556677",
                    "size": 600,
                    "root": base64.b64encode(root).decode(),
                },
                "isUnderCheckpoint": True,
                "entry": json.loads(entries[index]),
            }
            event_id = ID.format(index + 1)
            for name in (str(index), event_id, event_id.removeprefix("urn:cellos:event:")):
                done = self.show("-o", "json", name)
                self.assertEqual((done.returncode, done.stderr), (0, b""))
                self.assertEqual(json.loads(done.stdout), want)
                self.assertIn(b'"entry":' + entries[index] + b"}\n", done.stdout)
                self.assertEqual(self.show("--raw", name).stdout, entries[index])

    def test_text_is_the_event_and_a_guest_cannot_forge_it(self):
        entries = self.made()
        for index in (0, 3):
            text = self.show(str(index)).stdout.decode()
            head, body = text.split("{\n", 1)
            event = json.loads(entries[index])
            self.assertEqual(json.loads("{" + body), event.get("event", event))
            self.assertIn(f"entry       {index} of test.example/", head)
            self.assertIn("under it    yes", head)
            self.assertEqual("envelope    ed25519 by key k1" in head, index == 3)
            self.assertTrue(text.isascii() and "\x1b" not in text)

    def test_an_entry_that_is_no_event(self):
        entries = self.made()
        done = self.show("4")
        self.assertIn(b"11 bytes that are no event", done.stdout)
        self.assertIn(entries[4].hex().encode(), done.stdout)
        told = json.loads(self.show("-o", "json", "4").stdout)
        self.assertEqual(told["entry"]["unreadable"]["hex"], entries[4].hex())

    def test_what_is_not_there(self):
        self.made(300)
        self.append(spawned(301), covered=False)
        cases = (
            ("300", 1, "covers 300 entries"),
            ("18446744073709551615", 1, "covers 300 entries"),
            ("18446744073709551616", 1, "no event has the id"),
            (ID.format(301), 1, "no event has the id"),
            ("x" * 1100, 1, "no index and no id"),
        )
        for name, code, why in cases:
            for command in ("show", "prove"):
                done = cht(command, str(self.state), name)
                self.assertEqual((done.returncode, done.stdout), (code, b""))
                self.assertIn(why.encode(), done.stderr)
                self.assertEqual(done.stderr.count(b"\n"), 1)

    def test_an_entry_of_a_segment_that_is_gone(self):
        self.append(*[b"{}"] * 65536, spawned(1))
        self.segment().unlink()
        done = self.show("5")
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"the first one is 65536", done.stderr)
        self.assertEqual(self.show("65536").returncode, 0)

    def test_an_entry_that_was_changed(self):
        entries = self.made()
        at = self.segment().read_bytes().index(entries[300]) + 30
        self.change(self.segment(), at, b"X")
        done = self.show("300")
        self.assertEqual(done.returncode, 11)
        self.assertIn(b"under it    no", done.stdout)
        self.assertIn(b"entry 300 is not the one", done.stderr)
        self.assertEqual(done.stderr.count(b"\n"), 1)
        self.assertFalse(json.loads(self.show("-o", "json", "300").stdout)["isUnderCheckpoint"])
        done = cht("prove", str(self.state), "300")
        self.assertEqual((done.returncode, done.stdout), (11, b""))
        self.assertEqual(done.stderr.count(b"\n"), 1)
        self.assertEqual(self.show("301").returncode, 0)

    def test_an_id_may_be_in_what_is_damaged(self):
        entries = self.made()
        raw = self.segment().read_bytes()
        at = raw.index(entries[300])
        number = at + entries[300].index(b":event:") + 7
        hashes = (self.ledger / "hashes/0").read_bytes()
        damages = (
            ("its number", self.segment(), raw[:number] + b"f" + raw[number + 1 :]),
            ("its runId", self.segment(), raw.replace(entries[300], entries[300].replace(b"run-1", b"run-2"))),
            ("its length", self.segment(), raw[: at - 2] + b"\xff" + raw[at - 1 :]),
            ("cut off", self.segment(), raw[:at]),
            ("its hash", self.ledger / "hashes/0", hashes[: 32 * 300] + bytes(32) + hashes[32 * 301 :]),
        )
        for cached in (False, True, True):  # none; made by this; there already
            if cached:
                (self.state / "cache").mkdir(exist_ok=True)
            for why, path, bad in damages:
                was = path.read_bytes()
                path.write_bytes(bad)
                for command in ("show", "prove"):
                    # One that was never there: who can tell, as long as something is damaged.
                    for name in (ID.format(0xABCDEF), *([ID.format(301)] if why == "its number" else ())):
                        with self.subTest(f"{command} {name} {why} {cached}"):
                            done = cht(command, str(self.state), name)
                            self.assertEqual((done.returncode, done.stdout), (11, b""))
                            first, second = done.stderr.splitlines()
                            self.assertIn(b"ledger damaged: ", first)
                            self.assertIn(b"300" if why != "its hash" else b"hashes/0", first)
                            self.assertIn(b"no event that can be read has the id", second)
                path.write_bytes(was)
            self.assertEqual(self.show(ID.format(0xABCDEF)).returncode, 1)

    def test_usage(self):
        for command in ("show", "prove"):
            for args in ((), ("x",), ("x", "1", "2")):
                self.assertEqual(cht(command, *args).returncode, 2)
        self.assertEqual(self.show("0").returncode, 1)
        self.assertEqual(cht("show", "/nowhere", "0").returncode, 1)


class Prove(MadeLedger):
    def check(self, text, entries, index):
        head, note = text.split(b"\n\n", 1)
        first, second, *hashes = head.decode().split("\n")
        self.assertEqual(first, "c2sp.org/tlog-proof@v1")
        self.assertEqual(second, f"index {index}")
        self.assertEqual(note, (self.ledger / "checkpoint").read_bytes())
        _, size, root = merkle.checkpoint(note)
        proof = [base64.b64decode(h, validate=True) for h in hashes]
        leaf = merkle.leaf(entries[index])
        self.assertEqual(merkle.root_of_proof(index, size, leaf, proof), root)
        self.assertEqual(root, merkle.root([merkle.leaf(e) for e in entries]))

    def test_proofs_hold(self):
        entries = []
        for grow in (1, 1, 1, 252, 1, 1, 300, 243, 65536):
            more = [spawned(len(entries) + n + 1) for n in range(grow)]
            self.append(*more)
            entries += more
            size = len(entries)
            for index in sorted({0, size // 3, size // 2, size - 2, size - 1} & set(range(size))):
                done = cht("prove", str(self.state), str(index))
                self.assertEqual((done.returncode, done.stderr), (0, b""))
                self.check(done.stdout, entries, index)
        done = cht("prove", str(self.state), ID.format(4))
        self.check(done.stdout, entries, 3)

    def test_to_a_new_file(self):
        self.append(spawned(1), spawned(2))
        out = self.state / "1.tlog-proof"
        said = cht("prove", str(self.state), "1").stdout
        for option in ("-o", "--out"):
            done = cht("prove", str(self.state), "1", option, str(out))
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))
            self.assertEqual(out.read_bytes(), said)
            done = cht("prove", str(self.state), "0", option, str(out))
            self.assertEqual(done.returncode, 1)
            self.assertIn(b"there already", done.stderr)
            self.assertEqual(out.read_bytes(), said)
            out.unlink()
        before = sorted(p.name for p in self.state.iterdir())
        done = cht("prove", str(self.state), "1", "-o", str(self.state / "no/where"))
        self.assertEqual(done.returncode, 1)
        self.assertEqual(sorted(p.name for p in self.state.iterdir()), before)

    def test_no_proof_of_a_damaged_ledger(self):
        self.append(*(spawned(n + 1) for n in range(600)))
        note = (self.ledger / "checkpoint").read_bytes()
        for path, at in (("hashes/0", 32 * 20), ("hashes/1", 0), ("hashes/0", 32 * 520),
                         ("checkpoint", len(note) - 20)):  # fmt: skip
            with self.subTest(f"{path} {at}"):
                before = (self.ledger / path).read_bytes()
                self.change(self.ledger / path, at, bytes([before[at] ^ 1]))
                done = cht("prove", str(self.state), "10")
                self.assertEqual((done.returncode, done.stdout), (11, b""))
                self.assertEqual(done.stderr.count(b"\n"), 1)
                (self.ledger / path).write_bytes(before)


if __name__ == "__main__":
    unittest.main()
