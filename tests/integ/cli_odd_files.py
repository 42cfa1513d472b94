#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What somebody who can write the ledger's files may put in their place: no reader waits for it."""

import os
import subprocess
import unittest

import made_ledger

CHT = os.path.join(os.environ["CHT_BIN"], "cht")
SEGMENT = "entries/" + "0" * 20
FAR = 1 << 62


class OddFiles(made_ledger.MadeLedger):
    def setUp(self):
        super().setUp()
        self.append(*(b'{"n":%d}' % i for i in range(600)))

    def ends(self, *args, want=None):
        """Its exit status; nothing of it may take long."""
        r = subprocess.run([CHT, *args], capture_output=True, timeout=20, check=False)
        self.assertIn(r.returncode, (0, 1, 11, 12), (args, r.stderr))
        if want is not None:
            self.assertEqual(r.returncode, want, (args, r.stderr))

    def all_end(self, want=None):
        state = str(self.state)
        for args in (("verify", state), ("cat", state), ("show", state, "300"),
                     ("prove", state, "300"), ("export", state, f"{state}/out")):
            self.ends(*args, want=want)
            if os.path.exists(f"{state}/out"):
                os.remove(f"{state}/out")

    def test_a_fifo_is_not_waited_for(self):
        for name in ("hashes/0", "hashes/1", SEGMENT, SEGMENT + ".idx", "checkpoint", "vkey", "origin", "lock"):
            with self.subTest(name):
                path = self.ledger / name
                if path.exists():
                    path.rename(self.state / "kept")
                os.mkfifo(path)
                self.all_end()
                path.unlink()
                if (self.state / "kept").exists():
                    (self.state / "kept").rename(path)
        self.ends("show", str(self.state), "300", want=0)

    def test_a_terabyte_of_nothing_is_not_read(self):
        with open(self.segment(), "r+b") as f:
            f.truncate(2000)
            f.truncate(1 << 42)
        self.ends("verify", str(self.state), want=11)
        self.ends("cat", str(self.state), want=11)

    def test_segments_far_away_are_not_counted_up_to(self):
        self.change(self.segment(), 2000, b"\xff" * 3000)
        lines = (self.ledger / "checkpoint").read_bytes().split(b"\n")
        lines[1] = str(FAR + 1).encode()
        (self.ledger / "checkpoint").write_bytes(b"\n".join(lines))
        self.segment(FAR).write_bytes(b"")
        self.ends("cat", str(self.state), want=11)


if __name__ == "__main__":
    unittest.main()
